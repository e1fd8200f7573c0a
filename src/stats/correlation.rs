//! How much a series repeats itself: the integrated autocorrelation time. A mean over n samples
//! is worth n/τ independent ones.

/// Longer series are averaged in blocks down to this, which bounds the cost per lag.
const MOST_BLOCKS: usize = 4096;

/// Integrated autocorrelation time τ = 1 + 2 Σ ρₖ of `values`, between 1 and their number.
///
/// Σ is cut by Geyer's (1992) initial monotone positive sequence: sums of neighbouring pairs of
/// autocorrelations are added while they are positive, none larger than the one before. Series
/// longer than 4096 are first averaged in blocks of b, for which τ = b·var(block means)/var·τ_b.
/// Negative correlation never counts as more samples than there are.
pub(super) fn correlation_time(values: &[f64]) -> f64 {
    let width = values.len().div_ceil(MOST_BLOCKS).max(1);
    let blocks: Vec<f64> =
        values.chunks_exact(width).map(|block| block.iter().sum::<f64>() / width as f64).collect();
    let (blocks, spread) = centred(&blocks);
    let (_, whole) = centred(values);
    if whole <= 0.0 || spread <= 0.0 {
        return 1.0;
    }
    let time = width as f64 * spread / whole * geyer(&blocks, spread);
    time.clamp(1.0, values.len() as f64)
}

/// Values less their mean, and their variance.
fn centred(values: &[f64]) -> (Vec<f64>, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let values: Vec<f64> = values.iter().map(|x| x - mean).collect();
    let variance = values.iter().map(|x| x * x).sum::<f64>() / n;
    (values, variance)
}

/// τ of values with mean zero and this variance.
fn geyer(values: &[f64], variance: f64) -> f64 {
    let n = values.len() as f64;
    let rho = |lag: usize| {
        let products: f64 = values.iter().zip(&values[lag..]).map(|(a, b)| a * b).sum();
        products / (n * variance)
    };
    let (mut total, mut last, mut lags) = (0.0, f64::INFINITY, 0);
    while lags + 1 < values.len() / 2 {
        let pair = rho(lags) + rho(lags + 1);
        if pair <= 0.0 {
            break;
        }
        last = pair.min(last);
        total += last;
        lags += 2;
    }
    // Subtracting the sample mean lowers each of the 2·lags − 1 autocorrelations in the sum by
    // τ/n on average; solved for τ.
    let lost = (2.0 * lags as f64 - 1.0).max(0.0) / n;
    (2.0 * total - 1.0) / (1.0 - lost.min(0.75))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::simulate::Simulator;

    fn average_time(phi: f64, n: usize) -> f64 {
        let times = (0..40).map(|seed| {
            let mut simulator = Simulator::new(seed);
            correlation_time(&(0..n).map(|_| simulator.autoregressive(phi)).collect::<Vec<_>>())
        });
        times.sum::<f64>() / 40.0
    }

    #[test]
    fn the_time_of_an_autoregressive_process_is_found() {
        // (1 + φ)/(1 − φ)
        for (phi, expected) in [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)] {
            let found = average_time(phi, 3000);
            assert!((found / expected - 1.0).abs() < 0.15, "{phi}: {found}");
        }
    }

    #[test]
    fn averaging_in_blocks_does_not_change_the_time() {
        let found = average_time(0.8, 20_000);
        assert!((found / 9.0 - 1.0).abs() < 0.1, "{found}");
    }

    #[test]
    fn series_without_variation_or_with_alternation_have_time_one() {
        assert_eq!(correlation_time(&[]), 1.0);
        assert_eq!(correlation_time(&[3.0]), 1.0);
        assert_eq!(correlation_time(&[3.0; 9000]), 1.0);
        assert_eq!(correlation_time(&[1.0, 2.0].repeat(50)), 1.0);
    }
}
