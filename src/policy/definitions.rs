//! Macros and groups: what the configuration makes of an identity, besides what its master sent.
//!
//! All of it is a function of the identity alone, so it needs no place in a session: computed again, it is
//! the same, and a changed definition counts at once. What fails has no value, and whoever asks for it
//! is told so (SEMANTICS R4). Must not know: sessions, requests, levels, how long results are kept.
//!
//! Source: LemonLDAP::NG, "Variables", its macros and groups; groups after macros, as there.

use std::collections::HashMap;

use crate::domain::encoding::Encoding;
use crate::domain::identity::{IdentityView, Owner, Undefined};
use crate::domain::limits::ATTRIBUTE_VALUES;
use crate::policy::expr::{Expression, Failure, Made, ValueExpression};

/// The variable whose values conditions add to.
pub const GROUPS: &str = "groups";

/// A variable that is made of others.
#[derive(Debug, Clone)]
pub struct Macro {
    /// Its name; no master sends a variable of this name.
    pub name: Box<str>,
    /// What makes it; it may name macros before it.
    pub value: ValueExpression,
}

/// A group, and who is in it besides those of whom a master says so.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name, a value of the variable `groups`.
    pub name: Box<str>,
    /// Who is in it; of `groups` it sees what the master sent.
    pub condition: Expression,
}

/// All macros and groups of a configuration, in its order.
#[derive(Debug, Default)]
pub struct Definitions {
    macros: Box<[Macro]>,
    groups: Box<[Group]>,
    places: HashMap<Box<str>, Defined>,
    trace_name: Option<Box<str>>,
}

/// Which definition a variable has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// The macro at this place.
    Macro(usize),
    /// The variable `groups`, which has conditions.
    Groups,
}

/// What the definitions make of one identity.
#[derive(Debug, PartialEq, Eq)]
pub struct Derived {
    macros: Box<[Result<Made, Failure>]>,
    groups: Result<Box<[Box<str>]>, Failure>,
}

// === impl Definitions ===

impl Definitions {
    /// Takes what was compiled, and the variable that people are called by in logs; `None` is the login.
    #[must_use]
    pub fn new(macros: Box<[Macro]>, groups: Box<[Group]>, trace_name: Option<Box<str>>) -> Self {
        let named = |(at, one): (usize, &Macro)| (one.name.clone(), Defined::Macro(at));
        let mut places: HashMap<_, _> = macros.iter().enumerate().map(named).collect();
        if !groups.is_empty() {
            places.insert(GROUPS.into(), Defined::Groups);
        }
        Self { macros, groups, places, trace_name }
    }

    /// The definition of `variable`; `None` if its values are the master's.
    #[must_use]
    pub fn find(&self, variable: &str) -> Option<Defined> {
        self.places.get(variable).copied()
    }

    /// The names of all variables that are defined, or added to.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let groups = (!self.groups.is_empty()).then_some(GROUPS);
        self.macros.iter().map(|one| &*one.name).chain(groups).collect()
    }

    /// How many can fail, and be told so, by themselves.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.macros.len() + self.groups.len()
    }

    /// What all of them make of `who`, and what failed: each by its kind, its name and its place among all.
    #[must_use]
    pub fn derive<'d>(
        &'d self,
        who: &dyn IdentityView,
        mut failed: impl FnMut(usize, &'static str, &'d str, Failure),
    ) -> Derived {
        let mut made: Vec<Result<Made, Failure>> = Vec::with_capacity(self.macros.len());
        for (at, one) in self.macros.iter().enumerate() {
            let value = one.value.of(&SoFar { who, definitions: self, made: &made });
            if let Err(failure) = value {
                failed(at, "macros", &one.name, failure);
            }
            made.push(value);
        }
        let so_far = SoFar { who, definitions: self, made: &made };
        let mut groups = Ok(Vec::new());
        let sent = who.values(GROUPS, &mut |group| {
            if let Ok(groups) = &mut groups {
                groups.push(group.into());
            }
        });
        if let Err(undefined) = sent {
            groups = Err(undefined.into());
        }
        for (at, group) in self.groups.iter().enumerate() {
            match (group.condition.holds_for(&so_far), &mut groups) {
                (Ok(true), Ok(groups)) if !groups.contains(&group.name) => {
                    groups.push(group.name.clone());
                }
                (Ok(_), _) => {}
                (Err(failure), _) => {
                    failed(self.macros.len() + at, "groups", &group.name, failure);
                    groups = Err(failure);
                }
            }
        }
        // Expressions count on it that no list is longer.
        let is_bounded = |groups: &Vec<Box<str>>| groups.len() <= ATTRIBUTE_VALUES;
        let groups = groups.and_then(|groups| {
            if is_bounded(&groups) { Ok(groups.into()) } else { Err(Failure::TooLarge) }
        });
        Derived { macros: made.into(), groups }
    }

    /// What `who` is called in logs, if that is configured and can be said in a header; else it is the login.
    #[must_use]
    pub fn trace_name(&self, who: &dyn IdentityView) -> Option<Box<str>> {
        let mut first: Option<Box<str>> = None;
        let read = who.values(self.trace_name.as_deref()?, &mut |value| {
            first.get_or_insert_with(|| value.into());
        });
        read.ok().and(first).filter(|name| Encoding::Utf8.encode(name).is_ok())
    }
}

