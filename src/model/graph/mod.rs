//! A network as a graph: values, and the operators between them. The same for every format; what
//! operators and attributes are called is the format's affair.
//!
//! Weights are no part of it: of a constant its type and shape are kept, and its numbers only where
//! they are few enough to be a shape, an index or a scale.

pub mod cost;
pub mod infer;
mod parameters;

pub use parameters::{of_graph as parameters_of_graph, parameters};

use crate::tensor::{DType, TensorInfo};

/// Index of a value in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Most numbers of a constant that are kept.
pub const MAX_NUMBERS: u64 = 4096;

/// A graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Its name in the file.
    pub name: String,
    /// Operators, in the file's order.
    pub nodes: Vec<Node>,
    /// Everything that flows between them.
    pub values: Vec<Value>,
    /// What the caller fills: constants left out.
    pub inputs: Vec<ValueId>,
    /// What the caller reads.
    pub outputs: Vec<ValueId>,
    /// Operators that the file itself defines, by domain and name.
    pub functions: Vec<(String, String)>,
}

/// What flows along an edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Name, element type and shape as far as the file declares them.
    pub info: TensorInfo,
    /// Set where the file holds it: a weight, a shape, an index.
    pub constant: Option<Constant>,
}

/// A tensor that the file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Element type.
    pub dtype: DType,
    /// Lengths of its dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Its elements in row-major order; none where there are more than [`MAX_NUMBERS`], where they
    /// lie outside the file or where their type is none of integers, floats and truth values.
    pub numbers: Option<Numbers>,
}

/// Elements of a small constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Integers of any width, and truth values as 0 and 1.
    Integers(Vec<i64>),
    /// Floats of any width.
    Floats(Vec<f64>),
}

/// One operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its name; may be empty.
    pub name: String,
    /// What it computes, in the format's words: `Conv`, `conv2d`, `pd_op.conv2d`.
    pub operator: String,
    /// The operator set that the operator belongs to; empty for the format's own.
    pub domain: String,
    /// Operands in the operator's order; none where an optional one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Results in the operator's order; none where nobody wants one.
    pub outputs: Vec<Option<ValueId>>,
    /// Parameters by name, in the file's order.
    pub attributes: Vec<(String, Attribute)>,
    /// Bytes that it takes in the file, names and attributes included, tensors not.
    pub bytes: u64,
    /// Bytes of those that are attributes.
    pub attribute_bytes: u64,
}

/// A parameter of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A whole number or truth value.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Numbers.
    Floats(Vec<f64>),
    /// Texts.
    Texts(Vec<String>),
    /// A tensor.
    Tensor(Constant),
    /// The body of a loop or a branch.
    Graph(Box<Graph>),
    /// Of a kind that nothing here needs.
    Other,
}

impl Graph {
    /// The value of that index.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// Adds a value and returns its index.
    pub fn add(&mut self, value: Value) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.values.push(value);
        id
    }
}

impl Value {
    /// A value of which nothing but the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        let info = TensorInfo { name: name.into(), dtype: DType::Other(0), dims: None };
        Self { info, constant: None }
    }
}

impl Node {
    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, attribute)| attribute)
    }

    /// The whole number of that name.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attribute(name)? {
            Attribute::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The whole numbers of that name; an empty list of either kind counts.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attribute(name)? {
            Attribute::Ints(numbers) => Some(numbers),
            Attribute::Floats(none) if none.is_empty() => Some(&[]),
            _ => None,
        }
    }

    /// The text of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attribute(name)? {
            Attribute::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Constant {
    /// How many elements it has; none where that is beyond 64 bits.
    pub fn elements(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |product, &length| product.checked_mul(length))
    }
}
