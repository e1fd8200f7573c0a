//! Looks symbols up without calling them.
#![allow(unsafe_code)]

use libloading::Library;

/// Those of `symbols` that the library does not have.
pub fn lacking(library: &Library, symbols: &[&'static str]) -> Vec<&'static str> {
    let missing = |name: &&str| {
        // SAFETY: only looked up, never called through this type.
        unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) }.is_err()
    };
    symbols.iter().copied().filter(|name| missing(name)).collect()
}
