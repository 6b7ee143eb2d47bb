//! Python's regular expressions in Rust's spelling, as far as they mean the same.
//!
//! In ASCII what is written matches nothing that Python's pattern does not; beyond it `\w`, `\b` and `\S` take a few
//! characters more. Must not know: what is searched.

/// Longest pattern that is read, in bytes.
const PATTERN_BYTES: usize = 2048;

/// What a part may be followed by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing that could be repeated.
    Nothing,
    /// Something that can be repeated.
    Part,
    /// Something that is repeated.
    Repeated,
}

struct Reader<'a> {
    rest: &'a str,
    rust: String,
    last: Last,
}

/// Translates a pattern.
///
/// # Errors
/// Why it is not; the text follows "the pattern".
pub fn read(written: &str) -> Result<String, &'static str> {
    if written.len() > PATTERN_BYTES {
        return Err("is too long");
    }
    // Python finds the empty text everywhere; an empty pattern looks like a mistake here.
    if written.is_empty() {
        return Ok("^".to_owned());
    }
    let mut reader = Reader { rest: written, rust: String::new(), last: Last::Nothing };
    reader.flags()?;
    while let Some(c) = reader.next() {
        reader.part(c)?;
    }
    Ok(reader.rust)
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn take(&mut self, start: &str) -> bool {
        let rest = self.rest.strip_prefix(start);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn add(&mut self, rust: &str, last: Last) {
        self.rust.push_str(rust);
        self.last = last;
    }

    fn add_literal(&mut self, c: char) {
        self.rust.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.last = Last::Part;
    }

    /// Flags, which Python takes at the start only.
    fn flags(&mut self) -> Result<(), &'static str> {
        let Some((flags, rest)) = self.rest.strip_prefix("(?").and_then(|r| r.split_once(')'))
        else {
            return Ok(());
        };
        if flags.is_empty() || !flags.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(());
        }
        if !flags.bytes().all(|flag| matches!(flag, b'i' | b's' | b'm')) {
            return Err("has flags that do not exist here");
        }
        self.rest = rest;
        self.rust = format!("(?{flags})");
        Ok(())
    }

    fn part(&mut self, c: char) -> Result<(), &'static str> {
        match c {
            '^' | '$' => self.add(c.encode_utf8(&mut [0; 4]), Last::Nothing),
            '.' => self.add(".", Last::Part),
            '|' => self.add("|", Last::Nothing),
            ')' => self.add(")", Last::Part),
            '(' => self.open()?,
            '[' => self.class()?,
            '\\' => self.escape()?,
            '*' | '+' | '?' => self.repeat(&c.to_string())?,
            '{' => {
                let bounds = self.bounds().ok_or("has a `{` that is no repetition; write `\\{`")?;
                self.repeat(&bounds)?;
            }
            c => self.add_literal(c),
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), &'static str> {
        if self.take("?P<") {
            let (name, rest) = self.rest.split_once('>').ok_or("has a group without a name")?;
            let is_name = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name {
                return Err("has a group without a name");
            }
            self.rest = rest;
            self.add("(?:", Last::Nothing);
        } else if self.take("?:") {
            self.add("(?:", Last::Nothing);
        } else if self.peek() == Some('?') {
            return Err(
                "looks around, refers back, or changes flags inside, which does not exist here",
            );
        } else {
            self.add("(", Last::Nothing);
        }
        Ok(())
    }

    /// What stands behind `{`, as a repetition.
    fn bounds(&mut self) -> Option<String> {
        let (bounds, rest) = self.rest.split_once('}')?;
        let (least, most) = bounds.split_once(',').unwrap_or((bounds, bounds));
        let is_number = |text: &str| text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(least) || !is_number(most) || bounds.is_empty() || bounds == "," {
            return None;
        }
        self.rest = rest;
        Some(if least.is_empty() { format!("{{0{bounds}}}") } else { format!("{{{bounds}}}") })
    }

    fn repeat(&mut self, quantifier: &str) -> Result<(), &'static str> {
        match self.last {
            Last::Part => {}
            Last::Nothing => return Err("repeats nothing"),
            Last::Repeated => return Err("repeats twice, or without giving back"),
        }
        self.add(quantifier, Last::Repeated);
        if self.take("?") {
            self.rust.push('?');
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        match self.next().ok_or("ends with a backslash")? {
            c @ ('d' | 'D' | 'w' | 'W' | 's' | 'S') => {
                self.rust.push('\\');
                self.add(c.encode_utf8(&mut [0; 4]), Last::Part);
            }
            // `\b{start}` is something else here.
            'b' if self.peek() == Some('{') => return Err("repeats nothing"),
            'b' => self.add("\\b", Last::Nothing),
            // Up to Python 3.13 an empty text has none, here it has one.
            'B' => return Err("has `\\B`, which is something else here"),
            'A' => self.add("\\A", Last::Nothing),
            'Z' => self.add("\\z", Last::Nothing),
            c => {
                let c = self.escaped(c)?;
                self.add_literal(c);
            }
        }
        Ok(())
    }

    /// The one character that `\c` stands for.
    fn escaped(&mut self, c: char) -> Result<char, &'static str> {
        Ok(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'a' => '\u{7}',
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            c if c.is_ascii_alphanumeric() => {
                return Err("refers back, or has an escape that does not exist here");
            }
            c => c,
        })
    }

    fn hex(&mut self, digits: usize) -> Result<char, &'static str> {
        let none = "has half an escape";
        let (number, rest) = self.rest.split_at_checked(digits).ok_or(none)?;
        if !number.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none);
        }
        self.rest = rest;
        u32::from_str_radix(number, 16).ok().and_then(char::from_u32).ok_or(none)
    }

    fn class(&mut self) -> Result<(), &'static str> {
        let open = if self.take("^") { "[^" } else { "[" };
        self.rust.push_str(open);
        let mut is_first = true;
        loop {
            let c = self.next().ok_or("has a class without its closing bracket")?;
            if c == ']' && !is_first {
                self.add("]", Last::Part);
                return Ok(());
            }
            is_first = false;
            let Some(from) = self.member(c)? else { continue };
            let end = self.rest.strip_prefix('-').filter(|rest| !rest.starts_with(']'));
            let Some(rest) = end else { continue };
            self.rest = rest;
            self.rust.push('-');
            let c = self.next().ok_or("has a class without its closing bracket")?;
            let to = self.member(c)?.ok_or("has a range that ends in a class")?;
            if to < from {
                return Err("has a range that runs backwards");
            }
        }
    }

    /// Writes one member of a class; `None` if it is a class itself.
    fn member(&mut self, c: char) -> Result<Option<char>, &'static str> {
        let c = match c {
            '\\' => match self.next().ok_or("ends with a backslash")? {
                c @ ('d' | 'D' | 'w' | 'W' | 's' | 'S') => {
                    if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                        return Err("has a range that begins with a class");
                    }
                    self.rust.extend(['\\', c]);
                    return Ok(None);
                }
                'b' => '\u{8}',
                c => self.escaped(c)?,
            },
            c => c,
        };
        self.add_literal(c);
        Ok(Some(c))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn what_means_the_same_is_written_so_that_it_does() {
        for (python, rust) in [
            ("", "^"),
            ("wrong otp pin", "wrong otp pin"),
            (r"^P-\d{2,}[A-F0-9]+?$", r"^P\-\d{2,}[A-F0-9]+?$"),
            ("(?i)a|(?P<x>b)|(?:c)", "(?i)a|(?:b)|(?:c)"),
            ("a{,3}b{2}", "a{0,3}b{2}"),
            (r"[]a\-z[&&~~-]\Z", r"[\]a\-z\[\&\&\~\~\-]\z"),
            (r"[^\w.-]\x41\u00e9\<", "[^\\w\\.\\-]A\u{e9}<"),
            ("a]b}", r"a\]b\}"),
        ] {
            assert_eq!(read(python), Ok(rust.to_owned()), "{python}");
            assert!(Regex::new(rust).is_ok(), "{rust}");
        }
    }

    #[test]
    fn what_means_something_else_or_nothing_is_refused() {
        for (python, word) in [
            ("^(?!.*Failcounter)", "looks around"),
            ("(?<=a)b", "looks around"),
            ("(?P=x)", "looks around"),
            ("(?(1)a|b)", "looks around"),
            ("(?>a)", "looks around"),
            (r"(a)\1", "refers back"),
            (r"\0", "refers back"),
            (r"a\Bb", "something else"),
            (r"\p{L}", "escape"),
            (r"\z", "escape"),
            ("(?x)a b", "flags"),
            ("(?a)\\w", "flags"),
            ("a++", "twice"),
            ("a**", "twice"),
            ("a{2}{3}", "twice"),
            ("*a", "nothing"),
            ("^*", "nothing"),
            (r"\b{start}", "nothing"),
            ("a{b}", "no repetition"),
            ("[a", "closing bracket"),
            ("[z-a]", "backwards"),
            (r"[\w-z]", "range"),
            (r"[a-\d]", "range"),
            ("a\\", "backslash"),
            (r"\x4", "half"),
            (&"a".repeat(2049), "long"),
        ] {
            let why = read(python).unwrap_err();
            assert!(why.contains(word), "{python}: {why}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_panics(text in r"([\[\]{}()^$.|*+?\\,:<>=!0-9aPpwdbBZ-]|\PC)*") {
            if let Ok(rust) = read(&text) {
                // Brackets may be missing, as nobody counts them; nothing else is wrong.
                let _ = Regex::new(&rust);
            }
        }
    }
}
