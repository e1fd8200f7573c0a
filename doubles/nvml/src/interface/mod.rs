//! The C functions, with the names, arguments and results of `nvml.h`. They translate; what happens
//! is in the files above.

mod lists;
mod sensors;
mod settings;
mod system;

use crate::{
    code::{Answer, Code},
    state::{Nvml, Subject},
};
use std::{
    ffi::{c_char, c_int, c_uint},
    sync::{Mutex, OnceLock, PoisonError},
};
use trtbench_double_script::{Buffer, Library, Loaded, Out, Play, hang};

/// Makes a call: the script first, then what must be there, then the work.
fn call(name: &str, subject: Subject, work: impl FnOnce(&mut Nvml) -> Answer<()>) -> c_int {
    let Some(nvml) = nvml() else { return Code::ERROR_UNKNOWN.0 };
    // A panic has ended the process before anyone could find the lock poisoned.
    let mut nvml = nvml.lock().unwrap_or_else(PoisonError::into_inner);
    match nvml.play(name, subject) {
        Play::Proceed => {}
        Play::Lost(result) | Play::Fail(result) => return result,
        Play::Hang => {
            drop(nvml);
            hang()
        }
    }
    let answer = nvml.ready(subject).and_then(|()| work(&mut nvml));
    answer.err().unwrap_or(Code::SUCCESS).0
}

/// Writes what a call gives; nothing is done where there is no place for it.
fn put<T>(out: Out<'_, T>, value: impl FnOnce() -> Answer<T>) -> Answer<()> {
    if out.is_null() {
        return Err(Code::ERROR_INVALID_ARGUMENT);
    }
    if out.set(value()?) { Ok(()) } else { Err(Code::ERROR_INVALID_ARGUMENT) }
}

/// Writes a text to a buffer of so many bytes.
#[allow(unsafe_code, reason = "C callers hand over buffers")]
fn write_text(buffer: Buffer<c_char>, length: c_uint, text: &str) -> Answer<()> {
    // SAFETY: a C caller vouches for the buffer's length.
    let written = unsafe { buffer.write(length, text) };
    if written { Ok(()) } else { Err(Code::ERROR_INSUFFICIENT_SIZE) }
}

/// The NVML of this process; none where there is no script.
fn nvml() -> Option<&'static Mutex<Nvml>> {
    static NVML: OnceLock<Option<Mutex<Nvml>>> = OnceLock::new();
    let load = || Loaded::from_environment(Library::Nvml).map(Nvml::new).map(Mutex::new);
    NVML.get_or_init(load).as_ref()
}
