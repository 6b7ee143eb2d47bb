//! `mfa.local`: the embedded node, its users and where its tokens are.

use std::time::Duration;

use crate::config::compile::mfa::{Ours, users};
use crate::config::compile::{Compiler, sessions};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawLocal, RawPin};
use crate::config::raw_value::OneOrMany;
use crate::config::reader::suggestion;
use crate::config::{LocalPlace, StoreSettings, defaults};
use crate::mfa::settings::{LocalSettings, PinPosition, TokenKind, Users};

/// HOTP values that may be tried; each is an HMAC.
const WINDOWS: std::ops::RangeInclusive<u32> = 1..=1000;
/// How far a TOTP token may be off, at most.
const LONGEST_TIME_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Types that have an OTP beside the PIN.
const WITH_OTP: [TokenKind; 2] = [TokenKind::Hotp, TokenKind::Totp];

/// Checks `mfa.local`.
pub fn local(
    raw: &RawLocal,
    ours: &Ours<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<LocalPlace> {
    let store_at = path.key("store").key("path");
    let store = compiler.file(&store_at, &raw.store.path);
    if let (Some(store), Some(StoreSettings::Embedded { path })) = (&store, ours.store)
        && store == path
    {
        let text = "the sessions are in this file (`sessions.store.path`); use another one";
        compiler.error(&store_at, text);
    }
    let key = sessions::key(&raw.key, &path.key("key"), defaults::TOKEN_KEY_FILE, compiler);
    let settings = settings(raw, path, compiler);
    Some(LocalPlace { settings: settings?, store: store?, key: key? })
}

fn settings(raw: &RawLocal, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<LocalSettings> {
    let realm_at = path.key("default_realm");
    let written_realm = match raw.default_realm.as_deref() {
        None => Some(None),
        Some(written) => {
            let good = users::text_is_good(written) && !written.is_empty();
            if !good {
                let text = "not a realm; write 1 to 255 bytes without control characters";
                compiler.error(&realm_at, text);
            }
            good.then(|| Some(written.to_lowercase().into_boxed_str()))
        }
    };
    let users_at = path.key("users");
    let users = match raw.users.as_deref() {
        None => (!compiler.document.wrote(&users_at)).then_some(None),
        Some(written) => users::users(written, &users_at, compiler).map(Some),
    };
    let kinds = kinds(&raw.challenge_response, &path.key("challenge_response"), compiler);
    let text = "0 failures would lock every token at once; write at least 1";
    let max_fail = compiler.positive(&path.key("max_fail"), raw.max_fail, text);
    let fail_reset = match &raw.fail_reset {
        None => Some(None),
        Some(written) => sessions::span(written, &path.key("fail_reset"), compiler).map(Some),
    };
    if !WINDOWS.contains(&raw.window) {
        compiler.error(&path.key("window"), "not 1 to 1000 values; write e.g. 10");
    }
    let time_at = path.key("time_window");
    let time_window = sessions::span(&raw.time_window, &time_at, compiler);
    if time_window.is_some_and(|time| time > LONGEST_TIME_WINDOW) {
        compiler.error(&time_at, "longer than an hour; write at most 1h");
    }
    let (default_realm, users) = realms(written_realm?, users?);
    let is_known = |users: &Users| users.0.iter().any(|user| user.realm == default_realm);
    if raw.default_realm.is_some() && users.as_ref().is_some_and(|users| !is_known(users)) {
        let text = "no user has this realm; write one that users have";
        compiler.warn(&realm_at, text);
    }
    Some(LocalSettings {
        users,
        default_realm,
        pin: match raw.pin {
            RawPin::Front => PinPosition::Front,
            RawPin::Behind => PinPosition::Behind,
        },
        challenge_response: kinds?,
        max_fail: max_fail?.get(),
        fail_reset: fail_reset?,
        window: raw.window,
        time_window: time_window?,
        auto_resync: raw.auto_resync,
    })
}

/// The default realm, which users without one have too.
fn realms(written: Option<Box<str>>, users: Option<Users>) -> (Box<str>, Option<Users>) {
    let first = || {
        let mut realms = users.iter().flat_map(|users| &users.0).map(|user| &user.realm);
        realms.find(|realm| !realm.is_empty()).cloned()
    };
    let realm = written.or_else(first).unwrap_or_else(|| defaults::REALM.into());
    let users = users.map(|mut users| {
        for user in users.0.iter_mut().filter(|user| user.realm.is_empty()) {
            user.realm.clone_from(&realm);
        }
        users
    });
    (realm, users)
}

fn kinds(raw: &OneOrMany, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Vec<TokenKind>> {
    let mut kinds = Some(Vec::new());
    for (index, written) in raw.items.iter().enumerate() {
        let at = if raw.is_list { path.index(index) } else { path.clone() };
        match (kind(written, &at, compiler), &mut kinds) {
            (Some(kind), Some(kinds)) if kinds.contains(&kind) => {}
            (Some(kind), Some(kinds)) => kinds.push(kind),
            _ => kinds = None,
        }
    }
    kinds
}

fn kind(written: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<TokenKind> {
    let found = TokenKind::of(written);
    let text = match found {
        Some(kind) if WITH_OTP.contains(&kind) => return found,
        Some(_) => "a token of this type has no OTP to ask for; remove it".to_owned(),
        None => {
            let known = WITH_OTP.map(TokenKind::as_str);
            format!("there is no type `{written}`; {}", suggestion(written, &known))
        }
    };
    compiler.error(path, &text);
    None
}
