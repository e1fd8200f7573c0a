//! Is one side faster than the other, judged by the medians of independent launches. Computes
//! ratios and probabilities; verdicts are the caller's.

use super::drift;
use super::log::{LogMoments, log, student_p, student_reach, unlog};
use crate::unit::{Nanos, Ratio};
use serde::{Deserialize, Serialize};

/// New over base: below one is faster.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioInterval {
    /// The ratio found.
    pub ratio: Ratio,
    /// Lower end of its interval.
    pub low: Ratio,
    /// Upper end of its interval.
    pub high: Ratio,
    /// Two-sided probability of a ratio at least as far from one if nothing had changed.
    pub p: f64,
    /// Pooled standard deviation of the log medians; 0.01 is 1 % of noise.
    pub noise: f64,
}

/// Ratio of the geometric means of launch medians by Welch's t on logarithms (Welch 1947, with
/// Satterthwaite's degrees of freedom); `None` with fewer than two launches on a side.
///
/// A median of 0 ns counts as 1 ns. Launches that agree to the nanosecond have the variance of
/// rounding to whole nanoseconds, so the interval and `p` stay finite.
pub fn welch_ratio(base: &[Nanos], new: &[Nanos], level: f64) -> Option<RatioInterval> {
    inflated_ratio(base, new, level, 1.0)
}

/// [`welch_ratio`] for launch medians in the order in which they were launched: where neighbours
/// resemble each other the variances are inflated accordingly and the degrees of freedom divided
/// by the same factor.
pub fn launch_ratio(base: &[Nanos], new: &[Nanos], level: f64) -> Option<RatioInterval> {
    inflated_ratio(base, new, level, drift::inflation(base, new))
}

/// Ratio of the geometric means of launches that were interleaved, one of each side in turn, by
/// Student's t on the differences of the logarithms of each pair: what the machine did to both
/// cancels. `None` unless the sides have equally many launches, at least two.
pub fn paired_ratio(base: &[Nanos], new: &[Nanos], level: f64) -> Option<RatioInterval> {
    if base.len() != new.len() {
        return None;
    }
    let (olds, news) = (LogMoments::of(base)?, LogMoments::of(new)?);
    let change = news.mean - olds.mean;
    let apart = base.iter().zip(new).map(|(&old, &new)| log(new) - log(old) - change);
    let (count, freedom) = (olds.count, olds.freedom());
    let squares: f64 = apart.map(|x| x * x).sum();
    // Never below what rounding to whole nanoseconds alone gives.
    let error = (squares / freedom / count).max(olds.rounding() + news.rounding()).sqrt();
    Some(student_ratio(change, error, freedom, level, pooled_deviation(&olds, &news)))
}

/// Fewest degrees of freedom that are left.
const LEAST_FREEDOM: f64 = 1.0;

fn inflated_ratio(
    base: &[Nanos],
    new: &[Nanos],
    level: f64,
    inflation: f64,
) -> Option<RatioInterval> {
    let (base, new) = (LogMoments::of(base)?, LogMoments::of(new)?);
    let (a, b) = (base.squared_error() * inflation, new.squared_error() * inflation);
    let freedom = (a + b).powi(2) / (a * a / base.freedom() + b * b / new.freedom());
    let freedom = (freedom / inflation).max(LEAST_FREEDOM);
    let (change, error) = (new.mean - base.mean, (a + b).sqrt());
    Some(student_ratio(change, error, freedom, level, pooled_deviation(&base, &new)))
}

/// The ratio e^`change` by Student's t, `error` being the standard error of the change.
fn student_ratio(change: f64, error: f64, freedom: f64, level: f64, noise: f64) -> RatioInterval {
    let reach = student_reach(freedom, level) * error;
    RatioInterval {
        ratio: Ratio(unlog(change)),
        low: Ratio(unlog(change - reach)),
        high: Ratio(unlog(change + reach)),
        p: student_p(freedom, change / error),
        noise,
    }
}

fn pooled_deviation(a: &LogMoments, b: &LogMoments) -> f64 {
    let squares = a.variance * a.freedom() + b.variance * b.freedom();
    (squares / (a.freedom() + b.freedom())).sqrt()
}

