//! Which release of TensorRT is played: read from the name of the file that was loaded. What
//! releases differ in is known to the files beside.
#![allow(unsafe_code, reason = "the loader is asked for the library's own file")]

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    fmt, fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr,
};

/// A release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Release {
    /// The numbers at the end of a file name, such as `libnvinfer.so.8.6.1`; those that are missing
    /// are 0.
    pub fn of_file(path: &Path) -> Option<Self> {
        let (_, numbers) = path.file_name()?.to_str()?.split_once(".so.")?;
        Self::parse(numbers)
    }

    /// Reads `8.6.1`; what follows a `-` is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split('-').next().unwrap_or(text);
        let mut numbers = text.split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let mut next = || numbers.next().map_or(Some(0), Result::ok);
        Some(Self { major, minor: next()?, patch: next()? })
    }

    /// The release as which this library was loaded; 11.1 where the file's name does not say.
    pub fn loaded() -> Self {
        let real = own_file().and_then(|path| fs::canonicalize(path).ok());
        let named = real.and_then(|path| Self::of_file(&path));
        named.unwrap_or(Self { major: 11, minor: 1, patch: 0 })
    }

    /// One number, as `getInferLibVersion` gives it: 8601, 100001, 110100.
    pub fn number(self) -> c_int {
        let scale = if self.major < 10 { 1000 } else { 10_000 };
        c_int::try_from(self.major * scale + self.minor * 100 + self.patch).unwrap_or(c_int::MAX)
    }

    /// Whether dimensions are 64 bit numbers.
    pub fn has_wide_dims(self) -> bool {
        self.major >= 10
    }

    /// Whether all interfaces that clients implement begin with their language and version.
    pub fn has_versioned_loggers(self) -> bool {
        self.major >= 11
    }
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// `Dl_info` of `dlfcn.h`.
#[repr(C)]
struct Found {
    file: *const c_char,
    base: *mut c_void,
    symbol: *const c_char,
    address: *mut c_void,
}

unsafe extern "C" {
    fn dladdr(address: *const c_void, found: *mut Found) -> c_int;
}

/// The file that this code was loaded from, as it was named to the loader.
fn own_file() -> Option<PathBuf> {
    let mut found = Found {
        file: ptr::null(),
        base: ptr::null_mut(),
        symbol: ptr::null(),
        address: ptr::null_mut(),
    };
    // SAFETY: `found` has room for what the loader writes, and any address may be asked for.
    let known = unsafe { dladdr(own_file as *const c_void, &raw mut found) } != 0;
    if !known || found.file.is_null() {
        return None;
    }
    // SAFETY: the loader's text ends with a zero and stays while the library is loaded.
    let file = unsafe { CStr::from_ptr(found.file) };
    Some(OsStr::from_bytes(file.to_bytes()).into())
}
