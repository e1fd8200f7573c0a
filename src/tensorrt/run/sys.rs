//! Calls of the runtime, of engines and of what executes them.
#![allow(unsafe_code)]

use super::Tensor;
use crate::{
    cuda::{Context, DeviceMemory, DeviceSlice, Stream},
    tensorrt::{
        Abi, Element, Error, Library,
        build::c_string,
        callbacks::{Allocator, Profiler},
        classes,
        dims::Dims,
        journal::{self, Mark},
        library::DESTRUCTOR,
        object::{Handle, Owned, Pointer, text},
    },
    unit::Bytes,
};
use std::{collections::HashMap, ffi::CStr, ops::Range, ptr, rc::Rc};

/// Loads engines.
#[derive(Debug)]
pub struct Runtime {
    library: Library,
    object: Rc<Owned<classes::Runtime>>,
    card: Context,
}

/// A loaded engine. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Engine {
    library: Library,
    object: Rc<Owned<classes::Engine>>,
    card: Context,
    /// What the library has said while it loaded it.
    warnings: Rc<[String]>,
}

/// Runs an engine, one inference after the other, with memory of its own.
#[derive(Debug)]
pub struct ExecutionContext {
    // Dropped before what it points to.
    object: Owned<classes::Context>,
    engine: Engine,
    memory: HashMap<String, (Rc<DeviceMemory>, Range<usize>)>,
    allocators: HashMap<String, Allocator>,
}

/// `TensorIOMode::kINPUT`.
const INPUT: i32 = 1;
/// `TensorLocation::kHOST`.
const HOST: i32 = 1;
/// `LayerInformationFormat::kJSON`.
const JSON: i32 = 1;
/// `ExecutionContextAllocationStrategy::kSTATIC`: memory for the largest shapes, once.
const STATIC: i32 = 0;

impl Runtime {
    pub(in crate::tensorrt) fn new(
        library: Library,
        object: Owned<classes::Runtime>,
        card: Context,
    ) -> Self {
        Self { library, object: Rc::new(object), card }
    }

    /// Loads a serialised engine. Whether it was built for this card and release the library checks by
    /// itself; see also [`super::super::plan_header`].
    ///
    /// # Errors
    /// The library's words.
    pub fn load(&self, engine: &[u8]) -> Result<Engine, Error> {
        let methods = &self.library.classes().runtime;
        let mark = journal::mark();
        let (start, size) = (engine.as_ptr(), engine.len());
        // SAFETY: the runtime lives, and outlives the engine, which belongs to the caller. No plugins
        // are given to 8.x.
        let object = unsafe {
            let handle = self.object.handle();
            let made = methods
                .deserialize(handle, start, size)
                .or_else(|| methods.deserialize_with(handle, start, size, ptr::null_mut()));
            let keeps = vec![Rc::clone(&self.object) as _];
            Owned::new(made.unwrap_or(ptr::null_mut()), DESTRUCTOR, keeps)
        };
        let object = Rc::new(object.ok_or_else(|| Error::said("the runtime", mark))?);
        let (library, card) = (self.library.clone(), self.card.clone());
        Ok(Engine { library, object, card, warnings: journal::since(mark).into() })
    }
}

impl Engine {
    fn methods(&self) -> &classes::Engine {
        &self.library.classes().engine
    }

    fn abi(&self) -> Abi {
        self.library.abi()
    }

    /// What the library has warned of when it loaded it, such as another model of card.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Inputs and outputs, in the engine's order.
    pub fn tensors(&self) -> Vec<Tensor> {
        let (methods, handle) = (self.methods(), self.object.handle());
        // SAFETY: the engine lives, and there are as many as it says; the names are its own.
        unsafe {
            let names = (0..methods.tensors(handle)).map(|i| methods.tensor_name(handle, i));
            names
                .filter(|name| !name.is_null())
                .map(|name| self.tensor(CStr::from_ptr(name)))
                .collect()
        }
    }

    fn tensor(&self, name: &CStr) -> Tensor {
        let (methods, handle, at) = (self.methods(), self.object.handle(), name.as_ptr());
        // SAFETY: the engine lives; the name is null-terminated.
        unsafe {
            Tensor {
                name: name.to_string_lossy().into_owned(),
                element: Element::from_number(methods.tensor_element(handle, at)),
                dims: methods.tensor_shape(handle, at).lengths(self.abi()).unwrap_or_default(),
                input: methods.tensor_mode(handle, at) == INPUT,
                on_host: methods.tensor_location(handle, at) == HOST,
            }
        }
    }

    /// Smallest, best and largest lengths of an input in the first profile; none where it has none.
    pub fn range(&self, input: &str) -> Option<[Vec<i64>; 3]> {
        let (methods, handle) = (self.methods(), self.object.handle());
        let name = c_string(input).ok()?;
        // SAFETY: the engine lives; the name is null-terminated.
        let of = |which| unsafe {
            methods.profile_shape(handle, name.as_ptr(), 0, which).lengths(self.abi())
        };
        // SAFETY: the engine lives.
        let any = unsafe { methods.profiles(handle) } > 0;
        if any { Some([of(0)?, of(1)?, of(2)?]) } else { None }
    }

