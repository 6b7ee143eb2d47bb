//! `locationRules` of one virtual host as rules.
//!
//! There, of the patterns in the order of their texts the first that is found decides, and a false condition is a
//! refusal. So a condition becomes a rule with `when`, and the same matcher again that denies.
//! Where it is not certain whether LemonLDAP::NG would find a pattern, what it could find is denied, or left
//! to the rules below if none of them lets more people in.

use crate::import::llng::cel::{Cel, Side, Translator, with_query, without_query};
use crate::import::llng::names::{Session, Stage};
use crate::import::llng::part::{Part, Yaml};
use crate::import::llng::pattern::{self, Scope};
use crate::import::llng::perl::{self, Node, Unsupported};
use crate::import::llng::source::Table;
use crate::import::llng::translation::Refusals;
use crate::import::report::{Kind, Report};
use crate::import::yaml::scalar;

/// What all rules of a virtual host have in common.
pub struct Common<'a> {
    /// The virtual host.
    pub vhost: &'a str,
    /// Its own least level.
    pub level: Level,
    /// What sessions hold.
    pub session: &'a Session,
    /// Whom LemonLDAP::NG gives a session at all.
    pub grant: &'a Cel,
    /// What was refused before.
    pub refusals: &'a Refusals,
}

/// A demanded level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Any.
    Any,
    /// At least this.
    AtLeast(u8),
    /// One that nobody can have.
    Unreachable,
}

impl Level {
    /// Of a text; `None` where it demands nothing at all, not even any level.
    fn read(written: &str) -> Option<Self> {
        match written.trim() {
            "" | "0" => None,
            text => Some(match text.parse::<i64>() {
                Ok(level) if level <= 0 => Self::Any,
                Ok(level) => u8::try_from(level).map_or(Self::Unreachable, Self::AtLeast),
                Err(_) => Self::Unreachable,
            }),
        }
    }

    /// Of a virtual host's option.
    pub fn of(written: &str) -> Self {
        Self::read(written).unwrap_or(Self::Any)
    }
}

/// What a rule does, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arm {
    when: Cel,
    effect: &'static str,
}

/// What is decided where a pattern is found: the first arm that holds, the last one always does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arms {
    arms: Vec<Arm>,
    /// How many people it lets in at least.
    least: Openness,
    /// How many people it may let in.
    most: Openness,
}

/// Who gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Openness {
    Nobody,
    SomeSessions,
    Sessions,
    Anybody,
}

/// A rule of LemonLDAP::NG.
struct Rule<'a> {
    key: &'a str,
    matcher: Matcher,
    level: Level,
    arms: Arms,
}

/// Which requests a rule is about.
enum Matcher {
    All,
    Pattern {
        rust: String,
        scope: Scope,
    },
    /// It cannot be said; whatever it matches, this matches too.
    AtMost {
        head: String,
    },
}

/// Writes the rules; returns whether any of them could let somebody in.
pub fn write(rules: &Table, common: &Common<'_>, yaml: &mut Yaml, report: &mut Report) {
    let mut all: Vec<Rule<'_>> = Vec::new();
    for (key, condition) in rules.iter().filter(|(key, _)| *key != "default") {
        all.push(rule(key, condition, common, report));
    }
    let accept = String::from("accept");
    let default = rules.get("default").unwrap_or(&accept);
    all.push(Rule {
        key: "default",
        matcher: Matcher::All,
        level: common.level,
        arms: arms("default", default, common, report),
    });
    for (at, rule) in all.iter().enumerate() {
        let later = all.iter().skip(at + 1).map(|rule| rule.arms.most).max();
        let written = rules.get(rule.key).unwrap_or(&accept);
        let part = Part::Rule(common.vhost.to_owned(), rule.key.to_owned());
        yaml.comment(&part, "      ", &format!("{}: {written}", rule.key));
        rule.write(later.unwrap_or(Openness::Nobody), &part, common, yaml, report);
    }
}

fn place(key: &str, common: &Common<'_>) -> String {
    format!("locationRules.{}.{key}", common.vhost)
}

fn rule<'a>(key: &'a str, condition: &str, common: &Common<'_>, report: &mut Report) -> Rule<'a> {
    let part = Part::Rule(common.vhost.to_owned(), key.to_owned());
    let arms = arms(key, condition, common, report);
    let (matcher, written) = match pattern::read(key) {
        Ok(pattern) if common.refusals.times(&part) < 2 => {
            (Matcher::Pattern { rust: pattern.rust, scope: pattern.scope }, pattern.level)
        }
        Ok(pattern) => (Matcher::AtMost { head: String::new() }, pattern.level),
        Err(unreadable) => {
            let text = format!(
                "its pattern {}; write it as a rule with `path`, `path_glob` or `path_regex`",
                unreadable.why
            );
            report.add(Kind::Denies, &place(key, common), text);
            (Matcher::AtMost { head: unreadable.head }, unreadable.level)
        }
    };
    let level = written.and_then(|level| Level::read(&level)).unwrap_or(common.level);
    Rule { key, matcher, level, arms }
}

