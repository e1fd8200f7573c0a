//! An engine as bytes: the beginning of a real one, then what is needed to play it, as JSON.
//! Nothing else of a real engine is there.

use crate::{claims::Sharing, element::Element, onnx::Length, release::Release};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ftrt`, as every engine begins.
const MAGIC: [u8; 4] = *b"ftrt";
/// Magic and zero, bytes and checksum of the JSON, release, zero.
const HEADER: usize = 32;

/// The lengths of an input that a profile allows: least, best, most.
pub type Range = [Vec<i64>; 3];

/// An engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub name: String,
    /// Inputs, then outputs.
    pub tensors: Vec<Tensor>,
    /// Ranges of the inputs by name; one profile at least.
    pub profiles: Vec<BTreeMap<String, Range>>,
    pub layers: Vec<Layer>,
    /// Bits of the builder's flags.
    pub flags: u32,
    /// A `ProfilingVerbosity`.
    pub verbosity: i32,
    /// Of the card that it was built on.
    pub compute_capability: (i32, i32),
    /// The product name of that card.
    pub card: String,
    /// How contexts come by profiles.
    pub sharing: Sharing,
    /// Tells this build from others where the script says that they differ.
    pub nonce: Option<u64>,
    /// What a context takes of the card's memory.
    pub device_bytes: u64,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    pub name: String,
    pub input: bool,
    pub element: Element,
    pub shape: Vec<Length>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    pub name: String,
    pub operator: String,
    /// In which it computes.
    pub element: Element,
}

impl Layer {
    /// The name of the kernel that the layer with this number is.
    pub fn kernel(number: usize) -> String {
        format!("tensorrt_layer_{number}")
    }
}

impl Plan {
    /// A tensor by its name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// What TensorRT warns of on a card of this name: that the engine is of another model.
    pub fn warning(&self, card: &str) -> Option<&'static str> {
        (self.card != card).then_some(OTHER_MODEL)
    }

    /// The bytes of an engine of this release.
    pub fn write(&self, release: Release) -> Vec<u8> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEADER + text.len());
        bytes.extend(MAGIC);
        bytes.extend([0; 4]);
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(checksum(&text).to_le_bytes());
        bytes.extend(version(release));
        bytes.extend([0; 4]);
        bytes.extend(text);
        bytes
    }

    /// Reads an engine for this release and a card of this compute capability.
    ///
    /// # Errors
    /// What TensorRT says when it refuses one.
    pub fn read(bytes: &[u8], release: Release, card: (i32, i32)) -> Result<Self, String> {
        let (header, text) = bytes.split_at_checked(HEADER).ok_or(BROKEN)?;
        if header[..4] != MAGIC {
            return Err(BROKEN.to_owned());
        }
        if header[24..28] != version(release) {
            return Err(other_version(release, &header[24..28]));
        }
        let length = u64::from_le_bytes(word(&header[8..16]));
        if length != text.len() as u64 || header[16..24] != checksum(text).to_le_bytes() {
            return Err(DAMAGED.to_owned());
        }
        let plan: Self = serde_json::from_slice(text).map_err(|_| DAMAGED)?;
        plan.check_card(card)?;
        Ok(plan)
    }

    fn check_card(&self, card: (i32, i32)) -> Result<(), String> {
        if self.compute_capability == card {
            return Ok(());
        }
        let text = |(major, minor): (i32, i32)| format!("{major}.{minor}");
        Err(format!(
            "Error Code 6: API Usage Error (The engine plan file is generated on an incompatible \
             device, expecting compute {} got compute {}, please rebuild.)",
            text(card),
            text(self.compute_capability)
        ))
    }
}

const BROKEN: &str = "Error Code 1: Serialization (Serialization assertion magicTagRead == \
                      kMAGIC_TAG failed.Magic tag does not match)";
const OTHER_MODEL: &str = "Using an engine plan file across different models of devices is not \
                           recommended and is likely to affect performance or even cause errors.";
const DAMAGED: &str = "Error Code 1: Serialization (Serialization assertion \
                       checksumRead == checksum failed.Checksum does not match)";

fn other_version(release: Release, found: &[u8]) -> String {
    let found: Vec<String> = found.iter().map(u8::to_string).collect();
    format!(
        "Error Code 6: API Usage Error (The engine plan file is not compatible with this version \
         of TensorRT, expecting library version {release}.0 got {}, please rebuild.)",
        found.join(".")
    )
}

/// Major, minor, patch and build.
fn version(release: Release) -> [u8; 4] {
    [release.major, release.minor, release.patch, 0].map(|number| u8::try_from(number).unwrap_or(0))
}

fn word(bytes: &[u8]) -> [u8; 8] {
    let mut word = [0; 8];
    word.copy_from_slice(bytes);
    word
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
