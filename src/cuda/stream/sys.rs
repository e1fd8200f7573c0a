//! Calls of the driver API that hand work to a card. What touches memory of the host goes through a
//! [`Scope`], which waits for the card before that memory can go away.
#![allow(unsafe_code)]

use crate::{
    cuda::{
        Context, DeviceSlice, Error, Wait,
        driver::{Primary, check},
    },
    unit::Nanos,
};
use cudarc::driver::sys::{self, CUevent, CUfunction, CUgraphExec, CUmodule, CUstream};
use std::{
    cell::RefCell,
    ffi::{CStr, c_void},
    marker::PhantomData,
    ptr,
    rc::Rc,
};

/// A queue of work; what is in one stream is done in order.
#[derive(Debug)]
pub struct Stream {
    raw: CUstream,
    _primary: Rc<Primary>,
}

/// A point in a stream whose time the card keeps.
#[derive(Debug)]
pub struct Event {
    raw: CUevent,
    _primary: Rc<Primary>,
}

/// Work that was recorded once and is launched as a whole.
#[derive(Debug)]
pub struct Graph {
    raw: CUgraphExec,
    _primary: Rc<Primary>,
}

/// Compiled kernels, loaded.
#[derive(Debug)]
pub struct Module {
    raw: CUmodule,
    _primary: Rc<Primary>,
}

/// A kernel; it lives as long as its module.
#[derive(Clone, Debug)]
pub struct Function {
    raw: CUfunction,
    _module: Rc<Module>,
}

/// What work is handed to a card through. All memory that is handed over outlives it, as it waits
/// for the card when it ends, whatever has happened.
#[derive(Debug)]
pub struct Scope<'env> {
    /// Streams with work that was not waited for.
    busy: RefCell<Vec<CUstream>>,
    /// Memory that is handed over stays borrowed; invariant, so that no shorter life will do.
    env: PhantomData<std::cell::Cell<&'env ()>>,
}

impl Context {
    /// Runs `work`, which hands work to this card, and waits until the card has done all of it.
    pub fn scope<'env, T>(&'env self, work: impl FnOnce(&Scope<'env>) -> T) -> T {
        let scope = Scope { busy: RefCell::default(), env: PhantomData };
        work(&scope)
    }
}

impl<'env> Scope<'env> {
    /// Copies to the card.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the sizes differ; the driver's word.
    pub fn upload(
        &self,
        stream: &'env Stream,
        from: &'env [u8],
        to: DeviceSlice<'_>,
    ) -> Result<(), Error> {
        fits(from.len(), to.bytes())?;
        self.use_stream(stream);
        // SAFETY: both pieces are that long, and the host's stays until the scope has waited for
        // the card. That the card's goes is the card's fault, not the host's: freeing it waits.
        let result = unsafe {
            sys::cuMemcpyHtoDAsync_v2(to.address(), from.as_ptr().cast(), from.len(), stream.raw)
        };
        check("cuMemcpyHtoDAsync_v2", result)
    }

    /// Copies from the card.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the sizes differ; the driver's word.
    pub fn download(
        &self,
        stream: &'env Stream,
        from: DeviceSlice<'_>,
        to: &'env mut [u8],
    ) -> Result<(), Error> {
        fits(from.bytes(), to.len())?;
        self.use_stream(stream);
        // SAFETY: both pieces are that long; the host's stays, and is nobody else's, until the
        // scope has waited for the card.
        let result = unsafe {
            sys::cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast(), from.address(), to.len(), stream.raw)
        };
        check("cuMemcpyDtoHAsync_v2", result)
    }

    /// Notes in the stream the time at which all before is done.
    ///
    /// # Errors
    /// The driver's word.
    pub fn record(&self, event: &'env Event, stream: &'env Stream) -> Result<(), Error> {
        self.use_stream(stream);
        stream.mark(event)
    }

    /// Lets the stream wait until the event has been reached.
    ///
    /// # Errors
    /// The driver's word.
    pub fn wait_for(&self, event: &'env Event, stream: &'env Stream) -> Result<(), Error> {
        self.use_stream(stream);
        stream.follow(event)
    }

    /// Says that others hand work to this stream too, so that it is waited for.
    pub fn use_stream(&self, stream: &'env Stream) {
        let mut busy = self.busy.borrow_mut();
        if !busy.contains(&stream.raw) {
            busy.push(stream.raw);
        }
    }

    /// Waits for the event, in the way that the context was opened for.
    ///
    /// # Errors
    /// The driver's word, that of failed work before it included.
    pub fn finish(&self, event: &'env Event) -> Result<(), Error> {
        // SAFETY: the handle lives.
        check("cuEventSynchronize", unsafe { sys::cuEventSynchronize(event.raw) })
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        for &stream in self.busy.borrow().iter() {
            // SAFETY: the stream outlives the scope. An error means that the card is lost, and
            // with it all that it was given to do.
            let _ = unsafe { sys::cuStreamSynchronize(stream) };
        }
    }
}

