//! Work for a card: streams, events, graphs and kernels.

mod sys;

pub use sys::{Event, Function, Graph, Module, Scope, Stream};
