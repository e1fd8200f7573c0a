//! Engines and what runs them. The calls are in `sys.rs`.

mod sys;

pub use sys::{Engine, ExecutionContext, Runtime};

use super::Element;

/// An engine's input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub element: Element,
    /// Lengths, outermost first; -1 is one that is left open.
    pub dims: Vec<i64>,
    /// Whether it is an input.
    pub input: bool,
    /// Whether it lies in memory of the host: a tensor that others take their shape from.
    pub on_host: bool,
}