// === Conditions ===

const fn arm(when: Cel, effect: &'static str) -> Arm {
    Arm { when, effect }
}

fn always(effect: &'static str, openness: Openness) -> Arms {
    Arms { arms: vec![arm(Cel::atom("true"), effect)], least: openness, most: openness }
}

fn arms(key: &str, condition: &str, common: &Common<'_>, report: &mut Report) -> Arms {
    let place = place(key, common);
    let part = Part::Rule(common.vhost.to_owned(), key.to_owned());
    match common.refusals.or_refused(&part, condition_arms(condition, &place, common, report)) {
        Ok(arms) => arms,
        Err(Unsupported(why)) => {
            let text = format!(
                "its condition {why}; write a rule with `when` for it: docs/expressions.md"
            );
            report.add(Kind::Denies, &place, text);
            always("deny", Openness::Nobody)
        }
    }
}

fn condition_arms(
    condition: &str,
    place: &str,
    common: &Common<'_>,
    report: &mut Report,
) -> Result<Arms, Unsupported> {
    // A blank before a word makes it one of Perl's, where it means nothing: so nothing is trimmed here.
    let condition = without_number(condition);
    let (word, rest) = condition.split_once(char::is_whitespace).unwrap_or((condition, ""));
    match (word.to_ascii_lowercase().as_str(), rest.trim()) {
        ("accept", "") => Ok(granted(common.grant, "allow", "deny", Openness::Sessions)),
        ("unprotect", "") => Ok(granted(common.grant, "unprotect", "skip", Openness::Anybody)),
        ("skip", "") => Ok(always("skip", Openness::Anybody)),
        ("deny", "") => Ok(always("deny", Openness::Nobody)),
        ("maintenance", "") => Ok(always("maintenance", Openness::Nobody)),
        ("logout_sso" | "logout", url) => {
            if !url.is_empty() {
                let text = "the portal logs out, and does not lead on to the URL; link to the portal's \
                            `/logout?url=` instead";
                report.add(Kind::Approximately, place, text);
            }
            Ok(always("logout", Openness::Nobody))
        }
        ("logout_app" | "logout_app_sso", _) => {
            Err(Unsupported::because("logs out of an application, which Vouchsafe cannot"))
        }
        _ => {
            let node = perl::parse(condition)?;
            let mut found =
                Arms { arms: Vec::new(), least: Openness::Nobody, most: Openness::SomeSessions };
            let translator = Translator { session: common.session, stage: Stage::Rule };
            tested(&node, translator, common.grant, &mut found)?;
            found.arms.push(arm(Cel::atom("true"), "deny"));
            Ok(found)
        }
    }
}

/// Without `(?#5)` at the end, which only orders rules for people.
fn without_number(condition: &str) -> &str {
    let number = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let split = condition.strip_suffix(')').and_then(|rest| rest.rsplit_once("(?#"));
    split.filter(|(_, rest)| number(rest)).map_or(condition, |(condition, _)| condition)
}

/// `effect` for those who would have a session, `otherwise` for the others.
fn granted(grant: &Cel, effect: &'static str, otherwise: &'static str, openness: Openness) -> Arms {
    if grant.text() == "true" {
        return always(effect, openness);
    }
    let least = if openness == Openness::Anybody { openness } else { Openness::Nobody };
    let arms = vec![arm(grant.clone(), effect), arm(Cel::atom("true"), otherwise)];
    Arms { arms, least, most: openness }
}

/// The arms of a condition, which may be `condition ? skip : condition`.
fn tested(
    node: &Node,
    translator: Translator<'_>,
    grant: &Cel,
    found: &mut Arms,
) -> Result<(), Unsupported> {
    let is_skip = |node: &Node| *node == Node::Word("skip".to_owned());
    if let Node::Choice(condition, yes, no) = node
        && (is_skip(yes) || is_skip(no))
    {
        let negated = Node::Not(condition.clone());
        let (skips, other) = if is_skip(yes) { (&**condition, no) } else { (&negated, yes) };
        found.arms.push(arm(translator.truth(skips, Side::Narrow)?, "skip"));
        found.most = Openness::Anybody;
        if is_skip(other) {
            found.arms.push(arm(Cel::atom("true"), "skip"));
            return Ok(());
        }
        return tested(other, translator, grant, found);
    }
    found.arms.push(arm(grant.and(&translator.truth(node, Side::Narrow)?), "allow"));
    Ok(())
}

