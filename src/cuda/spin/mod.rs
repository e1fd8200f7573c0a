//! A kernel that takes time and does nothing else: the card's share of an engine that computes
//! nothing.

mod sys;

pub use sys::Spin;

/// Its source. One thread: first a chain of `steps` dependent multiplications, then it waits until
/// `nanos` have passed by the card's global timer.
pub const SOURCE: &str = include_str!("spin.cu");