    /// What its layers are, as JSON of the library's own making.
    ///
    /// # Errors
    /// The library's words.
    pub fn layer_information(&self) -> Result<String, Error> {
        let methods = &self.library.classes().inspector;
        let mark = journal::mark();
        // SAFETY: the engine lives, and the inspector belongs to the caller.
        let inspector = unsafe {
            let made = self.methods().create_inspector(self.object.handle());
            Owned::<classes::Inspector>::new(made, DESTRUCTOR, vec![Rc::clone(&self.object) as _])
        };
        let inspector = inspector.ok_or_else(|| Error::said("the inspector", mark))?;
        // SAFETY: the inspector lives, and the text until its next call.
        let said = unsafe { text(methods.engine_information(inspector.handle(), JSON)) };
        if said.is_empty() { Err(Error::said("the inspector", mark)) } else { Ok(said) }
    }

    /// Memory of the card that a context of it needs besides inputs and outputs.
    pub fn device_memory(&self) -> Option<Bytes> {
        let (methods, handle) = (self.methods(), self.object.handle());
        // SAFETY: the engine lives.
        unsafe {
            let bytes = methods.device_memory(handle).and_then(|bytes| u64::try_from(bytes).ok());
            bytes
                .or_else(|| methods.plain_device_memory(handle).map(|bytes| bytes as u64))
                .map(Bytes)
        }
    }

    /// Something that runs it. Several may be at work at once, each in a stream of its own.
    ///
    /// # Errors
    /// The library's words, where the card's memory does not suffice.
    pub fn context(&self) -> Result<ExecutionContext, Error> {
        let (methods, handle) = (self.methods(), self.object.handle());
        let mark = journal::mark();
        // SAFETY: the engine lives, and outlives the context, which belongs to the caller.
        let object = unsafe {
            let made = methods
                .create_context(handle, STATIC)
                .or_else(|| methods.create_plain_context(handle));
            let keeps = vec![Rc::clone(&self.object) as _];
            Owned::new(made.unwrap_or(ptr::null_mut()), DESTRUCTOR, keeps)
        };
        let object = object.ok_or_else(|| Error::said(STEP, mark))?;
        let context = ExecutionContext {
            object,
            engine: self.clone(),
            memory: HashMap::new(),
            allocators: HashMap::new(),
        };
        context.choose_profile(mark)?;
        Ok(context)
    }
}

/// Whose step it is that fails here.
const STEP: &str = "the execution context";

impl ExecutionContext {
    fn methods(&self) -> &classes::Context {
        &self.engine.library.classes().context
    }

    fn handle(&self) -> Handle<classes::Context> {
        self.object.handle()
    }

    /// Chooses the one profile, where the library has not done so: in 8.x it does for the first
    /// context alone. Waits until that is done on the card.
    fn choose_profile(&self, mark: Mark) -> Result<(), Error> {
        // SAFETY: the context lives.
        if unsafe { self.methods().profile(self.handle()) } >= 0 {
            return Ok(());
        }
        let (card, stream) = (self.engine.card.clone(), Stream::new(&self.engine.card)?);
        let chosen = card.scope(|scope| {
            scope.use_stream(&stream);
            // SAFETY: the context and the stream live.
            unsafe { self.methods().set_profile(self.handle(), 0, stream.handle()) }
        });
        self.succeeded(chosen, mark)
    }

    fn succeeded(&self, done: bool, mark: Mark) -> Result<(), Error> {
        if done { Ok(()) } else { Err(Error::said(STEP, mark)) }
    }

    /// Says how long an input will be.
    ///
    /// # Errors
    /// The library's words, where the profile does not have that shape.
    pub fn set_shape(&mut self, input: &str, dims: &[i64]) -> Result<(), Error> {
        let (name, mark) = (c_string(input)?, journal::mark());
        let dims = Dims::new(self.engine.abi(), dims)?;
        // SAFETY: the context lives; name and lengths are in the library's form.
        let set = unsafe {
            self.methods().set_input_shape(self.handle(), name.as_ptr(), &raw const dims)
        };
        self.succeeded(set, mark)
    }

    /// The shape of a tensor, as the inputs' shapes make it; of an output that
    /// [`ExecutionContext::allocate_output`] was called for what the last inference gave. -1 is a length
    /// that is not known yet.
    ///
    /// # Errors
    /// The library's words, where there is no such tensor.
    pub fn shape(&self, tensor: &str) -> Result<Vec<i64>, Error> {
        if let Some(lengths) = self.allocators.get(tensor).and_then(Allocator::lengths) {
            return Ok(lengths);
        }
        let (name, mark) = (c_string(tensor)?, journal::mark());
        // SAFETY: the context lives; the name is null-terminated.
        let dims = unsafe { self.methods().shape(self.handle(), name.as_ptr()) };
        dims.lengths(self.engine.abi()).ok_or_else(|| Error::said(STEP, mark))
    }

