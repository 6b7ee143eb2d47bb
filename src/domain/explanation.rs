//! What a decision was made of: every stage and rule as it was walked, for a person who asks why.
//!
//! The walk tells a [`Recorder`] as it goes. The daemon's own is [`Happening`], which takes no notes and
//! compiles away; [`Notes`] is for explaining, and then nothing happens (SEMANTICS R6). Must not know: what
//! the stages do.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::identity::IdentityView;
use crate::domain::location::Location;

/// A stage of a decision, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Who asks, for which client, and whether a master speaks.
    Trust,
    /// What is asked about: method, host, path.
    Request,
    /// Which application it is.
    Application,
    /// What the master says about the user.
    Master,
    /// Which session it is.
    Session,
    /// What the rules say.
    Rules,
    /// What the rule demands, and the route.
    Requirement,
    /// What the application is told.
    Exports,
}

impl Stage {
    /// The stage's name in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Request => "request",
            Self::Application => "application",
            Self::Master => "master",
            Self::Session => "session",
            Self::Rules => "rules",
            Self::Requirement => "requirement",
            Self::Exports => "exports",
        }
    }
}

/// Whether a clause or a rule holds for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// That depends on who it is, and nobody has looked yet.
    Unknown,
    /// It cannot be told, so the rule denies.
    Failed,
}

impl From<bool> for Held {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// One clause that was asked. Those behind one that does not hold are not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedClause {
    /// Its key in the rule.
    pub clause: String,
    /// The variable or parameter that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether it holds.
    pub holds: Held,
}

/// Something that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// When.
    pub stage: Stage,
    /// What, in a sentence without secrets.
    pub said: String,
    /// Where the operator wrote what it follows from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// The clauses of a rule, in the order in which they were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<AskedClause>,
}

/// What a walk tells as it goes.
pub trait Recorder: Send {
    /// Whether the request really happens. If not, nothing is opened, touched, ended, asked or counted.
    const HAPPENS: bool;

    /// Takes a note; `said` is called only if anybody reads it.
    fn note(&mut self, stage: Stage, said: impl FnOnce() -> String) {
        self.note_at(stage, None, said);
    }

    /// Takes a note about something that the operator wrote.
    fn note_at(&mut self, stage: Stage, at: Option<Location>, said: impl FnOnce() -> String);

    /// Takes a note of a clause; the rule that it belongs to follows.
    fn clause(&mut self, clause: &'static str, about: Option<&str>, holds: Held);

    /// Takes a note of a rule whose clauses came before.
    fn rule(&mut self, at: Location, holds: Held);

    /// Takes a note of the application's name.
    fn application(&mut self, name: &str);

    /// Takes a note of who it is, as rules see them, and of the values of the variables in `defined`.
    fn identity(&mut self, who: &dyn IdentityView, defined: &[&str]);
}

/// The recorder of what happens: no notes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Happening;

impl Recorder for Happening {
    const HAPPENS: bool = true;

    #[inline]
    fn note_at(&mut self, _: Stage, _: Option<Location>, _: impl FnOnce() -> String) {}

    #[inline]
    fn clause(&mut self, _: &'static str, _: Option<&str>, _: Held) {}

    #[inline]
    fn rule(&mut self, _: Location, _: Held) {}

    #[inline]
    fn application(&mut self, _: &str) {}

    #[inline]
    fn identity(&mut self, _: &dyn IdentityView, _: &[&str]) {}
}

/// Notes of what would happen.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// What was found out, in order.
    pub steps: Vec<Step>,
    /// The application's name, if one was found.
    pub application: Option<String>,
    /// Who it is, if that was found out.
    pub identity: Option<KnownIdentity>,
    clauses: Vec<AskedClause>,
}

impl Recorder for Notes {
    const HAPPENS: bool = false;

    fn note_at(&mut self, stage: Stage, at: Option<Location>, said: impl FnOnce() -> String) {
        let clauses = std::mem::take(&mut self.clauses);
        self.steps.push(Step { stage, said: said(), at, clauses });
    }

    fn clause(&mut self, clause: &'static str, about: Option<&str>, holds: Held) {
        let about = about.map(str::to_owned);
        self.clauses.push(AskedClause { clause: clause.to_owned(), about, holds });
    }

    fn rule(&mut self, at: Location, holds: Held) {
        let said = match holds {
            Held::Yes => "this rule matches",
            Held::No => "this rule does not match",
            Held::Unknown => "whether this rule matches depends on who it is",
            Held::Failed => "whether this rule matches cannot be told, so it denies",
        };
        self.note_at(Stage::Rules, Some(at), || said.to_owned());
    }

    fn application(&mut self, name: &str) {
        self.application = Some(name.to_owned());
    }

    fn identity(&mut self, who: &dyn IdentityView, defined: &[&str]) {
        self.identity = Some(KnownIdentity::of(who, defined));
    }
}

/// What would be done with a request, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// `allow`, `challenge`, `deny` or `unavailable`.
    pub decision: Cow<'static, str>,
    /// The exact reason, as in metrics and logs.
    pub reason: Cow<'static, str>,
    /// What that means and what to do about it.
    pub meaning: Cow<'static, str>,
    /// What the client learns of it (`X-Vouchsafe-Reason`).
    pub class: Cow<'static, str>,
    /// The rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Location>,
    /// The application, if one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Who it is, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<KnownIdentity>,
    /// Every stage and rule, in order.
    pub steps: Vec<Step>,
    /// The headers that the application gets; empty ones overwrite what a client sent.
    pub headers: Vec<ShownHeader>,
}

/// Somebody, as rules see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownIdentity {
    /// The login.
    pub user: String,
    /// The master that asserted it.
    pub master: String,
    /// The realm.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub realm: String,
    /// The level.
    pub level: u8,
    /// Variables and their values.
    pub variables: Vec<ShownVariable>,
}

impl KnownIdentity {
    fn of(who: &dyn IdentityView, defined: &[&str]) -> Self {
        let owner = who.owner();
        let mut variables: Vec<ShownVariable> = Vec::new();
        who.each_value(&mut |name, value| match variables
            .iter_mut()
            .find(|shown| shown.name == name)
        {
            Some(shown) => shown.values.push(value.to_owned()),
            None => {
                variables.push(ShownVariable {
                    name: name.to_owned(),
                    values: vec![value.to_owned()],
                    failed: false,
                });
            }
        });
        for name in defined {
            let mut values = Vec::new();
            let failed = who.values(name, &mut |value| values.push(value.to_owned())).is_err();
            variables.retain(|shown| shown.name != *name);
            variables.push(ShownVariable { name: (*name).to_owned(), values, failed });
        }
        Self {
            user: owner.user.to_owned(),
            master: owner.master.to_owned(),
            realm: owner.realm.to_owned(),
            level: who.level(),
            variables,
        }
    }
}

/// A variable that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownVariable {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
    /// Whether what defines it in the configuration has no value; then rules that ask for it deny.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// A header that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownHeader {
    /// Its name, lower case.
    pub name: String,
    /// Its value; bytes that are not UTF-8 are replaced.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_belong_to_the_rule_that_follows_them() {
        let mut notes = Notes::default();
        let at = |line| Location { line, column: 9 };
        notes.clause("path", None, Held::Yes);
        notes.clause("variable", Some("groups"), Held::No);
        notes.rule(at(7), Held::No);
        notes.rule(at(8), Held::Yes);
        let shown: Vec<_> = notes.steps.iter().map(|step| (step.at, step.clauses.len())).collect();
        assert_eq!(shown, [(Some(at(7)), 2), (Some(at(8)), 0)]);
    }
}
