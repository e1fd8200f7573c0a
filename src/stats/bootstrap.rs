//! Comparison of two single launches by resampling. Says nothing about other launches.

use super::{
    compare::RatioInterval,
    correlation::correlation_time,
    log::{log, sane, unlog},
    random::SplitMix,
};
use crate::unit::{Nanos, Ratio};

/// Resamples per comparison: the ends of a 95 % interval are then the 25th from either side.
const RESAMPLES: usize = 1000;

/// Below this many samples resampling a median means nothing at 95 %.
const FEWEST: usize = 6;

/// Ratio of the medians of two series in time order **within one launch only**: the noise between
/// launches, usually the larger, is not in this interval, so no verdict can rest on it.
///
/// Circular block bootstrap (Politis & Romano 1992) with percentile interval, 1000 resamples; the
/// same `seed` gives the same result. `noise` is the pooled standard deviation of the resampled
/// log medians. A median of 0 ns counts as 1 ns. `None` with fewer than six samples on a side.
pub fn block_bootstrap_ratio(
    base: &[Nanos],
    new: &[Nanos],
    level: f64,
    seed: u64,
) -> Option<RatioInterval> {
    if base.len().min(new.len()) < FEWEST {
        return None;
    }
    let mut random = SplitMix(seed);
    let base = Resampled::new(base, &mut random);
    let new = Resampled::new(new, &mut random);
    let mut changes: Vec<f64> = new.medians.iter().zip(&base.medians).map(|(n, b)| n - b).collect();
    changes.sort_by(f64::total_cmp);
    let outside = ((1.0 - sane(level)) / 2.0 * RESAMPLES as f64) as usize;
    let change = new.median - base.median;
    // A small sample can resample to one side of its own median; the ratio stays inside.
    Some(RatioInterval {
        ratio: Ratio(unlog(change)),
        low: Ratio(unlog(changes[outside].min(change))),
        high: Ratio(unlog(changes[RESAMPLES - 1 - outside].max(change))),
        p: sign_p(&changes),
        noise: ((variance(&base.medians) + variance(&new.medians)) / 2.0).sqrt(),
    })
}

/// Log median of a series and of its resamples.
struct Resampled {
    median: f64,
    medians: Vec<f64>,
}

impl Resampled {
    fn new(series: &[Nanos], random: &mut SplitMix) -> Self {
        let n = series.len();
        let block = block_length(series);
        // The circle, unrolled so that every block is one slice.
        let unrolled: Vec<Nanos> = series.iter().cycle().take(n + block).copied().collect();
        let mut sample = Vec::with_capacity(n + block);
        let mut resample = || {
            sample.clear();
            while sample.len() < n {
                let start = random.below(n);
                sample.extend_from_slice(&unrolled[start..start + block]);
            }
            sample.truncate(n);
            log_median(&mut sample)
        };
        let medians = (0..RESAMPLES).map(|_| resample()).collect();
        Self { median: log_median(&mut series.to_vec()), medians }
    }
}

/// Block length for a mean from the autocorrelation time τ: (3/2 n g²)^⅓ with g = (τ² − 1)/2τ,
/// Politis & White's (2004) optimum for an AR(1) process with this τ; at least n^⅓.
fn block_length(series: &[Nanos]) -> usize {
    let middle = log_median(&mut series.to_vec());
    let sides: Vec<f64> =
        series.iter().map(|&x| f64::from(log(x).total_cmp(&middle) as i8)).collect();
    let time = correlation_time(&sides);
    let g = (time * time - 1.0) / (2.0 * time);
    let length = (series.len() as f64 * (1.5 * g * g).max(1.0)).cbrt().ceil();
    (length as usize).clamp(1, series.len() / 2)
}

/// Log of the median of samples that may be reordered; not for empty slices.
fn log_median(samples: &mut [Nanos]) -> f64 {
    let middle = samples.len() / 2;
    let odd = samples.len() % 2 == 1;
    let (below, upper, _) = samples.select_nth_unstable(middle);
    let lower = if odd { *upper } else { below.iter().max().copied().unwrap_or(*upper) };
    log(Nanos(u64::midpoint(lower.0, upper.0)))
}

/// Twice the share of changes on the rarer side of none, never zero.
fn sign_p(changes: &[f64]) -> f64 {
    let up = changes.iter().filter(|&&change| change >= 0.0).count();
    let down = changes.iter().filter(|&&change| change <= 0.0).count();
    (2.0 * (up.min(down) + 1) as f64 / (changes.len() + 1) as f64).min(1.0)
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulate::Simulator;

    fn series(seed: u64, n: usize, phi: f64, level: f64) -> Vec<Nanos> {
        Simulator::new(seed).series(n, phi, 0.05, |_| level)
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let (base, new) = (series(1, 80, 0.0, 0.0), series(2, 80, 0.0, 0.1));
        let once = block_bootstrap_ratio(&base, &new, 0.95, 7);
        assert_eq!(once, block_bootstrap_ratio(&base, &new, 0.95, 7));
        assert_ne!(once, block_bootstrap_ratio(&base, &new, 0.95, 8));
    }

    #[test]
    fn a_clear_change_is_found() {
        let (base, new) = (series(1, 200, 0.0, 0.0), series(2, 200, 0.0, 0.1));
        let found = block_bootstrap_ratio(&base, &new, 0.95, 7).unwrap();
        assert!(found.low.0 < 1.1052 && 1.1052 < found.high.0 && found.low.0 > 1.05);
        assert!(found.p < 0.01 && found.noise < 0.02);
    }

    #[test]
    fn equal_series_are_seldom_told_apart_even_when_correlated() {
        let excludes_one = |seed: &u64| {
            let (base, new) = (series(2 * seed, 80, 0.5, 0.0), series(2 * seed + 1, 80, 0.5, 0.0));
            let found = block_bootstrap_ratio(&base, &new, 0.95, *seed).unwrap();
            found.low.0 > 1.0 || found.high.0 < 1.0
        };
        let share = (0..25).filter(excludes_one).count() as f64 / 25.0;
        assert!(share <= 0.16, "{share}");
    }

    #[test]
    fn degenerate_series_stay_finite() {
        assert_eq!(block_bootstrap_ratio(&[Nanos(1); 5], &[Nanos(1); 50], 0.95, 1), None);
        let same = block_bootstrap_ratio(&[Nanos(9); 6], &[Nanos(9); 50], 0.95, 1).unwrap();
        assert_eq!((same.ratio.0, same.low.0, same.high.0, same.p), (1.0, 1.0, 1.0, 1.0));
        let wide = block_bootstrap_ratio(&[Nanos(0); 6], &[Nanos(u64::MAX); 6], 1.0, 1).unwrap();
        assert!(wide.high.0.is_finite() && wide.low.0 > 1e19);
    }
}
