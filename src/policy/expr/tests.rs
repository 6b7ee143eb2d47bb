use proptest::prelude::*;

use super::*;
use crate::domain::explanation::Happening;
use crate::domain::identity::{IdentityView, Owner};
use crate::domain::limits::{ATTRIBUTE_BYTES, ATTRIBUTE_VALUES, EXPRESSION_PARAMETERS};
use crate::domain::location::Location;
use crate::domain::network::LOOPBACK;
use crate::domain::request::Scheme;
use crate::domain::target::{PathForms, Target};
use crate::policy::rule::clause::{Clauses, Truth, Who};
use crate::policy::rule::{Effect, Outcome, Rule, Rules};

struct Doctor;

impl IdentityView for Doctor {
    fn owner(&self) -> Owner<'_> {
        Owner { master: "sso", realm: "tardis", user: "dwho" }
    }

    fn level(&self) -> u8 {
        2
    }

    fn each_value(&self, each: &mut dyn FnMut(&str, &str)) {
        each("mail", "dwho@example.com");
        each("groups", "users");
        each("groups", "timelords");
        each("user", "a variable");
        each("odd-name", "7");
    }
}

fn variables() -> Vec<Variable> {
    let list = [
        ("mail", false),
        ("groups", true),
        ("user", false),
        ("odd-name", false),
        ("absent", false),
        ("none", true),
    ];
    list.map(|(name, is_list)| Variable { name: name.into(), is_list }).into()
}

fn compile(text: &str) -> Result<Expression, ExpressionError> {
    Expression::compile(text, &variables())
}

