//! Primary contexts and the threads that they are current in.
#![allow(unsafe_code, reason = "C functions have fixed names")]

use super::put;
use crate::{
    code::Code,
    driver::Subject::{Context, Current, Device, System},
    table::Handle,
};
use std::ffi::{c_int, c_uint};
use trtbench_double_script::{Out, calls};

calls! {
    by super::call;

    fn cuDevicePrimaryCtxRetain(
        context: Out<'_, Handle>,
        device: c_int,
    ) on Device(device) => |driver| {
        put(context, || Ok(driver.retain(driver.device(device)?)))
    };
    fn cuDevicePrimaryCtxRelease_v2(device: c_int) on Device(device) => |driver| {
        driver.release(driver.device(device)?)
    };
    fn cuDevicePrimaryCtxSetFlags_v2(device: c_int, flags: c_uint) on Device(device) => |driver| {
        driver.set_flags(driver.device(device)?, flags);
        Ok(())
    };
    fn cuDevicePrimaryCtxGetState(
        device: c_int,
        flags: Out<'_, c_uint>,
        active: Out<'_, c_int>,
    ) on Device(device) => |driver| {
        let state = driver.context_state(driver.device(device)?);
        let written = [flags.set(state.0), active.set(state.1.into())];
        if written.contains(&false) { Err(Code::ERROR_INVALID_VALUE) } else { Ok(()) }
    };
    fn cuCtxSetCurrent(context: Handle) on Context(context) => |driver| driver.set_current(context);
    fn cuCtxGetCurrent(context: Out<'_, Handle>) on System => |driver| {
        put(context, || Ok(driver.current()))
    };
    fn cuCtxGetDevice(device: Out<'_, c_int>) on Current => |driver| {
        put(device, || driver.current_device())
    };
    fn cuCtxSynchronize() on Current => |driver| driver.synchronise_context();
}
