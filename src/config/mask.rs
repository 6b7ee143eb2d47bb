//! The file's text with secrets hidden, for the lines that messages quote.
//!
//! Works on text as well as on values, because a file with a syntax error has no values yet. It would
//! rather hide a harmless line than show a secret.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other kinds of YAML nodes are alike here")]

use std::collections::HashMap;

use crate::config::document::{Kind, Node};

/// What stands for a secret.
const HIDDEN: &str = "***";
/// Shorter values are not searched for in the whole file: they would match everywhere.
const SEARCHED_BYTES: usize = 4;
/// Keys whose values are secrets unless they are references.
const SECRET_KEYS: &[&str] = &[
    "control_content",
    "encryption_key",
    "key",
    "keys",
    "api_key",
    "client_key",
    "signing_key",
    "password",
];
/// Those of them that hold lists of references, mostly.
const LIST_KEYS: &[&str] = &["keys"];

/// The lines of a file, ready to be shown.
pub struct Mask<'a> {
    lines: Vec<&'a str>,
    masked: HashMap<usize, String>,
    secrets: Vec<String>,
}

impl<'a> Mask<'a> {
    /// Finds the secrets' lines in `text`; `secrets` are hidden wherever they stand.
    pub fn new(text: &'a str, secrets: impl IntoIterator<Item = String>) -> Self {
        let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let masked = mask_lines(&lines);
        let mut secrets: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| secret.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|secret| secret.len() >= SEARCHED_BYTES)
            .collect();
        secrets.extend(swallowed(&lines, &masked, &secrets));
        // The longest first, so that one secret inside another leaves no remainder.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { lines, masked, secrets }
    }

    /// A line by its number, from 1.
    pub fn line(&self, number: u32) -> Option<String> {
        let index = (number as usize).checked_sub(1)?;
        let line = match self.masked.get(&index) {
            Some(masked) => masked.as_str(),
            None => self.lines.get(index)?,
        };
        Some(self.conceal(without_userinfo(line)))
    }

    /// `text` without any secret in it.
    pub fn conceal(&self, text: String) -> String {
        let hide = |text: String, secret: &String| text.replace(secret.as_str(), HIDDEN);
        self.secrets.iter().fold(text, hide)
    }
}

/// Words of lines that look like secrets to the eye and are none to the parser: a stray quote or `>` makes a
/// text of half a file, and a message that quotes this text must not quote them.
fn swallowed(lines: &[&str], masked: &HashMap<usize, String>, known: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for (index, masked) in masked {
        let Some(line) = lines.get(*index) else { continue };
        // A comment below a secret is prose, whose words our own messages may need.
        let is_comment = line.trim_start().starts_with('#');
        if is_comment || known.iter().any(|secret| line.contains(secret.as_str())) {
            continue;
        }
        let shown = line.chars().zip(masked.chars()).take_while(|(a, b)| a == b).count();
        let hidden: String = line.chars().skip(shown).collect();
        let apart = |c: char| c.is_whitespace() || "\"',[]{}".contains(c);
        // Keys stay readable: messages name them.
        let secret = |word: &&str| word.len() >= SEARCHED_BYTES && !word.ends_with(':');
        words.extend(hidden.split(apart).filter(secret).map(str::to_owned));
    }
    words
}

/// Every text below a secret key of the tree, but for what references name.
pub fn secrets_of(node: &Node) -> Vec<String> {
    let mut secrets = Vec::new();
    collect(node, Below::Anything, &mut secrets);
    secrets
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Anything,
    SecretKey,
}

fn collect(node: &Node, below: Below, secrets: &mut Vec<String>) {
    match &node.kind {
        Kind::Text(text) if below == Below::SecretKey => secrets.push(text.clone()),
        Kind::List { items, .. } => items.iter().for_each(|item| collect(item, below, secrets)),
        Kind::Map(entries) => {
            for entry in entries {
                match (below, entry.key.as_str()) {
                    (Below::SecretKey, "file" | "env") => {}
                    (_, key) if SECRET_KEYS.contains(&key) => {
                        collect(&entry.value, Below::SecretKey, secrets);
                    }
                    _ => collect(&entry.value, below, secrets),
                }
            }
        }
        _ => {}
    }
}

