//! The library and its devices.
#![allow(unsafe_code, reason = "C functions have fixed names, and C callers hand over buffers")]

use super::put;
use crate::{
    code::{Answer, Code},
    driver::Subject::{Device, Library, System},
    module::MAX_THREADS,
};
use std::{
    env,
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    ptr,
};
use trtbench_double_script::{Buffer, Card, Out, PciAddress, calls};

calls! {
    by super::call;

    fn cuInit(flags: c_uint) on Library => |driver| {
        if flags != 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        let order = env::var("CUDA_DEVICE_ORDER").ok();
        let list = env::var("CUDA_VISIBLE_DEVICES").ok();
        driver.initialise(order.as_deref(), list.as_deref())
    };
    fn cuDriverGetVersion(version: Out<'_, c_int>) on Library => |driver| {
        put(version, || Ok(driver.script.cuda_version))
    };
    // Tables of functions that NVIDIA does not document; NVRTC asks for one and does without.
    fn cuGetExportTable(
        _table: *mut *const c_void,
        _id: *const [u8; 16],
    ) on Library => |_| Err(Code::ERROR_NOT_FOUND);
    fn cuDeviceGetCount(
        count: Out<'_, c_int>,
    ) on System => |driver| put(count, || Ok(driver.count()));
    fn cuDeviceGet(device: Out<'_, c_int>, ordinal: c_int) on Device(ordinal) => |_| {
        put(device, || Ok(ordinal))
    };
    fn cuDeviceGetName(
        name: Buffer<c_char>,
        length: c_int,
        device: c_int,
    ) on Device(device) => |driver| {
        write_text(name, length, &driver.card(driver.device(device)?).name)
    };
    fn cuDeviceGetUuid(uuid: Out<'_, [u8; 16]>, device: c_int) on Device(device) => |driver| {
        put(uuid, || Ok(driver.card(driver.device(device)?).uuid_bytes()))
    };
    fn cuDeviceGetUuid_v2(uuid: Out<'_, [u8; 16]>, device: c_int) on Device(device) => |driver| {
        put(uuid, || Ok(driver.card(driver.device(device)?).uuid_bytes()))
    };
    fn cuDeviceTotalMem_v2(bytes: Out<'_, usize>, device: c_int) on Device(device) => |driver| {
        let total = driver.card(driver.device(device)?).memory_bytes;
        put(bytes, || Ok(usize::try_from(total).unwrap_or(usize::MAX)))
    };
    fn cuDeviceGetPCIBusId(
        id: Buffer<c_char>,
        length: c_int,
        device: c_int,
    ) on Device(device) => |driver| {
        write_text(id, length, &bus_id(driver.card(driver.device(device)?).pci))
    };
    fn cuDeviceGetAttribute(
        value: Out<'_, c_int>,
        attribute: c_int,
        device: c_int,
    ) on Device(device) => |driver| {
        put(value, || Ok(attribute_of(driver.card(driver.device(device)?), attribute)))
    };
}

/// The name of a result.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the driver's interface")]
extern "C" fn cuGetErrorName(error: c_int, name: Out<'_, *const c_char>) -> c_int {
    write_static(Code(error).name(), name)
}

/// What a result means.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the driver's interface")]
extern "C" fn cuGetErrorString(error: c_int, text: Out<'_, *const c_char>) -> c_int {
    write_static(Code(error).text(), text)
}

fn write_static(text: Option<&'static CStr>, out: Out<'_, *const c_char>) -> c_int {
    let written = out.set(text.map_or(ptr::null(), CStr::as_ptr));
    if written && text.is_some() { Code::SUCCESS.0 } else { Code::ERROR_INVALID_VALUE.0 }
}

fn write_text(buffer: Buffer<c_char>, length: c_int, text: &str) -> Answer<()> {
    let length = c_uint::try_from(length).map_err(|_| Code::ERROR_INVALID_VALUE)?;
    // SAFETY: a C caller vouches for the buffer's length.
    let written = unsafe { buffer.write(length, text) };
    if written { Ok(()) } else { Err(Code::ERROR_INVALID_VALUE) }
}

/// As the driver writes it: with four digits of domain where they are enough.
fn bus_id(pci: PciAddress) -> String {
    let PciAddress { domain, bus, device, function } = pci;
    format!("{domain:04X}:{bus:02X}:{device:02X}.{function:X}")
}

/// A `CUdevice_attribute`; 0 for those that the script does not know.
fn attribute_of(card: &Card, attribute: c_int) -> c_int {
    let khz = |mhz: Option<u32>| c_int::try_from(mhz.unwrap_or(0) * 1000).unwrap_or(c_int::MAX);
    match attribute {
        1..=3 => MAX_THREADS,
        10 => 32,
        13 => khz(card.readings.max_sm_clock_mhz.at(0)),
        16 => card.multiprocessors,
        18 => card.integrated.into(),
        33 => card.pci.bus.into(),
        34 => card.pci.device.into(),
        36 => khz(card.readings.max_memory_clock_mhz.at(0)),
        37 => card.memory_bus_bits,
        38 => card.l2_bytes,
        40 => card.async_engines,
        // Unified addressing: addresses of cards and host differ.
        41 => 1,
        50 => c_int::try_from(card.pci.domain).unwrap_or(c_int::MAX),
        75 => card.compute_capability.0,
        76 => card.compute_capability.1,
        _ => 0,
    }
}
