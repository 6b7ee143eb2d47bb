//! What the embedded store promises alone: durability, and refusal of files that are not its own.

use std::collections::HashMap;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{
    Applied, EmbeddedStore, Expect, Index, NOW, StoreError, Timestamp, Write, at, delete, key,
    member, numbers, put, record,
};

/// Names the file to a child process of this test binary.
const CHILD: &str = "VOUCHSAFE_TEST_STORE";

/// Writers in the child.
const WRITERS: u64 = 8;

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    (folder, path)
}

/// The message with all its causes, as it is printed.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[track_caller]
fn refused_as_corrupt(path: &Path) {
    let error = EmbeddedStore::open(path).expect_err("the file was taken");
    let message = chain(&error);
    assert!(matches!(error, StoreError::Corrupt(_)), "{message}");
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(message.contains("move it aside"), "{message}");
}

/// A closed store with a few hundred records, all of one group.
async fn fill(path: &Path) {
    let store = EmbeddedStore::open(path).unwrap();
    let value = "v".repeat(300);
    let write = |number| member(7, put(number, Expect::Any, &value, at(1000)));
    let batch = (0..500).map(write).collect();
    store.apply(batch, NOW).await.unwrap();
}

#[tokio::test]
async fn a_reopened_store_has_everything() {
    let (_folder, path) = scratch();
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(store.newest_time(), Timestamp::default());
    store.apply(vec![put(1, Expect::Any, "a", at(10))], NOW).await.unwrap();
    store
        .apply(vec![put(1, Expect::Any, "b", at(10)), put(2, Expect::Any, "c", at(9))], NOW)
        .await
        .unwrap();
    store
        .apply(vec![put(3, Expect::Any, "d", at(9)), delete(2, Expect::Any)], at(5))
        .await
        .unwrap();
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(store.get(key(1), NOW).await.unwrap(), Some(record("b", at(10), 2)));
    assert_eq!(store.get(key(2), NOW).await.unwrap(), None);
    assert_eq!(store.get(key(3), NOW).await.unwrap(), Some(record("d", at(9), 1)));
    assert_eq!(store.len().await.unwrap(), 2);
    assert_eq!(store.sweep(at(9)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_reopened_store_has_every_member_where_it_was() {
    let (_folder, path) = scratch();
    let store = EmbeddedStore::open(&path).unwrap();
    let write = |index, number| member(index, put(number, Expect::Any, "x", at(10)));
    store.apply((1..=5).map(|number| write(7, number)).collect(), NOW).await.unwrap();
    let none = put(3, Expect::Any, "x", at(10));
    store.apply(vec![write(8, 1), delete(2, Expect::Any), none, write(7, 4)], NOW).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(numbers(&store.members(7, NOW).await.unwrap()), [4, 5]);
    assert_eq!(numbers(&store.members(8, NOW).await.unwrap()), [1]);
    store.sweep(at(10)).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(numbers(&store.members(7, NOW).await.unwrap()), [0; 0]);
}

#[tokio::test]
async fn the_newest_time_survives_and_never_goes_back() {
    let (_folder, path) = scratch();
    let store = EmbeddedStore::open(&path).unwrap();
    store.apply(vec![put(1, Expect::Any, "a", at(100))], at(50)).await.unwrap();
    store.apply(vec![put(1, Expect::Any, "b", at(100))], at(20)).await.unwrap();
    store.apply(vec![put(1, Expect::Absent, "c", at(100))], at(70)).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(store.newest_time(), at(50), "a conflict commits nothing");
    store.sweep(at(100)).await.unwrap();
    drop(store);
    assert_eq!(EmbeddedStore::open(&path).unwrap().newest_time(), at(100));
}

#[tokio::test]
async fn what_is_queued_when_the_store_is_dropped_is_written() {
    let (_folder, path) = scratch();
    let store = EmbeddedStore::open(&path).unwrap();
    for number in 0..100 {
        let mut call = Box::pin(store.apply(vec![put(number, Expect::Any, "x", at(10))], NOW));
        // Handed over at the first poll; then the caller loses interest.
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending | Poll::Ready(Ok(_))));
    }
    drop(store);
    assert_eq!(EmbeddedStore::open(&path).unwrap().len().await.unwrap(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_in_a_group_leaves_no_trace_and_disturbs_nobody() {
    let (_folder, path) = scratch();
    let store = Arc::new(EmbeddedStore::open(&path).unwrap());
    store.apply(vec![put(999, Expect::Any, "there", at(10))], NOW).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        let blocker = if number % 2 == 0 { 999 } else { 1000 + number };
        let batch =
            vec![put(number, Expect::Any, "x", at(10)), put(blocker, Expect::Absent, "y", at(10))];
        calls.spawn(async move { store.apply(batch, NOW).await.unwrap() });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|a| matches!(a, Applied::Done(_))).count(), 100);
    for number in 0..200 {
        let found = store.get(key(number), NOW).await.unwrap();
        assert_eq!(found.is_some(), number % 2 == 1, "{number}");
    }
    assert_eq!(store.len().await.unwrap(), 201);
}

#[tokio::test]
async fn a_second_open_of_the_same_file_is_refused() {
    let (_folder, path) = scratch();
    let store = EmbeddedStore::open(&path).unwrap();
    let error = EmbeddedStore::open(&path).expect_err("opened twice");
    assert!(matches!(error, StoreError::Unavailable(_)));
    let message = chain(&error);
    assert!(message.contains("in use") && message.contains(path.to_str().unwrap()), "{message}");
    store.apply(vec![put(1, Expect::Any, "a", at(10))], NOW).await.unwrap();
    drop(store);
    EmbeddedStore::open(&path).unwrap();
}

#[test]
fn garbage_is_refused_and_left_as_it_was() {
    let (_folder, path) = scratch();
    let text = "# not a database\n".repeat(1000);
    for garbage in ["x", "redb", text.as_str()] {
        std::fs::write(&path, garbage).unwrap();
        refused_as_corrupt(&path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
    }
}

/// Names of the files beside `path` that were set aside.
fn aside(path: &Path) -> Vec<String> {
    let names = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("store.redb.damaged-")).collect()
}

#[tokio::test]
async fn truncated_files_are_set_aside_as_they_are() {
    let (folder, path) = scratch();
    fill(&path).await;
    let whole = std::fs::read(&path).unwrap();
    for (count, length) in (1..).zip([9, 64, 320, 4096, 8192, whole.len() / 2, whole.len() - 1]) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let store = EmbeddedStore::open(&path).unwrap();
        assert_eq!(store.len().await.unwrap(), 0, "{length}");
        drop(store);
        let aside = aside(&path);
        assert_eq!(aside.len(), count);
        let kept = |name: &String| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(aside.iter().any(|name| kept(name) == length as u64), "{length}: {aside:?}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(EmbeddedStore::open(&path).unwrap().len().await.unwrap(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_altered_pages_nothing_is_served_and_members_are_what_is_left() {
    let (_folder, path) = scratch();
    fill(&path).await;
    let whole = std::fs::read(&path).unwrap();
    let expected = record(&"v".repeat(300), at(1000), 1);
    let pages = whole.len() / 4096;
    let mut healed = 0;
    for page in (0..pages).step_by(pages.div_ceil(64)) {
        let mut altered = whole.clone();
        altered[page * 4096 + 100..page * 4096 + 2000].fill(0xA5);
        std::fs::write(&path, &altered).unwrap();
        let store = EmbeddedStore::open(&path).unwrap();
        let mut next = None;
        // Until it is looked through without an error: it is healed meanwhile.
        loop {
            match store.check(next).await.map(|checked| checked.next) {
                Ok(None) => break,
                Ok(more) => next = more,
                Err(_) => next = None,
            }
        }
        let mut left = Vec::new();
        for number in 0..500 {
            if let Some(found) = store.get(key(number), NOW).await.unwrap() {
                assert_eq!(found, expected, "page {page}: {number}");
                left.push(number);
            }
        }
        assert_eq!(numbers(&store.members(7, NOW).await.unwrap()), left, "page {page}");
        let state = store.state().await.unwrap();
        healed += state.files_aside + state.records_damaged;
        assert!(left.len() == 500 || state.files_aside + state.records_damaged > 0, "page {page}");
    }
    assert!(healed > 0);
}

/// Not a test of its own: the process that is killed in the test below.
#[test]
fn a_child_that_writes_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "how the test tells its own child")]
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = Arc::new(EmbeddedStore::open(Path::new(&path)).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write_forever(Arc::clone(&store), writer));
        }
        writers.join_all().await
    });
}

