//! `listen` and its TLS: what is accepted, and what everything else is told.

use super::*;
use crate::support::certificates::Authority;

/// [`GOOD`] with these listeners, read where the authority's files are.
fn listening(text: &str, folder: &Path) -> Result<Settings, Diagnostics> {
    let text = format!("listen:\n{text}\n{GOOD}");
    config::parse(&text, folder, &env)
}

/// The one error of these listeners: its key, what is wrong and what to do.
#[track_caller]
fn refused(text: &str, folder: &Path, path: &str, message: &str, help: &str) {
    let errors = listening(text, folder).map(|_| ()).unwrap_err();
    let found: Vec<_> = errors.iter().filter(|found| found.severity == Severity::Error).collect();
    assert_eq!(found.len(), 1, "{text}: {errors}");
    assert_eq!(found[0].path, path, "{text}: {errors}");
    assert!(found[0].message.contains(message), "{text}: {errors}");
    let given = found[0].help.as_deref().unwrap_or_default();
    assert!(given.contains(help), "{text}: {errors}");
}

#[test]
fn a_listener_is_an_address_a_unix_socket_or_a_mapping_with_tls() {
    let authority = Authority::new();
    authority.issue("server");
    let folder = authority.cert().parent().unwrap().to_owned();
    let settings = listening(
        "  public: { address: '127.0.0.1:0', tls: { cert: server.pem, key: server.key } }\n  \
           grpc: { address: '[::1]:9', tls: { cert: server.pem, key: server.key, client_ca: authority.pem } }\n  \
           admin: unix:run/admin.sock",
        &folder,
    );
    let settings = settings.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(settings.warnings, Vec::<String>::new());
    let ListenSettings { public, grpc, admin } = &settings.listen;
    assert_eq!(public.address.to_string(), "127.0.0.1:0");
    assert!(public.tls.as_ref().unwrap().pem.client_ca.is_none());
    let grpc = grpc.as_ref().unwrap();
    assert_eq!(grpc.address.to_string(), "[::1]:9");
    assert!(grpc.tls.as_ref().unwrap().pem.client_ca.is_some());
    let admin = admin.as_ref().unwrap();
    assert_eq!(admin.address, ListenAddress::Unix(folder.join("run/admin.sock")));
    assert!(admin.tls.is_none());
    let key = std::fs::read_to_string(folder.join("server.key")).unwrap();
    let key = key.lines().nth(1).unwrap();
    assert!(!format!("{settings:?}").contains(key));
}

#[test]
fn everything_wrong_with_a_listeners_tls_is_named_with_its_remedy() {
    let (authority, other) = (Authority::new(), Authority::new());
    authority.issue("server");
    let folder = authority.cert().parent().unwrap().to_owned();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    std::fs::copy(other.issue("server").key, folder.join("other.key")).unwrap();
    write("empty.pem", "");
    write("broken.pem", "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n");
    write("odd.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    write("odd.key", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n");
    let locked = "ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----";
    write("locked.key", &format!("-----BEGIN {locked}END ENCRYPTED PRIVATE KEY-----\n"));
    write("huge.pem", &"x".repeat((1 << 20) + 1));
    let with = |cert: &str, key: &str, more: &str| {
        format!("  public: {{ address: '127.0.0.1:1', tls: {{ cert: {cert}, key: {key}{more} }} }}")
    };
    let (cert, key, ca) =
        ("listen.public.tls.cert", "listen.public.tls.key", "listen.public.tls.client_ca");
    for (written, path, message, help) in [
        (with("gone.pem", "server.key", ""), cert, "cannot be read: entity not found", "folder"),
        (with("server.pem", "gone.key", ""), key, "cannot be read: entity not found", "folder"),
        (with("server.pem", "server.key", ", client_ca: gone.pem"), ca, "not found", "folder"),
        (with(".", "server.key", ""), cert, "not a regular file", "name the PEM file"),
        (with("huge.pem", "server.key", ""), cert, "larger than", "right one"),
        (with("empty.pem", "server.key", ""), cert, "no certificate", "BEGIN CERTIFICATE"),
        (with("server.key", "server.key", ""), cert, "no certificate", "BEGIN CERTIFICATE"),
        (with("broken.pem", "server.key", ""), cert, "cannot be read", "complete"),
        (with("odd.pem", "server.key", ""), cert, "cannot be used", "another one"),
        (with("server.pem", "server.pem", ""), key, "no private key", "BEGIN PRIVATE KEY"),
        (with("server.pem", "odd.key", ""), key, "cannot be used", "RSA"),
        (with("server.pem", "locked.key", ""), key, "encrypted", "openssl pkey"),
        (with("server.pem", "other.key", ""), key, "does not belong", "made together"),
        (with("server.pem", "server.key", ", client_ca: empty.pem"), ca, "no certificate", "BEGIN"),
        (
            with("server.pem", "server.key", ", client_ca: odd.pem"),
            ca,
            "cannot be used",
            "take it out",
        ),
        (
            "  public: { address: '127.0.0.1:1', tls: { key: server.key } }".to_owned(),
            cert,
            "is missing",
            "add it",
        ),
        (
            "  public: { address: '127.0.0.1:1', tls: { cert: server.pem } }".to_owned(),
            key,
            "is missing",
            "add it",
        ),
        (
            "  public: { tls: { cert: server.pem, key: server.key } }".to_owned(),
            "listen.public.address",
            "is missing",
            "add it",
        ),
        (
            "  public: { address: 'unix:/x.sock', tls: { cert: server.pem, key: server.key } }"
                .to_owned(),
            "listen.public.tls",
            "unix socket has no TLS",
            "remove `tls`",
        ),
    ] {
        refused(&written, &folder, path, message, help);
    }
}

