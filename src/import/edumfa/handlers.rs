//! Event handlers of eduMFA's federation module.
//!
//! One that cannot be translated as a whole is written inactive, with all of its conditions that can; the others stand
//! above it as comments (SEMANTICS F3).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::node::Event;
use crate::import::edumfa::conditions::{self, Unknown, Written};
use crate::import::edumfa::options::Options;
use crate::import::edumfa::servers::Servers;
use crate::import::edumfa::source::Table;
use crate::import::edumfa::{Part, Refusals};
use crate::import::report::{Kind, Report};
use crate::import::yaml::{Yaml, scalar};

/// Longest name, in characters.
const NAME_CHARS: usize = 64;

/// Most conditions, or events, of one handler; eduMFA knows fewer.
const MOST: usize = 64;

/// eduMFA's other events: who administers it or logs in there.
const ADMIN_EVENTS: &[&str] =
    &["token_", "tokengroup_", "user_", "serviceid_", "container_", "set_", "get_", "delete_"];

/// A handler that is written.
#[derive(Debug)]
pub struct Handler {
    index: usize,
    place: String,
    name: String,
    order: i64,
    events: Vec<Event>,
    is_pre: bool,
    is_active: bool,
    conditions: Vec<Condition>,
    when_unknown_matches: bool,
    options: Options,
}

#[derive(Debug)]
struct Condition {
    key: String,
    value: Value,
    /// `None`: it stands in a comment.
    written: Option<Written>,
}

/// A handler that is being read.
struct Reading<'a> {
    report: &'a mut Report,
    place: String,
    /// Whether something of it was not translated.
    is_off: bool,
}

impl Reading<'_> {
    /// Switches the handler off.
    fn off(&mut self, text: impl Into<String>) {
        self.report.add(Kind::Inactive, &self.place, text);
        self.is_off = true;
    }

    fn off_for(&mut self, condition: &str, why: &str) {
        let place = format!("{}, condition {condition}", self.place);
        self.report.add(Kind::Inactive, &place, why);
        self.is_off = true;
    }

    fn tell(&mut self, kind: Kind, text: impl Into<String>) {
        self.report.add(kind, &self.place, text);
    }
}

/// Reads all handlers, in the order in which they run; what is left out is reported.
pub fn handlers(
    events: &[Value],
    servers: &Servers,
    refusals: &Refusals,
    report: &mut Report,
) -> Vec<Handler> {
    let mut names = BTreeSet::new();
    let mut handlers: Vec<Handler> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        handlers.extend(handler(index, event, servers, refusals, &mut names, report));
    }
    // Stable: equal numbers keep the order of the source.
    handlers.sort_by_key(|handler| handler.order);
    handlers
}

fn handler(
    index: usize,
    value: &Value,
    servers: &Servers,
    refusals: &Refusals,
    names: &mut BTreeSet<String>,
    report: &mut Report,
) -> Option<Handler> {
    let map = value.as_object()?;
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let place = place(index, map);
    let mut reading = Reading { report, place: place.clone(), is_off: false };
    let (module, action) = (text("handlermodule"), text("action"));
    if module != "Federation" || action != "forward" {
        let text =
            format!("not imported: module {module}, action {action}, and not Federation, forward");
        reading.tell(Kind::Missing, text);
        return None;
    }
    if let Some(why) = refusals.get(&Part::Handler(index)) {
        reading.tell(Kind::Missing, format!("left out: {why}"));
        return None;
    }
    let events = events(map.get("event"), &mut reading)?;
    let options = Options::read(map.get("options"), servers, &place, reading.report);
    let options = match options {
        Ok(options) => options,
        Err(why) => {
            reading.tell(Kind::Missing, format!("left out: {why}"));
            return None;
        }
    };
    let is_pre = is_pre(map.get("position"), &mut reading);
    let order = order(map.get("ordering"), &mut reading);
    let conditions = conditions(index, map, refusals, &mut reading);
    let when_unknown_matches = when_unknown_matches(&conditions, &mut reading);
    let is_active = is_active(map.get("active"), &mut reading);
    let name = name(index, text("name"), names, &mut reading);
    Some(Handler {
        index,
        name,
        order,
        events,
        is_pre,
        is_active: is_active && !reading.is_off,
        conditions,
        when_unknown_matches,
        options,
        place,
    })
}