fn fits(from: usize, to: usize) -> Result<(), Error> {
    if from == to {
        return Ok(());
    }
    Err(Error::Misuse(format!("{from} bytes do not fit a place of {to}")))
}

impl Stream {
    /// A stream of its own, that does not wait for the default one.
    ///
    /// # Errors
    /// The driver's word.
    pub fn new(context: &Context) -> Result<Self, Error> {
        let flags = sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as u32;
        let mut raw = ptr::null_mut();
        // SAFETY: writes one handle.
        check("cuStreamCreate", unsafe { sys::cuStreamCreate(&raw mut raw, flags) })?;
        Ok(Self { raw, _primary: Rc::clone(&context.0) })
    }

    /// The driver's handle, for libraries that take a stream.
    pub fn handle(&self) -> *mut c_void {
        self.raw.cast()
    }

    /// Records what `work` hands to this stream, which touches memory of the card alone.
    ///
    /// # Errors
    /// The first error of `work`, or the driver's word.
    pub fn capture<E: From<Error>>(
        &self,
        work: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<Graph, E> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the handle lives.
        let begun = unsafe { sys::cuStreamBeginCapture_v2(self.raw, mode) };
        check("cuStreamBeginCapture_v2", begun)?;
        let worked = work(self);
        let (mut graph, mut raw) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the stream is capturing; this ends it whatever `work` did.
        let ended = unsafe { sys::cuStreamEndCapture(self.raw, &raw mut graph) };
        if let Err(error) = worked {
            if !graph.is_null() {
                // SAFETY: the graph was just made, and nobody else has it.
                let _ = unsafe { sys::cuGraphDestroy(graph) };
            }
            return Err(error);
        }
        check("cuStreamEndCapture", ended)?;
        // SAFETY: the graph was just made; it is not needed once it is instantiated.
        let made = unsafe {
            let made = sys::cuGraphInstantiateWithFlags(&raw mut raw, graph, 0);
            let _ = sys::cuGraphDestroy(graph);
            made
        };
        check("cuGraphInstantiateWithFlags", made)?;
        Ok(Graph { raw, _primary: Rc::clone(&self._primary) })
    }

    /// Hands over that memory of the card is to be zero, without waiting for it ever.
    ///
    /// # Errors
    /// The driver's word.
    pub fn clear(&self, memory: DeviceSlice<'_>) -> Result<(), Error> {
        // SAFETY: the memory is that long; that it was freed meanwhile would be the card's fault,
        // not the host's.
        let result = unsafe { sys::cuMemsetD8Async(memory.address(), 0, memory.bytes(), self.raw) };
        check("cuMemsetD8Async", result)
    }

    /// Notes in the stream when all before is done, without waiting for it ever.
    ///
    /// # Errors
    /// The driver's word.
    pub fn mark(&self, event: &Event) -> Result<(), Error> {
        // SAFETY: both handles live; the driver keeps what is still to be reached.
        check("cuEventRecord", unsafe { sys::cuEventRecord(event.raw, self.raw) })
    }

    /// Lets the stream wait until the event has been reached.
    ///
    /// # Errors
    /// The driver's word.
    pub fn follow(&self, event: &Event) -> Result<(), Error> {
        // SAFETY: both handles live; the flags must be zero.
        check("cuStreamWaitEvent", unsafe { sys::cuStreamWaitEvent(self.raw, event.raw, 0) })
    }

