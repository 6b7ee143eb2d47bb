//! `when` of rules: expressions, compiled, and what is wrong with them in the operator's words.

use crate::config::compile::{Compiler, slave};
use crate::config::key_path::KeyPath;
use crate::config::raw::RawSlave;
use crate::config::raw_variable::RawVariable;
use crate::config::reader::suggestion;
use crate::policy::expr::names::Variable;
use crate::policy::expr::{Expression, ExpressionError};

/// Compiles one expression; `None`, reported, if it is wrong.
pub fn when(
    written: &str,
    slave: &RawSlave,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Expression> {
    match Expression::compile(written, &variables(slave)) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let remedy = match &error {
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
                | ExpressionError::Arguments(_)
                | ExpressionError::NotLiteral(_)
                | ExpressionError::Pattern(_)
                | ExpressionError::Network(_)
                | ExpressionError::UnboundedList
                | ExpressionError::Shadowed(_)
                | ExpressionError::Unsupported(_)
                | ExpressionError::NotBoolean => error.to_string(),
            };
            compiler.error(path, &remedy);
            None
        }
    }
}

/// The variables that sessions can have.
fn variables(slave: &RawSlave) -> Vec<Variable> {
    let exported = slave.exported_vars.0.iter().filter(|_| slave::reads_variables(slave));
    let variable = |(name, raw): &(String, RawVariable)| Variable {
        name: name.as_str().into(),
        is_list: raw.separator.is_some(),
    };
    exported.map(variable).collect()
}
