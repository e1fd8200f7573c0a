//! Levels 0 to 255 → the floats a model was trained on.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod standard;
mod sys;

use super::{MIDDLE, PlaneTable};
use crate::cpu::{Instructions, Work};
use standard::Standard;

/// Order of a model's input planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// What each plane holds and the value of every level in it: a project's own formula, kept as a
/// table, so that its rounding is kept too.
#[derive(Clone, Debug)]
pub struct Normalise {
    order: ChannelOrder,
    planes: [Plane; 3],
}

/// The values of one plane.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "read by vector code"))]
pub(super) struct Plane {
    values: Box<[f32; 256]>,
    /// The first to the last byte of all values.
    bytes: Box<[[u8; 256]; 4]>,
    /// The formula that gives the values, if there is one.
    affine: Option<Affine>,
    /// Another one, with corrections.
    standard: Option<Standard>,
}

/// `level * scale + bias` in single precision. The factor is split into a part of 16 significant
/// bits, whose product with an 8 bit level is exact, and the rest: so the sum is rounded once
/// where it counts, without fused multiply-add and at the speed of a multiplication.
#[derive(Clone, Copy, Debug)]
struct Affine {
    coarse: f32,
    fine: f32,
    bias: f32,
}

impl Normalise {
    /// The value of each level in each plane (0 to 2, in the planes' order).
    pub fn new(order: ChannelOrder, value: impl Fn(usize, u8) -> f32) -> Self {
        let plane = |plane| Plane::new(|level| value(plane, level));
        Self { order, planes: [plane(0), plane(1), plane(2)] }
    }

    /// The levels themselves.
    pub fn levels(order: ChannelOrder) -> Self {
        Self::new(order, |_, level| f32::from(level))
    }

    /// `level / 255`.
    pub fn unit(order: ChannelOrder) -> Self {
        Self::new(order, |_, level| f32::from(level) / 255.0)
    }

    /// The plane that holds `colour` (0 red, 1 green, 2 blue), and its number.
    pub(super) fn plane_of(&self, colour: usize) -> (usize, &Plane) {
        let number = match self.order {
            ChannelOrder::Rgb => colour,
            ChannelOrder::Bgr => 2 - colour,
        };
        (number, &self.planes[number])
    }

    /// What each plane holds, beside an image and around it, where that is padded with `pad`.
    pub(super) fn tables(&self, pad: u8) -> [PlaneTable; 3] {
        let table = |colour: usize| {
            let (number, plane) = self.plane_of(colour);
            let (step, middle) = plane.line(MIDDLE);
            let (values, padding) = (*plane.values, plane.value(pad));
            (number, PlaneTable { colour: colour as u32, values, padding, step, middle })
        };
        let mut tables = [table(0), table(1), table(2)];
        tables.sort_by_key(|&(number, _)| number);
        tables.map(|(_, table)| table)
    }

    /// The planes in their order.
    pub(super) fn planes(&self) -> &[Plane; 3] {
        &self.planes
    }
}

impl Plane {
    fn new(value: impl Fn(u8) -> f32) -> Self {
        let values: Box<[f32; 256]> = Box::new(std::array::from_fn(|level| value(level as u8)));
        let bytes = std::array::from_fn(|byte| values.map(|value| value.to_le_bytes()[byte]));
        let affine = Affine::candidates(&values).into_iter().find(|affine| {
            let same =
                |level: u8| affine.value(level).to_bits() == values[usize::from(level)].to_bits();
            (0..=255).all(same)
        });
        let standard = Standard::through(&values);
        Self { affine, standard, bytes: Box::new(bytes), values }
    }

    /// The value of one level.
    #[inline]
    pub(super) fn value(&self, level: u8) -> f32 {
        self.values[usize::from(level)]
    }

    /// The values of a row of levels.
    pub(super) fn fill(&self, levels: &[u8], values: &mut [f32], instructions: Instructions) {
        if let Some(affine) = self.affine {
            instructions.run(Compute { affine, levels, values });
            return;
        }
        let done = sys::look_up(self, levels, instructions, values);
        for (value, &level) in values[done..].iter_mut().zip(&levels[done..]) {
            *value = self.value(level);
        }
    }

    /// The values of a row of levels less `middle` that are no whole numbers: on the line through
    /// the outermost levels.
    pub(super) fn fill_between(
        &self,
        levels: &[f32],
        middle: f32,
        values: &mut [f32],
        instructions: Instructions,
    ) {
        let (step, middle) = self.line(middle);
        instructions.run(Interpolate { step, middle, levels, values });
    }

