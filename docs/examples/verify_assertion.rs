//! Verifies Vouchsafe's signed assertion (the header X-Vouchsafe-Assertion) in an application.
//!
//! It needs `ring = "0.17"`, `base64` and `serde_json`. Any JWT library does it as well, if it is told what
//! stands in [`Verifier`] and never asks the token.
//!
//! - Issuer, audience and the keys' URL come from your configuration, never from the request or the token.
//! - Fetch `https://auth.example.com/.well-known/jwks.json` at the start, every five minutes, and where
//!   [`Refused::UnknownKey`] says so, but then at most every ten seconds.
//! - The header is there exactly once. None, or an empty one: nobody is logged in.
//!
//! As a program, for trying: `verify_assertion ISSUER AUDIENCE JWKS_FILE $(date +%s) < token` prints the claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use serde_json::Value;

/// Seconds that the clocks of the two machines may differ.
const LEEWAY: u64 = 5;

/// What an application knows before it sees a token.
pub struct Verifier {
    /// `portal.url`, with its slash.
    pub issuer: String,
    /// The application's own host.
    pub audience: String,
    /// The last answer of `/.well-known/jwks.json`.
    pub keys: Value,
}

/// Why a token is not believed; answer 401.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not three parts of base64 with JSON in them.
    Malformed,
    /// No such key is published. Perhaps it is new: fetch the keys again, once.
    UnknownKey,
    /// Another algorithm than the key's, or a wrong signature.
    Signature,
    /// From another issuer or for another application.
    NotForUs,
    /// Too late, or too early.
    Time,
}

impl Verifier {
    /// The claims of a good token; `now` in seconds since 1970.
    ///
    /// # Errors
    /// The token is not to be believed, and why.
    pub fn verify(&self, token: &str, now: u64) -> Result<Value, Refused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let head = json(head)?;
        let keys = self.keys["keys"].as_array().ok_or(Refused::UnknownKey)?;
        let named = |key: &&Value| key["kid"].is_string() && key["kid"] == head["kid"];
        let key = keys.iter().find(named).ok_or(Refused::UnknownKey)?;
        // The key says which algorithm it is for. A token that says another one is refused, not obeyed.
        if head["alg"] != key["alg"] {
            return Err(Refused::Signature);
        }
        let signature = decode(signature)?;
        let part = |name: &str| decode(key[name].as_str().unwrap_or_default());
        let verified = match key["alg"].as_str() {
            Some("EdDSA") => {
                UnparsedPublicKey::new(&ED25519, part("x")?).verify(signed.as_bytes(), &signature)
            }
            Some("ES256") => {
                let point = [vec![4], part("x")?, part("y")?].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed.as_bytes(), &signature)
            }
            _ => return Err(Refused::Signature),
        };
        verified.map_err(|_| Refused::Signature)?;
        // Only now the claims are worth reading.
        let claims = json(claims)?;
        if claims["iss"] != *self.issuer || claims["aud"] != *self.audience {
            return Err(Refused::NotForUs);
        }
        let time = |name: &str| claims[name].as_u64().ok_or(Refused::Time);
        if now >= time("exp")?.saturating_add(LEEWAY) || now.saturating_add(LEEWAY) < time("nbf")? {
            return Err(Refused::Time);
        }
        if claims["sub"].is_string() { Ok(claims) } else { Err(Refused::NotForUs) }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)
}

fn json(part: &str) -> Result<Value, Refused> {
    serde_json::from_slice(&decode(part)?).map_err(|_| Refused::Malformed)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [issuer, audience, file, now] = &arguments[..] else {
        panic!("verify_assertion ISSUER AUDIENCE JWKS_FILE NOW < token");
    };
    let keys = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let token = std::io::read_to_string(std::io::stdin()).unwrap();
    let verifier = Verifier { issuer: issuer.clone(), audience: audience.clone(), keys };
    println!("{:?}", verifier.verify(token.trim(), now.parse().unwrap()));
}
