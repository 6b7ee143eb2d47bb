//! Expressions, compiled, and what is wrong with them in the operator's words.

use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;
use crate::config::reader::suggestion;
use crate::policy::expr::names::Scope;
use crate::policy::expr::{Expression, ExpressionError, ValueExpression};

/// Compiles one condition; `None`, reported, if it is wrong.
pub fn condition(
    written: &str,
    scope: Scope<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Expression> {
    let compiled = Expression::condition(written, scope);
    compiled.map_err(|error| compiler.error(path, &remedy(&error))).ok()
}

/// Compiles one expression that makes texts; `None`, reported, if it is wrong.
pub fn value(
    written: &str,
    scope: Scope<'_>,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<ValueExpression> {
    let compiled = ValueExpression::compile(written, scope);
    compiled.map_err(|error| compiler.error(path, &remedy(&error))).ok()
}

/// What is wrong, and what to do.
pub fn remedy(error: &ExpressionError) -> String {
    match error {
        ExpressionError::UnknownName { written, known }
        | ExpressionError::UnknownFunction { written, known } => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            format!("{error}; {}", suggestion(written, &known))
        }
        ExpressionError::Empty
        | ExpressionError::TooLong
        | ExpressionError::TooDeep
        | ExpressionError::TooCostly
        | ExpressionError::Syntax(_)
        | ExpressionError::Unreadable
        | ExpressionError::OutOfReach { .. }
        | ExpressionError::Arguments(_)
        | ExpressionError::NotLiteral(_)
        | ExpressionError::Pattern(_)
        | ExpressionError::Network(_)
        | ExpressionError::UnboundedList
        | ExpressionError::Shadowed(_)
        | ExpressionError::Unsupported(_)
        | ExpressionError::NotBoolean
        | ExpressionError::NotText => error.to_string(),
    }
}
