//! Virtual tables of ours, after NVIDIA's headers: in 8.x each begins with its own methods and ends with
//! two destructors; a versioned interface begins with its language, its version and the destructors.
//! Versioned are all in 11, and all but the log and the profiler in 10. Who owns the objects is
//! not known here.
#![allow(unsafe_code)]

use super::{Calibrate, Listen};
use crate::{
    cuda::{Context, DeviceMemory, DeviceSlice},
    tensorrt::{
        Abi, Error, Progress,
        dims::Dims,
        journal,
        object::{Pointer, Text, text},
    },
};
use std::{
    cell::RefCell,
    collections::HashMap,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
};

/// A virtual table.
#[repr(transparent)]
struct Table<const N: usize>([*const c_void; N]);

// SAFETY: holds addresses of functions, and is never written.
unsafe impl<const N: usize> Sync for Table<N> {}

/// An object as C++ sees it: its table, then what is ours.
#[repr(C)]
#[derive(Debug)]
struct Object<S> {
    table: *const c_void,
    state: S,
}

impl<S> Object<S> {
    fn new<const N: usize>(table: &'static Table<N>, state: S) -> Self {
        Self { table: (&raw const table.0).cast(), state }
    }

    /// Its address, for a library to call it by.
    fn pointer(&self) -> Pointer {
        ptr::from_ref(self).cast_mut().cast()
    }
}

/// What is ours of the object that a library calls.
///
/// # Safety
/// `this` is the address of a live `Object<S>`.
unsafe fn state<'a, S>(this: Pointer) -> &'a S {
    // SAFETY: as the caller promises.
    unsafe { &(*this.cast_const().cast::<Object<S>>()).state }
}

/// The answer of `work`, or `failed` if it panics.
fn guarded<T>(failed: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(failed)
}

/// `InterfaceInfo`.
#[repr(C)]
struct Info {
    kind: Text,
    major: i32,
    minor: i32,
}

/// C++, the language whose tables these are.
extern "C" fn language(_: Pointer) -> i32 {
    0
}

/// Destructors. The libraries never own these objects.
extern "C" fn nothing(_: Pointer) {}

/// A function that names an interface, version 1.0.
macro_rules! interface {
    ($function:ident, $name:literal) => {
        extern "C" fn $function(_: Pointer) -> Info {
            Info { kind: $name.as_ptr(), major: 1, minor: 0 }
        }
    };
}

interface!(logger_info, c"ILogger");
interface!(profiler_info, c"IProfiler");
interface!(monitor_info, c"IProgressMonitor");
interface!(calibrator_info, c"IInt8EntropyCalibrator2");
interface!(allocator_info, c"IOutputAllocator");

/// A table, of functions.
macro_rules! table {
    ($name:ident: $($function:ident),*) => {
        static $name: Table<{ [$(stringify!($function)),*].len() }> =
            Table([$($function as *const c_void),*]);
    };
}

table!(LOGGER: log, nothing, nothing);
table!(VERSIONED_LOGGER: language, logger_info, nothing, nothing, log);
table!(PROFILER: layer_time, nothing, nothing);
table!(VERSIONED_PROFILER: language, profiler_info, nothing, nothing, layer_time);
table!(MONITOR: language, monitor_info, nothing, nothing, phase_start, step_complete, phase_finish);
table!(CALIBRATOR: batch_size, batch, read_cache, write_cache, algorithm, nothing, nothing);
table!(VERSIONED_CALIBRATOR: language, calibrator_info, nothing, nothing, batch_size, batch,
    read_cache, write_cache, algorithm);
table!(ALLOCATOR: version, reallocate, notify_shape, nothing, nothing);
table!(VERSIONED_ALLOCATOR: language, allocator_info, nothing, nothing, reallocate,
    reallocate_async, notify_shape);

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

/// Passes batches on to a calibration. Everything happens on the thread that builds.
pub struct Calibration<'a>(Box<Object<CalibrationState<'a>>>);

struct CalibrationState<'a> {
    thread: ThreadId,
    source: RefCell<&'a mut dyn Calibrate>,
    /// What the library was last given, which it reads after the call.
    cache: RefCell<Option<Vec<u8>>>,
    error: RefCell<Option<Error>>,
}