    /// Gives a tensor these bytes of memory, in place of what it had. Nothing may be at work with the
    /// old one.
    ///
    /// # Errors
    /// The library's words, where there is no such tensor.
    pub fn give(
        &mut self,
        tensor: &str,
        memory: &Rc<DeviceMemory>,
        part: Range<usize>,
    ) -> Result<(), Error> {
        let (name, mark) = (c_string(tensor)?, journal::mark());
        if self.engine.tensor(&name).on_host {
            return Err(Error::Misuse(format!(
                "the tensor {tensor:?} lies in memory of the host, which is not provided for: export the \
                 model with fixed shapes there"
            )));
        }
        let place = memory.slice().part(part.clone())?;
        let address = ptr::with_exposed_provenance_mut(place.address() as usize);
        // SAFETY: the context lives, and the memory stays until other is given or the context is gone.
        let set = unsafe { self.methods().set_address(self.handle(), name.as_ptr(), address) };
        self.succeeded(set, mark)?;
        self.memory.insert(tensor.to_owned(), (Rc::clone(memory), part));
        Ok(())
    }

    /// A tensor's memory: all that was given, or of an output that the library allocates what the last
    /// inference filled.
    pub fn memory(&self, tensor: &str) -> Option<DeviceSlice<'_>> {
        let Some(allocator) = self.allocators.get(tensor) else {
            return self
                .memory
                .get(tensor)
                .and_then(|(all, part)| all.slice().part(part.clone()).ok());
        };
        let lengths = allocator.lengths()?;
        let element = self.engine.tensor(&c_string(tensor).ok()?).element;
        let length = |length: &i64| usize::try_from(*length).unwrap_or(0);
        let elements: usize = lengths.iter().map(length).product();
        allocator.memory(elements.saturating_mul(element.bytes().unwrap_or(1)))
    }

    /// All of the memory of which a tensor was given a part.
    pub fn whole(&self, tensor: &str) -> Option<DeviceSlice<'_>> {
        match self.memory.get(tensor) {
            Some((all, _)) => Some(all.slice()),
            None => self.memory(tensor),
        }
    }

    /// Lets an output whose shape depends on what is computed get its memory as it is needed.
    ///
    /// # Errors
    /// The library's words, where there is no such output.
    pub fn allocate_output(&mut self, output: &str) -> Result<(), Error> {
        let (name, mark) = (c_string(output)?, journal::mark());
        let allocator = Allocator::new(self.engine.abi(), &self.engine.card);
        // SAFETY: the context lives, and the allocator as long as it.
        let set = unsafe {
            self.methods().set_allocator(self.handle(), name.as_ptr(), allocator.pointer())
        };
        self.succeeded(set, mark)?;
        self.allocators.insert(output.to_owned(), allocator);
        Ok(())
    }

    /// Hands one inference to a stream.
    ///
    /// # Errors
    /// The library's words; the driver's, where memory for an output is missing.
    pub fn enqueue(&mut self, stream: &Stream) -> Result<(), Error> {
        let mark = journal::mark();
        // SAFETY: the context and all memory that it was given live; the stream does.
        let done = unsafe { self.methods().enqueue(self.handle(), stream.handle()) };
        let failed = self.allocators.values().find_map(Allocator::error);
        failed.filter(|_| !done).map_or_else(|| self.succeeded(done, mark), Err)
    }

    /// Runs one inference with each layer timed, and waits for it: layers in the order of execution,
    /// with milliseconds. It takes longer than others; not for measuring the whole.
    ///
    /// # Errors
    /// The library's words.
    pub fn profile(&mut self, stream: &Stream) -> Result<Vec<(String, f32)>, Error> {
        let profiler = Profiler::new(self.engine.abi());
        let mark = journal::mark();
        self.set_profiler(profiler.pointer(), false);
        let card = self.engine.card.clone();
        let enqueued = card.scope(|scope| {
            scope.use_stream(stream);
            self.enqueue(stream)
        });
        let reported = enqueued.and_then(|()| {
            // SAFETY: the context lives, and its work is done.
            let reported = unsafe { self.methods().report(self.handle()) };
            self.succeeded(reported, mark)
        });
        self.set_profiler(ptr::null_mut(), true);
        reported.map(|()| profiler.layers())
    }

    /// Sets the profiler, and whether enqueueing waits to report to it.
    fn set_profiler(&self, profiler: Pointer, emits: bool) {
        // SAFETY: the context lives; the profiler is taken away again before it goes.
        unsafe {
            self.methods().set_profiler(self.handle(), profiler);
            self.methods().set_emits_profile(self.handle(), emits);
        }
    }
}
