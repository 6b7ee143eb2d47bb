//! What a client pretends, and the application must never see (attack classes header-smuggling, forwarded-spoof,
//! daemon-parameters, cors).

use crate::asking::{
    APP, about, allowed, from_master, login, marker, never_arrives, refused, stranger,
};
use crate::fronts::Front;
use crate::support::client::Request;
use crate::support::echo::Asked;
use crate::world::{MASTER, STRANGER, World};

/// Names that only the daemon, the master or the front may send, in every spelling that an application may confuse.
const FORGED: &[(&str, &str)] = &[
    ("Auth-User", "evil"),
    ("auth-user", "evil"),
    ("AUTH-USER", "evil"),
    ("Auth_User", "evil"),
    ("AUTH_USER", "evil"),
    ("Auth.User", "evil"),
    ("auth.user", "evil"),
    ("Auth-Mail", "evil"),
    ("AUTH_MAIL", "evil"),
    ("Auth-Groups", "evil"),
    ("Auth_Groups", "evil"),
    ("Auth.Groups", "evil"),
    ("CN", "evil"),
    ("User-Email", "evil"),
    ("User_Email", "evil"),
    ("control", "evil"),
    ("X-OTP", "evil"),
    ("X-Vouchsafe-Assertion", "evil"),
    ("X-Vouchsafe-Level", "evil"),
    ("X-Vouchsafe-User", "evil"),
    ("X_Vouchsafe_User", "evil"),
    ("X-Vouchsafe-Anything", "evil"),
    ("X-Original-Method", "EVIL"),
    ("X-Original-URI", "/evil"),
    ("X-Original-URL", "/evil"),
    ("X-Forwarded-For", "192.0.2.66"),
    ("X-Forwarded-Host", "evil"),
    ("X-Forwarded-Method", "EVIL"),
    ("X-Forwarded-Proto", "evil"),
    ("X-Forwarded-Uri", "/evil"),
    ("X-Real-IP", "192.0.2.66"),
    ("Forwarded", "for=192.0.2.66"),
];

/// Nothing of a forgery, and nothing of the master's, is in what the application was asked.
#[track_caller]
fn assert_clean(asked: &Asked, client: &str) {
    for trace in ["evil", "EVIL", "192.0.2.66", "password"] {
        assert!(!asked.text().contains(trace), "{trace} in {asked:?}");
    }
    let masters = ["control", "cn", "user-email", "x-otp"];
    assert!(asked.names().iter().all(|name| !masters.contains(&name.as_str())), "{asked:?}");
    assert_eq!(asked.all("Host"), [APP]);
    assert_eq!(asked.all("X-Forwarded-For"), [client], "{asked:?}");
}

/// Sends `request` for each kind of path: it may be refused, or arrive clean.
#[track_caller]
fn arrives_clean_or_not_at_all(
    world: &World,
    front: &Front,
    client: &str,
    request: impl Fn(&str) -> Request,
) {
    for path in ["/page", "/public/page", "/assets/page"] {
        let marker = marker();
        let answer = request(&format!("{path}?{marker}")).send(front.address);
        if let Some(asked) = Asked::from(&answer) {
            assert_clean(&asked, client);
        } else {
            assert!((400..500).contains(&answer.status), "{path}: {answer}");
            assert!(!world.application.saw(&marker));
        }
    }
}

pub fn identity(world: &World, front: &Front) {
    for (name, value) in FORGED {
        let stranger = |target: &str| stranger("GET", target).header(name, value);
        arrives_clean_or_not_at_all(world, front, "127.0.0.8", stranger);
        let master = |target: &str| from_master("GET", target).header(name, value);
        arrives_clean_or_not_at_all(world, front, "127.0.0.9", master);
    }
    // All that a front lets through, at once.
    let known: Vec<_> = FORGED.iter().filter(|(name, _)| !name.contains(['_', '.'])).collect();
    let harmless = |name: &&&(&str, &str)| {
        !["Anything", "control", "CN", "User-Email", "Auth-Groups"]
            .iter()
            .any(|own| name.0.ends_with(own))
    };
    let forged: Vec<_> = known.iter().filter(harmless).map(|line| **line).collect();
    let asked = allowed(front, &from_master("GET", "/page").headers(&forged));
    assert_clean(&asked, "127.0.0.9");
    assert_eq!(asked.all("Auth-User"), ["dwho"]);
}

pub fn twice(world: &World, front: &Front) {
    for (name, value) in about("dwho") {
        for path in ["/page", "/public/page", "/assets/page"] {
            let request = from_master("GET", path).header(name, value);
            refused(front, &request, 403, "bad-request");
            let other = from_master("GET", path).header(name, "evil");
            refused(front, &other, 403, "bad-request");
        }
    }
    // A comma makes two of it for some programs; for us it is a character that no login has.
    let joined = |target: &str| stranger("GET", target).headers(&about("dwho,evil")).from(MASTER);
    never_arrives(world, front, "/page", joined);
    // Two live sessions in one request are nobody's.
    let (first, second) = (login(front, "dwho").1, login(front, "rtyler").1);
    let both = format!("vouchsafehttp={first}; vouchsafehttp={second}");
    let two = |target: &str| stranger("GET", target).header("Cookie", &both);
    let answer = never_arrives(world, front, "/page", two).unwrap();
    assert!([401, 403].contains(&answer.status), "{answer}");
    // The master's word beats the cookie of somebody else.
    let cookie = format!("vouchsafehttp={}", login(front, "rtyler").1);
    let asked = allowed(front, &from_master("GET", "/page").header("Cookie", &cookie));
    assert_eq!(asked.all("Auth-User"), ["dwho"]);
}

