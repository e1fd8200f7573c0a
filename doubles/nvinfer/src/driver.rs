//! The driver, found as TensorRT finds it: `libcuda.so.1`, loaded when it is first needed. Only
//! what engines and builds need of it.
#![allow(unsafe_code, reason = "functions are found by their names")]

use crate::{code::Code, player};
use libloading::Library;
use std::sync::OnceLock;
use trtbench_double_script::Card;

/// Takes as many words as any function that is called here.
type Function = unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64) -> i32;

/// What a call gives.
pub type Answer<T> = Result<T, Code>;

/// Calls a function of the driver with numbers, handles and addresses of what is there during the
/// call.
fn call(name: &str, arguments: &[u64]) -> Answer<()> {
    static DRIVER: OnceLock<Option<Library>> = OnceLock::new();
    // SAFETY: the driver does nothing that matters when it is loaded.
    let load = || unsafe { Library::new("libcuda.so.1") }.ok();
    let library = DRIVER.get_or_init(load).as_ref().ok_or(Code::NO_LIBRARY)?;
    let mut all = [0; 11];
    all[..arguments.len()].copy_from_slice(arguments);
    let [a, b, c, d, e, f, g, h, i, j, k] = all;
    // SAFETY: every argument of every call is a number or an address of at most 64 bits, which has
    // a register or a whole word of the stack to itself; a function leaves alone what it has no
    // argument for.
    let code = unsafe {
        let function = library.get::<Function>(name).map_err(|_| Code::NO_LIBRARY)?;
        function(a, b, c, d, e, f, g, h, i, j, k)
    };
    if code == 0 { Ok(()) } else { Err(Code(code)) }
}

/// Calls a function that writes a value to where its first argument says.
fn get<T: Default>(name: &str, others: &[u64]) -> Answer<T> {
    let mut value = T::default();
    let address = (&raw mut value).expose_provenance() as u64;
    call(name, &[&[address], others].concat())?;
    Ok(value)
}

/// The device of the calling thread.
fn device() -> Answer<u64> {
    get::<i32>("cuCtxGetDevice", &[]).map(|device| u64::from(device.unsigned_abs()))
}

/// The card of the calling thread, as the script describes it.
pub fn card() -> Option<&'static Card> {
    let uuid = device().and_then(|device| get::<[u8; 16]>("cuDeviceGetUuid", &[device])).ok()?;
    player::script()?.cards.iter().find(|card| card.uuid_bytes() == uuid)
}

/// Whether there is a driver with a card, current in the calling thread.
pub fn ready() -> Answer<()> {
    call("cuInit", &[0])?;
    device().map(drop)
}

/// Compute capability of the calling thread's card.
pub fn compute_capability() -> Answer<(i32, i32)> {
    let device = device()?;
    let attribute = |number| get("cuDeviceGetAttribute", &[number, device]);
    Ok((attribute(75)?, attribute(76)?))
}

/// All memory of the calling thread's card, in bytes.
pub fn memory_bytes() -> Answer<usize> {
    get("cuDeviceTotalMem_v2", &[device()?])
}

/// Memory of a card; given back when it is dropped.
#[derive(Debug)]
pub struct Memory(u64);

impl Memory {
    /// On the calling thread's card.
    pub fn new(bytes: u64) -> Answer<Self> {
        get("cuMemAlloc_v2", &[bytes]).map(Self)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Err(code) = call("cuMemFree_v2", &[self.0]) {
            player::unexpected(&format!("memory of the card could not be given back: {code}"));
        }
    }
}

/// Kernels on a card; unloaded when it is dropped.
#[derive(Debug)]
pub struct Kernels {
    module: u64,
    functions: Vec<u64>,
}

impl Kernels {
    /// Kernels of these names, on the calling thread's card.
    pub fn new(names: &[String]) -> Answer<Self> {
        let entries: String =
            names.iter().map(|name| format!(".visible .entry {name}() {{ ret; }}\n")).collect();
        let image = format!(".version 7.4\n.target sm_50\n{entries}\0");
        let module = get("cuModuleLoadData", &[image.as_ptr().expose_provenance() as u64])?;
        let mut kernels = Self { module, functions: Vec::new() };
        for name in names {
            let name = format!("{name}\0");
            let address = name.as_ptr().expose_provenance() as u64;
            kernels.functions.push(get("cuModuleGetFunction", &[module, address])?);
        }
        Ok(kernels)
    }

    /// Runs all, one after the other, in a stream.
    pub fn launch(&self, stream: u64) -> Answer<()> {
        let launch = |&function: &u64| {
            call("cuLaunchKernel", &[function, 1, 1, 1, 1, 1, 1, 0, stream, 0, 0])
        };
        self.functions.iter().try_for_each(launch)
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        if let Err(code) = call("cuModuleUnload", &[self.module]) {
            player::unexpected(&format!("kernels could not be unloaded: {code}"));
        }
    }
}

/// Fills so many bytes of a card's memory with a value, in a stream.
pub fn fill(address: u64, value: u8, bytes: u64, stream: u64) -> Answer<()> {
    call("cuMemsetD8Async", &[address, value.into(), bytes, stream])
}

/// Waits for a stream.
pub fn synchronise(stream: u64) -> Answer<()> {
    call("cuStreamSynchronize", &[stream])
}