/// How the report calls a handler: by eduMFA's number, or its place in the files.
fn place(index: usize, map: &Table) -> String {
    let number = map.get("id").and_then(Value::as_u64);
    let name = map.get("name").and_then(Value::as_str).unwrap_or_default();
    let number = number.unwrap_or_else(|| u64::try_from(index).map_or(u64::MAX, |index| index + 1));
    format!("handler {number} ({name})")
}

/// The name, without what names do not have here, and once.
fn name(
    index: usize,
    written: &str,
    names: &mut BTreeSet<String>,
    reading: &mut Reading<'_>,
) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut name: String = written.chars().map(plain).take(NAME_CHARS).collect();
    if name.is_empty() || names.contains(&name) {
        // The handler's place is its own, so only a name that looks like this can be in the way.
        let numbered = |number: usize| {
            let end = format!(" #{number}");
            let start: String = written.chars().map(plain).take(NAME_CHARS - end.len()).collect();
            format!("{start}{end}").trim_start().to_owned()
        };
        let free = (index + 1..=usize::MAX).map(numbered).find(|name| !names.contains(name));
        name = free.unwrap_or_default();
    }
    if name != written {
        reading.tell(Kind::Approximately, format!("is called {name} here"));
    }
    names.insert(name.clone());
    name
}

/// What it listens for; `None` if nothing is left.
fn events(value: Option<&Value>, reading: &mut Reading<'_>) -> Option<Vec<Event>> {
    let written: Vec<&str> = match value {
        Some(Value::String(text)) => text.split(',').collect(),
        Some(Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            if texts.is_none() {
                reading.off("its list of events has something that is no text; correct it");
            }
            texts.unwrap_or_default()
        }
        _ => Vec::new(),
    };
    if written.len() > MOST {
        reading.off("it listens for more than there is; correct it");
    }
    let mut events = Vec::new();
    for name in written.into_iter().take(MOST).map(str::trim).filter(|name| !name.is_empty()) {
        let found = Event::ALL.into_iter().find(|event| event.as_str() == name);
        let is_admins = ADMIN_EVENTS.iter().any(|start| name.starts_with(start))
            || matches!(name, "auth" | "validate_offlinerefill");
        match found {
            Some(event) if events.contains(&event) => {}
            Some(event) => events.push(event),
            None if is_admins => reading.tell(
                Kind::Missing,
                format!("the event {name}: who administers eduMFA or logs in there is not forwarded on purpose"),
            ),
            None => reading.off(format!("the event {name} does not exist; remove it")),
        }
    }
    if events.is_empty() {
        reading.tell(Kind::Missing, "left out: it listens for nothing that is forwarded");
        return None;
    }
    Some(events)
}

fn is_pre(value: Option<&Value>, reading: &mut Reading<'_>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) if text == "post" => false,
        Some(Value::String(text)) if text == "pre" => {
            reading.off(
                "it stands before the check, where eduMFA asks the server and throws its answer away; here that \
                 answer counts: switch it on if this is what you want",
            );
            true
        }
        Some(_) => {
            reading.off(
                "eduMFA knows no such position, so it never runs there; write `position: post`",
            );
            false
        }
    }
}

