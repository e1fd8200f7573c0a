//! Calls of the two libraries as a C program makes them. Which arguments they take is known to the
//! tests.
#![allow(unsafe_code)]

use libloading::Library;
use std::ffi::{c_int, c_void};

/// A library that this process has loaded.
pub struct Loaded(Library);

/// The largest number of arguments of a call.
const MOST: usize = 11;

type Word = u64;

/// Takes as many words as any call.
type Function =
    unsafe extern "C" fn(Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word) -> c_int;

impl Loaded {
    /// The library that the system finds under this name.
    pub fn named(name: &str) -> Self {
        // SAFETY: the stand-ins do nothing when they are loaded.
        Self(unsafe { Library::new(name) }.unwrap())
    }

    /// Whether the library has a function of this name.
    pub fn has(&self, name: &str) -> bool {
        // SAFETY: nothing is called.
        unsafe { self.0.get::<*const c_void>(name) }.is_ok()
    }

    /// Calls a function with numbers, handles and addresses of what is there during the call.
    pub fn call(&self, name: &str, arguments: &[Word]) -> i32 {
        let mut all = [0; MOST];
        all[..arguments.len()].copy_from_slice(arguments);
        let [a, b, c, d, e, f, g, h, i, j, k] = all;
        // SAFETY: every argument of every call is a number or an address of at most 64 bits. On the
        // systems where this is built each has a register or a whole word of the stack to itself,
        // and a function leaves alone what it has no argument for.
        unsafe { self.0.get::<Function>(name).unwrap()(a, b, c, d, e, f, g, h, i, j, k) }
    }
}
