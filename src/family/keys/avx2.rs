//! Comparisons of eight values at a time; their keys one by one.

use super::{Key, Keys, Numbers, RUN};
use crate::cpu::sys::x86_64::load_256;
use std::{
    arch::x86_64::{
        __m256i, _CMP_GE_OQ, _CMP_LE_OQ, _mm256_and_ps, _mm256_castsi256_ps, _mm256_cmp_ps,
        _mm256_movemask_ps, _mm256_set1_ps,
    },
    ops::RangeInclusive,
};

/// See [`Keys::add`]; looks at whole runs and returns the number of values looked at.
#[target_feature(enable = "avx2,bmi1")]
pub(super) fn add(
    keys: &mut Keys,
    values: &[f32],
    numbers: Numbers,
    range: &RangeInclusive<f32>,
) -> usize {
    let (start, end) = (_mm256_set1_ps(*range.start()), _mm256_set1_ps(*range.end()));
    let mask = |values: __m256i| {
        let values = _mm256_castsi256_ps(values);
        let above = _mm256_cmp_ps::<_CMP_GE_OQ>(values, start);
        let below = _mm256_cmp_ps::<_CMP_LE_OQ>(values, end);
        _mm256_movemask_ps(_mm256_and_ps(above, below)) as u32
    };
    let runs = values.as_chunks::<RUN>().0;
    let mut number = numbers.first;
    for run in runs {
        let halves = run.as_chunks::<8>().0;
        let mut hits = mask(load_256(&halves[0])) | mask(load_256(&halves[1])) << 8;
        while hits != 0 {
            let lane = hits.trailing_zeros();
            let number = number.wrapping_add(numbers.step.wrapping_mul(lane));
            keys.push(Key::new(run[lane as usize % RUN], number));
            hits &= hits - 1;
        }
        number = number.wrapping_add(numbers.step.wrapping_mul(RUN as u32));
    }
    runs.len() * RUN
}