fn order(value: Option<&Value>, reading: &mut Reading<'_>) -> i64 {
    let number = match value {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    if number.is_none() {
        reading.off("its ordering is no whole number; write `order`");
    }
    number.unwrap_or_default()
}

fn is_active(value: Option<&Value>, reading: &mut Reading<'_>) -> bool {
    let is_active = conditions::is_true(value.unwrap_or(&Value::Null));
    if !is_active {
        reading.tell(Kind::Note, "is inactive in eduMFA, too");
    }
    is_active
}

/// All conditions, translated or not.
fn conditions(
    index: usize,
    map: &Table,
    refusals: &Refusals,
    reading: &mut Reading<'_>,
) -> Vec<Condition> {
    // Not used any more, and always empty; it is a condition all the same.
    if !matches!(map.get("condition"), None | Some(Value::Null))
        && map.get("condition") != Some(&"".into())
    {
        reading.off("it has a `condition` besides its conditions, which eduMFA ignores; remove it");
    }
    let parsed;
    let table = match map.get("conditions") {
        Some(Value::Object(table)) => Some(table),
        // Some versions answer with the text that is in their database.
        Some(Value::String(text)) => {
            parsed = serde_json::from_str::<Table>(text).ok();
            parsed.as_ref()
        }
        _ => None,
    };
    let Some(table) = table.filter(|table| table.len() <= MOST) else {
        let text =
            "its conditions are no table, or too many, so nobody knows them; write them by hand";
        reading.off(text);
        return Vec::new();
    };
    let mut conditions = Vec::new();
    for (key, value) in table {
        let refused = refusals.get(&Part::Condition(index, key.clone()));
        let written = match refused {
            Some(why) => Err(format!("cannot be used: {why}")),
            None => conditions::translate(key, value),
        };
        let written = match written {
            Ok(written) => {
                if let Some(note) = &written.note {
                    let place = format!("{}, condition {key}", reading.place);
                    reading.report.add(Kind::Approximately, &place, note);
                }
                Some(written)
            }
            Err(why) => {
                reading.off_for(key, &why);
                None
            }
        };
        conditions.push(Condition { key: key.clone(), value: value.clone(), written });
    }
    conditions
}

/// Whether conditions about what is not known hold: eduMFA skips most of them, and fails at some.
fn when_unknown_matches(conditions: &[Condition], reading: &mut Reading<'_>) -> bool {
    let has = |unknown: Unknown| {
        let mut written = conditions.iter().filter_map(|condition| condition.written.as_ref());
        written.any(|written| written.unknown == unknown)
    };
    match (has(Unknown::Holds), has(Unknown::Fails)) {
        (true, false) => {
            reading.tell(
                Kind::Note,
                "conditions about a token hold where none is known, or more than one, as in eduMFA; remove \
                 `when_unknown: match` if that was not meant",
            );
            true
        }
        (true, true) => {
            reading.tell(
                Kind::Approximately,
                "where a token or a resolver is not known, eduMFA takes some of its conditions for met and others not; \
                 here none is",
            );
            false
        }
        (false, _) => false,
    }
}

impl Handler {
    /// Writes it as an item of `handlers`.
    pub fn write(&self, yaml: &mut Yaml<Part>) {
        let part = Part::Handler(self.index);
        yaml.comment(&part, "    ", &self.place);
        for condition in self.conditions.iter().filter(|condition| condition.written.is_none()) {
            let value =
                condition.value.as_str().map_or_else(|| condition.value.to_string(), str::to_owned);
            let text = format!("not translated: {}: {value}", condition.key);
            yaml.comment(&part, "    ", &text);
        }
        yaml.line(&part, &format!("    - name: {}", scalar(&self.name)));
        let events: Vec<&str> = self.events.iter().map(|event| event.as_str()).collect();
        yaml.line(&part, &format!("      event: [{}]", events.join(", ")));
        yaml.line(&part, &format!("      position: {}", if self.is_pre { "pre" } else { "post" }));
        yaml.line(&part, &format!("      order: {}", self.order));
        yaml.line(&part, &format!("      active: {}", self.is_active));
        let mut is_first = true;
        for Condition { key, written, .. } in &self.conditions {
            let Some(Written { value, .. }) = written else { continue };
            if std::mem::take(&mut is_first) {
                yaml.line(&part, "      conditions:");
            }
            let part = Part::Condition(self.index, key.clone());
            yaml.line(&part, &format!("        {key}: {value}"));
        }
        if self.when_unknown_matches {
            yaml.line(&part, "      when_unknown: match");
        }
        self.options.write(&part, yaml);
    }
}
