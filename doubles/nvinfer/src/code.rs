//! What the driver answers when a call fails, in the words with which TensorRT passes it on.

use std::fmt;

/// A `CUresult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

impl Code {
    /// There is no driver, or it lacks a function: what the runtime makes of that is 35.
    pub const NO_LIBRARY: Self = Self(35);
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            1 => "invalid argument",
            2 => "out of memory",
            35 => "CUDA driver version is insufficient for CUDA runtime version",
            100 => "no CUDA-capable device is detected",
            201 => "invalid device context",
            400 => "invalid resource handle",
            700 => "an illegal memory access was encountered",
            719 => "unspecified launch failure",
            _ => "unknown error",
        };
        write!(out, "Error Code 1: Cuda Runtime ({text})")
    }
}
