//! From a page to the portal and back: return URLs, pages, and browsers that go in circles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::*;

/// What a browser sends to the portal, behind the master.
pub fn browser(method: &str, target: &str) -> Request {
    Request::new(method, PORTAL, target).headers(NAVIGATION).headers(MASTER)
}

/// `url=` with `url`, as the daemon writes it.
pub fn with_return(url: &str) -> String {
    let encoded = STANDARD.encode(url);
    format!(
        "url={}",
        percent_encoding::utf8_percent_encode(&encoded, percent_encoding::NON_ALPHANUMERIC)
    )
}

/// The number of the error that a page tells about.
#[track_caller]
pub fn page_number(answer: &Answer) -> u32 {
    let html = String::from_utf8(answer.body.clone()).unwrap();
    let mark = r#"<meta name="vouchsafe-error" content=""#;
    let (_, rest) = html.split_once(mark).unwrap_or_else(|| panic!("no page: {answer}"));
    rest.split_once('"').unwrap().0.parse().unwrap()
}

/// Cookies of a client that keeps them: `name=value` pairs, deleted ones gone.
#[derive(Default)]
pub struct Jar(Vec<(String, String)>);

impl Jar {
    /// Takes what an answer sets.
    pub fn take(&mut self, answer: &Answer) {
        for line in answer.all("Set-Cookie") {
            let (name, rest) = line.split_once('=').unwrap();
            self.0.retain(|(kept, _)| kept != name);
            if !line.contains("Max-Age=0") {
                let value = rest.split(';').next().unwrap();
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The Cookie header.
    pub fn line(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Path and query of a Location that leads to `host`.
#[track_caller]
fn target_at(location: &str, host: &str) -> String {
    let url = Url::parse(location).unwrap();
    assert_eq!(url.host_str(), Some(host), "{location}");
    url[url::Position::BeforePath..].to_owned()
}

#[test]
fn a_person_comes_back_to_exactly_the_page_that_was_asked_for() {
    WORLD.behind_each(|front| {
        for target in [
            "/page?x=1",
            "/file%23a?x=1",
            "/a%3Fb",
            "/100%25",
            "/a%20b//c?q=%2F&r=a+b&s='",
            "/b%C3%BCcher?q=b%C3%BC",
        ] {
            let page = stranger("GET", target).headers(NAVIGATION);
            let challenge = refused(&page, front, 302, "login");
            let to_portal = target_at(challenge.one("Location").unwrap(), PORTAL);
            let choice = browser("GET", &to_portal).send(front);
            assert_eq!((choice.status, page_number(&choice)), (401, 9), "{choice}");
            let back = browser("GET", &format!("{to_portal}&lmAuth=2_Slave")).send(front);
            assert_eq!(back.status, 302, "{back}");
            let mut jar = Jar::default();
            jar.take(&back);
            let location = back.one("Location").unwrap();
            let quoted = target.replace('\'', "%27");
            assert_eq!(location, format!("http://{APP}{quoted}"));
            let asked = allowed(&stranger("GET", target).header("Cookie", &jar.line()), front);
            assert_eq!((asked.target(), asked.all("Auth-User")), (target, vec!["dwho"]));
        }
    });
}

#[test]
fn a_page_with_an_encoded_slash_or_parameters_is_come_back_to() {
    let config = |config: String| {
        let both = "allow_path_parameters: true\n    allow_encoded_slash: true\n    exports:";
        replace(&config, "exports:", both)
    };
    let world = World::around(Daemon::start_with(config));
    world.behind_each(|front| {
        for target in ["/group%2Fname", "/group%2fname?x=%2F", "/page;v=1/a;w?;"] {
            let page = stranger("GET", target).headers(NAVIGATION);
            let challenge = refused(&page, front, 302, "login");
            let to_portal = target_at(challenge.one("Location").unwrap(), PORTAL);
            let back = browser("GET", &format!("{to_portal}&lmAuth=2_Slave")).send(front);
            assert_eq!(back.one("Location"), Some(&*format!("http://{APP}{target}")), "{back}");
            let mut jar = Jar::default();
            jar.take(&back);
            let asked = allowed(&stranger("GET", target).header("Cookie", &jar.line()), front);
            assert_eq!((asked.target(), asked.all("Auth-User")), (target, vec!["dwho"]));
        }
        // Only one reading of it is free, and only one is the page that is closed.
        for target in ["/public%2Fx", "/assets;v=1/x"] {
            refused(&stranger("GET", target).headers(NAVIGATION), front, 302, "login");
        }
        for target in ["/x;/..%2fadmin", "/admin;v=1", "/public%2f..%2fadmin", "/;x%2Fadmin"] {
            refused(
                &from_master("POST", target).body("x"),
                front,
                403,
                if target.contains("..") { "bad-request" } else { "forbidden" },
            );
        }
    });
}

#[test]
fn the_way_back_keeps_the_port_of_the_address_bar() {
    WORLD.behind_each(|front| {
        for (host, expected) in [
            (format!("{APP}:{}", front.port()), format!("http://{APP}:{}/page", front.port())),
            (format!("{APP}:80"), format!("http://{APP}/page")),
            (APP.to_owned(), format!("http://{APP}/page")),
        ] {
            let page = Request::new("GET", &host, "/page").headers(NAVIGATION);
            let challenge = refused(&page, front, 302, "login");
            let url = Url::parse(challenge.one("Location").unwrap()).unwrap();
            let (_, encoded) = url.query_pairs().find(|(name, _)| name == "url").unwrap();
            assert_eq!(STANDARD.decode(&*encoded).unwrap(), expected.as_bytes(), "{host}");
        }
    });
}

#[test]
fn a_page_whose_address_is_too_long_to_come_back_to_leads_to_the_front_page() {
    WORLD.behind_each(|front| {
        let target = format!("/page?{}", "x".repeat(4096));
        let page = stranger("GET", &target).headers(NAVIGATION);
        let challenge = refused(&page, front, 302, "login");
        let expected = with_return(&format!("http://{APP}/"));
        assert!(challenge.one("Location").unwrap().ends_with(&expected), "{challenge}");
    });
}

/// Texts that somebody might hope to be sent to, A73 and A74: joined from parts that parsers disagree about.
fn foreign_addresses() -> Vec<String> {
    let mut addresses: Vec<String> = [
        "http://evil.test\\@app.example.com/",
        "https://app.example.com@evil.test",
        "//evil.test",
        "/\\evil.test",
        "///evil.test",
        "/%5cevil.test",
        "https:evil.test",
        "http:///evil.test",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "https://evil.test#app.example.com",
        "https://evil.test?app.example.com",
        "https://evil.test%23.app.example.com/",
        "https://app.example.com%2eevil.test/",
        "https://app.example.com%00.evil.test/",
        "https://[::ffff:127.0.0.1]/",
        "https://app.example.com。evil.test/",
        "\u{feff}https://evil.test",
        "https://app.example.com\r\nLocation: https://evil.test/",
    ]
    .map(str::to_owned)
    .into();
    let heads = ["http:", "https:", "HTTPS:", "ftp:", ""];
    let slashes = ["", "/", "//", "///", "\\\\", "/\\", "//\\", "/\t/", "/%2f/"];
    let hosts =
        ["evil.test", "evil.test\\.app.example.com", "app.example.com:x@evil.test", "evil.test:80"];
    for (head, (slash, host)) in heads
        .into_iter()
        .flat_map(|head| slashes.iter().flat_map(move |s| hosts.map(|h| (head, (*s, h)))))
    {
        addresses.push(format!("{head}{slash}{host}/x"));
    }
    addresses
}

#[test]
fn no_return_url_leads_a_browser_to_a_foreign_host() {
    let front = WORLD.fronts[0].1.address;
    let addresses = foreign_addresses();
    assert!(addresses.len() > 150);
    for address in &addresses {
        let plain = format!(
            "url={}",
            percent_encoding::utf8_percent_encode(address, percent_encoding::NON_ALPHANUMERIC)
        );
        for query in [with_return(address), plain] {
            for target in [format!("/?lmAuth=2_Slave&{query}"), format!("/logout?{query}")] {
                let answer = browser("GET", &target).send(front);
                assert!(answer.one("Location").is_none(), "{address:?} at {target}: {answer}");
                assert!(matches!(answer.status, 200 | 401), "{address:?}: {answer}");
            }
        }
    }
    // Nothing but a refusal came of the logins.
    let refusal =
        browser("GET", &format!("/?lmAuth=2_Slave&{}", with_return("//evil.test"))).send(front);
    assert_eq!((refusal.status, page_number(&refusal)), (401, 37), "{refusal}");
    assert_eq!(refusal.all("Set-Cookie"), [""; 0]);
    let foreign = with_return("https://evil.test/");
    let refusal = browser("GET", &format!("/?lmAuth=2_Slave&{foreign}")).send(front);
    assert_eq!((refusal.status, page_number(&refusal)), (401, 109), "{refusal}");
}

#[test]
fn what_a_page_shows_of_a_request_is_escaped() {
    let front = WORLD.fronts[0].1.address;
    let hostile = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for target in [
        format!("/?url={hostile}"),
        format!("/?lmAuth={hostile}"),
        format!("/?lmAuth=2_Slave&url={hostile}"),
        format!("/logout?url={hostile}&all={hostile}"),
        format!("/?{hostile}={hostile}"),
    ] {
        for headers in [&[][..], &[("Sec-Fetch-Site", "cross-site")]] {
            let answer = browser("GET", &target).headers(headers).send(front);
            let html = String::from_utf8_lossy(&answer.body);
            assert!(!html.contains("<script"), "{target}: {answer}");
            let policy = answer.one("Content-Security-Policy").unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }
}

/// A client that never returns a cookie; how many requests until something else than a redirect came.
fn rounds(front: SocketAddr, target: &str) -> (u32, Answer) {
    let mut answer = stranger("GET", target).headers(NAVIGATION).send(front);
    for request in 1..=20 {
        let Some(location) = answer.one("Location") else { return (request, answer) };
        let url = Url::parse(location).unwrap();
        let target = &url[url::Position::BeforePath..];
        answer = match url.host_str().unwrap() {
            PORTAL => browser("GET", &format!("{target}&lmAuth=2_Slave")).send(front),
            _ => stranger("GET", target).headers(NAVIGATION).send(front),
        };
    }
    panic!("still in circles: {answer}")
}

#[test]
fn a_browser_that_returns_no_cookie_is_told_why_before_it_gives_up() {
    // A76.
    WORLD.behind_each(|front| {
        let (requests, page) = rounds(front, &format!("/{}", marker()));
        assert!(requests < 20, "browsers follow 20 redirects; this took {requests}");
        assert_eq!((page.status, page_number(&page)), (403, 24), "{page}");
        assert_eq!(page.one("X-Vouchsafe-Reason"), Some("login"));
        let html = String::from_utf8(page.body).unwrap();
        assert!(html.contains("app.example.com") && html.contains("cookie"), "{html}");
    });
    let admin = WORLD.daemon.admin;
    let metrics = Request::new("GET", &admin.to_string(), "/metrics").send(admin);
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("vouchsafe_login_loops_total 2"), "{metrics}");
}

#[test]
fn thirty_tabs_that_expired_together_all_come_back() {
    // A79.
    WORLD.behind_each(|front| {
        let (mut jar, page) = (Jar::default(), format!("/{}", marker()));
        let challenges: Vec<Answer> = (0..30)
            .map(|_| refused(&stranger("GET", &page).headers(NAVIGATION), front, 302, "login"))
            .collect();
        for (tab, challenge) in challenges.iter().enumerate().rev() {
            let target = target_at(challenge.one("Location").unwrap(), PORTAL);
            let request = browser("GET", &format!("{target}&lmAuth=2_Slave"));
            let back = request.header("Cookie", &jar.line()).send(front);
            assert_eq!(back.status, 302, "tab {tab}: {back}");
            jar.take(&back);
            let asked = stranger("GET", &page).headers(NAVIGATION).header("Cookie", &jar.line());
            assert_eq!(allowed(&asked, front).all("Auth-User"), ["dwho"], "tab {tab}");
        }
    });
}
