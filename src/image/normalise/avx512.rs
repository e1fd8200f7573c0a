//! A table of 256 floats as four tables of their bytes, which byte permutations look up 64 levels
//! at a time.

use crate::cpu::sys::x86_64::{load_512, store_512};
use std::arch::x86_64::{
    __m512i, _mm512_mask_blend_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
    _mm512_permutexvar_epi32, _mm512_unpackhi_epi8, _mm512_unpackhi_epi16, _mm512_unpacklo_epi8,
    _mm512_unpacklo_epi16,
};

/// Bytes of a register, and levels looked up at a time.
const BLOCK: usize = 64;

/// Groups of four levels in the order in which the unpacking below brings them back to theirs: it
/// works in each lane of 128 bits apart.
const GROUPS: [u32; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

/// A table of 256 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn bytes_of(table: &[__m512i; 4], levels: __m512i) -> __m512i {
    let low = _mm512_permutex2var_epi8(table[0], levels, table[1]);
    let high = _mm512_permutex2var_epi8(table[2], levels, table[3]);
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(levels), low, high)
}

/// See [`super::sys::look_up`]; looks up whole blocks.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn look_up(bytes: &[[u8; 256]; 4], levels: &[u8], values: &mut [f32]) -> usize {
    let table = |bytes: &[u8; 256]| {
        let quarters = bytes.as_chunks::<BLOCK>().0;
        [0, 1, 2, 3].map(|quarter: usize| load_512(&quarters[quarter]))
    };
    let [first, second, third, fourth] = bytes;
    let (first, second) = (table(first), table(second));
    let (third, fourth) = (table(third), table(fourth));
    let groups = load_512(&GROUPS);
    let levels = levels.as_chunks::<BLOCK>().0;
    for (levels, values) in levels.iter().zip(values.as_chunks_mut::<BLOCK>().0) {
        let levels = _mm512_permutexvar_epi32(groups, load_512(levels));
        let (a, b) = (bytes_of(&first, levels), bytes_of(&second, levels));
        let (c, d) = (bytes_of(&third, levels), bytes_of(&fourth, levels));
        let (low_ab, high_ab) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
        let (low_cd, high_cd) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
        let whole = [
            _mm512_unpacklo_epi16(low_ab, low_cd),
            _mm512_unpackhi_epi16(low_ab, low_cd),
            _mm512_unpacklo_epi16(high_ab, high_cd),
            _mm512_unpackhi_epi16(high_ab, high_cd),
        ];
        for (values, whole) in values.as_chunks_mut::<16>().0.iter_mut().zip(whole) {
            store_512(values, whole);
        }
    }
    levels.len() * BLOCK
}
