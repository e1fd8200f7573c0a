//! What differs between operating systems: clocks, meters, signals, files, shared libraries, the
//! host itself. Knows nothing of benchmarks.

mod clock;
pub mod elf;
mod files;
mod host;
pub mod library;
mod process;
mod sys;
mod usage;

pub use clock::{Clock, MonotonicClock};
pub use files::{
    FilePath, NewFile, is_half_written, lock, parse_printable, printable, sweep, write_atomic,
};
pub use host::{Conditions, Host, Utc, peak_memory, utc_now};
pub use library::{Found, SearchPath};
pub use process::{Ending, interrupts, kill_group, limit_memory, this_program, watch_interrupts};
pub use sys::{Beacon, MappedFile};
pub use usage::{Meter, Usage};
