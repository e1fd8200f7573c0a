//! What a loaded library has to offer.

mod sys;

pub use sys::lacking;
