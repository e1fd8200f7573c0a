//! Mann–Whitney's rank test, exact, ties included. A check on Welch's t for few launches.

use crate::unit::Nanos;

/// Beyond this many on both sides together the test is not computed; its cost grows with the
/// fourth power, and so many launches do not need a check.
const MOST: usize = 80;

/// Exact two-sided p of the Mann–Whitney test (Mann & Whitney 1947; with ties the permutation
/// distribution of the mid-ranks), twice the smaller tail and at most 1. `None` where even the
/// clearest outcome, 2 / C(m + n, n), would not fall below `alpha`, if a side is empty, and with
/// more than 80 launches together.
pub fn mann_whitney(base: &[Nanos], new: &[Nanos], alpha: f64) -> Option<f64> {
    if base.is_empty() || new.is_empty() || base.len() + new.len() > MOST {
        return None;
    }
    let ranks = doubled_ranks(base, new);
    let sums = rank_sums(&ranks, base.len());
    let total: f64 = sums.iter().sum();
    if 2.0 / total > alpha {
        return None;
    }
    let observed: usize = ranks[..base.len()].iter().sum();
    let lower: f64 = sums[..=observed].iter().sum();
    let upper: f64 = sums[observed..].iter().sum();
    Some((2.0 * lower.min(upper) / total).min(1.0))
}

/// Twice the mid-rank of each, base first: whole numbers, ties or not.
fn doubled_ranks(base: &[Nanos], new: &[Nanos]) -> Vec<usize> {
    let all = || base.iter().chain(new);
    let rank = |x: &Nanos| {
        let below = all().filter(|y| *y < x).count();
        let equal = all().filter(|y| *y == x).count();
        2 * below + equal + 1
    };
    all().map(rank).collect()
}

/// In how many ways `chosen` of the ranks add up to each sum.
fn rank_sums(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for &rank in ranks {
        // Downwards, so that no rank is chosen twice.
        for count in (1..=chosen).rev() {
            let (fewer, these) = ways.split_at_mut(count);
            let from = &fewer[count - 1];
            these[0][rank..].iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
    ways.swap_remove(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(base: &[u64], new: &[u64]) -> Option<f64> {
        let nanos = |times: &[u64]| times.iter().copied().map(Nanos).collect::<Vec<_>>();
        mann_whitney(&nanos(base), &nanos(new), 0.05)
    }

    fn assert_p(base: &[u64], new: &[u64], expected: f64) {
        let found = p(base, new).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }

    // scipy.stats.mannwhitneyu(base, new, method="exact").pvalue
    #[test]
    fn p_is_that_of_scipy() {
        assert_p(&[1, 2, 3, 4, 5], &[6, 7, 8, 9, 10], 0.007_936_507_936_507_936);
        assert_p(&[1, 3, 5, 7, 9], &[2, 4, 6, 8, 10, 12], 0.428_571_428_571_428_55);
        assert_p(&[10, 11, 12, 20], &[1, 13, 14, 15, 16, 17, 18], 0.527_272_727_272_727_2);
    }

    // scipy.stats.permutation_test of the sum of scipy.stats.rankdata, all permutations
    #[test]
    fn tied_launches_have_the_permutation_distribution() {
        assert_p(&[1, 2, 2, 3, 5], &[2, 4, 5, 5, 6], 0.150_793_650_793_650_79);
        assert_p(&[7; 5], &[7; 5], 1.0);
    }

    #[test]
    fn sides_that_can_prove_nothing_are_not_tested() {
        // 2 / C(6, 3) is 0.1, 2 / C(7, 3) is 0.057, 2 / C(8, 4) is 0.029.
        assert_eq!(p(&[1, 2, 3], &[4, 5, 6]), None);
        assert_eq!(p(&[1, 2, 3], &[4, 5, 6, 7]), None);
        assert!(p(&[1, 2, 3, 4], &[5, 6, 7, 8]).is_some());
        assert_eq!(p(&[], &[1, 2, 3]), None);
        assert_eq!(p(&[1; 41], &[2; 40]), None);
    }
}
