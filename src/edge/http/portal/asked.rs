//! A portal request as it is read: its form, the answer that it wants, and by what it can be found again.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::decision::Reason;
use crate::domain::header::{HeaderList, HeaderView as _};
use crate::domain::limits::LOGIN_FORM_BYTES;
use crate::domain::request::{self, PortalRequest};
use crate::edge::Edge;
use crate::edge::http::pages::Page;
use crate::edge::http::portal::cross_site;
use crate::edge::http::{connection, headers};

/// What is asked of the portal.
#[derive(Debug)]
pub struct Asked<'a> {
    request: &'a HttpRequest,
    form: Vec<u8>,
    /// Whether a program asks: then nothing is a page and nothing redirects.
    pub wants_json: bool,
    /// What a person can quote: the proxy's request id.
    pub reference: String,
}

impl<'a> Asked<'a> {
    /// Reads a request and its bounded body; one that is no form is read and ignored, so that the
    /// connection stays usable.
    ///
    /// # Errors
    /// The body cannot be read; what is known without it, to say so.
    pub async fn read(
        request: &'a HttpRequest,
        body: web::Payload,
    ) -> Result<Self, (Self, Reason)> {
        let list = headers::list(request);
        // As the reference: anywhere in the header, whatever its quality (golden: slave_ok_accept_mixed).
        let wants_json = request.headers().get_all(header::ACCEPT).any(|accept| {
            [&b"application/json"[..], b"text/json"]
                .iter()
                .any(|json| contains(accept.as_bytes(), json))
        });
        let mut asked = Self { request, form: Vec::new(), wants_json, reference: reference(&list) };
        match body.to_bytes_limited(LOGIN_FORM_BYTES).await {
            Ok(Ok(bytes)) if is_form(&list) => asked.form = bytes.to_vec(),
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err((asked, Reason::MalformedForm)),
            Err(_) => return Err((asked, Reason::OversizedForm)),
        }
        Ok(asked)
    }

    /// A parameter's first value, of the body before the query (P2).
    pub fn parameter(&self, name: &str) -> Option<String> {
        first(&self.form, name).or_else(|| first(self.request.query_string().as_bytes(), name))
    }

    /// A parameter that is not empty.
    pub fn text(&self, name: &str) -> Option<String> {
        self.parameter(name).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there and neither empty nor `0`.
    pub fn is_set(&self, name: &str) -> bool {
        self.parameter(name).is_some_and(|value| !matches!(&*value, "" | "0"))
    }

    /// Whether it came as a POST.
    pub fn is_post(&self) -> bool {
        self.request.method() == Method::POST
    }

    /// Whether the answer is to become a part of a page, such as a picture or a frame.
    pub fn is_embedded(&self) -> bool {
        let list = headers::list(self.request);
        !matches!(list.unique("sec-fetch-dest"), Ok(None | Some(b"document")))
    }

    /// Whether a page of another site made the browser ask (P4).
    pub fn is_cross_site(&self, edge: &Edge) -> bool {
        cross_site::is_cross_site(&headers::list(self.request), edge.authority.portal_host())
    }

    /// The request as the authority reads it.
    pub fn portal<'r>(
        &'r self,
        list: &'r HeaderList<'_>,
        cookies: &'r [&'r [u8]],
    ) -> PortalRequest<'r> {
        PortalRequest {
            peer: connection::peer(self.request),
            connection: connection::scheme(self.request),
            forwarded_for: list.unique("x-forwarded-for"),
            scheme: list.unique("x-forwarded-proto"),
            headers: list,
            cookies,
            reference: &self.reference,
        }
    }

    /// The request itself, for its headers.
    pub const fn request(&self) -> &'a HttpRequest {
        self.request
    }

    /// A page in this person's language.
    pub fn page(
        &self,
        edge: &Edge,
        status: StatusCode,
        page: &Page<'_>,
        form_targets: &[&str],
    ) -> HttpResponse {
        let list = headers::list(self.request);
        let languages = list.unique("accept-language").ok().flatten();
        edge.pages.answer(status, page, languages, form_targets)
    }
}

/// The proxy's request id if it is one, else a number of our own; nothing of it is secret.
fn reference(list: &HeaderList<'_>) -> String {
    if let Some(id) = request::reference(list) {
        return id.to_owned();
    }
    let mut bytes = [0; 8];
    // Without random bytes all such references are alike, which harms nobody.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_le_bytes(bytes))
}

fn is_form(list: &HeaderList<'_>) -> bool {
    let Ok(Some(media)) = list.unique("content-type") else { return false };
    let essence = media.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// The first value of a form parameter.
fn first(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        assert_eq!(first(b"lmAuth=2_Slave&lmAuth=x", "lmAuth").as_deref(), Some("2_Slave"));
        assert_eq!(first(b"x=1&lmAuth=2%5FSlave", "lmAuth").as_deref(), Some("2_Slave"));
        assert_eq!(first(b"\xff%zz&&=", "lmAuth"), None);
    }

    #[test]
    fn a_reference_is_the_proxys_request_id_or_a_number() {
        let of = |values: &[&str]| {
            let list = values.iter().map(|value| ("x-request-id", value.as_bytes()));
            reference(&list.collect::<HeaderList<'_>>())
        };
        assert_eq!(of(&["6a1f-B2"]), "6a1f-B2");
        for odd in [&[][..], &[""], &["a b"], &["<b>"], &["x", "y"], &[&"a".repeat(65)]] {
            let made = of(odd);
            assert!(made.len() == 16 && made.bytes().all(|b| b.is_ascii_hexdigit()), "{made}");
        }
    }
}
