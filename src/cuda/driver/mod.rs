//! The driver itself: its cards, and a card made ready for use.

mod sys;

pub use sys::{Card, Context, Driver, Wait};
pub(super) use sys::{Primary, check};
