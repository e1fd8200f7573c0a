//! Calls of NVRTC, behind a check that all of them are there.
#![allow(unsafe_code)]

use crate::cuda::{Call, ComputeCapability, CudaVersion, Error, library::lacking};
use cudarc::nvrtc::sys::{self, nvrtcProgram, nvrtcResult};
use std::{
    ffi::{CStr, CString, c_char},
    ptr,
};

/// Every function of NVRTC that this program calls.
const SYMBOLS: &[&str] = &[
    "nvrtcVersion",
    "nvrtcGetNumSupportedArchs",
    "nvrtcGetSupportedArchs",
    "nvrtcCreateProgram",
    "nvrtcDestroyProgram",
    "nvrtcCompileProgram",
    "nvrtcGetCUBINSize",
    "nvrtcGetCUBIN",
    "nvrtcGetProgramLogSize",
    "nvrtcGetProgramLog",
    "nvrtcGetErrorString",
];

/// The library, with all of its functions that are used here.
#[derive(Clone, Copy, Debug)]
pub struct Nvrtc(());

/// A program under compilation.
struct Program(nvrtcProgram);

fn check(function: &'static str, result: nvrtcResult) -> Result<(), Error> {
    if result as u32 == 0 {
        return Ok(());
    }
    // SAFETY: takes any code, and gives null or a string that is never freed.
    let words = unsafe { sys::nvrtcGetErrorString(result) };
    let name = if words.is_null() {
        String::new()
    } else {
        // SAFETY: not null, and null-terminated.
        unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
    };
    Err(Error::Call(Call { function, code: result as u32 | NVRTC, name, words: String::new() }))
}

/// Set in the codes of NVRTC, so that they are not taken for the driver's.
const NVRTC: u32 = 0x1_0000;

impl Nvrtc {
    /// Loads the library.
    ///
    /// # Errors
    /// [`Error::Unavailable`] without it, or with one that is too old.
    pub fn open() -> Result<Self, Error> {
        // SAFETY: loads the system's NVRTC, which is what the user has asked for.
        if !unsafe { sys::is_culib_present() } {
            return Err(Error::Unavailable(
                "there is no NVRTC: libnvrtc.so cannot be loaded; it comes with the CUDA toolkit, \
                 or with `pip install nvidia-cuda-nvrtc-cu12`"
                    .to_owned(),
            ));
        }
        // SAFETY: it was just seen to load, so this does not panic.
        let library = unsafe { sys::culib() };
        match lacking(library, SYMBOLS).first() {
            None => Ok(Self(())),
            Some(name) => Err(Error::Unavailable(format!(
                "NVRTC is too old: it lacks {name}; 11.2 or newer is needed"
            ))),
        }
    }

    /// Its version, which is that of the CUDA it belongs to.
    ///
    /// # Errors
    /// The library's word.
    pub fn version(self) -> Result<CudaVersion, Error> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: writes two integers.
        check("nvrtcVersion", unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) })?;
        Ok(CudaVersion { major: major.unsigned_abs(), minor: minor.unsigned_abs() })
    }

    /// The compute capabilities that it compiles for.
    ///
    /// # Errors
    /// The library's word.
    pub fn supported(self) -> Result<Vec<ComputeCapability>, Error> {
        let mut count = 0;
        // SAFETY: writes one integer.
        let counted = unsafe { sys::nvrtcGetNumSupportedArchs(&raw mut count) };
        check("nvrtcGetNumSupportedArchs", counted)?;
        let mut found = vec![0_i32; usize::try_from(count).unwrap_or(0)];
        // SAFETY: there is room for the number of integers that it has just announced.
        let listed = unsafe { sys::nvrtcGetSupportedArchs(found.as_mut_ptr()) };
        check("nvrtcGetSupportedArchs", listed)?;
        let number = |sm: &i32| sm.unsigned_abs();
        Ok(found
            .iter()
            .map(number)
            .map(|sm| ComputeCapability { major: sm / 10, minor: sm % 10 })
            .collect())
    }

    /// Compiles CUDA C++ to a cubin for one compute capability: PTX from a newer NVRTC would be
    /// refused by an older driver.
    ///
    /// # Errors
    /// The compiler's log, or that it knows no such card.
    pub fn compile(self, source: &str, card: ComputeCapability) -> Result<Vec<u8>, Error> {
        let text = CString::new(source)
            .map_err(|_| Error::Misuse("a kernel's source has a null in it".to_owned()))?;
        let program = Program::new(&text)?;
        let option = CString::new(format!("--gpu-architecture=sm_{}", card.sm()))
            .map_err(|_| Error::Misuse("an option has a null in it".to_owned()))?;
        let options = [option.as_ptr()];
        // SAFETY: the program lives, and so does the one option.
        let compiled = unsafe { sys::nvrtcCompileProgram(program.0, 1, options.as_ptr()) };
        if let Err(error) = check("nvrtcCompileProgram", compiled) {
            let log = program.log();
            let log = log.trim();
            return Err(Error::Unavailable(format!(
                "NVRTC does not compile for compute capability {card}: {error}{}{log}",
                if log.is_empty() { "" } else { ": " }
            )));
        }
        program.cubin()
    }
}

impl Program {
    fn new(source: &CStr) -> Result<Self, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the source is null-terminated; no name and no headers are given.
        let made = unsafe {
            sys::nvrtcCreateProgram(
                &raw mut raw,
                source.as_ptr(),
                ptr::null(),
                0,
                ptr::null(),
                ptr::null(),
            )
        };
        check("nvrtcCreateProgram", made)?;
        Ok(Self(raw))
    }

    fn cubin(&self) -> Result<Vec<u8>, Error> {
        let mut size = 0;
        // SAFETY: the program lives; writes one integer.
        let sized = unsafe { sys::nvrtcGetCUBINSize(self.0, &raw mut size) };
        check("nvrtcGetCUBINSize", sized)?;
        let mut cubin = vec![0_u8; size];
        // SAFETY: there is room for as many bytes as it has just announced.
        let copied = unsafe { sys::nvrtcGetCUBIN(self.0, cubin.as_mut_ptr().cast::<c_char>()) };
        check("nvrtcGetCUBIN", copied)?;
        Ok(cubin)
    }

    /// What the compiler has to say; empty if it does not tell.
    fn log(&self) -> String {
        let mut size = 0;
        // SAFETY: the program lives; writes one integer.
        if unsafe { sys::nvrtcGetProgramLogSize(self.0, &raw mut size) } as u32 != 0 {
            return String::new();
        }
        let mut log = vec![0_u8; size];
        // SAFETY: there is room for as many bytes as it has just announced.
        let got = unsafe { sys::nvrtcGetProgramLog(self.0, log.as_mut_ptr().cast::<c_char>()) };
        if got as u32 != 0 {
            return String::new();
        }
        String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made once and destroyed once.
        let _ = unsafe { sys::nvrtcDestroyProgram(&raw mut self.0) };
    }
}
