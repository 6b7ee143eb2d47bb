# Die Seiten des Portals auf Deutsch. Vorlage: en.ftl.

## Überall

log-in-again = Neu anmelden
log-out = Abmelden
log-out-everywhere = Überall abmelden
try-again = Noch einmal versuchen
fact-error = Fehler { $number }
fact-class = Art
fact-reference = Referenz

## Wahl der Anmeldung

choice-title = Anmelden
choice-expired = Ihre Sitzung ist abgelaufen.
choice-intro = Wählen Sie, wie Sie sich anmelden möchten.
choice-entry = Anmelden mit { $choice }

## Die Anwendungen

menu-title = Ihre Anwendungen
menu-user = Sie sind angemeldet als { $user }.
menu-empty = Hier ist keine Anwendung aufgeführt.

## Abmelden

logged-out-title = Sie sind abgemeldet
logged-out-here = Ihre Sitzung in diesem Browser ist beendet.
logged-out-everywhere = Alle Ihre Sitzungen sind beendet, auch die in anderen Browsern und auf anderen Geräten.
logged-out-return-refused = Der Link sollte Sie außerdem an eine Adresse weiterleiten, die hier nicht erlaubt ist. Darum bleiben Sie auf dieser Seite.
logged-out-master = Das Anmeldesystem kennt Sie möglicherweise noch und meldet Sie ohne Rückfrage wieder an. Melden Sie sich an einem gemeinsam genutzten Rechner auch dort ab und schließen Sie den Browser.
confirm-title = Abmelden?
confirm-foreign = Eine andere Website hat Sie hierher geschickt, um Sie abzumelden. Wenn Sie das nicht wollten, bleiben Sie angemeldet.
confirm-everywhere = Damit würden alle Ihre Sitzungen enden, auch die in anderen Browsern und auf anderen Geräten.
confirm-stay = Angemeldet bleiben

## Ablehnungen, nach den Fehlernummern von LemonLDAP::NG

refused-help = Wenn das wieder geschieht, nennen Sie Ihrer Administration die Referenz unten.
error-other = Ihre Anfrage konnte nicht beantwortet werden.
    .title = Etwas ist schiefgegangen
error-1 = Sie waren zu lange inaktiv, oder Ihre Anmeldung liegt zu lange zurück. Bitte melden Sie sich neu an.
    .title = Ihre Sitzung ist abgelaufen
error-4 = Das Anmeldesystem hat nicht mitgeteilt, wer Sie sind.
    .title = Sie konnten nicht angemeldet werden
error-8 = Das Portal kann Ihnen im Moment nicht antworten. Bitte versuchen Sie es in einer Minute noch einmal.
    .title = Vorübergehend nicht verfügbar
error-9 = Sie müssen wählen, wie Sie sich anmelden möchten.
    .title = Bitte wählen
error-37 = Die Adresse, zu der Sie zurückkehren sollten, ist ungültig.
    .title = Rückkehradresse ungültig
error-40 = Das Anmeldesystem hat einen Benutzernamen oder Angaben zu Ihnen geschickt, die hier ungültig sind.
    .title = Sie konnten nicht angemeldet werden
error-41 = Sie dürfen sich hier im Moment nicht anmelden.
    .title = Anmeldung nicht gestattet
error-41-throttled = In kurzer Zeit wurden zu viele Sitzungen eröffnet. Bitte warten Sie eine Minute.
    .title = Zu viele Anmeldungen
error-47 = Ihre Sitzung ist beendet.
    .title = Sie sind abgemeldet
error-75 = Ihre Anfrage kam nicht über das Anmeldesystem, oder das Anmeldesystem konnte sich nicht ausweisen.
    .title = Die Anmeldung wurde nicht anerkannt
error-109 = Die Adresse, zu der Sie zurückkehren sollten, ist hier nicht erlaubt.
    .title = Rückkehradresse nicht erlaubt

## Der Browser kommt immer wieder ohne das Sitzungscookie