/// An identity with the macros that have been made of it so far.
struct SoFar<'a> {
    who: &'a dyn IdentityView,
    definitions: &'a Definitions,
    made: &'a [Result<Made, Failure>],
}

impl IdentityView for SoFar<'_> {
    fn owner(&self) -> Owner<'_> {
        self.who.owner()
    }

    fn level(&self) -> u8 {
        self.who.level()
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        self.who.each_value(each);
    }

    fn values(&self, variable: &str, each: &mut dyn FnMut(&str)) -> Result<(), Undefined> {
        match self.definitions.find(variable) {
            Some(Defined::Macro(at)) => told(self.made.get(at), each),
            Some(Defined::Groups) | None => self.who.values(variable, each),
        }
    }
}

// === impl Derived ===

impl Derived {
    /// Calls `each` with every value of what is `defined`.
    ///
    /// # Errors
    /// It has none, because it failed.
    pub fn values(&self, defined: Defined, each: &mut dyn FnMut(&str)) -> Result<(), Undefined> {
        match (defined, &self.groups) {
            (Defined::Macro(at), _) => told(self.macros.get(at), each),
            (Defined::Groups, Ok(groups)) => {
                groups.iter().for_each(|group| each(group));
                Ok(())
            }
            (Defined::Groups, Err(_)) => Err(Undefined),
        }
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let of = |values: &[Box<str>]| values.iter().map(|value| value.len() + 16).sum::<usize>();
        let macros =
            self.macros.iter().map(|made| 32 + made.as_ref().map_or(0, |made| of(made.values())));
        macros.sum::<usize>() + self.groups.as_ref().map_or(0, |groups| of(groups))
    }
}

