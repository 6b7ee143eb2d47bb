//! docs/proxies.md: what holds behind which proxy.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cases::Case;
use crate::fronts::Front;
use crate::limits::{LIMITS, Limit};
use crate::support::programs;
use crate::world::World;

/// What came of one case behind one front.
pub enum Cell {
    /// As it must be.
    Holds,
    /// As far as the proxy can.
    Limited(&'static Limit),
    /// Not; how.
    Fails(String),
}

impl Cell {
    /// What came of trying both.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fails(how), _) | (_, Self::Fails(how)) => Self::Fails(how),
            (Self::Limited(limit), _) | (_, Self::Limited(limit)) => Self::Limited(limit),
            (Self::Holds, Self::Holds) => Self::Holds,
        }
    }
}

/// What comes of `attempt` at the case `name` behind one front; a panic is a failure.
fn cell(front: &Front, name: &str, attempt: impl FnOnce()) -> Cell {
    let begin = std::time::Instant::now();
    let result = catch_unwind(AssertUnwindSafe(attempt));
    println!("{:5} ms {}: {name}", begin.elapsed().as_millis(), front.name);
    match result {
        Ok(()) => front.limit(name).map_or(Cell::Holds, Cell::Limited),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
            Cell::Fails(text.to_owned())
        }
    }
}

/// Does `work` behind all fronts side by side; each thread bears its front's name, which then stands in front of
/// every failure.
fn behind_all<T: Send>(world: &World, work: impl Fn(&Front) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for front in &world.fronts {
            let (work, thread) = (&work, std::thread::Builder::new().name(front.name.to_owned()));
            running.push(thread.spawn_scoped(scope, move || work(front)).unwrap());
        }
        running.into_iter().map(|result| result.join().unwrap()).collect()
    })
}

/// A row: `attempt` behind all fronts at once.
pub fn cells(world: &World, name: &str, attempt: impl Fn(&Front) + Sync) -> Vec<Cell> {
    behind_all(world, |front| cell(front, name, || attempt(front)))
}

/// All cells, a row a case.
pub struct Table {
    rows: Vec<(&'static str, Vec<Cell>)>,
}

impl Table {
    /// Tries `cases` behind all fronts, one after the other behind each.
    pub fn new(world: &World, cases: &[&Case]) -> Self {
        let columns: Vec<Vec<Cell>> = behind_all(world, |front| {
            cases.iter().map(|case| cell(front, case.name, || (case.run)(world, front))).collect()
        });
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        let row = |case: &&Case| {
            let cells = columns.iter_mut().map(|column| column.next().unwrap()).collect();
            (case.name, cells)
        };
        Self { rows: cases.iter().map(row).collect() }
    }

    /// Adds a row.
    pub fn add(&mut self, name: &'static str, cells: Vec<Cell>) {
        self.rows.push((name, cells));
    }

    /// Panics with every failure; the fronts' logs follow.
    pub fn assert_nothing_fails(&self, fronts: &[Front]) {
        let mut failures = String::new();
        for (at, front) in fronts.iter().enumerate() {
            for (case, cells) in &self.rows {
                if let Cell::Fails(how) = &cells[at] {
                    writeln!(failures, "\n=== {}: {case}\n{how}", front.name).unwrap();
                }
            }
        }
        assert!(failures.is_empty(), "{failures}");
    }

    /// docs/proxies.md is what this run has shown.
    pub fn assert_page_is_fresh(&self, fronts: &[Front]) {
        let path = programs::shipped("docs/proxies.md");
        let page = self.page(fronts);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "docs/proxies.md is not what this run has shown; run UPDATE_DOCS=1 cargo test --test proxies"
        );
    }

    fn page(&self, fronts: &[Front]) -> String {
        let mut page = String::from(HEAD);
        let names: Vec<&str> = fronts.iter().map(|front| front.name).collect();
        writeln!(page, "| | {} |", names.join(" | ")).unwrap();
        writeln!(page, "| --- |{}", " :-: |".repeat(names.len())).unwrap();
        for (case, cells) in &self.rows {
            write!(page, "| {case} |").unwrap();
            for cell in cells {
                match cell {
                    Cell::Holds => page.push_str(" yes |"),
                    Cell::Limited(limit) => write!(page, " [{}] |", number(limit)).unwrap(),
                    Cell::Fails(_) => page.push_str(" **no** |"),
                }
            }
            page.push('\n');
        }
        page.push_str("\n## Limits of the proxies themselves\n\n");
        for (at, limit) in LIMITS.iter().enumerate() {
            for case in limit.cases {
                assert!(
                    self.rows.iter().any(|(name, _)| name == case),
                    "there is no case {case:?}"
                );
            }
            let fronts = limit.fronts.join(", ");
            writeln!(page, "{}. {fronts}: {}", at + 1, limit.instead).unwrap();
        }
        page.push_str(FACTORS);
        page
    }
}

fn number(limit: &Limit) -> usize {
    LIMITS.iter().position(|other| std::ptr::eq(limit, other)).unwrap() + 1
}

const HEAD: &str = "# Proxies

<!-- Generated by the tests that tried it; UPDATE_DOCS=1 cargo test --test proxies rewrites it. -->

What holds behind each proxy, with the files that are shipped for it: `nginx/`, `envoy/`, `deploy/caddy/`,
`deploy/traefik/`, `deploy/haproxy/`. Each cell was tried with the real program and the real daemon.
A number in brackets is a limit of that proxy itself, told below.

";

/// Tried by `tests/second_factor`.
const FACTORS: &str = r#"
## Requests that carry a second factor

`X-OTP` ends at every proxy. `Authorization` is the application's own, unless `factor_in_request: true` lets it carry PIN and one-time password;
then these lines keep it from the application, and make the check wait for a slow node without asking twice:

| | lines |
| --- | --- |
| nginx | `auth_factor.conf` in the `server { }`, `factor_to_app.conf` in the `location { }`; `nginx/applications.conf` has a whole one |
| Envoy | the host `programs`, in comments; the daemon itself has Envoy remove `Authorization` |
| Caddy | `request_header -Authorization`, in a comment |
| Traefik | `Authorization: ""` in `to-application`, in a comment; it waits for 30 s anyway |
| HAProxy | `authorization` in `NOT_FOR_APPLICATIONS`, and `TIMEOUT_MS = 3000` |
"#;
