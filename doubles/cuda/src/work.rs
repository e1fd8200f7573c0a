//! Work that a stream does: what it changes and how long it takes. Knows no streams and no graphs.

use crate::{
    block,
    code::{Answer, Code},
    kernels::Call,
    memory::Memory,
};
use trtbench_double_script::Timing;

/// One piece of work. Addresses are the host's own, on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A copy from the host.
    ToDevice { to: u64, from: u64, bytes: usize },
    /// A copy to the host.
    ToHost { to: u64, from: u64, bytes: usize },
    /// Bytes of the card's memory are set.
    Fill { to: u64, value: u8, bytes: usize },
    /// A kernel runs, and computes where there is code for it.
    Kernel { name: String, code: Option<Call> },
}

impl Work {
    /// How long it takes, in nanoseconds.
    pub fn duration_ns(&self, timing: &Timing) -> u64 {
        match self {
            Self::ToDevice { bytes, .. } => timing.host_to_device.duration_ns(*bytes as u64),
            Self::ToHost { bytes, .. } => timing.device_to_host.duration_ns(*bytes as u64),
            Self::Fill { .. } => timing.memset_ns,
            Self::Kernel { name, .. } => timing.kernel(name),
        }
    }

    /// Whether all that it touches is there.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` for a null pointer of the host and for a range that is not within
    /// one allocation of a card.
    pub fn check(&self, memory: &Memory) -> Answer<()> {
        let (device, host, bytes) = match *self {
            Self::ToDevice { to, from, bytes } => (to, from, bytes),
            Self::ToHost { to, from, bytes } => (from, to, bytes),
            // The card's own memory is no null pointer.
            Self::Fill { to, bytes, .. } => (to, to, bytes),
            Self::Kernel { .. } => return Ok(()),
        };
        let there = bytes == 0 || (host != 0 && memory.on_card(device, bytes));
        if there { Ok(()) } else { Err(Code::ERROR_INVALID_VALUE) }
    }

    /// Does it. It was checked before.
    #[allow(unsafe_code, reason = "C callers hand over addresses")]
    pub fn perform(&self) {
        match *self {
            // SAFETY: the range on the card was checked; the caller of the C function vouches for
            // that on the host until the work is done.
            Self::ToDevice { to, from, bytes } | Self::ToHost { to, from, bytes } => unsafe {
                block::copy(to, from, bytes);
            },
            // SAFETY: the range on the card was checked.
            Self::Fill { to, value, bytes } => unsafe { block::fill(to, value, bytes) },
            Self::Kernel { ref code, .. } => {
                if let Some(call) = code {
                    call.make();
                }
            }
        }
    }
}
