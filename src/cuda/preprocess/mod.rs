//! A kernel that pre-processes on a card, by the host's own plan: the same taps, weights and tables, and so
//! the same values. Knows no model and no family.

mod layout;
mod sys;

pub use sys::{Plan, Preprocess};

/// Its source.
pub const SOURCE: &str = include_str!("preprocess.cu");
