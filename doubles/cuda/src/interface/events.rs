//! Events.
#![allow(unsafe_code, reason = "C functions have fixed names")]

use super::put;
use crate::{
    driver::Subject::{Current, Event, Stream},
    table::Handle,
};
use std::ffi::c_uint;
use trtbench_double_script::{Out, calls};

calls! {
    by super::call;

    fn cuEventCreate(event: Out<'_, Handle>, flags: c_uint) on Current => |driver| {
        put(event, || driver.create_event(flags))
    };
    fn cuEventDestroy_v2(event: Handle) on Event(event) => |driver| driver.destroy_event(event);
    fn cuEventRecord(event: Handle, stream: Handle) on Stream(stream) => |driver| {
        driver.record_event(event, driver.stream(stream)?)
    };
    fn cuEventQuery(event: Handle) on Event(event) => |driver| driver.query_event(event);
    fn cuEventSynchronize(
        event: Handle,
    ) on Event(event) => |driver| driver.synchronise_event(event);
    fn cuEventElapsedTime(
        milliseconds: Out<'_, f32>,
        start: Handle,
        end: Handle,
    ) on Event(end) => |driver| {
        put(milliseconds, || driver.elapsed_ms(start, end))
    };
}
