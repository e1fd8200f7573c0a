//! The interval of a median within one launch, and the summary of a series.

use super::{correlation::correlation_time, log::sane, order::Sorted, order::tail_minimum};
use crate::unit::Nanos;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Up to here the binomial is summed exactly, beyond it the normal is right to a rank.
const EXACT: f64 = 1000.0;

/// What is reported of a series. Percentiles are nearest rank and absent below their
/// [`tail_minimum`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many samples.
    pub samples: usize,
    /// Midpoint of the two central samples.
    pub median: Nanos,
    /// Lower end of the median's interval, see [`median_interval`].
    pub ci_low: Nanos,
    /// Upper end of the median's interval.
    pub ci_high: Nanos,
    /// Arithmetic mean.
    pub mean: Nanos,
    /// Median absolute deviation, unscaled.
    pub mad: Nanos,
    /// Smallest sample.
    pub min: Nanos,
    /// 90th percentile.
    pub p90: Option<Nanos>,
    /// 95th percentile.
    pub p95: Option<Nanos>,
    /// 99th percentile.
    pub p99: Option<Nanos>,
    /// Largest sample.
    pub max: Nanos,
}

/// Interval of the median of one launch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MedianInterval {
    /// Lower end, one of the samples.
    pub low: Nanos,
    /// Upper end, one of the samples.
    pub high: Nanos,
    /// How many independent samples the series is worth, at most its length.
    pub effective: f64,
}

/// Summary of a series in time order from which the warm-up has been removed; `None` if empty.
pub fn summarise(series: &[Nanos], level: f64) -> Option<Summary> {
    let sorted = Sorted::new(series.to_vec())?;
    let interval = interval_of(series, &sorted, level);
    let tail = |q| (sorted.len() >= tail_minimum(q)).then(|| sorted.quantile(q));
    Some(Summary {
        samples: sorted.len(),
        median: sorted.median(),
        ci_low: interval.low,
        ci_high: interval.high,
        mean: sorted.mean(),
        mad: sorted.mad(),
        min: sorted.min(),
        p90: tail(0.90),
        p95: tail(0.95),
        p99: tail(0.99),
        max: sorted.max(),
    })
}

/// Distribution-free interval of the median of a series in time order; `None` if empty.
///
/// The order statistics between which a binomial count of samples below the median falls with
/// probability `level` (David & Nagaraja 2003, §7.1), for as many samples as the series is worth:
/// n/τ, where τ is the autocorrelation time of "above or below the median". Where so few samples
/// cannot reach `level` (5 at 95 %) it is the range of the samples.
pub fn median_interval(series: &[Nanos], level: f64) -> Option<MedianInterval> {
    Some(interval_of(series, &Sorted::new(series.to_vec())?, level))
}

/// Whether an interval from this many independent samples can have this level at all: the range
/// of n samples misses the median with probability 2^(1−n).
pub(super) fn attainable(effective: f64, level: f64) -> bool {
    2_f64.powf(1.0 - effective.floor()) <= 1.0 - sane(level)
}

/// As [`median_interval`], for a series that has been sorted already.
pub(super) fn interval_of(series: &[Nanos], sorted: &Sorted, level: f64) -> MedianInterval {
    let n = sorted.len() as f64;
    let effective = n / correlation_time(&sides(series, sorted.median()));
    let depth = depth(effective.floor(), level) / (effective.floor() + 1.0);
    // The small addend undoes the rounding of the division, no more.
    let rank = (depth * (n + 1.0) + 1e-6) as usize;
    let low = sorted.rank(rank);
    MedianInterval { low, high: sorted.rank(sorted.len() + 1 - rank.max(1)), effective }
}

/// Fewest independent samples of which the range alone covers the median with confidence `level`
/// (between 0 and 1): the smallest n with 2^(1−n) ≤ 1 − level; 6 at 0.95.
pub fn fewest_for_interval(level: f64) -> usize {
    (1.0 - (1.0 - level).log2()).ceil() as usize
}

/// On which side of the median each sample lies: this and not the time itself decides how far the
/// sample median strays.
fn sides(series: &[Nanos], median: Nanos) -> Vec<f64> {
    series.iter().map(|x| f64::from(x.cmp(&median) as i8)).collect()
}

