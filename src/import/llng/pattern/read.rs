//! From Perl's spelling to parts, each with Rust's spelling.

use crate::import::llng::pattern::{
    Item, Part, Pattern, Question, Unreadable, head_of, is_anchored, scope,
};

/// Longest pattern that is read, in bytes.
const PATTERN_BYTES: usize = 2048;
/// Deepest nesting that is read.
const DEPTH: usize = 16;

/// Reads a pattern.
///
/// # Errors
/// It has something that could mean something else in Rust, or is no pattern.
pub fn read(written: &str) -> Result<Pattern, Unreadable> {
    let level = level(written);
    let mut reader = Reader { rest: written, depth: 0, top: Vec::new() };
    let read = if written.len() > PATTERN_BYTES {
        Err(format!("is longer than {PATTERN_BYTES} bytes"))
    } else {
        reader.whole()
    };
    match read {
        Ok((flags, ways)) => {
            let rust = [flags, &written_of(&ways)].concat();
            let scope = match scope(&ways) {
                scope if flags.is_empty() => scope,
                scope => scope.with_flags(flags),
            };
            Ok(Pattern { rust, scope, level })
        }
        Err(why) => {
            // Another way would lead elsewhere.
            let is_only_way = !written.contains('|');
            let sure = [std::mem::take(&mut reader.top)];
            // Case folding would have to be kept, too.
            let keeps_case = !written.contains("(?i");
            let head = if is_only_way && keeps_case && is_anchored(&sure) {
                head_of(&sure)
            } else {
                String::new()
            };
            Err(Unreadable { why, head, level })
        }
    }
}

/// The number in `(?#AuthnLevel=5)`, wherever it stands.
fn level(written: &str) -> Option<String> {
    let (_, rest) = written.split_once("(?#AuthnLevel=")?;
    let (level, _) = rest.split_once(')')?;
    Some(level.to_owned())
}

fn written_of(ways: &[Vec<Item>]) -> String {
    let way = |way: &Vec<Item>| way.iter().map(|item| item.rust.as_str()).collect::<String>();
    ways.iter().map(way).collect::<Vec<_>>().join("|")
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    /// What was read for sure on the way that is being read, outside of brackets.
    top: Vec<Item>,
}

