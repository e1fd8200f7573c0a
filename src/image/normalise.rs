//! Levels 0 to 255 → the floats a model was trained on.

/// Order of a model's input planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// An affine map per plane: `value = level * scale + bias`, correct to the last bit or nearly so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalise {
    /// Which colour each plane holds.
    pub order: ChannelOrder,
    /// Factor per plane, in the planes' order.
    pub scale: [f64; 3],
    /// Summand per plane, in the planes' order.
    pub bias: [f64; 3],
}

/// [`Normalise`] of one plane in single precision. The factor is split into a part of 16
/// significant bits, whose product with an 8 bit level is exact, and the rest: so the sum is
/// rounded once where it counts, without fused multiply-add and at the speed of a multiplication.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    coarse: f32,
    fine: f32,
    bias: f32,
}

impl Normalise {
    /// The levels themselves.
    pub const fn levels(order: ChannelOrder) -> Self {
        Self { order, scale: [1.0; 3], bias: [0.0; 3] }
    }

    /// `level / 255`, bit for bit.
    pub const fn unit(order: ChannelOrder) -> Self {
        Self { order, scale: [1.0 / 255.0; 3], bias: [0.0; 3] }
    }

    /// `(level / 255 - mean) / deviation`, both per plane in the planes' order.
    pub fn standard(order: ChannelOrder, mean: [f64; 3], deviation: [f64; 3]) -> Self {
        let scale = deviation.map(|d| 1.0 / (255.0 * d));
        let bias = std::array::from_fn(|plane| -mean[plane] / deviation[plane]);
        Self { order, scale, bias }
    }

    /// The three planes' maps, in the planes' order.
    pub(super) fn planes(&self) -> [Plane; 3] {
        std::array::from_fn(|plane| Plane::new(self.scale[plane], self.bias[plane]))
    }

    /// The plane that holds `colour` (0 red, 1 green, 2 blue).
    pub(super) fn plane_of(&self, colour: usize) -> usize {
        match self.order {
            ChannelOrder::Rgb => colour,
            ChannelOrder::Bgr => 2 - colour,
        }
    }
}

impl Plane {
    fn new(scale: f64, bias: f64) -> Self {
        let coarse = f32::from_bits((scale as f32).to_bits() & 0xffff_ff00);
        let fine = (scale - f64::from(coarse)) as f32;
        Self { coarse, fine, bias: bias as f32 }
    }

    /// The value of one level.
    #[inline]
    pub(super) fn value(self, level: u8) -> f32 {
        let level = f32::from(level);
        level * self.coarse + (level * self.fine + self.bias)
    }

    /// The values of a row of levels.
    pub(super) fn fill(self, levels: &[u8], values: &mut [f32]) {
        for (value, &level) in values.iter_mut().zip(levels) {
            *value = self.value(level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_range_equals_a_division_bit_for_bit() {
        let [plane, ..] = Normalise::unit(ChannelOrder::Rgb).planes();
        for level in 0..=255_u8 {
            assert_eq!(plane.value(level).to_bits(), (f32::from(level) / 255.0).to_bits());
        }
    }

    #[test]
    fn standardised_values_are_within_a_millionth_of_the_formula() {
        let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let planes = Normalise::standard(ChannelOrder::Rgb, mean, deviation).planes();
        for (plane, (mean, deviation)) in planes.into_iter().zip(mean.into_iter().zip(deviation)) {
            for level in 0..=255_u8 {
                let exact = (f64::from(level) / 255.0 - mean) / deviation;
                assert!((f64::from(plane.value(level)) - exact).abs() < 1e-6);
            }
        }
    }
}