/// Largest rank d so that the d-th smallest of `n` independent samples lies above the median with
/// a probability of at most half of what `level` leaves; 0 if there is none.
fn depth(n: f64, level: f64) -> f64 {
    let risk = (1.0 - sane(level)) / 2.0;
    if n > EXACT {
        let reach = Normal::standard().inverse_cdf(1.0 - risk);
        return ((n + 1.0 - reach * n.sqrt()) / 2.0).floor();
    }
    let mut term = 0.5_f64.powf(n);
    let (mut below, mut rank) = (term, 0.0);
    while below <= risk {
        rank += 1.0;
        term *= (n + 1.0 - rank) / rank;
        below += term;
    }
    rank
}

#[cfg(test)]
mod tests {
    #[test]
    fn six_samples_are_the_fewest_that_give_an_interval() {
        assert_eq!([0.5, 0.95, 0.99].map(super::fewest_for_interval), [2, 6, 8]);
    }

    use super::*;
    use crate::stats::simulate::{Simulator, millisecond};
    use proptest::prelude::*;

    const TRIALS: u64 = 400;

    /// Share of simulated series with median 1 ms whose interval holds it.
    fn coverage(series: impl Fn(&mut Simulator) -> Vec<Nanos>) -> f64 {
        let holds = |seed: &u64| {
            let found = median_interval(&series(&mut Simulator::new(*seed)), 0.95).unwrap();
            found.low <= millisecond(0.0) && millisecond(0.0) <= found.high
        };
        (0..TRIALS).filter(holds).count() as f64 / TRIALS as f64
    }

    #[test]
    fn the_interval_of_independent_samples_covers() {
        for n in [50, 200] {
            let share = coverage(|simulator| simulator.series(n, 0.0, 0.1, |_| 0.0));
            assert!(share >= 0.94, "{n}: {share}");
        }
    }

    #[test]
    fn the_interval_of_correlated_samples_covers() {
        for phi in [0.5, 0.8] {
            let share = coverage(|simulator| simulator.series(400, phi, 0.1, |_| 0.0));
            assert!(share >= 0.92, "{phi}: {share}");
        }
    }

    #[test]
    fn the_interval_over_images_in_turn_covers() {
        let sizes = [0.3, -0.1, 0.0, -0.3, 0.2, 0.1, -0.2];
        let share = coverage(|simulator| simulator.series(400, 0.0, 0.1, |t| sizes[t % 7]));
        assert!(share >= 0.92, "{share}");
    }

    // scipy.stats.binom.ppf(0.025, n, 0.5); numpy counts ranks from 0, this from 1, hence equal
    #[test]
    fn ranks_are_those_of_the_binomial() {
        let ranks = [6.0, 10.0, 50.0, 200.0, 1000.0, 5000.0].map(|n| depth(n, 0.95));
        assert_eq!(ranks, [1.0, 2.0, 18.0, 86.0, 469.0, 2431.0]);
        assert_eq!(depth(5.0, 0.95), 0.0);
    }

    #[test]
    fn few_samples_have_their_range_for_an_interval() {
        let found = median_interval(&[5, 1, 4, 2, 3].map(Nanos), 0.95).unwrap();
        assert_eq!((found.low, found.high), (Nanos(1), Nanos(5)));
        let one = median_interval(&[Nanos(9)], 0.95).unwrap();
        assert_eq!((one.low, one.high, one.effective), (Nanos(9), Nanos(9), 1.0));
        assert_eq!(median_interval(&[], 0.95), None);
    }

    #[test]
    fn a_constant_series_has_an_interval_without_width() {
        let found = median_interval(&[Nanos(u64::MAX); 500], 0.95).unwrap();
        assert_eq!((found.low, found.high), (Nanos(u64::MAX), Nanos(u64::MAX)));
        assert_eq!(found.effective, 500.0);
    }

    #[test]
    fn tails_are_absent_below_their_minimum_count() {
        let summary = |n: u64| summarise(&(1..=n).map(Nanos).collect::<Vec<_>>(), 0.95).unwrap();
        assert_eq!((summary(63).p90, summary(64).p90), (None, Some(Nanos(58))));
        assert_eq!((summary(661).p99, summary(662).p99), (None, Some(Nanos(656))));
        assert_eq!(summarise(&[], 0.95), None);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_sample_median(
            samples in prop::collection::vec(any::<u64>().prop_map(Nanos), 1..120),
            level in 0.0..=1.0,
        ) {
            let summary = summarise(&samples, level).unwrap();
            prop_assert!(summary.min <= summary.ci_low && summary.ci_low <= summary.median);
            prop_assert!(summary.median <= summary.ci_high && summary.ci_high <= summary.max);
        }
    }
}
