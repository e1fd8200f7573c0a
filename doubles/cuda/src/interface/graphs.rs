//! Capturing streams, and launching what was captured.
#![allow(unsafe_code, reason = "C functions have fixed names")]

use super::put;
use crate::{
    capture::Mode,
    driver::Subject::{Current, Stream},
    table::Handle,
};
use std::ffi::{c_int, c_ulonglong};
use trtbench_double_script::{Out, calls};

calls! {
    by super::call;

    fn cuStreamBeginCapture_v2(stream: Handle, mode: c_int) on Stream(stream) => |driver| {
        driver.begin_capture(driver.stream(stream)?, Mode::try_from(mode)?)
    };
    fn cuStreamEndCapture(stream: Handle, graph: Out<'_, Handle>) on Stream(stream) => |driver| {
        put(graph, || driver.end_capture(driver.stream(stream)?))
    };
    // The flags say where memory nodes and launches from the card are; neither is there.
    fn cuGraphInstantiateWithFlags(
        exec: Out<'_, Handle>,
        graph: Handle,
        _flags: c_ulonglong,
    ) on Current => |driver| {
        put(exec, || driver.instantiate(graph))
    };
    fn cuGraphLaunch(exec: Handle, stream: Handle) on Stream(stream) => |driver| {
        driver.launch_graph(exec, driver.stream(stream)?)
    };
    fn cuGraphDestroy(graph: Handle) on Current => |driver| driver.destroy_graph(graph);
    fn cuGraphExecDestroy(exec: Handle) on Current => |driver| driver.destroy_exec(exec);
}