#[track_caller]
fn good(text: &str) -> Expression {
    compile(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn facts(who: Who<'_>) -> Facts<'_> {
    Facts {
        method: "POST",
        host: "app.example.com",
        scheme: Scheme::Https,
        query: Some(b"page=1&page=2&a%20b=c+d&flag"),
        client: LOOPBACK,
        now: crate::domain::time::Timestamp::default(),
        who,
    }
}

fn value(text: &str, who: Who<'_>) -> Result<bool, Failure> {
    good(text).holds(b"/v1/pages", &facts(who))
}

#[track_caller]
fn is(text: &str, expected: bool) {
    assert_eq!(value(text, Who::Somebody(&Doctor)), Ok(expected), "{text}");
}

#[track_caller]
fn fails(text: &str, expected: Failure) {
    assert_eq!(value(text, Who::Somebody(&Doctor)), Err(expected), "{text}");
}

#[track_caller]
fn refused(text: &str, expected: ExpressionError) {
    assert_eq!(compile(text).map(|_| ()), Err(expected), "{text}");
}

#[test]
fn every_name_has_its_value() {
    for text in [
        "user == 'dwho'",
        "realm == 'tardis'",
        "master == 'sso'",
        "groups == ['users', 'timelords']",
        "session.level == 2",
        "session.known",
        "client == '127.0.0.1'",
        "request.method == 'POST'",
        "request.host == 'app.example.com'",
        "request.path == '/v1/pages'",
        "request.scheme == 'https'",
        "request['scheme'] == 'https'",
        "request.query == {'page': ['1', '2'], 'a b': ['c d'], 'flag': ['']}",
        "request.query.page == ['1', '2']",
        "request.query['a b'][0] == 'c d'",
        "has(request.query.page) && !has(request.query.pages)",
        "'flag' in request.query",
        "mail == 'dwho@example.com'",
        "vars.mail == mail",
        "vars.user == 'a variable'",
        "vars['odd-name'] == '7' && int(vars['odd-name']) == 7",
        "vars.absent == '' && size(vars.none) == 0",
        "vars.groups == groups",
    ] {
        is(text, true);
    }
}

#[test]
fn nobody_has_no_name_no_groups_and_no_level() {
    let text = "user == '' && realm == '' && master == '' && groups == [] && session.level == 0 && !session.known && mail == ''";
    assert_eq!(value(text, Who::Nobody), Ok(true));
}

#[test]
fn every_function_says_what_it_should() {
    for (text, expected) in [
        ("inGroup('users')", true),
        ("inGroup('admins') || 'timelords' in groups", true),
        ("inGroup('user')", false),
        ("inNetwork(client, '10.0.0.0/8 127.0.0.0/8')", true),
        ("inNetwork(client, '10.0.0.0/8')", false),
        ("request.path.matches('^/v[0-9]+/')", true),
        ("request.path.matches('^/pages')", false),
        ("user.startsWith('d') && user.endsWith('o') && user.contains('wh')", true),
        ("size(groups) == 2 && groups.size() == 2 && size(user) == 4", true),
        ("string(session.level) == '2'", true),
        ("'DWhO é'.lowerAscii() == 'dwho é' && mail.upperAscii() == 'DWHO@EXAMPLE.COM'", true),
        ("groups.join(', ') == 'users, timelords' && vars.none.join(';') == ''", true),
        ("mail.replace('@', '.').replace('.', '') == 'dwhoexamplecom'", true),
        ("groups.exists(g, g.startsWith('time'))", true),
        ("groups.all(g, g.startsWith('time'))", false),
        ("groups.exists_one(g, g.matches('^time'))", true),
        ("[client, user].exists(x, x == 'dwho')", true),
        ("vars.none.all(x, x == 'never')", true),
        ("{'dwho': 'POST'}[user] == request.method", true),
        ("session.level >= 2 ? user == 'dwho' : false", true),
        ("1 + 2 * 3 - 4 / 2 % 3 == 5 && -1 < 0", true),
        ("request.method in ['GET', 'HEAD']", false),
    ] {
        is(text, expected);
    }
}

/// Every example of the documentation is an expression, alone or in a comparison.
#[test]
fn every_documented_name_and_function_exists() {
    for (name, ..) in names::NAMES {
        assert_eq!(good(&format!("{name} == {name}")).0.used.len(), 1, "{name}");
    }
    for (name, usage, _) in names::FUNCTIONS {
        assert!(usage.contains(name), "{usage}");
        let usage = usage.replace("vars.age", "vars.mail");
        good(&format!("{usage} == {usage}"));
    }
}

#[test]
fn what_cannot_be_evaluated_fails_and_says_why_without_a_value() {
    fails("request.query.nothing[0] == '1'", Failure::NoEntry);
    fails("groups[7] == 'users'", Failure::NoEntry);
    fails("user + 1 == 'x'", Failure::Types);
    fails("user < 1", Failure::Types);
    fails("1 / (session.level - 2) == 1", Failure::Arithmetic);
    fails("9223372036854775807 + session.level == 1", Failure::Arithmetic);
    fails("inNetwork(user, '10.0.0.0/8')", Failure::Address);
    fails("request.query.page[0] == '1' && inNetwork(user, '10.0.0.0/8')", Failure::Address);
    fails("{'dwho': 'users'}[user]", Failure::NotBoolean);
    let text = value("int(user) == 7", Who::Somebody(&Doctor)).unwrap_err().to_string();
    assert!(!text.contains("dwho"), "{text}");
    let path = good("request.path == '/'").holds(b"/\xff", &facts(Who::Nobody));
    assert_eq!(path, Err(Failure::Encoding));
    let many = vec!["a=b"; EXPRESSION_PARAMETERS + 1].join("&");
    let query = Facts { query: Some(many.as_bytes()), ..facts(Who::Nobody) };
    assert_eq!(good("'x' in request.query").holds(b"/", &query), Err(Failure::Parameters));
    // Who does not look at it does not care.
    assert_eq!(good("client != ''").holds(b"/\xff", &query), Ok(true));
}

#[test]
fn names_and_functions_that_do_not_exist_are_refused() {
    let name = |text: &str| match compile(text) {
        Err(ExpressionError::UnknownName { written, known }) => {
            assert!(known.contains(&"vars.mail".to_owned()), "{known:?}");
            written
        }
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(name("usr == 'dwho'"), "usr");
    assert_eq!(name("request.headers == 'a'"), "request.headers");
    assert_eq!(name("request['header'] == 'a'"), "request.header");
    assert_eq!(name("vars.mial == 'a'"), "vars.mial");
    assert_eq!(name("request == 'a'"), "request");
    assert_eq!(name("vars[user] == 'a'"), "vars");
    assert_eq!(name("int == 1"), "int");
    assert_eq!(name(".user == 'a'"), ".user");
    assert_eq!(name("groups.exists(g, g == h)"), "h");
    assert_eq!(name("groups.exists(g, g == 'a') && g == 'a'"), "g");
    let without = Expression::compile("inGroup('a') && user != ''", &[]);
    assert!(
        matches!(without, Err(ExpressionError::UnknownName { written, .. }) if written == "groups")
    );
    for text in [
        "mtches(user, 'a')",
        "user.lower() == 'a'",
        "type(user) == type(1)",
        "dyn(user) == 'a'",
        "duration('1s') == duration('1s')",
        "optional.of(user).hasValue()",
    ] {
        assert!(
            matches!(
                compile(text),
                Err(ExpressionError::UnknownFunction { .. } | ExpressionError::UnknownName { .. })
            ),
            "{text}: {:?}",
            compile(text)
        );
    }
}

#[test]
fn what_is_prepared_at_load_is_literal_and_good() {
    let matches = "request.path.matches('^/v[0-9]+/')";
    refused("user.matches(vars.mail)", ExpressionError::NotLiteral(matches));
    refused("user.matches('a' + 'b')", ExpressionError::NotLiteral(matches));
    refused("matches(user, 'a')", ExpressionError::Arguments(matches));
    refused("inGroup(user)", ExpressionError::NotLiteral("inGroup('a')"));
    for pattern in ["(", "[a", "(?:a{1000}){1000}", "\\\\w{1000}{1000}"] {
        let error = compile(&format!("user.matches('{pattern}')"));
        assert!(matches!(error, Err(ExpressionError::Pattern(_))), "{pattern}: {error:?}");
    }
    let error = compile("inNetwork(client, '10.0.0.1/8')");
    assert!(matches!(error, Err(ExpressionError::Network(_))), "{error:?}");
}

#[test]
fn a_macro_goes_through_lists_of_known_length_only() {
    for text in [
        "request.query.page.exists(p, p == '1')",
        "request.query.exists(p, p == 'page')",
        "request.query['page'].all(p, p == '1')",
        "(groups + groups).all(g, g == '1')",
        "user.all(c, c == 'd')",
        "vars.mail.exists(c, c == 'd')",
    ] {
        let error = compile(text);
        assert!(matches!(error, Err(ExpressionError::UnboundedList)), "{text}: {error:?}");
    }
    for item in ["user", "groups", "mail", "request", "vars"] {
        refused(
            &format!("groups.exists({item}, {item} == 'a')"),
            ExpressionError::Shadowed(item.to_owned()),
        );
    }
    refused("['a'].all(x, ['b'].all(x, x == 'a'))", ExpressionError::Shadowed("x".to_owned()));
    is("['a'].all(x, ['b'].all(y, x != y))", true);
}

#[test]
fn what_would_cost_too_much_is_refused_at_load() {
    refused("groups.all(g, groups.all(h, g == h))", ExpressionError::TooCostly);
    let asked = vec!["g == 'a'"; 20].join(" || ");
    refused(&format!("groups.exists(g, {asked})"), ExpressionError::TooCostly);
    let many = ["groups.exists(g, g == 'a')"; 6].join(" || ");
    refused(&many, ExpressionError::TooCostly);
    let long = format!("user == '{}'", "a".repeat(EXPRESSION_BYTES));
    refused(&long, ExpressionError::TooLong);
    let deep = format!("{}1{} == 1", "[".repeat(40), "]".repeat(40));
    refused(&deep, ExpressionError::TooDeep);
    let sum = format!("{}1 == 1", "1+".repeat(400));
    assert!(compile(&sum).is_err());
    let chain = format!("{}user == 'a'", "user == 'b' ? false : ".repeat(40));
    assert!(compile(&chain).is_err());
}

/// The worst that fits into the bounds neither overflows a thread's usual stack nor is accepted deeper.
#[test]
fn whatever_is_as_long_as_may_be_is_read_on_a_small_stack() {
    for unit in [
        "!", "-", "(", "[", "{", "a.", "a+", "a?", "a?a:", "a[", "a(", "a&&", "a||", "a in ",
        "a==", "'", "\"", "r'", "a.all(a,", "{a:", "`", "\\", "\u{e9}", "1", "0x", ".", "\n", "//",
    ] {
        for end in ["", "a", "1"] {
            let text = format!("{}{end}", unit.repeat((EXPRESSION_BYTES - end.len()) / unit.len()));
            let _ = compile(&text);
        }
    }
    for depth in 0..=EXPRESSION_DEPTH {
        let text = format!("{}true{}", "!(".repeat(depth), ")".repeat(depth));
        if let Ok(expression) = compile(&text) {
            assert_eq!(expression.holds(b"/", &facts(Who::Nobody)), Ok(depth % 2 == 0));
        }
    }
    let many = vec!["user == 'a'"; 60].join(" || ");
    is(&many, false);
}

#[test]
fn what_is_never_true_or_false_is_refused() {
    for text in [
        "'a'",
        "1",
        "user",
        "groups",
        "session.level",
        "1 + 1",
        "size(user)",
        "[true]",
        "{}",
        "null",
        "user && true",
        "!groups",
        "request.query",
        "true ? 'a' : 'b'",
        "-1",
    ] {
        refused(text, ExpressionError::NotBoolean);
    }
    for text in ["true", "session.known", "!session.known", "user == 'a' ? true : session.known"] {
        good(text);
    }
}

#[test]
fn a_text_that_is_no_expression_is_told_where() {
    refused("", ExpressionError::Empty);
    refused(" \n", ExpressionError::Empty);
    for text in
        ["user ==", "user = 'a'", "(user", "user 'a'", "a.?b", "a[?b]", "[?a]", "&&", "user == 'a"]
    {
        match compile(text) {
            Err(ExpressionError::Syntax(text)) => assert!(!text.contains('\n'), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in ["groups.map(g, g + g) == []", "groups.filter(g, g == 'a') == []"] {
        refused(text, ExpressionError::Unsupported("`map` and `filter`"));
    }
    refused("User{name: 'a'} == user", ExpressionError::Unsupported("structures"));
}

#[test]
fn an_expression_knows_whether_it_asks_who_it_is() {
    for (text, expected) in [
        ("request.method == 'GET' && inNetwork(client, '::1')", false),
        ("has(request.query.page)", false),
        ("inGroup('a')", true),
        ("request.path == '/' || session.known", true),
        ("'a' in vars.groups", true),
        ("mail == ''", true),
    ] {
        assert_eq!(good(text).asks_who(), expected, "{text}");
        let clauses = Clauses { when: Some(good(text)), ..Clauses::default() };
        let is_unknown = clauses.hold(b"/", &facts(Who::Unasked), &mut Happening) == Truth::Unknown;
        assert_eq!(is_unknown, expected, "{text}");
    }
}

fn rule(path: &str, when: Option<Expression>, effect: Effect, line: u32) -> Rule {
    let paths = [crate::policy::rule::clause::PathClause::Prefix(path.as_bytes().into())].into();
    let clauses = Clauses { paths, when, ..Clauses::default() };
    Rule { clauses, effect, at: Location { line, column: 1 } }
}

/// An expression in which the library panics.
fn faulty() -> Expression {
    let Ok(mut compiled) = Arc::try_unwrap(good("user.matches('a')").0) else { panic!() };
    for (_, literal) in &mut compiled.literals {
        *literal = Literal::Panic;
    }
    Expression(Arc::new(compiled))
}

/// R4, A45.
#[test]
fn a_panic_of_the_library_denies_and_leaves_everything_as_it_was() {
    let shared = faulty();
    let rules = Rules::new(Box::new([
        rule("/faulty", Some(shared.clone()), Effect::Skip, 7),
        rule("/", Some(good("session.level == 2")), Effect::Skip, 8),
    ]));
    let on = |path: &str| {
        let target = Target::parse(path.as_bytes(), PathForms::STRICT).unwrap();
        rules.outcome(&target, &facts(Who::Somebody(&Doctor)), &mut Happening)
    };
    let failed =
        Outcome::Failed { at: rules.iter().next().unwrap().at, failure: Failure::Panicked };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(on("/faulty"), failed);
                    assert!(matches!(on("/x"), Outcome::Matched(_)));
                }
            });
        }
    });
    // A parser that panics is a refusal.
    assert_eq!(
        caught(|| panic!("a fault in the parser")).unwrap_or(Err(ExpressionError::Unreadable)),
        Err::<(), _>(ExpressionError::Unreadable)
    );
    good("user == 'a'");
}

#[test]
fn a_rule_that_fails_stops_the_walk_and_is_as_strict_as_a_denial() {
    let broken = || Some(good("groups[7] == 'a'"));
    let rules = Rules::new(Box::new([
        rule("/a", Some(good("user == 'nobody-else'")), Effect::Deny, 1),
        rule("/a;x", broken(), Effect::Skip, 2),
        rule("/", None, Effect::Skip, 3),
    ]));
    let outcome = |path: &str| {
        let target = Target::parse(path.as_bytes(), PathForms::ALL).unwrap();
        rules.outcome(&target, &facts(Who::Somebody(&Doctor)), &mut Happening)
    };
    let failed = Outcome::Failed { at: rules.iter().nth(1).unwrap().at, failure: Failure::NoEntry };
    // One form of the path is `/a`, which the last rule would take.
    assert_eq!(outcome("/a;x"), failed);
    assert!(matches!(outcome("/a"), Outcome::Matched(_)));
    // What does not hold anyway is not asked.
    let mut never = rule("/", broken(), Effect::Skip, 1);
    never.clauses.methods = Some([Box::from("GET")].into());
    assert_eq!(never.clauses.hold(b"/", &facts(Who::Somebody(&Doctor)), &mut Happening), Truth::No);
}

/// Expressions that mostly compile.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "user",
        "groups",
        "vars.mail",
        "mail",
        "session.level",
        "session.known",
        "client",
        "request.path",
        "request.query",
        "request.query.page",
        "request.query['a b']",
        "'a'",
        "''",
        "1",
        "0",
        "-1",
        "2u",
        "1.5",
        "true",
        "null",
        "b'a'",
        "[]",
        "{}",
        "9223372036854775807",
        "'\\u00e9'",
        "-9223372036854775808",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            (
                pair.clone(),
                prop::sample::select(vec![
                    "==", "!=", "<", ">=", "&&", "||", "in", "+", "-", "*", "/", "%"
                ])
            )
                .prop_map(|((a, b), op)| format!("({a}) {op} ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            inner.clone().prop_map(|a| format!("size({a})")),
            inner.clone().prop_map(|a| format!("int({a})")),
            inner.clone().prop_map(|a| format!("string({a})")),
            inner.clone().prop_map(|a| format!("({a}).matches('a')")),
            inner.clone().prop_map(|a| format!("inNetwork({a}, '10.0.0.0/8')")),
            pair.clone().prop_map(|(a, b)| format!("({a}).startsWith({b})")),
            pair.clone().prop_map(|(a, b)| format!("({a}).contains({b})")),
            pair.clone().prop_map(|(a, b)| format!("({a})[{b}]")),
            pair.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            pair.clone().prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            (pair, inner.clone()).prop_map(|((a, b), c)| format!("({a}) ? ({b}) : ({c})")),
            inner.clone().prop_map(|a| format!("groups.exists(g, g == {a})")),
            inner.prop_map(|a| format!("['a', 'b'].all(x, x == {a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_compiler_panic(text in "\\PC{0,60}") {
        prop_assert_ne!(compile(&text).err(), Some(ExpressionError::Unreadable));
    }

    #[test]
    fn no_mixture_of_words_makes_the_compiler_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "user", "groups", "request", ".", "query", "(", ")", "[", "]", "{", "}", ",", ":", "?", "==", "&&", "||", "!", "-",
            "'a'", "1", "all", "exists", "has", "matches", "in", "g", "b'", "r\"", "'''", "\\", "/*", "//", "`", "@", "true",
        ]), 0..16),
    ) {
        prop_assert_ne!(compile(&words.join(" ")).err(), Some(ExpressionError::Unreadable));
        prop_assert_ne!(compile(&words.concat()).err(), Some(ExpressionError::Unreadable));
    }

    #[test]
    fn no_expression_panics_on_any_request(
        text in expression(),
        path in "/\\PC{0,20}",
        query in "\\PC{0,40}",
        is_somebody in any::<bool>(),
    ) {
        let compiled = compile(&text);
        prop_assert_ne!(compiled.as_ref().err(), Some(&ExpressionError::Unreadable));
        if let Ok(expression) = compiled {
            let who = if is_somebody { Who::Somebody(&Doctor) } else { Who::Nobody };
            let facts = Facts { query: Some(query.as_bytes()), ..facts(who) };
            let value = expression.holds(path.as_bytes(), &facts);
            prop_assert_ne!(value, Err(Failure::Panicked), "{}", text);
        }
    }
}

