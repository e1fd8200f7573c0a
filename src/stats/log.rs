//! Logarithms of times, on which ratios become differences, and their moments.

use crate::unit::Nanos;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Natural logarithm of a time in nanoseconds; below one nanosecond counts as one.
pub(super) fn log(time: Nanos) -> f64 {
    (time.0.max(1) as f64).ln()
}

/// Inverse of the logarithm, kept finite and above zero.
pub(super) fn unlog(log: f64) -> f64 {
    log.clamp(-700.0, 700.0).exp()
}

/// The time with this logarithm, to the nearest nanosecond.
pub(super) fn time(log: f64) -> Nanos {
    Nanos(unlog(log).round() as u64)
}

/// A confidence level that quantile functions accept.
pub(super) fn sane(level: f64) -> f64 {
    if level.is_nan() { 0.0 } else { level.clamp(0.0, 1.0 - 1e-9) }
}

/// Mean and variance of the logarithms of several times.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogMoments {
    /// How many there are, at least two.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Their unbiased variance.
    pub variance: f64,
}

impl LogMoments {
    /// `None` for fewer than two times, which have no variance.
    pub fn of(times: &[Nanos]) -> Option<Self> {
        if times.len() < 2 {
            return None;
        }
        let count = times.len() as f64;
        let mean = times.iter().map(|&x| log(x)).sum::<f64>() / count;
        let squares: f64 = times.iter().map(|&x| (log(x) - mean).powi(2)).sum();
        Some(Self { count, mean, variance: squares / (count - 1.0) })
    }

    /// Squared standard error of the mean. Never zero: times are whole nanoseconds, so the
    /// variance is at least that of rounding, 1/12 ns².
    pub fn squared_error(&self) -> f64 {
        (self.variance / self.count).max(self.rounding())
    }

    /// Squared standard error of the mean that rounding to whole nanoseconds alone gives.
    pub fn rounding(&self) -> f64 {
        (-2.0 * self.mean).exp() / 12.0 / self.count
    }

    /// Degrees of freedom of the variance.
    pub fn freedom(&self) -> f64 {
        self.count - 1.0
    }
}

/// How many standard errors a two-sided interval reaches to either side; without end for degrees
/// of freedom that are not positive.
pub(super) fn student_reach(freedom: f64, level: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom)
        .map_or(f64::INFINITY, |student| student.inverse_cdf(0.5 + sane(level) / 2.0))
}

/// Probability of a Student's t at least this far from zero on either side.
pub(super) fn student_p(freedom: f64, t: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| (2.0 * student.sf(t.abs())).min(1.0))
}
