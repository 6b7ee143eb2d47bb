# The portal's pages in English, the language of those who ask for none that we have.
# All languages have the same keys with the same variables; a test holds that.

## Everywhere

log-in-again = Log in again
log-out = Log out
log-out-everywhere = Log out everywhere
try-again = Try again
fact-error = Error { $number }
fact-class = Class
fact-reference = Reference

## Choosing how to log in

choice-title = Log in
choice-expired = Your session has expired.
choice-intro = Choose how you want to log in.
choice-entry = Log in with { $choice }

## The user's applications

menu-title = Your applications
menu-user = You are logged in as { $user }.
menu-empty = No application is listed here.

## Logging out

logged-out-title = You are logged out
logged-out-here = Your session in this browser has ended.
logged-out-everywhere = All your sessions have ended, in other browsers and on other devices too.
logged-out-return-refused = The link also wanted to send you on to an address that is not allowed here. You stay on this page instead.
logged-out-master = The login system may still know you and log you in again without asking. On a shared computer, log out there too and close the browser.
confirm-title = Log out?
confirm-foreign = Another site sent you here to log you out. If you did not want that, stay logged in.
confirm-everywhere = This would end all your sessions, in other browsers and on other devices too.
confirm-stay = Stay logged in

## Refusals, by LemonLDAP::NG's error numbers

refused-help = If this happens again, tell your administrator the reference below.
error-other = Your request could not be answered.
    .title = Something went wrong
error-1 = You were inactive for too long, or you logged in a long time ago. Please log in again.
    .title = Your session has expired
error-4 = The login system did not say who you are.
    .title = You could not be logged in
error-8 = The portal cannot answer you at the moment. Please try again in a minute.
    .title = Temporarily unavailable
error-9 = You have to choose how you want to log in.
    .title = Please choose
error-37 = The address to which you should return is not a valid one.
    .title = Return address not valid
error-40 = The login system sent a user name or details about you that are not valid here.
    .title = You could not be logged in
error-41 = You may not log in here at the moment.
    .title = Login not granted
error-41-throttled = Too many sessions were opened in a short time. Please wait a minute.
    .title = Too many logins
error-47 = Your session has ended.
    .title = You are logged out
error-75 = Your request did not come through the login system, or the login system could not prove itself.
    .title = The login was not accepted
error-109 = The address to which you should return is not allowed here.
    .title = Return address not allowed

## The browser comes back again and again without the session cookie

loop-title = Your login does not last
loop-intro = You were logged in several times in a row, but each time your browser came back from { $host } without the session cookie.
loop-heading-cause = The likely cause
loop-heading-user = What you can do
loop-heading-administrator = What your administrator can check
loop-cookie-not-returned = Your browser does not keep the cookie, or does not send it to { $host }.
    .user = Allow cookies for { $host }, switch off extensions that block them, and try again.
    .administrator = Nothing between the browser and { $host } may remove the headers Set-Cookie and Cookie. portal.domain and sessions.cookie.secured have to fit the address of the page.
loop-plain-http = You opened { $host } with http://, but the cookie is only sent over https://.
    .user = Open the page again with https:// at the beginning of its address.
    .administrator = Redirect { $host } from http to https, or choose a value of sessions.cookie.secured with a cookie for plain HTTP. The proxy has to report the scheme in X-Forwarded-Proto.
loop-other-host = The cookie is meant for { $cookie-domain }, but the page is on { $host }, so your browser does not send it there.
    .user = Tell your administrator the reference below; trying again will probably not help.
    .administrator = portal.domain has to be a domain above both the portal and { $host }. If there is none, the application needs another host name.
loop-portal-over-http = You opened { $host } with http://, but your browser only keeps the cookie if it comes over https://.
    .user = Open the page again with https:// at the beginning of its address.
    .administrator = portal.url has to begin with https://, and { $host } has to redirect from http to https. For plain HTTP only, set sessions.cookie.secured to 0.

## The second factor

factor-title = A second factor is needed
factor-user = You are logged in as { $user }.
factor-message = Your authentication server says:
factor-waiting = Waiting for you to confirm on your other device. This page continues by itself.
factor-not-confirmed = It was not confirmed in time. Type a one-time password instead, or log in again.
factor-otp = One-time password, behind your PIN if you have one
factor-check = Check
factor-refused = That was not accepted. Please try again.
factor-throttled = Too many tries. Please wait a while, then try again.

## Denials, on an application's own host

denied-forbidden = You are not allowed to open this page.
    .title = No access
denied-master = The login system could not prove who it is.
    .title = No access
denied-factor = This page needs a second proof of who you are.
    .title = A second factor is needed
denied-request = The request was not understood. Perhaps the address is mistyped.
    .title = Request not understood
denied-throttled = Too much was asked in a short time. Please wait a minute.
    .title = Please wait
denied-unavailable = Access cannot be checked at the moment. Please try again in a minute.
    .title = Temporarily unavailable
