//! Sessions: records and their codec, cookies, fingerprints, and the cache in front of a store.

pub mod settings;
