//! From tokens to a tree, with Perl's precedence.

use crate::import::llng::perl::token::{Token, tokens};
use crate::import::llng::perl::{Comparison, DEPTH, EXPRESSION_BYTES, Node, Piece, Unsupported};

/// Most words and signs that are read.
const TOKENS: usize = 400;

/// Reads a whole expression.
///
/// # Errors
/// It is longer, deeper or otherwise than what is read here.
pub fn parse(text: &str) -> Result<Node, Unsupported> {
    if text.len() > EXPRESSION_BYTES {
        return Err(Unsupported::because(format!("is longer than {EXPRESSION_BYTES} bytes")));
    }
    let tokens = tokens(text)?;
    // `a && b && ...` makes the tree as deep as it is long.
    if tokens.len() > TOKENS {
        return Err(Unsupported::because(format!("has more than {TOKENS} parts")));
    }
    let mut parser = Parser { rest: &tokens, depth: 0 };
    let node = parser.lowest()?;
    match parser.rest.first() {
        None => Ok(node),
        Some(_) => Err(Unsupported::because("goes on where its end was expected")),
    }
}

struct Parser<'a> {
    rest: &'a [Token],
    depth: usize,
}

type Parsed = Result<Node, Unsupported>;

impl Parser<'_> {
    fn next_is(&mut self, sign: &str) -> bool {
        match self.rest.split_first() {
            Some((Token::Sign(found), rest)) if *found == sign => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The first of `signs` that stands here.
    fn next_of(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().copied().find(|sign| self.next_is(sign))
    }

    fn within<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Unsupported>,
    ) -> Result<T, Unsupported> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Unsupported::because(format!("is nested deeper than {DEPTH} levels")));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// `or`, which binds least.
    fn lowest(&mut self) -> Parsed {
        self.within(|parser| {
            let mut node = parser.low_and()?;
            while parser.next_is("or") {
                node = Node::Or(node.into(), parser.low_and()?.into());
            }
            Ok(node)
        })
    }

    fn low_and(&mut self) -> Parsed {
        let mut node = self.low_not()?;
        while self.next_is("and") {
            node = Node::And(node.into(), self.low_not()?.into());
        }
        Ok(node)
    }

    fn low_not(&mut self) -> Parsed {
        if self.next_is("not") {
            return self.within(|parser| Ok(Node::Not(parser.low_not()?.into())));
        }
        self.choice()
    }

    fn choice(&mut self) -> Parsed {
        let condition = self.or()?;
        if !self.next_is("?") {
            return Ok(condition);
        }
        self.within(|parser| {
            let yes = parser.choice()?;
            if !parser.next_is(":") {
                return Err(Unsupported::because("has a `?` without its `:`"));
            }
            let no = parser.choice()?;
            Ok(Node::Choice(condition.into(), yes.into(), no.into()))
        })
    }

    fn or(&mut self) -> Parsed {
        let mut node = self.and()?;
        while self.next_is("||") {
            node = Node::Or(node.into(), self.and()?.into());
        }
        Ok(node)
    }

    fn and(&mut self) -> Parsed {
        let mut node = self.equality()?;
        while self.next_is("&&") {
            node = Node::And(node.into(), self.equality()?.into());
        }
        Ok(node)
    }

    fn equality(&mut self) -> Parsed {
        let one = self.order()?;
        let comparison = match self.next_of(&["==", "!=", "eq", "ne"]) {
            None => return Ok(one),
            Some(sign @ ("==" | "!=")) => Comparison::Numbers(sign),
            Some("eq") => Comparison::Texts("=="),
            Some(_) => Comparison::Texts("!="),
        };
        let other = self.order()?;
        Ok(Node::Compared(comparison, one.into(), other.into()))
    }

    fn order(&mut self) -> Parsed {
        let one = self.joined()?;
        let comparison = match self.next_of(&["<=", ">=", "<", ">", "le", "ge", "lt", "gt"]) {
            None => return Ok(one),
            Some("le") => Comparison::Texts("<="),
            Some("ge") => Comparison::Texts(">="),
            Some("lt") => Comparison::Texts("<"),
            Some("gt") => Comparison::Texts(">"),
            Some(sign) => Comparison::Numbers(sign),
        };
        let other = self.joined()?;
        Ok(Node::Compared(comparison, one.into(), other.into()))
    }

    fn joined(&mut self) -> Parsed {
        let first = self.matched()?;
        let mut parts = Vec::new();
        while self.next_is(".") {
            parts.push(self.matched()?);
        }
        if parts.is_empty() {
            return Ok(first);
        }
        parts.insert(0, first);
        Ok(Node::Joined(parts))
    }

    fn matched(&mut self) -> Parsed {
        let of = self.negated()?;
        let sign = self.next_of(&["=~", "!~"]);
        let Some(sign) = sign else { return Ok(of) };
        let pattern = match self.rest.split_first() {
            Some((Token::Pattern(pattern), rest)) => {
                self.rest = rest;
                pattern.clone()
            }
            _ => {
                return Err(Unsupported::because(format!(
                    "has a `{sign}` without a written pattern"
                )));
            }
        };
        let matched = Node::Matched { of: of.into(), pattern };
        Ok(if sign == "=~" { matched } else { Node::Not(matched.into()) })
    }

    fn negated(&mut self) -> Parsed {
        if self.next_is("!") {
            return self.within(|parser| Ok(Node::Not(parser.negated()?.into())));
        }
        self.operand()
    }

    fn operand(&mut self) -> Parsed {
        if self.next_is("(") {
            let node = self.lowest()?;
            return if self.next_is(")") { Ok(node) } else { Err(unclosed()) };
        }
        let Some((token, rest)) = self.rest.split_first() else {
            return Err(Unsupported::because("ends where a value was expected"));
        };
        self.rest = rest;
        Ok(match token {
            Token::Variable(name) => Node::Variable(name.clone()),
            Token::Environment(name) => Node::Environment(name.clone()),
            Token::Text(text) => Node::Text(text.clone()),
            Token::Pieces(pieces) => text_of(pieces),
            Token::Number(number) => Node::Number(*number),
            Token::Word(word) if self.next_is("(") => {
                let arguments = self.within(Self::arguments)?;
                Node::Call(word.clone(), arguments)
            }
            Token::Word(word) => Node::Word(word.clone()),
            Token::Pattern(_) => {
                return Err(Unsupported::because("has a pattern without `=~` before it"));
            }
            Token::Sign(sign) => {
                return Err(Unsupported::because(format!(
                    "has `{sign}` where a value was expected"
                )));
            }
        })
    }

    fn arguments(&mut self) -> Result<Vec<Node>, Unsupported> {
        let mut arguments = Vec::new();
        if self.next_is(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.choice()?);
            if self.next_is(")") {
                return Ok(arguments);
            }
            if !self.next_is(",") {
                return Err(unclosed());
            }
        }
    }
}

