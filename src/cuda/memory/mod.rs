//! Memory of a card, and memory of the host that a card reaches without a detour.

mod pages;
mod sys;

pub use pages::LockedPages;
pub use sys::{DeviceMemory, DeviceSlice, HostMemory};
