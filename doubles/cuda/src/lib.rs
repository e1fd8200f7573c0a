//! A stand-in for `libcuda.so.1`: plays the script that `TRTBENCH_DOUBLE` names and keeps its
//! ledger. It moves bytes and keeps time, but computes nothing, but for the kernels of the
//! library that the script names: else a kernel is only a name and a duration.
//!
//! Differences from the real driver, beside those: bytes move when work is submitted, not when the
//! virtual clock gets there; streams do not slow each other down; the per-thread default stream is
//! not there; a lost card fails every call on it, also those that only ask what it is. Handles are
//! numbers, so programs of 64 bits are meant.

mod block;
mod capture;
mod clock;
mod code;
mod context;
mod driver;
mod event;
mod interface;
mod kernels;
mod memory;
mod module;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod visible;
mod work;