loop-title = Ihre Anmeldung bleibt nicht bestehen
loop-intro = Sie wurden mehrmals hintereinander angemeldet, aber Ihr Browser kam jedes Mal ohne das Sitzungscookie von { $host } zurück.
loop-heading-cause = Die wahrscheinliche Ursache
loop-heading-user = Was Sie tun können
loop-heading-administrator = Was Ihre Administration prüfen kann
loop-cookie-not-returned = Ihr Browser behält das Cookie nicht oder schickt es nicht an { $host }.
    .user = Erlauben Sie Cookies für { $host }, schalten Sie Erweiterungen ab, die sie blockieren, und versuchen Sie es noch einmal.
    .administrator = Zwischen dem Browser und { $host } darf nichts die Header Set-Cookie und Cookie entfernen. portal.domain und sessions.cookie.secured müssen zur Adresse der Seite passen.
loop-plain-http = Sie haben { $host } mit http:// aufgerufen, das Cookie wird aber nur über https:// geschickt.
    .user = Öffnen Sie die Seite noch einmal, mit https:// am Anfang der Adresse.
    .administrator = Leiten Sie { $host } von http auf https um, oder wählen Sie für sessions.cookie.secured einen Wert mit einem Cookie für unverschlüsseltes HTTP. Der Proxy muss das Schema in X-Forwarded-Proto melden.
loop-other-host = Das Cookie gilt für { $cookie-domain }, die Seite liegt aber auf { $host }; dorthin schickt Ihr Browser es nicht.
    .user = Nennen Sie Ihrer Administration die Referenz unten; ein neuer Versuch wird wahrscheinlich nicht helfen.
    .administrator = portal.domain muss eine Domain über dem Portal und über { $host } sein. Gibt es keine, braucht die Anwendung einen anderen Hostnamen.
loop-portal-over-http = Sie haben { $host } mit http:// aufgerufen, Ihr Browser behält das Cookie aber nur, wenn es über https:// kommt.
    .user = Öffnen Sie die Seite noch einmal, mit https:// am Anfang der Adresse.
    .administrator = portal.url muss mit https:// beginnen, und { $host } muss von http auf https umleiten. Gibt es nur unverschlüsseltes HTTP, setzen Sie sessions.cookie.secured auf 0.

## Der zweite Faktor

factor-title = Ein zweiter Faktor ist nötig
factor-user = Sie sind als { $user } angemeldet.
factor-message = Ihr Authentifizierungsserver sagt:
factor-waiting = Bitte bestätigen Sie auf Ihrem anderen Gerät. Diese Seite geht dann von selbst weiter.
factor-not-confirmed = Es wurde nicht rechtzeitig bestätigt. Geben Sie stattdessen ein Einmalpasswort ein, oder melden Sie sich neu an.
factor-otp = Einmalpasswort, hinter Ihrer PIN, falls Sie eine haben
factor-check = Prüfen
factor-refused = Das wurde nicht angenommen. Bitte versuchen Sie es noch einmal.
factor-throttled = Zu viele Versuche. Bitte warten Sie eine Weile und versuchen Sie es dann noch einmal.

## Ablehnungen, auf dem Host einer Anwendung

denied-forbidden = Sie dürfen diese Seite nicht öffnen.
    .title = Kein Zugang
denied-master = Das Anmeldesystem konnte sich nicht ausweisen.
    .title = Kein Zugang
denied-factor = Für diese Seite müssen Sie ein zweites Mal zeigen, wer Sie sind.
    .title = Zweiter Faktor nötig
denied-request = Die Anfrage wurde nicht verstanden. Vielleicht ist die Adresse falsch geschrieben.
    .title = Anfrage nicht verstanden
denied-throttled = In kurzer Zeit wurde zu viel angefragt. Bitte warten Sie eine Minute.
    .title = Bitte warten
denied-unavailable = Der Zugang kann gerade nicht geprüft werden. Bitte versuchen Sie es in einer Minute wieder.
    .title = Vorübergehend nicht verfügbar