fn told(made: Option<&Result<Made, Failure>>, each: &mut dyn FnMut(&str)) -> Result<(), Undefined> {
    let Some(Ok(made)) = made else { return Err(Undefined) };
    made.values().iter().for_each(|value| each(value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::expr::names::{Reach, Scope, Variable};

    /// Somebody with these groups, called so.
    struct Someone(&'static str, Vec<String>);

    impl IdentityView for Someone {
        fn owner(&self) -> Owner<'_> {
            Owner { master: "sso", realm: "", user: self.0 }
        }

        fn level(&self) -> u8 {
            2
        }

        fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
            self.1.iter().for_each(|group| each("groups", group));
        }
    }

    fn somebody(user: &'static str, groups: &[&str]) -> Someone {
        Someone(user, groups.iter().map(|&group| group.into()).collect())
    }

    /// These macros and groups; those named in `lists` are lists.
    fn definitions(macros: &[(&str, &str)], groups: &[(&str, &str)], trace: &str) -> Definitions {
        let mut variables = vec![Variable { name: GROUPS.into(), is_list: true }];
        let mut compiled = Vec::new();
        for (name, text) in macros {
            let scope = Scope { variables: &variables, reach: Reach::Identity };
            let value = ValueExpression::compile(text, scope).unwrap();
            variables.push(Variable { name: (*name).into(), is_list: value.is_list() });
            compiled.push(Macro { name: (*name).into(), value });
        }
        let scope = Scope { variables: &variables, reach: Reach::Identity };
        let group = |(name, text): &(&str, &str)| Group {
            name: (*name).into(),
            condition: Expression::condition(text, scope).unwrap(),
        };
        let groups = groups.iter().map(group).collect();
        let trace = (!trace.is_empty()).then(|| trace.into());
        Definitions::new(compiled.into(), groups, trace)
    }

    /// The values of `variable`, and the names of what failed.
    #[track_caller]
    fn values(
        definitions: &Definitions,
        who: &Someone,
        variable: &str,
    ) -> (Result<Vec<String>, Undefined>, Vec<String>) {
        let mut failed = Vec::new();
        let derived = definitions.derive(who, |at, kind, name, failure| {
            assert!(at < definitions.count());
            failed.push(format!("{kind}.{name}: {failure:?}"));
        });
        let mut values = Vec::new();
        let read = derived
            .values(definitions.find(variable).unwrap(), &mut |value| values.push(value.into()));
        (read.map(|()| values), failed)
    }

    #[test]
    fn a_macro_sees_those_above_it() {
        let all = [("a", "user + '1'"), ("b", "[vars.a, 'x'] + groups"), ("c", "b.join('-')")];
        let definitions = definitions(&all, &[], "");
        let who = somebody("dwho", &["users"]);
        let is = |variable: &str, expected: &[&str]| {
            let (values, failed) = values(&definitions, &who, variable);
            assert_eq!(
                (values.unwrap(), failed.len()),
                (expected.iter().map(|&v| v.into()).collect(), 0)
            );
        };
        is("a", &["dwho1"]);
        is("b", &["dwho1", "x", "users"]);
        is("c", &["dwho1-x-users"]);
        assert_eq!(definitions.find("groups"), None, "without conditions it is the master's");
        assert_eq!(definitions.find("uid"), None);
    }

    #[test]
    fn conditions_see_the_masters_groups_and_all_macros() {
        let groups = [("second", "'first' in groups"), ("first", "m == 'yes'"), ("users", "true")];
        let definitions = definitions(&[("m", "user == 'dwho' ? 'yes' : 'no'")], &groups, "");
        let of =
            |user, sent: &[&str]| values(&definitions, &somebody(user, sent), GROUPS).0.unwrap();
        assert_eq!(
            of("dwho", &["users"]),
            ["users", "first"],
            "none twice, none of another condition"
        );
        assert_eq!(of("rtyler", &["first"]), ["first", "second", "users"]);
        assert_eq!(of("rtyler", &[]), ["users"]);
    }

    #[test]
    fn what_names_something_that_failed_fails_too() {
        let macros = [("a", "int(user)"), ("b", "user == 'dwho' ? 'x' : vars.a"), ("c", "'good'")];
        let definitions = definitions(&macros, &[("g", "c == 'good'"), ("h", "a == '7'")], "");
        let who = somebody("dwho", &["users"]);
        let expected = ["macros.a: Types", "macros.b: Undefined", "groups.h: Undefined"];
        for (variable, good) in [("a", false), ("b", false), ("c", true), (GROUPS, false)] {
            let (values, failed) = values(&definitions, &who, variable);
            assert_eq!(values.is_ok(), good, "{variable}");
            assert_eq!(failed.len(), expected.len(), "{failed:?}");
            assert!(
                failed.iter().zip(expected).skip(1).all(|(one, other)| one == other),
                "{failed:?}"
            );
        }
        let (groups, failed) = values(&definitions, &somebody("7", &[]), GROUPS);
        assert_eq!((groups, failed), (Ok(vec!["g".into(), "h".into()]), vec![]));
    }

    #[test]
    fn a_condition_makes_no_list_longer_than_lists_are() {
        let definitions = definitions(&[], &[("more", "true")], "");
        let sent: Vec<String> = (0..ATTRIBUTE_VALUES).map(|n| n.to_string()).collect();
        let all = Someone("dwho", sent.clone());
        assert_eq!(values(&definitions, &all, GROUPS).0, Err(Undefined));
        let fewer = Someone("dwho", sent.get(1..).unwrap().into());
        assert_eq!(values(&definitions, &fewer, GROUPS).0.map(|groups| groups.len()), Ok(1024));
    }

    #[test]
    fn the_trace_name_is_the_first_value_that_can_be_said() {
        let who = somebody("dwho", &["first", "second"]);
        assert_eq!(definitions(&[], &[], "groups").trace_name(&who).as_deref(), Some("first"));
        assert_eq!(definitions(&[], &[], "nothing").trace_name(&who), None);
        assert_eq!(definitions(&[], &[], "").trace_name(&who), None);
        let odd = somebody("dwho", &["a\nb"]);
        assert_eq!(definitions(&[], &[], "groups").trace_name(&odd), None);
    }
}