fn unclosed() -> Unsupported {
    Unsupported::because("has a bracket without its closing one")
}

/// A double-quoted text: one text, or what it is joined of.
fn text_of(pieces: &[Piece]) -> Node {
    let mut parts: Vec<Node> = pieces
        .iter()
        .filter(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()))
        .map(|piece| match piece {
            Piece::Text(text) => Node::Text(text.clone()),
            Piece::Variable(name) => Node::Variable(name.clone()),
            Piece::Environment(name) => Node::Environment(name.clone()),
        })
        .collect();
    match (parts.len(), parts.pop()) {
        (_, None) => Node::Text(String::new()),
        (1, Some(only @ Node::Text(_))) => only,
        (_, Some(last)) => {
            parts.push(last);
            Node::Joined(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Node {
        Node::Variable(name.to_owned())
    }

    fn text(text: &str) -> Node {
        Node::Text(text.to_owned())
    }

    fn same(one: Node, other: Node) -> Node {
        Node::Compared(Comparison::Texts("=="), one.into(), other.into())
    }

    #[track_caller]
    fn reads(written: &str, expected: Node) {
        assert_eq!(parse(written), Ok(expected), "{written}");
    }

    #[test]
    fn operators_bind_as_they_do_in_perl() {
        let a_is_x = || same(variable("a"), text("x"));
        let b = || variable("b");
        reads("$a eq 'x' && $b", Node::And(a_is_x().into(), b().into()));
        reads(
            "$a eq 'x' or $b and $b",
            Node::Or(a_is_x().into(), Node::And(b().into(), b().into()).into()),
        );
        reads("not $a eq 'x'", Node::Not(a_is_x().into()));
        reads("!$b && $b", Node::And(Node::Not(b().into()).into(), b().into()));
        reads("$a eq 'x' ? $b : $b", Node::Choice(a_is_x().into(), b().into(), b().into()));
        let matched = Node::Matched { of: variable("a").into(), pattern: "x".to_owned() };
        reads("$a =~ /x/", matched.clone());
        reads("$a !~ m{x}", Node::Not(matched.into()));
        reads(
            "$a =~ /x/i",
            Node::Matched { of: variable("a").into(), pattern: "(?i)x".to_owned() },
        );
        reads(
            r"$a =~ /\/x\//",
            Node::Matched { of: variable("a").into(), pattern: "/x/".to_owned() },
        );
    }

    #[test]
    fn texts_are_read_as_perl_reads_them() {
        reads("'a\\'b\\\\c\\d'", text("a'b\\c\\d"));
        reads("\"a\\\"b\\$c\\@d @ e\"", text("a\"b$c@d @ e"));
        let joined = vec![variable("uid"), text("-"), Node::Environment("X".to_owned())];
        reads("\"${uid}-$ENV{X}\"", Node::Joined(joined.clone()));
        reads("$uid . '-' . $ENV{'X'}", Node::Joined(joined));
    }

    #[test]
    fn whatever_else_there_is_in_perl_is_refused() {
        for written in [
            "",
            "$uid eq",
            "(",
            "$a)",
            "$",
            "$_",
            "$1",
            "$h{x}",
            "$h->{x}",
            "$$a",
            "@a",
            "%h",
            "$a[0]",
            "\"a@b.c\"",
            "$a =~ $b",
            "$a =~ /$b/",
            "$a =~ /x@y/",
            "$a =~ /x/g",
            "$a =~ s/x/y/",
            "$a = 1",
            "`id`",
            "system('id');",
            "$a; $b",
            "1.5",
            "010",
            "-1",
            "$a == 1_0",
            "A::b()",
            "$a / 2",
            "/x/",
            "'a",
            "\"a",
            "$a =~ /x",
            "\"\\n\"",
            "q(a)",
            "$a // 'b'",
            "$a eq 'b' eq 'c'",
            "$a ? 1",
            "f(1",
            "f(1 2)",
            "$ENV",
            "$ENV{}",
            "$ENV{a",
            "lc $uid",
            "é",
        ] {
            assert!(parse(written).is_err(), "{written}");
        }
        assert!(parse(&"(".repeat(5000)).is_err());
        assert!(parse(&"!".repeat(5000)).is_err());
        assert!(parse(&"$a ? ".repeat(1000)).is_err());
        assert!(parse(&["$a"; 300].join("&&")).is_err());
        assert!(parse(&"x".repeat(EXPRESSION_BYTES + 1)).is_err());
    }
}
