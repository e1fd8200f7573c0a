//! The processor that the host's own stages compute on: instruction sets chosen at run time, and
//! the threads that share a batch. Knows nothing of images, models or clocks.

mod instructions;
pub(crate) mod sys;
mod threads;

pub use instructions::{InstructionSet, Instructions, Missing, Work};
pub use threads::Threads;

/// With which instructions and on how many threads a stage computes.
pub struct Cpu {
    /// Instructions.
    pub instructions: Instructions,
    /// Threads.
    pub threads: Threads,
}

impl Cpu {
    /// The calling thread alone, with these instructions.
    pub fn single(instructions: Instructions) -> Self {
        Self { instructions, threads: Threads::single() }
    }
}
