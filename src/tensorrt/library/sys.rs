//! Loads the libraries and calls their few plain functions.
#![allow(unsafe_code)]

use super::{file, identify, known, parser_file, plugin_file};
use crate::{
    cuda,
    tensorrt::{
        Abi, Builder, Error, Product, Release, Runtime,
        callbacks::logger,
        classes::{self, Classes, ParserClasses},
        journal,
        object::{Keeps, Owned, Pointer},
        slots::Table,
    },
};
use std::{
    cell::OnceCell,
    ffi::c_char,
    path::{Path, PathBuf},
    rc::Rc,
};

/// TensorRT, loaded, with all slots of its release looked up. Clones are the same library. It stays
/// loaded until the process ends: its threads and its exit handlers do not stand being unloaded.
#[derive(Clone, Debug)]
pub struct Library(Rc<Loaded>);

#[derive(Debug)]
struct Loaded {
    path: PathBuf,
    release: Release,
    abi: Abi,
    classes: Classes,
    functions: &'static libloading::Library,
    parser: OnceCell<Parsing>,
    plugins: OnceCell<()>,
}

/// The ONNX parser, loaded.
#[derive(Clone, Copy, Debug)]
struct Parsing {
    classes: ParserClasses,
    number: i32,
    create: CreateParser,
}

type Number = unsafe extern "C" fn() -> i32;
/// `createInferBuilder_INTERNAL` and `createInferRuntime_INTERNAL`.
type Create = unsafe extern "C" fn(Pointer, i32) -> Pointer;
/// `initLibNvInferPlugins`.
type AddPlugins = unsafe extern "C" fn(Pointer, *const c_char) -> bool;
/// `createNvOnnxParser_INTERNAL`.
type CreateParser = unsafe extern "C" fn(Pointer, Pointer, i32) -> Pointer;

/// Slot of the destructor that frees an object of libnvinfer, in its own table.
pub const DESTRUCTOR: usize = 1;

