//! Objects of ours that the libraries call: the log, a build's progress, calibration, layer times, and
//! memory for outputs whose size is known only when they are computed. No panic crosses into a
//! library: what panics has failed.

mod memory;
mod sys;

pub(super) use memory::{Allocator, Calibration};
pub(super) use sys::{Monitor, Profiler, logger};

use super::{Error, Progress};
use crate::cuda::DeviceSlice;
use std::ops::ControlFlow;

/// Is told how far a build is, on whatever thread the library likes.
pub type Listen<'a> = dyn FnMut(&Progress<'_>) -> ControlFlow<()> + Send + 'a;

/// Feeds a calibration: INT8 scales for a model without quantised nodes, 8.x and 10.x alone.
pub trait Calibrate {
    /// Images in a batch; that of the profile's best shapes.
    fn batch_size(&self) -> usize;

    /// The next batch: of each input the memory with its elements, which stays until the next call;
    /// none at the end.
    ///
    /// # Errors
    /// Why there is none; the build then fails with it.
    fn next(&mut self) -> Result<Option<Vec<(String, DeviceSlice<'_>)>>, Error>;

    /// What an earlier calibration found out; with it no batch is asked for.
    fn cache(&self) -> Option<Vec<u8>>;

    /// Is given what this calibration found out.
    fn keep(&mut self, cache: &[u8]);
}
