//! One decision in the library: `cargo bench --bench decide`.
//!
//! Criterion shows the times; the ratios at the end are what counts. Both sides of a ratio are
//! measured in turns, a slice each, so that another load on the machine hits both alike.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use vouchsafe::domain::decision::{Decision, Reason};
use vouchsafe::domain::request::AuthRequest;
use vouchsafe::edge::http::nginx;

use crate::installation::{Ask, Installation, Wish, at};

#[path = "../tests/decisions/installation.rs"]
#[expect(dead_code, reason = "shared with tests/decisions, which uses more of it")]
mod installation;

/// Sessions and applications of the large sides.
const SESSIONS: usize = 100_000;
const APPLICATIONS: usize = 1_000;
const RULES_EACH: usize = 10;
/// Slices of a ratio, and decisions in each.
const SLICES: usize = 201;
const SLICE: usize = 1_000;

/// An installation, and everything that its requests are made of.
struct Subject {
    installation: Installation,
    ask: Ask,
    hosts: Vec<String>,
    cookies: Vec<String>,
    reason: Reason,
}

impl Subject {
    /// The installation of the tests, asked for one page.
    fn usual(ask: Ask, cookies: Vec<String>, installation: Installation) -> Self {
        let hosts = vec!["app.example.com".to_owned()];
        Self { installation, ask, hosts, cookies, reason: Reason::Session }
    }

    /// Runs `work` with a closure that decides about the next request each time it is called.
    fn with<R>(&self, work: impl FnOnce(&mut dyn FnMut()) -> R) -> R {
        let list = self.ask.list();
        let base = nginx::ask(&list, &[], self.ask.from());
        let mut at = 0;
        work(&mut || {
            at += 1;
            let decision = self.decide(&base, at);
            assert_eq!(black_box(decision).reason(), self.reason);
        })
    }

    fn decide(&self, base: &AuthRequest<'_>, at_request: usize) -> Decision {
        let host = self.hosts[at_request % self.hosts.len()].as_bytes();
        let line = self.cookies.get(at_request % self.cookies.len().max(1)).map(String::as_bytes);
        let cookies: &[&[u8]] = line.as_slice();
        let request = AuthRequest { host: Ok(Some(host)), cookies, ..*base };
        now(self.installation.authority.decide(&request, at(1)))
    }
}

/// A cached decision waits for nothing.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a decision that has to wait is not cached"),
    }
}

fn page() -> Ask {
    Ask::page("/page/a?x=1").header("user-agent", "Mozilla/5.0").header("accept", "text/html")
}

/// A daemon in which so many users are logged in.
async fn with_sessions(count: usize) -> Subject {
    let wish = Wish { max_bytes: "512MiB", per_client: 10_000_000, ..Wish::default() };
    let installation = Installation::new(&wish);
    let mut cookies = Vec::with_capacity(count);
    for user in 0..count {
        cookies.push(format!("sid={}", installation.login(&format!("user{user}"), at(0)).await));
    }
    Subject::usual(page(), cookies, installation)
}

/// A daemon with so many applications of so many rules, the last of which allows; so many of them are asked.
async fn with_rules(applications: usize, rules: usize, asked: usize) -> Subject {
    let mut text = String::from(
        "listen: { public: \"127.0.0.1:0\" }\n\
         trusted_proxies: [127.0.0.0/8]\n\
         portal: { url: \"https://auth.example.com/\", domain: example.com, choice: { 2_Slave: slave } }\n\
         slave:\n  user_header: CN\n  masters:\n    \
         - { name: sso, ips: 10.0.0.1, control_header: control, control_content: opensesame }\n  \
         exported_vars: { uid: CN }\n\
         sessions: { cookie: { name: sid, secured: 0 }, key: { file: sessions.key }, store: { kind: memory } }\n\
         applications:\n",
    );
    let mut hosts = Vec::new();
    for application in 0..applications {
        let host = format!("app{application}.example.com");
        let _ = write!(
            text,
            "  - name: app{application}\n    hosts: [{host}]\n    exports: {{ Auth-User: uid }}\n    rules:\n"
        );
        for rule in 1..rules {
            let _ = writeln!(text, "      - {{ path: /part{rule}/, effect: deny }}");
        }
        text.push_str("      - { effect: allow }\n");
        if hosts.len() < asked {
            hosts.push(host);
        }
    }
    let installation = Installation::configured(&text, tempfile::tempdir().unwrap());
    let cookies = vec![format!("sid={}", installation.login("dwho", at(0)).await)];
    Subject { hosts, ..Subject::usual(page(), cookies, installation) }
}