/// A part as it was read, and its spelling.
type Read = Result<(Part, String), String>;

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
        match self.rest.strip_prefix(start) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn whole(&mut self) -> Result<(&'static str, Vec<Vec<Item>>), String> {
        self.comments()?;
        let flags = if self.take("(?i)") { "(?i)" } else { "" };
        let ways = self.ways()?;
        match self.peek() {
            None => Ok((flags, ways)),
            Some(_) => Err("has a closing bracket too many".to_owned()),
        }
    }

    /// Drops `(?#...)`.
    fn comments(&mut self) -> Result<(), String> {
        while self.take("(?#") {
            let (_, rest) = self.rest.split_once(')').ok_or("has a comment without its end")?;
            self.rest = rest;
        }
        Ok(())
    }

    /// Ways with `|` between, up to the closing bracket or the end.
    fn ways(&mut self) -> Result<Vec<Vec<Item>>, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("is nested deeper than {DEPTH} levels"));
        }
        let mut ways = Vec::new();
        let mut way = Vec::new();
        loop {
            self.comments()?;
            match self.peek() {
                None | Some(')') => break,
                Some('|') => {
                    self.next();
                    ways.push(std::mem::take(&mut way));
                }
                Some(_) => {
                    let item = self.item()?;
                    if self.depth == 1 {
                        self.top.push(item.clone());
                    }
                    way.push(item);
                }
            }
        }
        ways.push(way);
        self.depth -= 1;
        Ok(ways)
    }

    fn item(&mut self) -> Result<Item, String> {
        let (part, mut rust) = self.part()?;
        let mut can_be_empty = false;
        if let Some((quantifier, is_optional)) = self.quantifier()? {
            if matches!(part, Part::Start | Part::End | Part::Edge) {
                return Err("repeats an anchor".to_owned());
            }
            can_be_empty = is_optional;
            rust.push_str(&quantifier);
            if self.take("?") {
                rust.push('?');
            }
            if matches!(self.peek(), Some('*' | '+' | '?')) || self.at_bounds().is_some() {
                return Err("repeats without giving back, or twice".to_owned());
            }
        }
        Ok(Item { part, can_be_empty, rust })
    }

    /// A quantifier, and whether it allows for nothing at all.
    fn quantifier(&mut self) -> Result<Option<(String, bool)>, String> {
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.next();
                Ok(Some((c.to_string(), c != '+')))
            }
            Some('{') => {
                let bounds =
                    self.at_bounds().ok_or("has a `{` that is no repetition; write `\\{`")?;
                let least = bounds.split(',').next().unwrap_or_default();
                let is_optional = least.bytes().all(|digit| digit == b'0');
                let bounds = format!("{{{bounds}}}");
                self.take(&bounds);
                Ok(Some((bounds, is_optional)))
            }
            _ => Ok(None),
        }
    }

    /// What stands between braces here, if it is `2`, `2,` or `2,3`.
    fn at_bounds(&self) -> Option<String> {
        let (bounds, _) = self.rest.strip_prefix('{')?.split_once('}')?;
        let (least, most) = bounds.split_once(',').unwrap_or((bounds, ""));
        let is_number = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
        (!least.is_empty() && is_number(least) && is_number(most)).then(|| bounds.to_owned())
    }

    fn part(&mut self) -> Read {
        match self.next() {
            Some('^') => Ok((Part::Start, "^".to_owned())),
            Some('$') => Ok((Part::End, "$".to_owned())),
            Some('.') => Ok((Part::One(Question::Maybe), ".".to_owned())),
            Some('(') => self.group(),
            Some('[') => self.class(),
            Some('\\') => self.escape(),
            Some('*' | '+' | '?') => Err("repeats nothing".to_owned()),
            Some('{') => Err("has a `{` that is no repetition; write `\\{`".to_owned()),
            // Perl takes these for themselves, Rust does not always.
            Some(c @ ('}' | ']')) => Ok((Part::One(Question::Never), format!("\\{c}"))),
            Some(c) if c == ' ' || c.is_ascii_graphic() => {
                Ok((Part::One(Question::Never), c.to_string()))
            }
            _ => Err("has characters beyond printable ASCII".to_owned()),
        }
    }

    fn group(&mut self) -> Read {
        let open = match self.peek() {
            Some('?') if self.take("?:") => "(?:",
            Some('?') => {
                return Err("looks around, names groups or changes flags inside".to_owned());
            }
            Some('*') => return Err("has one of Perl's control verbs".to_owned()),
            _ => "(",
        };
        let ways = self.ways()?;
        if !self.take(")") {
            return Err("has a bracket without its closing one".to_owned());
        }
        let rust = format!("{open}{})", written_of(&ways));
        Ok((Part::Group(ways), rust))
    }

    fn escape(&mut self) -> Read {
        let one = |question, rust: String| Ok((Part::One(question), rust));
        match self.next() {
            Some('?') => one(Question::Always, "\\?".to_owned()),
            Some(c @ ('d' | 'w' | 's')) => one(Question::Never, format!("\\{c}")),
            Some(c @ ('D' | 'W' | 'S')) => one(Question::Maybe, format!("\\{c}")),
            Some(c @ ('b' | 'B')) => {
                // `\b{start}` is something else in both.
                if self.peek() == Some('{') {
                    return Err("uses one of Perl's own escapes".to_owned());
                }
                Ok((Part::Edge, format!("\\{c}")))
            }
            Some('A') => Ok((Part::Start, "\\A".to_owned())),
            Some('z') => Ok((Part::End, "\\z".to_owned())),
            Some(c) if c.is_ascii_punctuation() => one(Question::Never, escaped(c)),
            None => Err("ends with a backslash".to_owned()),
            Some(_) => Err("uses a back reference or one of Perl's own escapes".to_owned()),
        }
    }

    fn class(&mut self) -> Read {
        let mut class = Class { rust: "[".to_owned(), ..Class::default() };
        if self.take("^") {
            class.is_negated = true;
            class.rust.push('^');
        }
        if self.peek() == Some(']') {
            return Err("has a class that begins with `]`; write `\\]`".to_owned());
        }
        loop {
            match self.next() {
                Some(']') => return Ok(class.end()),
                Some('\\') => match self.next() {
                    Some(c @ ('d' | 'w' | 's')) => class.add_kind(c, false),
                    Some(c @ ('D' | 'W' | 'S')) => class.add_kind(c, true),
                    Some(c) if c.is_ascii_punctuation() => class.add(c, &escaped(c)),
                    _ => return Err("has one of Perl's own escapes in a class".to_owned()),
                },
                Some('[') => return Err("has a `[` in a class; write `\\[`".to_owned()),
                Some(c @ ('&' | '~' | '-')) if self.peek() == Some(c) => {
                    return Err("has a doubled sign in a class".to_owned());
                }
                Some('-') if class.last.is_some() && self.peek().is_some_and(|c| c != ']') => {
                    class.is_range = true;
                    class.rust.push('-');
                }
                Some(c) if c == ' ' || c.is_ascii_graphic() => {
                    let rust = if c == '-' { escaped(c) } else { c.to_string() };
                    class.add(c, &rust);
                }
                Some(_) => return Err("has characters beyond printable ASCII".to_owned()),
                None => return Err("has a class without its closing bracket".to_owned()),
            }
        }
    }
}

/// A class that is being read.
#[derive(Default)]
struct Class {
    rust: String,
    is_negated: bool,
    has_question: bool,
    /// The character before, if it can begin a range.
    last: Option<char>,
    /// Whether the next character ends a range.
    is_range: bool,
}

impl Class {
    fn add(&mut self, c: char, rust: &str) {
        let from = self.last.filter(|_| self.is_range).unwrap_or(c);
        self.has_question |= (from..=c).contains(&'?');
        self.last = (!self.is_range).then_some(c);
        self.is_range = false;
        self.rust.push_str(rust);
    }

    fn add_kind(&mut self, c: char, has_question: bool) {
        self.has_question |= has_question;
        (self.last, self.is_range) = (None, false);
        self.rust.extend(['\\', c]);
    }

    fn end(mut self) -> (Part, String) {
        self.rust.push(']');
        let takes = self.has_question != self.is_negated;
        (Part::One(if takes { Question::Maybe } else { Question::Never }), self.rust)
    }
}

/// A sign that stands for itself; Rust gives some escapes a meaning that Perl does not.
fn escaped(c: char) -> String {
    match c {
        '/' | '_' | '@' | ':' | '<' | '>' | '\'' | '"' | ',' | ';' | '=' | '!' | '%' | '`' => {
            c.to_string()
        }
        c => format!("\\{c}"),
    }
}
