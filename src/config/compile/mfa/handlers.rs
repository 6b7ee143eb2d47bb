//! `mfa.handlers`: when which server is asked (SEMANTICS F3, F4), and what of it was probably not meant.

use std::collections::HashMap;

use crate::config::compile::Compiler;
use crate::config::compile::mfa::{conditions, server};
use crate::config::key_path::KeyPath;
use crate::config::raw::{
    RawForward, RawHandler, RawMfa, RawMode, RawOnError, RawPosition, RawWhenUnknown,
};
use crate::config::raw_value::OneOrMany;
use crate::config::reader::suggestion;
use crate::domain::node::Event;
use crate::mfa::settings::{
    Authentication, Base, Condition, ForwardSettings, HandlerSettings, LoggedIn, Mode, OnError,
    Position,
};

/// Longest name of a handler, in characters.
const NAME_CHARS: usize = 64;

/// How the events begin that are not about a second factor.
const ADMIN_EVENTS: &[&str] =
    &["token_", "tokengroup_", "user_", "serviceid_", "set_", "get_", "delete_", "auth"];

/// Checks all handlers, and puts them into their order; `None` if any is wrong.
pub fn handlers(
    raw: &RawMfa,
    base: Option<Base>,
    list: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<HandlerSettings>> {
    let mut all = Some(Vec::new());
    let mut names = HashMap::new();
    for (index, handler) in raw.handlers.iter().enumerate() {
        let path = list.index(index);
        let name = name(handler, &path, &mut names, compiler);
        let built = build(raw, handler, &path, compiler);
        if let (Some(built), true) = (&built, handler.active) {
            doubts(built, base, &path, compiler);
        }
        match (name, built, &mut all) {
            (Some(name), Some(built), Some(all)) => {
                all.push((handler.order, HandlerSettings { name, ..built }));
            }
            _ => all = None,
        }
    }
    let mut all = all?;
    // Stable: equal numbers keep the order of the file.
    all.sort_by_key(|(order, _)| *order);
    Some(all.into_iter().map(|(_, handler)| handler).collect())
}

fn name(
    raw: &RawHandler,
    parent: &KeyPath,
    names: &mut HashMap<String, u32>,
    compiler: &mut Compiler<'_>,
) -> Option<Box<str>> {
    let name = compiler.required(parent, "name", raw.name.as_deref())?;
    let path = parent.key("name");
    let length = name.chars().count();
    if !(1..=NAME_CHARS).contains(&length) || name.contains(char::is_control) {
        let text = "not a handler's name; use 1 to 64 characters on one line";
        compiler.error(&path, text);
        return None;
    }
    if let Some(line) = names.get(name) {
        let text =
            format!("the name '{name}' is taken by the handler at line {line}; choose another");
        compiler.error(&path, &text);
        return None;
    }
    names.insert(name.to_owned(), compiler.place(&path).line);
    Some(name.into())
}

/// A handler, but for its name.
fn build(
    raw: &RawMfa,
    handler: &RawHandler,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<HandlerSettings> {
    let events = events(&handler.event, path, compiler);
    let conditions_at = path.key("conditions");
    let conditions = conditions::conditions(&handler.conditions, &conditions_at, compiler);
    let action = compiler.required(path, "action", handler.action);
    let forward = forward(raw, &handler.options, &path.key("options"), compiler);
    let mode = match handler.mode {
        RawMode::Sequence => Mode::Sequence,
        RawMode::Race => Mode::Race,
    };
    if mode == Mode::Race && events.as_ref().is_some_and(|events| events.contains(&Event::Check)) {
        let text = "a check is never sent to two nodes at once, as that may spend its OTP; write \
                    `sequence`, or take validate_check out of `event`";
        compiler.error(&path.key("mode"), text);
    }
    let wrote = |key: &str| compiler.document.wrote(&path.key(key));
    let refused = |key: &str| wrote(key) && compiler.document.find(&path.key(key)).is_none();
    if refused("conditions") {
        return None;
    }
    action?;
    Some(HandlerSettings {
        name: Box::default(),
        is_active: handler.active,
        events: events?,
        position: match handler.position {
            RawPosition::Pre => Position::Pre,
            RawPosition::Post => Position::Post,
        },
        conditions: conditions?,
        unknown_matches: handler.when_unknown == RawWhenUnknown::Match,
        on_error: match handler.on_error {
            RawOnError::Next => OnError::Next,
            RawOnError::Fail => OnError::Fail,
        },
        mode,
        forward: forward?,
    })
}

fn events(raw: &OneOrMany, parent: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Vec<Event>> {
    let path = parent.key("event");
    let mut events = Some(Vec::new());
    for (index, item) in raw.items.iter().enumerate() {
        let at = if raw.is_list { path.index(index) } else { path.clone() };
        for written in item.split(',').map(str::trim).filter(|written| !written.is_empty()) {
            match (event(written, &at, compiler), &mut events) {
                (Some(event), Some(events)) if events.contains(&event) => {}
                (Some(event), Some(events)) => events.push(event),
                _ => events = None,
            }
        }
    }
    if events.as_ref().is_some_and(Vec::is_empty) {
        let is_written = compiler.document.wrote(&path);
        if !is_written {
            compiler.required(parent, "event", None::<&str>);
        } else if !compiler.document.wrote(&path.index(0))
            && compiler.document.find(&path).is_some()
        {
            compiler.error(&path, "it listens for nothing; write e.g. validate_check");
        }
        return None;
    }
    events
}

fn event(written: &str, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Event> {
    let found = Event::ALL.into_iter().find(|event| event.as_str() == written);
    if found.is_some() {
        return found;
    }
    let text = if matches!(written, "validate_samlcheck" | "validate_radiuscheck") {
        format!("there is no event `{written}`; write validate_check, which stands for it too")
    } else if ADMIN_EVENTS.iter().any(|prefix| written.starts_with(prefix)) {
        format!(
            "`{written}` administers a node or logs in there, which is not forwarded on purpose; remove it"
        )
    } else {
        let known = Event::ALL.map(Event::as_str);
        format!("there is no event `{written}`; {}", suggestion(written, &known))
    };
    compiler.error(path, &text);
    None
}

fn forward(
    raw: &RawMfa,
    options: &RawForward,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<ForwardSettings> {
    let texts = [("realm", options.realm.as_deref()), ("resolver", options.resolver.as_deref())];
    let mut is_good = true;
    for (key, written) in texts {
        let text = match written {
            Some("") => "empty says nothing; leave the key out to keep the question's",
            Some(written) if written.contains(char::is_control) => {
                "it holds control characters; remove them"
            }
            Some(_) | None => continue,
        };
        compiler.error(&path.key(key), text);
        is_good = false;
    }
    let name = compiler.required(path, "server", options.server.as_deref())?;
    let server = server(raw, name, &path.key("server"), &[], compiler)?;
    is_good.then(|| ForwardSettings {
        server,
        client_ip: options.client_ip,
        realm: options.realm.as_deref().map(Into::into),
        resolver: options.resolver.as_deref().map(Into::into),
        authorization: options.forward_authorization,
    })
}

// === What was probably not meant ===

fn doubts(
    handler: &HandlerSettings,
    base: Option<Base>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) {
    let conditions = path.key("conditions");
    let checks = handler.events.contains(&Event::Check);
    let is_post = handler.position == Position::Post;
    if checks && is_post {
        for key in handler.conditions.iter().filter_map(final_answer) {
            let text = "a check never comes here: an acceptance, a challenge or a decline ends the walk; \
                        write `result_value: false`, or `position: pre`";
            compiler.warn(&conditions.key(key), text);
        }
    }
    let is_admin =
        |condition: &Condition| matches!(condition, Condition::LoggedInUser(LoggedIn::Admin));
    if handler.conditions.iter().any(is_admin) {
        let text = "it never runs: administrators' requests are not forwarded; remove the handler";
        compiler.warn(&conditions.key("logged_in_user"), text);
    }
    let Some(Base::Server(base)) = base else { return };
    if handler.forward.server == base {
        let text = "this server is the base, so it is asked twice; remove the handler";
        compiler.warn(&path.key("options").key("server"), text);
    }
    if checks && is_post && handler.conditions.iter().any(needs_answer) {
        let text = "the base counts the failure of every login that this server accepts; put the \
                    handler at `pre`";
        compiler.warn(&conditions, text);
    }
    for key in handler.conditions.iter().filter_map(inner_state) {
        let text = if handler.unknown_matches {
            "a server as base does not tell this about a token, so it always holds; remove it"
        } else {
            "a server as base does not tell this about a token, so it never holds; remove it, or write \
             `when_unknown: match`"
        };
        compiler.warn(&conditions.key(key), text);
    }
}

/// The key of a condition that only an answer meets after which nobody else is asked.
fn final_answer(condition: &Condition) -> Option<&'static str> {
    match condition {
        Condition::ResultValue(true) => Some("result_value"),
        Condition::ResultAuthentication(
            Authentication::Accept | Authentication::Challenge | Authentication::Declined,
        ) => Some("result_authentication"),
        Condition::ResultAuthentication(Authentication::Reject)
        | Condition::ResultValue(false)
        | Condition::ResultStatus(_)
        | Condition::Realm(_)
        | Condition::Resolver(_)
        | Condition::ClientIp(..)
        | Condition::LoggedInUser(_)
        | Condition::DetailMessage(_)
        | Condition::DetailErrorMessage(_)
        | Condition::UserTokenNumber(_)
        | Condition::Serial(_)
        | Condition::TokenType(_)
        | Condition::TokenRealm(_)
        | Condition::TokenResolver(_)
        | Condition::TokenLocked(_)
        | Condition::TokenHasOwner(_)
        | Condition::TokenIsOrphaned(_)
        | Condition::TokenIsValid(_)
        | Condition::OtpCounter(_)
        | Condition::FailCounter(_)
        | Condition::CountAuth(_)
        | Condition::CountAuthSuccess(_)
        | Condition::CountAuthFail(_)
        | Condition::LastAuth(_)
        | Condition::RolloutState(_)
        | Condition::TokenInfo(..) => None,
    }
}

const fn needs_answer(condition: &Condition) -> bool {
    matches!(
        condition,
        Condition::ResultValue(_)
            | Condition::ResultStatus(_)
            | Condition::ResultAuthentication(_)
            | Condition::DetailMessage(_)
            | Condition::DetailErrorMessage(_)
    )
}

/// The key of a condition about what only the node knows that has the token.
const fn inner_state(condition: &Condition) -> Option<&'static str> {
    Some(match condition {
        Condition::UserTokenNumber(_) => "user_token_number",
        Condition::TokenRealm(_) => "tokenrealm",
        Condition::TokenResolver(_) => "tokenresolver",
        Condition::TokenLocked(_) => "token_locked",
        Condition::TokenHasOwner(_) => "token_has_owner",
        Condition::TokenIsOrphaned(_) => "token_is_orphaned",
        Condition::TokenIsValid(_) => "token_validity_period",
        Condition::OtpCounter(_) => "otp_counter",
        Condition::FailCounter(_) => "failcounter",
        Condition::CountAuth(_) => "count_auth",
        Condition::CountAuthSuccess(_) => "count_auth_success",
        Condition::CountAuthFail(_) => "count_auth_fail",
        Condition::LastAuth(_) => "last_auth",
        Condition::RolloutState(_) => "rollout_state",
        Condition::TokenInfo(..) => "tokeninfo",
        Condition::ResultValue(_)
        | Condition::ResultStatus(_)
        | Condition::ResultAuthentication(_)
        | Condition::Realm(_)
        | Condition::Resolver(_)
        | Condition::ClientIp(..)
        | Condition::LoggedInUser(_)
        | Condition::DetailMessage(_)
        | Condition::DetailErrorMessage(_)
        | Condition::Serial(_)
        | Condition::TokenType(_) => return None,
    })
}
