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
