//! Sensors that give one or two numbers.
#![allow(unsafe_code, reason = "C functions have fixed names")]

use super::put;
use crate::{
    code::{Answer, Code},
    locks::Domain,
    state::{Handle, Nvml, Sensor, Subject::Device},
};
use std::ffi::{c_uint, c_ulonglong};
use trtbench_double_script::{Out, calls};

/// A sensor by the name of its field.
macro_rules! sensor {
    ($field:ident) => {
        (stringify!($field), |readings| &readings.$field)
    };
}
pub(super) use sensor;

/// `nvmlUtilization_t`, in percent.
#[repr(C)]
struct Utilisation {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlMemory_t`, in bytes.
#[repr(C)]
struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// `nvmlMemory_v2_t`, in bytes.
#[repr(C)]
struct MemoryV2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// `nvmlMemory_v2`.
const MEMORY_VERSION: c_uint = size_of::<MemoryV2>() as c_uint | 2 << 24;

type Number<'a> = Out<'a, c_uint>;

calls! {
    by super::call;

    fn nvmlDeviceGetClockInfo(
        device: Handle,
        kind: c_uint,
        mhz: Number,
    ) on Device(device) => |nvml| {
        put(mhz, || match kind {
            0 => nvml.read_clock(device, sensor!(graphics_clock_mhz), Domain::Graphics),
            1 => nvml.read_clock(device, sensor!(sm_clock_mhz), Domain::Graphics),
            2 => nvml.read_clock(device, sensor!(memory_clock_mhz), Domain::Memory),
            _ => Err(Code::ERROR_NOT_SUPPORTED),
        })
    };
    fn nvmlDeviceGetMaxClockInfo(
        device: Handle,
        kind: c_uint,
        mhz: Number,
    ) on Device(device) => |nvml| {
        put(mhz, || match kind {
            0 => nvml.read(device, sensor!(max_graphics_clock_mhz)),
            1 => nvml.read(device, sensor!(max_sm_clock_mhz)),
            2 => nvml.read(device, sensor!(max_memory_clock_mhz)),
            _ => Err(Code::ERROR_NOT_SUPPORTED),
        })
    };
    fn nvmlDeviceGetTemperature(
        device: Handle,
        kind: c_uint,
        celsius: Number,
    ) on Device(device) => |nvml| {
        if kind != 0 {
            return Err(Code::ERROR_INVALID_ARGUMENT);
        }
        put(celsius, || nvml.read(device, sensor!(temperature_c)))
    };
    fn nvmlDeviceGetPowerUsage(device: Handle, mw: Number) on Device(device) => |nvml| {
        put(mw, || nvml.read(device, sensor!(power_mw)))
    };
    fn nvmlDeviceGetEnforcedPowerLimit(device: Handle, mw: Number) on Device(device) => |nvml| {
        put(mw, || nvml.read(device, sensor!(enforced_power_limit_mw)))
    };
    fn nvmlDeviceGetPowerManagementLimit(device: Handle, mw: Number) on Device(device) => |nvml| {
        put(mw, || nvml.read(device, sensor!(power_limit_mw)))
    };
    fn nvmlDeviceGetPowerManagementDefaultLimit(
        device: Handle,
        mw: Number,
    ) on Device(device) => |nvml| {
        put(mw, || nvml.read(device, sensor!(default_power_limit_mw)))
    };
    fn nvmlDeviceGetPowerManagementLimitConstraints(
        device: Handle,
        low: Number,
        high: Number,
    ) on Device(device) => |nvml| {
        put(low, || nvml.read(device, sensor!(min_power_limit_mw)))?;
        put(high, || nvml.read(device, sensor!(max_power_limit_mw)))
    };
    fn nvmlDeviceGetTotalEnergyConsumption(
        device: Handle,
        mj: Out<'_, c_ulonglong>,
    ) on Device(device) => |nvml| put(mj, || nvml.read(device, sensor!(energy_mj)));
    fn nvmlDeviceGetUtilizationRates(
        device: Handle,
        percent: Out<'_, Utilisation>,
    ) on Device(device) => |nvml| {
        put(percent, || {
            let gpu = nvml.read(device, sensor!(gpu_utilisation_percent))?;
            let memory = nvml.read(device, sensor!(memory_utilisation_percent))?;
            Ok(Utilisation { gpu, memory })
        })
    };
    fn nvmlDeviceGetCurrentClocksThrottleReasons(
        device: Handle,
        bits: Out<'_, c_ulonglong>,
    ) on Device(device) => |nvml| put(bits, || nvml.read(device, sensor!(throttle_reasons)));
    fn nvmlDeviceGetCurrPcieLinkGeneration(
        device: Handle,
        value: Number,
    ) on Device(device) => |nvml| {
        put(value, || nvml.read(device, sensor!(pcie_generation)))
    };
    fn nvmlDeviceGetCurrPcieLinkWidth(device: Handle, value: Number) on Device(device) => |nvml| {
        put(value, || nvml.read(device, sensor!(pcie_width)))
    };
    fn nvmlDeviceGetMaxPcieLinkGeneration(
        device: Handle,
        value: Number,
    ) on Device(device) => |nvml| {
        put(value, || nvml.read(device, sensor!(max_pcie_generation)))
    };
    fn nvmlDeviceGetMaxPcieLinkWidth(device: Handle, value: Number) on Device(device) => |nvml| {
        put(value, || nvml.read(device, sensor!(max_pcie_width)))
    };
    fn nvmlDeviceGetPcieThroughput(
        device: Handle,
        kind: c_uint,
        kib_s: Number,
    ) on Device(device) => |nvml| {
        put(kib_s, || match kind {
            0 => nvml.read(device, sensor!(pcie_sent_kib_s)),
            1 => nvml.read(device, sensor!(pcie_received_kib_s)),
            _ => Err(Code::ERROR_INVALID_ARGUMENT),
        })
    };
    fn nvmlDeviceGetPerformanceState(device: Handle, state: Number) on Device(device) => |nvml| {
        put(state, || nvml.read(device, sensor!(performance_state)))
    };
    fn nvmlDeviceGetPersistenceMode(device: Handle, mode: Number) on Device(device) => |nvml| {
        put(mode, || nvml.read(device, sensor!(persistence)).map(c_uint::from))
    };
    fn nvmlDeviceGetMigMode(
        device: Handle,
        now: Number,
        later: Number,
    ) on Device(device) => |nvml| {
        put_both(nvml, device, sensor!(mig_mode), now, later)
    };
    fn nvmlDeviceGetEccMode(
        device: Handle,
        now: Number,
        later: Number,
    ) on Device(device) => |nvml| {
        put_both(nvml, device, sensor!(ecc_enabled), now, later)
    };
    fn nvmlDeviceGetTotalEccErrors(
        device: Handle,
        kind: c_uint,
        counter: c_uint,
        count: Out<'_, c_ulonglong>,
    ) on Device(device) => |nvml| {
        put(count, || match (kind, counter) {
            (0, 0 | 1) => nvml.read(device, sensor!(ecc_corrected_errors)),
            (1, 0 | 1) => nvml.read(device, sensor!(ecc_uncorrected_errors)),
            _ => Err(Code::ERROR_INVALID_ARGUMENT),
        })
    };
    fn nvmlDeviceGetMemoryInfo(device: Handle, info: Out<'_, Memory>) on Device(device) => |nvml| {
        put(info, || memory(nvml, device))
    };
    fn nvmlDeviceGetMemoryInfo_v2(
        device: Handle,
        info: Option<&mut MemoryV2>,
    ) on Device(device) => |nvml| {
        let info = info.ok_or(Code::ERROR_INVALID_ARGUMENT)?;
        if info.version != MEMORY_VERSION {
            return Err(Code::ERROR_ARGUMENT_VERSION_MISMATCH);
        }
        let Memory { total, free, used } = memory(nvml, device)?;
        *info = MemoryV2 { version: MEMORY_VERSION, total, reserved: 0, free, used };
        Ok(())
    };
}

/// A mode now and after the next start, which is the same.
fn put_both(
    nvml: &mut Nvml,
    device: Handle,
    sensor: Sensor<bool>,
    now: Number<'_>,
    later: Number<'_>,
) -> Answer<()> {
    let mode = c_uint::from(nvml.read(device, sensor)?);
    put(now, || Ok(mode))?;
    put(later, || Ok(mode))
}

fn memory(nvml: &mut Nvml, device: Handle) -> Answer<Memory> {
    let used = nvml.read(device, sensor!(memory_used_bytes))?;
    let total = nvml.card(device)?.memory_bytes;
    Ok(Memory { total, free: total.saturating_sub(used), used })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_large_as_in_c() {
        assert_eq!((size_of::<Memory>(), size_of::<MemoryV2>()), (24, 40));
        assert_eq!(MEMORY_VERSION, 0x0200_0028);
    }
}
