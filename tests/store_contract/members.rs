//! The secondary index, over every engine: a group is its live records, at every moment.

use std::sync::Arc;

use super::{
    Applied, Assurance, Engine, Expect, NOW, StoreError, Timestamp, at, delete, engines, member,
    put,
};
use vouchsafe::domain::limits::RECORD_BYTES;

/// The last index of the partition of [`key`](super::key).
const LAST: u64 = (1 << 56) - 1;

/// The members of 7 and of 8.
async fn sevens_and_eights(engine: &Engine, now: Timestamp) -> (Vec<u64>, Vec<u64>) {
    (engine.members(7, now).await, engine.members(8, now).await)
}

#[tokio::test]
async fn a_group_is_all_the_records_of_its_index_and_no_others() {
    for engine in engines() {
        assert_eq!(engine.members(7, NOW).await, [0; 0]);
        let mut batch: Vec<_> =
            (0..300).map(|n| member(7, put(n, Expect::Any, "x", at(10)))).collect();
        batch.push(put(300, Expect::Any, "of no group", at(10)));
        batch.push(member(6, put(301, Expect::Any, "before", at(10))));
        batch.push(member(8, put(302, Expect::Any, "after", at(10))));
        batch.push(member(0, put(303, Expect::Any, "first", at(10))));
        batch.push(member(LAST, put(304, Expect::Any, "last", at(10))));
        engine.apply(batch, NOW).await;
        assert_eq!(engine.members(7, NOW).await, (0..300).collect::<Vec<_>>());
        for (index, number) in [(6, 301), (8, 302), (0, 303), (LAST, 304)] {
            assert_eq!(engine.members(index, NOW).await, [number], "{}", engine.name);
        }
        assert_eq!(engine.members(9, NOW).await, [0; 0]);
    }
}

#[tokio::test]
async fn a_member_is_one_until_exactly_its_expiry() {
    for engine in engines() {
        let batch = vec![
            member(7, put(1, Expect::Any, "x", at(10))),
            member(7, put(2, Expect::Any, "x", at(11))),
            member(7, put(3, Expect::Any, "expired already", NOW)),
        ];
        engine.apply(batch, NOW).await;
        assert_eq!(engine.members(7, NOW).await, [1, 2]);
        assert_eq!(engine.members(7, at(9)).await, [1, 2]);
        assert_eq!(engine.members(7, at(10)).await, [2]);
        assert_eq!(engine.members(7, at(11)).await, [0; 0]);
        if engine.is_swept {
            engine.store.sweep(at(10)).await.unwrap();
            assert_eq!(engine.members(7, NOW).await, [2], "{}", engine.name);
        }
    }
}

#[tokio::test]
async fn a_replaced_record_belongs_where_its_new_value_does() {
    for engine in engines() {
        let write = || put(1, Expect::Any, "x", at(10));
        for (write, sevens, eights) in [
            (member(7, write()), vec![1], vec![]),
            (member(7, write()), vec![1], vec![]),
            (member(8, write()), vec![], vec![1]),
            (write(), vec![], vec![]),
            (member(7, write()), vec![1], vec![]),
        ] {
            engine.apply(vec![write], NOW).await;
            assert_eq!(sevens_and_eights(&engine, NOW).await, (sevens, eights));
        }
        // Expired, and not swept.
        engine.apply(vec![member(8, put(1, Expect::Absent, "new", at(30)))], at(10)).await;
        assert_eq!(sevens_and_eights(&engine, at(10)).await, (vec![], vec![1]));
        assert_eq!(sevens_and_eights(&engine, NOW).await, (vec![], vec![1]));
    }
}

#[tokio::test]
async fn a_deleted_record_is_no_member_whatever_the_deletion_names() {
    for engine in engines() {
        let writes = || {
            vec![
                member(7, put(1, Expect::Any, "x", at(10))),
                member(7, put(2, Expect::Any, "x", at(10))),
            ]
        };
        engine.apply(writes(), NOW).await;
        let deletions = vec![member(8, delete(1, Expect::Any)), member(7, delete(2, Expect::Any))];
        engine.apply(deletions.clone(), NOW).await;
        assert_eq!(sevens_and_eights(&engine, NOW).await, (vec![], vec![]));
        engine.apply(deletions, NOW).await;
        assert_eq!(sevens_and_eights(&engine, NOW).await, (vec![], vec![]));
        engine.apply(writes(), NOW).await;
        assert_eq!(sevens_and_eights(&engine, NOW).await, (vec![1, 2], vec![]));
    }
}

