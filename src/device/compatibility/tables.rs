//! The tables as rows, and how a row is found. Judges nothing; what the columns mean is said at the
//! head of each table.

use super::{
    ComputeCapability, Opsets, Version,
    findings::{Confidence, Evidence},
};
use crate::device::table::{self, Rate};
use serde::Deserialize;
use std::{cmp::Ordering, str::FromStr, sync::LazyLock};

/// What source stands for something of which no row speaks.
pub const NO_ROW: Evidence = Evidence {
    source: "no row of the tables in src/device/compatibility",
    confidence: Confidence::Derived,
};

static TENSORRT: LazyLock<Vec<TensorRt>> =
    LazyLock::new(|| table::rows("tensorrt.csv", include_str!("tensorrt.csv")));
static CUDA: LazyLock<Vec<Cuda>> =
    LazyLock::new(|| table::rows("cuda.csv", include_str!("cuda.csv")));
static ONNX_RUNTIME: LazyLock<Vec<OnnxRuntime>> =
    LazyLock::new(|| table::rows("onnxruntime.csv", include_str!("onnxruntime.csv")));
static CAPABILITIES: LazyLock<Vec<Capability>> =
    LazyLock::new(|| table::rows("capability.csv", include_str!("capability.csv")));

/// All of tensorrt.csv, oldest first.
pub fn tensorrt() -> &'static [TensorRt] {
    &TENSORRT
}

/// All of cuda.csv, oldest first.
pub fn cuda() -> &'static [Cuda] {
    &CUDA
}

/// All of onnxruntime.csv, oldest first.
pub fn onnxruntime() -> &'static [OnnxRuntime] {
    &ONNX_RUNTIME
}

/// The highest ONNX operator set that any row mentions.
pub fn newest_opset() -> u32 {
    let tensorrt = tensorrt().iter().map(|row| row.possible_opset);
    tensorrt.chain(onnxruntime().iter().map(|row| row.max_opset)).max().unwrap_or_default()
}

/// What is known of a compute capability.
pub fn capability(capability: ComputeCapability) -> Option<&'static Capability> {
    CAPABILITIES.iter().find(|row| row.capability == capability)
}

/// Where the types of a TensorRT engine come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// From flags of its builder.
    Flags,
    /// From the graph alone.
    Graph,
}

/// A row of tensorrt.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorRt {
    pub from: Version,
    to: Version,
    soname: u32,
    windows_dll: Option<String>,
    #[serde(deserialize_with = "table::list")]
    cuda: Vec<Version>,
    pub separate_cuda: Option<bool>,
    pub cudnn: Option<Version>,
    pub min_capability: Option<ComputeCapability>,
    #[serde(deserialize_with = "table::list")]
    pub capabilities: Vec<ComputeCapability>,
    #[serde(deserialize_with = "table::list")]
    pub unconfirmed_capabilities: Vec<ComputeCapability>,
    pub min_opset: u32,
    pub max_opset: u32,
    pub possible_opset: u32,
    pub precision: Precision,
    #[serde(rename = "note")]
    _note: String,
    source: String,
    confidence_cuda: Confidence,
    confidence_capability: Confidence,
    confidence_opset: Confidence,
    confidence: Confidence,
}

impl TensorRt {
    /// The row that `version` belongs to; none if it is too short to tell.
    pub fn of(version: &Version) -> Option<&'static Self> {
        only(Self::all(version).into_iter())
    }

    /// All rows that `version` may mean: `8.6` is 8.6.0 and 8.6.1.
    pub fn all(version: &Version) -> Vec<&'static Self> {
        let means = |row: &&Self| {
            version.against(&row.from) != Ordering::Less
                && version.against(&row.to) != Ordering::Greater
        };
        tensorrt().iter().filter(means).collect()
    }

    /// The operator sets that its reader of ONNX files takes.
    pub fn opsets(&'static self) -> Opsets {
        let known = self.min_opset..=self.max_opset;
        Opsets { known, possible: self.possible_opset, evidence: self.on_opset() }
    }

    /// The library's file name: by `windows` or else Linux's; of a version without one on Windows
    /// Linux's.
    pub fn file(&self, windows: bool) -> String {
        let dll = self.windows_dll.clone().filter(|_| windows);
        dll.unwrap_or_else(|| format!("libnvinfer.so.{}", self.soname))
    }

    /// Major versions of the toolkits that it is built for, oldest first.
    pub fn cuda_majors(&self) -> Vec<u32> {
        let mut majors: Vec<u32> = self.cuda.iter().map(Version::major).collect();
        majors.dedup();
        majors
    }

    pub fn supports(&self, capability: ComputeCapability) -> bool {
        self.capabilities.contains(&capability)
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }

    pub fn on_cuda(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence_cuda }
    }

    pub fn on_capability(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence_capability }
    }

    pub fn on_opset(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence_opset }
    }
}

