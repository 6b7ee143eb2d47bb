//! stub
use crate::domain::time::Timestamp;
use crate::store::{Applied, Key, Record, StoreError, Write};
#[derive(Debug)]
pub struct MemoryStore;
impl MemoryStore {
    pub fn get(&self, _: &Key, _: Timestamp) -> Option<Record> {
        todo!()
    }
    pub fn apply(&self, _: Vec<Write>, _: Timestamp) -> Result<Applied, StoreError> {
        todo!()
    }
    pub fn sweep(&self, _: Timestamp) -> u64 {
        todo!()
    }
    pub fn has_room(&self, _: u64) -> bool {
        todo!()
    }
}
