//! A stand-in for `libnvidia-ml.so.1`: plays the script that `TRTBENCH_DOUBLE` names and keeps its
//! ledger. It only reads out the script; what a process does with `libcuda.so.1` changes no
//! reading.

mod code;
mod interface;
mod locks;
mod state;
#[cfg(test)]
mod tests;
