//! Eight columns at a time out of a window of 128 bytes of the row: a byte permutation brings the
//! levels of one colour that are weighed together side by side, as 16 bit lanes, for `vpmaddwd`.

use super::{BLOCK, Block, Columns, Source};
use crate::cpu::sys::x86_64::{
    load_256, load_512, load_up_to_512, prefetch, store_128, store_floats_256,
};
use std::arch::x86_64::{
    __m512i, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi32_epi16, _mm256_cvtepi32_ps,
    _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_set1_epi32, _mm256_slli_epi32,
    _mm256_srai_epi32, _mm256_sub_epi32, _mm512_add_epi32, _mm512_broadcast_i64x4,
    _mm512_castsi512_si256, _mm512_cvtepi32_epi16, _mm512_extracti64x4_epi64, _mm512_madd_epi16,
    _mm512_maskz_permutex2var_epi8, _mm512_permutexvar_epi32, _mm512_setr_epi32,
    _mm512_shuffle_i64x2, _mm512_srai_epi32,
};

/// Bytes that a permutation reaches.
pub(super) const WINDOW: usize = 128;

/// Every second of sixteen, then the others.
const EVENS_FIRST: [u32; 16] = [0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15];

/// The low byte of every 16 bit lane.
const LOW_BYTES: u64 = 0x5555_5555_5555_5555;

/// The part of a row that a block of columns needs.
struct Window {
    near: __m512i,
    far: __m512i,
}

impl Window {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new(row: &[u8], start: u32) -> Self {
        let bytes = &row[start as usize..];
        let far = bytes.get(64..).unwrap_or(&[]);
        Self { near: load_up_to_512(bytes), far: load_up_to_512(far) }
    }

    /// The bytes at the places that the low bytes of `at` give, as 16 bit lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn at(&self, at: __m512i) -> __m512i {
        _mm512_maskz_permutex2var_epi8(LOW_BYTES, self.near, at, self.far)
    }
}

/// Places, from the block's first, of the red level of each column's first pixel, in both halves of
/// every 32 bit lane and in both halves of the register.
struct Places {
    red: __m512i,
}

impl Places {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx2")]
    fn new(starts: &[u32; BLOCK]) -> Self {
        let first = _mm256_sub_epi32(load_256(starts), _mm256_set1_epi32(starts[0] as i32));
        let both = _mm256_add_epi32(first, _mm256_slli_epi32::<16>(first));
        Self { red: _mm512_broadcast_i64x4(both) }
    }

    /// Places of a pair of levels, of the pixel and of the next: `LOW` bytes on in the low half of
    /// the register, `HIGH` bytes on in the high half.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn moved<const LOW: i32, const HIGH: i32>(&self) -> __m512i {
        let by = |bytes: i32| (bytes + 3) << 16 | bytes;
        let (low, high) = (by(LOW), by(HIGH));
        let moves = _mm512_setr_epi32(
            low, low, low, low, low, low, low, low, high, high, high, high, high, high, high, high,
        );
        _mm512_add_epi32(self.red, moves)
    }
}

/// See [`super::pairs`]; makes whole blocks and returns the number of columns made.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2")]
pub(super) fn pairs<const SHIFT: u32>(
    columns: &Columns<2>,
    source: Source<'_>,
    planes: &mut [&mut [i16]; 3],
) -> usize {
    let count = columns.whole();
    for Block { starts, weights, red, green, blue } in columns.blocks(count, planes) {
        prefetch(source.next, starts[0] as usize);
        let window = Window::new(source.row, starts[0]);
        let places = Places::new(starts);
        let weights = load_256(weights);
        let levels = window.at(places.moved::<0, 1>());
        let sums = _mm512_madd_epi16(levels, _mm512_broadcast_i64x4(weights));
        let kept = _mm512_cvtepi32_epi16(_mm512_srai_epi32::<SHIFT>(sums));
        store_128(red, _mm256_castsi256_si128(kept));
        store_128(green, _mm256_extracti128_si256::<1>(kept));
        let levels = _mm512_castsi512_si256(window.at(places.moved::<2, 2>()));
        let sums = _mm256_madd_epi16(levels, weights);
        // The intrinsic counts in another type than its 512 bit sibling.
        let kept = match SHIFT {
            0 => sums,
            4 => _mm256_srai_epi32::<4>(sums),
            _ => unreachable!("no kernel drops {SHIFT} bits"),
        };
        store_128(blue, _mm256_cvtepi32_epi16(kept));
    }
    count
}

/// See [`super::quads`]; makes whole blocks and returns the number of columns made.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2")]
pub(super) fn quads(
    columns: &Columns<4>,
    source: Source<'_>,
    planes: &mut [&mut [f32]; 3],
) -> usize {
    let evens_first = load_512(&EVENS_FIRST);
    let count = columns.whole();
    for Block { starts, weights, red, green, blue } in columns.blocks(count, planes) {
        prefetch(source.next, starts[0] as usize);
        let window = Window::new(source.row, starts[0]);
        let places = Places::new(starts);
        // Weights of the first two pixels of all columns, then of the other two.
        let weights = _mm512_permutexvar_epi32(evens_first, load_512(weights));
        let near = _mm512_shuffle_i64x2::<0b01_00_01_00>(weights, weights);
        let far = _mm512_shuffle_i64x2::<0b11_10_11_10>(weights, weights);
        let red_green = _mm512_add_epi32(
            _mm512_madd_epi16(window.at(places.moved::<0, 1>()), near),
            _mm512_madd_epi16(window.at(places.moved::<6, 7>()), far),
        );
        let blues = _mm512_madd_epi16(window.at(places.moved::<2, 8>()), weights);
        let sum =
            _mm256_add_epi32(_mm512_castsi512_si256(blues), _mm512_extracti64x4_epi64::<1>(blues));
        store_floats_256(red, _mm256_cvtepi32_ps(_mm512_castsi512_si256(red_green)));
        store_floats_256(green, _mm256_cvtepi32_ps(_mm512_extracti64x4_epi64::<1>(red_green)));
        store_floats_256(blue, _mm256_cvtepi32_ps(sum));
    }
    count
}
