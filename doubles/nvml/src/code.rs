//! What calls return, with NVML's numbers (`nvml.h`, `nvmlReturn_t`).

use std::ffi::CStr;

/// What a call returns when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

/// What a call gives.
pub type Answer<T> = Result<T, Code>;

impl Code {
    pub const SUCCESS: Self = Self(0);
    pub const ERROR_UNINITIALIZED: Self = Self(1);
    pub const ERROR_INVALID_ARGUMENT: Self = Self(2);
    pub const ERROR_NOT_SUPPORTED: Self = Self(3);
    pub const ERROR_NOT_FOUND: Self = Self(6);
    pub const ERROR_INSUFFICIENT_SIZE: Self = Self(7);
    pub const ERROR_OPERATING_SYSTEM: Self = Self(17);
    pub const ERROR_ARGUMENT_VERSION_MISMATCH: Self = Self(25);
    pub const ERROR_UNKNOWN: Self = Self(999);

    /// What it means.
    pub fn text(self) -> &'static CStr {
        match self.0 {
            0 => c"Success",
            1 => c"Uninitialized",
            2 => c"Invalid Argument",
            3 => c"Not Supported",
            4 => c"Insufficient Permissions",
            6 => c"Not Found",
            7 => c"Insufficient Size",
            8 => c"Insufficient External Power",
            9 => c"Driver Not Loaded",
            10 => c"Timeout",
            12 => c"NVML Shared Library Not Found",
            15 => c"GPU is lost",
            16 => c"GPU requires reset",
            17 => c"The operating system has blocked the request.",
            18 => c"Driver/library version mismatch",
            25 => c"Argument Version Mismatch",
            _ => c"Unknown Error",
        }
    }
}
