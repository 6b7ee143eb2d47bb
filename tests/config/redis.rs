//! `sessions.store` with `kind: redis`: what is accepted and as what, and what is said about the rest.

use super::*;
use crate::support::certificates::Authority;
use vouchsafe::store::redis::settings::{
    Invalidation, Place, RedisSettings, Replicas, SentinelSettings, Servers,
};

/// What the variables hold that these tests name.
fn environment(name: &str) -> Option<String> {
    match name {
        "PASSWORD" => Some("hush-hush".to_owned()),
        "URL" => Some("rediss://node:hush%2Fhush@redis.example.com/3".to_owned()),
        "BARE" => Some("redis://redis.example.com".to_owned()),
        "WEB" => Some("https://hush-hush@redis.example.com".to_owned()),
        other => env(other),
    }
}

/// [`GOOD`] with this store, read in that folder.
fn parse_in(folder: &Path, store: &str) -> Result<Settings, Diagnostics> {
    config::parse(&GOOD.replace("kind: memory", store), folder, &environment)
}

#[track_caller]
fn redis_in(folder: &Path, store: &str) -> RedisSettings {
    let store = format!("kind: redis, {store}");
    let settings = parse_in(folder, &store).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(settings.warnings, Vec::<String>::new());
    let StoreSettings::Redis(settings) = settings.store else { panic!("another store") };
    settings
}

#[track_caller]
fn redis(store: &str) -> RedisSettings {
    redis_in(Path::new("nowhere"), store)
}

/// The one error: where, and a part of what is said.
#[track_caller]
fn refused_in(folder: &Path, store: &str, path: &str, said: &str) {
    let errors = parse_in(folder, store).map(|_| ()).unwrap_err();
    assert_eq!(errors.errors(), 1, "{store}: {errors}");
    let found = errors.iter().find(|found| found.severity == Severity::Error).unwrap();
    assert_eq!(found.path, path, "{store}: {errors}");
    let text = errors.to_string();
    assert!(text.contains(said) && !text.contains("hush"), "{store}: {text}");
    assert!(found.help.is_some(), "{store}: {text}");
}

#[track_caller]
fn refused(store: &str, path: &str, said: &str) {
    let store = format!("kind: redis, {store}");
    refused_in(Path::new("nowhere"), &store, &format!("sessions.store.{path}"), said);
}

fn place(host: &str, port: u16) -> Place {
    Place { host: host.into(), port }
}

fn password(account: &vouchsafe::store::redis::settings::Account) -> Option<&[u8]> {
    account.password.as_ref().map(|secret| secret.expose())
}

#[test]
fn one_server_is_a_url_and_the_rest_has_defaults() {
    let settings = redis("url: redis://redis.example.com");
    assert!(matches!(&settings.servers, Servers::One(p) if *p == place("redis.example.com", 6379)));
    assert_eq!((settings.database, &*settings.prefix), (0, "vouchsafe"));
    assert_eq!(settings.timeout, Duration::from_millis(500));
    assert_eq!(settings.replicas, Replicas::Auto);
    assert_eq!(settings.invalidation, Invalidation::Tracking);
    assert!(settings.tls.is_none() && settings.account.username.is_none());
    assert!(settings.account.password.is_none());
    let settings = redis(
        "url: 'redis://[::1]:7000/5', username: node, password: { env: PASSWORD }, prefix: lab-1, \
         timeout: 2s, replicas: 2, invalidation: pubsub",
    );
    assert!(matches!(&settings.servers, Servers::One(p) if *p == place("::1", 7000)));
    assert_eq!((settings.database, &*settings.prefix), (5, "lab-1"));
    assert_eq!(settings.account.username.as_deref(), Some("node"));
    assert_eq!(password(&settings.account), Some(&b"hush-hush"[..]));
    assert_eq!(settings.timeout, Duration::from_secs(2));
    assert_eq!(settings.replicas, Replicas::Exactly(2));
    assert_eq!(settings.invalidation, Invalidation::PubSub);
}

#[test]
fn a_url_by_reference_may_hold_a_user_and_a_password() {
    let settings = redis("url: { env: URL }");
    assert_eq!(settings.account.username.as_deref(), Some("node"));
    assert_eq!(password(&settings.account), Some(&b"hush/hush"[..]));
    assert!(settings.tls.is_some() && settings.database == 3);
    refused(
        "url: { env: URL }, username: other, password: { env: PASSWORD }",
        "url",
        "another one",
    );
    refused("url: { env: WEB }", "url", "not the URL of a Redis server");
    refused("url: { env: ABSENT }", "url", "ABSENT");
}

#[test]
fn sentinels_and_clusters_are_lists() {
    let settings = redis("urls: ['redis://a', 'redis://b:7001']");
    let Servers::Cluster(places) = settings.servers else { panic!("no cluster") };
    assert_eq!(places, [place("a", 6379), place("b", 7001)]);
    let settings = redis(
        "urls: ['redis://a/2', 'redis://b:7001/2'], \
         sentinel: { master: sessions, username: asker, password: { env: PASSWORD } }",
    );
    assert_eq!(settings.database, 2);
    let Servers::Sentinel(SentinelSettings { places, primary, account }) = settings.servers else {
        panic!("no sentinels")
    };
    assert_eq!(places, [place("a", 26379), place("b", 7001)]);
    assert_eq!((&*primary, account.username.as_deref()), ("sessions", Some("asker")));
    assert_eq!(password(&account), Some(&b"hush-hush"[..]));
}

