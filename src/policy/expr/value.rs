//! Expressions whose value is a text or a list of texts: macros and exports.

use cel::Value;

use crate::domain::identity::IdentityView;
use crate::domain::limits::{ATTRIBUTE_BYTES, ATTRIBUTE_VALUES};
use crate::policy::expr::bind::Subject;
use crate::policy::expr::names::{Kind, Scope};
use crate::policy::expr::{Expression, ExpressionError, Failure};

/// What an expression made of an identity. Outer blanks are cut, and empty texts left out of lists, as of
/// what a master sends: a header cannot carry them, so an application would see another value than rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// One text; empty means unset.
    Text(Box<str>),
    /// A list of texts.
    List(Box<[Box<str>]>),
}

impl Made {
    /// The values, of which an unset one has none.
    #[must_use]
    pub fn values(&self) -> &[Box<str>] {
        match self {
            Self::Text(text) if text.is_empty() => &[],
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(items) => items,
        }
    }
}

/// An expression that makes texts of an identity; cloning shares it.
#[derive(Debug, Clone)]
pub struct ValueExpression(Expression);

impl ValueExpression {
    /// Compiles `text`, with the names of `scope`.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn compile(text: &str, scope: Scope<'_>) -> Result<Self, ExpressionError> {
        let expression = Expression::any(text, scope)?;
        match expression.0.kind {
            Some(Kind::Map) => Err(ExpressionError::NotText),
            None | Some(Kind::Text | Kind::List | Kind::Number | Kind::Bool) => {
                Ok(Self(expression))
            }
        }
    }

    /// Whether its values are lists.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.0.0.kind == Some(Kind::List)
    }

    /// What it makes of `who`; of an expression that is no list by its form, one text.
    ///
    /// # Errors
    /// It has no value, another kind of value, or one that is too large.
    pub fn of(&self, who: &dyn IdentityView) -> Result<Made, Failure> {
        let made = self.0.evaluate(Subject::Somebody(who), |value| {
            let value = Value::try_from(value.as_ref()).map_err(|_| Failure::Types)?;
            made(&value)
        })?;
        match (&made, self.is_list()) {
            (Made::Text(_), false) | (Made::List(_), true) => Ok(made),
            (Made::Text(_), true) | (Made::List(_), false) => Err(Failure::Types),
        }
    }
}

fn made(value: &Value) -> Result<Made, Failure> {
    let Value::List(items) = value else {
        let text = text(value)?;
        return if text.len() > ATTRIBUTE_BYTES {
            Err(Failure::TooLarge)
        } else {
            Ok(Made::Text(text))
        };
    };
    let (mut list, mut bytes) = (Vec::new(), 0);
    for item in items.iter() {
        let text = text(item)?;
        bytes += text.len();
        if bytes > ATTRIBUTE_BYTES || list.len() >= ATTRIBUTE_VALUES {
            return Err(Failure::TooLarge);
        }
        if !text.is_empty() {
            list.push(text);
        }
    }
    Ok(Made::List(list.into()))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add kinds at any time")]
fn text(value: &Value) -> Result<Box<str>, Failure> {
    Ok(match value {
        Value::String(text) => text.trim_matches(' ').into(),
        Value::Int(number) => number.to_string().into(),
        Value::UInt(number) => number.to_string().into(),
        Value::Float(number) if number.is_finite() => number.to_string().into(),
        Value::Float(_) => return Err(Failure::Arithmetic),
        Value::Bool(truth) => truth.to_string().into(),
        _ => return Err(Failure::Types),
    })
}
