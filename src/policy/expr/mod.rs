//! Expressions in CEL, checked at load: `when` of a rule, asked on requests (SEMANTICS R1, R4), and what is
//! made of an identity, for macros, groups and exports.
//!
//! The only place that names `cel`. Whatever its library does, nothing leaves this module but `true` and
//! `false`, and texts of a bounded size where they are wanted: an error or a panic in there is a
//! [`Failure`], a rule that fails denies, and an export that fails is not sent.
//! Must not know: effects, YAML, headers. There is nothing of a header in what an expression can name.

mod bind;
mod check;
pub mod names;
mod prepare;
#[cfg(test)]
mod tests;
mod texts;
mod value;

pub use value::{Made, ValueExpression};

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::types::CelBool;
use cel::common::value::CowVal;
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};

use crate::domain::identity::{IdentityView, Undefined};
use crate::domain::limits::{EXPRESSION_BYTES, EXPRESSION_DEPTH, EXPRESSION_STEPS};
use crate::domain::network::NetworkError;
use crate::policy::expr::bind::Subject;
use crate::policy::expr::names::{Kind, Name, Reach, Scope, Variable};
use crate::policy::expr::prepare::Literal;
use crate::policy::rule::clause::Facts;

/// Why an expression was refused at load. The text names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Nothing is written.
    #[error("an empty expression says nothing; remove the key")]
    Empty,
    /// Longer than it may be.
    #[error(
        "this expression is longer than {EXPRESSION_BYTES} bytes; make several of it, or a macro"
    )]
    TooLong,
    /// Nested deeper than it may be.
    #[error("this expression is nested deeper than {EXPRESSION_DEPTH} levels; make it flatter")]
    TooDeep,
    /// It could take too long to evaluate.
    #[error(
        "this expression could take more than {EXPRESSION_STEPS} steps; ask less of each item of a list"
    )]
    TooCostly,
    /// It is no CEL.
    #[error("not an expression: {0}")]
    Syntax(String),
    /// The library failed to read it.
    #[error("the CEL library cannot read this expression; write it otherwise")]
    Unreadable,
    /// A name that does not exist, and those that do.
    #[error("there is no `{written}` in expressions")]
    UnknownName {
        /// The name as written.
        written: String,
        /// What exists.
        known: Vec<String>,
    },
    /// A name that exists, but not here: the value would change while what it is kept for does not.
    #[error("`{written}` may change without this being made anew; use one of {}", .known.join(", "))]
    OutOfReach {
        /// The name as written.
        written: String,
        /// What exists.
        known: Vec<String>,
    },
    /// A function that does not exist, and those that do.
    #[error("there is no function `{written}` in expressions")]
    UnknownFunction {
        /// The name as written.
        written: String,
        /// What exists.
        known: Vec<String>,
    },
    /// A function with other arguments than it takes.
    #[error("write it as `{0}`")]
    Arguments(&'static str),
    /// A pattern, network or group that is not known at load.
    #[error("`{0}` is prepared at load; write its last argument as a literal text")]
    NotLiteral(&'static str),
    /// A pattern that is none, or too large a one.
    #[error("not a regular expression: {0}; see docs.rs/regex")]
    Pattern(String),
    /// A network that is none.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A step for each item of something that a client can make as long as it likes.
    #[error(
        "the list that `exists` or `all` goes through has no known bound; write it out, or name a variable that is a list"
    )]
    UnboundedList,
    /// The name of an item means something else already.
    #[error("`{0}` means something else already; name the item otherwise")]
    Shadowed(String),
    /// A form of CEL that has no use here.
    #[error("{0} have no use here; remove it")]
    Unsupported(&'static str),
    /// It can never be true or false.
    #[error("this expression is never true or false; compare it with something")]
    NotBoolean,
    /// It can never be a text.
    #[error("this expression is no text, number or list of texts; take one entry of it")]
    NotText,
}

/// Why an expression has no value for a request; texts name no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The CEL library panicked.
    #[error("the CEL library panicked")]
    Panicked,
    /// It asks for an entry that is not there.
    #[error("an entry that it asks for is not there; ask with `in` or `has()` first")]
    NoEntry,
    /// Values of types that do not go together.
    #[error("it puts values together whose types do not fit")]
    Types,
    /// Division by zero, overflow.
    #[error("a number is divided by zero or too large")]
    Arithmetic,
    /// A text that was to be an address is none.
    #[error("a text that was to be an address is none")]
    Address,
    /// The path is not UTF-8.
    #[error("the path is not UTF-8")]
    Encoding,
    /// More parameters than are looked at.
    #[error("the query has more parameters than docs/limits.md allows")]
    Parameters,
    /// Its value is neither true nor false.
    #[error("its value is neither true nor false")]
    NotBoolean,
    /// Its value, or what a function makes on the way, is too large.
    #[error("a text or a list is larger than docs/limits.md allows")]
    TooLarge,
    /// It asks for a macro or for groups that have no value themselves.
    #[error("a macro, or the condition of a group, that it asks for has no value")]
    Undefined,
    /// Something else.
    #[error("the CEL library says that it cannot be evaluated")]
    Other,
}

impl From<Undefined> for Failure {
    fn from(_: Undefined) -> Self {
        Self::Undefined
    }
}

/// An expression that was found to be good; cloning shares it.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    root: IdedExpr,
    env: Arc<Env>,
    /// What it names; nothing else is made for it.
    used: Box<[(Name, Box<str>)]>,
    literals: Box<[(Box<str>, Literal)]>,
    /// What it is, if that is known before it is asked.
    kind: Option<Kind>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.0.text).finish()
    }
}

