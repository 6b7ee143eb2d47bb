//! Explanations as people read them on a terminal.
//!
//! Much of an explanation was written by whoever sent the request, so nothing of it reaches the terminal but
//! characters that can be seen.

use std::fmt::Write as _;

use crate::app::rehearsal::{Explanation, Held, KeptRefusal, KnownIdentity, Location, Step};

/// The whole of it, the verdict first.
pub fn text_of(explanation: &Explanation) -> String {
    let Explanation { decision, reason, meaning, class, rule, identity, steps, headers, .. } =
        explanation;
    let mut text = format!("{decision}: {reason}\n  {meaning}\n");
    if decision != "allow" {
        let _ = writeln!(text, "  The client learns only: {class}");
    }
    if let Some(rule) = rule {
        let _ = writeln!(text, "  Decided by the rule at {}", place(*rule));
    }
    if let Some(identity) = identity {
        let _ = writeln!(text, "\nWho it is\n{}", identity_text(identity));
    }
    if !steps.is_empty() {
        text.push_str("\nStep by step\n");
        text.extend(steps.iter().map(step_text));
    }
    if !headers.is_empty() {
        text.push_str("\nWhat the application gets\n");
        for header in headers {
            let _ = writeln!(text, "  {}: {}", header.name, header.value);
        }
    }
    visible(&text)
}

/// A refusal that happened.
pub fn text_of_refusal(refusal: &KeptRefusal) -> String {
    let mut text = format!("{}\n", head(refusal));
    let _ = writeln!(text, "  headers: {}", refusal.header_names.join(", "));
    let _ = writeln!(text, "  policy loaded: {}\n", time(refusal.policy_loaded_ms));
    format!("{}{}", visible(&text), text_of(&refusal.explanation))
}

/// The latest refusals, one a line.
pub fn refusal_list(refusals: &[KeptRefusal]) -> String {
    if refusals.is_empty() {
        return "nothing was refused lately\n".to_owned();
    }
    let line = |refusal: &KeptRefusal| {
        let id = refusal.request_id.as_deref().unwrap_or("-");
        let reason = &refusal.explanation.reason;
        let rule =
            refusal.explanation.rule.map_or_else(String::new, |at| format!(" {}", place(at)));
        visible(&format!("{} {reason}{rule} id={id}\n", head(refusal)))
    };
    refusals.iter().map(line).collect()
}

fn head(refusal: &KeptRefusal) -> String {
    let client = refusal.client.map_or_else(|| "-".to_owned(), |client| client.to_string());
    let KeptRefusal { time_ms, request, dialect, .. } = refusal;
    format!("{} {dialect} {client} {request}", time(*time_ms))
}

fn time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or_default();
    jiff::Timestamp::from_millisecond(millis).unwrap_or_default().to_string()
}

fn place(at: Location) -> String {
    format!("config.yaml:{}:{}", at.line, at.column)
}

fn identity_text(identity: &KnownIdentity) -> String {
    let KnownIdentity { user, master, realm, level, variables } = identity;
    let mut text = format!("  user {user} of master {master}, level {level}");
    if !realm.is_empty() {
        let _ = write!(text, ", realm {realm}");
    }
    for variable in variables {
        let failed = if variable.failed { "(fails)" } else { "" };
        let _ = write!(text, "\n  {}: {}{failed}", variable.name, variable.values.join(" | "));
    }
    text
}

fn step_text(step: &Step) -> String {
    let at = step.at.map_or_else(String::new, |at| format!("  [{}]", place(at)));
    let mut text = format!("  {:<12} {}{at}\n", step.stage.as_str(), step.said);
    for asked in &step.clauses {
        let holds = match asked.holds {
            Held::Yes => "holds",
            Held::No => "does not hold",
            Held::Unknown => "depends on who it is",
            Held::Failed => "cannot be told",
        };
        let about = asked.about.as_ref().map_or_else(String::new, |about| format!(" {about}"));
        let _ = writeln!(text, "  {:<12}   {}{about} {holds}", "", asked.clause);
    }
    text
}

/// Without what a terminal would obey.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_sent_reaches_the_terminal_as_a_command() {
        assert_eq!(visible("a\u{1b}[2Jb\r\nc\u{9b}"), "a\u{fffd}[2Jb\u{fffd}\nc\u{fffd}");
    }
}
