//! What cannot be said to the `ort` crate in safe words: a library's version, a stream of ours, and
//! where a tensor lies on a card.
#![allow(unsafe_code)]

use crate::cuda::{DeviceSlice, Stream};
use libloading::{Library, Symbol};
use ort::{
    ep,
    sys::{ORT_API_VERSION, OrtApiBase},
    value::DynTensor,
};
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

/// Lets the CUDA provider compute in that stream, which outlives the session.
pub fn cuda_in(provider: ep::CUDA, stream: &Stream) -> ep::CUDA {
    // SAFETY: a session on a card is dropped before the stream it was given, by the order of
    // `CardSession`'s fields.
    unsafe { provider.with_compute_stream(stream.handle().cast()) }
}

/// Lets the TensorRT provider compute in that stream, which outlives the session.
pub fn tensorrt_in(provider: ep::TensorRT, stream: &Stream) -> ep::TensorRT {
    // SAFETY: as in `cuda_in`.
    unsafe { provider.with_compute_stream(stream.handle().cast()) }
}

/// Where a tensor lies on a card; nowhere if it holds no plain numbers.
pub fn memory_of(tensor: &DynTensor) -> DeviceSlice<'_> {
    let bytes = tensor.size().unwrap_or(0);
    // SAFETY: ONNX Runtime has allocated that many bytes there, and frees them with the tensor.
    unsafe { DeviceSlice::from_raw(tensor.data_ptr().addr() as u64, bytes) }
}

/// Loads a library for good, so that others which need one of its name find this one.
pub fn preload(path: &Path) -> Result<(), libloading::Error> {
    #[cfg(unix)]
    {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: running a library's initialisers is what loading it means; the user has named it.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }?;
        std::mem::forget(library);
    }
    #[cfg(not(unix))]
    {
        // SAFETY: as above.
        let library = unsafe { Library::new(path) }?;
        std::mem::forget(library);
    }
    Ok(())
}
