//! Calls the vector code that this processor has.
#![allow(unsafe_code)]

use super::{Columns, Source};
use crate::cpu::{InstructionSet, Instructions};

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Makes the first columns of [`super::pairs`] and says how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn pairs<const SHIFT: u32>(
    columns: &Columns<2>,
    source: Source<'_>,
    instructions: Instructions,
    planes: &mut [&mut [i16]; 3],
) -> usize {
    match instructions.set() {
        InstructionSet::Portable => 0,
        InstructionSet::Avx512 if columns.widest <= avx512::WINDOW => {
            // SAFETY: an `Instructions` of a set exists only where the processor has that set, and
            // the function asks for no more than the set has.
            unsafe { avx512::pairs::<SHIFT>(columns, source, planes) }
        }
        InstructionSet::Avx2 | InstructionSet::Avx512 => {
            // SAFETY: as above; AVX-512 includes AVX2.
            unsafe { avx2::pairs::<SHIFT>(columns, source, planes) }
        }
    }
}

/// Makes the first columns of [`super::quads`] and says how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn quads(
    columns: &Columns<4>,
    source: Source<'_>,
    instructions: Instructions,
    planes: &mut [&mut [f32]; 3],
) -> usize {
    match instructions.set() {
        InstructionSet::Portable => 0,
        InstructionSet::Avx512 if columns.widest <= avx512::WINDOW => {
            // SAFETY: as in `pairs`.
            unsafe { avx512::quads(columns, source, planes) }
        }
        InstructionSet::Avx2 | InstructionSet::Avx512 => {
            // SAFETY: as in `pairs`.
            unsafe { avx2::quads(columns, source, planes) }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn pairs<const SHIFT: u32>(
    _: &Columns<2>,
    _: Source<'_>,
    _: Instructions,
    _: &mut [&mut [i16]; 3],
) -> usize {
    0
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn quads(
    _: &Columns<4>,
    _: Source<'_>,
    _: Instructions,
    _: &mut [&mut [f32]; 3],
) -> usize {
    0
}
