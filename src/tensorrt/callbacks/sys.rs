//! Virtual tables of ours, after NVIDIA's headers: in 8.x each begins with its own methods and ends with
//! two destructors; a versioned interface begins with its language, its version and the destructors.
//! Versioned are all in 11, and all but the log and the profiler in 10. Who owns the objects is
//! not known here.
#![allow(unsafe_code)]

use super::Listen;
use crate::tensorrt::{
    Abi, Progress, journal,
    object::{Pointer, Text, text},
};
use std::{
    collections::HashMap,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A virtual table.
#[repr(transparent)]
pub(super) struct Table<const N: usize>(pub(super) [*const c_void; N]);

// SAFETY: holds addresses of functions, and is never written.
unsafe impl<const N: usize> Sync for Table<N> {}

/// An object as C++ sees it: its table, then what is ours.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Object<S> {
    table: *const c_void,
    pub(super) state: S,
}

impl<S> Object<S> {
    /// One with that table.
    pub(super) fn new<const N: usize>(table: &'static Table<N>, state: S) -> Self {
        Self { table: (&raw const table.0).cast(), state }
    }

    /// Its address, for a library to call it by.
    pub(super) fn pointer(&self) -> Pointer {
        ptr::from_ref(self).cast_mut().cast()
    }
}

/// What is ours of the object that a library calls.
///
/// # Safety
/// `this` is the address of a live `Object<S>`.
pub(super) unsafe fn state<'a, S>(this: Pointer) -> &'a S {
    // SAFETY: as the caller promises.
    unsafe { &(*this.cast_const().cast::<Object<S>>()).state }
}

/// The answer of `work`, or `failed` if it panics.
pub(super) fn guarded<T>(failed: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(failed)
}

/// `InterfaceInfo`.
#[repr(C)]
pub(super) struct Info {
    pub(super) kind: Text,
    pub(super) major: i32,
    pub(super) minor: i32,
}

/// C++, the language whose tables these are.
pub(super) extern "C" fn language(_: Pointer) -> i32 {
    0
}

/// Destructors. The libraries never own these objects.
pub(super) extern "C" fn nothing(_: Pointer) {}

/// A function that names an interface, version 1.0.
macro_rules! interface {
    ($function:ident, $name:literal) => {
        extern "C" fn $function(
            _: $crate::tensorrt::object::Pointer,
        ) -> $crate::tensorrt::callbacks::sys::Info {
            $crate::tensorrt::callbacks::sys::Info { kind: $name.as_ptr(), major: 1, minor: 0 }
        }
    };
}

pub(super) use interface;

interface!(logger_info, c"ILogger");
interface!(profiler_info, c"IProfiler");
interface!(monitor_info, c"IProgressMonitor");

/// A table, of functions.
macro_rules! table {
    ($name:ident: $($function:ident),*) => {
        static $name: $crate::tensorrt::callbacks::sys::Table<{ [$(stringify!($function)),*].len() }> =
            $crate::tensorrt::callbacks::sys::Table([$($function as *const std::ffi::c_void),*]);
    };
}

pub(super) use table;

table!(LOGGER: log, nothing, nothing);
table!(VERSIONED_LOGGER: language, logger_info, nothing, nothing, log);
table!(PROFILER: layer_time, nothing, nothing);
table!(VERSIONED_PROFILER: language, profiler_info, nothing, nothing, layer_time);
table!(MONITOR: language, monitor_info, nothing, nothing, phase_start, step_complete, phase_finish);

/// The logger for a library, which writes to the journal; a library may keep it for good.
pub fn logger(abi: Abi) -> Pointer {
    struct Logger(Object<()>);
    // SAFETY: its table is never written, and it has nothing else.
    unsafe impl Sync for Logger {}
    static PLAIN: Logger = Logger(Object { table: (&raw const LOGGER).cast(), state: () });
    static VERSIONED: Logger =
        Logger(Object { table: (&raw const VERSIONED_LOGGER).cast(), state: () });
    if abi == Abi::Eleven { VERSIONED.0.pointer() } else { PLAIN.0.pointer() }
}

