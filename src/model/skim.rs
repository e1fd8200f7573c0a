//! A large file of which only a little is looked at, here and there. Reads nothing itself.

use crate::os::MappedFile;
use std::cell::Cell;

/// Bytes passed over after which the memory of what was read is given back. Around each place that is
/// looked at the system may hold megabytes, so not much more than this is ever held.
const STEP: u64 = 16 << 20;

/// The bytes of a file, and how far it has been walked over.
#[derive(Debug)]
pub struct Skim<'a> {
    bytes: &'a [u8],
    file: Option<&'a MappedFile>,
    passed: Cell<u64>,
}

impl<'a> Skim<'a> {
    /// Of a file.
    pub fn file(file: &'a MappedFile) -> Self {
        Self { file: Some(file), ..Self::bytes(file) }
    }

    /// Of what is in memory anyway.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self { bytes, file: None, passed: Cell::new(0) }
    }

    /// All bytes.
    pub fn all(&self) -> &'a [u8] {
        self.bytes
    }

    /// Says that a place was looked at and `bytes` after it were passed over, so that memory stays small however
    /// many of them there are.
    pub fn pass(&self, bytes: u64) {
        self.passed.set(self.passed.get().saturating_add(bytes));
        if self.passed.get() >= STEP {
            self.passed.set(0);
            if let Some(file) = self.file {
                file.forget();
            }
        }
    }
}
