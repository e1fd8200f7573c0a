//! Modules and kernels.
#![allow(unsafe_code, reason = "C functions have fixed names, and C callers hand over texts")]

use super::put;
use crate::{
    code::{Answer, Code},
    driver::Subject::{Current, Stream},
    kernels::Arguments,
    module::{Grid, Image},
    table::Handle,
};
use std::ffi::{c_char, c_uint, c_void};
use trtbench_double_script::{Out, Text, calls};

calls! {
    by super::call;

    fn cuModuleLoadData(module: Out<'_, Handle>, image: *const c_char) on Current => |driver| {
        put(module, || driver.load_module(read_image(image)?))
    };
    fn cuModuleUnload(module: Handle) on Current => |driver| driver.unload_module(module);
    fn cuModuleGetFunction(
        function: Out<'_, Handle>,
        module: Handle,
        name: Text,
    ) on Current => |driver| {
        // SAFETY: a C caller vouches for the text.
        let name = unsafe { name.read() }.ok_or(Code::ERROR_INVALID_VALUE)?;
        put(function, || driver.function(module, name))
    };
    fn cuLaunchKernel(
        function: Handle,
        blocks_x: c_uint,
        blocks_y: c_uint,
        blocks_z: c_uint,
        threads_x: c_uint,
        threads_y: c_uint,
        threads_z: c_uint,
        _shared_bytes: c_uint,
        stream: Handle,
        parameters: *mut *mut c_void,
        _extra: *mut *mut c_void,
    ) on Stream(stream) => |driver| {
        let blocks = [blocks_x, blocks_y, blocks_z];
        let threads = [threads_x, threads_y, threads_z];
        let arguments = Arguments(parameters.cast());
        driver.launch(function, Grid { blocks, threads }, arguments, driver.stream(stream)?)
    };
}

/// First bytes of cubins (ELF) and of the two kinds of fat binaries.
const BINARIES: [u8; 3] = [0x7f, 0x50, 0xb1];

/// Looks at an image: at one byte, and at the whole only where that is a text, which has an end.
fn read_image(image: *const c_char) -> Answer<Image> {
    if image.is_null() {
        return Err(Code::ERROR_INVALID_VALUE);
    }
    // SAFETY: a C caller vouches for an image, which has at least one byte.
    let first = unsafe { image.cast::<u8>().read() };
    if BINARIES.contains(&first) {
        return Ok(Image::Binary);
    }
    // SAFETY: an image that is no binary is a text that ends with a zero; the caller vouches for
    // it.
    let text = unsafe { std::ffi::CStr::from_ptr(image) };
    let text = text.to_str().ok().filter(|text| text.contains(".version"));
    Ok(Image::Ptx(text.ok_or(Code::ERROR_INVALID_IMAGE)?.to_owned()))
}
