//! `[host]`: how the stages that run on the host are computed, whatever the engine.

use crate::{cpu::InstructionSet, image::JpegLibrary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[host]`: with what the host decodes, pre-processes and post-processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HostOptions {
    /// Library that decodes JPEG.
    pub decoder: JpegLibrary,
    /// Vector instructions of the kernels; without it the best that the processor has.
    pub instructions: Option<InstructionSet>,
}
