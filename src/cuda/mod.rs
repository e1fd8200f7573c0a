//! NVIDIA's driver API, NVRTC and NVML behind safe types, loaded at run time. Nothing here panics
//! where a library or a symbol is missing, and nothing that is made on a card outlives its handle.
//! Knows no model and no scenario.
//!
//! A [`Driver`] is a loaded library in which every function that is used was found; a [`Context`]
//! is a card made ready for this thread. Memory, streams and events hold on to their context. Work
//! is handed to a card within a [`Context::scope`], which does not end before the card is done
//! with the memory it was given.

mod driver;
mod error;
mod identity;
mod library;
mod memory;
pub mod nvml;
pub mod nvrtc;
pub mod preprocess;
pub mod spin;
mod stream;

pub use driver::{Card, Context, Driver, Wait};
pub use error::{Call, Error};
pub use identity::{ComputeCapability, CudaVersion, Malformed, PciAddress, Uuid};
pub use memory::{DeviceMemory, DeviceSlice, HostMemory, LockedPages};
pub use stream::{Event, Function, Graph, Module, Scope, Stream};