impl Expression {
    /// Compiles `text`, a condition on requests in which the names of `variables` exist.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn compile(text: &str, variables: &[Variable]) -> Result<Self, ExpressionError> {
        Self::condition(text, Scope { variables, reach: Reach::Request })
    }

    /// Compiles `text`, a condition on what `scope` says.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn condition(text: &str, scope: Scope<'_>) -> Result<Self, ExpressionError> {
        let expression = Self::any(text, scope)?;
        match expression.0.kind {
            None | Some(Kind::Bool) => Ok(expression),
            Some(Kind::Text | Kind::List | Kind::Number | Kind::Map) => {
                Err(ExpressionError::NotBoolean)
            }
        }
    }

    fn any(text: &str, scope: Scope<'_>) -> Result<Self, ExpressionError> {
        if text.trim().is_empty() {
            return Err(ExpressionError::Empty);
        }
        if text.len() > EXPRESSION_BYTES {
            return Err(ExpressionError::TooLong);
        }
        caught(|| compiled(text, scope)).unwrap_or(Err(ExpressionError::Unreadable))
    }

    /// Whether its value depends on who sends the request.
    #[must_use]
    pub fn asks_who(&self) -> bool {
        self.0.used.iter().any(|(name, _)| name.is_of_identity())
    }

    /// Whether it is true for a request with this path.
    ///
    /// # Errors
    /// It has no value; then the rule that it belongs to must deny.
    pub fn holds(&self, path: &[u8], facts: &Facts<'_>) -> Result<bool, Failure> {
        self.evaluate(Subject::Request(path, facts), |value| truth(&value))
    }

    /// Whether it is true for `who`, whatever the request.
    ///
    /// # Errors
    /// It has no value; then what depends on it has none either.
    pub fn holds_for(&self, who: &dyn IdentityView) -> Result<bool, Failure> {
        self.evaluate(Subject::Somebody(who), |value| truth(&value))
    }

    /// What `read` makes of its value, within the boundary.
    fn evaluate<T>(
        &self,
        subject: Subject<'_>,
        read: impl FnOnce(CowVal<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let evaluate = || {
            let mut context = Context::with_env(Arc::clone(&self.0.env));
            for (bound, literal) in &self.0.literals {
                literal.add_to(&mut context, bound);
            }
            bind::all(&mut context, &self.0.used, subject)?;
            let value = Value::resolve_val(&self.0.root, &context);
            read(value.map_err(|error| failure(&error))?)
        };
        caught(evaluate).unwrap_or(Err(Failure::Panicked))
    }
}

fn truth(value: &CowVal<'_, '_>) -> Result<bool, Failure> {
    value.downcast_ref::<CelBool>().map(|value| *value.inner()).ok_or(Failure::NotBoolean)
}

/// The boundary: what panics within is `None`.
///
/// It is unwind-safe because nothing that is changed within is seen again: an evaluation makes its
/// context anew and drops it, and what it shares (the expression, its environment, the facts) has no
/// inside that could be changed. The parser's caches are behind locks that know no poison, and it runs
/// at load only: the worst is a configuration that is refused.
fn caught<T>(within: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(within)).ok()
}

fn compiled(text: &str, scope: Scope<'_>) -> Result<Expression, ExpressionError> {
    let mut root = parsed(text)?;
    let kind = check::checked(&root, scope)?;
    let (used, literals) = prepare::prepare(&mut root, scope)?;
    let env = Arc::new(Env::default().with_optional_support(false).with_stdlib());
    Ok(Expression(Arc::new(Compiled { text: text.into(), root, env, used, literals, kind })))
}

/// The tree, with macros expanded. The library's usual parser would go too deep into the stack: an
/// overflow ends the process, and no boundary catches it.
fn parsed(text: &str) -> Result<IdedExpr, ExpressionError> {
    let depth = u16::try_from(EXPRESSION_DEPTH).unwrap_or(u16::MAX);
    let parser = PrattParser::new().max_recursion_depth(depth);
    parser.parse(text).map_err(|errors| {
        let Some(first) = errors.errors.first() else { return ExpressionError::Unreadable };
        let words = first.msg.lines().next().unwrap_or_default();
        if words.contains("recursion limit exceeded") {
            return ExpressionError::TooDeep;
        }
        // What it would have liked instead is the whole grammar.
        let words = words.split(", expecting ").next().unwrap_or(words);
        let words = words.split(" expecting ").next().unwrap_or(words);
        let words = words.strip_prefix("Syntax error: ").unwrap_or(words);
        let words: String = words.chars().take(120).collect();
        ExpressionError::Syntax(format!(
            "{words} (line {}, character {}); see docs/expressions.md",
            first.pos.0, first.pos.1
        ))
    })
}

/// What the library's error is to an operator; its own text shows values.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add errors at any time")]
fn failure(error: &ExecutionError) -> Failure {
    match error {
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_) => Failure::NoEntry,
        ExecutionError::DivisionByZero(_)
        | ExecutionError::RemainderByZero(_)
        | ExecutionError::Overflow(..) => Failure::Arithmetic,
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::UnsupportedTargetType { .. }
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedIndex(..) => Failure::Types,
        ExecutionError::FunctionError { function, .. } if function.starts_with("inNetwork") => {
            Failure::Address
        }
        // What is made of texts fails by its size only.
        ExecutionError::FunctionError { function, .. } if function.contains('@') => {
            Failure::TooLarge
        }
        _ => Failure::Other,
    }
}
