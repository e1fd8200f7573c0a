//! Verdicts from results: data in, data out. Formats nothing.

mod cells;
mod compare;
mod differences;
mod layers;

pub use cells::{CellResult, StageResult, State, cells};
pub use compare::{Comparison, Delta, FLOOR, Side, Verdict, compare};
pub use layers::{CellLayers, LayerResult, OperatorResult};
