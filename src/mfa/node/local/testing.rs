//! What the tests of tokens and of the local node share.

use std::time::Duration;

use crate::mfa::settings::{LocalSettings, PinPosition, User, Users};

/// eduMFA's own defaults, and no users' file.
pub(crate) fn settings() -> LocalSettings {
    LocalSettings {
        users: None,
        default_realm: "crealm".into(),
        pin: PinPosition::Front,
        challenge_response: Vec::new(),
        max_fail: 10,
        fail_reset: None,
        window: 10,
        time_window: Duration::from_secs(180),
        auto_resync: false,
    }
}

/// These users, as `(name, realm, resolver)`.
pub(crate) fn users(rows: &[(&str, &str, &str)]) -> Users {
    let user = |&(name, realm, resolver): &(&str, &str, &str)| User {
        name: name.into(),
        realm: realm.into(),
        resolver: resolver.into(),
        attributes: vec![("email".into(), format!("{name}@example.test").into())],
    };
    Users(rows.iter().map(user).collect())
}
