//! Callbacks about memory of a card.

mod sys;

pub use sys::{Allocator, Calibration};