/// Hides what stands between `://` and `@`: passwords live there too.
fn without_userinfo(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let authority = after.split(['/', ' ', '"', '\'', ',']).next().unwrap_or_default();
        rest = match authority.rfind('@') {
            Some(at) => {
                shown.push_str(HIDDEN);
                after.get(at..).unwrap_or_default()
            }
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

fn mask_lines(lines: &[&str]) -> HashMap<usize, String> {
    let mut masked = HashMap::new();
    // Indentation of the key whose value goes on below it, and whether references below it are shown.
    let mut inside: Option<(usize, bool)> = None;
    let mut inside_pem = false;
    for (index, line) in lines.iter().enumerate() {
        inside_pem |= line.contains("-----BEGIN");
        if inside_pem {
            masked.insert(index, HIDDEN.to_owned());
            inside_pem = !line.contains("-----END");
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if let Some((outer, is_list)) = inside {
            if line.trim().is_empty() || is_list && is_reference(line) {
                continue;
            }
            // Items may stand below their key without being deeper; `: ` ends a `? key`.
            let item = indent == outer && line.trim_start().starts_with(['-', ':']);
            if indent > outer || item {
                let shown = line.get(..indent).unwrap_or_default();
                masked.insert(index, format!("{shown}{HIDDEN}"));
                continue;
            }
            inside = None;
        }
        if opens_list(line) {
            inside = Some((key_column(line, indent), true));
        } else if let Some((shown, goes_on)) = mask_line(line) {
            inside = goes_on.then(|| (key_column(line, indent), false));
            masked.insert(index, shown);
        }
    }
    masked
}

/// A key after `- ` stands deeper than its line: its siblings below must stay visible.
fn key_column(line: &str, indent: usize) -> usize {
    let rest = line.trim_start();
    let key = rest.trim_start_matches(['-', ' ', '\t']);
    // In a flow mapping no column tells where the value ends: hide all that is deeper.
    if key.starts_with('{') { indent } else { indent + rest.len() - key.len() }
}

/// The line without the value of a secret key, and whether the value goes on below.
fn mask_line(line: &str) -> Option<(String, bool)> {
    let mut from = 0;
    loop {
        let rest = line.get(from..)?;
        let (at, key) =
            SECRET_KEYS.iter().filter_map(|key| Some((find_key(rest, key)?, key))).min()?;
        let end = from + at + key.len();
        let value = line.get(end..)?;
        let Some(length) = reference_len(value) else {
            let shown = line.get(..end)?;
            return Some((format!("{shown}: {HIDDEN}"), !ends_here(line)));
        };
        from = end + length;
    }
}

/// Whether a flow mapping is opened and closed on this very line, so that nothing of it stands below.
fn ends_here(line: &str) -> bool {
    let count = |c| line.matches(c).count();
    let tail = line.trim_end().trim_end_matches(',');
    tail.ends_with('}')
        && count('{') == count('}')
        && count('[') == count(']')
        && count('"') % 2 == 0
        && count('\'') % 2 == 0
}

/// Where `key` stands as a mapping's key, not as a word in a comment.
fn find_key(text: &str, key: &str) -> Option<usize> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/');
    text.match_indices(key)
        .find(|(at, _)| {
            let before = text.get(..*at).unwrap_or_default();
            let after = text.get(at + key.len()..).unwrap_or_default();
            let explicit = before.trim_end_matches(['"', '\'', ' ']).ends_with('?');
            let colon = after.trim_start_matches(['"', '\'', ' ', '\t']).starts_with(':');
            !before.chars().next_back().is_some_and(word) && (explicit || colon)
        })
        .map(|(at, _)| at)
}

/// Whether a key of a list stands alone on this line, so that its items stand below it.
fn opens_list(line: &str) -> bool {
    let key = line.trim_start().trim_start_matches(['-', ' ', '\t']);
    let key = key.split(" #").next().unwrap_or_default().trim_end();
    key.strip_suffix(':').is_some_and(|key| LIST_KEYS.contains(&key))
}

/// Whether this line, below a secret key, holds one whole reference.
fn is_reference(line: &str) -> bool {
    let item = line.trim_start();
    let item = item.strip_prefix("- ").unwrap_or(item).trim();
    braces_len(item) == Some(item.len())
}

/// The length of `: { file: … }`, `: { env: … }` or `: [` with such ones `]`: a reference is no secret.
fn reference_len(value: &str) -> Option<usize> {
    let inner = value.trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?.trim_start();
    let Some(mut rest) = inner.strip_prefix('[') else {
        return braces_len(inner).map(|length| value.len() - inner.len() + length);
    };
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return Some(value.len() - after.len());
        }
        rest = rest.get(braces_len(rest)?..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// The length of `{ file: … }` or `{ env: … }` at the beginning of `text`.
fn braces_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('{')?.trim_start();
    let inner = inner.strip_prefix("file:").or_else(|| inner.strip_prefix("env:"))?;
    let close = inner.find('}')?;
    let plain = !inner.get(..close)?.contains(['{', ',', '[', '#']);
    plain.then(|| text.len() - inner.len() + close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(text: &str, expected: &str) {
        let mask = Mask::new(text, []);
        let lines: Vec<String> = (1..).map_while(|number| mask.line(number)).collect();
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn values_of_secret_keys_are_hidden_in_every_notation() {
        shown("control_content: hush # x\nb: 1", "control_content: ***\nb: 1");
        shown(
            "  control_content: |\n    hush\n\n    hush\n  b: 1",
            "  control_content: ***\n    ***\n\n    ***\n  b: 1",
        );
        shown(
            "- control_content: [\n   hush,\n   hush]\n  b: 1",
            "- control_content: ***\n   ***\n   ***\n  b: 1",
        );
        shown("control_content:\n- hush\n- hush\nb: 1", "control_content: ***\n***\n***\nb: 1");
        shown("{ a: 1, \"control_content\": hush, b: 2 }", "{ a: 1, \"control_content: ***");
        shown("{ a: 1, control_content:\n   hush }", "{ a: 1, control_content: ***\n   ***");
        shown("? control_content\n: hush", "? control_content: ***\n***");
        shown("a: 1 # no key here\n  b: 1", "a: 1 # no key here\n  b: 1");
    }

    #[test]
    fn what_stands_below_a_closed_flow_mapping_stays_readable() {
        shown(
            "- { a: 1, control_content: hush }\n- { a: 2 }",
            "- { a: 1, control_content: ***\n- { a: 2 }",
        );
        shown(
            "- { a: 1, control_content: \"hush }\n  hush\" }\n- { a: 2 }",
            "- { a: 1, control_content: ***\n  ***\n***",
        );
    }

    #[test]
    fn passwords_in_urls_are_hidden() {
        shown("url: http://u:p@a/ # b@c", "url: http://***@a/ # b@c");
        shown("url: http://a/u:p@a", "url: http://a/u:p@a");
    }

    #[test]
    fn a_private_key_in_the_clear_is_hidden_wherever_it_stands() {
        shown(
            "keys:\n  - |\n    -----BEGIN PRIVATE KEY-----\n    hush\n    -----END PRIVATE KEY-----\nb: 1",
            "keys:\n  ***\n***\n***\n***\nb: 1",
        );
        shown("keys: [{ file: a.pem }, { env: B }]", "keys: [{ file: a.pem }, { env: B }]");
    }

    #[test]
    fn references_stay_readable() {
        shown("key: { file: data/sessions.key }\nb: 1", "key: { file: data/sessions.key }\nb: 1");
        shown("{ key: { env: KEY }, key: hush }", "{ key: { env: KEY }, key: ***");
        shown("monkey: a", "monkey: a");
        shown("donkeys: [a]", "donkeys: [a]");
    }

    #[test]
    fn of_a_list_of_keys_only_references_are_shown() {
        shown("keys: [{ file: a }, hush]\nb: 1", "keys: ***\nb: 1");
        shown("api: { keys: [{ env: A }], x: 1 }", "api: { keys: [{ env: A }], x: 1 }");
        shown(
            "api:\n  keys: # two\n    - { file: a }\n    - hush\n  x: 1",
            "api:\n  keys: # two\n    - { file: a }\n    ***\n  x: 1",
        );
        shown("keys:\n- { env: A, x: hush }\n- file: hush\nb: 1", "keys:\n***\n***\nb: 1");
        shown("x: { api_key: hush, client_key: hush }", "x: { api_key: ***");
    }

    #[test]
    fn a_known_secret_is_hidden_wherever_it_stands() {
        let mask = Mask::new(
            "realm: hush-hush\nx: abc",
            ["hush".into(), "hush-hush".into(), "abc".into()],
        );
        assert_eq!(mask.line(1).as_deref(), Some("realm: ***"));
        assert_eq!(mask.line(2).as_deref(), Some("x: abc"));
        assert_eq!(mask.line(3), None);
        assert_eq!(mask.line(0), None);
    }
}
