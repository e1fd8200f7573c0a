//! Samples in ascending order: quantiles, median, spread. Knows nothing of time order.

use crate::unit::Nanos;

/// Probability with which a reported tail percentile may be wrong; MLPerf's choice.
const TAIL_RISK: f64 = 0.01;

/// Samples in ascending order, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted(Vec<Nanos>);

#[expect(clippy::len_without_is_empty, reason = "never empty")]
impl Sorted {
    /// Sorts `samples`; `None` if there are none.
    pub fn new(mut samples: Vec<Nanos>) -> Option<Self> {
        samples.sort_unstable();
        (!samples.is_empty()).then_some(Self(samples))
    }

    /// How many samples there are, at least one.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The `rank`-th smallest sample, counted from 1; ranks outside mean the nearest sample.
    pub fn rank(&self, rank: usize) -> Nanos {
        self.0[rank.clamp(1, self.len()) - 1]
    }

    /// The `q`-quantile by nearest rank: the ⌈q n⌉-th smallest sample, for `q` ≤ 0 the smallest.
    pub fn quantile(&self, q: f64) -> Nanos {
        // 0.07 × 100 is 7.000000000000001 in binary and must not become rank 8.
        let rank = (q * self.len() as f64 * (1.0 - 1e-12)).ceil();
        self.rank(rank as usize)
    }

    /// The middle sample, or the midpoint of the two in the middle, rounded down.
    pub fn median(&self) -> Nanos {
        let n = self.len();
        Nanos(u64::midpoint(self.0[(n - 1) / 2].0, self.0[n / 2].0))
    }

    /// Median of the absolute deviations from the median, not scaled to a standard deviation.
    pub fn mad(&self) -> Nanos {
        let centre = self.median().0;
        let mut deviations: Vec<_> = self.0.iter().map(|x| Nanos(x.0.abs_diff(centre))).collect();
        deviations.sort_unstable();
        Self(deviations).median()
    }

    /// The smallest sample.
    pub fn min(&self) -> Nanos {
        self.0[0]
    }

    /// The largest sample.
    pub fn max(&self) -> Nanos {
        self.0[self.len() - 1]
    }

    /// Arithmetic mean, rounded down.
    pub fn mean(&self) -> Nanos {
        let total: u128 = self.0.iter().map(|x| u128::from(x.0)).sum();
        // A mean is no larger than the largest sample, which fits.
        Nanos((total / self.len() as u128) as u64)
    }
}

/// Fewest samples from which the `q`-quantile may be reported: the smallest n for which at most
/// one sample above it would be seen with a probability of at most 1 %, that is
/// P(Binomial(n, 1 − q) ≤ 1) ≤ 0.01. 64 for p90, 662 for p99. Source: MLPerf Inference's early
/// stopping criterion. `usize::MAX` for a `q` that no number of samples can show.
pub fn tail_minimum(q: f64) -> usize {
    if q.is_nan() || q >= 1.0 {
        return usize::MAX;
    }
    let q = q.max(0.0);
    let enough = |n: usize| {
        let n = n as f64;
        q.powf(n) + n * (1.0 - q) * q.powf(n - 1.0) <= TAIL_RISK
    };
    let Some(above) = (1..usize::BITS - 1).map(|bits| 1 << bits).find(|&n| enough(n)) else {
        return usize::MAX;
    };
    // The probability falls with n: bisect between the last power of two too small and `above`.
    let (mut low, mut high) = (above / 2, above);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if enough(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(samples: &[u64]) -> Sorted {
        Sorted::new(samples.iter().copied().map(Nanos).collect()).unwrap()
    }

    #[test]
    fn quantiles_are_samples_at_the_nearest_rank() {
        let ten = sorted(&[15, 20, 35, 40, 50, 55, 60, 70, 80, 90]);
        let at = |q| ten.quantile(q).0;
        assert_eq!([at(0.0), at(0.1), at(0.11), at(0.3), at(0.5)], [15, 15, 20, 35, 50]);
        assert_eq!([at(0.9), at(0.91), at(1.0), at(7.0), at(f64::NAN)], [80, 90, 90, 90, 15]);
    }

    #[test]
    fn a_quantile_does_not_slip_a_rank_through_binary_rounding() {
        let hundred = sorted(&(1..=100).collect::<Vec<_>>());
        for percent in 1..=100 {
            assert_eq!(hundred.quantile(percent as f64 / 100.0).0, percent);
        }
    }

    #[test]
    fn median_is_the_midpoint_of_the_two_central_samples() {
        assert_eq!(sorted(&[7]).median().0, 7);
        assert_eq!(sorted(&[9, 2, 4]).median().0, 4);
        assert_eq!(sorted(&[10, 2, 4, 20]).median().0, 7);
    }

    #[test]
    fn mad_is_not_scaled_and_ignores_an_outlier() {
        assert_eq!(sorted(&[1, 1, 2, 2, 4, 6, 9]).mad().0, 1);
        assert_eq!(sorted(&[10, 11, 12, 13, 1_000_000]).mad().0, 1);
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        let huge = sorted(&[u64::MAX, u64::MAX, u64::MAX - 1, 0]);
        assert_eq!(huge.median().0, u64::MAX - 1);
        assert_eq!(huge.mean().0, 13_835_058_055_282_163_711);
        assert_eq!(huge.mad().0, 1);
    }

    #[test]
    fn nothing_cannot_be_sorted() {
        assert_eq!(Sorted::new(Vec::new()), None);
    }

    #[test]
    fn tail_minima_are_those_of_mlperf() {
        assert_eq!([tail_minimum(0.9), tail_minimum(0.95), tail_minimum(0.99)], [64, 130, 662]);
        assert_eq!([tail_minimum(0.0), tail_minimum(-1.0), tail_minimum(0.999)], [2, 2, 6636]);
        assert_eq!([tail_minimum(1.0), tail_minimum(f64::NAN)], [usize::MAX; 2]);
    }

    proptest! {
        #[test]
        fn quantiles_are_monotone_and_lie_between_the_extremes(
            samples in prop::collection::vec(any::<u64>(), 1..80), a in 0.0..=1.0, b in 0.0..=1.0,
        ) {
            let sorted = sorted(&samples);
            let (low, high) = (sorted.quantile(f64::min(a, b)), sorted.quantile(f64::max(a, b)));
            prop_assert!(sorted.min() <= low && low <= high && high <= sorted.max());
            prop_assert!(sorted.min() <= sorted.median() && sorted.median() <= sorted.max());
            prop_assert!(sorted.min() <= sorted.mean() && sorted.mean() <= sorted.max());
        }
    }
}
