//! Calls of the driver API about the driver, its cards and their contexts.
#![allow(unsafe_code)]

use crate::{
    cuda::{Call, ComputeCapability, CudaVersion, Error, PciAddress, Uuid, library::lacking},
    os::SearchPath,
    unit::Bytes,
};
use cudarc::driver::sys::{self, CUdevice, CUdevice_attribute, CUresult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    ffi::{CStr, c_char},
    ptr,
    rc::Rc,
};

/// Every function of the driver that this program calls, by the name it is looked up by.
pub const SYMBOLS: &[&str] = &[
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetName",
    "cuDeviceGetUuid",
    "cuDeviceGetAttribute",
    "cuDeviceTotalMem_v2",
    "cuDeviceGetPCIBusId",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxSetFlags_v2",
    "cuCtxSetCurrent",
    "cuMemGetInfo_v2",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemHostAlloc",
    "cuMemFreeHost",
    "cuMemHostRegister_v2",
    "cuMemHostUnregister",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemsetD8Async",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuEventElapsedTime",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuModuleGetFunction",
    "cuLaunchKernel",
];

/// The driver's library, with every function that is used here, initialised.
#[derive(Clone, Copy, Debug)]
pub struct Driver(());

/// What the driver says of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Number by which CUDA knows it in this process.
    pub ordinal: i32,
    /// Product name.
    pub name: String,
    /// UUID.
    pub uuid: Uuid,
    /// Place on the bus.
    pub pci: PciAddress,
    /// Compute capability.
    pub capability: ComputeCapability,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Memory.
    pub memory: Bytes,
}

/// How the host waits for a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// It asks again and again: wakes up soonest, and keeps a processor busy.
    #[default]
    Spin,
    /// It sleeps until the card interrupts it.
    Block,
}

/// A card made ready for the thread that opened it. Clones are the same context, which is given
/// back with the last of them.
#[derive(Clone, Debug)]
pub struct Context(pub(in crate::cuda) Rc<Primary>);

/// The context that all libraries in a process share; given back when dropped.
#[derive(Debug)]
pub struct Primary {
    device: CUdevice,
    wait: Wait,
}

/// Turns a result into an error that names the function.
pub fn check(function: &'static str, result: CUresult) -> Result<(), Error> {
    // As a number. The crate's enumeration is of CUDA 12.9, newer than the functions that are used
    // here: the newer it is, the fewer codes of a driver it lacks.
    match result as u32 {
        0 => Ok(()),
        code => Err(Error::Call(Call {
            function,
            code,
            // SAFETY: takes any code, and gives null or a string that is never freed.
            name: text(|to| unsafe { sys::cuGetErrorName(result, to) }),
            // SAFETY: as above.
            words: text(|to| unsafe { sys::cuGetErrorString(result, to) }),
        })),
    }
}

/// A string that the driver owns; empty where it has none.
fn text(ask: impl FnOnce(*mut *const c_char) -> CUresult) -> String {
    let mut found = ptr::null();
    if ask(&raw mut found) as u32 != 0 || found.is_null() {
        return String::new();
    }
    // SAFETY: not null, and documented as a null-terminated string that lives as long as the
    // library.
    unsafe { CStr::from_ptr(found) }.to_string_lossy().into_owned()
}

impl Driver {
    /// Loads the driver's library, makes sure that it has all that is used here, and initialises
    /// it. `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER` are read by the driver now and never
    /// again in this process.
    ///
    /// # Errors
    /// [`Error::Unavailable`] without the library or with one that is too old; the driver's own
    /// word when it finds no card or does not start.
    pub fn open() -> Result<Self, Error> {
        let search = SearchPath::system();
        // SAFETY: loads the system's NVIDIA driver, which is what the user has asked for.
        if search.is_broken(LIBRARY) || !unsafe { sys::is_culib_present() } {
            return Err(Error::Unavailable(absent(&search.lying_about(LIBRARY))));
        }
        // SAFETY: it was just seen to load, so this does not panic.
        let library = unsafe { sys::culib() };
        let missing = lacking(library, SYMBOLS);
        if !missing.is_empty() {
            return Err(Error::Unavailable(too_old(&missing)));
        }
        // SAFETY: the symbol is there; the flags must be zero.
        check("cuInit", unsafe { sys::cuInit(0) })?;
        Ok(Self(()))
    }

