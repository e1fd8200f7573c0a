//! The methods that are called, class by class.

mod sys;

pub(super) use sys::*;
