//! How much of a series' start does not belong to its steady state.

use super::{log::log, period::remove_period, steady::Reference};
use crate::unit::Nanos;
use serde::{Deserialize, Serialize};

/// Fewer iterations than this show no steady state to compare with.
const FEWEST: usize = 8;

/// Where the steady state begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warmup {
    /// How many iterations at the start do not belong to it, at most half of them.
    pub length: usize,
    /// Whether it was reached: the second half has no trend and no step, and the warm-up ended
    /// before it. True where the series is too short to tell.
    pub settled: bool,
}

/// How many iterations at the start do not belong to the steady state.
///
/// The second half is the reference. On logarithms, each image compared with itself (periods up
/// to 64 seen four times in the second half) and outliers cut, the excess over the reference is
/// summed from the start, less an allowance of at least 1 % per iteration: a cumulative sum chart
/// (Page 1954), once for slow and once for fast. The warm-up ends where the sum peaks, if the peak
/// is one that noise with the reference's autocorrelation seldom reaches.
///
/// A steady drift is extended from the second half over the first; it is reported as not settled
/// but not taken for warm-up. One or two outliers never count, wherever they are: a caller that
/// knows its first iteration to be cold has to discard it anyway. Fewer than eight iterations are
/// taken as they are. 0 ns counts as 1 ns.
pub fn warmup(series: &[Nanos]) -> Warmup {
    if series.len() < FEWEST {
        return Warmup { length: 0, settled: true };
    }
    let mut logs: Vec<f64> = series.iter().map(|&x| log(x)).collect();
    let half = logs.len() / 2;
    let period = remove_period(&mut logs, half);
    let (first, second) = logs.split_at(half);
    let (third, last) = second.split_at(second.len() / 2);
    // Every level removed is a degree of freedom less.
    let free = 1.0 - period as f64 / second.len() as f64;
    let reference = Reference::new(second, free);
    let length = reference.departure(first);
    let stepped = Reference::new(last, free).departure(third) > 0;
    Warmup { length, settled: length < half && !reference.trending() && !stepped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulate::Simulator;
    use proptest::prelude::*;

    const TRIALS: u64 = 100;

    /// Share of simulated series of which `holds` is true.
    fn share(series: impl Fn(&mut Simulator) -> Vec<Nanos>, holds: impl Fn(Warmup) -> bool) -> f64 {
        let count = (0..TRIALS).filter(|&seed| holds(warmup(&series(&mut Simulator::new(seed)))));
        count.count() as f64 / TRIALS as f64
    }

    /// A start that is `excess` slower for the first `length` of `n` iterations.
    fn step(
        n: usize,
        noise: f64,
        length: usize,
        excess: f64,
    ) -> impl Fn(&mut Simulator) -> Vec<Nanos> {
        move |simulator| simulator.series(n, 0.0, noise, |t| if t < length { excess } else { 0.0 })
    }

    #[test]
    fn noise_is_not_warmup_be_it_independent_or_correlated() {
        for (n, phi, noise) in [(30, 0.0, 0.02), (300, 0.0, 0.2), (300, 0.7, 0.02), (800, 0.7, 0.1)]
        {
            let stationary = |simulator: &mut Simulator| simulator.series(n, phi, noise, |_| 0.0);
            let none = share(stationary, |found| found.length * 100 <= n);
            assert!(none >= 0.95, "{n} {phi} {noise}: {none}");
        }
    }

    #[test]
    fn an_exponential_settling_is_found_where_one_percent_is_left() {
        let settling = |simulator: &mut Simulator| {
            simulator.series(600, 0.0, 0.01, |t| (1.0 + 0.2 * (-(t as f64) / 48.0).exp()).ln())
        };
        // 48 ln 20 = 144
        let found = share(settling, |found| found.settled && (96..=216).contains(&found.length));
        assert!(found >= 0.95, "{found}");
    }

    #[test]
    fn a_step_is_found_in_either_direction() {
        for excess in [0.05, -0.05] {
            let found = share(step(400, 0.01, 120, excess), |found| {
                found.settled && (115..=130).contains(&found.length)
            });
            assert!(found >= 0.95, "{excess}: {found}");
        }
    }

    #[test]
    fn a_slow_and_then_a_fast_phase_are_both_found() {
        let phases = |simulator: &mut Simulator| {
            let level = |t| if t < 20 { 0.5 } else { -0.05 * f64::from(t < 120) };
            simulator.series(1000, 0.0, 0.01, level)
        };
        let found = share(phases, |found| (118..=126).contains(&found.length));
        assert!(found >= 0.95, "{found}");
    }

    #[test]
    fn short_series_are_judged_too() {
        for n in [20, 30] {
            let length = n * 3 / 10;
            let found = share(step(n, 0.02, length, 0.3), |found| {
                (length..=length + 2).contains(&found.length)
            });
            assert!(found >= 0.85, "{n}: {found}");
        }
    }

    #[test]
    fn a_single_outlier_is_not_warmup_wherever_it_is() {
        let steady = Simulator::new(4).series(60, 0.0, 0.01, |_| 0.0);
        for at in 0..60 {
            let mut series = steady.clone();
            series[at].0 *= 1000;
            assert_eq!(warmup(&series), Warmup { length: 0, settled: true }, "at {at}");
        }
    }

    #[test]
    fn a_steady_drift_is_reported_but_not_discarded() {
        let drift = |simulator: &mut Simulator| {
            simulator.series(1000, 0.0, 0.01, |t| 0.05 * t as f64 / 1000.0)
        };
        let found = share(drift, |found| found.length == 0 && !found.settled);
        assert!(found >= 0.95, "{found}");
    }

    #[test]
    fn a_change_in_the_second_half_is_never_settled() {
        for length in [200, 280] {
            assert_eq!(share(step(400, 0.02, length, 0.1), |found| found.settled), 0.0);
        }
    }

    #[test]
    fn images_of_different_sizes_in_turn_are_steady_and_their_warmup_is_found() {
        for period in [1, 2, 7, 33, 64] {
            let sizes: Vec<f64> = (0..period).map(|k| ((k * 37) % period) as f64 * 0.02).collect();
            let turns = |excess: f64| {
                let mut simulator = Simulator::new(period as u64);
                let level = |t: usize| sizes[t % period] + excess * f64::from(t < 180);
                warmup(&simulator.series(600, 0.0, 0.02, level))
            };
            assert_eq!(turns(0.0), Warmup { length: 0, settled: true }, "{period}");
            assert!((175..=190).contains(&turns(0.1).length), "{period}: {:?}", turns(0.1));
        }
    }

    #[test]
    fn series_too_short_or_without_variation_have_no_warmup() {
        let none = Warmup { length: 0, settled: true };
        assert_eq!(warmup(&[]), none);
        assert_eq!(warmup(&[9, 1, 1, 1, 1, 1, 1].map(Nanos)), none);
        assert_eq!(warmup(&[Nanos(0); 100]), none);
        assert_eq!(warmup(&[Nanos(u64::MAX); 1000]), none);
    }

    proptest! {
        #[test]
        fn warmup_never_exceeds_half_of_the_series(
            series in prop::collection::vec(any::<u64>().prop_map(Nanos), 0..300),
        ) {
            prop_assert!(warmup(&series).length <= series.len() / 2);
        }
    }
}