/// What an expression makes of the doctor, within `reach`.
fn made(text: &str, reach: Reach) -> Result<Made, Failure> {
    let scope = Scope { variables: &variables(), reach };
    let value = ValueExpression::compile(text, scope).unwrap_or_else(|e| panic!("{text}: {e}"));
    value.of(&Doctor)
}

#[test]
fn a_value_is_a_text_or_a_list_of_texts() {
    let text = |text: &str| Ok(Made::Text(text.into()));
    let list = |items: &[&str]| Ok(Made::List(items.iter().map(|&item| item.into()).collect()));
    for (written, expected) in [
        ("user", text("dwho")),
        ("user + '/' + realm + '/' + master", text("dwho/tardis/sso")),
        ("size(groups)", text("2")),
        ("1.5", text("1.5")),
        ("-1", text("-1")),
        ("user == 'dwho'", text("true")),
        ("inGroup('users') ? mail : ''", text("dwho@example.com")),
        ("vars.absent", text("")),
        ("'  a b '", text("a b")),
        ("groups[1]", text("timelords")),
        ("groups", list(&["users", "timelords"])),
        ("groups + [user, 7, true, '', ' ']", list(&["users", "timelords", "dwho", "7", "true"])),
        ("user == 'dwho' ? ['a'] : vars.none", list(&["a"])),
        ("[]", list(&[])),
        // Of something else there is no text, and half a list would be another list.
        ("{'dwho': ['a']}[user]", Err(Failure::Types)),
        ("user == 'dwho' ? ['a'] : 'a'", Err(Failure::Types)),
        ("['a', ['b']]", Err(Failure::Types)),
        ("null", Err(Failure::Types)),
        ("b'a'", Err(Failure::Types)),
        ("1.0 / 0.0", Err(Failure::Arithmetic)),
        ("1 / 0", Err(Failure::Arithmetic)),
        ("groups[7]", Err(Failure::NoEntry)),
    ] {
        assert_eq!(made(written, Reach::Identity), expected, "{written}");
    }
    assert_eq!(made("string(session.level)", Reach::Session), text("2"));
}