/// Who is measured, by name.
async fn subjects() -> Vec<(&'static str, Subject)> {
    let asserted = Ask::asserted("/page/b", "rtyler")
        .header("user-email", "rtyler@example.com")
        .header("auth-groups", "admins; users; timelords");
    let by_fingerprint = Subject::usual(asserted.clone(), Vec::new(), Installation::usual());
    let _ = by_fingerprint.installation.decide(&asserted, at(0)).await;
    let skipped = Subject::usual(Ask::page("/assets/logo.png"), Vec::new(), Installation::usual());
    vec![
        ("cached cookie session", with_sessions(1).await),
        ("fingerprint session", by_fingerprint),
        ("skip", Subject { reason: Reason::Skipped, ..skipped }),
        ("1 rule", with_rules(1, 1, 1).await),
        ("10,000 rules in 1,000 applications", with_rules(APPLICATIONS, RULES_EACH, 1).await),
        ("100,000 sessions", with_sessions(SESSIONS).await),
        (
            "1,000 rules in 1,000 applications, all asked in turn",
            with_rules(APPLICATIONS, 1, APPLICATIONS).await,
        ),
        (
            "10,000 rules in 1,000 applications, all asked in turn",
            with_rules(APPLICATIONS, RULES_EACH, APPLICATIONS).await,
        ),
    ]
}

/// Median times of a decision of both, measured in turns.
fn in_turns(one: &Subject, other: &Subject) -> (Duration, Duration) {
    let slice = |decide: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..SLICE).for_each(|_| decide());
        start.elapsed() / u32::try_from(SLICE).expect("a slice is small")
    };
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    one.with(|one| {
        other.with(|other| {
            let turns = |_| (slice(&mut *one), slice(&mut *other));
            let (ones, others): (Vec<_>, Vec<_>) = (0..SLICES).map(turns).unzip();
            (median(ones), median(others))
        })
    })
}

fn print_ratio(subjects: &[(&str, Subject)], reference: usize, measured: usize) {
    let ((reference, one), (name, other)) = (&subjects[reference], &subjects[measured]);
    let (one, other) = in_turns(one, other);
    let ratio = one.as_secs_f64() / other.as_secs_f64();
    println!("{name}: {other:?}; {reference}: {one:?}; {ratio:.2} x");
}

fn decide(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let subjects = runtime.block_on(subjects());
    let _context = runtime.enter();
    for (name, subject) in &subjects {
        // The first round fills the caches.
        let rounds = subject.hosts.len().max(subject.cookies.len());
        subject.with(|decide| (0..rounds).for_each(|_| decide()));
        criterion.bench_function(name, |bench| subject.with(|decide| bench.iter(&mut *decide)));
    }
    if std::env::args().any(|argument| argument == "--bench") {
        // What rules and applications cost that are there.
        print_ratio(&subjects, 3, 4);
        // What rules cost where nothing is in the processor's caches, and what that costs by itself: the
        // exports of a thousand applications take more room than those of one.
        print_ratio(&subjects, 6, 7);
        print_ratio(&subjects, 3, 7);
        print_ratio(&subjects, 0, 5);
        print_ratio(&subjects, 0, 0);
    }
}

criterion_group!(benches, decide);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
