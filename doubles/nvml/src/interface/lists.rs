//! What comes in lists: clocks that can be locked, processes.
#![allow(unsafe_code, reason = "C functions have fixed names, and C callers hand over buffers")]

use super::sensors::sensor;
use crate::{
    code::{Answer, Code},
    state::{Handle, Subject::Device},
};
use std::ffi::{c_uint, c_ulonglong};
use trtbench_double_script::{Buffer, calls};

/// `nvmlProcessInfo_t` of the second and third version.
#[repr(C)]
#[derive(Clone, Copy)]
struct ProcessInfo {
    pid: c_uint,
    used_bytes: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// What instances are where MIG is off.
const NO_INSTANCE: c_uint = c_uint::MAX;

type Count<'a> = Option<&'a mut c_uint>;

calls! {
    by super::call;

    fn nvmlDeviceGetSupportedMemoryClocks(
        device: Handle,
        count: Count<'_>,
        mhz: Buffer<c_uint>,
    ) on Device(device) => |nvml| {
        fill(count, mhz, &nvml.peek(device, sensor!(supported_memory_clocks_mhz))?)
    };
    fn nvmlDeviceGetSupportedGraphicsClocks(
        device: Handle,
        memory_mhz: c_uint,
        count: Count<'_>,
        mhz: Buffer<c_uint>,
    ) on Device(device) => |nvml| {
        let memory = nvml.peek(device, sensor!(supported_memory_clocks_mhz))?;
        if !memory.contains(&memory_mhz) {
            return Err(Code::ERROR_NOT_FOUND);
        }
        fill(count, mhz, &nvml.peek(device, sensor!(supported_graphics_clocks_mhz))?)
    };
    fn nvmlDeviceGetComputeRunningProcesses_v2(
        device: Handle,
        count: Count<'_>,
        infos: Buffer<ProcessInfo>,
    ) on Device(device) => |nvml| processes(nvml, device, count, infos);
    fn nvmlDeviceGetComputeRunningProcesses_v3(
        device: Handle,
        count: Count<'_>,
        infos: Buffer<ProcessInfo>,
    ) on Device(device) => |nvml| processes(nvml, device, count, infos);
}

/// The processes on a card. Asking only how many there are is no reading.
fn processes(
    nvml: &mut crate::state::Nvml,
    device: Handle,
    count: Count<'_>,
    infos: Buffer<ProcessInfo>,
) -> Answer<()> {
    let on_card = nvml.peek(device, sensor!(processes))?;
    let all = on_card.iter().map(|process| ProcessInfo {
        pid: process.pid,
        used_bytes: process.used_bytes,
        gpu_instance: NO_INSTANCE,
        compute_instance: NO_INSTANCE,
    });
    fill(count, infos, &all.collect::<Vec<_>>())?;
    nvml.read(device, sensor!(processes)).map(drop)
}

/// Writes a list where there is room for `count`, and how long it is.
fn fill<T: Copy>(count: Count<'_>, buffer: Buffer<T>, values: &[T]) -> Answer<()> {
    let count = count.ok_or(Code::ERROR_INVALID_ARGUMENT)?;
    let room = *count as usize;
    *count = c_uint::try_from(values.len()).map_err(|_| Code::ERROR_UNKNOWN)?;
    if values.is_empty() {
        return Ok(());
    }
    if values.len() > room {
        return Err(Code::ERROR_INSUFFICIENT_SIZE);
    }
    // SAFETY: a C caller vouches for the room.
    let filled = unsafe { buffer.fill(room, values) };
    if filled { Ok(()) } else { Err(Code::ERROR_INVALID_ARGUMENT) }
}
