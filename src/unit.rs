//! Typed quantities. Stored raw, shown human: rounding happens in `Display` and nowhere else.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A span of time, or a reading of a monotonic clock, in whole nanoseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanos(pub u64);

/// A count of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A count of multiplications that are followed by an addition each.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Macs(pub u64);

/// A count of floating-point operations: two for each of [`Macs`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Flops(pub u64);

/// A count of operations on single elements that are no [`Macs`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Operations(pub u64);

/// Floating-point operations for each byte that is moved.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Intensity(pub f64);

/// A quotient of two like quantities; `1.0` is "the same". Shown as a factor.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub f64);

/// A share of a whole; `0.25` is a quarter. Shown in percent.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(pub f64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From seconds; negative and non-finite values become zero, too large ones the maximum.
    pub fn from_seconds(seconds: f64) -> Self {
        // A float-to-integer cast saturates and maps NaN to zero.
        Self((seconds * 1e9) as u64)
    }

    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// In milliseconds.
    pub fn millis(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The span from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl Macs {
    /// As floating-point operations: a multiplication and an addition each.
    pub fn flops(self) -> Flops {
        Flops(self.0.saturating_mul(2))
    }
}

impl Flops {
    /// For each of so many bytes; none where there are no bytes.
    pub fn for_each(self, bytes: Bytes) -> Option<Intensity> {
        (bytes.0 > 0).then(|| Intensity(self.0 as f64 / bytes.0 as f64))
    }
}

impl std::ops::Add for Nanos {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for Nanos {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, |total, span| total + span)
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0 as f64;
        let (value, unit) = match self.0 {
            0..1_000 => return f.pad(&format!("{} ns", self.0)),
            1_000..1_000_000 => (n / 1e3, "µs"),
            1_000_000..1_000_000_000 => (n / 1e6, "ms"),
            _ => (n / 1e9, "s"),
        };
        let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        f.pad(&format!("{value:.decimals$} {unit}"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0 as f64;
        let (value, unit) = match self.0 {
            0..1_000 => return f.pad(&format!("{} B", self.0)),
            1_000..1_000_000 => (n / 1e3, "kB"),
            1_000_000..1_000_000_000 => (n / 1e6, "MB"),
            _ => (n / 1e9, "GB"),
        };
        f.pad(&format!("{value:.1} {unit}"))
    }
}

/// A count with three decimals in thousands, millions, billions or trillions.
fn counted(count: u64, of: &str) -> String {
    let n = count as f64;
    let (value, prefix) = match count {
        0..1_000 => return format!("{count} {of}"),
        1_000..1_000_000 => (n / 1e3, 'k'),
        1_000_000..1_000_000_000 => (n / 1e6, 'M'),
        1_000_000_000..1_000_000_000_000 => (n / 1e9, 'G'),
        _ => (n / 1e12, 'T'),
    };
    format!("{value:.3} {prefix}{of}")
}

impl fmt::Display for Macs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&counted(self.0, "MACs"))
    }
}

impl fmt::Display for Flops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&counted(self.0, "FLOPs"))
    }
}

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&counted(self.0, "OPs"))
    }
}

impl fmt::Display for Intensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} FLOP/B", self.0))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.3}×", self.0))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} %", self.0 * 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_with_three_figures_and_a_fitting_unit() {
        let shown = |n: u64| Nanos(n).to_string();
        assert_eq!(
            [
                shown(999),
                shown(1_234),
                shown(12_345_678),
                shown(250_000_000),
                shown(61_000_000_000)
            ],
            ["999 ns", "1.23 µs", "12.3 ms", "250 ms", "61.0 s"]
        );
    }

    #[test]
    fn arithmetic_is_shown_with_three_decimals_and_what_it_counts() {
        let macs = Macs(4_372_000_000);
        assert_eq!([macs.to_string(), macs.flops().to_string()], ["4.372 GMACs", "8.744 GFLOPs"]);
        assert_eq!(Macs(999).to_string(), "999 MACs");
        assert_eq!(Operations(12_345).to_string(), "12.345 kOPs");
        assert_eq!(Macs(u64::MAX).flops(), Flops(u64::MAX));
        assert_eq!(Flops(30).for_each(Bytes(4)).unwrap().to_string(), "7.5 FLOP/B");
        assert_eq!(Flops(30).for_each(Bytes(0)), None);
    }

    #[test]
    fn seconds_that_make_no_sense_become_a_bound() {
        assert_eq!(Nanos::from_seconds(f64::NAN), Nanos::ZERO);
        assert_eq!(Nanos::from_seconds(-1.0), Nanos::ZERO);
        assert_eq!(Nanos::from_seconds(f64::INFINITY), Nanos(u64::MAX));
    }
}
