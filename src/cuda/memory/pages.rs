//! Pages of the host that are locked where they lie, so that a card reads what others have written
//! there: no copy is made that an application would not make.

use super::sys::Registration;
use crate::cuda::{Context, Error};
use std::ops::Range;

/// Smallest page; larger ones are multiples of it.
const PAGE: usize = 4096;

/// Pages that are locked until this is dropped.
#[derive(Debug, Default)]
pub struct LockedPages {
    ranges: Vec<Range<usize>>,
    held: Vec<Registration>,
}

impl LockedPages {
    /// Locks the pages of these pieces of memory, unless they are those that are locked already, which
    /// is told by their addresses: their owner frees them after `self` is dropped, or gives other
    /// pieces first, as a card would go on reading pages that were freed.
    ///
    /// # Errors
    /// The driver's word.
    pub fn hold<'a>(
        &mut self,
        context: &Context,
        pieces: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<(), Error> {
        let locked = |piece: &[u8]| {
            let wanted = pages(piece);
            self.ranges.iter().any(|range| range.start <= wanted.start && wanted.end <= range.end)
        };
        if pieces.clone().all(locked) {
            return Ok(());
        }
        // Given back first: pages that are locked cannot be locked again.
        self.held.clear();
        self.ranges = merged(pieces.map(pages).collect());
        let lock = |range: &Range<usize>| Registration::new(context, range.start, range.len());
        self.held = self.ranges.iter().map(lock).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// Addresses of the pages that hold `piece`.
fn pages(piece: &[u8]) -> Range<usize> {
    let start = piece.as_ptr().addr();
    start / PAGE * PAGE..(start + piece.len()).next_multiple_of(PAGE)
}

/// The same addresses in ranges of which no two touch: small inputs share pages.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merged_ranges_cover_the_same_addresses_and_do_not_touch(
            starts in proptest::collection::vec((0..60_usize, 0..12_usize), 0..12)
        ) {
            let ranges: Vec<Range<usize>> =
                starts.into_iter().map(|(start, length)| start..start + length).collect();
            let merged = merged(ranges.clone());
            for address in 0..80 {
                let within = |ranges: &[Range<usize>]| ranges.iter().any(|r| r.contains(&address));
                prop_assert_eq!(within(&ranges), within(&merged));
            }
            prop_assert!(merged.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }

    #[test]
    fn a_piece_lies_within_its_pages() {
        let memory = vec![0_u8; 3 * PAGE];
        let piece = &memory[10..PAGE + 11];
        let pages = pages(piece);
        assert!(pages.start.is_multiple_of(PAGE) && pages.end.is_multiple_of(PAGE));
        assert!(pages.contains(&piece.as_ptr().addr()));
        assert!(pages.end >= piece.as_ptr().addr() + piece.len());
    }
}
