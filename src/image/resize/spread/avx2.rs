//! Eight columns at a time, each from the bytes at its own start: a byte shuffle brings the levels
//! of one colour that are weighed together side by side, as 16 bit lanes, for `vpmaddwd`. Any
//! distance between columns will do.

use super::{Block, Columns, Source};
use crate::cpu::sys::x86_64::{
    load_128, load_128_each, load_256, prefetch, store_128, store_floats_256,
};
use std::arch::x86_64::{
    __m256i, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_cvtepi32_ps,
    _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_or_si256,
    _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_set_epi64x, _mm256_set_m128i,
    _mm256_shuffle_epi8, _mm256_srai_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi64,
};

/// Shuffles to zero.
const Z: u8 = 0x80;

/// Of two columns' eight bytes: red of the first and second pixel of each, then green.
const PAIRS_RED_GREEN: [u8; 16] = [0, Z, 3, Z, 8, Z, 11, Z, 1, Z, 4, Z, 9, Z, 12, Z];
/// The same for blue, then nothing.
const PAIRS_BLUE: [u8; 16] = [2, Z, 5, Z, 10, Z, 13, Z, Z, Z, Z, Z, Z, Z, Z, Z];

/// Of a column's twelve bytes: the levels of one colour of its four pixels, in the low or in the
/// high half.
const fn quad(colour: u8, high: bool) -> [u8; 16] {
    let mut order = [Z; 16];
    let mut tap = 0;
    while tap < 4 {
        order[2 * tap + if high { 8 } else { 0 }] = 3 * tap as u8 + colour;
        tap += 1;
    }
    order
}

#[inline]
#[target_feature(enable = "avx2")]
fn twice(bytes: &[u8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(load_128(bytes))
}

/// See [`super::pairs`]; makes whole blocks and returns the number of columns made.
#[target_feature(enable = "avx2")]
pub(super) fn pairs<const SHIFT: u32>(
    columns: &Columns<2>,
    source: Source<'_>,
    planes: &mut [&mut [i16]; 3],
) -> usize {
    let count = columns.followed_by(8, source.row.len());
    let (red_green, blue_only) = (twice(&PAIRS_RED_GREEN), twice(&PAIRS_BLUE));
    for Block { starts, weights, red, green, blue } in columns.blocks(count, planes) {
        prefetch(source.next, starts[0] as usize);
        let column = |number: usize| -> i64 {
            let start = starts[number] as usize;
            i64::from_le_bytes(*source.row[start..].first_chunk().unwrap_or(&[0; 8]))
        };
        // Each lane of 128 bits ends up with four columns that follow each other.
        let near = _mm256_set_epi64x(column(5), column(4), column(1), column(0));
        let far = _mm256_set_epi64x(column(7), column(6), column(3), column(2));
        let weights = load_256(weights);
        let keep = |levels: __m256i| {
            let sums = _mm256_madd_epi16(levels, weights);
            match SHIFT {
                0 => sums,
                4 => _mm256_srai_epi32::<4>(sums),
                _ => unreachable!("no kernel drops {SHIFT} bits"),
            }
        };
        let (near_rg, far_rg) =
            (_mm256_shuffle_epi8(near, red_green), _mm256_shuffle_epi8(far, red_green));
        let (near_b, far_b) =
            (_mm256_shuffle_epi8(near, blue_only), _mm256_shuffle_epi8(far, blue_only));
        let reds = keep(_mm256_unpacklo_epi64(near_rg, far_rg));
        let greens = keep(_mm256_unpackhi_epi64(near_rg, far_rg));
        let blues = keep(_mm256_unpacklo_epi64(near_b, far_b));
        // Lane by lane: four reds, four greens; brought together by colour.
        let packed = _mm256_packs_epi32(reds, greens);
        let together = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
        store_128(red, _mm256_castsi256_si128(together));
        store_128(green, _mm256_extracti128_si256::<1>(together));
        let packed = _mm256_packs_epi32(blues, blues);
        let together = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
        store_128(blue, _mm256_castsi256_si128(together));
    }
    count
}

/// See [`super::quads`]; makes whole blocks and returns the number of columns made.
#[target_feature(enable = "avx2")]
pub(super) fn quads(
    columns: &Columns<4>,
    source: Source<'_>,
    planes: &mut [&mut [f32]; 3],
) -> usize {
    let count = columns.followed_by(16, source.row.len());
    let order = |colour: u8| (twice(&quad(colour, false)), twice(&quad(colour, true)));
    let orders = [order(0), order(1), order(2)];
    for Block { starts, weights, red, green, blue } in columns.blocks(count, planes) {
        prefetch(source.next, starts[0] as usize);
        // Lane by lane columns 0 to 3 and 4 to 7, in the order in which `vphaddd` wants them.
        let [a, b, c, d, e, f, g, h] = load_128_each(source.row, starts);
        let [ae, bf] = [_mm256_set_m128i(e, a), _mm256_set_m128i(f, b)];
        let [cg, dh] = [_mm256_set_m128i(g, c), _mm256_set_m128i(h, d)];
        let pairs = weights.as_chunks::<2>().0;
        let first = _mm256_set_m128i(load_128(&pairs[2]), load_128(&pairs[0]));
        let second = _mm256_set_m128i(load_128(&pairs[3]), load_128(&pairs[1]));
        let sums = |(low, high): (__m256i, __m256i)| {
            let weigh = |left: __m256i, right: __m256i, weights: __m256i| {
                let levels = _mm256_or_si256(
                    _mm256_shuffle_epi8(left, low),
                    _mm256_shuffle_epi8(right, high),
                );
                _mm256_madd_epi16(levels, weights)
            };
            _mm256_cvtepi32_ps(_mm256_hadd_epi32(weigh(ae, bf, first), weigh(cg, dh, second)))
        };
        store_floats_256(red, sums(orders[0]));
        store_floats_256(green, sums(orders[1]));
        store_floats_256(blue, sums(orders[2]));
    }
    count
}
