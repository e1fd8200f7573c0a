//! The monotonic clock of the host, behind a trait so that tests can script time.

use crate::unit::Nanos;
use std::time::Instant;

/// Something that tells a time that never runs backwards.
pub trait Clock {
    /// Time since an origin of the clock's own.
    fn now(&self) -> Nanos;
}

/// `CLOCK_MONOTONIC` or the system's like, counted from the clock's making.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock(Instant);

impl MonotonicClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Nanos {
        // 2^64 ns are 584 years.
        Nanos(self.0.elapsed().as_nanos() as u64)
    }
}