#[test]
fn servers_that_do_not_fit_together_are_refused_with_the_remedy() {
    refused("prefix: x", "kind", "a server is needed");
    refused("url: redis://a, urls: ['redis://b']", "urls", "`url` is one server");
    refused("url: redis://a, sentinel: { master: m }", "url", "name them as `urls`");
    refused("urls: []", "urls", "no server is named");
    refused("urls: ['redis://a', 'rediss://b']", "urls[1]", "write all of them alike");
    refused("urls: ['redis://a', 'redis://a:6379']", "urls[0]", "stands twice");
    refused("urls: ['redis://a/1', 'redis://b/1']", "urls[0]", "a cluster has the database 0 only");
    refused("urls: ['redis://a/1', 'redis://b'], sentinel: { master: m }", "urls[1]", "databases");
    refused("urls: ['redis://a'], sentinel: {}", "sentinel.master", "missing");
    refused("urls: ['redis://node@a']", "urls[0]", "`username` and `password`");
}

#[test]
fn what_is_no_url_of_a_server_is_refused() {
    for url in ["redis.example.com:6379", "http://a", "redis:/a", "redis://", "unix:/run/redis"] {
        refused(&format!("url: '{url}'"), "url", "not the URL of a Redis server");
    }
    refused("url: 'redis://a/?x=1'", "url", "query");
    for url in ["redis://a/x", "redis://a/-1", "redis://a/1/2"] {
        refused(&format!("url: '{url}'"), "url", "not the number of a database");
    }
}

#[test]
fn no_password_stands_in_the_clear_or_is_shown() {
    refused("url: 'redis://node:hush-hush@a'", "url", "does not stand in the clear");
    refused("url: 'redis://:hush-hush@a'", "url", "does not stand in the clear");
    refused("urls: ['redis://:hush-hush@a']", "urls[0]", "`username` and `password`");
    refused("url: redis://a, password: hush-hush", "password", "does not stand in the clear");
    refused("url: redis://a, username: node", "username", "a user without a password");
    let list = "url: redis://a, password: [{ env: PASSWORD }]";
    refused(list, "password", "one password is wanted");
    let settings = redis("url: redis://a, password: { env: PASSWORD }");
    assert!(!format!("{settings:?}").contains("hush"), "{settings:?}");
}

#[test]
fn numbers_and_names_have_bounds() {
    for timeout in ["5ms", "31s"] {
        refused(&format!("url: redis://a, timeout: {timeout}"), "timeout", "10ms to 30s");
    }
    for prefix in ["''", "'a:b'", "'{a}'", "'a*'", &"x".repeat(65)] {
        refused(&format!("url: redis://a, prefix: {prefix}"), "prefix", "not a prefix");
    }
    refused("url: redis://a, replicas: 17", "replicas", "at most 16");
    refused("url: redis://a, replicas: some", "replicas", "auto or a number");
}

#[test]
fn what_only_redis_has_is_refused_elsewhere() {
    for kind in ["memory", "embedded"] {
        let store = format!("kind: {kind}, url: redis://a");
        refused_in(Path::new("nowhere"), &store, "sessions.store.url", "write `kind: redis`");
    }
}

#[test]
fn tls_is_what_the_url_says() {
    let authority = Authority::new();
    let folder = authority.path("");
    let pair = authority.issue("client");
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let (ca, cert, key) = (name(&authority.cert()), name(&pair.cert), name(&pair.key));
    let full = format!("url: rediss://a, tls: {{ ca: {ca}, cert: {cert}, key: {key} }}");
    assert!(redis_in(&folder, &full).tls.is_some());
    let refused = |store: &str, path: &str, said: &str| {
        let store = format!("kind: redis, {store}");
        refused_in(&folder, &store, &format!("sessions.store.{path}"), said);
    };
    refused(&format!("url: redis://a, tls: {{ ca: {ca} }}"), "tls", "write `rediss://`");
    refused("url: rediss://a, tls: { ca: absent.pem }", "tls.ca", "cannot be read");
    refused(&format!("url: rediss://a, tls: {{ ca: {key} }}"), "tls.ca", "no certificate");
    refused(&format!("url: rediss://a, tls: {{ cert: {cert} }}"), "tls.key", "missing");
    refused(&format!("url: rediss://a, tls: {{ key: {key} }}"), "tls.cert", "missing");
    let other = name(&authority.issue("other").key);
    let foreign = format!("url: rediss://a, tls: {{ ca: {ca}, cert: {cert}, key: {other} }}");
    refused(&foreign, "tls.key", "does not belong");
}

#[test]
fn with_redis_the_session_key_is_there_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = GOOD
        .replace("kind: memory", "kind: redis, url: redis://a")
        .replace("key: { env: KEY }", "key: { file: sessions.key }");
    let errors = config::parse(&text, folder.path(), &environment).map(|_| ()).unwrap_err();
    let text_of = errors.to_string();
    assert_eq!(errors.errors(), 1, "{text_of}");
    for part in ["sessions.key does not exist", "vouchsafe key new", "copy it to all nodes"] {
        assert!(text_of.contains(part), "{text_of}");
    }
    std::fs::write(folder.path().join("sessions.key"), [7; 32]).unwrap();
    config::parse(&text, folder.path(), &environment).unwrap();
}
