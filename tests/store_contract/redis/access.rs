//! Users, passwords, certificates.

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vouchsafe::domain::secret::Secret;

use super::*;
use crate::support::certificates::{Authority, Pair};

/// All that a user needs, as docs/redis.md has it.
const RIGHTS: &str = "+get +set +del +getrange +zadd +zrem +zremrangebyscore +zrangebyscore +zrevrange +pexpireat \
                      +publish +subscribe +evalsha +script|load +client +wait +role +info +scan +dbsize +select +ping";

fn account(username: Option<&str>, password: &str) -> Account {
    let password = Some(Arc::new(Secret::new(password.as_bytes().to_vec())));
    Account { username: username.map(Into::into), password }
}

/// A server that knows a user, with these rights and more, and the settings of that user.
fn with_user(more: &str) -> (Redis, RedisSettings) {
    let server = Redis::start(&[]);
    let settings = RedisSettings { account: account(Some("node"), "hush"), ..of(&server) };
    let prefix = &settings.prefix;
    let names = [format!("~{prefix}:*"), format!("&{prefix}:*")];
    let rights = RIGHTS.split_whitespace().chain(more.split_whitespace());
    let mut command = vec!["ACL", "SETUSER", "node", "on", ">hush", &names[0], &names[1]];
    command.extend(rights);
    assert_eq!(server.ask(&command), "OK");
    server.ask(&["ACL", "SETUSER", "default", "off"]);
    (server, settings)
}

/// A server that speaks TLS only and knows a user with few rights, and how that user gets there.
pub fn secured() -> (Redis, RedisSettings) {
    let authority = Authority::new();
    let server = Redis::start_tls(&authority, &authority.issue("server"));
    let mut command = vec!["ACL", "SETUSER", "node", "on", ">hush", "~test-*", "&test-*"];
    command.extend(RIGHTS.split_whitespace());
    assert_eq!(server.ask(&command), "OK");
    let tls = Some(tls(&authority, Some(&authority.issue("client"))));
    let settings = RedisSettings { account: account(Some("node"), "hush"), tls, ..of(&server) };
    (server, settings)
}

/// Everything that a store does.
async fn works(store: &RedisStore) {
    confirmed(store).await;
    for assurance in [Assurance::Renewable, Assurance::Confirmed, Assurance::Ending] {
        let member = Write { index: Some(0x0100 << 48), ..put(key(1, 1), "x") };
        store.apply(vec![member], assurance, now()).await.unwrap();
        assert_eq!(read(store, key(1, 1)).await.unwrap().as_deref(), Some("x"));
        assert_eq!(store.members(0x0100 << 48, now()).await.unwrap(), [key(1, 1)]);
        assert_eq!(store.scan(None, 10, now()).await.unwrap().entries.len(), 1);
        assert_eq!(store.len().await.unwrap(), 1);
        write(store, key(1, 1), "ended", assurance).await.unwrap();
        let delete = Write { value: None, ..put(key(1, 1), "") };
        store.apply(vec![delete], assurance, now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_that_may_do_little_more_than_read_and_write_its_own_keys_suffices() {
    for invalidation in [Invalidation::Tracking, Invalidation::PubSub] {
        let (_server, settings) = with_user("");
        works(&open(&RedisSettings { invalidation, ..settings })).await;
    }
}

#[tokio::test]
async fn a_user_that_may_not_ask_for_information_suffices() {
    let (_server, settings) = with_user("-info");
    works(&open(&settings)).await;
}

#[tokio::test]
async fn a_user_that_is_not_let_in_is_said_so_and_its_password_is_not() {
    let (_server, settings) = with_user("");
    let wrong = [
        account(Some("node"), "forgotten"),
        account(Some("nobody"), "forgotten"),
        account(None, "forgotten"),
        Account::default(),
    ];
    for account in wrong {
        let store = open(&RedisSettings { account, ..settings.clone() });
        let text = chain(&read(&store, key(1, 1)).await.unwrap_err());
        assert!(text.contains("does not let us in") || text.contains("does not take"), "{text}");
        assert!(text.contains("username") && !text.contains("forgotten"), "{text}");
        assert!(!format!("{store:?}").contains("forgotten"));
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let (_server, settings) = with_user("-client");
    let text = chain(&read(&open(&settings), key(1, 1)).await.unwrap_err());
    assert!(text.contains("'client|tracking'"), "{text}");
    let (_server, settings) = with_user("-evalsha");
    let written = write(&open(&settings), key(1, 1), "x", Assurance::Renewable).await;
    let text = chain(&written.unwrap_err());
    assert!(text.contains("'evalsha'"), "{text}");
}

/// TLS that believes this authority, and shows a certificate if there is one.
fn tls(authority: &Authority, pair: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.cert()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_file(&pair.cert).unwrap()];
            let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    Arc::new(config)
}

#[tokio::test]
async fn a_server_is_spoken_to_over_tls_if_both_prove_themselves() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = Redis::start_tls(&authority, &authority.issue("server"));
    let pair = authority.issue("client");
    let with = |tls| open(&RedisSettings { tls, ..of(&server) });
    works(&with(Some(tls(&authority, Some(&pair))))).await;
    for (tls, expected) in [
        (Some(tls(&stranger, Some(&pair))), "no TLS with"),
        (Some(tls(&authority, None)), "does it want a certificate of ours?"),
        (
            Some(tls(&authority, Some(&stranger.issue("client")))),
            "does it want a certificate of ours?",
        ),
        (None, "does it want TLS"),
    ] {
        let text = chain(&read(&with(tls), key(1, 1)).await.unwrap_err());
        assert!(text.contains(expected) && text.contains("127.0.0.1:"), "{expected}: {text}");
    }
}
