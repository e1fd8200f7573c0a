//! Dimensions as TensorRT hands them over: up to eight, of 32 bits in 8 and of 64 bits later. What
//! is played uses plain lists, in which -1 is a length that is not known.
#![allow(unsafe_code, reason = "clients make room for structures")]

use std::ffi::c_void;

const MOST: usize = 8;

/// Dimensions of 32 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Dims32 {
    count: i32,
    lengths: [i32; MOST],
}

/// Dimensions of 64 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Dims64 {
    count: i32,
    lengths: [i64; MOST],
}

/// How dimensions come as an argument that 8 takes by value and the others by reference.
pub trait Dims {
    /// The argument.
    type Given;
    /// Its lengths.
    fn given(given: Self::Given) -> Vec<i64>;
}

impl Dims for Dims32 {
    type Given = Self;

    fn given(given: Self) -> Vec<i64> {
        given.lengths()
    }
}

impl Dims for Dims64 {
    type Given = &'static Self;

    fn given(given: &'static Self) -> Vec<i64> {
        given.lengths()
    }
}

impl Dims32 {
    /// With `None`, what TensorRT answers when there are none: -1 dimensions.
    pub fn new(lengths: Option<&[i64]>) -> Self {
        let narrow = |length: i64| i32::try_from(length).unwrap_or(i32::MAX);
        let (count, lengths) = split(lengths);
        Self { count, lengths: lengths.map(narrow) }
    }

    /// The lengths.
    pub fn lengths(&self) -> Vec<i64> {
        let count = usize::try_from(self.count).unwrap_or(0).min(MOST);
        self.lengths[..count].iter().map(|&length| length.into()).collect()
    }

    /// Says that there are no dimensions, where a client has made room for some.
    pub fn clear(place: *mut c_void) {
        // SAFETY: only called where a caller handed over a place for a structure as the first
        // argument, before the object; all such structures begin with their number of dimensions.
        unsafe { place.cast::<i32>().write_unaligned(0) }
    }
}

impl Dims64 {
    /// With `None`, what TensorRT answers when there are none: -1 dimensions.
    pub fn new(lengths: Option<&[i64]>) -> Self {
        let (count, lengths) = split(lengths);
        Self { count, lengths }
    }

    /// The lengths.
    pub fn lengths(&self) -> Vec<i64> {
        let count = usize::try_from(self.count).unwrap_or(0).min(MOST);
        self.lengths[..count].to_vec()
    }
}

fn split(lengths: Option<&[i64]>) -> (i32, [i64; MOST]) {
    let Some(lengths) = lengths else { return (-1, [0; MOST]) };
    let mut all = [0; MOST];
    all.iter_mut().zip(lengths).for_each(|(place, length)| *place = *length);
    (i32::try_from(lengths.len().min(MOST)).unwrap_or(0), all)
}
