use std::net::IpAddr;

use proptest::prelude::*;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use serde_json::Value;

use super::*;
use crate::domain::identity::{IdentityView, Owner};
use crate::domain::network::LOOPBACK;
use crate::domain::secret::Secret;

const ISSUER: &str = "https://auth.example.com/";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_500);

struct Someone {
    user: String,
    realm: String,
    level: u8,
}

impl IdentityView for Someone {
    fn owner(&self) -> Owner<'_> {
        Owner { master: "sso", realm: &self.realm, user: &self.user }
    }
    fn level(&self) -> u8 {
        self.level
    }
    fn each_value(&self, _: &mut dyn FnMut(&str, &str)) {}
}

impl SessionView for Someone {
    fn client(&self) -> IpAddr {
        LOOPBACK
    }
    fn created(&self) -> Timestamp {
        Timestamp::from_millis(1_799_999_000_999)
    }
    fn has_factor(&self) -> bool {
        self.level > 2
    }
}

fn dwho() -> Someone {
    Someone { user: "dwho".into(), realm: String::new(), level: 2 }
}

#[test]
fn a_second_factor_is_among_the_methods() {
    let assertions = assertions(ed25519(1));
    let key = &published(&assertions)["keys"][0];
    let raised = Someone { level: 5, ..dwho() };
    let signed = assertions.sign(&raised, &occasion(3_600_000)).unwrap();
    let (_, claims) = verified(&signed.token, key);
    assert_eq!(
        (&claims["level"], &claims["amr"]),
        (&5.into(), &serde_json::json!(["slave", "mfa"]))
    );
}

fn der_of(pem: &Secret) -> Vec<u8> {
    let text = std::str::from_utf8(pem.expose()).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap()
}

fn ed25519(seed: u8) -> SigningKey {
    let (id, pem) = new_key(&[seed; SEED_BYTES]).unwrap();
    let key = SigningKey::from_pkcs8(&der_of(&pem)).unwrap();
    assert_eq!(key.id(), id);
    key
}

fn p256() -> SigningKey {
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let random = ring::rand::SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    SigningKey::from_pkcs8(der.as_ref()).unwrap()
}

fn assertions(key: SigningKey) -> Assertions {
    Assertions::new(ISSUER, Duration::from_secs(120), key, &[])
}

fn occasion(life: u64) -> Occasion<'static> {
    let ends = NOW.plus(Duration::from_millis(life));
    Occasion { audience: "app.example.com", now: NOW, ends, id: [7; ID_BYTES] }
}

/// Header and claims of a token whose signature is good.
#[track_caller]
fn verified(token: &Assertion, key: &Value) -> (Value, Value) {
    let text = std::str::from_utf8(token.bytes()).unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let bytes = |name: &str| decode(key[name].as_str().unwrap());
    let signature = decode(signature);
    match key["alg"].as_str().unwrap() {
        "EdDSA" => UnparsedPublicKey::new(&ED25519, bytes("x"))
            .verify(signed.as_bytes(), &signature)
            .unwrap(),
        "ES256" => {
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed.as_bytes(), &signature)
                .unwrap();
        }
        other => panic!("{other}"),
    }
    let (head, claims) = signed.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice(&decode(part)).unwrap();
    (json(head), json(claims))
}

fn published(assertions: &Assertions) -> Value {
    serde_json::from_slice(assertions.key_set()).unwrap()
}

#[test]
fn a_token_says_who_for_whom_and_until_when_and_nothing_else() {
    for key in [ed25519(1), p256()] {
        let assertions = assertions(key);
        let signed = assertions.sign(&dwho(), &occasion(3_600_000)).unwrap();
        let key = &published(&assertions)["keys"][0];
        let (head, claims) = verified(&signed.token, key);
        let expected = serde_json::json!({ "alg": key["alg"], "typ": "JWT", "kid": key["kid"] });
        assert_eq!(head, expected, "no place of keys is in it (A101)");
        assert_eq!(
            claims,
            serde_json::json!({
                "iss": ISSUER, "aud": "app.example.com", "sub": "dwho", "iat": 1_800_000_000,
                "nbf": 1_800_000_000, "exp": 1_800_000_120, "jti": "BwcHBwcHBwcHBwcHBwcHBw",
                "level": 2, "amr": ["slave"], "auth_time": 1_799_999_000,
            })
        );
        assert_eq!(signed.expires, NOW.plus(Duration::from_secs(120)));
        assert_eq!(signed.fresh_until, NOW.plus(Duration::from_secs(60)));
    }
}

