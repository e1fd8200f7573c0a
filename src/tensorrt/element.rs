//! Element types as TensorRT numbers them.

use crate::tensor::DType;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// Signed 8 bit integer, quantised.
    Int8,
    /// Signed 32 bit integer.
    I32,
    /// Truth value of one byte.
    Bool,
    /// Unsigned 8 bit integer.
    U8,
    /// Eight bit float.
    Fp8,
    /// Brain floating point.
    Bf16,
    /// Signed 64 bit integer.
    I64,
    /// Signed 4 bit integer, two in a byte.
    Int4,
    /// Another one; the number is that of TensorRT's `DataType`.
    Other(i32),
}

/// In the order of TensorRT's `DataType`, the same in all releases.
const ELEMENTS: [Element; 10] = [
    Element::F32,
    Element::F16,
    Element::Int8,
    Element::I32,
    Element::Bool,
    Element::U8,
    Element::Fp8,
    Element::Bf16,
    Element::I64,
    Element::Int4,
];

impl Element {
    /// From TensorRT's number.
    pub fn from_number(number: i32) -> Self {
        let known = usize::try_from(number).ok().and_then(|index| ELEMENTS.get(index));
        known.copied().unwrap_or(Self::Other(number))
    }

    /// Bytes of one element; none of types of less than a byte and of unknown ones.
    pub fn bytes(self) -> Option<usize> {
        match self {
            Self::I64 => Some(8),
            Self::F32 | Self::I32 => Some(4),
            Self::F16 | Self::Bf16 => Some(2),
            Self::Int8 | Self::Bool | Self::U8 | Self::Fp8 => Some(1),
            Self::Int4 | Self::Other(_) => None,
        }
    }

    /// The type in host memory with the same bits; none where there is none.
    pub fn dtype(self) -> Option<DType> {
        match self {
            Self::F32 => Some(DType::F32),
            Self::F16 => Some(DType::F16),
            Self::Bf16 => Some(DType::BF16),
            Self::Int8 => Some(DType::I8),
            Self::U8 => Some(DType::U8),
            Self::I32 => Some(DType::I32),
            Self::I64 => Some(DType::I64),
            Self::Bool => Some(DType::Bool),
            Self::Fp8 | Self::Int4 | Self::Other(_) => None,
        }
    }
}
