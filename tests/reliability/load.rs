//! People who log in at one node, are seen by the others, and log out somewhere else, while faults happen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::account::{Account, Claim};
use crate::support::person::{Told, try_check, try_login, try_logout};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a node that was frozen may go on believing what it last heard (docs/reliability.md).
pub const GRACE: Duration = Duration::from_millis(1500);

/// Checks between a login and what follows it.
const CHECKS: usize = 6;

/// How many people come at once.
const PEOPLE: usize = 6;

/// People at work. Dropping it ends the work.
pub struct Load {
    pub account: Arc<Account>,
    nodes: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to load these nodes.
    pub fn start(nodes: Vec<SocketAddr>) -> Self {
        static USERS: AtomicUsize = AtomicUsize::new(0);
        let (account, stop) = (Arc::new(Account::default()), Arc::new(AtomicBool::new(false)));
        let threads = (0..PEOPLE).map(|person| {
            let (account, stop) = (Arc::clone(&account), Arc::clone(&stop));
            let nodes = nodes.clone();
            std::thread::spawn(move || {
                let mut turn = person;
                while !stop.load(Ordering::Relaxed) {
                    let user = format!("user{}", USERS.fetch_add(1, Ordering::Relaxed));
                    visit(&account, &nodes, user, &mut turn);
                }
            })
        });
        Self { threads: threads.collect(), account, nodes, stop }
    }

    /// Waits until so many more logins and checks have worked: the fault is over.
    pub fn wait_for_success(&self, more: u64) {
        let before = self.account.counts();
        crate::support::wait_for("people get in again", || {
            let counts = self.account.counts();
            let is_well =
                counts.logins >= before.logins + more && counts.allowed >= before.allowed + more;
            is_well.then_some(())
        });
    }

    /// Ends the load and settles the account: everybody who was told to be logged in is let in by every node, and
    /// nobody who was told to be logged out by any.
    pub fn settle(mut self) -> Arc<Account> {
        self.stop();
        let account = Arc::clone(&self.account);
        for (at, node) in self.nodes.iter().enumerate() {
            for claim in account.live() {
                let told = until_told(|| try_check(*node, &claim.ticket, PATIENCE));
                settle_live(&account, &claim, &told, &format!("at the end, node {at}"));
            }
            for (claim, since) in account.all_ended() {
                std::thread::sleep(GRACE.saturating_sub(since.elapsed()));
                let told = until_told(|| try_check(*node, &claim.ticket, PATIENCE));
                settle_ended(&account, &claim, &told, &format!("at the end, node {at}"));
            }
        }
        account
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One person from login to logout, or to staying.
fn visit(account: &Account, nodes: &[SocketAddr], user: String, turn: &mut usize) {
    // Some people never log out.
    let stays = turn.is_multiple_of(3);
    let mut next = || {
        *turn += 1;
        nodes[*turn % nodes.len()]
    };
    let claim = match try_login(next(), &user, PATIENCE) {
        Told::Yes(ticket) => Claim { user, ticket },
        Told::No(reason) => {
            account.wrong(format!("the login of {user} was refused: {reason}"));
            return;
        }
        Told::Failed(_) => {
            account.count(|counts| counts.logins_failed += 1);
            // Nobody is faster than a client that fails at once.
            std::thread::sleep(Duration::from_millis(20));
            return;
        }
    };
    account.count(|counts| counts.logins += 1);
    for _ in 0..CHECKS {
        let told = try_check(next(), &claim.ticket, PATIENCE);
        settle_live(account, &claim, &told, "in use");
    }
    if stays {
        account.keep(claim);
        return;
    }
    let at = next();
    match try_logout(at, &claim.ticket, PATIENCE) {
        Told::Yes(()) => {
            account.count(|counts| counts.logouts += 1);
            // The node that acknowledged it knows it.
            let told = try_check(at, &claim.ticket, PATIENCE);
            settle_ended(account, &claim, &told, "right after the logout");
            account.ended(claim);
        }
        // What became of it nobody can say, and nobody was told anything else.
        Told::No(_) | Told::Failed(_) => account.count(|counts| counts.logouts_failed += 1),
    }
}

fn settle_live(account: &Account, claim: &Claim, told: &Told<String>, when: &str) {
    match told {
        Told::Yes(user) if *user == claim.user => account.count(|counts| counts.allowed += 1),
        Told::Yes(user) => {
            account.count(|counts| counts.swapped += 1);
            account.wrong(format!("{when}: {} was taken for {user}", claim.user));
        }
        Told::No(reason) => {
            account.count(|counts| counts.lost += 1);
            account.wrong(format!("{when}: the session of {} is lost: {reason}", claim.user));
        }
        Told::Failed(_) => account.count(|counts| counts.unavailable += 1),
    }
}

fn settle_ended(account: &Account, claim: &Claim, told: &Told<String>, when: &str) {
    match told {
        Told::Yes(user) => {
            account.count(|counts| counts.resurrected += 1);
            account
                .wrong(format!("{when}: the ended session of {} was let in as {user}", claim.user));
        }
        Told::No(_) => {}
        Told::Failed(_) => account.count(|counts| counts.unavailable += 1),
    }
}

/// Asks until it is told something.
fn until_told(mut ask: impl FnMut() -> Told<String>) -> Told<String> {
    let end = Instant::now() + crate::support::DEADLINE;
    loop {
        let told = ask();
        if !matches!(told, Told::Failed(_)) || Instant::now() > end {
            return told;
        }
        std::thread::sleep(Duration::from_millis(50)); // the interval of the poll
    }
}
