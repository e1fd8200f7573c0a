//! Types of elements, as ONNX and as TensorRT number them.

use crate::release::Release;

/// A `DataType` of TensorRT's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Element(pub i32);

impl Element {
    pub const FLOAT: Self = Self(0);
    pub const HALF: Self = Self(1);
    pub const INT8: Self = Self(2);
    const INT32: Self = Self(3);
    const BOOL: Self = Self(4);
    const UINT8: Self = Self(5);
    const FP8: Self = Self(6);
    const BF16: Self = Self(7);
    const INT64: Self = Self(8);

    /// The type that a release makes of ONNX's `TensorProto.DataType`; 8 takes 32 bits for 64.
    pub fn from_onnx(number: u64, release: Release) -> Option<Self> {
        Some(match number {
            1 | 11 => Self::FLOAT,
            2 => Self::UINT8,
            3 => Self::INT8,
            6 => Self::INT32,
            7 if release.major >= 10 => Self::INT64,
            7 => Self::INT32,
            9 => Self::BOOL,
            10 => Self::HALF,
            16 if release.major >= 10 => Self::BF16,
            17 => Self::FP8,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub fn bytes(self) -> u64 {
        match self {
            Self::INT64 => 8,
            Self::FLOAT | Self::INT32 => 4,
            Self::HALF | Self::BF16 => 2,
            _ => 1,
        }
    }

    /// Whether it is of whole numbers that count something.
    pub fn is_count(self) -> bool {
        matches!(self, Self::INT32 | Self::INT64)
    }

    /// As the inspector of a release writes it: with the layout in 8, alone later.
    pub fn described(self, release: Release) -> String {
        match self {
            _ if release.major < 10 => format!("Row major linear {} format", self.name()),
            Self::FLOAT => "Float".to_owned(),
            Self::HALF => "Half".to_owned(),
            other => other.name().to_owned(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::FLOAT => "FP32",
            Self::HALF => "FP16",
            Self::INT8 => "Int8",
            Self::INT32 => "Int32",
            Self::BOOL => "Bool",
            Self::UINT8 => "UInt8",
            Self::FP8 => "FP8",
            Self::BF16 => "BF16",
            Self::INT64 => "Int64",
            _ => "unknown",
        }
    }
}
