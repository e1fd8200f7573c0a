//! Stretches of a file that tensors share, and which bytes of them a tensor is the first to use.
//! Reads none of them.

use std::collections::BTreeMap;

/// A stretch of the file that holds elements.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Its name for messages.
    pub name: String,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What is used, as disjoint ranges of the storage: begin → end.
    covered: BTreeMap<u64, u64>,
    used: u64,
}

impl Storage {
    /// A storage of which nothing is used yet.
    pub fn new(name: impl Into<String>, offset: u64, bytes: u64) -> Self {
        Self { name: name.into(), offset, bytes, covered: BTreeMap::new(), used: 0 }
    }

    /// Uses `needed` bytes somewhere in the `extent` bytes from `begin`, both within the storage;
    /// how many of them nothing has used before. A tensor with gaps takes its whole extent.
    pub fn claim(&mut self, begin: u64, extent: u64, needed: u64) -> u64 {
        let end = (begin + extent).min(self.bytes);
        let (mut from, mut to, mut known) = (begin, end, 0);
        // Every range that is swallowed was put in once: linear in all.
        while let Some((&other, &other_end)) = self.covered.range(..=end).next_back() {
            if other_end < begin {
                break;
            }
            known += other_end.min(end).saturating_sub(other.max(begin));
            self.covered.remove(&other);
            (from, to) = (from.min(other), to.max(other_end));
        }
        self.covered.insert(from, to);
        let fresh = end.saturating_sub(begin).saturating_sub(known).min(needed);
        self.used += fresh;
        fresh
    }

    /// Bytes that some tensor uses.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Bytes that no tensor uses.
    pub fn unused(&self) -> u64 {
        self.bytes - self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_two_tensors_share_counts_once() {
        let mut storage = Storage::new("0", 64, 100);
        assert_eq!(storage.claim(0, 40, 40), 40);
        assert_eq!(storage.claim(20, 40, 40), 20);
        assert_eq!(storage.claim(0, 60, 60), 0);
        assert_eq!((storage.used(), storage.unused()), (60, 40));
    }

    proptest! {
        #[test]
        fn ranges_count_as_if_every_byte_were_marked(
            claims in proptest::collection::vec((0_u64..50, 0_u64..50), 0..20)
        ) {
            let (mut storage, mut marks) = (Storage::new("0", 0, 100), [false; 100]);
            for (begin, extent) in claims {
                let range = &mut marks[begin as usize..(begin + extent) as usize];
                let fresh = range.iter().filter(|mark| !**mark).count() as u64;
                range.fill(true);
                prop_assert_eq!(storage.claim(begin, extent, extent), fresh);
            }
            prop_assert_eq!(storage.used(), marks.iter().filter(|mark| **mark).count() as u64);
        }
    }
}
