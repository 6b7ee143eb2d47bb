//! The names and functions of expressions, as one table: `docs/expressions.md` is generated from it.
#![expect(clippy::wildcard_enum_match_arm, reason = "all other nodes of a tree are alike here")]

use cel::common::ast::{Expr, LiteralValue, operators};

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A list of texts.
    List,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// From names to lists of texts.
    Map,
}

impl Kind {
    /// The word for it in documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::List => "list of texts",
            Self::Number => "number",
            Self::Bool => "true or false",
            Self::Map => "map of lists",
        }
    }
}

/// An exported variable or a macro as expressions see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Whether it is a list of texts; else it is one text, empty if absent.
    pub is_list: bool,
}

/// What an expression is about, and so what it can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Who somebody is, and nothing that changes while that stays the same.
    Identity,
    /// A session: the same, and its level.
    Session,
    /// A request, and whoever sends it.
    Request,
}

/// The names of one expression.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Exported variables and macros.
    pub variables: &'a [Variable],
    /// What it is about.
    pub reach: Reach,
}

/// Something that an expression can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// The login.
    User,
    /// The realm.
    Realm,
    /// The master.
    Master,
    /// The values of the variable `groups`.
    Groups,
    /// The level.
    Level,
    /// Whether it is somebody.
    Known,
    /// The client's address.
    Client,
    /// The method.
    Method,
    /// The host.
    Host,
    /// The canonical path.
    Path,
    /// The decoded query.
    Query,
    /// The scheme.
    Scheme,
    /// An exported variable or a macro.
    Variable(Variable),
}

/// The variable that `groups` is.
pub(super) const GROUPS: &str = crate::policy::definitions::GROUPS;

/// Every fixed name: how it is written, and what it is.
pub const NAMES: &[(&str, Name, &str)] = &[
    ("user", Name::User, "the login; empty for nobody"),
    ("realm", Name::Realm, "the master's realm; empty for nobody"),
    ("master", Name::Master, "the master that asserted the identity; empty for nobody"),
    (
        "groups",
        Name::Groups,
        "the values of the variable `groups`, which must be exported or have conditions; in a condition of `groups` and in a macro those that the master sent",
    ),
    ("session.level", Name::Level, "the level of the session; 0 for nobody"),
    ("session.known", Name::Known, "whether it is anybody at all"),
    ("client", Name::Client, "the client's address"),
    ("request.method", Name::Method, "the method"),
    ("request.host", Name::Host, "the host, lower case and without port"),
    ("request.path", Name::Path, "the path in its canonical form"),
    ("request.query", Name::Query, "the decoded parameters, each with all of its values"),
    ("request.scheme", Name::Scheme, "`http` or `https`"),
];

/// Every function: its name, how it is written, and what it says.
pub const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("inGroup", "inGroup('a')", "whether `'a' in groups`"),
    ("inNetwork", "inNetwork(client, '10.0.0.0/8')", "whether an address lies in these networks"),
    (
        "matches",
        "request.path.matches('^/v[0-9]+/')",
        "whether the pattern matches somewhere in the text; bytes, ASCII classes",
    ),
    ("lowerAscii", "user.lowerAscii()", "the text with a-z for A-Z"),
    ("upperAscii", "user.upperAscii()", "the text with A-Z for a-z"),
    ("replace", "user.replace('@', '-at-')", "the text with the second for the first, everywhere"),
    ("join", "groups.join(', ')", "the items as one text, with this between them"),
    ("startsWith", "user.startsWith('a')", "whether the text begins so"),
    ("endsWith", "user.endsWith('a')", "whether the text ends so"),
    ("contains", "user.contains('a')", "whether this stands somewhere in the text"),
    ("size", "size(groups)", "the number of items, or of characters"),
    ("int", "int(vars.age)", "the number that a text is"),
    ("string", "string(session.level)", "the text of a number"),
    ("has", "has(request.query.page)", "whether the parameter is there"),
    ("exists", "groups.exists(g, g.startsWith('a'))", "whether it is so for one item at least"),
    ("all", "groups.all(g, g.startsWith('a'))", "whether it is so for every item"),
    (
        "exists_one",
        "groups.exists_one(g, g.startsWith('a'))",
        "whether it is so for one item exactly",
    ),
];

