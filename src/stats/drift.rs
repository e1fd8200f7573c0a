//! Launches that follow each other resemble each other: a machine drifts slowly against them. How
//! much less they are worth for that.

use super::log::log;
use crate::unit::Nanos;

/// Beyond this correlation the estimate from a handful of launches says nothing useful.
const MOST: f64 = 0.8;

/// Sums of squares that stem from the rounding of logarithms alone.
const ROUNDING: f64 = 1e-24;

/// By which factor the variance of the mean of launch medians, in the order in which they were
/// launched, exceeds that of independent ones: (1 + r) / (1 − r), with r the correlation of
/// neighbours pooled over both sides, corrected for its bias of −1/n (Kendall 1954) and never
/// taken below zero. 1 where there are fewer than three launches on a side.
pub(super) fn inflation(base: &[Nanos], new: &[Nanos]) -> f64 {
    if base.len().min(new.len()) < 3 {
        return 1.0;
    }
    let (base, new) = (Products::of(base), Products::of(new));
    let all = base.own + new.own;
    if all <= ROUNDING {
        return 1.0;
    }
    let per_side = (base.count + new.count) / 2.0;
    let r = ((base.neighbours + new.neighbours) / all + 1.0 / per_side).clamp(0.0, MOST);
    (1.0 + r) / (1.0 - r)
}

/// Sums of products of deviations from the mean of a series of logarithms.
struct Products {
    count: f64,
    /// Of each with itself.
    own: f64,
    /// Of each with its successor.
    neighbours: f64,
}

impl Products {
    fn of(times: &[Nanos]) -> Self {
        let count = times.len() as f64;
        let mean = times.iter().map(|&time| log(time)).sum::<f64>() / count;
        let apart: Vec<f64> = times.iter().map(|&time| log(time) - mean).collect();
        Self {
            count,
            own: apart.iter().map(|x| x * x).sum(),
            neighbours: apart.windows(2).map(|pair| pair[0] * pair[1]).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(times: &[u64]) -> Vec<Nanos> {
        times.iter().copied().map(Nanos).collect()
    }

    #[test]
    fn launches_that_alternate_are_worth_no_less() {
        let times = nanos(&[1000, 1010, 1000, 1010, 1000, 1010]);
        assert_eq!(inflation(&times, &times), 1.0);
    }

    #[test]
    fn launches_that_drift_are_worth_less() {
        let times = nanos(&[1000, 1001, 1003, 1006, 1007, 1009, 1010, 1012]);
        assert!(inflation(&times, &times) > 3.0);
    }

    #[test]
    fn equal_or_few_launches_tell_of_no_drift() {
        assert_eq!(inflation(&[Nanos(7); 5], &[Nanos(7); 5]), 1.0);
        assert_eq!(inflation(&nanos(&[1, 9]), &nanos(&[1, 2, 3, 4])), 1.0);
    }
}
