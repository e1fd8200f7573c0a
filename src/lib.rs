//! Benchmark harness for detection models: decoding, pre-processing, transfer, inference and
//! post-processing timed apart, with distributions that can be trusted. docs/ARCHITECTURE.md
//! describes the layers, lowest first; a module uses only lower ones.

pub mod analysis;
pub mod cli;
pub mod cpu;
pub mod cuda;
pub mod device;
pub mod engine;
pub mod family;
pub mod fetch;
pub mod image;
pub mod model;
pub mod os;
pub mod pipeline;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod stats;
pub mod store;
pub mod tensor;
pub mod tensorrt;
pub mod timing;
pub mod unit;
