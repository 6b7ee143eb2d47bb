//! How version 0.1 of the embedded store reads and writes its file, frozen: what is written now must be the same to it.
//!
//! Not to be changed when the store is: this is what it is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

pub type Key = [u8; 32];

const RECORDS: TableDefinition<&Key, &[u8]> = TableDefinition::new("records");
const EXPIRIES: TableDefinition<(u64, &Key), ()> = TableDefinition::new("expiries");
const MEMBERS: TableDefinition<(u64, &Key), ()> = TableDefinition::new("members");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// A record as version 0.1 understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub expires: u64,
    pub revision: u64,
    pub index: Option<u64>,
    pub bytes: Vec<u8>,
}

/// All that it finds in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Content {
    pub newest: u64,
    pub records: BTreeMap<Key, Record>,
    pub expiries: BTreeSet<(u64, Key)>,
    pub members: BTreeSet<(u64, Key)>,
}

/// Opens a file as version 0.1 does: all of it is verified.
fn open(path: &Path) -> Database {
    let mut builder = Database::builder();
    builder.set_cache_size(64 * 1024 * 1024).set_check_integrity_on_open(true);
    builder.create(path).unwrap()
}

fn decode(value: &[u8]) -> Record {
    assert_eq!(value[0], 2, "the format");
    let number = |at: usize| u64::from_be_bytes(value[at..at + 8].try_into().unwrap());
    let (index, bytes) = match value[17] {
        0 => (None, &value[18..]),
        1 => (Some(number(18)), &value[26..]),
        marker => panic!("the marker {marker}"),
    };
    Record { expires: number(1), revision: number(9), index, bytes: bytes.to_vec() }
}

fn encode(record: &Record) -> Vec<u8> {
    let mut value = vec![2];
    value.extend(record.expires.to_be_bytes());
    value.extend(record.revision.to_be_bytes());
    value.push(u8::from(record.index.is_some()));
    value.extend(record.index.iter().flat_map(|index| index.to_be_bytes()));
    value.extend(&record.bytes);
    value
}

/// Reads all that version 0.1 reads.
pub fn read(path: &Path) -> Content {
    let database = open(path);
    let transaction = database.begin_read().unwrap();
    let meta = transaction.open_table(META).unwrap();
    let number = |row| meta.get(row).unwrap().map(|value| value.value());
    assert_eq!(number("schema"), Some(2));
    let records = transaction.open_table(RECORDS).unwrap();
    let record = |row: Result<(redb::AccessGuard<'_, &Key>, redb::AccessGuard<'_, &[u8]>), _>| {
        let (key, value) = row.unwrap();
        (*key.value(), decode(value.value()))
    };
    let rows = |table| {
        let table = transaction.open_table::<(u64, &Key), ()>(table).unwrap();
        let rows = table.iter().unwrap().map(|row| {
            let row = row.unwrap().0;
            let (number, key) = row.value();
            (number, *key)
        });
        rows.collect()
    };
    Content {
        newest: number("newest").unwrap_or(0),
        records: records.iter().unwrap().map(record).collect(),
        expiries: rows(EXPIRIES),
        members: rows(MEMBERS),
    }
}

/// Writes a record as version 0.1 does, at a time.
pub fn write(path: &Path, key: &Key, record: &Record, now: u64) {
    let database = open(path);
    let mut transaction = database.begin_write().unwrap();
    transaction.set_durability(Durability::Immediate).unwrap();
    let mut records = transaction.open_table(RECORDS).unwrap();
    let mut expiries = transaction.open_table(EXPIRIES).unwrap();
    let mut members = transaction.open_table(MEMBERS).unwrap();
    let old = records.get(key).unwrap().map(|value| decode(value.value()));
    if let Some(old) = old {
        expiries.remove((old.expires, key)).unwrap();
        old.index.map(|index| members.remove((index, key)).unwrap());
    }
    record.index.map(|index| members.insert((index, key), ()).unwrap());
    records.insert(key, encode(record).as_slice()).unwrap();
    expiries.insert((record.expires, key), ()).unwrap();
    drop((records, expiries, members));
    transaction.open_table(META).unwrap().insert("newest", now).unwrap();
    transaction.commit().unwrap();
}
