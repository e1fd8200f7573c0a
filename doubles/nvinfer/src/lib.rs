//! A stand-in for TensorRT's libraries: `libnvinfer`, `libnvonnxparser`, `libnvinfer_plugin` and
//! `libnvparsers` of 8, 10 and 11. It plays the script that `TRTBENCH_DOUBLE` names and keeps its
//! ledger. Which release it is follows from the name of the file as which it was loaded, such as
//! `libnvinfer.so.8.6.1`.
//!
//! It knows models by their inputs, outputs and nodes and computes nothing: an engine is a list of
//! layers, each a kernel of the driver's stand-in with a name and a duration, and outputs are
//! filled with zeroes. Calls that it does not know are written to the ledger and return zero.

mod build;
mod builder;
mod cache;
mod call;
mod claims;
mod client;
mod code;
mod config;
mod context;
mod dims;
mod driver;
mod element;
mod engine;
mod execute;
mod exports;
mod inspector;
mod memory;
mod network;
mod object;
mod onnx;
mod parser;
mod plan;
mod player;
mod precision;
mod profile;
mod release;
mod runtime;
mod slots;
mod stub;
#[cfg(test)]
mod tests;
