//! The library, the driver, and what its cards are.
#![allow(unsafe_code, reason = "C functions have fixed names, and C callers hand over texts")]

use super::{put, write_text};
use crate::{
    code::{Answer, Code},
    state::{
        Handle,
        Subject::{Device, Library, System},
    },
};
use std::ffi::{c_char, c_int, c_uint};
use trtbench_double_script::{Buffer, Out, PciAddress, Text, calls};

/// `nvmlPciInfo_t`.
#[repr(C)]
struct PciInfo {
    legacy: [u8; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    /// Device and vendor.
    id: c_uint,
    subsystem: c_uint,
    text: [u8; 32],
}

/// Some device of NVIDIA's.
const DEVICE_AND_VENDOR: c_uint = 0x2204_10de;

calls! {
    by super::call;

    fn nvmlInit_v2() on Library => |nvml| {
        nvml.initialise();
        Ok(())
    };
    fn nvmlInitWithFlags(_flags: c_uint) on Library => |nvml| {
        nvml.initialise();
        Ok(())
    };
    fn nvmlShutdown() on System => |nvml| {
        nvml.shut_down();
        Ok(())
    };
    fn nvmlSystemGetDriverVersion(text: Buffer<c_char>, length: c_uint) on System => |nvml| {
        write_text(text, length, &nvml.script.driver_version)
    };
    fn nvmlSystemGetNVMLVersion(text: Buffer<c_char>, length: c_uint) on System => |nvml| {
        write_text(text, length, &nvml.script.nvml_version)
    };
    fn nvmlSystemGetCudaDriverVersion(version: Out<'_, c_int>) on System => |nvml| {
        put(version, || Ok(nvml.script.cuda_version))
    };
    fn nvmlSystemGetCudaDriverVersion_v2(version: Out<'_, c_int>) on System => |nvml| {
        put(version, || Ok(nvml.script.cuda_version))
    };
    fn nvmlDeviceGetCount_v2(count: Out<'_, c_uint>) on System => |nvml| {
        put(count, || c_uint::try_from(nvml.script.cards.len()).map_err(|_| Code::ERROR_UNKNOWN))
    };
    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: Out<'_, Handle>) on System => |nvml| {
        put(device, || nvml.by_index(index))
    };
    fn nvmlDeviceGetHandleByUUID(uuid: Text, device: Out<'_, Handle>) on System => |nvml| {
        put(device, || nvml.by_uuid(read(uuid)?))
    };
    fn nvmlDeviceGetHandleByPciBusId_v2(id: Text, device: Out<'_, Handle>) on System => |nvml| {
        put(device, || nvml.by_pci(read(id)?.parse().map_err(|_| Code::ERROR_NOT_FOUND)?))
    };
    fn nvmlDeviceGetIndex(device: Handle, index: Out<'_, c_uint>) on Device(device) => |nvml| {
        put(index, || nvml.index(device))
    };
    fn nvmlDeviceGetName(
        device: Handle,
        text: Buffer<c_char>,
        length: c_uint,
    ) on Device(device) => |nvml| write_text(text, length, &nvml.card(device)?.name);
    fn nvmlDeviceGetUUID(
        device: Handle,
        text: Buffer<c_char>,
        length: c_uint,
    ) on Device(device) => |nvml| write_text(text, length, &nvml.card(device)?.uuid);
    fn nvmlDeviceGetPciInfo_v3(device: Handle, info: Out<'_, PciInfo>) on Device(device) => |nvml| {
        put(info, || Ok(PciInfo::of(nvml.card(device)?.pci)))
    };
    fn nvmlDeviceGetCudaComputeCapability(
        device: Handle,
        major: Out<'_, c_int>,
        minor: Out<'_, c_int>,
    ) on Device(device) => |nvml| {
        let capability = nvml.card(device)?.compute_capability;
        put(major, || Ok(capability.0))?;
        put(minor, || Ok(capability.1))
    };
}

/// What a result means.
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the interface of C")]
extern "C" fn nvmlErrorString(result: c_int) -> *const c_char {
    Code(result).text().as_ptr()
}

fn read<'a>(text: Text) -> Answer<&'a str> {
    // SAFETY: a C caller vouches for the text during the call.
    unsafe { text.read() }.ok_or(Code::ERROR_INVALID_ARGUMENT)
}

impl PciInfo {
    fn of(pci: PciAddress) -> Self {
        let PciAddress { domain, bus, device, .. } = pci;
        let text = pci.to_string();
        Self {
            // With four digits of domain.
            legacy: padded(&text[4..]),
            domain,
            bus: bus.into(),
            device: device.into(),
            id: DEVICE_AND_VENDOR,
            subsystem: 0,
            text: padded(&text),
        }
    }
}

/// The bytes of a text and zeroes after it.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    // The last byte stays zero.
    for (place, byte) in bytes.iter_mut().take(N - 1).zip(text.bytes()) {
        *place = byte;
    }
    bytes
}
