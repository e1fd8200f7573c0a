//! The monotonic clock of the host, behind a trait so that tests can script time.

use crate::unit::Nanos;

/// Something that tells a time that never runs backwards.
pub trait Clock {
    /// Time since an origin of the clock's own.
    fn now(&self) -> Nanos;
}

/// `CLOCK_MONOTONIC`, the clock that time synchronisation may slew but never sets.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock(());

#[cfg(unix)]
impl MonotonicClock {
    /// The system's clock.
    pub fn new() -> Self {
        Self(())
    }
}

#[cfg(unix)]
impl Clock for MonotonicClock {
    fn now(&self) -> Nanos {
        // As `Instant` reads it, without the detour through a difference and a `Duration`, which
        // takes a third longer.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

/// The system's monotonic clock, counted from the clock's making.
#[cfg(not(unix))]
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock(std::time::Instant);

#[cfg(not(unix))]
impl MonotonicClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self(std::time::Instant::now())
    }
}

#[cfg(not(unix))]
impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(unix))]
impl Clock for MonotonicClock {
    fn now(&self) -> Nanos {
        // 2^64 ns are 584 years.
        Nanos(self.0.elapsed().as_nanos() as u64)
    }
}
