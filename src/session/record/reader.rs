//! Reading what records are packed from, without trusting any length in it.
//!
//! Must not know: what stands where in a record.

use crate::domain::factor::Factor;
use crate::domain::time::Timestamp;
use crate::session::record::CorruptRecord;

/// The bytes that are left.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], CorruptRecord> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CorruptRecord)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], CorruptRecord> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CorruptRecord)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next length or number.
    pub fn length(&mut self) -> Result<u16, CorruptRecord> {
        Ok(u16::from_le_bytes(*self.array()?))
    }

    /// The next `length` bytes as a text.
    pub fn text(&mut self, length: u16) -> Result<&'a str, CorruptRecord> {
        std::str::from_utf8(self.take(usize::from(length))?).map_err(|_| CorruptRecord)
    }

    /// The next factor.
    pub fn factor(&mut self) -> Result<Factor<'a>, CorruptRecord> {
        let at = Timestamp::from_millis(u64::from_le_bytes(*self.array()?));
        let mut text = || self.length().and_then(|length| self.text(length));
        Factor::new(text()?, text()?, text()?, at).map_err(|_| CorruptRecord)
    }
}