/// A row of cuda.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cuda {
    pub cuda: Version,
    driver_linux: Option<Version>,
    driver_windows: Option<Version>,
    floor_linux: Version,
    floor_windows: Version,
    #[serde(deserialize_with = "table::list")]
    pub nvrtc: Vec<ComputeCapability>,
    #[serde(rename = "note")]
    _note: String,
    source: String,
    confidence_driver: Confidence,
    confidence_nvrtc: Confidence,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
}

impl Cuda {
    /// The row of the toolkit that `version` belongs to.
    pub fn of(version: &Version) -> Option<&'static Self> {
        only(cuda().iter().filter(|row| version.against(&row.cuda).is_eq()))
    }

    /// A row that holds for all toolkits of a major version: the latest.
    pub fn of_major(major: u32) -> Option<&'static Self> {
        cuda().iter().rfind(|row| row.cuda.major() == major)
    }

    /// The oldest driver that toolkits of this major version run on.
    pub fn floor(&self, windows: bool) -> &Version {
        if windows { &self.floor_windows } else { &self.floor_linux }
    }

    /// The driver that it came with.
    pub fn driver(&self, windows: bool) -> Option<&Version> {
        if windows { &self.driver_windows } else { &self.driver_linux }.as_ref()
    }

    pub fn on_driver(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence_driver }
    }

    pub fn on_nvrtc(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence_nvrtc }
    }
}

/// A row of onnxruntime.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxRuntime {
    pub version: Version,
    pub cuda: Version,
    #[serde(rename = "where")]
    pub place: String,
    pub cudnn: Version,
    pub linked: bool,
    pub tensorrt: Version,
    pub max_opset: u32,
    #[serde(deserialize_with = "table::list")]
    kernels: Vec<Kernels>,
    #[serde(rename = "note")]
    _note: String,
    source: String,
    confidence_kernels: Confidence,
    confidence_tensorrt: Confidence,
    confidence: Confidence,
}

impl OnnxRuntime {
    /// The builds of `version`; none if it is too short to tell.
    pub fn builds(version: &Version) -> Vec<&'static Self> {
        let builds: Vec<&Self> =
            onnxruntime().iter().filter(|row| version.against(&row.version).is_eq()).collect();
        let same = builds.iter().all(|row| row.version == builds[0].version);
        if same { builds } else { Vec::new() }
    }

    /// Whether its CUDA provider has device code that `capability` executes.
    pub fn has_kernels(&self, capability: ComputeCapability) -> bool {
        self.kernels.iter().any(|kernels| kernels.run_on(capability))
    }

    /// Whether all its device code is for later cards than `capability`.
    pub fn is_too_new_for(&self, capability: ComputeCapability) -> bool {
        self.kernels.iter().all(|kernels| kernels.capability > capability)
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }

    pub fn on_kernels(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence_kernels }
    }

    pub fn on_tensorrt(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence_tensorrt }
    }
}

/// Device code for one compute capability. Others of the same generation with a higher minor number
/// execute it too (CUDA C Programming Guide, "Binary Compatibility"), unless it is `exact`.
#[derive(Clone, Copy, Debug)]
struct Kernels {
    capability: ComputeCapability,
    exact: bool,
}

impl Kernels {
    fn run_on(self, capability: ComputeCapability) -> bool {
        let later = self.capability.major == capability.major && self.capability <= capability;
        if self.exact { self.capability == capability } else { later }
    }
}

impl FromStr for Kernels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.strip_suffix('a');
        let capability = plain
            .unwrap_or(text)
            .parse()
            .map_err(|error: crate::cuda::Malformed| error.to_string())?;
        Ok(Self { capability, exact: plain.is_some() })
    }
}