extern "C" fn log(_: Pointer, severity: i32, words: Text) {
    // SAFETY: the library gives a null-terminated string.
    guarded((), || journal::note(severity, &unsafe { text(words) }));
}

/// Layer times of one inference.
#[derive(Debug)]
pub struct Profiler(Box<Object<Layers>>);

/// Names with milliseconds, in the order in which they were reported.
type Layers = Mutex<Vec<(String, f32)>>;

impl Profiler {
    /// One without layers yet.
    pub fn new(abi: Abi) -> Self {
        Self(Box::new(if abi == Abi::Eleven {
            Object::new(&VERSIONED_PROFILER, Mutex::default())
        } else {
            Object::new(&PROFILER, Mutex::default())
        }))
    }

    /// Its address, for a library to call it by for as long as it lives.
    pub fn pointer(&self) -> Pointer {
        self.0.pointer()
    }

    /// Layers in the order in which they were reported, with milliseconds.
    pub fn layers(self) -> Vec<(String, f32)> {
        std::mem::take(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

extern "C" fn layer_time(this: Pointer, name: Text, millis: f32) {
    guarded((), || {
        // SAFETY: the library calls it on the profiler that it was given, with a string.
        let (layers, name) = unsafe { (state::<Layers>(this), text(name)) };
        layers.lock().unwrap_or_else(PoisonError::into_inner).push((name, millis));
    });
}

/// Passes a build's progress on, and holds it up when told so.
pub struct Monitor<'a>(Box<Object<MonitorState<'a>>>);

struct MonitorState<'a> {
    listen: Mutex<&'a mut Listen<'a>>,
    /// Steps of the phases that were begun.
    steps: Mutex<HashMap<String, u32>>,
    cancelled: AtomicBool,
}

impl<'a> Monitor<'a> {
    /// One that has seen nothing yet.
    pub fn new(listen: &'a mut Listen<'a>) -> Self {
        let state = MonitorState {
            listen: Mutex::new(listen),
            steps: Mutex::default(),
            cancelled: AtomicBool::new(false),
        };
        Self(Box::new(Object::new(&MONITOR, state)))
    }

    /// Its address, for a library to call it by for as long as it lives.
    pub fn pointer(&self) -> Pointer {
        self.0.pointer()
    }

    /// Whether the build was to be held up.
    pub fn is_cancelled(&self) -> bool {
        self.0.state.cancelled.load(Ordering::Relaxed)
    }
}

impl MonitorState<'_> {
    /// Passes it on; whether the build is to go on.
    fn tell(&self, phase: &str, step: u32) -> bool {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = steps.get(phase).copied().unwrap_or(step);
        let mut listen = self.listen.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.cancelled.load(Ordering::Relaxed)
            && listen(&Progress { phase, step, steps }).is_break()
        {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        !self.cancelled.load(Ordering::Relaxed)
    }
}

extern "C" fn phase_start(this: Pointer, phase: Text, _parent: Text, steps: i32) {
    guarded((), || {
        // SAFETY: the library calls it on the monitor that it was given, with a string.
        let (monitor, phase) = unsafe { (state::<MonitorState<'_>>(this), text(phase)) };
        let mut known = monitor.steps.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(phase.clone(), steps.max(0).cast_unsigned());
        drop(known);
        monitor.tell(&phase, 0);
    });
}

extern "C" fn step_complete(this: Pointer, phase: Text, step: i32) -> bool {
    guarded(false, || {
        // SAFETY: as above.
        let (monitor, phase) = unsafe { (state::<MonitorState<'_>>(this), text(phase)) };
        monitor.tell(&phase, step.max(0).cast_unsigned().saturating_add(1))
    })
}

extern "C" fn phase_finish(_: Pointer, _: Text) {}
