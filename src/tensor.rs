//! Typed tensors in host memory and the description of a model's inputs and outputs.
//! Knows nothing of models, images or engines.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Most dimensions a tensor may have here; detection models use up to five.
pub const MAX_RANK: usize = 8;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// Brain floating point.
    BF16,
    /// IEEE 754 binary64.
    F64,
    /// Signed 8 bit integer.
    I8,
    /// Unsigned 8 bit integer.
    U8,
    /// Signed 32 bit integer.
    I32,
    /// Signed 64 bit integer.
    I64,
    /// Truth value.
    Bool,
    /// Any type this project does not handle; the number is ONNX's `TensorProto.DataType`.
    Other(u32),
}

/// One dimension of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dim {
    /// A fixed length.
    Fixed(usize),
    /// Chosen at run time; the name the model gives it, possibly empty.
    Dynamic(String),
}

/// Name, element type and declared shape of one input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorInfo {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Declared dimensions, outermost first; `None` where the model does not declare any.
    pub dims: Option<Vec<Dim>>,
}

/// Inputs and outputs of a model, in the model's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIo {
    /// Inputs that the caller has to fill (initialisers left out).
    pub inputs: Vec<TensorInfo>,
    /// Outputs.
    pub outputs: Vec<TensorInfo>,
}

/// Lengths of a tensor's dimensions, outermost first, at most [`MAX_RANK`]; lives on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: usize,
}

/// Elements of a tensor, borrowed, in row-major order without gaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elements<'a> {
    /// 32 bit floats.
    F32(&'a [f32]),
    /// 32 bit integers.
    I32(&'a [i32]),
    /// 64 bit integers.
    I64(&'a [i64]),
}

/// A tensor, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorView<'a> {
    /// Lengths of the dimensions.
    pub shape: Shape,
    /// As many elements as the shape's product.
    pub elements: Elements<'a>,
}

/// Elements of a tensor, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// 32 bit floats.
    F32(Vec<f32>),
    /// 32 bit integers.
    I32(Vec<i32>),
    /// 64 bit integers.
    I64(Vec<i64>),
}

/// A tensor that owns its elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name of the model input it feeds.
    pub name: String,
    /// Lengths of the dimensions.
    pub shape: Shape,
    /// As many elements as the shape's product.
    pub data: Data,
}

/// The inputs of one run of a model, in the model's order.
pub type TensorSet = Vec<Tensor>;

/// What a run of a model left behind, in the model's output order, without copying it.
pub trait Outputs {
    /// Number of outputs.
    fn count(&self) -> usize;

    /// The output at `index`; `None` beyond [`Outputs::count`] or for an element type that is not
    /// one of [`Elements`].
    fn get(&self, index: usize) -> Option<TensorView<'_>>;
}

impl Shape {
    /// From lengths; `None` when there are more than [`MAX_RANK`] or their product overflows.
    pub fn new(lengths: &[usize]) -> Option<Self> {
        let mut dims = [0; MAX_RANK];
        dims.get_mut(..lengths.len())?.copy_from_slice(lengths);
        lengths.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))?;
        Some(Self { dims, rank: lengths.len() })
    }

    /// The lengths.
    pub fn dims(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.dims().iter().product()
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

impl<'a> TensorView<'a> {
    /// The elements as floats, or `None` if they are of another type.
    pub fn floats(&self) -> Option<&'a [f32]> {
        match self.elements {
            Elements::F32(floats) => Some(floats),
            _ => None,
        }
    }
}

impl Tensor {
    /// A tensor of zeros.
    pub fn zeros(name: impl Into<String>, shape: Shape) -> Self {
        Self { name: name.into(), shape, data: Data::F32(vec![0.0; shape.elements()]) }
    }

