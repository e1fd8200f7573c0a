//! What cannot be said without `unsafe`: calling code that is compiled for instructions which not
//! every processor has, and moving memory to and from vector registers. Everything built on this is
//! safe code.
#![allow(unsafe_code)]

use super::{InstructionSet, Instructions, Work};

/// Whether this processor, and the system, support a set.
#[cfg(target_arch = "x86_64")]
pub(super) fn has(set: InstructionSet) -> bool {
    let avx2 = || {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
    };
    let avx512 = || {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            // The compiler takes these to come with AVX-512.
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
    };
    match set {
        InstructionSet::Portable => true,
        InstructionSet::Avx2 => avx2(),
        InstructionSet::Avx512 => avx2() && avx512(),
    }
}

/// Whether this processor, and the system, support a set.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn has(set: InstructionSet) -> bool {
    set == InstructionSet::Portable
}

/// See [`Instructions::run`].
#[inline]
pub(super) fn run<W: Work>(instructions: Instructions, work: W) -> W::Output {
    match instructions.set() {
        InstructionSet::Portable => work.work(),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Instructions` of a set exists only where `has` has found that set.
        InstructionSet::Avx2 => unsafe { x86_64::run_avx2(work) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx512 => unsafe { x86_64::run_avx512(work) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => work.work(),
    }
}

/// Has what will soon be written brought to the cache meanwhile.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn prefetch(floats: &[f32]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for line in floats.chunks(16) {
        // SAFETY: every x86-64 has SSE, and a prefetch changes nothing that a program sees.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
}

/// Has what will soon be written brought to the cache meanwhile.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn prefetch(_: &[f32]) {}

/// Registers of x86-64.
#[cfg(target_arch = "x86_64")]
pub mod x86_64 {
    use super::Work;
    use std::arch::x86_64::{
        __m128i, __m256, __m256i, __m512i, _MM_HINT_T0, _mm_cvtsi64_si128, _mm_loadu_si128,
        _mm_prefetch, _mm_storeu_si128, _mm256_cvtepu8_epi32, _mm256_i32gather_ps,
        _mm256_loadu_si256, _mm256_storeu_ps, _mm512_loadu_si512, _mm512_maskz_loadu_epi8,
        _mm512_storeu_si512,
    };

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(super) fn run_avx2<W: Work>(work: W) -> W::Output {
        work.work()
    }

    #[target_feature(
        enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,bmi1,bmi2,lzcnt,popcnt"
    )]
    pub(super) fn run_avx512<W: Work>(work: W) -> W::Output {
        work.work()
    }

    /// Types all of whose bits may be read from and written to a register.
    ///
    /// # Safety
    /// Every bit pattern is a value, and there is no padding.
    pub unsafe trait Plain: Copy {}
    // SAFETY: integers and floats have neither padding nor invalid patterns, nor have arrays of
    // what has none.
    unsafe impl Plain for u8 {}
    // SAFETY: as above.
    unsafe impl Plain for i16 {}
    // SAFETY: as above.
    unsafe impl Plain for u32 {}
    // SAFETY: as above.
    unsafe impl Plain for u64 {}
    // SAFETY: as above.
    unsafe impl Plain for i32 {}
    // SAFETY: as above.
    unsafe impl Plain for f32 {}
    // SAFETY: as above.
    unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

    /// Sixteen bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn load_128<T: Plain, const N: usize>(from: &[T; N]) -> __m128i {
        const { assert!(size_of::<[T; N]>() == 16) };
        // SAFETY: the array is as long as the register, as asserted, and needs no alignment.
        unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
    }

    /// Sixteen bytes from each of these places on.
    ///
    /// # Panics
    /// If there are fewer after one of them.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn load_128_each(from: &[u8], at: &[u32; 8]) -> [__m128i; 8] {
        let beyond = |&at: &u32| at as usize + 16 > from.len();
        assert!(!at.iter().fold(false, |any, at| any | beyond(at)), "a load beyond the slice");
        // SAFETY: all sixteen bytes are in the slice, as asserted, and need no alignment.
        at.map(|at| unsafe { _mm_loadu_si128(from.as_ptr().add(at as usize).cast()) })
    }

    /// The floats that the bytes of `at` number.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn gather_256(table: &[f32; 256], at: [u8; 8]) -> __m256 {
        let at = levels_256(at);
        // SAFETY: no byte numbers more floats than there are.
        unsafe { _mm256_i32gather_ps::<4>(table.as_ptr(), at) }
    }

    /// Eight bytes as 32 bit numbers.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn levels_256(bytes: [u8; 8]) -> __m256i {
        _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)))
    }

    /// Thirty-two bytes.
    #[inline]
    #[target_feature(enable = "avx")]
    pub fn load_256<T: Plain, const N: usize>(from: &[T; N]) -> __m256i {
        const { assert!(size_of::<[T; N]>() == 32) };
        // SAFETY: as in `load_128`.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    /// Sixty-four bytes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn load_512<T: Plain, const N: usize>(from: &[T; N]) -> __m512i {
        const { assert!(size_of::<[T; N]>() == 64) };
        // SAFETY: as in `load_128`.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    /// The first sixty-four bytes of `from`, or all of it and zeros.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn load_up_to_512(from: &[u8]) -> __m512i {
        match from.first_chunk::<64>() {
            Some(whole) => load_512(whole),
            None => {
                let there = (1_u64 << from.len()) - 1;
                // SAFETY: the mask lets only bytes of the slice be touched: its length is below
                // 64, so that the shift neither overflows nor sets a bit beyond it.
                unsafe { _mm512_maskz_loadu_epi8(there, from.as_ptr().cast()) }
            }
        }
    }

    /// Sixteen bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub fn store_128<T: Plain, const N: usize>(to: &mut [T; N], value: __m128i) {
        const { assert!(size_of::<[T; N]>() == 16) };
        // SAFETY: the array is as long as the register, as asserted, needs no alignment, and any
        // bits are a value of its type.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
    }

    /// Sixty-four bytes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn store_512<T: Plain, const N: usize>(to: &mut [T; N], value: __m512i) {
        const { assert!(size_of::<[T; N]>() == 64) };
        // SAFETY: as in `store_128`.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), value) }
    }

    /// Eight floats.
    #[inline]
    #[target_feature(enable = "avx")]
    pub fn store_floats_256(to: &mut [f32; 8], value: __m256) {
        // SAFETY: as in `store_128`.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
    }

    /// Has the bytes `at` and the 127 after it brought to the cache, if they are in `from`.
    #[inline]
    #[target_feature(enable = "sse")]
    pub fn prefetch(from: &[u8], at: usize) {
        for at in [at, at + 64] {
            if let Some(byte) = from.get(at) {
                _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast());
            }
        }
    }
}
