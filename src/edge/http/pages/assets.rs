//! What the pages load: the style sheet, the icon and the logo.
//!
//! Must not know: which page asks. Browsers may keep all of them for an hour.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use bytes::Bytes;

const SHEET: &str = include_str!("../../../../assets/portal.css");
const BUILT_IN: &[u8] = include_bytes!("../../../../assets/logo.svg");
const SVG: &str = "image/svg+xml";
const AN_HOUR: &str = "public, max-age=3600";
/// An operator's SVG may hold scripts; opened on its own it would run them in the portal's origin.
const INERT: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// The picture on the page that asks how to log in (`slave.display_logo`).
#[derive(Debug, Clone)]
pub enum Logo {
    /// Vouchsafe's own.
    BuiltIn,
    /// The operator's.
    Picture {
        /// Its media type, `image/png` for one.
        media_type: &'static str,
        /// The file.
        bytes: Bytes,
    },
}

/// The style sheet of all pages.
pub fn sheet() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, AN_HOUR))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(SHEET)
}

/// The icon in the browser's tab. A page that names none makes browsers ask for `/favicon.ico`.
pub fn icon() -> HttpResponse {
    picture(SVG, Bytes::from_static(BUILT_IN))
}

/// The logo, if there is one.
pub fn logo(logo: Option<&Logo>) -> HttpResponse {
    match logo {
        Some(Logo::BuiltIn) => picture(SVG, Bytes::from_static(BUILT_IN)),
        Some(Logo::Picture { media_type, bytes }) => picture(media_type, bytes.clone()),
        None => HttpResponse::NotFound()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .finish(),
    }
}

fn picture(media_type: &str, bytes: Bytes) -> HttpResponse {
    let unknown = HeaderValue::from_static("application/octet-stream");
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, HeaderValue::try_from(media_type).unwrap_or(unknown)))
        .insert_header((header::CACHE_CONTROL, AN_HOUR))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, INERT))
        .body(bytes)
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BodySize, MessageBody as _};
    use actix_web::http::StatusCode;

    use super::*;

    fn value<'a>(response: &'a HttpResponse, name: &str) -> &'a str {
        let mut values = response.headers().get_all(name);
        let first = values.next().unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(values.next(), None, "{name} twice");
        first.to_str().unwrap()
    }

    #[test]
    fn the_sheet_the_icon_and_the_logo_may_be_kept_and_do_nothing() {
        let sheet = sheet();
        assert_eq!(value(&sheet, "content-type"), "text/css; charset=utf-8");
        let pictures = [icon(), logo(Some(&Logo::BuiltIn))];
        for picture in &pictures {
            assert_eq!(value(picture, "content-type"), "image/svg+xml");
            assert_eq!(
                value(picture, "content-security-policy"),
                "default-src 'none'; style-src 'unsafe-inline'; sandbox"
            );
        }
        for response in pictures.iter().chain([&sheet]) {
            assert_eq!(value(response, "cache-control"), "public, max-age=3600");
            assert_eq!(value(response, "x-content-type-options"), "nosniff");
        }
    }

    #[test]
    fn an_operators_picture_is_served_as_it_is() {
        let bytes = Bytes::from_static(b"\x89PNG");
        let picture = |media_type| Logo::Picture { media_type, bytes: bytes.clone() };
        let response = logo(Some(&picture("image/png")));
        assert_eq!(value(&response, "content-type"), "image/png");
        assert_eq!(response.into_body().try_into_bytes().unwrap(), bytes);
        let response = logo(Some(&picture("image/\n")));
        assert_eq!(value(&response, "content-type"), "application/octet-stream");
    }

    #[test]
    fn without_a_logo_there_is_none() {
        let response = logo(None);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.body().size(), BodySize::Sized(0));
    }
}