#[test]
fn a_realm_is_named_where_there_is_one() {
    let assertions = assertions(ed25519(1));
    let someone = Someone { realm: "staff".into(), ..dwho() };
    let signed = assertions.sign(&someone, &occasion(3_600_000)).unwrap();
    let (_, claims) = verified(&signed.token, &published(&assertions)["keys"][0]);
    assert_eq!(claims["realm"], "staff");
}

/// RFC 8037, appendix A: the key, its public part, its thumbprint.
#[test]
fn a_key_has_the_id_that_the_rfc_computes() {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let (id, pem) = new_key(&seed.try_into().unwrap()).unwrap();
    assert_eq!(id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let assertions = assertions(SigningKey::from_pkcs8(&der_of(&pem)).unwrap());
    let key = &published(&assertions)["keys"][0];
    assert_eq!(key["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
}

#[test]
fn only_public_parts_of_all_keys_are_published() {
    let others = [p256(), ed25519(3)];
    let ids: Vec<String> = others.iter().map(|key| key.id().to_owned()).collect();
    let assertions = Assertions::new(ISSUER, Duration::from_secs(60), ed25519(2), &others);
    let set = published(&assertions);
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0]["kid"], assertions.key_id());
    assert_eq!([&keys[1]["kid"], &keys[2]["kid"]], [ids[0].as_str(), ids[1].as_str()]);
    for key in keys {
        let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let public = ["alg", "crv", "kid", "kty", "use", "x", "y"];
        assert!(members.iter().all(|member| public.contains(member)), "{members:?}");
    }
    assert!(
        !String::from_utf8_lossy(assertions.key_set()).contains(&URL_SAFE_NO_PAD.encode([2; 32]))
    );
}

/// D6: the longest login and the longest host leave room for exports in 4 KiB.
#[test]
fn the_longest_token_is_less_than_half_of_an_answer() {
    use crate::domain::limits::{ANSWER_HEAD_BYTES, HOST_BYTES, LOGIN_BYTES};
    let (user, realm) = ("u".repeat(LOGIN_BYTES), "r".repeat(64));
    let (issuer, host) = (format!("https://{}", "p".repeat(HOST_BYTES)), "h".repeat(HOST_BYTES));
    let assertions = Assertions::new(&issuer, Duration::from_secs(120), p256(), &[]);
    let occasion = Occasion { audience: &host, ..occasion(3_600_000) };
    let signed = assertions.sign(&Someone { user, realm, level: 255 }, &occasion).unwrap();
    assert!(signed.token.bytes().len() < ANSWER_HEAD_BYTES / 2);
}

#[test]
fn what_is_no_key_for_signing_is_refused() {
    let rsa = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    for der in [&b""[..], b"hello", &[0x30; 48], &rsa] {
        assert_eq!(SigningKey::from_pkcs8(der).unwrap_err(), BrokenKey);
    }
}

#[test]
fn debug_output_shows_no_key() {
    let key = ed25519(9);
    assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id()));
}

proptest! {
    #[test]
    fn a_token_never_outlives_its_session_nor_five_minutes(
        life in 0_u64..10_000_000,
        lifetime in 60_u64..=300,
        late in 0_u64..1000,
    ) {
        let assertions =
            Assertions::new(ISSUER, Duration::from_secs(lifetime), ed25519(1), &[]);
        let now = NOW.plus(Duration::from_millis(late));
        let ends = now.plus(Duration::from_millis(life));
        let occasion = Occasion { audience: "a.example.com", now, ends, id: [1; ID_BYTES] };
        let signed = assertions.sign(&dwho(), &occasion).unwrap();
        let (_, claims) = verified(&signed.token, &published(&assertions)["keys"][0]);
        let at = |name: &str| claims[name].as_u64().unwrap();
        prop_assert!(at("exp") * 1000 <= ends.as_millis());
        prop_assert!(at("exp") - at("iat") <= lifetime);
        prop_assert!(at("iat") * 1000 <= now.as_millis() && at("nbf") == at("iat"));
        prop_assert!(signed.fresh_until <= signed.expires);
        prop_assert!(signed.expires <= ends);
    }

    #[test]
    fn whatever_the_user_is_called_the_token_is_fit_for_a_header_and_reads_back(
        user in any::<String>(), realm in any::<String>(), level in any::<u8>(),
    ) {
        let assertions = assertions(ed25519(1));
        let someone = Someone { user: user.clone(), realm, level };
        let signed = assertions.sign(&someone, &occasion(100_000)).unwrap();
        let fit = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
        prop_assert!(signed.token.bytes().iter().all(fit));
        let (_, claims) = verified(&signed.token, &published(&assertions)["keys"][0]);
        prop_assert_eq!(claims["sub"].as_str(), Some(user.as_str()));
        prop_assert_eq!(claims["level"].as_u64(), Some(u64::from(level)));
    }
}
