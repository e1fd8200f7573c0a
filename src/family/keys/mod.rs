//! The best of many values, of which few matter: those above a floor as keys that order as the
//! values do. Of equal values the lower index goes first.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod sys;

use crate::cpu::Instructions;
use std::{cmp::Reverse, ops::RangeInclusive};

/// Keys ordered at a time: mostly the best few decide, and the rest is never sorted.
const FIRST_CHUNK: usize = 1024;

/// Values looked at together; a vector register of any instruction set holds no more.
const RUN: usize = 16;

/// The highest bit: set in keys of values that are not negative.
const SIGN: u32 = 1 << 31;

/// A value and its index: the value's bits, so changed that they order as the values do, then the
/// complement of the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64);

/// Keys of the values above a floor; keeps its memory from image to image.
#[derive(Default)]
pub(super) struct Keys {
    /// With room for more after the first `count`.
    slots: Vec<Key>,
    count: usize,
}

/// Numbers of consecutive values: the first's, and the distance from one to the next.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    pub first: u32,
    pub step: u32,
}

impl Key {
    pub fn new(value: f32, index: u32) -> Self {
        let bits = value.to_bits();
        let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
        Self(u64::from(ordered) << 32 | u64::from(!index))
    }

    pub fn value(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(if ordered & SIGN == 0 { !ordered } else { ordered ^ SIGN })
    }

    pub fn index(self) -> u32 {
        !(self.0 as u32)
    }
}

impl Keys {
    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// All keys, in no order.
    pub fn all(&mut self) -> &mut [Key] {
        &mut self.slots[..self.count]
    }

    /// Adds the values in `range`; NaN is in none.
    pub fn add(
        &mut self,
        values: &[f32],
        numbers: Numbers,
        range: RangeInclusive<f32>,
        instructions: Instructions,
    ) {
        let done = sys::add(self, values, numbers, &range, instructions);
        let mut number = numbers.first.wrapping_add(numbers.step.wrapping_mul(done as u32));
        for run in values[done..].chunks(RUN) {
            // Without an early exit this compiles to vector comparisons; most runs have none.
            if run.iter().fold(false, |any, value| any | range.contains(value)) {
                for (&value, number) in run.iter().zip(steps(number, numbers.step)) {
                    if range.contains(&value) {
                        self.push(Key::new(value, number));
                    }
                }
            }
            number = number.wrapping_add(numbers.step.wrapping_mul(RUN as u32));
        }
    }

    fn push(&mut self, key: Key) {
        self.room()[0] = key;
        self.count += 1;
    }

    /// Places for the keys of a run after those there are.
    fn room(&mut self) -> &mut [Key] {
        if self.slots.len() < self.count + RUN {
            self.slots.resize((2 * self.count).max(FIRST_CHUNK) + RUN, Key::default());
        }
        &mut self.slots[self.count..]
    }

    /// The keys from the best down, ordering ever larger chunks as they are needed.
    pub fn best_first(&mut self) -> impl Iterator<Item = Key> {
        let mut rest = self.all();
        let mut chunk = FIRST_CHUNK;
        std::iter::from_fn(move || {
            let keys = std::mem::take(&mut rest);
            if keys.is_empty() {
                return None;
            }
            let count = chunk.min(keys.len());
            chunk *= 2;
            let (next, later) = best(keys, count);
            rest = later;
            next.sort_unstable_by_key(|&key| Reverse(key));
            Some(&*next)
        })
        .flatten()
        .copied()
    }
}

fn steps(first: u32, step: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(first), move |&number| Some(number.wrapping_add(step)))
}

/// The best `count` of `keys`, of which there are at least as many, and the others.
pub(super) fn best(keys: &mut [Key], count: usize) -> (&mut [Key], &mut [Key]) {
    if 0 < count && count < keys.len() {
        keys.select_nth_unstable_by_key(count - 1, |&key| Reverse(key));
    }
    keys.split_at_mut(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => (-8..8_i8).prop_map(|n| f32::from(n) / 8.0),
            1 => any::<f32>(),
            1 => prop::sample::select(&[f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY][..]),
            1 => prop::sample::select(&[0.0, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX][..]),
        ]
    }

    #[test]
    fn a_key_holds_value_and_index_and_orders_as_they_do() {
        let values = [f32::NEG_INFINITY, -2.0, -0.0, 0.0, 1e-40, 3.0, f32::INFINITY];
        for (order, &value) in values.iter().enumerate() {
            let key = Key::new(value, 7);
            assert_eq!((key.value().to_bits(), key.index()), (value.to_bits(), 7));
            assert!(key < Key::new(value, 6));
            assert!(values[..order].iter().all(|&lower| Key::new(lower, 0) < key));
        }
    }

    proptest! {
        #[test]
        fn what_lies_in_the_range_is_found_by_every_instruction_set(
            values in prop::collection::vec(value(), 0..200),
            start in value(),
            end in value(),
            first: u32,
            step in 0..100_u32,
            before in 0..3000_usize,
        ) {
            let expected: Vec<Key> = values
                .iter()
                .enumerate()
                .filter(|&(_, &value)| value >= start && value <= end)
                .map(|(index, &value)| {
                    Key::new(value, first.wrapping_add(step.wrapping_mul(index as u32)))
                })
                .collect();
            for instructions in Instructions::available() {
                let mut keys = Keys::default();
                (0..before).for_each(|_| keys.push(Key::default()));
                keys.add(&values, Numbers { first, step }, start..=end, instructions);
                prop_assert_eq!(&keys.all()[before..], &expected, "{:?}", instructions);
            }
        }

        #[test]
        fn the_best_come_first(indices in prop::collection::vec((-99..99_i8, any::<u32>()), 0..5000)) {
            let mut keys = Keys::default();
            let mut expected: Vec<Key> =
                indices.iter().map(|&(value, index)| Key::new(f32::from(value), index)).collect();
            expected.iter().for_each(|&key| keys.push(key));
            expected.sort_by_key(|&key| Reverse(key));
            prop_assert_eq!(keys.best_first().collect::<Vec<_>>(), expected);
        }
    }
}