#[test]
fn a_key_written_where_its_file_should_be_named_is_shown_nowhere() {
    let authority = Authority::new();
    let pair = authority.issue("server");
    let key = std::fs::read_to_string(&pair.key).unwrap();
    let indented = format!("        {}\n", key.replace('\n', "\n        "));
    let text = format!(
        "  public:\n    address: 127.0.0.1:1\n    tls:\n      cert: server.pem\n      key: |\n{indented}"
    );
    let folder = pair.cert.parent().unwrap();
    let errors = listening(&text, folder).map(|_| ()).unwrap_err().to_string();
    assert!(errors.contains("put it into a file"), "{errors}");
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!errors.contains(line), "{errors}");
    }
}

#[test]
fn a_key_that_everybody_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::new();
    let pair = authority.issue("server");
    let text = "  public: { address: '127.0.0.1:1', tls: { cert: server.pem, key: server.key } }";
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(mode)).unwrap();
        let settings = listening(text, pair.key.parent().unwrap());
        let warned = settings.unwrap_or_else(|errors| panic!("{errors}")).warnings;
        assert_eq!(warned.len(), warnings, "{mode:o}: {warned:#?}");
    }
}

#[test]
fn addresses_that_cannot_be_listened_at_are_named_with_their_remedy() {
    let folder = Path::new("/nowhere");
    let long = format!("  public: unix:/{}", "x".repeat(103));
    for (written, path, message, help) in [
        ("  public: localhost:1", "listen.public", "is not address:port", "unix:/run/"),
        ("  public: { address: here }", "listen.public.address", "is not address:port", "unix:"),
        ("  public: 'unix:'", "listen.public", "not a path", "name a file"),
        ("  public: unix:/run/", "listen.public", "path of a file", "add its name"),
        (&long, "listen.public", "at most 103 bytes", "shorter"),
        ("  grpc: systemd", "listen.grpc", "not available in this version", "another one"),
        ("  admin: { address: systemd }", "listen.admin.address", "not available", "another one"),
        (
            "  public: 0.0.0.0:80\n  admin: 127.0.0.1:80",
            "listen.admin",
            "`listen.public` is there already",
            "another port",
        ),
        (
            "  grpc: unix:a/b.sock\n  admin: unix:/nowhere/a/b.sock",
            "listen.admin",
            "`listen.grpc` is there already",
            "another path",
        ),
    ] {
        refused(written, folder, path, message, help);
    }
    // Not the same.
    assert!(listening("  grpc: unix:a.sock\n  admin: unix:b.sock", folder).is_ok());
}

#[test]
fn a_socket_on_which_nobody_is_trusted_is_warned_about() {
    let warned = |text: &str| {
        let settings = config::parse(text, Path::new("/nowhere"), &env);
        settings.unwrap_or_else(|errors| panic!("{errors}")).warnings
    };
    let unix = format!("listen: {{ public: unix:a.sock }}\n{GOOD}");
    assert!(warned(&unix)[0].contains("`unix` is not in `trusted_proxies`"));
    for list in ["[unix]", "[127.0.0.1, unix]", "\"127.0.0.1 unix\"", "unix"] {
        let trusted =
            unix.replace("trusted_proxies: [127.0.0.1]", &format!("trusted_proxies: {list}"));
        assert_eq!(warned(&trusted), Vec::<String>::new(), "{list}");
    }
}
