//! Callbacks about memory of a card: batches for a calibration, and outputs whose size is known only
//! when they are computed. Both are called on the thread that made them, and refuse others, as what
//! is behind them is not made for two.
#![allow(unsafe_code)]

use crate::{
    cuda::{Context, DeviceMemory, DeviceSlice},
    tensorrt::{
        Abi, Calibrate, Error,
        callbacks::sys::{Object, guarded, interface, language, nothing, state, table},
        dims::Dims,
        object::{Pointer, Text, text},
    },
};
use std::{
    cell::RefCell,
    ffi::c_void,
    ptr,
    thread::{self, ThreadId},
};

interface!(calibrator_info, c"IInt8EntropyCalibrator2");
interface!(allocator_info, c"IOutputAllocator");

table!(CALIBRATOR: batch_size, batch, read_cache, write_cache, algorithm, nothing, nothing);
table!(VERSIONED_CALIBRATOR: language, calibrator_info, nothing, nothing, batch_size, batch,
    read_cache, write_cache, algorithm);
table!(ALLOCATOR: version, reallocate, notify_shape, nothing, nothing);
table!(VERSIONED_ALLOCATOR: language, allocator_info, nothing, nothing, reallocate,
    reallocate_async, notify_shape);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensorrt::object::{Handle, Place};

    /// Two batches for one input.
    struct Batches {
        left: u64,
        kept: Vec<u8>,
    }

    impl Calibrate for Batches {
        fn batch_size(&self) -> usize {
            4
        }

        fn next(&mut self) -> Result<Option<Vec<(String, DeviceSlice<'_>)>>, Error> {
            if self.left == 0 {
                return Ok(None);
            }
            self.left -= 1;
            // SAFETY: an address that nobody reads from.
            let memory = unsafe { DeviceSlice::from_raw(0x7000_0000 + self.left, 16) };
            Ok(Some(vec![("other".into(), memory), ("images".into(), memory)]))
        }

        fn cache(&self) -> Option<Vec<u8>> {
            (!self.kept.is_empty()).then(|| self.kept.clone())
        }

        fn keep(&mut self, cache: &[u8]) {
            self.kept = cache.to_vec();
        }
    }

    /// The function in a slot of an object of ours.
    ///
    /// # Safety
    /// `F` is the function's type.
    unsafe fn method<F: Copy>(object: Pointer, slot: usize) -> F {
        // SAFETY: an object of ours, which outlives the test's use.
        let handle = unsafe { Handle::<()>::new(object) }.unwrap();
        // SAFETY: its table is its own; the type is as the caller promises.
        unsafe { std::mem::transmute_copy(&handle.method(Place::Own, slot).1) }
    }

    type Fill = extern "C" fn(Pointer, *mut Pointer, *const Text, i32) -> bool;
    type Read = extern "C" fn(Pointer, *mut usize) -> *const c_void;
    type Write = extern "C" fn(Pointer, *const c_void, usize);

    /// Plays a library of 8.x (slots from 0) or 10 (after four of the interface).
    fn calibrate(abi: Abi, first: usize) {
        let mut source = Batches { left: 2, kept: Vec::new() };
        let calibration = Calibration::new(abi, &mut source);
        let this = calibration.pointer();
        // SAFETY: types and slots of `IInt8Calibrator` in NvInfer.h.
        let (size, fill, read, write, algorithm) = unsafe {
            (
                method::<extern "C" fn(Pointer) -> i32>(this, first),
                method::<Fill>(this, first + 1),
                method::<Read>(this, first + 2),
                method::<Write>(this, first + 3),
                method::<extern "C" fn(Pointer) -> i32>(this, first + 4),
            )
        };
        assert_eq!((size(this), algorithm(this)), (4, 2));
        let mut length = 7;
        assert!(read(this, &raw mut length).is_null() && length == 0);
        let (names, mut places) = ([c"images".as_ptr()], [ptr::null_mut()]);
        let mut next =
            || fill(this, places.as_mut_ptr(), names.as_ptr(), 1).then(|| places[0].addr());
        assert_eq!([next(), next(), next()], [Some(0x7000_0001), Some(0x7000_0000), None]);
        write(this, b"scales".as_ptr().cast(), 6);
        let cache = read(this, &raw mut length);
        // SAFETY: it was just said to be that long.
        let cache = unsafe { std::slice::from_raw_parts(cache.cast::<u8>(), length) };
        assert_eq!(cache, b"scales");
        assert_eq!(calibration.error(), None);
    }

    #[test]
    fn a_library_finds_batches_and_scales_in_the_slots_of_its_release() {
        calibrate(Abi::Eight, 0);
        calibrate(Abi::Ten, 4);
    }

    #[test]
    fn an_input_without_data_and_another_thread_get_no_batch() {
        let mut source = Batches { left: 9, kept: Vec::new() };
        let calibration = Calibration::new(Abi::Eight, &mut source);
        let address = calibration.pointer().expose_provenance();
        let fill = move |name: &std::ffi::CStr| {
            let this = ptr::with_exposed_provenance_mut(address);
            let mut place = ptr::null_mut();
            // SAFETY: type and slot as above; the calibration lives.
            let fill = unsafe { method::<Fill>(this, 1) };
            fill(this, &raw mut place, &name.as_ptr(), 1)
        };
        assert!(fill(c"images"));
        assert!(!thread::spawn(move || fill(c"images")).join().unwrap());
        assert_eq!(calibration.error(), None);
        assert!(!fill(c"masks"));
        let error = calibration.error().unwrap().to_string();
        assert_eq!(error, "calibration has no data for the input \"masks\"");
    }
}
