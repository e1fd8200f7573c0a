//! Calls of the parser and the builder.
#![allow(unsafe_code)]

use super::{BuildRequest, Built, Described, Flags, InputRange, Typing, check, network_flags};
use crate::tensorrt::{
    Abi, Element, Error, Fault, Library, Refused,
    callbacks::{Calibration, Monitor},
    classes::{self, Classes, ParserClasses},
    dims::Dims,
    journal::{self, Mark},
    library::DESTRUCTOR,
    object::{Handle, Owned, Pointer, text},
};
use std::{ffi::CString, path::Path, ptr, rc::Rc};

/// Parses models and builds engines.
#[derive(Debug)]
pub struct Builder {
    library: Library,
    object: Rc<Owned<classes::Builder>>,
}

/// A model in TensorRT's own form.
#[derive(Debug)]
pub struct Network {
    // Holds weights that the network points to.
    _parser: Owned<classes::Parser>,
    object: Rc<Owned<classes::Network>>,
    builder: Rc<Owned<classes::Builder>>,
    library: Library,
    typing: Typing,
}

/// `ILogger::Severity` that the parser is to log from on: warnings.
const WARNINGS: i32 = 2;
/// `ProfilingVerbosity::kDETAILED`, without which the layers of an engine have names alone.
const DETAILED: i32 = 2;
/// `MemoryPoolType::kWORKSPACE`.
const WORKSPACE: i32 = 0;
/// `PreviewFeature::kPROFILE_SHARING_0806` of 8.6: contexts in several streams share the one profile.
/// Later releases always do.
const PROFILE_SHARING: i32 = 2;

impl Builder {
    pub(in crate::tensorrt) fn new(library: Library, object: Owned<classes::Builder>) -> Self {
        Self { library, object: Rc::new(object) }
    }

    fn classes(&self) -> &Classes {
        self.library.classes()
    }

    /// Parses an ONNX file. Weights in files of their own are looked for beside it.
    ///
    /// # Errors
    /// [`Error::Parser`] with what the parser found; [`Error::Unavailable`] without its library;
    /// [`Error::Misuse`] if the release cannot type networks that way.
    pub fn parse(&self, onnx: &Path, typing: Typing) -> Result<Network, Error> {
        let flags = network_flags(self.library.release(), self.library.abi(), typing)?;
        // A path of bytes, as the system has it.
        let path = CString::new(onnx.as_os_str().as_encoded_bytes())
            .map_err(|_| Error::Misuse(format!("{}: a path without zero bytes", onnx.display())))?;
        let mark = journal::mark();
        // SAFETY: the builder lives, and outlives the network, which belongs to the caller.
        let network = unsafe {
            let made = self.classes().builder.create_network(self.object.handle(), flags);
            Owned::new(made, DESTRUCTOR, vec![Rc::clone(&self.object) as _])
        };
        let network = Rc::new(network.ok_or_else(|| Error::said("the builder", mark))?);
        let keeps = vec![Rc::clone(&network) as _];
        // SAFETY: the parser keeps the network.
        let (parser, methods) = unsafe { self.library.parser(network.handle().pointer(), keeps) }?;
        // SAFETY: the parser lives; the path is null-terminated.
        let parsed = unsafe { methods.parser.parse_file(parser.handle(), path.as_ptr(), WARNINGS) };
        let faults = faults(&parser, &methods);
        let network = Network {
            _parser: parser,
            object: network,
            builder: Rc::clone(&self.object),
            library: self.library.clone(),
            typing,
        };
        let mut words = journal::since(mark);
        // What is no model at all is sometimes taken for an empty one.
        if parsed && network.outputs().is_empty() {
            words = vec!["it has no graph with outputs: is it an ONNX model?".to_owned()];
        } else if parsed {
            return Ok(network);
        }
        Err(Error::Parser(Refused { model: onnx.display().to_string(), faults, words }))
    }

    /// Builds an engine. Takes seconds to minutes.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; [`Error::Misuse`] for what the release or network cannot do; the
    /// builder's words.
    pub fn build(&self, network: Network, request: BuildRequest<'_>) -> Result<Built, Error> {
        let abi = self.library.abi();
        if !Rc::ptr_eq(&network.builder, &self.object) {
            return Err(Error::Misuse("the network was parsed by another builder".to_owned()));
        }
        check(&request, self.library.release(), abi, network.typing)?;
        let mark = journal::mark();
        // The configuration points to the monitor and the calibration, and is dropped before them.
        let (monitor, calibration);
        let config = Configuration::new(self, &request, mark)?;
        monitor = Monitor::new(request.progress);
        calibration = request.calibrator.map(|source| Calibration::new(abi, source));
        // SAFETY: all live; both callbacks outlive the configuration.
        let memory = unsafe {
            let (methods, handle) = (&self.classes().config, config.object.handle());
            let _ = methods.set_monitor(handle, monitor.pointer());
            if let Some(calibration) = &calibration {
                let _ = methods.set_calibrator(handle, calibration.pointer());
            }
            let network = network.object.handle().pointer();
            let made =
                self.classes().builder.build(self.object.handle(), network, handle.pointer());
            self.host_memory(made)
        };
        let error = calibration.as_ref().and_then(Calibration::error);
        match memory {
            _ if monitor.is_cancelled() => Err(Error::Cancelled),
            Some(engine) => Ok(Built { engine, timing_cache: config.timings() }),
            None => Err(error.unwrap_or_else(|| Error::said("the builder", mark))),
        }
    }

