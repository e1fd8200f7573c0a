//! Memory of a card, and memory of the host that a card reaches without a detour.

mod sys;

pub use sys::{DeviceMemory, DeviceSlice, HostMemory, Registration};