    /// The newest CUDA that the driver speaks.
    ///
    /// # Errors
    /// The driver's word.
    pub fn version(self) -> Result<CudaVersion, Error> {
        let mut number = 0;
        // SAFETY: writes one integer.
        check("cuDriverGetVersion", unsafe { sys::cuDriverGetVersion(&raw mut number) })?;
        Ok(CudaVersion::from_number(number))
    }

    /// The cards that this process may use, as CUDA numbers them; of one that is broken, the
    /// driver's word.
    ///
    /// # Errors
    /// The driver's word.
    pub fn cards(self) -> Result<Vec<Result<Card, Error>>, Error> {
        let mut count = 0;
        // SAFETY: writes one integer.
        check("cuDeviceGetCount", unsafe { sys::cuDeviceGetCount(&raw mut count) })?;
        Ok((0..count).map(card).collect())
    }
}

/// The library's name to the system's loader.
#[cfg(unix)]
const LIBRARY: &str = "libcuda.so.1";
#[cfg(not(unix))]
const LIBRARY: &str = "nvcuda.dll";

/// That the library cannot be loaded, with what lies about instead.
fn absent(lying_about: &str) -> String {
    format!(
        "there is no CUDA driver: {LIBRARY} cannot be loaded{lying_about}; install NVIDIA's driver \
         (470.42 or newer on Linux); a container needs --gpus all, and `compute` in \
         NVIDIA_DRIVER_CAPABILITIES"
    )
}

fn too_old(missing: &[&str]) -> String {
    let shown = missing.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let more = if missing.len() > 3 { " and others" } else { "" };
    format!(
        "libcuda.so.1 is too old, or no NVIDIA driver: it lacks {shown}{more}; install a driver of \
         CUDA 11.4 or newer (470.42 on Linux)"
    )
}

fn card(ordinal: i32) -> Result<Card, Error> {
    let device = device(ordinal)?;
    let mut name: [c_char; 256] = [0; 256];
    let mut uuid = sys::CUuuid { bytes: [0; 16] };
    let mut bus: [c_char; 32] = [0; 32];
    let mut memory = 0;
    // SAFETY: the device is the driver's own; each call writes no more than the buffer that it is
    // given, and the strings are null-terminated within the length that is passed.
    unsafe {
        check("cuDeviceGetName", sys::cuDeviceGetName(name.as_mut_ptr(), 255, device))?;
        check("cuDeviceGetUuid", sys::cuDeviceGetUuid(&raw mut uuid, device))?;
        check("cuDeviceGetPCIBusId", sys::cuDeviceGetPCIBusId(bus.as_mut_ptr(), 31, device))?;
        check("cuDeviceTotalMem_v2", sys::cuDeviceTotalMem_v2(&raw mut memory, device))?;
    }
    let pci =
        string(&bus).parse().map_err(|error| Error::Misuse(format!("the driver: {error}")))?;
    use CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
        CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT as MULTIPROCESSORS,
    };
    let (major, minor) = (attribute(device, MAJOR)?, attribute(device, MINOR)?);
    Ok(Card {
        ordinal,
        name: string(&name),
        uuid: Uuid::from_bytes(uuid.bytes.map(|byte| byte as u8)),
        pci,
        capability: ComputeCapability { major, minor },
        multiprocessors: attribute(device, MULTIPROCESSORS)?,
        memory: Bytes(memory as u64),
    })
}