/// By what arithmetic of one kind is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Means {
    #[serde(rename = "tensor cores")]
    TensorCores,
    /// Plain instructions.
    #[serde(rename = "arithmetic")]
    Arithmetic,
    /// The four-way dot product instruction.
    #[serde(rename = "dp4a")]
    Dp4a,
    #[serde(rename = "none")]
    None,
}

/// A row of capability.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    capability: ComputeCapability,
    pub architecture: String,
    pub integrated: bool,
    pub last_cudnn: Option<Version>,
    pub fp16_rate: Option<Rate>,
    pub fp16: Means,
    pub int8: Means,
    source: String,
    confidence: Confidence,
}

impl Capability {
    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// The one item there is; none if there are more.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next();
    first.filter(|_| items.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn every_row_parses_and_has_a_source() {
        // A word of confidence that is not known does not parse.
        let mut sources: Vec<&str> = tensorrt().iter().map(|row| row.source.as_str()).collect();
        sources.extend(cuda().iter().map(|row| row.source.as_str()));
        sources.extend(onnxruntime().iter().map(|row| row.source.as_str()));
        sources.extend(CAPABILITIES.iter().map(|row| row.source.as_str()));
        assert!(sources.len() > 90, "{}", sources.len());
        assert!(sources.iter().all(|source| source.len() > 10), "{sources:?}");
    }

    #[test]
    fn rows_are_in_order_and_do_not_overlap() {
        for pair in tensorrt().windows(2) {
            assert!(pair[0].to < pair[1].from, "{} {}", pair[0].to, pair[1].from);
            assert!(pair[0].from.against(&pair[0].to) != Ordering::Greater);
        }
        assert!(cuda().windows(2).all(|pair| pair[0].cuda < pair[1].cuda));
        assert!(onnxruntime().windows(2).all(|pair| pair[0].version <= pair[1].version));
        assert!(CAPABILITIES.windows(2).all(|pair| pair[0].capability < pair[1].capability));
        for row in tensorrt() {
            assert!(row.min_opset < row.max_opset && row.max_opset <= row.possible_opset);
            assert!(
                row.min_capability.is_none_or(|min| row.capabilities.iter().all(|c| *c >= min))
            );
            assert!(!row.cuda_majors().is_empty());
        }
    }

    #[test]
    fn one_driver_floor_holds_for_a_whole_major_version() {
        for row in cuda() {
            let major = Cuda::of_major(row.cuda.major()).unwrap();
            for windows in [false, true] {
                assert_eq!(row.floor(windows), major.floor(windows), "{}", row.cuda);
            }
        }
    }

    #[test]
    fn a_version_finds_its_row_and_a_short_one_none() {
        let from = |text| TensorRt::of(&version(text)).map(|row| row.from.to_string());
        assert_eq!(from("8.6.1.6").as_deref(), Some("8.6.1"));
        assert_eq!(from("8.4.3").as_deref(), Some("8.4.1"));
        assert_eq!(from("10.3.0.26").as_deref(), Some("10.3"));
        assert_eq!(from("9.2.0").as_deref(), Some("9.0"));
        for none in ["8.6", "10", "10.13", "10.13.1", "8.6.4", "12.0.0", "7.2.3", "0"] {
            assert_eq!(from(none), None, "{none}");
        }
        assert_eq!(OnnxRuntime::builds(&version("1.17.1")).len(), 2);
        assert_eq!(OnnxRuntime::builds(&version("1.31.1")).len(), 1);
        assert!(OnnxRuntime::builds(&version("1")).is_empty());
        assert!(OnnxRuntime::builds(&version("1.40.0")).is_empty());
    }

    #[test]
    fn device_code_runs_on_later_cards_of_its_generation_unless_it_is_for_one_alone() {
        let runs =
            |code: &str, card: &str| code.parse::<Kernels>().unwrap().run_on(card.parse().unwrap());
        assert!(runs("8.0", "8.6") && runs("6.1", "6.1") && runs("9.0a", "9.0"));
        assert!(!runs("8.6", "8.0") && !runs("8.0", "9.0") && !runs("12.0a", "12.1"));
    }
}
