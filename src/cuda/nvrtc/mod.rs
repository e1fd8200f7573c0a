//! NVRTC: compiles kernels at run time. It needs no card and no driver.

mod sys;

pub use sys::Nvrtc;
