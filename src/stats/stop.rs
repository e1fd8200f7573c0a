//! When a launch has measured enough. Knows no clock: time is passed in.

use super::{
    interval::{attainable, interval_of},
    order::Sorted,
};
use crate::unit::Nanos;
use serde::{Deserialize, Serialize};

/// Stops when the interval of the median is narrow enough, within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRule {
    /// How far either end of the interval may lie from the median, relative to it; 0.01 is ±1 %.
    pub target: f64,
    /// Confidence level of the interval.
    pub level: f64,
    /// No convergence before this many samples of the steady state.
    pub min_samples: usize,
    /// Stop at this many iterations, warm-up included.
    pub max_samples: usize,
    /// No convergence before this much time.
    pub min_time: Nanos,
    /// Stop after this much time.
    pub max_time: Nanos,
}

/// What ended a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The interval of the median is as narrow as asked for.
    Converged,
    /// As many iterations as allowed.
    MaxSamples,
    /// As much time as allowed.
    MaxTime,
}

impl StopRule {
    /// Whether to stop, and why: `steady` are the samples in time order without the warm-up, `all`
    /// counts the iterations with it, `elapsed` is the time since the first began.
    pub fn decide(&self, steady: &[Nanos], all: usize, elapsed: Nanos) -> Option<Stop> {
        if steady.len() >= self.min_samples && elapsed >= self.min_time && self.converged(steady) {
            return Some(Stop::Converged);
        }
        if all >= self.max_samples {
            return Some(Stop::MaxSamples);
        }
        (elapsed >= self.max_time).then_some(Stop::MaxTime)
    }

    fn converged(&self, steady: &[Nanos]) -> bool {
        let Some(sorted) = Sorted::new(steady.to_vec()) else { return false };
        let interval = interval_of(steady, &sorted, self.level);
        let median = sorted.median();
        let reach = median.since(interval.low).max(interval.high.since(median));
        // Without the first condition two equal samples would be an interval of width zero.
        attainable(interval.effective, self.level)
            && reach.0 as f64 <= self.target * median.0 as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulate::Simulator;

    const RULE: StopRule = StopRule {
        target: 0.01,
        level: 0.95,
        min_samples: 10,
        max_samples: 1000,
        min_time: Nanos(100),
        max_time: Nanos(10_000),
    };

    fn steady(n: usize, noise: f64) -> Vec<Nanos> {
        Simulator::new(3).series(n, 0.0, noise, |_| 0.0)
    }

    #[test]
    fn a_narrow_interval_ends_the_launch() {
        assert_eq!(RULE.decide(&steady(100, 0.01), 100, Nanos(200)), Some(Stop::Converged));
        assert_eq!(RULE.decide(&steady(100, 0.50), 100, Nanos(200)), None);
    }

    #[test]
    fn minima_hold_back_convergence() {
        assert_eq!(RULE.decide(&steady(9, 0.001), 9, Nanos(200)), None);
        assert_eq!(RULE.decide(&steady(100, 0.01), 100, Nanos(99)), None);
    }

    #[test]
    fn maxima_end_what_does_not_converge_and_say_which() {
        let noisy = steady(100, 0.5);
        assert_eq!(RULE.decide(&noisy, 1000, Nanos(200)), Some(Stop::MaxSamples));
        assert_eq!(RULE.decide(&noisy, 100, Nanos(10_000)), Some(Stop::MaxTime));
        assert_eq!(RULE.decide(&[], 0, Nanos(10_000)), Some(Stop::MaxTime));
    }

    #[test]
    fn too_few_samples_for_the_level_never_converge() {
        let rule = StopRule { min_samples: 0, min_time: Nanos::ZERO, ..RULE };
        assert_eq!(rule.decide(&[], 0, Nanos(0)), None);
        assert_eq!(rule.decide(&[Nanos(5); 5], 5, Nanos(0)), None);
        assert_eq!(rule.decide(&[Nanos(5); 6], 6, Nanos(0)), Some(Stop::Converged));
    }

    #[test]
    fn correlated_samples_need_more_of_them() {
        let mut simulator = Simulator::new(5);
        let correlated = simulator.series(100, 0.9, 0.03, |_| 0.0);
        assert_eq!(RULE.decide(&steady(100, 0.03), 100, Nanos(200)), Some(Stop::Converged));
        assert_eq!(RULE.decide(&correlated, 100, Nanos(200)), None);
    }
}