impl Library {
    /// Loads a library by its path, or by a bare name such as `libnvinfer.so.10` from where the loader
    /// looks. What it is is told from the file first; what is not known is not loaded.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what was found and what helps.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !cfg!(target_os = "linux") {
            return Err(Error::Unavailable(
                "TensorRT is driven on Linux alone: the virtual tables of other systems' compilers \
                 are laid out differently"
                    .to_owned(),
            ));
        }
        let path = file(path)?;
        let (product, major) = identify(&path)?;
        let functions = load(&path)?;
        // SAFETY: the function's type by NvInferRuntime.h.
        let number = unsafe { symbol::<Number>(functions, &path, "getInferLibVersion")?() };
        let (release, abi) = known(&path, product, major, number)?;
        let table = Table::infer(release).map_err(Error::Unavailable)?;
        let classes = Classes::find(&table).map_err(Error::Unavailable)?;
        let (parser, plugins) = (OnceCell::new(), OnceCell::new());
        Ok(Self(Rc::new(Loaded { path, release, abi, classes, functions, parser, plugins })))
    }

    /// Which release it is.
    pub fn release(&self) -> Release {
        self.0.release
    }

    /// Which binary interface it has.
    pub fn abi(&self) -> Abi {
        self.0.abi
    }

    /// The file that was loaded.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Something that parses and builds. TensorRT builds on a card, whose context is the present one;
    /// TensorRT for RTX needs none.
    ///
    /// # Errors
    /// [`Error::Misuse`] where a card is needed and not given; the library's words.
    pub fn builder(&self, card: Option<&cuda::Context>) -> Result<Builder, Error> {
        // Without a driver the library is not called: some releases crash then.
        if card.is_none() && self.0.release.product == Product::TensorRt {
            return Err(Error::Misuse(format!(
                "TensorRT {} builds on a card, and there is none: only TensorRT for RTX builds without",
                self.0.release
            )));
        }
        self.add_plugins();
        let object = self.create("createInferBuilder_INTERNAL", "the builder", card)?;
        Ok(Builder::new(self.clone(), object))
    }

    /// Something that loads engines for a card, whose context is the present one.
    ///
    /// # Errors
    /// The library's words.
    pub fn runtime(&self, card: &cuda::Context) -> Result<Runtime, Error> {
        self.add_plugins();
        let object = self.create("createInferRuntime_INTERNAL", "the runtime", Some(card))?;
        Ok(Runtime::new(self.clone(), object, card.clone()))
    }

    fn create<C>(
        &self,
        function: &str,
        step: &'static str,
        card: Option<&cuda::Context>,
    ) -> Result<Owned<C>, Error> {
        let mark = journal::mark();
        let create = symbol::<Create>(self.0.functions, &self.0.path, function)?;
        let keeps: Keeps = card.map(|card| Rc::new(card.clone()) as _).into_iter().collect();
        // SAFETY: the function's type by NvInfer.h and NvInferRuntime.h. The logger lives for ever, and
        // the object belongs to the caller.
        let object = unsafe {
            let version = symbol::<Number>(self.0.functions, &self.0.path, "getInferLibVersion")?();
            Owned::new(create(logger(self.0.abi), version), DESTRUCTOR, keeps)
        };
        object.ok_or_else(|| Error::said(step, mark))
    }

    /// Makes TensorRT's own plugins known, once: some models, and engines of them, need one. Where the
    /// library with them does not load, nothing is said: a model that needs one says so itself, and the
    /// parser's loading tells what is missing.
    fn add_plugins(&self) {
        self.0.plugins.get_or_init(|| {
            let Some(file) = plugin_file(&self.0.path, self.0.release) else { return };
            let Ok(functions) = load(&file) else { return };
            let Ok(add) = symbol::<AddPlugins>(functions, &file, "initLibNvInferPlugins") else {
                return;
            };
            // SAFETY: the function's type by NvInferPlugin.h; the logger lives for ever, and the empty
            // name is that of the plugins' own namespace.
            let _ = unsafe { add(logger(self.0.abi), c"".as_ptr()) };
        });
    }

    /// The methods of its classes.
    pub(in crate::tensorrt) fn classes(&self) -> &Classes {
        &self.0.classes
    }

    /// A parser that fills a network, and its methods.
    ///
    /// # Errors
    /// [`Error::Unavailable`] without the parser's library; the parser's words.
    ///
    /// # Safety
    /// The network lives for as long as the parser does.
    pub(in crate::tensorrt) unsafe fn parser(
        &self,
        network: Pointer,
        keeps: Keeps,
    ) -> Result<(Owned<classes::Parser>, ParserClasses), Error> {
        let parsing = self.parsing()?;
        let mark = journal::mark();
        // SAFETY: the function's type by NvOnnxParser.h; the network lives, as the caller promises.
        let object = unsafe {
            let made = (parsing.create)(network, logger(self.0.abi), parsing.number);
            Owned::new(made, parsing.classes.destructor, keeps)
        };
        Ok((object.ok_or_else(|| Error::said("the parser", mark))?, parsing.classes))
    }

    /// The parser's library, loaded when it is first asked for.
    fn parsing(&self) -> Result<Parsing, Error> {
        if let Some(parsing) = self.0.parser.get() {
            return Ok(*parsing);
        }
        let release = self.0.release;
        let path = parser_file(&self.0.path, release)?;
        let functions = load(&path)?;
        // SAFETY: the function's type by NvOnnxParser.h.
        let number = unsafe { symbol::<Number>(functions, &path, "getNvOnnxParserVersion")?() };
        let table = Table::parser(release).map_err(Error::Unavailable)?;
        let parsing = Parsing {
            classes: ParserClasses::find(&table).map_err(Error::Unavailable)?,
            number,
            create: *symbol::<CreateParser>(functions, &path, "createNvOnnxParser_INTERNAL")?,
        };
        Ok(*self.0.parser.get_or_init(|| parsing))
    }
}

/// Loads a library for good.
fn load(path: &Path) -> Result<&'static libloading::Library, Error> {
    // SAFETY: runs the library's initialisers; it is the one that the user has named.
    let loaded = unsafe { open(path) };
    let loaded = loaded.map_err(|error| {
        Error::Unavailable(format!(
            "{} cannot be loaded: {error}; the libraries that it needs must lie where the loader looks \
             (LD_LIBRARY_PATH)",
            path.display()
        ))
    })?;
    Ok(Box::leak(Box::new(loaded)))
}

/// Opens it with all of its symbols bound, so that one that is missing shows now and not in a call.
///
/// # Safety
/// As of [`libloading::Library::new`].
#[cfg(unix)]
unsafe fn open(path: &Path) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::unix;
    // SAFETY: as the caller promises.
    unsafe { unix::Library::open(Some(path), unix::RTLD_NOW | unix::RTLD_LOCAL) }.map(Into::into)
}

/// Never called: other systems are refused before.
///
/// # Safety
/// As of [`libloading::Library::new`].
#[cfg(not(unix))]
unsafe fn open(path: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: as the caller promises.
    unsafe { libloading::Library::new(path) }
}

fn symbol<F>(
    library: &'static libloading::Library,
    path: &Path,
    name: &str,
) -> Result<libloading::Symbol<'static, F>, Error> {
    // SAFETY: only looked up; whoever calls it states its type.
    unsafe { library.get::<F>(name.as_bytes()) }.map_err(|_| {
        Error::Unavailable(format!(
            "{} is no TensorRT that can be used: it lacks the function {name}",
            path.display()
        ))
    })
}
