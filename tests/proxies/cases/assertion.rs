//! The signed assertion (attack class jwt-assertion): from the daemon to the application that wants it, and from
//! nobody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::asking::{APP, PORTAL, about, allowed, from_master, stranger};
use crate::fronts::Front;
use crate::support::client::Request;
use crate::support::echo::Asked;
use crate::world::{MASTER, STRANGER, World};

const NAME: &str = "X-Vouchsafe-Assertion";
/// An application that wants none.
const SILENT: &str = "silent.apps.example.com";

/// The claims of the one token that the application got.
#[track_caller]
fn claims(asked: &Asked) -> Value {
    let tokens = asked.all(NAME);
    assert_eq!(tokens.len(), 1, "{asked:?}");
    let part = tokens[0].split('.').nth(1).unwrap_or_else(|| panic!("{asked:?}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[track_caller]
fn assert_none(front: &Front, asked: &Asked) {
    let values = asked.all(NAME);
    // Traefik passes on an empty header that it was told to copy.
    assert!(values.is_empty() || (front.is_traefik() && values == [""]), "{asked:?}");
}

pub fn signed(_: &World, front: &Front) {
    let forged = (NAME, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJldmlsIn0.");
    for lines in [&[][..], &[forged], &[forged, forged], &[("x-vouchsafe-ASSERTION", "")]] {
        for path in ["/page", "/public/page"] {
            let asked = allowed(front, &from_master("GET", path).headers(lines));
            let claims = claims(&asked);
            assert_eq!(claims["sub"], "dwho");
            assert_eq!(claims["aud"], APP);
            assert_eq!(claims["iss"], format!("https://{PORTAL}/"));
        }
        // Where there is no identity, and where the application wants none, nothing arrives.
        for path in ["/public/page", "/assets/page"] {
            assert_none(front, &allowed(front, &stranger("GET", path).headers(lines)));
        }
        assert_none(front, &allowed(front, &from_master("GET", "/assets/page").headers(lines)));
        let other = Request::new("GET", SILENT, "/page").headers(&about("dwho")).headers(lines);
        let asked = allowed(front, &other.from(MASTER));
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert_none(front, &asked);
        let refused = stranger("GET", "/page").headers(lines).send(front.address);
        assert_eq!((refused.status, refused.one(NAME)), (401, None), "{refused}");
    }
    // Anybody may have the keys, through the portal's host; pages of other origins may not read them.
    let keys = Request::new("GET", PORTAL, "/.well-known/jwks.json")
        .header("Origin", "https://evil.example")
        .from(STRANGER)
        .send(front.address);
    assert_eq!(keys.status, 200, "{keys}");
    assert_eq!(keys.json()["keys"].as_array().map(Vec::len), Some(1), "{keys}");
    assert_eq!(keys.one("Access-Control-Allow-Origin"), None, "{keys}");
    // A name of ours that would tell where keys are is refused (A101).
    let jwks = ("X-Vouchsafe-Meta-Jwks", "https://evil.example/jwks.json");
    let answer = from_master("GET", "/page").headers(&[jwks]).send(front.address);
    assert_eq!((answer.status, answer.one("X-Echo")), (403, None), "{answer}");
}
