//! The C functions by which clients begin, under the names of all of TensorRT's libraries. What
//! they make is in the files above.
#![allow(unsafe_code, reason = "C functions have fixed names")]
#![allow(non_snake_case, reason = "TensorRT's interface")]

use crate::{
    builder::Builder,
    class,
    client::{Callback, Logger},
    driver,
    network::Network,
    object::{Class, Owned, Ref},
    parser::Parser,
    player,
    release::Release,
    runtime::Runtime,
};
use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::OnceLock,
};
use trtbench_double_script::Text;

#[unsafe(no_mangle)]
extern "C" fn getInferLibVersion() -> c_int {
    player::release().number()
}

#[unsafe(no_mangle)]
extern "C" fn getInferLibMajorVersion() -> c_int {
    part(|release| release.major)
}

#[unsafe(no_mangle)]
extern "C" fn getInferLibMinorVersion() -> c_int {
    part(|release| release.minor)
}

#[unsafe(no_mangle)]
extern "C" fn getInferLibPatchVersion() -> c_int {
    part(|release| release.patch)
}

#[unsafe(no_mangle)]
extern "C" fn getInferLibBuildVersion() -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn getNvOnnxParserVersion() -> c_int {
    // The parser counts for itself: 0.1.0, and 0.2.0 for what NVIDIA's clients of 11.4 ask for.
    let release = player::release();
    if (release.major, release.minor) < (11, 4) { 100 } else { 200 }
}

fn part(number: impl Fn(Release) -> u32) -> c_int {
    c_int::try_from(number(player::release())).unwrap_or(c_int::MAX)
}

/// Makes the first object of a client, who then needs a card.
fn begin<T: Class>(function: &str, logger: Callback, version: c_int, value: T) -> Ref<T> {
    player::called(function, vec![version.to_string()]);
    let logger = Logger(logger);
    if let Err(code) = driver::ready() {
        logger.error(&format!(
            "Error Code 6: API Usage Error (CUDA initialization failure with error: {}. Please \
             check your CUDA installation: http://docs.nvidia.com/cuda/cuda-installation-guide-linux)",
            code.0
        ));
        return Ref::null();
    }
    if player::script().is_none() {
        return Ref::null();
    }
    logger.verbose(&format!("TensorRT {} begins.", player::release()));
    Owned::new(logger, value).hand_over()
}

#[unsafe(no_mangle)]
extern "C" fn createInferBuilder_INTERNAL(logger: Callback, version: c_int) -> Ref<Builder> {
    begin("createInferBuilder_INTERNAL", logger, version, Builder::default())
}

#[unsafe(no_mangle)]
extern "C" fn createInferRuntime_INTERNAL(logger: Callback, version: c_int) -> Ref<Runtime> {
    begin("createInferRuntime_INTERNAL", logger, version, Runtime::default())
}

#[unsafe(no_mangle)]
extern "C" fn createNvOnnxParser_INTERNAL(
    network: Ref<Network>,
    logger: Callback,
    version: c_int,
) -> Ref<Parser> {
    player::called("createNvOnnxParser_INTERNAL", vec![version.to_string()]);
    if network.object().is_none() {
        return Ref::null();
    }
    Owned::new(Logger(logger), Parser::new(network)).hand_over()
}

/// Weights are not played.
#[unsafe(no_mangle)]
extern "C" fn createInferRefitter_INTERNAL(
    _engine: *mut c_void,
    _logger: Callback,
    _version: c_int,
) -> *mut c_void {
    nothing("createInferRefitter_INTERNAL")
}

/// Weights are not played.
#[unsafe(no_mangle)]
extern "C" fn createNvOnnxParserRefitter_INTERNAL(
    _refitter: *mut c_void,
    _logger: Callback,
    _version: c_int,
) -> *mut c_void {
    nothing("createNvOnnxParserRefitter_INTERNAL")
}

/// There are no plugins.
#[unsafe(no_mangle)]
extern "C" fn initLibNvInferPlugins(_logger: Callback, _namespace: Text) -> bool {
    true
}

/// A registry in which nothing is played.
#[derive(Debug)]
struct Registry;

class! {
    Registry as "IPluginRegistry" { PLAIN = true; OWNED_BY_CLIENT = false; };
}

#[unsafe(no_mangle)]
extern "C" fn getPluginRegistry() -> *mut c_void {
    static REGISTRY: OnceLock<usize> = OnceLock::new();
    let make = || {
        let registry = Owned::new(Logger(Callback::null()), Registry);
        registry.hand_over().address()
    };
    ptr::with_exposed_provenance_mut(*REGISTRY.get_or_init(make))
}

#[unsafe(no_mangle)]
extern "C" fn getBuilderPluginRegistry(_capability: c_int) -> *mut c_void {
    getPluginRegistry()
}

// What the bindings of 8 link beside: parsers of formats that are not played.

#[unsafe(no_mangle)]
extern "C" fn _ZN11nvuffparser15createUffParserEv() -> *mut c_void {
    nothing("createUffParser")
}

#[unsafe(no_mangle)]
extern "C" fn _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi() {
    nothing("FieldMap");
}

#[unsafe(no_mangle)]
extern "C" fn _ZN14nvcaffeparser117createCaffeParserEv() -> *mut c_void {
    nothing("createCaffeParser")
}

#[unsafe(no_mangle)]
extern "C" fn _ZN14nvcaffeparser123shutdownProtobufLibraryEv() {
    nothing("shutdownProtobufLibrary");
}

/// A function that does nothing but tell.
fn nothing(function: &str) -> *mut c_void {
    player::unexpected(function);
    ptr::null_mut()
}
