//! Memory and copies. That the host's ranges are there is for the callers to see to, as with the
//! real driver.
#![allow(unsafe_code, reason = "C functions have fixed names")]

use super::put;
use crate::{
    code::Code,
    driver::Subject::{Current, Memory, Stream},
    table::Handle,
    work::Work,
};
use std::ffi::{c_uchar, c_uint};
use trtbench_double_script::{Out, calls};

/// `CU_MEMHOSTALLOC_PORTABLE`, `_DEVICEMAP` and `_WRITECOMBINED`.
const ALLOC_FLAGS: c_uint = 7;

/// `CU_MEMHOSTREGISTER_PORTABLE`, `_DEVICEMAP`, `_IOMEMORY` and `_READ_ONLY`.
const REGISTER_FLAGS: c_uint = 15;

calls! {
    by super::call;

    fn cuMemGetInfo_v2(free: Out<'_, usize>, total: Out<'_, usize>) on Current => |driver| {
        let info = driver.memory_info()?;
        put(free, || Ok(info.0))?;
        put(total, || Ok(info.1))
    };
    fn cuMemAlloc_v2(address: Out<'_, Handle>, bytes: usize) on Current => |driver| {
        put(address, || driver.allocate(bytes))
    };
    fn cuMemFree_v2(address: Handle) on Memory(address) => |driver| driver.free(address);
    fn cuMemHostAlloc(
        address: Out<'_, Handle>,
        bytes: usize,
        flags: c_uint,
    ) on Current => |driver| {
        if flags & !ALLOC_FLAGS != 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        put(address, || driver.allocate_host(bytes))
    };
    fn cuMemFreeHost(address: Handle) on Current => |driver| driver.free_host(address);
    fn cuMemHostRegister_v2(address: Handle, bytes: usize, flags: c_uint) on Current => |driver| {
        if flags & !REGISTER_FLAGS != 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        driver.register_host(address, bytes)
    };
    fn cuMemHostUnregister(address: Handle) on Current => |driver| driver.unregister_host(address);
    fn cuMemcpyHtoD_v2(to: Handle, from: Handle, bytes: usize) on Current => |driver| {
        driver.submit_and_wait(Work::ToDevice { to, from, bytes })
    };
    fn cuMemcpyDtoH_v2(to: Handle, from: Handle, bytes: usize) on Current => |driver| {
        driver.submit_and_wait(Work::ToHost { to, from, bytes })
    };
    fn cuMemcpyHtoDAsync_v2(
        to: Handle,
        from: Handle,
        bytes: usize,
        stream: Handle,
    ) on Stream(stream) => |driver| {
        driver.submit(driver.stream(stream)?, Work::ToDevice { to, from, bytes })
    };
    fn cuMemcpyDtoHAsync_v2(
        to: Handle,
        from: Handle,
        bytes: usize,
        stream: Handle,
    ) on Stream(stream) => |driver| {
        driver.submit(driver.stream(stream)?, Work::ToHost { to, from, bytes })
    };
    fn cuMemsetD8Async(
        to: Handle,
        value: c_uchar,
        bytes: usize,
        stream: Handle,
    ) on Stream(stream) => |driver| {
        driver.submit(driver.stream(stream)?, Work::Fill { to, value, bytes })
    };
}
