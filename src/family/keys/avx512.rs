//! Sixteen values at a time: those that are wanted are brought together by `vpcompressd`, and made
//! into keys without a branch.

use super::{Key, Keys, Numbers, RUN, SIGN};
use crate::cpu::sys::x86_64::{load_512, store_512};
use std::{
    arch::x86_64::{
        __m256i, __m512i, _CMP_GE_OQ, _CMP_LE_OQ, _mm512_add_epi32, _mm512_castsi512_ps,
        _mm512_castsi512_si256, _mm512_cmp_ps_mask, _mm512_cvtepu32_epi64,
        _mm512_extracti64x4_epi64, _mm512_mask_cmp_ps_mask, _mm512_maskz_compress_epi32,
        _mm512_mullo_epi32, _mm512_or_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi64,
        _mm512_srai_epi32, _mm512_xor_si512,
    },
    array,
    ops::RangeInclusive,
};

/// See [`Keys::add`]; looks at whole runs and returns the number of values looked at.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(super) fn add(
    keys: &mut Keys,
    values: &[f32],
    numbers: Numbers,
    range: &RangeInclusive<f32>,
) -> usize {
    let (start, end) = (_mm512_set1_ps(*range.start()), _mm512_set1_ps(*range.end()));
    let lanes: [u32; RUN] = array::from_fn(|lane| lane as u32);
    let steps = _mm512_mullo_epi32(load_512(&lanes), _mm512_set1_epi32(numbers.step as i32));
    let runs = values.as_chunks::<RUN>().0;
    let mut number = numbers.first;
    for run in runs {
        let bits = load_512(run);
        let run = _mm512_castsi512_ps(bits);
        let above = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(run, start);
        let wanted = _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(above, run, end);
        if wanted != 0 {
            let indices = _mm512_add_epi32(steps, _mm512_set1_epi32(number as i32));
            let [low, high] = in_order(
                _mm512_maskz_compress_epi32(wanted, bits),
                _mm512_maskz_compress_epi32(wanted, indices),
            );
            if let Some(room) = keys.room().first_chunk_mut::<RUN>() {
                let (first, second) = room.split_at_mut(RUN / 2);
                put(first, low);
                put(second, high);
            }
            keys.count += wanted.count_ones() as usize;
        }
        number = number.wrapping_add(numbers.step.wrapping_mul(RUN as u32));
    }
    runs.len() * RUN
}

/// Keys of sixteen values, by their bits, and indices.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn in_order(bits: __m512i, indices: __m512i) -> [__m512i; 2] {
    let negative = _mm512_srai_epi32::<31>(bits);
    let flipped = _mm512_or_si512(negative, _mm512_set1_epi32(SIGN as i32));
    let ordered = _mm512_xor_si512(bits, flipped);
    let complements = _mm512_xor_si512(indices, _mm512_set1_epi32(-1));
    let keys = |ordered: __m256i, complements: __m256i| {
        let high = _mm512_slli_epi64::<32>(_mm512_cvtepu32_epi64(ordered));
        _mm512_or_si512(high, _mm512_cvtepu32_epi64(complements))
    };
    let upper = |v: __m512i| _mm512_extracti64x4_epi64::<1>(v);
    [
        keys(_mm512_castsi512_si256(ordered), _mm512_castsi512_si256(complements)),
        keys(upper(ordered), upper(complements)),
    ]
}

/// Writes eight keys.
#[inline]
#[target_feature(enable = "avx512f")]
fn put(room: &mut [Key], keys: __m512i) {
    let mut numbers = [0_u64; 8];
    store_512(&mut numbers, keys);
    for (key, number) in room.iter_mut().zip(numbers) {
        *key = Key(number);
    }
}