    /// Borrows the whole tensor.
    pub fn view(&self) -> TensorView<'_> {
        let elements = match &self.data {
            Data::F32(v) => Elements::F32(v),
            Data::I32(v) => Elements::I32(v),
            Data::I64(v) => Elements::I64(v),
        };
        TensorView { shape: self.shape, elements }
    }

    /// Its elements as they lie in memory.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::F32(data) => bytemuck::cast_slice(data),
            Data::I32(data) => bytemuck::cast_slice(data),
            Data::I64(data) => bytemuck::cast_slice(data),
        }
    }

    /// The elements as floats to be written, or `None` if they are of another type.
    pub fn floats_mut(&mut self) -> Option<&mut [f32]> {
        match &mut self.data {
            Data::F32(floats) => Some(floats),
            _ => None,
        }
    }
}

impl Outputs for TensorSet {
    fn count(&self) -> usize {
        self.len()
    }

    fn get(&self, index: usize) -> Option<TensorView<'_>> {
        self.as_slice().get(index).map(Tensor::view)
    }
}

impl DType {
    /// Bits of an element, also of types that are only counted; none of texts and of what ONNX does
    /// not define.
    pub fn bits(self) -> Option<u64> {
        match self {
            Self::Other(4 | 5) => Some(16),
            Self::Other(12) => Some(32),
            Self::Other(13 | 14) => Some(64),
            Self::Other(15) => Some(128),
            Self::Other(17..=20 | 24) => Some(8),
            Self::Other(21..=23) => Some(4),
            Self::Other(25 | 26) => Some(2),
            known => known.bytes().map(|bytes| bytes as u64 * 8),
        }
    }

    /// Whether it holds numbers with a fraction.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16 | Self::F64)
            || matches!(self, Self::Other(17..=20 | 23 | 24))
    }

    /// Bytes of an element; none of types that this project does not handle.
    pub fn bytes(self) -> Option<usize> {
        match self {
            Self::I8 | Self::U8 | Self::Bool => Some(1),
            Self::F16 | Self::BF16 => Some(2),
            Self::F32 | Self::I32 => Some(4),
            Self::F64 | Self::I64 => Some(8),
            Self::Other(_) => None,
        }
    }
}

impl TensorInfo {
    /// The length of dimension `axis` if the model fixes it.
    pub fn fixed(&self, axis: usize) -> Option<usize> {
        match self.dims.as_ref()?.get(axis)? {
            Dim::Fixed(n) => Some(*n),
            Dim::Dynamic(_) => None,
        }
    }

    /// Number of dimensions, if declared.
    pub fn rank(&self) -> Option<usize> {
        self.dims.as_ref().map(Vec::len)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F64 => "float64",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::Bool => "bool",
            Self::Other(4) => "uint16",
            Self::Other(5) => "int16",
            Self::Other(8) => "string",
            Self::Other(12) => "uint32",
            Self::Other(13) => "uint64",
            Self::Other(14) => "complex64",
            Self::Other(15) => "complex128",
            Self::Other(17) => "float8e4m3fn",
            Self::Other(18) => "float8e4m3fnuz",
            Self::Other(19) => "float8e5m2",
            Self::Other(20) => "float8e5m2fnuz",
            Self::Other(21) => "uint4",
            Self::Other(22) => "int4",
            Self::Other(23) => "float4e2m1",
            Self::Other(24) => "float8e8m0",
            Self::Other(25) => "uint2",
            Self::Other(26) => "int2",
            Self::Other(code) => return write!(f, "ONNX type {code}"),
        };
        f.pad(name)
    }
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} [", self.name, self.dtype)?;
        match &self.dims {
            None => f.write_str("shape not declared")?,
            Some(dims) => {
                for (i, dim) in dims.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    match dim {
                        Dim::Fixed(n) => write!(f, "{comma}{n}")?,
                        Dim::Dynamic(name) if name.is_empty() => write!(f, "{comma}?")?,
                        Dim::Dynamic(name) => write!(f, "{comma}{name}")?,
                    }
                }
            }
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_overflows_or_has_too_many_dimensions_is_no_shape() {
        assert!(Shape::new(&[usize::MAX, 2]).is_none());
        assert!(Shape::new(&[1; MAX_RANK + 1]).is_none());
        assert_eq!(Shape::new(&[2, 3]).map(|s| s.elements()), Some(6));
    }
}
