//! Makes of a checked expression what is evaluated: names become single words, and patterns and networks
//! functions that were compiled at load.

use std::net::IpAddr;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, operators};
use cel::extractors::Arguments;
use cel::{Context, ExecutionError, IdedExpr, Value};

use crate::domain::network::Networks;
use crate::policy::expr::ExpressionError;
use crate::policy::expr::names::{GROUPS, Name, Scope, literal_text, named};
use crate::policy::expr::texts::Change;

/// Bound of a compiled pattern, in bytes, as of the other patterns of rules.
const PATTERN_BYTES: usize = 1 << 20;

/// What was compiled at load.
#[derive(Clone)]
pub enum Literal {
    Pattern(regex::bytes::Regex),
    Networks(Arc<Networks>),
    Change(Change),
    /// A fault in the library, for tests.
    #[cfg(test)]
    Panic,
}

impl Literal {
    /// Makes it a function of `context`, called `bound`.
    pub fn add_to(&self, context: &mut Context<'_, '_>, bound: &str) {
        let function = bound.to_owned();
        let literal = self.clone();
        let asked = move |Arguments(arguments): Arguments| -> Result<Value, ExecutionError> {
            let odd = || ExecutionError::UnexpectedType { got: String::new(), want: String::new() };
            let [value] = arguments.as_slice() else { return Err(odd()) };
            let said = match (&literal, value) {
                (Self::Change(change), value) => {
                    change.of(value).ok_or_else(odd)?.map(|text| Value::String(Arc::new(text)))
                }
                (literal, Value::String(text)) => literal.holds_for(text).map(Value::Bool),
                _ => return Err(odd()),
            };
            said.ok_or_else(|| ExecutionError::FunctionError {
                function: function.clone(),
                message: String::new(),
            })
        };
        // The names have a character that no function of the library has, so this cannot fail; and if it
        // did, the call would be an error.
        let _ = context.add_function(bound, asked);
    }

    fn holds_for(&self, text: &str) -> Option<bool> {
        match self {
            Self::Pattern(pattern) => Some(pattern.is_match(text.as_bytes())),
            Self::Networks(networks) => {
                let address: IpAddr = text.parse().ok()?;
                Some(networks.contains(address.to_canonical()))
            }
            Self::Change(_) => None,
            #[cfg(test)]
            Self::Panic => panic!("a fault in the library"),
        }
    }
}

type Prepared = (Box<[(Name, Box<str>)]>, Box<[(Box<str>, Literal)]>);

/// Rewrites `root`, and collects what it names and what was compiled for it.
pub fn prepare(root: &mut IdedExpr, scope: Scope<'_>) -> Result<Prepared, ExpressionError> {
    let mut preparation = Preparation { scope, used: Vec::new(), literals: Vec::new() };
    preparation.node(root)?;
    Ok((preparation.used.into(), preparation.literals.into()))
}

struct Preparation<'a> {
    scope: Scope<'a>,
    used: Vec<(Name, Box<str>)>,
    literals: Vec<(Box<str>, Literal)>,
}

impl Preparation<'_> {
    fn node(&mut self, node: &mut IdedExpr) -> Result<(), ExpressionError> {
        if let Some((name, written)) = named(&node.expr, self.scope) {
            node.expr = self.name(name, written);
            return Ok(());
        }
        match &mut node.expr {
            Expr::Call(call) => {
                if let Some(replaced) = self.call(call)? {
                    node.expr = replaced;
                }
                Ok(())
            }
            Expr::Comprehension(folded) => {
                self.node(&mut folded.iter_range)?;
                self.node(&mut folded.accu_init)?;
                self.node(&mut folded.loop_cond)?;
                self.node(&mut folded.loop_step)?;
                self.node(&mut folded.result)
            }
            Expr::List(list) => list.elements.iter_mut().try_for_each(|node| self.node(node)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.node(&mut entry.key)?;
                    self.node(&mut entry.value)
                }
                EntryExpr::StructField(field) => self.node(&mut field.value),
            }),
            Expr::Select(select) => self.node(&mut select.operand),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Ok(()),
        }
    }

    /// The word that stands for `name` from now on.
    fn name(&mut self, name: Name, written: Box<str>) -> Expr {
        let word = Expr::Ident(written.to_string());
        if !self.used.iter().any(|(_, known)| *known == written) {
            self.used.push((name, written));
        }
        word
    }

    /// Prepares a call, or says what stands in its place.
    fn call(&mut self, call: &mut CallExpr) -> Result<Option<Expr>, ExpressionError> {
        let last = call.args.last().and_then(|last| literal_text(&last.expr));
        let literal = match (call.func_name.as_str(), last) {
            ("matches", Some(pattern)) => Some(Literal::Pattern(compiled(pattern)?)),
            ("inNetwork", Some(networks)) => {
                Some(Literal::Networks(Arc::new(Networks::parse(networks)?)))
            }
            (name, _) if let Some(change) = Change::called(name, &call.args) => {
                call.args.clear();
                Some(Literal::Change(change))
            }
            ("inGroup", Some(_)) => {
                let groups = self.name(Name::Groups, GROUPS.into());
                let groups = IdedExpr { id: 0, expr: groups };
                let args = std::mem::take(&mut call.args).into_iter().chain([groups]).collect();
                let func_name = operators::IN.to_owned();
                return Ok(Some(Expr::Call(CallExpr { func_name, target: None, args })));
            }
            _ => None,
        };
        if let Some(literal) = literal {
            if !matches!(literal, Literal::Change(_)) {
                call.args.pop();
            }
            call.args.splice(0..0, call.target.take().map(|target| *target));
            call.func_name = format!("{}@{}", call.func_name, self.literals.len());
            self.literals.push((call.func_name.as_str().into(), literal));
        }
        if let Some(target) = &mut call.target {
            self.node(target)?;
        }
        call.args.iter_mut().try_for_each(|node| self.node(node))?;
        Ok(None)
    }
}

fn compiled(pattern: &str) -> Result<regex::bytes::Regex, ExpressionError> {
    let built = regex::bytes::RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build();
    built.map_err(|error| {
        // The library draws a picture of the expression; its last line says what is wrong.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        ExpressionError::Pattern(last.strip_prefix("error: ").unwrap_or(last).to_owned())
    })
}
