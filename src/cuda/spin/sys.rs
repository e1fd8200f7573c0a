//! Launches the kernel with the arguments that it has.
#![allow(unsafe_code)]

use super::SOURCE;
use crate::cuda::{
    ComputeCapability, Context, DeviceMemory, Error, Function, Module, Stream, nvrtc::Nvrtc,
};

/// The kernel, loaded on a card.
#[derive(Debug)]
pub struct Spin {
    function: Function,
    result: DeviceMemory,
}

impl Spin {
    /// Compiles and loads it.
    ///
    /// # Errors
    /// Without NVRTC, or with one that knows no such card; the driver's word.
    pub fn new(context: &Context, card: ComputeCapability) -> Result<Self, Error> {
        let cubin = Nvrtc::open()?.compile(SOURCE, card)?;
        let function = Module::load(context, &cubin)?.function(c"spin")?;
        Ok(Self { function, result: DeviceMemory::new(context, size_of::<u64>())? })
    }

    /// Hands it to a stream: `steps` of arithmetic, then until `nanos` have passed.
    ///
    /// # Errors
    /// The driver's word.
    pub fn launch(&self, stream: &Stream, steps: u64, nanos: u64) -> Result<(), Error> {
        let mut arguments = [steps, nanos, self.result.slice().address()];
        // SAFETY: the kernel in `spin.cu` takes these three, each of 64 bits.
        unsafe { stream.launch_kernel(&self.function, [1, 1], [1, 1], &mut arguments) }
    }
}