impl<'a> Calibration<'a> {
    /// One for a build on this thread.
    pub fn new(abi: Abi, source: &'a mut dyn Calibrate) -> Self {
        let state = CalibrationState {
            thread: thread::current().id(),
            source: RefCell::new(source),
            cache: RefCell::default(),
            error: RefCell::default(),
        };
        Self(Box::new(if abi == Abi::Eight {
            Object::new(&CALIBRATOR, state)
        } else {
            Object::new(&VERSIONED_CALIBRATOR, state)
        }))
    }

    /// Its address, for a library to call it by for as long as it lives.
    pub fn pointer(&self) -> Pointer {
        self.0.pointer()
    }

    /// What went wrong in it.
    pub fn error(&self) -> Option<Error> {
        self.0.state.error.borrow_mut().take()
    }
}

/// The calibration that a library calls; none on another thread than the one that builds, as what
/// feeds it is not made for two.
///
/// # Safety
/// `this` is the address of a live calibration.
unsafe fn calibration<'a, 'b>(this: Pointer) -> Option<&'a CalibrationState<'b>> {
    // SAFETY: as the caller promises; a thread's id may be read from any thread.
    let found = unsafe { state::<CalibrationState<'b>>(this) };
    (found.thread == thread::current().id()).then_some(found)
}

extern "C" fn batch_size(this: Pointer) -> i32 {
    // SAFETY: the library calls it on the calibration that it was given.
    let size = || unsafe { calibration(this) }.map(|found| found.source.borrow().batch_size());
    guarded(0, || size().and_then(|size| i32::try_from(size).ok()).unwrap_or(0))
}

extern "C" fn batch(this: Pointer, places: *mut Pointer, names: *const Text, count: i32) -> bool {
    guarded(false, || {
        let count = usize::try_from(count).unwrap_or(0);
        if count == 0 || places.is_null() || names.is_null() {
            return false;
        }
        // SAFETY: as above; there are as many names and places as it says.
        let (found, names, places) = unsafe {
            (
                calibration(this),
                std::slice::from_raw_parts(names, count),
                std::slice::from_raw_parts_mut(places, count),
            )
        };
        // SAFETY: strings.
        let names = names.iter().map(|&name| unsafe { text(name) });
        found.is_some_and(|found| found.fill(names.zip(places)))
    })
}

impl CalibrationState<'_> {
    /// Writes down where the next batch lies; whether there is one.
    fn fill<'p>(&self, wanted: impl Iterator<Item = (String, &'p mut Pointer)>) -> bool {
        let mut source = self.source.borrow_mut();
        let filled = source.next().and_then(|batch| {
            let Some(batch) = batch else { return Ok(false) };
            for (name, place) in wanted {
                let (_, memory) =
                    batch.iter().find(|(given, _)| *given == name).ok_or_else(|| {
                        Error::Misuse(format!("calibration has no data for the input {name:?}"))
                    })?;
                *place = ptr::with_exposed_provenance_mut(memory.address() as usize);
            }
            Ok(true)
        });
        filled.unwrap_or_else(|error| {
            *self.error.borrow_mut() = Some(error);
            false
        })
    }
}

extern "C" fn read_cache(this: Pointer, length: *mut usize) -> *const c_void {
    guarded(ptr::null(), || {
        // SAFETY: as above.
        let cache = unsafe { calibration(this) }.and_then(|found| {
            let mut kept = found.cache.borrow_mut();
            *kept = found.source.borrow().cache();
            kept.as_ref().map(|cache| (cache.as_ptr(), cache.len()))
        });
        let (start, size) = cache.unwrap_or((ptr::null(), 0));
        // SAFETY: the library gives a place for the length.
        unsafe { *length = size };
        start.cast()
    })
}

extern "C" fn write_cache(this: Pointer, start: *const c_void, length: usize) {
    guarded((), || {
        // SAFETY: as above.
        let found = unsafe { calibration(this) };
        if let Some(found) = found.filter(|_| !start.is_null()) {
            // SAFETY: the library has as many bytes there.
            let cache = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
            found.source.borrow_mut().keep(cache);
        }
    });
}

/// `kENTROPY_CALIBRATION_2`.
extern "C" fn algorithm(_: Pointer) -> i32 {
    2
}