pub fn forwarded(world: &World, front: &Front) {
    let lies: &[(&str, &str)] = &[
        ("X-Original-URI", "/public/"),
        ("X-Original-URI", "/assets/"),
        ("X-Original-URL", "/public/"),
        ("X-Original-Method", "GET"),
        ("X-Envoy-Original-Path", "/public/"),
        ("X-Rewrite-URL", "/public/"),
        ("X-Forwarded-Uri", "/public/"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Host", "nowhere.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "127.0.0.9"),
        ("X-Forwarded-For", "127.0.0.9, 127.0.0.1"),
        ("X-Real-IP", "127.0.0.9"),
        ("Forwarded", "for=127.0.0.9;host=nowhere.example"),
        ("X-Client-IP", "127.0.0.9"),
        ("True-Client-IP", "127.0.0.9"),
        ("CF-Connecting-IP", "127.0.0.9"),
        ("X-Cluster-Client-IP", "127.0.0.9"),
    ];
    // Not the path, not the method, and nobody becomes a master by his own word.
    let masterly = |target: &str| stranger("GET", target).headers(&about("dwho")).headers(lies);
    let answer = never_arrives(world, front, "/page", masterly).unwrap();
    assert!([400, 401].contains(&answer.status), "{answer}");
    for lie in lies {
        let one =
            |target: &str| stranger("GET", target).headers(&about("dwho")).header(lie.0, lie.1);
        let answer = never_arrives(world, front, "/page", one).unwrap();
        assert!([400, 401].contains(&answer.status), "{lie:?}: {answer}");
        let post = |target: &str| from_master("POST", target).header(lie.0, lie.1).body("x");
        never_arrives(world, front, "/admin", post);
    }
    // A session of the plain cookie stays one, and its client stays its client.
    let asked = allowed(front, &from_master("GET", "/page").headers(lies));
    assert_eq!(asked.all("X-Forwarded-For"), ["127.0.0.9"], "{asked:?}");
}

pub fn parameters(world: &World, front: &Front) {
    let parameters = [
        ("X-Realm", "admin"),
        ("X-Resolver", "admin"),
        ("X-Auth-Level", "9"),
        ("X-CookieName", "x"),
        ("X-Node", "x"),
        ("X-Slave-Master-IP", "127.0.0.8"),
        ("X-Ldap-URL", "ldap://127.0.0.1"),
        ("X-Forwarded-User", "dwho"),
        ("Remote-User", "dwho"),
        ("X-Auth-Policy", "none"),
        ("User-Agent", "kube-probe/1.30"),
        ("User-Agent", "GoogleHC/1.0"),
        ("User-Agent", "ELB-HealthChecker/2.0"),
        ("User-Agent", "Prometheus/2.0"),
    ];
    for parameter in parameters {
        let request = |target: &str| stranger("GET", target).headers(&[parameter]);
        for target in ["/page?level=9&realm=x&policy=none", "/ping", "/healthz", "/metrics"] {
            let answer = never_arrives(world, front, target, request).unwrap();
            assert_eq!(answer.status, 401, "{parameter:?} {target}: {answer}");
        }
        let request = |target: &str| from_master("POST", target).headers(&[parameter]).body("x");
        never_arrives(world, front, "/admin?level=9", request);
    }
}

pub fn connection(world: &World, front: &Front) {
    for token in ["Auth-User", "X-Forwarded-For", "Cookie", "control", "close, Auth-User"] {
        let marker = marker();
        let request = from_master("GET", &format!("/page?{marker}")).header("Connection", token);
        let answer = request.send(front.address);
        if let Some(asked) = Asked::from(&answer) {
            assert_eq!(asked.all("Auth-User"), ["dwho"], "{token}: {asked:?}");
            assert_eq!(asked.all("X-Forwarded-For"), ["127.0.0.9"], "{token}: {asked:?}");
            assert!(!asked.all("Connection").concat().contains('-'), "{token}: {asked:?}");
        } else {
            assert!([400, 401].contains(&answer.status), "{token}: {answer}");
            assert!(!world.application.saw(&marker));
        }
    }
}

pub fn origin(_: &World, front: &Front) {
    for origin in ["https://evil.test", "null", "https://app.example.com.evil.test"] {
        let preflight = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        let own = |request: Request| request.header("Origin", origin);
        for request in [
            own(stranger("GET", "/page")),
            own(from_master("POST", "/admin").body("x")),
            stranger("OPTIONS", "/page").headers(&preflight),
            Request::new("OPTIONS", crate::asking::PORTAL, "/").headers(&preflight).from(STRANGER),
            own(Request::new("GET", crate::asking::PORTAL, "/").from(STRANGER)),
        ] {
            let answer = request.send(front.address);
            assert_eq!(answer.one("X-Echo"), None, "{answer}");
            assert_eq!(answer.one("Access-Control-Allow-Origin"), None, "{origin}: {answer}");
            assert_eq!(answer.one("Access-Control-Allow-Credentials"), None, "{origin}: {answer}");
        }
    }
}
