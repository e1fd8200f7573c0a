//! Finds and removes what comes round again: batches of different images in turn.

/// Longest period looked for.
const LONGEST: usize = 64;

/// A period must be seen this often to count.
const REPEATS: usize = 4;

/// How much of the steady part is looked at; bounds the cost.
const WINDOW: usize = 4096;

/// The median; not for empty slices. Reorders.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Takes from each of `logs` the median of its phase in `logs[steady..]`, which then has median
/// zero, and returns the period, 1 for a series that does not repeat.
///
/// Images of different sizes taken in turn make a series that is periodic but steady. Compared
/// phase by phase, each image is compared with itself.
pub(super) fn remove_period(logs: &mut [f64], steady: usize) -> usize {
    let period = period(&logs[steady..]);
    for phase in 0..period {
        let first = steady + (phase + period - steady % period) % period;
        let mut same: Vec<f64> = logs[first..].iter().step_by(period).copied().collect();
        let level = median(&mut same);
        logs.iter_mut().skip(phase).step_by(period).for_each(|x| *x -= level);
    }
    period
}

/// The period whose phase means explain the values best, by Schwarz's criterion: m ln(rest/m) +
/// p ln m. At least four repeats are needed, so short series have period 1.
fn period(values: &[f64]) -> usize {
    let values = clipped(&values[values.len().saturating_sub(WINDOW)..]);
    let m = values.len() as f64;
    let total: f64 = values.iter().map(|x| x * x).sum();
    let score = |period: usize| {
        // Nothing is explained better than rounding allows, else any multiple would do as well.
        let rest = (total - explained(&values, period)).max(total * 1e-12);
        m * (rest / m).ln() + period as f64 * m.ln()
    };
    let longest = LONGEST.min(values.len() / REPEATS);
    (1..=longest)
        .map(|period| (period, score(period)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(1, |(period, _)| period)
}

/// Sum of squares of the phase means.
fn explained(values: &[f64], period: usize) -> f64 {
    let mut sums = vec![0.0; period];
    for turn in values.chunks(period) {
        sums.iter_mut().zip(turn).for_each(|(sum, x)| *sum += x);
    }
    let turns = |phase: usize| (values.len() - phase).div_ceil(period) as f64;
    sums.iter().enumerate().map(|(phase, sum)| sum * sum / turns(phase)).sum()
}

/// Values less their median, outliers cut, less their mean: one outlier in each phase must not
/// look like a period.
fn clipped(values: &[f64]) -> Vec<f64> {
    let centre = median(&mut values.to_vec());
    let mut deviations: Vec<f64> = values.iter().map(|x| (x - centre).abs()).collect();
    let limit = 4.5 * median(&mut deviations) + 0.01;
    let cut: Vec<f64> = values.iter().map(|x| (x - centre).clamp(-limit, limit)).collect();
    let mean = cut.iter().sum::<f64>() / cut.len() as f64;
    cut.iter().map(|x| x - mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulate::Simulator;

    #[test]
    fn the_period_of_noisy_turns_is_found() {
        for length in [1, 2, 3, 7, 8, 30, 64] {
            let mut simulator = Simulator::new(length as u64);
            let sizes: Vec<f64> = (0..length).map(|_| 0.3 * simulator.normal()).collect();
            let turn = |t: usize| sizes[t % length] + 0.02 * simulator.normal();
            let values: Vec<f64> = (0..600).map(turn).collect();
            assert_eq!(period(&values), length);
        }
    }

    #[test]
    fn noise_outliers_and_constants_have_no_period() {
        assert_eq!(period(&[0.5; 300]), 1);
        let mut noise: Vec<f64> = {
            let mut simulator = Simulator::new(9);
            (0..300).map(|_| simulator.normal()).collect()
        };
        noise[17] = 1e9;
        assert_eq!(period(&noise), 1);
    }

    #[test]
    fn what_is_removed_leaves_median_zero_in_every_phase() {
        let mut logs: Vec<f64> = (0..103).map(|t| (t % 4) as f64).collect();
        assert_eq!(remove_period(&mut logs, 51), 4);
        assert_eq!(logs, vec![0.0; 103]);
    }
}
