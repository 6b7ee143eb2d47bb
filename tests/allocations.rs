//! A cached decision allocates nothing: counted, in one process, over both stores.
//!
//! Requests are built before the counting starts, as the edge builds them on its stack. The only
//! allocations allowed are moka's own housekeeping, once in many reads.

use vouchsafe::domain::decision::{Decision, Reason};
use vouchsafe::edge::http::nginx;

use crate::installation::{Ask, Installation, Wish, at, exports};

#[path = "decisions/installation.rs"]
#[expect(dead_code, reason = "shared with tests/decisions, which uses more of it")]
mod installation;

/// Decisions that are counted, a millisecond apart: together within one touch interval.
const DECISIONS: usize = 10_000;
/// What moka's housekeeping may cost on average.
const MEAN: f64 = 0.02;

/// The system's allocator, counting what the current thread asks it for.
#[expect(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; every call goes to System as it came"
)]
mod counting {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    }

    struct Counting;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    /// How often this thread has allocated or reallocated so far.
    pub fn allocations() -> u64 {
        ALLOCATIONS.with(Cell::get)
    }

    fn count() {
        // A thread that is ending has no counter any more, and nobody asks for it.
        let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + 1));
    }

    // SAFETY: every method forwards its arguments to `System` unchanged and returns its result.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            count();
            // SAFETY: the caller's promises are those that `System` wants.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            count();
            // SAFETY: as above.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            count();
            // SAFETY: as above.
            unsafe { System.realloc(pointer, layout, size) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            // SAFETY: as above.
            unsafe { System.dealloc(pointer, layout) }
        }
    }
}

/// Decides about `ask` again and again; every decision's allocations, sorted.
async fn counted(installation: &Installation, ask: &Ask, reason: Reason) -> Vec<u64> {
    let (list, cookies) = (ask.list(), ask.cookie_lines());
    let request = nginx::ask(&list, &cookies, ask.from());
    let mut counts = Vec::with_capacity(DECISIONS);
    for millis in 0..1_000 {
        let decision = installation.authority.decide(&request, at(millis)).await;
        assert_eq!(decision.reason(), reason);
    }
    for millis in 1_000..1_000 + DECISIONS as u64 {
        let before = counting::allocations();
        let decision = installation.authority.decide(&request, at(millis)).await;
        let after = counting::allocations();
        assert!(matches!(decision, Decision::Allow(_)));
        counts.push(after - before);
    }
    counts.sort_unstable();
    counts
}

#[track_caller]
fn assert_frugal(what: &str, bound: f64, counts: &[u64]) {
    let (median, total) = (counts[counts.len() / 2], counts.iter().sum::<u64>());
    assert_eq!(median, 0, "{what}: a cached decision allocates");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let mean = total as f64 / counts.len() as f64;
    assert!(mean <= bound, "{what}: {mean} allocations a decision, at most {bound} are allowed");
}

async fn cached_decisions_allocate_nothing(store: &str, embedded: bool) {
    let installation = Installation::new(&Wish { embedded, ..Wish::default() });
    let id = installation.login("dwho", at(0)).await;
    let by_cookie = Ask::page("/page/a?x=1")
        .header("user-agent", "Mozilla/5.0")
        .header("accept", "text/html")
        .cookie(format!("theme=dark; sid={id}; lang=en"));
    let asserted = Ask::asserted("/page/b", "rtyler")
        .header("user-email", "rtyler@example.com")
        .header("auth-groups", "admins; users; timelords");
    let signed = by_cookie.clone().set("x-forwarded-host", "wiki.signed.example.com");
    // Its rule asks a macro and groups with conditions: by the master's word, and by the session.
    let there = |ask: Ask| ask.set("x-forwarded-host", "variables.example.com");
    let board = Ask::asserted("/board", "rtyler").header("user-email", "rtyler@board.example.com");
    let board = there(board.header("auth-groups", "admins; users; timelords"));
    let elder_id = installation.login("years900", at(0)).await;
    let elder = there(Ask::page("/group")).cookie(format!("sid={elder_id}"));
    let skipped = Ask::page("/assets/logo.png");
    let first = installation.decide(&asserted, at(0)).await;
    assert!(exports(&first).contains(&"auth-groups=admins;users;timelords".to_owned()));
    for (what, bound, ask, reason) in [
        ("cookie", MEAN, by_cookie, Reason::Session),
        ("fingerprint", MEAN, asserted, Reason::Session),
        // One cache more, which keeps house for itself.
        ("macro", 2.0 * MEAN, board, Reason::Session),
        ("group", 2.0 * MEAN, elder, Reason::Session),
        ("assertion", 2.0 * MEAN, signed, Reason::Session),
        ("skip", MEAN, skipped, Reason::Skipped),
    ] {
        let counts = counted(&installation, &ask, reason).await;
        assert_frugal(&format!("{what}, {store} store"), bound, &counts);
    }
}

#[tokio::test]
async fn a_cached_decision_over_the_memory_store_allocates_nothing() {
    cached_decisions_allocate_nothing("memory", false).await;
}

#[tokio::test]
async fn a_cached_decision_over_the_embedded_store_allocates_nothing() {
    cached_decisions_allocate_nothing("embedded", true).await;
}

#[test]
fn an_allocation_is_counted() {
    let before = counting::allocations();
    let text = std::hint::black_box("a".repeat(100));
    assert!(counting::allocations() > before, "{text}");
}
