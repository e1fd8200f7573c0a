//! Which vector instructions the kernels use: the best there are, or fewer where asked for. All
//! give the same bits.

use super::sys;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Vector instructions that kernels exist for, from the least to the most.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum InstructionSet {
    /// What the compiler may use on every processor of the architecture: SSE2 on x86-64, NEON on
    /// aarch64.
    Portable,
    /// x86-64 with AVX2 and BMI: Intel since Haswell, AMD since Zen.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VBMI: Intel since Ice Lake (servers), AMD since Zen 4.
    Avx512,
}

/// An instruction set that this processor has: there is no other way to one than through
/// [`Instructions::named`], which looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instructions(InstructionSet);

/// An instruction set that this processor lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this processor has no {wanted} instructions; the best it has is {best}")]
pub struct Missing {
    /// Asked for.
    pub wanted: InstructionSet,
    /// There.
    pub best: InstructionSet,
}

impl InstructionSet {
    /// All, from the least to the most.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// Name in scenarios and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Instructions {
    /// The best set there is.
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self(InstructionSet::Portable))
    }

    /// The set asked for.
    ///
    /// # Errors
    /// [`Missing`] if this processor lacks it.
    pub fn named(set: InstructionSet) -> Result<Self, Missing> {
        if sys::has(set) {
            Ok(Self(set))
        } else {
            Err(Missing { wanted: set, best: Self::best().0 })
        }
    }

    /// All sets there are, from the least to the best.
    pub fn available() -> impl Iterator<Item = Self> {
        InstructionSet::ALL.into_iter().filter_map(|set| Self::named(set).ok())
    }

    /// These, or `most` where that is less.
    pub fn at_most(self, most: InstructionSet) -> Self {
        if most < self.0 && sys::has(most) { Self(most) } else { self }
    }

    /// Which set it is.
    pub fn set(self) -> InstructionSet {
        self.0
    }

    /// Does `work` in code that is compiled for these instructions. The results are the same to
    /// the last bit, as the compiler neither reorders nor fuses operations on floats.
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Output {
        sys::run(self, work)
    }
}

/// Portable code that is worth compiling for every instruction set. Not a closure, as a closure
/// cannot be made to be inlined where it is to be compiled anew.
pub trait Work {
    /// What comes of it.
    type Output;

    /// Does it. To be marked `#[inline(always)]`, as whatever it calls: what is not inlined is
    /// compiled for [`InstructionSet::Portable`] alone.
    fn work(self) -> Self::Output;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_instructions_are_everywhere_and_the_best_are_the_last() {
        let sets: Vec<_> = Instructions::available().map(Instructions::set).collect();
        assert_eq!(sets.first(), Some(&InstructionSet::Portable));
        assert_eq!(sets.last(), Some(&Instructions::best().set()));
        assert!(sets.is_sorted());
    }

    #[test]
    fn what_is_missing_is_named_with_the_best_there_is() {
        let missing = Missing { wanted: InstructionSet::Avx512, best: InstructionSet::Avx2 };
        assert_eq!(
            missing.to_string(),
            "this processor has no avx512 instructions; the best it has is avx2"
        );
    }

    struct Sum<'a>(&'a [f32]);

    impl Work for Sum<'_> {
        type Output = f32;

        #[inline(always)]
        fn work(self) -> f32 {
            self.0.iter().map(|n| n * 1.1 + 0.3).sum()
        }
    }

    #[test]
    fn work_gives_the_same_whatever_it_is_compiled_for() {
        let numbers: Vec<f32> = (0..1000).map(|n| (n as f32).sqrt()).collect();
        let sums: Vec<u32> =
            Instructions::available().map(|set| set.run(Sum(&numbers)).to_bits()).collect();
        assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{sums:?}");
    }
}
