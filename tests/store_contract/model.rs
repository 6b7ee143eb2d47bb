//! Random operations on every engine and on a `HashMap` that cannot be wrong.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Applied, Expect, Index, Record, Timestamp, Write, at, engines, key};

/// The indexes that are used.
const INDEXES: std::ops::Range<Index> = 0..3;

/// A write: number, condition, what the value consists of, how long it lives, its index.
type Draft = (u64, Expect, Option<u8>, u64, Option<Index>);

#[derive(Debug, Clone)]
enum Operation {
    Apply(Vec<Draft>),
    Get(u64),
    Sweep,
    Wait(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let expect = prop_oneof![
        4 => Just(Expect::Any),
        2 => Just(Expect::Absent),
        3 => (0..4_u64).prop_map(Expect::Revision),
    ];
    let value = prop::option::weighted(0.8, any::<u8>());
    let index = prop::option::weighted(0.8, INDEXES);
    let write = (0..4_u64, expect, value, 0..20_u64, index);
    prop_oneof![
        6 => prop::collection::vec(write, 1..4).prop_map(Operation::Apply),
        3 => (0..4_u64).prop_map(Operation::Get),
        1 => Just(Operation::Sweep),
        2 => (0..8_u64).prop_map(Operation::Wait),
    ]
}

/// What a store is, said as shortly as possible.
#[derive(Default)]
struct Model(HashMap<u64, (Record, Option<Index>)>);

impl Model {
    fn get(&self, number: u64, now: Timestamp) -> Option<Record> {
        self.0.get(&number).map(|(record, _)| record).filter(|record| record.expires > now).cloned()
    }

    fn members(&self, index: Index, now: Timestamp) -> Vec<u64> {
        let live =
            self.0.iter().filter(|(_, (record, of))| *of == Some(index) && record.expires > now);
        let mut numbers: Vec<_> = live.map(|(&number, _)| number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn apply(&mut self, batch: &[(u64, Write)], now: Timestamp) -> Applied {
        for (index, (number, write)) in batch.iter().enumerate() {
            let current = self.get(*number, now);
            let good = match write.expect {
                Expect::Any => true,
                Expect::Absent => current.is_none(),
                Expect::Revision(revision) => {
                    current.as_ref().is_some_and(|record| record.revision == revision)
                }
            };
            if !good {
                return Applied::Conflict { index, current };
            }
        }
        let mut revisions = Vec::new();
        for (number, write) in batch {
            let revision = self.get(*number, now).map_or(1, |record| record.revision + 1);
            if let Some(bytes) = write.value.clone() {
                let record = Record { bytes, expires: write.expires, revision };
                self.0.insert(*number, (record, write.index));
                revisions.push(revision);
            } else {
                self.0.remove(number);
                revisions.push(0);
            }
        }
        Applied::Done(revisions)
    }

    fn sweep(&mut self, now: Timestamp) -> u64 {
        let before = self.0.len();
        self.0.retain(|_, (record, _)| record.expires > now);
        (before - self.0.len()) as u64
    }
}

async fn compare(operations: Vec<Operation>) {
    for engine in engines() {
        let (mut model, mut millis) = (Model::default(), 0);
        for operation in &operations {
            let now = at(millis);
            match operation {
                Operation::Wait(span) => millis += span,
                Operation::Get(number) => {
                    assert_eq!(engine.get(*number, now).await, model.get(*number, now));
                }
                Operation::Sweep => {
                    let (swept, expired) =
                        (engine.store.sweep(now).await.unwrap(), model.sweep(now));
                    assert_eq!(swept, if engine.is_swept { expired } else { 0 });
                }
                Operation::Apply(writes) => {
                    let write = |&(number, expect, value, life, index): &Draft| {
                        let value = value.map(|byte| vec![byte; usize::from(byte)].into());
                        let expires = at(millis + life);
                        (number, Write { key: key(number), expect, value, expires, index })
                    };
                    let batch: Vec<_> = writes.iter().map(write).collect();
                    let writes = batch.iter().map(|(_, write)| write.clone()).collect();
                    assert_eq!(engine.apply(writes, now).await, model.apply(&batch, now));
                }
            }
            if engine.is_swept {
                assert_eq!(engine.len().await, model.0.len() as u64);
            }
            for index in INDEXES {
                let now = at(millis);
                assert_eq!(engine.members(index, now).await, model.members(index, now));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_engine_behaves_like_the_model(
        operations in prop::collection::vec(operation(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(operations));
    }
}