#[test]
fn what_is_made_is_bounded() {
    let long =
        "user.replace('dwho', 'a23456789012345678901234567890123456789012345678901234567890')";
    let grown = |times: usize| format!("{long}{}", ".replace('a', 'aaaaaaaaa')".repeat(times));
    let size = |made: Result<Made, Failure>| made.map(|made| made.values()[0].len());
    assert_eq!(size(made(long, Reach::Identity)), Ok(60));
    assert_eq!(size(made(&grown(3), Reach::Identity)), Ok(60 - 1 + 729));
    // One more is a function's own result that is too large, or the whole.
    for times in [4, 5, 20] {
        assert_eq!(made(&grown(times), Reach::Identity), Err(Failure::TooLarge), "{times}");
    }
    let items = vec!["user"; 100].join(", ");
    assert_eq!(made(&format!("[{items}]"), Reach::Identity).map(|m| m.values().len()), Ok(100));
    let wide = format!("[{}]", vec![long.replace("dwho", "d"); 9].join(", "));
    assert!(made(&wide, Reach::Identity).is_ok());
    let wide = format!("[{}].join('')", grown(3).replace("user", "user + user"));
    assert!(made(&wide, Reach::Identity).is_ok());
}

#[test]
fn what_may_change_is_out_of_reach_where_it_is_made_once() {
    let compiled = |text: &str, reach| {
        let variables = variables();
        let scope = Scope { variables: &variables, reach };
        ValueExpression::compile(text, scope).map(drop)
    };
    for (text, of_a_session) in [
        ("client", false),
        ("request.path", false),
        ("request['method']", false),
        ("session.known", false),
        ("session.level", true),
    ] {
        for (reach, is_known) in
            [(Reach::Identity, false), (Reach::Session, of_a_session), (Reach::Request, true)]
        {
            match compiled(text, reach) {
                Ok(()) => assert!(is_known, "{text} {reach:?}"),
                Err(error @ ExpressionError::OutOfReach { .. }) => {
                    assert!(!is_known, "{text} {reach:?}");
                    assert!(error.to_string().contains("use one of user, realm, master, groups"));
                }
                Err(other) => panic!("{text}: {other}"),
            }
        }
    }
    let error = compiled("usr", Reach::Identity).unwrap_err();
    assert!(matches!(error, ExpressionError::UnknownName { .. }));
    assert_eq!(compiled("request.query", Reach::Request), Err(ExpressionError::NotText));
    assert_eq!(compiled("{'a': 'b'}", Reach::Identity), Err(ExpressionError::NotText));
}