/// What the child's write of this turn belongs to.
fn index_of(turn: u64) -> Option<Index> {
    (!turn.is_multiple_of(5)).then_some(turn % 5)
}

async fn write_forever(store: Arc<EmbeddedStore>, writer: u64) {
    let begin = store.newest_time().as_millis().saturating_sub(NOW.as_millis());
    for turn in begin + 1.. {
        let number = (turn % 50) * WRITERS + writer;
        let ends = turn % 3 == 0;
        let value = format!("{turn}");
        let write = if ends {
            delete(number, Expect::Any)
        } else {
            let index = index_of(turn);
            Write { index, ..put(number, Expect::Any, &value, at(1_000_000_000)) }
        };
        let applied = store.apply(vec![write], at(turn)).await.unwrap();
        assert!(matches!(applied, Applied::Done(_)));
        // One write call on a pipe: a line is there whole or not at all.
        println!("answered {number} {turn} {}", if ends { "end" } else { "put" });
    }
}

/// Lets a child write to `path`, kills it after `answers` answers, and returns the last one of each
/// key: the turn, and whether the record is there.
fn kill_a_writer(path: &Path, answers: usize) -> HashMap<u64, (u64, bool)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::a_child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = HashMap::new();
    let mut note = |line: String| {
        let Some(rest) = line.split_once("answered ").map(|(_, rest)| rest) else { return 0 };
        let words: Vec<_> = rest.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        last.insert(number(0), (number(1), words[2] == "put"));
        1
    };
    let mut seen = 0;
    while seen < answers {
        seen += note(lines.next().expect("the child ended early").unwrap());
    }
    child.kill().unwrap();
    // What was answered before the kill but not read yet counts as well.
    lines.map_while(Result::ok).for_each(|line| {
        note(line);
    });
    assert!(!child.wait().unwrap().success());
    last
}

