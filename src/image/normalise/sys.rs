//! Calls the vector code that this processor has.
#![allow(unsafe_code)]

use super::Plane;
use crate::cpu::Instructions;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
#[cfg(target_arch = "x86_64")]
use crate::cpu::InstructionSet;

/// Looks up the first of `levels` and says how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn look_up(
    plane: &Plane,
    levels: &[u8],
    instructions: Instructions,
    values: &mut [f32],
) -> usize {
    match instructions.set() {
        InstructionSet::Portable => 0,
        // SAFETY: an `Instructions` of a set exists only where the processor has that set, and the
        // function asks for no more than the set has.
        InstructionSet::Avx2 => unsafe { avx2::look_up(plane, levels, values) },
        // SAFETY: as above.
        InstructionSet::Avx512 => unsafe { avx512::look_up(&plane.bytes, levels, values) },
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn look_up(_: &Plane, _: &[u8], _: Instructions, _: &mut [f32]) -> usize {
    0
}
