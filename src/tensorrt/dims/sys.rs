//! A list of lengths that a library returns by value, of which 8.x writes the first half alone.
#![allow(unsafe_code)]

use super::Dims;
use crate::tensorrt::Abi;
use std::mem::MaybeUninit;

/// What a method returns: only libraries make one.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct ReturnedDims([MaybeUninit<i32>; 18]);

impl ReturnedDims {
    /// The lengths; none where the library says that there is no such tensor.
    pub fn lengths(&self, abi: Abi) -> Option<Vec<i64>> {
        // SAFETY: the library has written as many words as the list of its interface has.
        let words =
            unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<i32>(), Dims::words(abi)) };
        Dims::from_words(words).lengths(abi)
    }
}
