//! What to measure: a scenario file (TOML), checked, then expanded into a flat [`Plan`] of cells.
//! Holds names only: the known engines, families and models are passed in. Opens no model.

mod check;
mod class_names;
mod device;
mod error;
mod family;
mod host;
mod images;
mod options;
mod plan;
mod source;
mod wire;

pub use check::{Known, Model, Scenario, load};
pub use error::Invalid;
pub use family::{FamilyOptions, Normalization, Postprocess, Thresholds};
pub use host::HostOptions;
pub use options::{
    CardOptions, DeviceOptions, EngineOptions, Fault, NullOptions, Optimization, OrtOptions,
    PreprocessOn, Profile, Provider, TensorRtOptions, Transfers,
};
pub use plan::{Cell, CellId, MAX_CELLS, Plan};
pub use source::Source;
pub use wire::{Matrix, Measure, Mode, Precision, SCHEMA, json_schema};
