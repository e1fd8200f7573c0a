//! What can be set on a card: locked clocks. That it takes rights is for a fault of the script to
//! say.
#![allow(unsafe_code, reason = "C functions have fixed names")]

use crate::{
    locks::Domain,
    state::{Handle, Subject::Device},
};
use std::ffi::c_uint;
use trtbench_double_script::calls;

calls! {
    by super::call;

    fn nvmlDeviceSetGpuLockedClocks(
        device: Handle,
        low: c_uint,
        high: c_uint,
    ) on Device(device) => |nvml| nvml.lock_clock(device, Domain::Graphics, Some((low, high)));
    fn nvmlDeviceResetGpuLockedClocks(device: Handle) on Device(device) => |nvml| {
        nvml.lock_clock(device, Domain::Graphics, None)
    };
    fn nvmlDeviceSetMemoryLockedClocks(
        device: Handle,
        low: c_uint,
        high: c_uint,
    ) on Device(device) => |nvml| nvml.lock_clock(device, Domain::Memory, Some((low, high)));
    fn nvmlDeviceResetMemoryLockedClocks(device: Handle) on Device(device) => |nvml| {
        nvml.lock_clock(device, Domain::Memory, None)
    };
}