#[tokio::test]
async fn of_a_batch_that_names_a_key_twice_the_last_index_counts() {
    for engine in engines() {
        let write = |index, number| member(index, put(number, Expect::Any, "x", at(10)));
        let batch = vec![
            write(7, 1),
            write(8, 1),
            write(7, 2),
            delete(2, Expect::Any),
            write(7, 3),
            put(3, Expect::Any, "x", at(10)),
            delete(4, Expect::Any),
            write(8, 4),
        ];
        engine.apply(batch, NOW).await;
        assert_eq!(sevens_and_eights(&engine, NOW).await, (vec![], vec![1, 4]));
    }
}

#[tokio::test]
async fn a_batch_that_is_not_applied_moves_nobody() {
    for engine in engines() {
        engine.apply(vec![member(7, put(1, Expect::Any, "x", at(10)))], NOW).await;
        let batch = |last| {
            let one = member(8, put(1, Expect::Revision(1), "x", at(10)));
            vec![one, member(8, put(2, Expect::Absent, "x", at(10))), last]
        };
        for conflict in [put(1, Expect::Absent, "x", at(10)), delete(3, Expect::Revision(1))] {
            let applied = engine.apply(batch(conflict), NOW).await;
            assert!(matches!(applied, Applied::Conflict { index: 2, .. }), "{applied:?}");
            assert_eq!(sevens_and_eights(&engine, NOW).await, (vec![1], vec![]));
        }
        let oversized = put(3, Expect::Any, &"x".repeat(RECORD_BYTES + 1), at(10));
        let refused = engine.store.apply(batch(oversized), Assurance::Confirmed, NOW).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(sevens_and_eights(&engine, NOW).await, (vec![1], vec![]));
    }
}

#[tokio::test]
async fn sweeping_leaves_the_living_members_of_a_large_group() {
    for engine in engines().into_iter().filter(|engine| engine.is_swept) {
        // More than one of the embedded store's bounded transactions takes.
        let batch = |from, to, expires| {
            (from..to).map(|n| member(7, put(n, Expect::Any, "x", expires))).collect::<Vec<_>>()
        };
        engine.apply(batch(0, 2500, at(10)), NOW).await;
        engine.apply(batch(0, 20, at(20)), NOW).await;
        assert_eq!(engine.members(7, at(9)).await.len(), 2500);
        assert_eq!(engine.store.sweep(at(10)).await.unwrap(), 2480);
        assert_eq!(engine.members(7, NOW).await, (0..20).collect::<Vec<_>>());
        assert_eq!(engine.store.sweep(at(20)).await.unwrap(), 20);
        assert_eq!(engine.members(7, NOW).await, [0; 0], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_handed_from_record_to_record_always_has_one() {
    for engine in engines() {
        engine.apply(vec![member(7, put(0, Expect::Any, "x", at(10)))], NOW).await;
        let store = Arc::clone(&engine.store);
        let writer = tokio::spawn(async move {
            for number in 0..200 {
                // The end in front of the beginning: who saw half of it would see nobody.
                let end = match number % 3 {
                    0 => delete(number, Expect::Any),
                    1 => put(number, Expect::Any, "ended", at(10)),
                    _ => member(8, put(number, Expect::Any, "elsewhere", at(10))),
                };
                let begin = member(7, put(number + 1, Expect::Absent, "x", at(10)));
                let applied =
                    store.apply(vec![end, begin], Assurance::Confirmed, NOW).await.unwrap();
                assert!(matches!(applied, Applied::Done(_)));
            }
        });
        while !writer.is_finished() {
            assert_eq!(engine.members(7, NOW).await.len(), 1, "{}", engine.name);
        }
        writer.await.unwrap();
        assert_eq!(engine.members(7, NOW).await, [200]);
    }
}
