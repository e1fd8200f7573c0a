//! Several independent launches of one cell: where their medians lie and how far they scatter.

use super::log::{LogMoments, student_reach, time};
use crate::unit::Nanos;
use serde::{Deserialize, Serialize};

/// The typical launch of a cell, from the medians of independent launches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaunchInterval {
    /// Geometric mean of the launch medians.
    pub median: Nanos,
    /// Lower end of its interval.
    pub low: Nanos,
    /// Upper end of its interval.
    pub high: Nanos,
    /// Standard deviation of the logarithms of the launch medians; 0.01 is 1 % between launches.
    pub spread: f64,
}

/// Interval over launches by Student's t on log medians; `None` for fewer than two launches.
///
/// The centre is the geometric mean, not the median of the medians: Student's interval belongs to
/// it and covers with five launches, where a distribution-free interval of the median cannot
/// reach 95 %; and it is what [`welch_ratio`](super::welch_ratio) divides. A median of 0 ns counts
/// as 1 ns.
pub fn across_launches(medians: &[Nanos], level: f64) -> Option<LaunchInterval> {
    let logs = LogMoments::of(medians)?;
    let reach = student_reach(logs.freedom(), level) * logs.squared_error().sqrt();
    Some(LaunchInterval {
        median: time(logs.mean),
        low: time(logs.mean - reach),
        high: time(logs.mean + reach),
        spread: logs.variance.sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulate::Simulator;

    #[test]
    fn the_interval_is_that_of_scipy() {
        // y = np.log([1000000, 1020000, 990000, 1005000, 1013000])
        // np.exp([y.mean(), *scipy.stats.t.interval(0.95, 4, y.mean(), scipy.stats.sem(y))])
        // y.std(ddof=1)
        let medians = [1_000_000, 1_020_000, 990_000, 1_005_000, 1_013_000].map(Nanos);
        let found = across_launches(&medians, 0.95).unwrap();
        assert_eq!([found.median.0, found.low.0, found.high.0], [1_005_547, 991_252, 1_020_048]);
        assert!((found.spread - 0.011_531_329_420_361_39).abs() < 1e-12);
    }

    #[test]
    fn one_launch_has_no_spread() {
        assert_eq!(across_launches(&[], 0.95), None);
        assert_eq!(across_launches(&[Nanos(5)], 0.95), None);
    }

    #[test]
    fn extreme_launches_stay_within_range() {
        let equal = across_launches(&[Nanos(1_000_000); 5], 0.95).unwrap();
        assert_eq!([equal.median, equal.low, equal.high], [Nanos(1_000_000); 3]);
        assert_eq!(equal.spread, 0.0);
        let wild = across_launches(&[Nanos(0), Nanos(u64::MAX)], 1.0).unwrap();
        assert!(wild.low < wild.median && wild.median < wild.high && wild.spread.is_finite());
    }

    #[test]
    fn the_interval_covers_at_its_level() {
        let covered = |seed: &u64| {
            let medians = Simulator::new(*seed).series(5, 0.0, 0.02, |_| 0.0);
            let found = across_launches(&medians, 0.95).unwrap();
            found.low <= Nanos(1_000_000) && Nanos(1_000_000) <= found.high
        };
        let share = (0..2000).filter(covered).count() as f64 / 2000.0;
        assert!((0.935..0.965).contains(&share), "{share}");
    }
}