    /// A copy of memory that the library gives away, which is freed.
    ///
    /// # Safety
    /// Null, or an `IHostMemory` that belongs to the caller.
    unsafe fn host_memory(&self, pointer: Pointer) -> Option<Vec<u8>> {
        let methods = &self.classes().memory;
        // SAFETY: as the caller promises; the object tells how many bytes it has.
        unsafe {
            let memory = Owned::<classes::HostMemory>::new(pointer, DESTRUCTOR, Vec::new())?;
            let (start, size) = (methods.data(memory.handle()), methods.size(memory.handle()));
            let present = !start.is_null() && size > 0;
            present.then(|| std::slice::from_raw_parts(start, size).to_vec())
        }
    }
}

/// How an engine is to be built.
struct Configuration<'a> {
    builder: &'a Builder,
    object: Owned<classes::Config>,
    /// Timings; the configuration points to it.
    cache: Option<Owned<classes::TimingCache>>,
}

impl<'a> Configuration<'a> {
    fn new(builder: &'a Builder, request: &BuildRequest<'_>, mark: Mark) -> Result<Self, Error> {
        let methods = &builder.classes().config;
        // SAFETY: the builder lives, and the configuration belongs to the caller.
        let object = unsafe {
            let made = builder.classes().builder.create_config(builder.object.handle());
            Owned::new(made, DESTRUCTOR, vec![Rc::clone(&builder.object) as _])
        };
        let object = object.ok_or_else(|| Error::said("the builder", mark))?;
        let mut config = Self { builder, object, cache: None };
        let handle = config.object.handle();
        let abi = builder.library.abi();
        // SAFETY: the configuration lives; the methods take numbers alone.
        unsafe {
            let flags = Flags::of(abi).with(methods.flags(handle), request);
            methods.set_flags(handle, flags);
            methods.set_verbosity(handle, DETAILED);
            if let Some(bytes) = request.workspace {
                let bytes = usize::try_from(bytes.0).unwrap_or(usize::MAX);
                methods.set_pool_limit(handle, WORKSPACE, bytes);
            }
            if let Some(level) = request.optimization_level {
                let _ = methods.set_level(handle, level.into());
            }
            if abi == Abi::Eight && builder.library.release().minor >= 6 {
                methods.set_preview(handle, PROFILE_SHARING, true);
            }
        }
        config.set_profile(&request.profile, request.calibrator.is_some(), mark)?;
        config.set_timings(request.timing_cache);
        Ok(config)
    }

    /// Gives the dynamic inputs their ranges, as the one profile of the engine, and of its calibration.
    fn set_profile(
        &self,
        ranges: &[InputRange],
        calibrates: bool,
        mark: Mark,
    ) -> Result<(), Error> {
        if ranges.is_empty() {
            return Ok(());
        }
        let classes = self.builder.classes();
        // SAFETY: the builder lives, and the profile as long as it.
        let profile =
            unsafe { Handle::new(classes.builder.create_profile(self.builder.object.handle())) };
        let profile = profile.ok_or_else(|| Error::said("the builder", mark))?;
        for range in ranges {
            self.set_range(profile, range, mark)?;
        }
        // SAFETY: the configuration and the profile live.
        let (index, calibration) = unsafe {
            let (methods, handle) = (&classes.config, self.object.handle());
            let index = methods.add_profile(handle, profile.pointer());
            let set = || methods.set_calibration_profile(handle, profile.pointer());
            (index, if calibrates { set() } else { None })
        };
        if index < 0 || calibration == Some(false) {
            return Err(Error::said("the profile", mark));
        }
        Ok(())
    }

    fn set_range(
        &self,
        profile: Handle<classes::Profile>,
        range: &InputRange,
        mark: Mark,
    ) -> Result<(), Error> {
        let methods = &self.builder.classes().profile;
        let abi = self.builder.library.abi();
        let name = c_string(&range.name)?;
        for (which, lengths) in (0..).zip([&range.min, &range.opt, &range.max]) {
            let dims = Dims::new(abi, lengths)?;
            // SAFETY: the profile lives; the name is null-terminated, and the lengths are in the
            // release's own form.
            let set = unsafe {
                match abi {
                    Abi::Eight => {
                        methods.set_narrow_dimensions(profile, name.as_ptr(), which, dims.narrow())
                    }
                    Abi::Ten | Abi::Eleven => {
                        methods.set_dimensions(profile, name.as_ptr(), which, &raw const dims)
                    }
                }
            };
            if !set {
                return Err(Error::said("the profile", mark));
            }
        }
        Ok(())
    }

