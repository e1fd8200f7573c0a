//! Levels less a mean, over a deviation, as a formula in single precision. Every project rounds
//! that at other places, so that its values are a few of the smallest steps away from any one
//! formula's: how many, is kept for every level.

use super::Affine;

/// Bits of a level's correction.
const BITS: u32 = 2;

/// Levels whose corrections share a word.
const SHARE: usize = (u32::BITS / BITS) as usize;

/// A formula for all 256 levels.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "read by vector code"))]
pub(super) struct Standard {
    /// A level as 0 to 1.
    pub unit: Affine,
    /// The mean, and what single precision leaves of it.
    pub mean: [f32; 2],
    /// One over the deviation.
    pub factor: f32,
    /// How many steps each level's value lies above the formula's and [`Standard::least`].
    pub corrections: [u32; 256 / SHARE],
    /// The lowest correction, in steps.
    pub least: i32,
}

impl Standard {
    /// The formula that gives these values, if there is one.
    pub fn through(values: &[f32; 256]) -> Option<Self> {
        // By multiplication with a rounded factor, or by division: not the same for every level.
        let rounded = Affine { coarse: (1.0 / 255.0) as f32, fine: 0.0, bias: 0.0 };
        let divided: [f32; 256] = std::array::from_fn(|level| level as f32 / 255.0);
        let units = [rounded, Affine::through(&divided)];
        units.into_iter().find_map(|unit| Self::with(unit, values))
    }

    fn with(unit: Affine, values: &[f32; 256]) -> Option<Self> {
        let factor = f64::from(values[255]) - f64::from(values[0]);
        if factor == 0.0 || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        // The value nearest to zero tells the mean best.
        let nearest = (0..=255).min_by(|&a: &u8, &b: &u8| {
            values[usize::from(a)].abs().total_cmp(&values[usize::from(b)].abs())
        })?;
        let mean =
            f64::from(unit.value(nearest)) - f64::from(values[usize::from(nearest)]) / factor;
        let rest = (mean - f64::from(mean as f32)) as f32;
        let mut standard = Self {
            unit,
            mean: [mean as f32, rest],
            factor: factor as f32,
            corrections: [0; 256 / SHARE],
            least: 0,
        };
        let steps = |level: u8| {
            let value = values[usize::from(level)].to_bits().cast_signed();
            value.wrapping_sub(standard.uncorrected(level).to_bits().cast_signed())
        };
        let all: Vec<i32> = (0..=255).map(steps).collect();
        standard.least = all.iter().copied().min()?;
        for (level, steps) in all.into_iter().enumerate() {
            let correction = steps.wrapping_sub(standard.least).cast_unsigned();
            if correction >> BITS != 0 {
                return None;
            }
            standard.corrections[level / SHARE] |= correction << (BITS * (level % SHARE) as u32);
        }
        Some(standard)
    }

    fn uncorrected(&self, level: u8) -> f32 {
        ((self.unit.value(level) - self.mean[0]) - self.mean[1]) * self.factor
    }
}
