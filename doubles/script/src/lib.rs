//! The script that the stand-ins for `libcuda.so.1` and `libnvidia-ml.so.1` play, and the ledger
//! they write. Plays nothing by itself: the libraries are `doubles/cuda` and `doubles/nvml`.

mod arguments;
mod card;
mod fault;
mod ledger;
mod process;
mod readings;
mod script;

pub use arguments::{Buffer, Out, Text};
pub use card::{Card, PciAddress, Timing, Transfer, uuid_bytes};
pub use fault::{Fault, Faults, Library, Play};
pub use ledger::{Entry, Kind, Ledger, Line, Writer};
pub use process::{Loaded, hang};
pub use readings::{Process, Readings, Series};
pub use script::{ENVIRONMENT, Script};
