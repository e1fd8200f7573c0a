//! Asks an ONNX Runtime library for its version, which the `ort` crate tells only of libraries
//! that are too old for it. The only foreign calls of this engine that are not `ort`'s.
#![allow(unsafe_code)]

use libloading::{Library, Symbol};
use ort::sys::{ORT_API_VERSION, OrtApiBase};
use std::{ffi::CStr, mem::ManuallyDrop, path::Path};

/// What a library says of itself.
pub struct Answer {
    /// Its version, such as `1.17.0`.
    pub version: String,
    /// Whether it has the programming interface that this program was built against.
    pub speaks_our_api: bool,
}

/// Why a library gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The system's loader refused it, or it lacks ONNX Runtime's entry point.
    #[error(transparent)]
    Loader(#[from] libloading::Error),
    /// The entry point gave nothing.
    #[error("it exports OrtGetApiBase but returns nothing from it")]
    Null,
}

/// Loads the library at `path`, for good, and asks. A library that is too old may say so on
/// standard error in its own words.
pub fn ask_version(path: &Path) -> Result<Answer, NoAnswer> {
    // SAFETY: running a library's initialisers is what loading it means; the user has named it
    // as the ONNX Runtime to be used.
    let library = unsafe { Library::new(path) }?;
    // Not unloaded again: ONNX Runtime leaves thread-local destructors behind, and `ort` is about
    // to load the same library anyway.
    let library = ManuallyDrop::new(library);
    // SAFETY: the signature is that of `OrtGetApiBase` in onnxruntime_c_api.h, the same since 1.0.
    let entry: Symbol<'_, unsafe extern "C" fn() -> *const OrtApiBase> =
        unsafe { library.get(b"OrtGetApiBase\0") }?;
    // SAFETY: it takes no argument and may be called at any time; it returns null or a table that
    // lives as long as the library, which is for good.
    let base = unsafe { entry().as_ref() }.ok_or(NoAnswer::Null)?;
    // SAFETY: a member of that table, without arguments.
    let version = unsafe { (base.GetVersionString)() };
    if version.is_null() {
        return Err(NoAnswer::Null);
    }
    // SAFETY: not null, and documented as a null-terminated string owned by the library.
    let version = unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned();
    // SAFETY: any number may be asked for; null is the answer to an unknown one.
    let speaks_our_api = !unsafe { (base.GetApi)(ORT_API_VERSION) }.is_null();
    Ok(Answer { version, speaks_our_api })
}