// === Writing ===

/// The requests with this path, and more of them.
struct Region<'a> {
    pattern: Option<&'a str>,
    and: Cel,
}

impl Rule<'_> {
    fn write(
        &self,
        later: Openness,
        part: &Part,
        common: &Common<'_>,
        yaml: &mut Yaml,
        report: &mut Report,
    ) {
        let any = || Cel::atom("true");
        let (sure, unsure) = match &self.matcher {
            Matcher::All => (Some(Region { pattern: None, and: any() }), None),
            Matcher::AtMost { head } => (None, Some(Region { pattern: Some(head), and: any() })),
            Matcher::Pattern { rust, scope } => {
                let (and, head) = match scope {
                    Scope::Path => (any(), None),
                    Scope::PathAlone => (without_query(), None),
                    Scope::AtLeastPath { head } => (any(), Some(head)),
                    Scope::Unknown { head } => (without_query(), Some(head)),
                };
                let unsure = head.map(|head| Region { pattern: Some(head), and: with_query() });
                (Some(Region { pattern: Some(rust), and }), unsure)
            }
        };
        if let Some(region) = sure {
            self.write_region(&region, &self.arms.arms, part, yaml);
        }
        let Some(region) = unsure else { return };
        let is_plain = matches!(self.matcher, Matcher::AtMost { .. });
        match self.arms.arms.as_slice() {
            // It refuses whatever it could match.
            arms @ [Arm { effect: "deny" | "maintenance" | "logout", .. }] => {
                if !is_plain {
                    report.add(Kind::Approximately, &place(self.key, common), DENIES_QUERIES);
                }
                self.write_region(&region, arms, part, yaml);
            }
            _ if self.least() >= later => {
                let text = if is_plain { LEFT_TO_OTHERS } else { LEAVES_QUERIES };
                report.add(Kind::Approximately, &place(self.key, common), text);
                yaml.comment(part, "      ", "left to the rules below where it is not certain");
            }
            _ => {
                if !is_plain {
                    report.add(Kind::Denies, &place(self.key, common), DENIES_UNSURE);
                }
                self.write_region(&region, &[arm(any(), "deny")], part, yaml);
            }
        }
    }

    /// How many people it lets in at least, where it is found.
    fn least(&self) -> Openness {
        match (self.arms.least, self.level) {
            (Openness::Sessions, Level::AtLeast(_) | Level::Unreachable) => Openness::Nobody,
            (least, _) => least,
        }
    }

    fn write_region(&self, region: &Region<'_>, arms: &[Arm], part: &Part, yaml: &mut Yaml) {
        for Arm { when: condition, effect } in arms {
            let when = region.and.and(condition);
            if when.text() == "false" {
                continue;
            }
            let mut clauses = Vec::new();
            // An empty pattern is found everywhere, and needs no clause.
            if let Some(pattern) = region.pattern.filter(|pattern| !pattern.is_empty()) {
                clauses.push(format!("path_regex: {}", scalar(pattern)));
            }
            if when.text() != "true" {
                clauses.push(format!("when: {}", scalar(when.text())));
            }
            match (*effect, self.level) {
                ("allow", Level::AtLeast(level)) => {
                    clauses.push(format!("level: {level}, effect: allow"));
                }
                ("allow", Level::Unreachable) => clauses.push("effect: deny".to_owned()),
                (effect, _) => clauses.push(format!("effect: {effect}")),
            }
            let line = format!("      - {{ {} }}", clauses.join(", "));
            yaml.line(part, &line);
            if condition.text() == "true" {
                break;
            }
        }
    }
}

const DENIES_QUERIES: &str = "LemonLDAP::NG searches the query as text, too; Vouchsafe refuses such a path with any query. \
    If a parameter was meant, write a rule with `query` instead";
const LEAVES_QUERIES: &str = "LemonLDAP::NG searches the query as text, too; here only the path counts, and where a query \
    could make the difference the rules below decide, none of which lets more people in";
const DENIES_UNSURE: &str = "LemonLDAP::NG searches the query as text, too; where a query could make the difference it is \
    refused. End the pattern before what could be a query, or write a rule with `query`";
const LEFT_TO_OTHERS: &str =
    "without its pattern the rules below decide, none of which lets more people in";