/// The turn in which the child wrote what is there.
async fn turn_of(store: &EmbeddedStore, number: u64) -> Option<u64> {
    let found = store.get(key(number), NOW).await.unwrap()?;
    Some(std::str::from_utf8(&found.bytes).unwrap().parse().unwrap())
}

async fn members_agree_with_records(store: &EmbeddedStore) {
    let mut expected = HashMap::<_, Vec<_>>::new();
    for number in 0..50 * WRITERS {
        if let Some(turn) = turn_of(store, number).await {
            expected.entry(index_of(turn)).or_default().push(number);
        }
    }
    for index in 0..5 {
        let members = numbers(&store.members(index, NOW).await.unwrap());
        assert_eq!(members, expected.remove(&Some(index)).unwrap_or_default(), "{index}");
    }
}

#[tokio::test]
async fn a_writer_killed_with_sigkill_loses_nothing_that_was_answered() {
    let (_folder, path) = scratch();
    for round in 0..3 {
        let answered = kill_a_writer(&path, 400);
        let store = EmbeddedStore::open(&path).unwrap();
        for (number, (turn, there)) in answered {
            let found_turn = turn_of(&store, number).await;
            // A later turn may have been written without its answer coming through.
            let good = match found_turn {
                Some(found) => found > turn || (found == turn && there),
                None => !there || (turn + 50).is_multiple_of(3),
            };
            assert!(good, "round {round}: {number} at {turn} {there}, found {found_turn:?}");
        }
        assert!(store.newest_time() > NOW);
        members_agree_with_records(&store).await;
    }
}