#[test]
fn functions_that_change_texts_take_literals_and_their_own_kind() {
    refused("groups.join(user) == 'a'", ExpressionError::NotLiteral("groups.join(', ')"));
    let replace = "user.replace('@', '-at-')";
    refused("user.replace(realm, 'a') == 'a'", ExpressionError::NotLiteral(replace));
    refused("user.replace('a', realm) == 'a'", ExpressionError::NotLiteral(replace));
    refused("user.replace('', 'a') == 'a'", ExpressionError::NotLiteral(replace));
    refused("user.lowerAscii('a') == 'a'", ExpressionError::Arguments("user.lowerAscii()"));
    refused("lowerAscii(user) == 'a'", ExpressionError::Arguments("user.lowerAscii()"));
    fails("user.join(';') == 'a'", Failure::Types);
    fails("groups.lowerAscii() == 'a'", Failure::Types);
    fails("[1, 2].join(';') == 'a'", Failure::Types);
    fails("groups.replace('a', 'b') == 'a'", Failure::Types);
}

proptest! {
    #[test]
    fn any_text_is_refused_or_makes_something_bounded(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "user", "groups", "mail", "none", "[", "]", "(", ")", " + ", ", ", "'a;b'", " ? ", " : ", "7",
                ".join(';')", ".lowerAscii()", ".replace('a', 'bb')", "[0]", " == ", "{", "}", "null",
            ]),
            1..12,
        ),
    ) {
        let (text, variables) = (parts.concat(), variables());
        let scope = Scope { variables: &variables, reach: Reach::Identity };
        if let Ok(value) = ValueExpression::compile(&text, scope)
            && let Ok(made) = value.of(&Doctor)
        {
            let bytes: usize = made.values().iter().map(|value| value.len()).sum();
            prop_assert!(bytes <= ATTRIBUTE_BYTES && made.values().len() <= ATTRIBUTE_VALUES);
            prop_assert!(made.values().iter().all(|value| !value.is_empty()));
            prop_assert_eq!(value.is_list(), matches!(made, Made::List(_)));
        }
    }
}
