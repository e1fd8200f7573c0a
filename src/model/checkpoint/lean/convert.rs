//! Elements of one type as another. Reads and writes bytes; knows no file.

use crate::{model::onnx::half, tensor::DType};

/// Largest magnitude that becomes a finite half: half way from 65504 to what would be next.
const HALF_LIMIT: f64 = 65520.0;

/// What a stretch of elements becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// The same bytes.
    Copy,
    /// Elements of the first type as those of the second.
    Float(DType, DType),
}

impl Conversion {
    /// From one type to another; only numbers with a fraction, and of those only the ones that this
    /// project reads, change their type.
    pub fn new(from: DType, to: DType) -> Self {
        if from == to { Self::Copy } else { Self::Float(from, to) }
    }

    /// Appends the elements in `bytes` to `out`. How many of them are finite and would be infinite.
    pub fn run(self, bytes: &[u8], out: &mut Vec<u8>) -> u64 {
        let (from, to) = match self {
            Self::Copy => {
                out.extend_from_slice(bytes);
                return 0;
            }
            Self::Float(from, to) => (from, to),
        };
        let mut lost = 0;
        for element in bytes.chunks_exact(from.bytes().unwrap_or(1)) {
            let value = float(from, element);
            lost += u64::from(value.is_finite() && !fits(to, value));
            match to {
                DType::F16 => out.extend(half_of(value).to_le_bytes()),
                // A signalling NaN becomes a quiet one; nothing else changes from half to float.
                _ => out.extend((value as f32).to_le_bytes()),
            }
        }
        lost
    }
}

fn fits(to: DType, value: f64) -> bool {
    match to {
        DType::F16 => value.abs() < HALF_LIMIT,
        _ => (value as f32).is_finite(),
    }
}

/// The value of an element of one of the four types with a fraction that this project reads.
pub fn float(dtype: DType, bytes: &[u8]) -> f64 {
    let word = bytes.iter().rev().fold(0_u64, |word, &byte| word << 8 | u64::from(byte));
    match dtype {
        DType::F16 => half(word as u16),
        DType::BF16 => f64::from(f32::from_bits((word as u32) << 16)),
        DType::F32 => f64::from(f32::from_bits(word as u32)),
        _ => f64::from_bits(word),
    }
}

/// The IEEE 754 binary16 that is nearest to a value; of two, the even one.
fn half_of(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let magnitude = value.abs();
    sign | if magnitude.is_nan() {
        0x7e00
    } else if magnitude >= HALF_LIMIT {
        0x7c00
    } else {
        // In units of the last place, which is 2⁻²⁴ below the smallest normal number.
        let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(-14);
        let units = (magnitude * 2_f64.powi(10 - exponent)).round_ties_even() as u16;
        // A normal number's leading one adds one to the exponent, and so does a carry.
        (((exponent + 14) as u16) << 10) + units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back_as_itself() {
        for bits in 0..=u16::MAX {
            let value = half(bits);
            if value.is_nan() {
                assert_eq!(half_of(value) & 0x7e00, 0x7e00, "{bits:#x}");
            } else {
                assert_eq!(half_of(value), bits, "{bits:#x}");
            }
        }
    }

    #[test]
    fn what_lies_between_two_halves_becomes_the_nearer_and_of_equals_the_even_one() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (half(bits), half(bits + 1));
            let middle = low.midpoint(high);
            assert_eq!(half_of(middle), bits + (bits & 1), "{bits:#x}");
            assert_eq!(half_of(middle.next_down()), bits, "{bits:#x}");
            assert_eq!(half_of(middle.next_up()), bits + 1, "{bits:#x}");
        }
    }

    #[test]
    fn what_is_beyond_a_half_is_counted_and_what_was_infinite_is_not() {
        let values = [65519.0_f32, 65520.0, -1e9, f32::INFINITY, f32::NAN, 1e-9];
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut out = Vec::new();
        assert_eq!(Conversion::new(DType::F32, DType::F16).run(&bytes, &mut out), 2);
        assert_eq!(out[..2], 0x7bff_u16.to_le_bytes());
        assert_eq!(out[10..], [0, 0]);
    }

    #[test]
    fn every_half_and_brain_float_becomes_the_float_of_the_same_value() {
        let mut out = Vec::new();
        Conversion::new(DType::BF16, DType::F32).run(&0x3f80_u16.to_le_bytes(), &mut out);
        assert_eq!(out, 1_f32.to_le_bytes());
        out.clear();
        Conversion::new(DType::F64, DType::F32).run(&0.1_f64.to_le_bytes(), &mut out);
        assert_eq!(out, 0.1_f32.to_le_bytes());
    }
}
