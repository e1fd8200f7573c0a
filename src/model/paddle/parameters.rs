//! `.pdiparams`: what Paddle's `save_combine` writes, tensor after tensor, without names. Tells
//! where each lies; its elements are not read.
//!
//! Each tensor: version (u32, 0), number of LoD levels (u64) and each with its bytes (u64) and as
//! many bytes, version (u32, 0), length of a `VarType.TensorDesc` (i32), the desc, the elements.
//! Little-endian. Source: paddle/fluid/framework/lod_tensor.cc and tensor_util.cc of 2.6,
//! paddle/phi/core/framework/dense_tensor_tostream.cc of 3.0.

use super::{Problem, types::dtype_of};
use crate::{
    model::{
        protobuf::{Fields, Malformed},
        skim::Skim,
    },
    tensor::DType,
};

/// A tensor in a file of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Element type.
    pub dtype: DType,
    /// Lengths of its dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Number of its elements.
    pub elements: u64,
    /// First byte of its elements.
    pub offset: u64,
    /// Bytes of its elements.
    pub bytes: u64,
}

/// Whether `bytes` begin as the first tensor of a file of parameters does.
pub fn is_parameters(bytes: &[u8]) -> bool {
    let mut cursor = Cursor { bytes, at: 0 };
    cursor.header(0).is_ok_and(|desc| desc.first() == Some(&0x08))
}

/// The tensors of the file, in its order.
///
/// # Errors
/// [`Problem`] when it is truncated, or what it says of a tensor cannot be.
pub fn read(skim: &Skim<'_>) -> Result<Vec<Stored>, Problem> {
    let mut cursor = Cursor { bytes: skim.all(), at: 0 };
    let mut stored = Vec::new();
    while cursor.at < skim.all().len() {
        let tensor = cursor.tensor(stored.len())?;
        skim.pass(tensor.bytes);
        stored.push(tensor);
    }
    Ok(stored)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next bytes. `index`: the tensor that they belong to.
    fn take(&mut self, length: u64, index: usize) -> Result<&'a [u8], Problem> {
        let rest = &self.bytes[self.at..];
        let cut = || Problem::CutOff { index, missing: length.saturating_sub(rest.len() as u64) };
        let taken = usize::try_from(length).ok().and_then(|n| rest.get(..n)).ok_or_else(cut)?;
        self.at += taken.len();
        Ok(taken)
    }

    /// The next little-endian number of that many bytes.
    fn number(&mut self, width: u64, index: usize) -> Result<u64, Problem> {
        let bytes = self.take(width, index)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// The desc of a tensor and what comes before it.
    fn header(&mut self, index: usize) -> Result<&'a [u8], Problem> {
        let foreign = Problem::NoParameters { index };
        if self.number(4, index)? != 0 {
            return Err(foreign);
        }
        for _ in 0..self.number(8, index)? {
            let length = self.number(8, index)?;
            self.take(length, index)?;
        }
        if self.number(4, index)? != 0 {
            return Err(foreign);
        }
        let length = self.number(4, index)?;
        if i32::try_from(length).is_err() {
            return Err(foreign);
        }
        self.take(length, index)
    }

    fn tensor(&mut self, index: usize) -> Result<Stored, Problem> {
        let (dtype, shape) = desc(self.header(index)?, index)?;
        let sized = shape.iter().try_fold(1_u64, |product, &length| product.checked_mul(length));
        let bytes = sized.and_then(|elements| {
            elements.checked_mul(dtype.bits()?).map(|bits| (elements, bits.div_ceil(8)))
        });
        let Some((elements, bytes)) = bytes else {
            return Err(Problem::Shape { index, dtype, shape });
        };
        let offset = self.at as u64;
        self.take(bytes, index)?;
        Ok(Stored { dtype, shape, elements, offset, bytes })
    }
}

/// Element type and shape of a TensorDesc.
fn desc(message: &[u8], index: usize) -> Result<(DType, Vec<u64>), Problem> {
    let (mut dtype, mut dims) = (None, Vec::<u64>::new());
    for field in Fields::of(message) {
        match field? {
            (1, value) => dtype = Some(dtype_of(value.number()?)),
            (2, value) => value.numbers(&mut dims)?,
            _ => {}
        }
    }
    let dtype = dtype.ok_or(Problem::Malformed(Malformed::NoMessage))?;
    if dims.iter().any(|&length| length > i64::MAX as u64) {
        let dims = dims.into_iter().map(|length| length as i64).collect();
        return Err(Problem::Negative { index, dims });
    }
    Ok((dtype, dims))
}
