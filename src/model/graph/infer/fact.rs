//! What is known of a value before anything has run: its type, its shape, and its elements where
//! they are few. Holds no weights.

use crate::{
    model::graph::{Constant, Numbers},
    tensor::{DType, Dim, TensorInfo},
};
use std::rc::Rc;

/// Length of a dimension; none where it depends on the data.
pub type Length = Option<u64>;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Element type; `Other(0)` where it is not known.
    pub dtype: DType,
    /// Lengths of its dimensions, outermost first; none where not even their number is known.
    pub dims: Option<Vec<Length>>,
    /// Its elements, where they are few and do not depend on what the inputs hold.
    pub numbers: Option<Rc<Numbers>>,
    /// Whether it is computed from what the file holds alone, not even from an input's shape.
    pub constant: bool,
}

impl Fact {
    /// Nothing is known.
    pub const UNKNOWN: Self =
        Self { dtype: DType::Other(0), dims: None, numbers: None, constant: false };

    /// A value of that type and shape.
    pub fn new(dtype: DType, dims: Vec<Length>) -> Self {
        Self { dtype, dims: Some(dims), numbers: None, constant: false }
    }

    /// A value whose shape is known altogether.
    pub fn shaped(dtype: DType, shape: &[u64]) -> Self {
        Self::new(dtype, shape.iter().copied().map(Some).collect())
    }

    /// What a file holds.
    pub fn of(constant: &Constant) -> Self {
        let numbers = constant.numbers.clone().map(Rc::new);
        Self { numbers, constant: true, ..Self::shaped(constant.dtype, &constant.shape) }
    }

    /// What a file declares.
    pub fn declared(info: &TensorInfo) -> Self {
        let length = |dim: &Dim| match dim {
            Dim::Fixed(length) => Some(*length as u64),
            Dim::Dynamic(_) => None,
        };
        let dims = info.dims.as_ref().map(|dims| dims.iter().map(length).collect());
        Self { dtype: info.dtype, dims, ..Self::UNKNOWN }
    }

    /// Whether it is there before the first inference: a constant, or numbers that tell of shapes.
    pub fn settled(&self) -> bool {
        self.constant || self.numbers.is_some()
    }

    /// The shape, where every length is known.
    pub fn shape(&self) -> Option<Vec<u64>> {
        self.dims.as_ref()?.iter().copied().collect()
    }

    /// How many elements it has; none where that is not known or beyond 64 bits.
    pub fn elements(&self) -> Option<u64> {
        // A dimension without length leaves no elements, however long the others are.
        let dims = self.dims.as_ref()?;
        if dims.contains(&Some(0)) {
            return Some(0);
        }
        dims.iter().try_fold(1_u64, |product, &length| product.checked_mul(length?))
    }

    /// Bytes of its elements; none where they are not known.
    pub fn bytes(&self) -> Option<u64> {
        Some(self.elements()?.saturating_mul(self.dtype.bits()?).div_ceil(8))
    }

    /// Its elements as whole numbers.
    pub fn integers(&self) -> Option<&[i64]> {
        match self.numbers.as_deref()? {
            Numbers::Integers(numbers) => Some(numbers),
            Numbers::Floats(_) => None,
        }
    }

    /// Its elements as numbers with a fraction.
    pub fn floats(&self) -> Option<Vec<f64>> {
        Some(match self.numbers.as_deref()? {
            Numbers::Integers(numbers) => numbers.iter().map(|&n| n as f64).collect(),
            Numbers::Floats(numbers) => numbers.clone(),
        })
    }
}
