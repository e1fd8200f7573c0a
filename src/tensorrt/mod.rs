//! TensorRT behind safe types, loaded at run time: no headers, no linking, whichever release a machine
//! has. Where its methods lie is in tables of slots; a release without a table is refused, never tried.
//! Knows no scenario and no image.
//!
//! A [`Library`] makes a [`Builder`], which parses ONNX into a [`Network`] and builds that into the
//! bytes of an engine, and a [`Runtime`], which loads them: an [`Engine`] has [`ExecutionContext`]s,
//! which hand inferences to a stream. Objects keep what they come from; they can be dropped in any order.

mod build;
mod callbacks;
mod classes;
mod dims;
mod element;
mod error;
mod journal;
mod library;
mod object;
mod plan;
mod release;
mod run;
mod slots;

pub use build::{BuildRequest, Builder, Built, Described, InputRange, Network, Progress, Typing};
pub use callbacks::{Calibrate, Listen};
pub use element::Element;
pub use error::{Error, Fault, Refused, Said};
pub use library::Library;
pub use plan::{PlanHeader, other_release, plan_header};
pub use release::{Abi, Product, Release};
pub use run::{Engine, ExecutionContext, Runtime, Tensor};