    /// What one level adds on the line through the outermost levels, and the value of `middle`.
    fn line(&self, middle: f32) -> (f32, f32) {
        let (low, high) = (f64::from(self.values[0]), f64::from(self.values[255]));
        let step = (high - low) / 255.0;
        (step as f32, (f64::from(middle) * step + low) as f32)
    }
}

impl Affine {
    /// Lines that may give all values: a factor alone, as where levels are multiplied by one that
    /// was rounded before; and the line through the outermost levels.
    fn candidates(values: &[f32; 256]) -> [Self; 2] {
        [Self { coarse: values[1], fine: 0.0, bias: 0.0 }, Self::through(values)]
    }

    /// The line through the outermost levels' values.
    fn through(values: &[f32; 256]) -> Self {
        let scale = (f64::from(values[255]) - f64::from(values[0])) / 255.0;
        let coarse = f32::from_bits((scale as f32).to_bits() & 0xffff_ff00);
        Self { coarse, fine: (scale - f64::from(coarse)) as f32, bias: values[0] }
    }

    #[inline(always)]
    fn value(self, level: u8) -> f32 {
        let level = f32::from(level);
        level * self.coarse + (level * self.fine + self.bias)
    }
}

/// Values by their formula.
struct Compute<'a> {
    affine: Affine,
    levels: &'a [u8],
    values: &'a mut [f32],
}

impl Work for Compute<'_> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        for (value, &level) in self.values.iter_mut().zip(self.levels) {
            *value = self.affine.value(level);
        }
    }
}

/// Values of levels that are no whole numbers.
struct Interpolate<'a> {
    step: f32,
    middle: f32,
    levels: &'a [f32],
    values: &'a mut [f32],
}

impl Work for Interpolate<'_> {
    type Output = ();

    #[inline(always)]
    fn work(self) {
        for (value, &level) in self.values.iter_mut().zip(self.levels) {
            *value = level * self.step + self.middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(normalise: &Normalise, plane: usize) -> Vec<f32> {
        let levels: Vec<u8> = (0..=255).collect();
        let mut values = vec![f32::NAN; 256];
        normalise.planes()[plane].fill(&levels, &mut values, Instructions::best());
        values
    }

    #[test]
    fn every_level_has_the_formulas_value_bit_for_bit() {
        let squares = |plane: usize, level: u8| (f32::from(level) - 3.0 * plane as f32).powi(2);
        let unit = |_: usize, level: u8| f32::from(level) / 255.0;
        let formulas: [&dyn Fn(usize, u8) -> f32; 2] = [&squares, &unit];
        for formula in formulas {
            let normalise = Normalise::new(ChannelOrder::Rgb, formula);
            for plane in 0..3 {
                let values = filled(&normalise, plane);
                let same = |level: u8| {
                    values[usize::from(level)].to_bits() == formula(plane, level).to_bits()
                };
                assert!((0..=255).all(same));
            }
        }
    }

    #[test]
    fn the_unit_range_is_computed_and_not_looked_up() {
        assert!(Normalise::unit(ChannelOrder::Rgb).planes()[0].affine.is_some());
    }

    #[test]
    fn means_and_deviations_have_a_formula_however_they_are_rounded() {
        let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let numpy = |plane: usize, level: u8| {
            let unit = f32::from(level) * (1.0 / 255.0) as f32;
            let centred = (f64::from(unit) - mean[plane]) as f32;
            (f64::from(centred) / deviation[plane]) as f32
        };
        let torch = |plane: usize, level: u8| {
            (f32::from(level) / 255.0 - mean[plane] as f32) / deviation[plane] as f32
        };
        let formulas: [&dyn Fn(usize, u8) -> f32; 2] = [&numpy, &torch];
        for formula in formulas {
            let normalise = Normalise::new(ChannelOrder::Rgb, formula);
            assert!(normalise.planes().iter().all(|plane| plane.standard.is_some()));
        }
        let constant = Normalise::new(ChannelOrder::Rgb, |_, _| 1.0);
        assert!(constant.planes()[0].standard.is_none());
    }

    #[test]
    fn between_levels_values_lie_on_the_line() {
        let unit = Normalise::unit(ChannelOrder::Rgb);
        let mut values = [0.0; 3];
        unit.planes()[1].fill_between(
            &[-100.0, 27.5, 155.0],
            100.0,
            &mut values,
            Instructions::best(),
        );
        let near = |(value, expected): (&f32, f32)| (value - expected).abs() < 1e-7;
        assert!(values.iter().zip([0.0, 0.5, 1.0]).all(near), "{values:?}");
    }
}
