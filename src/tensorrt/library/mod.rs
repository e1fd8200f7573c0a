//! Which file is to be loaded, and whether it is a library that is known here. Loading is in `sys.rs`.

mod sys;

pub(super) use sys::DESTRUCTOR;
pub use sys::Library;

use super::{Abi, Error, Product, Release, release::KNOWN};
use crate::os::{Found, SearchPath, elf};
use std::{
    env,
    path::{Path, PathBuf},
};

/// What a library's name says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// The full library, of a product and major.
    Full(Product, u32),
    /// A runtime that can do less; its name.
    Lesser(&'static str),
}

/// Names of the full libraries.
const FULL: [(&str, Product); 2] =
    [("libnvinfer.so.", Product::TensorRt), ("libtensorrt_rtx.so.", Product::Rtx)];
const LESSER: [(&str, &str); 2] =
    [("libnvinfer_lean.so", "lean"), ("libnvinfer_dispatch.so", "dispatch")];

/// The file that a path or a bare name stands for.
fn file(path: &Path) -> Result<PathBuf, Error> {
    let name = path.to_string_lossy();
    if name.contains('/') {
        if path.is_dir() {
            return Err(Error::Unavailable(format!(
                "{name} is a folder: name the file in it, libnvinfer.so.…"
            )));
        }
        let found = path.is_file().then(|| path.to_path_buf());
        return found.ok_or_else(|| Error::Unavailable(format!("{name}: there is no such file")));
    }
    let search = SearchPath::system();
    search.resolve(&name, &[]).ok_or_else(|| {
        let about = search.lying_about(&name);
        Error::Unavailable(format!(
            "{name} is not where the system's loader looks{about}; install TensorRT, or name the file \
             (tensorrt_library = \"/…/libnvinfer.so.10\")"
        ))
    })
}

/// Which library a file is, by the name that it gives itself, else by that of the file. Nothing of it is
/// run.
fn identify(path: &Path) -> Result<(Product, u32), Error> {
    let shown = path.display();
    elf::check_file(path, env::consts::ARCH)
        .map_err(|problem| Error::Unavailable(format!("{shown}: {problem}")))?;
    let found = Found::at(path.to_path_buf(), false);
    let files = [&found.path, &found.real_path].map(|path| {
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    });
    let names = found.soname.into_iter().chain(files);
    match names.filter_map(|name| named(&name)).next() {
        Some(Named::Full(product, major)) => Ok((product, major)),
        Some(Named::Lesser(kind)) => Err(Error::Unavailable(format!(
            "{shown} is TensorRT's {kind} runtime, which cannot build engines and loads only those \
             that were built for it; give the full libnvinfer of the same release"
        ))),
        None => Err(Error::Unavailable(format!(
            "{shown} is no TensorRT: its name is neither libnvinfer.so.8, .10, .11 nor \
             libtensorrt_rtx.so.1"
        ))),
    }
}

fn named(name: &str) -> Option<Named> {
    if let Some((_, kind)) = LESSER.iter().find(|(known, _)| name.starts_with(known)) {
        return Some(Named::Lesser(kind));
    }
    let (start, product) = FULL.iter().find(|(start, _)| name.starts_with(start))?;
    let major = name[start.len()..].split('.').next()?.parse().ok()?;
    Some(Named::Full(*product, major))
}

/// The release that a library's number stands for, if it is known and fits its name.
fn known(path: &Path, product: Product, major: u32, number: i32) -> Result<(Release, Abi), Error> {
    let release = Release::from_number(product, number);
    let shown = path.display();
    if release.major != major {
        return Err(Error::Unavailable(format!(
            "{shown} calls itself {release} (number {number}), which does not fit its name; install \
             TensorRT anew"
        )));
    }
    let abi = release.abi().ok_or_else(|| {
        Error::Unavailable(format!(
            "{shown} is TensorRT {release}, whose binary interface is not known here; known are {KNOWN}: \
             install one of those, or a newer trtbench"
        ))
    })?;
    Ok((release, abi))
}

/// The ONNX parser of a release: beside the library, where links lead, or where the loader looks.
fn parser_file(library: &Path, release: Release) -> Result<PathBuf, Error> {
    let start = match release.product {
        Product::TensorRt => "libnvonnxparser.so.",
        Product::Rtx => "libtensorrt_onnxparser_rtx.so.",
    };
    let name = format!("{start}{}", release.major);
    let found = SearchPath::system().resolve(&name, &folders(library)).ok_or_else(|| {
        Error::Unavailable(format!(
            "the ONNX parser of TensorRT {release} is missing: {name} lies neither beside {} nor where the \
             loader looks; install it from the same package, or give a built engine",
            library.display()
        ))
    })?;
    // Its own number does not tell: it counts the parser's interface (0.1, 0.2), not TensorRT.
    let soname = Found::at(found.clone(), true).soname.unwrap_or_default();
    if soname.starts_with(start) && soname != name {
        return Err(Error::Unavailable(format!(
            "{} is {soname}, a parser of another TensorRT than {release}: both must come from the same \
             package",
            found.display()
        )));
    }
    Ok(found)
}

/// The library with TensorRT's own plugins: beside the library, or where the loader looks. The parser of 8
/// needs it too, and does not look beside itself.
fn plugin_file(library: &Path, release: Release) -> Option<PathBuf> {
    let name = format!("libnvinfer_plugin.so.{}", release.major);
    let wanted = release.product == Product::TensorRt;
    wanted.then(|| SearchPath::system().resolve(&name, &folders(library))).flatten()
}

/// Folders of a library, that of the file behind its links included.
fn folders(library: &Path) -> Vec<PathBuf> {
    let real = library.canonicalize().unwrap_or_default();
    [library, &real].iter().filter_map(|path| path.parent()).map(Path::to_path_buf).collect()
}
