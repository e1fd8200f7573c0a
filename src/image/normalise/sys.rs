//! Calls the vector code that this processor has.
#![allow(unsafe_code)]

use crate::cpu::Instructions;

#[cfg(target_arch = "x86_64")]
use super::avx512;
#[cfg(target_arch = "x86_64")]
use crate::cpu::InstructionSet;

/// Looks up the first of `levels` and says how many. `bytes` are the first to the last byte of all
/// values.
#[cfg(target_arch = "x86_64")]
pub(super) fn look_up(
    bytes: &[[u8; 256]; 4],
    levels: &[u8],
    instructions: Instructions,
    values: &mut [f32],
) -> usize {
    match instructions.set() {
        InstructionSet::Portable | InstructionSet::Avx2 => 0,
        // SAFETY: an `Instructions` of a set exists only where the processor has that set, and the
        // function asks for no more than the set has.
        InstructionSet::Avx512 => unsafe { avx512::look_up(bytes, levels, values) },
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn look_up(_: &[[u8; 256]; 4], _: &[u8], _: Instructions, _: &mut [f32]) -> usize {
    0
}
