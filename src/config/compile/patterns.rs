//! Regular expressions, with their bound.

use regex::RegexBuilder as TextRegexBuilder;
use regex::bytes::{Regex, RegexBuilder};

use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;

/// Bound of a compiled expression, in bytes; `\w{1000}` and its like stay below.
const PATTERN_BYTES: usize = 1 << 20;

/// Compiles `written` so that it matches whole values only.
pub fn whole(path: &KeyPath, written: &str, compiler: &mut Compiler<'_>) -> Option<Regex> {
    if written.is_empty() {
        compiler.error(path, "an empty pattern matches nothing; write what a value must match");
        return None;
    }
    // Alone first: `a)|(?:b` is no expression, but inside the brackets below it would be one, and
    // would match more than whole values.
    let anchored = format!(r"\A(?:{written})\z");
    compiled(path, build(written).and_then(|_| build(&anchored)), compiler)
}

/// Compiles `written` so that it may match anywhere in a value.
pub fn anywhere(path: &KeyPath, written: &str, compiler: &mut Compiler<'_>) -> Option<Regex> {
    if written.is_empty() {
        compiler.error(path, "an empty pattern matches everything; remove the key");
        return None;
    }
    compiled(path, build(written), compiler)
}

/// Compiles `written` so that it may match anywhere in a text, whose characters are Unicode's.
pub fn in_text(path: &KeyPath, written: &str, compiler: &mut Compiler<'_>) -> Option<regex::Regex> {
    if written.is_empty() {
        compiler.error(path, "an empty pattern matches everything; remove the key");
        return None;
    }
    compiled(path, build_for_text(written), compiler)
}

/// Compiles `written` so that it matches a text from its beginning.
pub fn from_start(
    path: &KeyPath,
    written: &str,
    compiler: &mut Compiler<'_>,
) -> Option<regex::Regex> {
    in_text(path, written, compiler)?;
    compiled(path, build_for_text(&format!(r"\A(?:{written})")), compiler)
}

fn compiled<T>(
    path: &KeyPath,
    built: Result<T, regex::Error>,
    compiler: &mut Compiler<'_>,
) -> Option<T> {
    match built {
        Ok(regex) => Some(regex),
        Err(error) => {
            // The library draws a picture of the expression; its last line says what is wrong.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let last = last.strip_prefix("error: ").unwrap_or(last);
            compiler.error(path, &format!("not a regular expression: {last}; see docs.rs/regex"));
            None
        }
    }
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build()
}

fn build_for_text(pattern: &str) -> Result<regex::Regex, regex::Error> {
    TextRegexBuilder::new(pattern).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build()
}