/// q-values in input order: the smallest false discovery rate at which each would count as a
/// discovery (Benjamini & Hochberg 1995). A `p` that is not a number counts as 1.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let p: Vec<f64> = p.iter().map(|&p| if p.is_nan() { 1.0 } else { p }).collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (below, &at) in order.iter().enumerate().rev() {
        least = least.min(p[at] * (p.len() as f64 / (below + 1) as f64));
        q[at] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulate::{Simulator, millisecond};
    use proptest::prelude::*;

    fn nanos(times: &[u64]) -> Vec<Nanos> {
        times.iter().copied().map(Nanos).collect()
    }

    fn assert_close(found: &RatioInterval, expected: [f64; 5]) {
        let found = [found.ratio.0, found.low.0, found.high.0, found.p, found.noise];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} instead of {expected}");
        }
    }

    // b, n = np.log(base), np.log(new)
    // r = scipy.stats.ttest_ind(n, b, equal_var=False); ci = r.confidence_interval(0.95)
    // np.exp(n.mean() - b.mean()), np.exp(ci.low), np.exp(ci.high), r.pvalue, pooled deviation
    #[test]
    fn welch_agrees_with_scipy() {
        let base = nanos(&[1_000_000, 1_020_000, 990_000, 1_005_000, 1_013_000]);
        let new = nanos(&[960_000, 985_000, 971_000, 930_000, 955_000]);
        assert_close(
            &welch_ratio(&base, &new, 0.95).unwrap(),
            [
                0.954_729_689_209_192_5,
                0.929_841_729_692_931_2,
                0.980_283_794_919_051_4,
                0.004_997_486_964_570_338,
                0.017_167_758_997_816_17,
            ],
        );
    }

    #[test]
    fn welch_agrees_with_scipy_for_unequal_sides_and_variances() {
        let base = nanos(&[1_000_000, 1_020_000]);
        let new = nanos(&[1_500_000, 1_499_000, 1_502_000]);
        assert_close(
            &welch_ratio(&base, &new, 0.95).unwrap(),
            [
                1.485_550_850_458_665_6,
                1.312_354_509_046_826_5,
                1.681_604_561_942_127_4,
                0.015_562_937_889_267_707,
                0.008_127_002_729_578_822,
            ],
        );
    }

    /// A/A at 10 launches a side, one run right after the other, neighbours correlated by 0.3, as
    /// seen on a shared machine: Welch alone is wrong in one of eight comparisons.
    #[test]
    fn drift_between_launches_raises_few_false_alarms() {
        let wrong = |ratio: fn(&[Nanos], &[Nanos], f64) -> Option<RatioInterval>| {
            let count = (0..1000).filter(|&seed| {
                let mut simulator = Simulator::new(seed);
                let mut launch = || millisecond(0.012 * simulator.autoregressive(0.3));
                let (base, new): (Vec<_>, Vec<_>) =
                    ((0..10).map(|_| launch()).collect(), (0..10).map(|_| launch()).collect());
                let found = ratio(&base, &new, 0.95).unwrap();
                found.low.0 > 1.0 || found.high.0 < 1.0
            });
            count.count() as f64 / 1000.0
        };
        let (naive, aware) = (wrong(welch_ratio), wrong(launch_ratio));
        assert!(naive > 0.10, "{naive}");
        assert!(aware < 0.10, "{aware}");
    }

    #[test]
    fn pairs_that_drift_together_are_told_apart_where_welch_cannot() {
        let base = nanos(&[1_000_000, 1_050_000, 1_100_000, 1_160_000, 1_210_000]);
        let new = nanos(&[1_020_000, 1_070_000, 1_125_000, 1_180_000, 1_236_000]);
        let paired = paired_ratio(&base, &new, 0.95).unwrap();
        assert!(paired.low.0 > 1.015 && paired.high.0 < 1.025, "{paired:?}");
        assert!(welch_ratio(&base, &new, 0.95).unwrap().low.0 < 1.0);
        assert_eq!(paired_ratio(&base, &new[1..], 0.95), None);
        let same = paired_ratio(&base, &base, 0.95).unwrap();
        assert!(same.low.0 < 1.0 && 1.0 < same.high.0);
    }

    #[test]
    fn fewer_than_two_launches_are_not_compared() {
        assert_eq!(welch_ratio(&[Nanos(5)], &[Nanos(5); 9], 0.95), None);
        assert_eq!(welch_ratio(&[Nanos(5); 9], &[], 0.95), None);
    }

    #[test]
    fn launches_without_variance_are_equal_or_clearly_apart() {
        let (base, new) = ([Nanos(1_000_000); 5], [Nanos(1_010_000); 5]);
        let same = welch_ratio(&base, &base, 0.95).unwrap();
        assert_eq!((same.ratio.0, same.p, same.noise), (1.0, 1.0, 0.0));
        assert!(same.low.0 < 1.0 && 1.0 < same.high.0 && same.high.0 < 1.000_01);
        let apart = welch_ratio(&base, &new, 0.95).unwrap();
        assert!(apart.low.0 > 1.009_99 && apart.high.0 < 1.010_01 && apart.p < 1e-12);
    }

    #[test]
    fn equal_cells_are_told_apart_as_seldom_as_the_level_says() {
        let excludes_one = |seed: &u64| {
            let mut simulator = Simulator::new(*seed);
            let base = simulator.series(5, 0.0, 0.01, |_| 0.0);
            let new = simulator.series(5, 0.0, 0.01, |_| 0.0);
            let found = welch_ratio(&base, &new, 0.95).unwrap();
            found.low.0 > 1.0 || found.high.0 < 1.0
        };
        let share = (0..1000).filter(excludes_one).count() as f64 / 1000.0;
        assert!((0.02..=0.08).contains(&share), "{share}");
    }

    #[test]
    fn q_values_are_those_of_scipy() {
        // scipy.stats.false_discovery_control(p)
        let q = benjamini_hochberg(&[0.01, 0.04, 0.03, 0.005, 0.8]);
        for (found, expected) in q.iter().zip([0.025, 0.05, 0.05, 0.025, 0.8]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
        assert_eq!(benjamini_hochberg(&[f64::NAN, 0.01]), vec![1.0, 0.02]);
    }

    proptest! {
        #[test]
        fn q_values_keep_the_order_and_never_fall_below_p(
            p in prop::collection::vec(0.0..=1.0, 1..40),
        ) {
            let q = benjamini_hochberg(&p);
            for (a, &p_a) in p.iter().enumerate() {
                prop_assert!(q[a] >= p_a && q[a] <= 1.0);
                prop_assert!((0..p.len()).all(|b| p[b] < p_a || q[b] >= q[a]));
            }
        }

        #[test]
        fn every_ratio_is_finite_and_inside_its_interval(
            base in prop::collection::vec(any::<u64>(), 2..9),
            new in prop::collection::vec(any::<u64>(), 2..9),
            level in 0.0..=1.0,
        ) {
            let found = welch_ratio(&nanos(&base), &nanos(&new), level).unwrap();
            prop_assert!(0.0 < found.low.0 && found.low <= found.ratio);
            prop_assert!(found.ratio <= found.high && found.high.0.is_finite());
            prop_assert!((0.0..=1.0).contains(&found.p) && found.noise.is_finite());
        }
    }
}
