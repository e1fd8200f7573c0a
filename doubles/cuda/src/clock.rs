//! The host's time on the virtual clock, in nanoseconds since the driver was loaded. The ends of
//! the streams' work are on the same clock, and kept with the streams.

use std::time::{Duration, Instant};

/// The host's clock.
#[derive(Debug)]
pub struct Clock {
    /// The latest time known to have come.
    now: u64,
    /// When it was zero; none where waiting takes no time.
    began: Option<Instant>,
}

impl Clock {
    /// A clock that begins now.
    pub fn new(pace: bool) -> Self {
        Self { now: 0, began: pace.then(Instant::now) }
    }

    /// The host's time.
    pub fn now(&mut self) -> u64 {
        if let Some(began) = self.began {
            let elapsed = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.now = self.now.max(elapsed);
        }
        self.now
    }

    /// Lets a time come. Where that takes real time, gives the moment to wait for.
    pub fn reach(&mut self, time: u64) -> Option<Instant> {
        match self.began {
            Some(began) => Some(began + Duration::from_nanos(time)),
            None => {
                self.now = self.now.max(time);
                None
            }
        }
    }

    /// Whether a time has come. Without pace it comes as soon as it is asked for.
    pub fn has_come(&mut self, time: u64) -> bool {
        self.reach(time);
        self.now() >= time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_pace_time_comes_when_it_is_waited_for() {
        let mut clock = Clock::new(false);
        assert_eq!(clock.now(), 0);
        assert_eq!(clock.reach(500), None);
        assert_eq!(clock.reach(200), None);
        assert_eq!(clock.now(), 500);
        assert!(clock.has_come(700));
        assert_eq!(clock.now(), 700);
    }

    #[test]
    fn with_pace_time_comes_by_itself() {
        let mut clock = Clock::new(true);
        let first = clock.now();
        let far = first + 3_600_000_000_000;
        assert!(!clock.has_come(far));
        assert!(clock.reach(far).is_some_and(|moment| moment > Instant::now()));
        assert!(clock.now() >= first && clock.now() < far);
    }
}
