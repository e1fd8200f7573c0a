//! Calls the vector code that this processor has.
#![allow(unsafe_code)]

use super::{Keys, Numbers};
use crate::cpu::Instructions;
use std::ops::RangeInclusive;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
#[cfg(target_arch = "x86_64")]
use crate::cpu::InstructionSet;

/// Adds the first values of [`Keys::add`] and says how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn add(
    keys: &mut Keys,
    values: &[f32],
    numbers: Numbers,
    range: &RangeInclusive<f32>,
    instructions: Instructions,
) -> usize {
    match instructions.set() {
        InstructionSet::Portable => 0,
        // SAFETY: an `Instructions` of a set exists only where the processor has that set, and the
        // function asks for no more than the set has.
        InstructionSet::Avx2 => unsafe { avx2::add(keys, values, numbers, range) },
        // SAFETY: as above.
        InstructionSet::Avx512 => unsafe { avx512::add(keys, values, numbers, range) },
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn add(
    _: &mut Keys,
    _: &[f32],
    _: Numbers,
    _: &RangeInclusive<f32>,
    _: Instructions,
) -> usize {
    0
}
