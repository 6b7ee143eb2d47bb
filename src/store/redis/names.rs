//! How records and indexes are called in Redis, and in which of a cluster's slots they lie.
//!
//! The partition stands in braces in every name, so that all of it lies in one slot.

use data_encoding::HEXLOWER;

use crate::store::{Index, Key, Partition, partition_of};

/// How many partitions there are.
pub(super) const PARTITIONS: usize = 256;

/// The names that begin with one prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: Box<str>,
}

impl Names {
    pub(super) const fn new(prefix: Box<str>) -> Self {
        Self { prefix }
    }

    /// What all names of records begin with.
    pub(super) fn records(&self) -> String {
        format!("{}:s:", self.prefix)
    }

    /// What all names of indexes begin with.
    pub(super) fn indexes(&self) -> String {
        format!("{}:i:", self.prefix)
    }

    /// Where changed keys are published.
    pub(super) fn changes(&self) -> String {
        format!("{}:changes", self.prefix)
    }

    pub(super) fn record(&self, key: &Key) -> String {
        let [partition, ..] = key;
        format!("{}:s:{{{partition:02x}}}:{}", self.prefix, HEXLOWER.encode(key))
    }

    pub(super) fn index(&self, index: Index) -> String {
        format!("{}:i:{{{:02x}}}:{index:016x}", self.prefix, partition_of(index))
    }

    /// The key of the record that is called so.
    pub(super) fn key_of(&self, name: &[u8]) -> Option<Key> {
        let key = unhex(name.get(name.len().checked_sub(64)?..)?)?;
        (self.record(&key).as_bytes() == name).then_some(key)
    }
}

/// A key in hexadecimal digits.
pub(super) fn unhex(digits: &[u8]) -> Option<Key> {
    HEXLOWER.decode(digits).ok()?.try_into().ok()
}

/// The slot of everything in this partition: CRC-16 of what stands in the braces.
///
/// Source: Redis Cluster specification, "Key distribution model" and "Hash tags".
pub(super) fn slot(partition: Partition) -> u16 {
    let tag = format!("{partition:02x}");
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_change() {
        let names = Names::new("vouchsafe".into());
        let mut key = [0; 32];
        (key[0], key[31]) = (0xAB, 1);
        let zeros = "0".repeat(60);
        assert_eq!(names.record(&key), format!("vouchsafe:s:{{ab}}:ab{zeros}01"));
        assert_eq!(names.index(0xCD00_0000_0000_0002), "vouchsafe:i:{cd}:cd00000000000002");
    }

    #[test]
    fn only_the_name_of_a_record_has_a_key() {
        let names = Names::new("v".into());
        let key = [0xAB; 32];
        let name = names.record(&key);
        assert_eq!(names.key_of(name.as_bytes()), Some(key));
        assert_eq!(Names::new("w".into()).key_of(name.as_bytes()), None);
        assert_eq!(names.key_of(name.replace("{ab}", "{ac}").as_bytes()), None);
        assert_eq!(names.key_of(name.to_uppercase().as_bytes()), None);
        for name in ["", "v:s:", "v:i:{00}:0000000000000000"] {
            assert_eq!(names.key_of(name.as_bytes()), None);
        }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        // What `CLUSTER KEYSLOT` says of `00`, `7f` and `ff`.
        assert_eq!([slot(0x00), slot(0x7F), slot(0xFF)], [13254, 4194, 11756]);
    }
}
