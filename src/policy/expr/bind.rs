//! The values of the names that an expression uses: for one request, or for somebody alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Value};

use crate::domain::identity::{IdentityView, Owner};
use crate::domain::limits::EXPRESSION_PARAMETERS;
use crate::domain::request::Scheme;
use crate::policy::expr::Failure;
use crate::policy::expr::names::{GROUPS, Name};
use crate::policy::rule::clause::{Facts, Who};

/// What an expression is asked about.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// A request with this path.
    Request(&'a [u8], &'a Facts<'a>),
    /// Somebody, whatever the request.
    Somebody(&'a dyn IdentityView),
}

/// Puts the values of `used` into `context`.
pub fn all(
    context: &mut Context<'_, '_>,
    used: &[(Name, Box<str>)],
    subject: Subject<'_>,
) -> Result<(), Failure> {
    for (name, written) in used {
        context.add_variable_from_value(&**written, value(name, subject)?);
    }
    Ok(())
}

fn value(name: &Name, subject: Subject<'_>) -> Result<Value, Failure> {
    let who = match subject {
        Subject::Request(_, Facts { who: Who::Somebody(who), .. }) => Some(*who),
        Subject::Request(_, Facts { who: Who::Nobody | Who::Unasked, .. }) => None,
        Subject::Somebody(who) => Some(who),
    };
    let nobody = Owner { master: "", realm: "", user: "" };
    let owner = who.map_or(nobody, IdentityView::owner);
    Ok(match (name, subject) {
        (Name::User, _) => owner.user.into(),
        (Name::Realm, _) => owner.realm.into(),
        (Name::Master, _) => owner.master.into(),
        (Name::Groups, _) => values(who, GROUPS)?.into(),
        (Name::Level, _) => Value::Int(who.map_or(0, IdentityView::level).into()),
        (Name::Known, _) => Value::Bool(who.is_some()),
        (Name::Variable(variable), _) if variable.is_list => values(who, &variable.name)?.into(),
        (Name::Variable(variable), _) => {
            values(who, &variable.name)?.into_iter().next().unwrap_or_else(|| "".into())
        }
        (name, Subject::Request(path, facts)) => of_the_request(name, path, facts)?,
        // Refused at load, where the names are out of reach.
        (_, Subject::Somebody(_)) => return Err(Failure::Other),
    })
}

fn of_the_request(name: &Name, path: &[u8], facts: &Facts<'_>) -> Result<Value, Failure> {
    Ok(match name {
        Name::Client => address(facts.client).into(),
        Name::Method => facts.method.into(),
        Name::Host => facts.host.into(),
        Name::Path => std::str::from_utf8(path).map_err(|_| Failure::Encoding)?.into(),
        Name::Query => query(facts.query.unwrap_or_default())?,
        Name::Scheme => match facts.scheme {
            Scheme::Http => "http".into(),
            Scheme::Https => "https".into(),
        },
        Name::User
        | Name::Realm
        | Name::Master
        | Name::Groups
        | Name::Level
        | Name::Known
        | Name::Variable(_) => return Err(Failure::Other),
    })
}

fn address(client: IpAddr) -> String {
    client.to_canonical().to_string()
}

fn values(who: Option<&dyn IdentityView>, wanted: &str) -> Result<Vec<Value>, Failure> {
    let mut values = Vec::new();
    if let Some(who) = who {
        who.values(wanted, &mut |value| values.push(value.into()))?;
    }
    Ok(values)
}

/// Every parameter with all of its values. More than are looked at fail: left out, one could be hidden
/// behind many others.
fn query(query: &[u8]) -> Result<Value, Failure> {
    let mut map: HashMap<Key, Vec<Value>> = HashMap::new();
    for (count, (name, value)) in form_urlencoded::parse(query).enumerate() {
        if count >= EXPRESSION_PARAMETERS {
            return Err(Failure::Parameters);
        }
        let values = map.entry(Key::String(Arc::new(name.into_owned()))).or_default();
        values.push(Value::String(Arc::new(value.into_owned())));
    }
    Ok(Value::Map(Map::from(map)))
}
