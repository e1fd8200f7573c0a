//! Interfaces that clients implement and the library calls: where their methods are in the virtual
//! table of each major version.
#![allow(unsafe_code, reason = "clients hand over C++ objects")]

use crate::{
    context::ALIGNMENT,
    dims::{Dims32, Dims64},
    player,
};
use std::{
    ffi::{CString, c_char, c_void},
    mem, ptr,
};

/// Language, version and two destructors come first in interfaces that have a version.
const VERSIONED: usize = 4;

/// An object of a client's; may be null.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback(*mut c_void);

impl Callback {
    /// No object.
    pub fn null() -> Self {
        Self(ptr::null_mut())
    }

    /// The object, where there is one.
    pub fn given(self) -> Option<Self> {
        (!self.0.is_null()).then_some(self)
    }

    /// The function at a place in the virtual table.
    fn function(self, slot: usize) -> *const c_void {
        // SAFETY: clients hand over objects whose first word leads to their virtual table, which
        // has all methods of the interface of the release that they were built for.
        unsafe { *(*self.0.cast::<*const *const c_void>()).add(slot) }
    }
}

impl crate::call::Shown for Callback {
    fn shown(&self) -> String {
        if self.0.is_null() { "null".to_owned() } else { "client".to_owned() }
    }
}

impl crate::call::Answer for Callback {
    fn none() -> Self {
        Self::null()
    }
}

/// The place of a method in an interface that has a version in all releases but 8, where the
/// methods come before the destructors.
fn since_10(method: usize) -> usize {
    if player::release().major >= 10 { VERSIONED + method } else { method }
}

/// The same for interfaces that have a version in 11 only.
fn since_11(method: usize) -> usize {
    if player::release().has_versioned_loggers() { VERSIONED + method } else { method }
}

fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// `ILogger`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Logger(pub Callback);

impl Logger {
    /// Says an error.
    pub fn error(self, text: &str) {
        self.say(1, text);
    }

    /// Says a warning.
    pub fn warning(self, text: &str) {
        self.say(2, text);
    }

    /// Says how things go.
    pub fn info(self, text: &str) {
        self.say(3, text);
    }

    /// Says what only detailed logs have.
    pub fn verbose(self, text: &str) {
        self.say(4, text);
    }

    fn say(self, severity: i32, text: &str) {
        type Log = extern "C" fn(Callback, i32, *const c_char);
        let Some(client) = self.0.given() else { return };
        // SAFETY: that is the method's place and type in all releases.
        let log: Log = unsafe { mem::transmute(client.function(since_11(0))) };
        log(client, severity, c_text(text).as_ptr());
    }
}

/// `IProfiler`.
#[derive(Clone, Copy, Debug)]
pub struct Profiler(pub Callback);

impl Profiler {
    /// Says how long a layer took.
    pub fn layer(self, name: &str, milliseconds: f32) {
        type Report = extern "C" fn(Callback, *const c_char, f32);
        // SAFETY: that is the method's place and type in all releases.
        let report: Report = unsafe { mem::transmute(self.0.function(since_11(0))) };
        report(self.0, c_text(name).as_ptr(), milliseconds);
    }
}

/// `IProgressMonitor`, of 10 and 11.
#[derive(Clone, Copy, Debug)]
pub struct ProgressMonitor(pub Callback);

impl ProgressMonitor {
    /// A phase begins, within another one.
    pub fn start(self, phase: &str, parent: Option<&str>, steps: i32) {
        type Start = extern "C" fn(Callback, *const c_char, *const c_char, i32);
        // SAFETY: that is the method's place and type in all releases that have the interface.
        let start: Start = unsafe { mem::transmute(self.0.function(VERSIONED)) };
        let parent = parent.map(c_text);
        let above = parent.as_ref().map_or(ptr::null(), |parent| parent.as_ptr());
        start(self.0, c_text(phase).as_ptr(), above, steps);
    }

    /// A step is done; false where the client wants no more.
    pub fn step(self, phase: &str, step: i32) -> bool {
        type Step = extern "C" fn(Callback, *const c_char, i32) -> bool;
        // SAFETY: as above.
        let done: Step = unsafe { mem::transmute(self.0.function(VERSIONED + 1)) };
        done(self.0, c_text(phase).as_ptr(), step)
    }