/// Memory of an output whose size is known only when it is computed. Everything happens on the
/// thread that made it.
#[derive(Debug)]
pub struct Allocator(Box<Object<AllocatorState>>);

#[derive(Debug)]
struct AllocatorState {
    abi: Abi,
    thread: ThreadId,
    card: Context,
    memory: RefCell<Option<DeviceMemory>>,
    lengths: RefCell<Option<Vec<i64>>>,
    error: RefCell<Option<Error>>,
}

impl Allocator {
    /// One that has no memory yet.
    pub fn new(abi: Abi, card: &Context) -> Self {
        let state = AllocatorState {
            abi,
            thread: thread::current().id(),
            card: card.clone(),
            memory: RefCell::default(),
            lengths: RefCell::default(),
            error: RefCell::default(),
        };
        Self(Box::new(if abi == Abi::Eight {
            Object::new(&ALLOCATOR, state)
        } else {
            Object::new(&VERSIONED_ALLOCATOR, state)
        }))
    }

    /// Its address, for a library to call it by for as long as it lives.
    pub fn pointer(&self) -> Pointer {
        self.0.pointer()
    }

    /// The shape of what was computed last.
    pub fn lengths(&self) -> Option<Vec<i64>> {
        self.0.state.lengths.borrow().clone()
    }

    /// The first `bytes` of what was computed last, less if there is less.
    pub fn memory(&self, bytes: usize) -> Option<DeviceSlice<'_>> {
        let memory = self.0.state.memory.borrow();
        let slice = memory.as_ref()?.slice();
        // SAFETY: a piece of the memory, which is replaced only through an enqueue, for which the
        // slice's owner must be borrowed anew.
        Some(unsafe { DeviceSlice::from_raw(slice.address(), slice.bytes().min(bytes)) })
    }

    /// What went wrong in it.
    pub fn error(&self) -> Option<Error> {
        self.0.state.error.borrow_mut().take()
    }
}

impl AllocatorState {
    /// The address of memory of that size, the old one if it suffices.
    fn reserve(&self, bytes: usize) -> Option<u64> {
        let mut memory = self.memory.borrow_mut();
        if memory.as_ref().is_none_or(|memory| memory.bytes() < bytes) {
            *memory = None;
            match DeviceMemory::new(&self.card, bytes) {
                Ok(new) => *memory = Some(new),
                Err(error) => *self.error.borrow_mut() = Some(error.into()),
            }
        }
        memory.as_ref().map(|memory| memory.slice().address())
    }
}

/// As [`calibration`].
///
/// # Safety
/// `this` is the address of a live allocator.
unsafe fn allocator<'a>(this: Pointer) -> Option<&'a AllocatorState> {
    // SAFETY: as the caller promises.
    let found = unsafe { state::<AllocatorState>(this) };
    (found.thread == thread::current().id()).then_some(found)
}

/// The version of the interface in 8.x.
extern "C" fn version(_: Pointer) -> i32 {
    1
}

extern "C" fn reallocate(this: Pointer, _: Text, _: Pointer, bytes: u64, _align: u64) -> Pointer {
    // The driver aligns to 256 bytes, which is as much as TensorRT asks for.
    guarded(ptr::null_mut(), || {
        // SAFETY: the library calls it on the allocator that it was given.
        let found = unsafe { allocator(this) };
        let address = found.and_then(|found| found.reserve(usize::try_from(bytes).ok()?));
        address.map_or(ptr::null_mut(), |found| ptr::with_exposed_provenance_mut(found as usize))
    })
}

extern "C" fn reallocate_async(
    this: Pointer,
    name: Text,
    current: Pointer,
    bytes: u64,
    align: u64,
    _stream: Pointer,
) -> Pointer {
    reallocate(this, name, current, bytes, align)
}

extern "C" fn notify_shape(this: Pointer, _: Text, dims: *const i32) {
    guarded((), || {
        // SAFETY: as above.
        let Some(found) = (unsafe { allocator(this) }).filter(|_| !dims.is_null()) else { return };
        // SAFETY: the library has a `Dims` of its own length there.
        let words = unsafe { std::slice::from_raw_parts(dims, Dims::words(found.abi)) };
        *found.lengths.borrow_mut() = Dims::from_words(words).lengths(found.abi);
    });
}
