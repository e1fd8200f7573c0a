//! Streams.
#![allow(unsafe_code, reason = "C functions have fixed names")]

use super::put;
use crate::{
    code::Code,
    driver::Subject::{Current, Stream},
    table::Handle,
};
use std::ffi::c_uint;
use trtbench_double_script::{Out, calls};

calls! {
    by super::call;

    fn cuStreamCreate(stream: Out<'_, Handle>, flags: c_uint) on Current => |driver| {
        put(stream, || driver.create_stream(flags))
    };
    fn cuStreamDestroy_v2(
        stream: Handle,
    ) on Stream(stream) => |driver| driver.destroy_stream(stream);
    fn cuStreamSynchronize(stream: Handle) on Stream(stream) => |driver| {
        driver.synchronise_stream(driver.stream(stream)?)
    };
    fn cuStreamQuery(stream: Handle) on Stream(stream) => |driver| {
        driver.query_stream(driver.stream(stream)?)
    };
    fn cuStreamWaitEvent(
        stream: Handle,
        event: Handle,
        flags: c_uint,
    ) on Stream(stream) => |driver| {
        if flags != 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        driver.wait_event(driver.stream(stream)?, event)
    };
}
