//! Objects of the libraries, and the macro that gives their methods types.

mod sys;

pub(super) use sys::{Handle, Keeps, Owned, Place, Pointer, Text, class, text};
