//! Which releases of TensorRT there are: their numbers, their binary interface, and which of them
//! are known here. Loads nothing.

use std::fmt;

/// What a library is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// TensorRT.
    TensorRt,
    /// TensorRT for RTX, which compiles for the card when an engine is loaded.
    Rtx,
}

/// A release, such as 8.6.1 or RTX 1.7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// What it is a release of.
    pub product: Product,
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

/// Binary interfaces that differ in the form of their types and callbacks, not only in their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abi {
    /// 8.5 and 8.6: lengths of 32 bits, no progress.
    Eight,
    /// 10: lengths of 64 bits, precision by flags or by the graph.
    Ten,
    /// 11, and RTX 1.7: precision by the graph alone.
    Eleven,
}

/// The releases that are known, for a message.
pub const KNOWN: &str =
    "TensorRT 8.5.1 to 8.6.1, 10.0 to 10.16 and 11.0 to 11.4, and TensorRT for RTX 1.7";

impl Release {
    /// From the number that `getInferLibVersion` of that product gives: below 10 000 and for RTX the
    /// major counts thousands or ten thousands: 8601 is 8.6.1, 100001 is 10.0.1, RTX's 10701 is 1.7.1.
    pub fn from_number(product: Product, number: i32) -> Self {
        let number = number.unsigned_abs();
        let unit = if product == Product::TensorRt && number < 10_000 { 1000 } else { 10_000 };
        let (major, rest) = (number / unit, number % unit);
        Self { product, major, minor: rest / 100, patch: rest % 100 }
    }

    /// Its binary interface; none where it is not known.
    pub fn abi(self) -> Option<Abi> {
        match (self.product, self.major, self.minor, self.patch) {
            (Product::TensorRt, 8, 5, 1..) | (Product::TensorRt, 8, 6, ..=1) => Some(Abi::Eight),
            (Product::TensorRt, 10, ..=16, _) => Some(Abi::Ten),
            (Product::TensorRt, 11, ..=4, _) | (Product::Rtx, 1, 7, _) => Some(Abi::Eleven),
            _ => None,
        }
    }

    /// The release of TensorRT whose tables it has. RTX 1.7 has those of 11.1.
    pub(super) fn tables(self) -> [u32; 3] {
        match self.product {
            Product::TensorRt => [self.major, self.minor, self.patch],
            Product::Rtx => [11, 1, 0],
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.product == Product::Rtx { "RTX " } else { "" };
        f.pad(&format!("{name}{}.{}.{}", self.major, self.minor, self.patch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensorrt(number: i32) -> Release {
        Release::from_number(Product::TensorRt, number)
    }

    #[test]
    fn numbers_of_libraries_are_read_in_all_of_their_ways() {
        assert_eq!(tensorrt(8503).to_string(), "8.5.3");
        assert_eq!(tensorrt(8601).to_string(), "8.6.1");
        assert_eq!(tensorrt(100_001).to_string(), "10.0.1");
        assert_eq!(tensorrt(101_601).to_string(), "10.16.1");
        assert_eq!(tensorrt(110_400).to_string(), "11.4.0");
        assert_eq!(Release::from_number(Product::Rtx, 10_701).to_string(), "RTX 1.7.1");
    }

    #[test]
    fn releases_without_a_table_have_no_binary_interface() {
        let abi = |number| tensorrt(number).abi();
        for (number, expected) in
            [(8501, Abi::Eight), (8600, Abi::Eight), (8601, Abi::Eight), (100_000, Abi::Ten)]
        {
            assert_eq!(abi(number), Some(expected), "{number}");
        }
        assert_eq!(abi(101_605), Some(Abi::Ten));
        assert_eq!(abi(110_402), Some(Abi::Eleven));
        for unknown in [0, -1, 7203, 8406, 8500, 8602, 9000, 90_300, 101_700, 110_500, 120_000] {
            assert_eq!(abi(unknown), None, "{unknown}");
        }
        let rtx = |number| Release::from_number(Product::Rtx, number).abi();
        assert_eq!([rtx(10_700), rtx(10_601), rtx(10_800)], [Some(Abi::Eleven), None, None]);
    }
}