/// Operators of the library that are let through.
pub(super) const OPERATORS: &[&str] = &[
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::CONDITIONAL,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::INDEX,
    // Nobody can write it: macros become it.
    operators::NOT_STRICTLY_FALSE,
];

/// First words that are no values themselves.
pub const NAMESPACES: &[&str] = &["request", "session", "vars"];

impl Name {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::User
            | Self::Realm
            | Self::Master
            | Self::Client
            | Self::Method
            | Self::Host
            | Self::Path
            | Self::Scheme
            | Self::Variable(Variable { is_list: false, .. }) => Kind::Text,
            Self::Groups | Self::Variable(Variable { is_list: true, .. }) => Kind::List,
            Self::Level => Kind::Number,
            Self::Known => Kind::Bool,
            Self::Query => Kind::Map,
        }
    }

    /// Whether an expression about this can name it.
    const fn is_within(&self, reach: Reach) -> bool {
        match (self, reach) {
            (
                Self::User | Self::Realm | Self::Master | Self::Groups | Self::Variable(_),
                Reach::Identity,
            )
            | (
                Self::User
                | Self::Realm
                | Self::Master
                | Self::Groups
                | Self::Variable(_)
                | Self::Level,
                Reach::Session,
            )
            | (_, Reach::Request) => true,
            (_, Reach::Identity | Reach::Session) => false,
        }
    }

    /// Whether somebody has to be looked up for it.
    #[must_use]
    pub const fn is_of_identity(&self) -> bool {
        match self {
            Self::User
            | Self::Realm
            | Self::Master
            | Self::Groups
            | Self::Level
            | Self::Known
            | Self::Variable(_) => true,
            Self::Client | Self::Method | Self::Host | Self::Path | Self::Query | Self::Scheme => {
                false
            }
        }
    }
}

/// The fixed name or variable that is written as `text`, within reach.
fn find(text: &str, scope: Scope<'_>) -> Option<Name> {
    let exported = |name: &str| scope.variables.iter().find(|variable| *variable.name == *name);
    if let Some((_, name, _)) = NAMES.iter().find(|(written, ..)| *written == text) {
        let is_there = *name != Name::Groups || exported(GROUPS).is_some();
        return (is_there && name.is_within(scope.reach)).then(|| name.clone());
    }
    let name = text.strip_prefix("vars.").unwrap_or(text);
    // Without `vars.` the fixed names come first.
    let is_taken = text == name && NAMESPACES.contains(&text);
    exported(name).filter(|_| !is_taken).map(|variable| Name::Variable(variable.clone()))
}

/// What `expr` names, and how that is written; `None` if it is no name.
pub(super) fn named(expr: &Expr, scope: Scope<'_>) -> Option<(Name, Box<str>)> {
    let text = spelled(expr)?;
    find(&text, scope).map(|name| (name, text.into()))
}

/// Whether `text` is a name elsewhere, and out of reach here.
pub(super) fn is_out_of_reach(text: &str, scope: Scope<'_>) -> bool {
    let is_there = |reach| find(text, Scope { reach, ..scope }).is_some();
    is_there(Reach::Request) && !is_there(scope.reach)
}

/// `name`, `space.name` or `space['name']`, in its spelling with a dot.
pub(super) fn spelled(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => match &select.operand.expr {
            Expr::Ident(space) if NAMESPACES.contains(&space.as_str()) => {
                Some(format!("{space}.{}", select.field))
            }
            _ => None,
        },
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [of, key] => match (&of.expr, literal_text(&key.expr)) {
                (Expr::Ident(space), Some(key)) if NAMESPACES.contains(&space.as_str()) => {
                    Some(format!("{space}.{key}"))
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The text that is written here, if one is.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// Everything that can be named, for suggestions.
pub(super) fn known(scope: Scope<'_>) -> Vec<String> {
    let fixed = NAMES.iter().map(|(written, ..)| *written);
    let mut known: Vec<String> =
        fixed.filter(|written| find(written, scope).is_some()).map(str::to_owned).collect();
    known.extend(scope.variables.iter().map(|variable| format!("vars.{}", variable.name)));
    known
}
