//! An operator with what is known of its operands: what shape inference asks of a node. Knows no
//! operator.

use super::fact::{Fact, Length};
use crate::{
    model::graph::{Node, Numbers},
    tensor::DType,
};

/// Why something about an operator is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// Nobody has taught this program the operator.
    #[error("the operator is not known here")]
    Operator,
    /// What it makes is known when it has run.
    #[error("its size depends on the data")]
    Data,
    /// It follows something that is not known.
    #[error("the shape or the numbers of an operand are not known")]
    Operand,
    /// A loop, or a branch on data.
    #[error("how often its body runs depends on the data")]
    Body,
    /// A required operand, counted from 0.
    #[error("its operand {0} is missing")]
    Missing(usize),
    /// An operand that nothing makes.
    #[error("its operand {0:?} comes from nowhere")]
    Nowhere(String),
    /// What is said of it cannot all be true.
    #[error("{0}")]
    Contradiction(String),
    /// Beyond 64 bits.
    #[error("its result has more elements than any memory holds")]
    Overflow,
}

/// What is known of an operator's results, in their order.
pub type Outcome = Result<Vec<Fact>, Reason>;

/// An operator to be looked at.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The operator, its attributes and how many results are asked for.
    pub node: &'a Node,
    /// Version of the operator set.
    pub opset: u64,
    /// What is known of the operands; none where one is left out.
    pub operands: Vec<Option<&'a Fact>>,
}

/// What cannot be.
pub fn contradiction<T>(what: impl Into<String>) -> Result<T, Reason> {
    Err(Reason::Contradiction(what.into()))
}

impl<'a> Call<'a> {
    /// An operand that may be left out.
    pub fn given(&self, index: usize) -> Option<&'a Fact> {
        self.operands.get(index).copied().flatten()
    }

    /// A required operand.
    ///
    /// # Errors
    /// When it is left out.
    pub fn fact(&self, index: usize) -> Result<&'a Fact, Reason> {
        self.given(index).ok_or(Reason::Missing(index))
    }

    /// The lengths of a required operand's dimensions.
    ///
    /// # Errors
    /// When it is left out or its rank is not known.
    pub fn dims(&self, index: usize) -> Result<&'a [Length], Reason> {
        self.fact(index)?.dims.as_deref().ok_or(Reason::Operand)
    }

    /// The type of a required operand.
    ///
    /// # Errors
    /// When it is left out.
    pub fn dtype(&self, index: usize) -> Result<DType, Reason> {
        Ok(self.fact(index)?.dtype)
    }

    /// The whole numbers that a required operand holds.
    ///
    /// # Errors
    /// When it is left out, its numbers are not known or have fractions.
    pub fn integers(&self, index: usize) -> Result<&'a [i64], Reason> {
        let fact = self.fact(index)?;
        match fact.numbers.as_deref() {
            None => Err(Reason::Operand),
            Some(Numbers::Integers(numbers)) => Ok(numbers),
            Some(Numbers::Floats(_)) => {
                contradiction(format!("its operand {index} has fractions where it cannot"))
            }
        }
    }

    /// The only number of a required operand.
    ///
    /// # Errors
    /// As [`Call::integers`], and when there is none.
    pub fn integer(&self, index: usize) -> Result<i64, Reason> {
        match self.integers(index)? {
            &[number, ..] => Ok(number),
            [] => contradiction(format!("its operand {index} is empty")),
        }
    }

    /// Whole numbers that older operator sets have in an attribute and newer ones in an operand.
    ///
    /// # Errors
    /// When the operand is there but its numbers are not known.
    pub fn list(&self, name: &str, index: usize) -> Result<Option<&'a [i64]>, Reason> {
        if let Some(numbers) = self.node.ints(name) {
            return Ok(Some(numbers));
        }
        if self.given(index).is_none() { Ok(None) } else { self.integers(index).map(Some) }
    }

    /// A whole number among the attributes.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.node.int(name).unwrap_or(default)
    }

    /// A truth value among the attributes.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.int(name, i64::from(default)) != 0
    }

    /// The dimension that the attribute `name` counts, from the end where negative.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, Reason> {
        axis(self.int(name, default), rank)
    }
}

/// The dimension that `number` counts, from the end where it is negative.
///
/// # Errors
/// When there is no such dimension.
pub fn axis(number: i64, rank: usize) -> Result<usize, Reason> {
    let counted = if number < 0 { number.saturating_add(rank as i64) } else { number };
    match usize::try_from(counted) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => contradiction(format!("it names dimension {number} of a value with {rank}")),
    }
}

/// The dimensions that numbers count; each at most once.
///
/// # Errors
/// When there is no such dimension, or one is named twice.
pub fn axes(numbers: &[i64], rank: usize) -> Result<Vec<usize>, Reason> {
    let mut seen = vec![false; rank];
    let mut axes = Vec::with_capacity(numbers.len().min(rank));
    for &number in numbers {
        let axis = axis(number, rank)?;
        if std::mem::replace(&mut seen[axis], true) {
            return contradiction(format!("it names dimension {number} twice"));
        }
        axes.push(axis);
    }
    Ok(axes)
}

/// A length that a number says.
///
/// # Errors
/// When it is negative.
pub fn length(number: i64) -> Result<u64, Reason> {
    u64::try_from(number)
        .map_err(|_| Reason::Contradiction(format!("{number} is no length of a dimension")))
}

/// A shape for reading: `1×3×?×640`.
pub fn shown(dims: &[Length]) -> String {
    let length = |length: &Length| length.map_or_else(|| "?".to_owned(), |n| n.to_string());
    if dims.is_empty() {
        return "a single number".to_owned();
    }
    dims.iter().map(length).collect::<Vec<_>>().join("×")
}

/// Whether two lengths can be the same.
pub fn agree(a: Length, b: Length) -> bool {
    a.zip(b).is_none_or(|(a, b)| a == b)
}
