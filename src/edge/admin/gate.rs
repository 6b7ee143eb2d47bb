//! Who may use the API (SEMANTICS O1): whoever knows the credential, under a name of ours, from no foreign page.

use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use crate::domain::header::HeaderView as _;
use crate::domain::host;
use crate::domain::secret::SecretDigest;
use crate::edge::admin::{Admin, problem};
use crate::edge::http::headers;

/// Longest credential that is compared, in bytes.
const CREDENTIAL_BYTES: usize = 1024;

/// Who is let in.
#[derive(Debug, Default)]
pub struct Gate {
    /// Names besides `localhost` and addresses of the listener; canonical.
    pub hosts: Vec<Box<str>>,
    /// Any of them opens it; without one it stays shut.
    pub credentials: Vec<SecretDigest>,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// No credential is configured.
    NoCredential,
    /// The request names another host: a page somewhere may have been led here by its own name.
    ForeignHost,
    /// A page of another site sends it.
    ForeignOrigin,
    /// Without the credential, or with a wrong one.
    Unauthorized,
    /// A form could send it.
    NotJson,
}

impl Shut {
    const fn status(self) -> StatusCode {
        match self {
            Self::NoCredential | Self::ForeignHost | Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NoCredential => {
                "the API is off; set `admin.credential` in the configuration and restart"
            }
            Self::ForeignHost => {
                "this name is not known here; use localhost or the listener's address, or add the name to `admin.hosts`"
            }
            Self::ForeignOrigin => "a page of another site sent this; use the API from a program",
            Self::Unauthorized => {
                "the credential is missing or wrong; send `Authorization: Bearer` and the content of `admin.credential`"
            }
            Self::NotJson => "the body must be JSON; send `Content-Type: application/json`",
        }
    }
}

impl Gate {
    /// Lets `request` in or not. Nothing is told before the credential was right, but for what a browser needs
    /// to be kept out.
    fn check(&self, request: &HttpRequest) -> Result<(), Shut> {
        if self.credentials.is_empty() {
            return Err(Shut::NoCredential);
        }
        let listens_at = request.app_config().local_addr().ip();
        let is_ours = |authority: &[u8]| {
            host::canonical(authority).is_ok_and(|host| self.knows(&host, listens_at))
        };
        let headers = headers::list(request);
        if !matches!(headers.unique("host"), Ok(Some(host)) if is_ours(host)) {
            return Err(Shut::ForeignHost);
        }
        match headers.unique("origin") {
            Ok(None) => {}
            Ok(Some(origin)) if authority_of(origin).is_some_and(is_ours) => {}
            _ => return Err(Shut::ForeignOrigin),
        }
        if !matches!(headers.unique("authorization"), Ok(Some(line)) if self.opens(line)) {
            return Err(Shut::Unauthorized);
        }
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match headers.unique("content-type") {
            _ if is_read => Ok(()),
            Ok(Some(media)) if is_json(media) => Ok(()),
            _ => Err(Shut::NotJson),
        }
    }

    fn knows(&self, host: &str, listens_at: std::net::IpAddr) -> bool {
        // No page's name leads to an address in figures, so where all addresses are listened at, each is ours.
        let address: Option<std::net::IpAddr> =
            host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        host == "localhost"
            || self.hosts.iter().any(|known| **known == *host)
            || address.is_some_and(|address| address == listens_at || listens_at.is_unspecified())
    }

    fn opens(&self, line: &[u8]) -> bool {
        let presented = match line.split_at_checked(7) {
            Some((scheme, presented)) if scheme.eq_ignore_ascii_case(b"bearer ") => presented,
            _ => return false,
        };
        if presented.len() > CREDENTIAL_BYTES {
            return false;
        }
        let candidate = SecretDigest::of(presented);
        self.credentials.iter().fold(false, |open, known| known.matches(&candidate) | open)
    }
}

/// What stands behind `://`.
fn authority_of(origin: &[u8]) -> Option<&[u8]> {
    let at = origin.windows(3).position(|window| window == b"://")?;
    origin.get(at + 3..)
}

fn is_json(media: &[u8]) -> bool {
    let media = media.split(|b| *b == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Stands before every route of the API.
///
/// # Errors
/// Those of the route behind it.
pub async fn guard(
    admin: web::Data<Admin>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match admin.gate.check(request.request()) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(shut) => {
            let response: HttpResponse = refused(shut);
            Ok(request.into_response(response).map_into_right_body())
        }
    }
}

fn refused(shut: Shut) -> HttpResponse {
    let mut response = problem(shut.status(), shut.text());
    if shut == Shut::Unauthorized {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn gate() -> Gate {
        let credentials = ["good-credential-1", "good-credential-2"];
        Gate {
            hosts: vec!["admin.example.com".into()],
            credentials: credentials.iter().map(|text| SecretDigest::of(text.as_bytes())).collect(),
        }
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: Result<(), Shut>) {
        let mut request = TestRequest::get();
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        assert_eq!(gate().check(&request.to_http_request()), expected, "{headers:?}");
    }

    const GOOD: (&str, &str) = ("Authorization", "Bearer good-credential-1");

    #[test]
    fn only_names_of_ours_are_answered() {
        for host in ["localhost", "LOCALHOST:9082", "127.0.0.1:8080", "admin.example.com."] {
            check(&[("Host", host), GOOD], Ok(()));
        }
        for host in
            ["evil.example", "localhost.evil.example", "10.0.0.1", "", "a,b", "localhost@evil"]
        {
            check(&[("Host", host), GOOD], Err(Shut::ForeignHost));
        }
        check(&[GOOD], Err(Shut::ForeignHost));
        check(&[("Host", "localhost"), ("Host", "evil.example"), GOOD], Err(Shut::ForeignHost));
    }

    #[test]
    fn a_page_of_another_site_is_refused_whatever_it_knows() {
        let ours = ("Host", "localhost");
        check(&[ours, ("Origin", "http://localhost:9082"), GOOD], Ok(()));
        for origin in ["http://evil.example", "null", "", "https://localhost.evil.example"] {
            check(&[ours, ("Origin", origin), GOOD], Err(Shut::ForeignOrigin));
        }
    }

    #[test]
    fn any_of_the_credentials_opens_and_nothing_else() {
        let ours = ("Host", "localhost");
        check(&[ours, ("Authorization", "bearer good-credential-2")], Ok(()));
        for wrong in [
            "Bearer good-credential-",
            "Bearer good-credential-11",
            "Basic good-credential-1",
            "Bearer",
            "",
        ] {
            check(&[ours, ("Authorization", wrong)], Err(Shut::Unauthorized));
        }
        check(&[ours], Err(Shut::Unauthorized));
        check(&[ours, GOOD, GOOD], Err(Shut::Unauthorized));
        let long = format!("Bearer {}", "a".repeat(2000));
        check(&[ours, ("Authorization", &long)], Err(Shut::Unauthorized));
    }

    #[test]
    fn without_a_credential_nobody_is_let_in() {
        let request = TestRequest::get().append_header(("Host", "localhost")).append_header(GOOD);
        assert_eq!(Gate::default().check(&request.to_http_request()), Err(Shut::NoCredential));
    }

    #[test]
    fn what_a_form_could_send_is_refused() {
        let post = |media: &str| {
            let request = TestRequest::post().append_header(("Host", "localhost"));
            let request = request.append_header(GOOD).append_header(("Content-Type", media));
            gate().check(&request.to_http_request())
        };
        assert_eq!(post("application/json; charset=utf-8"), Ok(()));
        for media in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"] {
            assert_eq!(post(media), Err(Shut::NotJson), "{media}");
        }
    }
}
