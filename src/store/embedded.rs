//! stub
use crate::domain::time::Timestamp;
use crate::store::{Applied, Key, Record, StoreError, Write};
#[derive(Debug)]
pub struct EmbeddedStore;
impl EmbeddedStore {
    pub async fn get(&self, _: Key, _: Timestamp) -> Result<Option<Record>, StoreError> {
        todo!()
    }
    pub async fn apply(&self, _: Vec<Write>, _: Timestamp) -> Result<Applied, StoreError> {
        todo!()
    }
    pub async fn sweep(&self, _: Timestamp) -> Result<u64, StoreError> {
        todo!()
    }
    pub fn has_room(&self, _: u64) -> bool {
        todo!()
    }
}
