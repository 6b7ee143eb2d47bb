//! What is refused at load, on the tree that the library made of it: names, functions, lists, cost, kinds.
//!
//! Everything is refused that is not known here, so that a later version of the library adds nothing by
//! itself.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use crate::domain::limits::{ATTRIBUTE_VALUES, EXPRESSION_DEPTH, EXPRESSION_STEPS};
use crate::policy::expr::ExpressionError;
use crate::policy::expr::names::{
    FUNCTIONS, Kind, NAMESPACES, Name, OPERATORS, Scope, is_out_of_reach, known, literal_text,
    named, spelled,
};

/// The kind of the whole, if it is known before any request.
pub fn checked(expr: &IdedExpr, scope: Scope<'_>) -> Result<Option<Kind>, ExpressionError> {
    let mut check = Check { scope, items: Vec::new(), steps: 0, depth: 0 };
    check.node(expr, 1)
}

struct Check<'a> {
    scope: Scope<'a>,
    /// Names of items of the macros that are open.
    items: Vec<String>,
    steps: usize,
    depth: usize,
}

type Found = Result<Option<Kind>, ExpressionError>;

impl Check<'_> {
    /// Checks what may be evaluated so many times.
    fn node(&mut self, node: &IdedExpr, times: usize) -> Found {
        self.steps = self.steps.saturating_add(times);
        self.depth += 1;
        if self.steps > EXPRESSION_STEPS {
            return Err(ExpressionError::TooCostly);
        }
        if self.depth > EXPRESSION_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        let kind = self.expr(&node.expr, times);
        self.depth -= 1;
        kind
    }

    fn expr(&mut self, expr: &Expr, times: usize) -> Found {
        if let Expr::Ident(name) = expr
            && self.items.contains(name)
        {
            return Ok(None);
        }
        if let Some((name, _)) = named(expr, self.scope) {
            return Ok(Some(name.kind()));
        }
        if let Some(written) = spelled(expr) {
            let known = known(self.scope);
            return Err(if is_out_of_reach(&written, self.scope) {
                ExpressionError::OutOfReach { written, known }
            } else {
                ExpressionError::UnknownName { written, known }
            });
        }
        match expr {
            Expr::Literal(literal) => Ok(Some(literal_kind(literal))),
            Expr::Call(call) => self.call(call, times),
            // `has(a.b)` becomes this.
            Expr::Select(select) if select.test => match named(&select.operand.expr, self.scope) {
                Some((Name::Query, _)) => Ok(Some(Kind::Bool)),
                _ => Err(ExpressionError::Arguments("has(request.query.page)")),
            },
            Expr::Select(select) => self.node(&select.operand, times).map(|_| None),
            Expr::Comprehension(folded) => self.folded(folded, times),
            Expr::List(list) => {
                for element in &list.elements {
                    self.node(element, times)?;
                }
                Ok(Some(Kind::List))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    match &entry.expr {
                        EntryExpr::MapEntry(entry) => {
                            self.node(&entry.key, times)?;
                            self.node(&entry.value, times)?;
                        }
                        EntryExpr::StructField(_) => {
                            return Err(ExpressionError::Unsupported("structures"));
                        }
                    }
                }
                Ok(Some(Kind::Map))
            }
            Expr::Struct(_) => Err(ExpressionError::Unsupported("structures")),
            Expr::Ident(_) | Expr::Unspecified => Err(ExpressionError::Unreadable),
        }
    }

    fn call(&mut self, call: &CallExpr, times: usize) -> Found {
        let name = call.func_name.as_str();
        if OPERATORS.contains(&name) && call.target.is_none() {
            return self.operator(call, times);
        }
        let Some((_, usage, _)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let known = FUNCTIONS.iter().map(|(name, ..)| (*name).to_owned()).collect();
            return Err(ExpressionError::UnknownFunction { written: name.to_owned(), known });
        };
        let wrong = Err(ExpressionError::Arguments(usage));
        match (name, call.target.as_deref(), call.args.as_slice()) {
            ("inGroup", None, [_]) | ("inNetwork", None, [_, _]) | ("matches", Some(_), [_]) => {
                self.with_literal(call, usage, times)
            }
            ("startsWith" | "endsWith" | "contains", Some(text), [part]) => {
                self.node(text, times)?;
                self.node(part, times)?;
                Ok(Some(Kind::Bool))
            }
            ("size" | "int", None, [of]) | ("size", Some(of), []) => {
                self.node(of, times)?;
                Ok(Some(Kind::Number))
            }
            ("string", None, [of]) | ("lowerAscii" | "upperAscii", Some(of), []) => {
                self.node(of, times)?;
                Ok(Some(Kind::Text))
            }
            ("join", Some(_), [by]) if literal_text(&by.expr).is_some() => {
                self.parts(call, times)?;
                Ok(Some(Kind::Text))
            }
            ("replace", Some(_), [from, to]) if is_replacement(from, to) => {
                self.parts(call, times)?;
                Ok(Some(Kind::Text))
            }
            ("join", Some(_), [_]) | ("replace", Some(_), [_, _]) => {
                Err(ExpressionError::NotLiteral(usage))
            }
            _ => wrong,
        }
    }

    /// A function whose last argument is a literal.
    fn with_literal(&mut self, call: &CallExpr, usage: &'static str, times: usize) -> Found {
        let literal = call.args.last().and_then(|last| literal_text(&last.expr));
        if literal.is_none() {
            return Err(ExpressionError::NotLiteral(usage));
        }
        self.parts(call, times)?;
        if call.func_name == "inGroup" {
            self.expr(&Expr::Ident("groups".to_owned()), times)?;
        }
        Ok(Some(Kind::Bool))
    }

    /// What a function is called with, its target included.
    fn parts(&mut self, call: &CallExpr, times: usize) -> Result<(), ExpressionError> {
        let mut parts = call.target.iter().map(AsRef::as_ref).chain(&call.args);
        parts.try_for_each(|part| self.node(part, times).map(drop))
    }

    /// What a macro becomes: a step for each item of a list.
    fn folded(&mut self, folded: &ComprehensionExpr, times: usize) -> Found {
        if let Expr::List(_) = folded.accu_init.expr {
            return Err(ExpressionError::Unsupported("`map` and `filter`"));
        }
        let range = &folded.iter_range.expr;
        let items = match (range, named(range, self.scope)) {
            (Expr::List(written), _) => written.elements.len(),
            (_, Some((name, _))) if name.kind() == Kind::List => ATTRIBUTE_VALUES,
            _ => return Err(ExpressionError::UnboundedList),
        };
        let item = folded.iter_var.as_str();
        let is_taken = named(&Expr::Ident(item.to_owned()), self.scope).is_some()
            || NAMESPACES.contains(&item)
            || self.items.iter().any(|open| open == item);
        if is_taken {
            return Err(ExpressionError::Shadowed(item.to_owned()));
        }
        self.node(&folded.iter_range, times)?;
        self.node(&folded.accu_init, times)?;
        let open = self.items.len();
        self.items.extend([item.to_owned(), folded.accu_var.clone()]);
        // An empty list's step is read all the same.
        let each = times.saturating_mul(items.max(1));
        self.node(&folded.loop_cond, each)?;
        self.node(&folded.loop_step, each)?;
        self.node(&folded.result, times)?;
        self.items.truncate(open);
        Ok(Some(Kind::Bool))
    }

    fn operator(&mut self, call: &CallExpr, times: usize) -> Found {
        let mut kinds = Vec::with_capacity(call.args.len());
        for part in &call.args {
            kinds.push(self.node(part, times)?);
        }
        let no_bool = |kind: &Option<Kind>| kind.is_some_and(|kind| kind != Kind::Bool);
        match (call.func_name.as_str(), kinds.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, operands) => {
                if operands.iter().any(no_bool) {
                    return Err(ExpressionError::NotBoolean);
                }
                Ok(Some(Kind::Bool))
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                if no_bool(condition) {
                    return Err(ExpressionError::NotBoolean);
                }
                Ok(if yes == no { *yes } else { None })
            }
            (
                operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
                | operators::IN
                | operators::NOT_STRICTLY_FALSE,
                _,
            ) => Ok(Some(Kind::Bool)),
            (operators::ADD, [one, other]) => Ok(if one == other { *one } else { None }),
            (operators::INDEX, _) => Ok(self.item_kind(call)),
            _ => Ok(Some(Kind::Number)),
        }
    }
}

impl Check<'_> {
    /// The kind of an entry: of a list that has a name it is a text.
    fn item_kind(&self, call: &CallExpr) -> Option<Kind> {
        let (list, _) = named(&call.args.first()?.expr, self.scope)?;
        (list.kind() == Kind::List).then_some(Kind::Text)
    }
}

/// Whether both are literal texts, and there is something to look for.
fn is_replacement(from: &IdedExpr, to: &IdedExpr) -> bool {
    let to = literal_text(&to.expr);
    to.is_some() && literal_text(&from.expr).is_some_and(|from| !from.is_empty())
}

/// The kind of a literal; of what has none here, one that is not boolean.
const fn literal_kind(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::String(_) | LiteralValue::Bytes(_) | LiteralValue::Null => Kind::Text,
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Number,
    }
}