    /// Launches a graph, without waiting for it ever.
    ///
    /// # Errors
    /// The driver's word.
    pub fn launch(&self, graph: &Graph) -> Result<(), Error> {
        // SAFETY: both handles live. What a graph touches is memory of the card alone.
        check("cuGraphLaunch", unsafe { sys::cuGraphLaunch(graph.raw, self.raw) })
    }

    /// Launches a kernel on so many blocks of so many threads, along x and y.
    ///
    /// # Safety
    /// The kernel takes exactly these arguments, all of them of 64 bits, and the memory of the card that
    /// they name is such as it reads and writes.
    ///
    /// # Errors
    /// The driver's word.
    pub unsafe fn launch_kernel(
        &self,
        function: &Function,
        blocks: [u32; 2],
        threads: [u32; 2],
        arguments: &mut [u64],
    ) -> Result<(), Error> {
        let mut places: Vec<*mut c_void> =
            arguments.iter_mut().map(|argument| (&raw mut *argument).cast()).collect();
        // SAFETY: the arguments are those of the kernel, as the caller promises; they are copied
        // before the call returns.
        let result = unsafe {
            sys::cuLaunchKernel(
                function.raw,
                blocks[0],
                blocks[1],
                1,
                threads[0],
                threads[1],
                1,
                0,
                self.raw,
                places.as_mut_ptr(),
                ptr::null_mut(),
            )
        };
        check("cuLaunchKernel", result)
    }
}

impl Event {
    /// An event that keeps its time.
    ///
    /// # Errors
    /// The driver's word.
    pub fn new(context: &Context) -> Result<Self, Error> {
        let flags = match context.wait() {
            Wait::Spin => sys::CUevent_flags_enum::CU_EVENT_DEFAULT,
            Wait::Block => sys::CUevent_flags_enum::CU_EVENT_BLOCKING_SYNC,
        } as u32;
        let mut raw = ptr::null_mut();
        // SAFETY: writes one handle.
        check("cuEventCreate", unsafe { sys::cuEventCreate(&raw mut raw, flags) })?;
        Ok(Self { raw, _primary: Rc::clone(&context.0) })
    }

    /// Time from `earlier` to this event by the card's clock. The driver gives milliseconds in
    /// single precision, with a resolution of about half a microsecond: what is below that in the
    /// result comes from the conversion.
    ///
    /// # Errors
    /// The driver's word, if one of them has not been reached.
    pub fn since(&self, earlier: &Self) -> Result<Nanos, Error> {
        let mut millis = 0_f32;
        // SAFETY: both handles live; writes one number.
        let result = unsafe { sys::cuEventElapsedTime(&raw mut millis, earlier.raw, self.raw) };
        check("cuEventElapsedTime", result)?;
        // A cast saturates: a negative time, of events in the wrong order, becomes zero.
        Ok(Nanos((f64::from(millis) * 1e6).round() as u64))
    }
}

impl Module {
    /// Loads a compiled module, a cubin for this card.
    ///
    /// # Errors
    /// The driver's word, for one that was made for another card.
    pub fn load(context: &Context, cubin: &[u8]) -> Result<Rc<Self>, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the driver reads as far as the image's own header says; it came from NVRTC.
        let result = unsafe { sys::cuModuleLoadData(&raw mut raw, cubin.as_ptr().cast()) };
        check("cuModuleLoadData", result)?;
        Ok(Rc::new(Self { raw, _primary: Rc::clone(&context.0) }))
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// The driver's word, if there is none.
    pub fn function(self: &Rc<Self>, name: &CStr) -> Result<Function, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the module lives, and the name is null-terminated.
        let result = unsafe { sys::cuModuleGetFunction(&raw mut raw, self.raw, name.as_ptr()) };
        check("cuModuleGetFunction", result)?;
        Ok(Function { raw, _module: Rc::clone(self) })
    }
}

macro_rules! destroyed_when_dropped {
    ($($type:ident: $destroy:ident),*) => {$(
        impl Drop for $type {
            fn drop(&mut self) {
                // SAFETY: made once and destroyed once. Nothing can be done about a lost card.
                let _ = unsafe { sys::$destroy(self.raw) };
            }
        }
    )*};
}

destroyed_when_dropped!(
    Stream: cuStreamDestroy_v2,
    Event: cuEventDestroy_v2,
    Graph: cuGraphExecDestroy,
    Module: cuModuleUnload
);