    /// A phase ends.
    pub fn finish(self, phase: &str) {
        type Finish = extern "C" fn(Callback, *const c_char);
        // SAFETY: as above.
        let finish: Finish = unsafe { mem::transmute(self.0.function(VERSIONED + 2)) };
        finish(self.0, c_text(phase).as_ptr());
    }
}

/// `IInt8Calibrator`, of 8 and 10.
#[derive(Clone, Copy, Debug)]
pub struct Calibrator(pub Callback);

impl Calibrator {
    /// Images in a batch.
    pub fn batch_size(self) -> i32 {
        type Size = extern "C" fn(Callback) -> i32;
        // SAFETY: that is the method's place and type in all releases that have the interface.
        let size: Size = unsafe { mem::transmute(self.0.function(since_10(0))) };
        size(self.0)
    }

    /// Whether there is a further batch; its addresses are then in `bindings`.
    pub fn batch(self, names: &[String], bindings: &mut [u64]) -> bool {
        type Batch = extern "C" fn(Callback, *mut u64, *const *const c_char, i32) -> bool;
        // SAFETY: as above.
        let batch: Batch = unsafe { mem::transmute(self.0.function(since_10(1))) };
        let names: Vec<CString> = names.iter().map(|name| c_text(name)).collect();
        let names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let count = i32::try_from(names.len()).unwrap_or(0);
        batch(self.0, bindings.as_mut_ptr(), names.as_ptr(), count)
    }

    /// What was written before.
    pub fn read_cache(self) -> Option<Vec<u8>> {
        type Read = extern "C" fn(Callback, &mut usize) -> *mut c_void;
        // SAFETY: as above.
        let read: Read = unsafe { mem::transmute(self.0.function(since_10(2))) };
        let mut length = 0;
        let data = read(self.0, &mut length);
        crate::call::bytes(data, length).map(<[u8]>::to_vec)
    }

    /// Hands over what is to be read the next time.
    pub fn write_cache(self, cache: &[u8]) {
        type Write = extern "C" fn(Callback, *const u8, usize);
        // SAFETY: as above.
        let write: Write = unsafe { mem::transmute(self.0.function(since_10(3))) };
        write(self.0, cache.as_ptr(), cache.len());
    }
}

/// `IOutputAllocator`.
#[derive(Clone, Copy, Debug)]
pub struct OutputAllocator(pub Callback);

impl OutputAllocator {
    /// Memory for an output of so many bytes, at hand when the stream gets there; 0 for none.
    pub fn reallocate(self, name: &str, current: u64, bytes: u64, stream: u64) -> u64 {
        type Plain = extern "C" fn(Callback, *const c_char, u64, u64, u64) -> u64;
        type Async = extern "C" fn(Callback, *const c_char, u64, u64, u64, u64) -> u64;
        let name = c_text(name);
        if player::release().major >= 10 {
            // SAFETY: that is the method's place and type in 10 and 11.
            let reallocate: Async = unsafe { mem::transmute(self.0.function(VERSIONED + 1)) };
            return reallocate(self.0, name.as_ptr(), current, bytes, ALIGNMENT, stream);
        }
        // SAFETY: that is the method's place and type in 8.
        let reallocate: Plain = unsafe { mem::transmute(self.0.function(1)) };
        reallocate(self.0, name.as_ptr(), current, bytes, ALIGNMENT)
    }

    /// Says an output's dimensions.
    pub fn notify(self, name: &str, lengths: &[i64]) {
        type Notify<D> = extern "C" fn(Callback, *const c_char, &D);
        let name = c_text(name);
        if player::release().has_wide_dims() {
            // SAFETY: that is the method's place and type in 10 and 11.
            let notify: Notify<Dims64> = unsafe { mem::transmute(self.0.function(VERSIONED + 2)) };
            return notify(self.0, name.as_ptr(), &Dims64::new(Some(lengths)));
        }
        // SAFETY: that is the method's place and type in 8.
        let notify: Notify<Dims32> = unsafe { mem::transmute(self.0.function(2)) };
        notify(self.0, name.as_ptr(), &Dims32::new(Some(lengths)));
    }
}
