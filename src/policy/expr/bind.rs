//! The values of the names that an expression uses, for one request.

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

/// Puts the values of `used` into `context`.
pub fn all(
    context: &mut Context<'_, '_>,
    used: &[(Name, Box<str>)],
    path: &[u8],
    facts: &Facts<'_>,
) -> Result<(), Failure> {
    for (name, written) in used {
        context.add_variable_from_value(&**written, value(name, path, facts)?);
    }
    Ok(())
}

fn value(name: &Name, path: &[u8], facts: &Facts<'_>) -> Result<Value, Failure> {
    let who = match facts.who {
        Who::Somebody(who) => Some(who),
        Who::Nobody | Who::Unasked => None,
    };
    let nobody = Owner { master: "", realm: "", user: "" };
    let owner = who.map_or(nobody, IdentityView::owner);
    Ok(match name {
        Name::User => owner.user.into(),
        Name::Realm => owner.realm.into(),
        Name::Master => owner.master.into(),
        Name::Groups => values(who, GROUPS).into(),
        Name::Level => Value::Int(who.map_or(0, IdentityView::level).into()),
        Name::Known => Value::Bool(who.is_some()),
        Name::Client => address(facts.client).into(),
        Name::Method => facts.method.into(),
        Name::Host => facts.host.into(),
        Name::Path => std::str::from_utf8(path).map_err(|_| Failure::Encoding)?.into(),
        Name::Query => query(facts.query.unwrap_or_default())?,
        Name::Scheme => match facts.scheme {
            Scheme::Http => "http".into(),
            Scheme::Https => "https".into(),
        },
        Name::Variable(variable) if variable.is_list => values(who, &variable.name).into(),
        Name::Variable(variable) => {
            values(who, &variable.name).into_iter().next().unwrap_or_else(|| "".into())
        }
    })
}

fn address(client: IpAddr) -> String {
    client.to_canonical().to_string()
}

fn values(who: Option<&dyn IdentityView>, wanted: &str) -> Vec<Value> {
    let mut values = Vec::new();
    if let Some(who) = who {
        who.each_value(&mut |name, value| {
            if name == wanted {
                values.push(value.into());
            }
        });
    }
    values
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
