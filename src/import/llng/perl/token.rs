//! From characters to words, texts and signs.

use std::iter::Peekable;
use std::str::Chars;

use crate::import::llng::perl::{Piece, Unsupported};

/// The smallest part of an expression that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// `$name`.
    Variable(String),
    /// `$ENV{NAME}`.
    Environment(String),
    /// A single-quoted text.
    Text(String),
    /// A double-quoted text.
    Pieces(Vec<Piece>),
    /// A whole number.
    Number(u32),
    /// A bare word.
    Word(String),
    /// `/pattern/` or `m{pattern}`, with `(?i)` in front if it has the flag.
    Pattern(String),
    /// A sign, or an operator that is a word.
    Sign(&'static str),
}

/// Longer signs first.
const SIGNS: &[&str] =
    &["=~", "!~", "==", "!=", "<=", ">=", "&&", "||", "(", ")", ",", ".", "?", ":", "!", "<", ">"];
const WORD_SIGNS: &[&str] = &["and", "or", "not", "eq", "ne", "lt", "gt", "le", "ge"];

/// All tokens of `text`.
///
/// # Errors
/// It has something that is not read here.
pub fn tokens(text: &str) -> Result<Vec<Token>, Unsupported> {
    let mut reader = Reader { rest: text.chars().peekable(), found: Vec::new() };
    while reader.skip_blanks() {
        let token = reader.token()?;
        reader.found.push(token);
    }
    Ok(reader.found)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    found: Vec<Token>,
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Reader<'_> {
    /// Whether anything is left.
    fn skip_blanks(&mut self) -> bool {
        while self.rest.next_if(char::is_ascii_whitespace).is_some() {}
        self.rest.peek().is_some()
    }

    fn word(&mut self) -> String {
        std::iter::from_fn(|| self.rest.next_if(|&c| is_word(c))).collect()
    }

    fn token(&mut self) -> Result<Token, Unsupported> {
        match self.rest.peek().copied() {
            Some('$') => {
                self.rest.next();
                match self.variable(Plain::Code)? {
                    Piece::Variable(name) => Ok(Token::Variable(name)),
                    Piece::Environment(name) => Ok(Token::Environment(name)),
                    Piece::Text(_) => Err(Unsupported::because("has a `$` without a name")),
                }
            }
            Some('\'') => self.single(),
            Some('"') => self.double(),
            Some('/') if !self.follows_a_value() => {
                self.rest.next();
                self.pattern('/')
            }
            Some(c) if c.is_ascii_digit() => self.number(),
            Some(c) if is_word(c) => self.named(),
            Some('@' | '%') => Err(Unsupported::because("uses an array or a hash")),
            _ => self.sign(),
        }
    }

    /// Whether a `/` here would divide.
    fn follows_a_value(&self) -> bool {
        !matches!(self.found.last(), None | Some(Token::Sign(_)))
            || matches!(self.found.last(), Some(Token::Sign(")")))
    }

    fn sign(&mut self) -> Result<Token, Unsupported> {
        for sign in SIGNS {
            let mut ahead = self.rest.clone();
            if sign.chars().all(|wanted| ahead.next() == Some(wanted)) {
                self.rest = ahead;
                return Ok(Token::Sign(sign));
            }
        }
        let c = self.rest.peek().copied().unwrap_or(' ');
        Err(Unsupported::because(format!("uses `{}`, which is not read", c.escape_default())))
    }

    fn number(&mut self) -> Result<Token, Unsupported> {
        let digits = self.word();
        let is_decimal = {
            let mut ahead = self.rest.clone();
            ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit())
        };
        let is_octal = digits.len() > 1 && digits.starts_with('0');
        match digits.parse() {
            Ok(number) if !is_decimal && !is_octal => Ok(Token::Number(number)),
            _ => Err(Unsupported::because("has a number that is not a whole one below 2^32")),
        }
    }

    fn named(&mut self) -> Result<Token, Unsupported> {
        let word = self.word();
        if let Some(sign) = WORD_SIGNS.iter().find(|sign| **sign == word) {
            return Ok(Token::Sign(sign));
        }
        match (word.as_str(), self.rest.peek().copied()) {
            ("m", Some(open @ ('/' | '{' | '!' | '#' | '|' | ','))) => {
                self.rest.next();
                self.pattern(open)
            }
            ("s" | "y" | "tr" | "q" | "qq" | "qw" | "qr" | "m", Some(c))
                if c.is_ascii_punctuation() =>
            {
                Err(Unsupported::because(format!("uses the quoting operator `{word}`")))
            }
            _ if self.rest.peek() == Some(&':') && self.rest.clone().nth(1) == Some(':') => {
                Err(Unsupported::because("calls into a Perl package"))
            }
            _ => Ok(Token::Word(word)),
        }
    }

    /// What follows a `$`.
    fn variable(&mut self, inside: Plain) -> Result<Piece, Unsupported> {
        let braced = inside == Plain::Text && self.rest.next_if_eq(&'{').is_some();
        let name = self.word();
        if braced && self.rest.next_if_eq(&'}').is_none() {
            return Err(Unsupported::because("has a `${` without a plain name"));
        }
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_well || name == "_" {
            return Err(Unsupported::because("uses a special variable of Perl"));
        }
        if name == "ENV" && !braced {
            return self.environment();
        }
        let mut ahead = self.rest.clone();
        let is_deep = match (ahead.next(), ahead.next()) {
            (Some('{' | '['), _) | (Some('-'), Some('>')) => !braced,
            (Some(':'), Some(':')) => true,
            _ => false,
        };
        if is_deep {
            return Err(Unsupported::because(format!(
                "looks into `${name}`, which is a structure"
            )));
        }
        Ok(Piece::Variable(name))
    }

    fn environment(&mut self) -> Result<Piece, Unsupported> {
        let unsupported = || Unsupported::because("uses `$ENV` without a plain name in braces");
        self.rest.next_if_eq(&'{').ok_or_else(unsupported)?;
        let quote = self.rest.next_if(|c| matches!(c, '\'' | '"'));
        let name = self.word();
        if let Some(quote) = quote {
            self.rest.next_if_eq(&quote).ok_or_else(unsupported)?;
        }
        self.rest.next_if_eq(&'}').ok_or_else(unsupported)?;
        if name.is_empty() {
            return Err(unsupported());
        }
        Ok(Piece::Environment(name))
    }

    fn single(&mut self) -> Result<Token, Unsupported> {
        self.rest.next();
        let mut text = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                '\'' => return Ok(Token::Text(text)),
                '\\' => match self.rest.next_if(|c| matches!(c, '\\' | '\'')) {
                    Some(escaped) => text.push(escaped),
                    None => text.push('\\'),
                },
                c => text.push(c),
            }
        }
        Err(Unsupported::because("has a text without its closing quote"))
    }

    fn double(&mut self) -> Result<Token, Unsupported> {
        self.rest.next();
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                '"' => {
                    pieces.push(Piece::Text(text));
                    return Ok(Token::Pieces(pieces));
                }
                '\\' => match self.rest.next() {
                    Some(c) if c.is_ascii_punctuation() => text.push(c),
                    _ => return Err(Unsupported::because("has an escape like `\\n` in a text")),
                },
                '$' => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(self.variable(Plain::Text)?);
                }
                '@' if self
                    .rest
                    .peek()
                    .is_some_and(|&c| is_word(c) || matches!(c, '{' | '$' | ':')) =>
                {
                    return Err(Unsupported::because(
                        "has an `@` in double quotes, where Perl sees an array, so LemonLDAP::NG never \
                         compared what is written there; write it in single quotes",
                    ));
                }
                c => text.push(c),
            }
        }
        Err(Unsupported::because("has a text without its closing quote"))
    }

    /// A pattern behind its opening sign.
    fn pattern(&mut self, open: char) -> Result<Token, Unsupported> {
        let close = if open == '{' { '}' } else { open };
        let mut pattern = String::new();
        loop {
            match self.rest.next() {
                None => return Err(Unsupported::because("has a pattern without its end")),
                Some(c) if c == close => break,
                Some('\\') => {
                    let escaped = self.rest.next();
                    let escaped =
                        escaped.ok_or(Unsupported::because("has a pattern without its end"))?;
                    // A delimiter loses its backslash, and only then it is read as a pattern.
                    if !(escaped == open && open == '/') {
                        pattern.push('\\');
                    }
                    pattern.push(escaped);
                }
                Some('@') if self.rest.peek().is_some_and(|&c| is_word(c)) => {
                    return Err(Unsupported::because(
                        "has an `@` in a pattern, where Perl sees an array; write `\\@`",
                    ));
                }
                // Nested braces are counted in Perl; here they are not read.
                Some('{') if open == '{' => {
                    return Err(Unsupported::because("has braces within `m{}`"));
                }
                Some('$') if self.rest.peek().is_some_and(|&c| is_word(c) || c == '{') => {
                    return Err(Unsupported::because("has a variable in a pattern"));
                }
                Some(c) => pattern.push(c),
            }
        }
        let flags = self.word();
        match flags.as_str() {
            "" | "o" => Ok(Token::Pattern(pattern)),
            "i" | "io" | "oi" => Ok(Token::Pattern(format!("(?i){pattern}"))),
            _ => Err(Unsupported::because("has a pattern with flags other than `i`")),
        }
    }
}

/// Where a variable stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    /// Between operators.
    Code,
    /// In a double-quoted text.
    Text,
}
