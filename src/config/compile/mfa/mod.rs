//! `mfa`: the federation of nodes, the local one, who may ask them and how often.

mod api;
mod conditions;
mod handlers;
mod local;
mod node_tls;
mod regulation;
mod servers;
mod users;

use std::collections::HashSet;

use crate::config::compile::portal::Origin;
use crate::config::compile::{Compiler, sessions};
use crate::config::key_path::KeyPath;
use crate::config::listeners::ListenSettings;
use crate::config::raw::{RawConfig, RawLocal, RawMfa, RawNodeRole};
use crate::config::reader::suggestion;
use crate::config::{LocalPlace, MfaSettings, StoreSettings, defaults};
use crate::mfa::settings::{Base, Condition, FederationSettings, HandlerSettings};

/// What is ours, as far as it could be read, so that no node is.
pub struct Ours<'a> {
    /// Where browsers find us.
    pub portal: Option<&'a Origin>,
    /// Where proxies do.
    pub listen: Option<&'a ListenSettings>,
    /// The sessions' store.
    pub store: Option<&'a StoreSettings>,
}

/// Checks `mfa`; `None` is an error, `Some(None)` no second factors.
#[expect(clippy::option_option, reason = "one says wrong, the other says off")]
pub fn mfa(
    config: &RawConfig,
    ours: &Ours<'_>,
    compiler: &mut Compiler<'_>,
) -> Option<Option<MfaSettings>> {
    let Some(raw) = &config.mfa else {
        return (!compiler.document.wrote(&KeyPath::of("mfa"))).then_some(None);
    };
    let parent = KeyPath::of("mfa");
    let base = base(raw, &parent.key("base"), compiler);
    let servers = servers::servers(&raw.servers, ours, &parent.key("servers"), compiler);
    let handlers = handlers::handlers(raw, base, &parent.key("handlers"), compiler);
    let challenge_validity =
        sessions::span(&raw.challenge_validity, &parent.key("challenge_validity"), compiler);
    let local = local(raw, base, ours, &parent.key("local"), compiler);
    let api = match &raw.api {
        None => (!compiler.document.wrote(&parent.key("api"))).then_some(None),
        Some(written) => api::api(written, &parent.key("api"), compiler).map(Some),
    };
    let signing_key = match &raw.signing_key {
        None => Some(None),
        Some(written) => api::signing_key(written, &parent.key("signing_key"), compiler).map(Some),
    };
    let regulation = regulation::regulation(&raw.regulation, &parent.key("regulation"), compiler);
    level(config, raw, &parent.key("auth_level"), compiler);
    let (handlers, local) = (handlers?, local?);
    let realms = realms(config, raw, &handlers, local.as_ref());
    Some(Some(MfaSettings {
        federation: FederationSettings {
            base: base?,
            servers: servers?,
            handlers,
            realms,
            challenge_validity: challenge_validity?,
        },
        local,
        auth_level: raw.auth_level,
        accept_without_serial: raw.accept_without_serial,
        api: api?,
        signing_key: signing_key?,
        regulation: regulation?,
    }))
}

fn base(raw: &RawMfa, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Base> {
    if raw.base == defaults::BASE {
        return Some(Base::Local);
    }
    let index = server(raw, &raw.base, path, &[defaults::BASE], compiler)?;
    let (_, server) = raw.servers.0.get(index)?;
    if server.role != RawNodeRole::Parent {
        let text = format!("the server '{}' is no parent; write `role: parent` there", raw.base);
        compiler.error(path, &text);
        return None;
    }
    Some(Base::Server(index))
}

/// The place of the server of that name; `others` are names that would be good here, too.
fn server(
    raw: &RawMfa,
    name: &str,
    path: &KeyPath,
    others: &[&str],
    compiler: &mut Compiler<'_>,
) -> Option<usize> {
    let found = raw.servers.0.iter().position(|(known, _)| known == name);
    // One that was written and refused is not reported again.
    if found.is_none() && !compiler.document.wrote(&KeyPath::of("mfa.servers").key(name)) {
        let servers = raw.servers.0.iter().map(|(name, _)| name.as_str());
        let known: Vec<&str> = others.iter().copied().chain(servers).collect();
        let remedy = if known.is_empty() {
            "add it to mfa.servers".to_owned()
        } else {
            suggestion(name, &known)
        };
        compiler.error(path, &format!("there is no server `{name}`; {remedy}"));
    }
    found
}

/// `None` is an error, `Some(None)` no local node.
#[expect(clippy::option_option, reason = "one says wrong, the other says off")]
fn local(
    raw: &RawMfa,
    base: Option<Base>,
    ours: &Ours<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Option<LocalPlace>> {
    match (&raw.local, base?) {
        (None, _) if compiler.document.wrote(path) => None,
        (None, Base::Server(_)) => Some(None),
        (None, Base::Local) => local::local(&RawLocal::default(), ours, path, compiler).map(Some),
        (Some(written), base) => {
            if base != Base::Local {
                let text = "the local node is not asked while a server is the base; remove this, or \
                            write `base: local` and a handler for the server";
                compiler.warn(path, text);
            }
            local::local(written, ours, path, compiler).map(Some)
        }
    }
}

fn level(config: &RawConfig, raw: &RawMfa, path: &KeyPath, compiler: &mut Compiler<'_>) {
    if raw.auth_level <= config.slave.auth_level {
        let text = format!(
            "a factor raises no session, as the master opens all with level {}; write a higher one",
            config.slave.auth_level
        );
        let at = if compiler.document.wrote(path) { path.clone() } else { KeyPath::of("mfa") };
        compiler.warn(&at, &text);
    }
}

/// The realms that are cut off a login where a handler sets another one: lower case, each once.
fn realms(
    config: &RawConfig,
    raw: &RawMfa,
    handlers: &[HandlerSettings],
    local: Option<&LocalPlace>,
) -> Vec<Box<str>> {
    let conditions = handlers.iter().flat_map(|handler| &handler.conditions);
    let tested = conditions.filter_map(|condition| {
        if let Condition::Realm(realms) = condition { Some(realms) } else { None }
    });
    let users = local.and_then(|local| local.settings.users.as_ref());
    let users = users.map(|users| users.0.as_slice()).unwrap_or_default();
    let written = raw.realms.items.iter().flat_map(|item| item.split(',')).map(str::trim);
    let all = written
        .chain(users.iter().map(|user| &*user.realm))
        .chain(config.slave.masters.iter().map(|master| master.realm.as_str()))
        .chain(tested.flatten().map(|realm| &**realm));
    let mut realms: Vec<Box<str>> = Vec::new();
    let mut seen = HashSet::new();
    for realm in all.map(str::to_lowercase).filter(|realm| !realm.is_empty()) {
        if seen.insert(realm.clone()) {
            realms.push(realm.into());
        }
    }
    realms
}