fn device(ordinal: i32) -> Result<CUdevice, Error> {
    let mut device = 0;
    // SAFETY: writes one integer; a number that is no card is an error.
    check("cuDeviceGet", unsafe { sys::cuDeviceGet(&raw mut device, ordinal) })?;
    Ok(device)
}

fn attribute(device: CUdevice, which: CUdevice_attribute) -> Result<u32, Error> {
    let mut value = 0;
    // SAFETY: the device is the driver's own; writes one integer.
    let result = unsafe { sys::cuDeviceGetAttribute(&raw mut value, which, device) };
    check("cuDeviceGetAttribute", result)?;
    Ok(value.unsigned_abs())
}

/// The text before the first null; all of it where there is none.
fn string(buffer: &[c_char]) -> String {
    let bytes: Vec<u8> = buffer.iter().map(|&c| c as u8).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Context {
    /// Makes the card with that number ready for this thread.
    ///
    /// # Errors
    /// The driver's word.
    pub fn open(_: Driver, ordinal: i32, wait: Wait) -> Result<Self, Error> {
        let device = device(ordinal)?;
        let flags = match wait {
            Wait::Spin => sys::CUctx_flags_enum::CU_CTX_SCHED_SPIN,
            Wait::Block => sys::CUctx_flags_enum::CU_CTX_SCHED_BLOCKING_SYNC,
        } as u32;
        let mut context = ptr::null_mut();
        // SAFETY: the device is the driver's own.
        unsafe {
            check(
                "cuDevicePrimaryCtxSetFlags_v2",
                sys::cuDevicePrimaryCtxSetFlags_v2(device, flags),
            )?;
            let retained = sys::cuDevicePrimaryCtxRetain(&raw mut context, device);
            check("cuDevicePrimaryCtxRetain", retained)?;
        }
        // From here on it is given back whatever happens.
        let primary = Rc::new(Primary { device, wait });
        // SAFETY: the context was just retained.
        check("cuCtxSetCurrent", unsafe { sys::cuCtxSetCurrent(context) })?;
        Ok(Self(primary))
    }

    /// How the host waits for this card.
    pub fn wait(&self) -> Wait {
        self.0.wait
    }

    /// Free and total memory.
    ///
    /// # Errors
    /// The driver's word.
    pub fn memory(&self) -> Result<(Bytes, Bytes), Error> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: writes two integers.
        let result = unsafe { sys::cuMemGetInfo_v2(&raw mut free, &raw mut total) };
        check("cuMemGetInfo_v2", result)?;
        Ok((Bytes(free as u64), Bytes(total as u64)))
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        // SAFETY: it was retained once for this value. A lost context cannot be given back, and
        // there is nobody to tell.
        let _ = unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Words that begin as the driver's functions do, strings and tests left out.
    fn called() -> BTreeSet<String> {
        let sources = [
            include_str!("sys.rs"),
            include_str!("../memory/sys.rs"),
            include_str!("../stream/sys.rs"),
        ];
        let code = sources.map(|source| source.split("#[cfg(test)]").next().unwrap_or_default());
        let outside = code.concat().split('"').step_by(2).collect::<String>();
        let words = outside.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let function = |word: &&str| {
            word.strip_prefix("cu").is_some_and(|rest| rest.starts_with(char::is_uppercase))
        };
        words.filter(function).map(str::to_owned).collect()
    }

    /// A function that is called but not looked for would panic where it is missing.
    #[test]
    fn every_function_that_is_called_is_looked_for_first() {
        let listed: BTreeSet<String> = SYMBOLS.iter().map(|&symbol| symbol.to_owned()).collect();
        assert_eq!(called(), listed);
    }

    #[test]
    fn an_old_library_is_named_with_what_it_lacks_and_the_cure() {
        let words = too_old(&["cuA", "cuB", "cuC", "cuD"]);
        assert!(words.contains("cuA, cuB, cuC and others") && words.contains("470.42"), "{words}");
        assert!(too_old(&["cuA"]).contains("it lacks cuA;"));
    }
}