    /// Gives the builder timings to begin with. Those of another release or card it refuses; then it
    /// begins with none.
    fn set_timings(&mut self, timings: Option<&[u8]>) {
        for timings in timings.into_iter().chain([&[][..]]) {
            if self.try_timings(timings).is_some() {
                return;
            }
        }
    }

    fn try_timings(&mut self, timings: &[u8]) -> Option<()> {
        let methods = &self.builder.classes().config;
        let handle = self.object.handle();
        // SAFETY: the configuration lives, the timings are as long as is said; the cache belongs to
        // the caller, and lives as long as the configuration.
        unsafe {
            // An empty one is asked for by a null.
            let start = if timings.is_empty() { ptr::null() } else { timings.as_ptr() };
            let made = methods.create_cache(handle, start, timings.len());
            let cache = Owned::<classes::TimingCache>::new(made, DESTRUCTOR, Vec::new())?;
            if !methods.set_cache(handle, cache.handle().pointer(), false) {
                return None;
            }
            self.cache = Some(cache);
        }
        Some(())
    }

    /// The timings after a build; empty where there are none.
    fn timings(&self) -> Vec<u8> {
        let methods = &self.builder.classes().cache;
        // SAFETY: the cache lives, and what it gives belongs to the caller.
        let bytes = self.cache.as_ref().and_then(|cache| unsafe {
            self.builder.host_memory(methods.serialize(cache.handle()))
        });
        bytes.unwrap_or_default()
    }
}

impl Network {
    /// Inputs, in the order of the graph.
    pub fn inputs(&self) -> Vec<Described> {
        let methods = &self.library.classes().network;
        // SAFETY: the network lives, and there are as many inputs as it says.
        unsafe {
            let handle = self.object.handle();
            let inputs = 0..methods.inputs(handle);
            inputs.filter_map(|index| self.described(methods.input(handle, index))).collect()
        }
    }

    /// Outputs, in the order of the graph.
    pub fn outputs(&self) -> Vec<Described> {
        let methods = &self.library.classes().network;
        // SAFETY: the network lives, and there are as many outputs as it says.
        unsafe {
            let handle = self.object.handle();
            let outputs = 0..methods.outputs(handle);
            outputs.filter_map(|index| self.described(methods.output(handle, index))).collect()
        }
    }

    /// How many layers it has.
    pub fn layers(&self) -> usize {
        // SAFETY: the network lives.
        let count = unsafe { self.library.classes().network.layers(self.object.handle()) };
        usize::try_from(count).unwrap_or(0)
    }

    /// # Safety
    /// Null, or an `ITensor` of this network.
    unsafe fn described(&self, tensor: Pointer) -> Option<Described> {
        let methods = &self.library.classes().tensor;
        // SAFETY: as the caller promises; it lives as long as the network.
        unsafe {
            let tensor = Handle::new(tensor)?;
            Some(Described {
                name: text(methods.name(tensor)),
                element: Element::from_number(methods.element(tensor)),
                dims: methods.dimensions(tensor).lengths(self.library.abi()).unwrap_or_default(),
            })
        }
    }
}

/// What the parser found.
fn faults(parser: &Owned<classes::Parser>, methods: &ParserClasses) -> Vec<Fault> {
    // SAFETY: the parser lives, and there are as many errors as it says.
    unsafe {
        let count = methods.parser.errors(parser.handle());
        let found = (0..count).map(|index| methods.parser.error(parser.handle(), index));
        found.filter_map(|error| fault(Handle::new(error)?, &methods.error)).collect()
    }
}

/// # Safety
/// The error lives, as long as its parser.
unsafe fn fault(
    error: Handle<classes::ParserFault>,
    methods: &classes::ParserFault,
) -> Option<Fault> {
    // SAFETY: as the caller promises; the strings are the error's own.
    unsafe {
        let named = |string: Option<_>| string.map(|string| text(string)).unwrap_or_default();
        Some(Fault {
            code: methods.code(error),
            words: text(methods.words(error)).trim().to_owned(),
            node: u32::try_from(methods.node(error)).ok(),
            name: named(methods.name(error)),
            operator: named(methods.operator(error)),
        })
    }
}

/// A name for the library.
pub(in crate::tensorrt) fn c_string(name: &str) -> Result<CString, Error> {
    CString::new(name).map_err(|_| Error::Misuse(format!("the name {name:?} has a null in it")))
}
