//! Keys of a scenario that one engine alone understands. Named here because the file format is
//! one; what they mean is the engine's business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// `[engine.*]`: options of single engines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EngineOptions {
    /// ONNX Runtime.
    pub ort: OrtOptions,
    /// The empty engine, for tests and for the cost of the harness itself.
    pub null: NullOptions,
}

/// `[engine.ort]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OrtOptions {
    /// The ONNX Runtime shared library, relative to the scenario file. Without it:
    /// `ORT_DYLIB_PATH`, then what `trtbench fetch runtime` brought.
    pub library: Option<PathBuf>,
    /// Whether the CPU memory arena is used.
    pub arena: bool,
    /// How far ONNX Runtime rewrites the graph at load time.
    pub optimization: Optimization,
}

/// Graph optimisation level of ONNX Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Optimization {
    /// None.
    Disable,
    /// Constant folding and redundant nodes.
    Basic,
    /// Also fused operators.
    Extended,
    /// Also changed memory layouts.
    All,
}

/// `[engine.null]`: an engine that computes nothing and can be told to misbehave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NullOptions {
    /// Microseconds that inference spins the processor; 0 returns at once.
    pub spin_us: u64,
    /// Steps of dependent arithmetic that inference takes, about a nanosecond each: unlike
    /// `spin_us` it slows down with the processor, as real work does.
    pub work: u64,
    /// The same for single models, by the name of their file without its extension.
    pub work_of: BTreeMap<String, u64>,
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// In which launches (counted from 0) it goes wrong; empty means in all.
    pub fault_launches: Vec<u32>,
    /// In which iteration (counted from 0) it goes wrong.
    pub fault_iteration: u64,
}

/// Ways in which the empty engine can fail a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Returns an error.
    Error,
    /// Panics.
    Panic,
    /// Kills its process with SIGSEGV.
    Segfault,
    /// Kills its process with SIGKILL, as the kernel does when memory runs out.
    Kill,
    /// Never returns.
    Hang,
    /// Allocates until the limit on memory.
    ExhaustMemory,
    /// Writes to standard output what is no message.
    Garbage,
    /// Ends the process with exit code 0 before the result.
    Exit,
}

impl Default for OrtOptions {
    fn default() -> Self {
        Self { library: None, arena: true, optimization: Optimization::All }
    }
}
