//! Kernels that were compiled for the host, in a library that the script names. They compute at once,
//! when they are submitted, in the memory that stands for the card's.
#![allow(unsafe_code, reason = "kernels are C functions, and C callers hand over arguments")]

use crate::module::Grid;
use libloading::Library;
use std::path::Path;

/// The library.
#[derive(Debug)]
pub struct Kernels(Library);

/// What `cuLaunchKernel` is given: as many pointers as the kernel has arguments, each to one of 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct Arguments(pub *const *const u64);

/// Takes blocks, threads and arguments.
type Entry = unsafe extern "C" fn(*const u32, *const u32, *const u64);

/// One launch, with its arguments as they were then.
#[derive(Clone, Debug)]
pub struct Call {
    /// The library is never unloaded.
    entry: Entry,
    grid: Grid,
    arguments: Vec<u64>,
}

impl Kernels {
    /// Loads the library.
    ///
    /// # Panics
    /// If it cannot be loaded: the test that wrote the script is wrong, and must not go on without.
    pub fn load(path: &Path) -> Self {
        // SAFETY: a library of kernels does nothing when it is loaded.
        match unsafe { Library::new(path) } {
            Ok(library) => Self(library),
            Err(error) => panic!("the script's kernels {}: {error}", path.display()),
        }
    }

    /// A launch of that kernel; none where the library has not got it, or there are no arguments.
    pub fn call(&self, name: &str, grid: Grid, arguments: Arguments) -> Option<Call> {
        let (entry, count) = (format!("{name}_launch"), format!("{name}_arguments"));
        // SAFETY: the script vouches for the types of both.
        let entry: Entry = *unsafe { self.0.get(entry.as_bytes()) }.ok()?;
        // SAFETY: as above.
        let count: *const u32 = *unsafe { self.0.get(count.as_bytes()) }.ok()?;
        // SAFETY: the library is loaded, and its constant does not change.
        let count = unsafe { count.read() };
        Some(Call { entry, grid, arguments: arguments.copied(count as usize)? })
    }
}

impl Arguments {
    fn copied(self, count: usize) -> Option<Vec<u64>> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: a C caller vouches for as many pointers as the kernel has arguments, each to one.
        let argument = |index| unsafe { self.0.add(index).read().read() };
        Some((0..count).map(argument).collect())
    }
}

impl Call {
    /// Computes. The memory that the arguments name must be there still.
    pub fn make(&self) {
        let Grid { blocks, threads } = self.grid;
        // SAFETY: the entry is the kernel's, and its memory is the caller's business, as on a card.
        unsafe { (self.entry)(blocks.as_ptr(), threads.as_ptr(), self.arguments.as_ptr()) };
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        let key = |call: &Self| (call.entry as usize, call.grid, call.arguments.clone());
        key(self) == key(other)
    }
}

impl Eq for Call {}
