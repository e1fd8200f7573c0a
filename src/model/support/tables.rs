//! The tables as rows, and how a row is found. Judges nothing; what the columns mean is said at the
//! head of each table.

use crate::device::{
    compatibility::{Confidence, Evidence, Version},
    table,
};
use serde::Deserialize;
use std::{collections::HashMap, fmt, hash::Hash, str::FromStr, sync::LazyLock};

/// Rows by their key.
type By<K, R> = LazyLock<HashMap<K, R>>;

static ONNX: By<(String, String), OnnxOperator> = LazyLock::new(|| {
    let rows = table::rows("onnx_operators.csv", include_str!("onnx_operators.csv"));
    by(rows, |row: &OnnxOperator| (row.domain.clone(), row.operator.clone()))
});
static ONNX_RUNTIME: By<(String, String, u32), OrtOperator> = LazyLock::new(|| {
    let rows = table::rows("onnxruntime_operators.csv", include_str!("onnxruntime_operators.csv"));
    by(rows, |row: &OrtOperator| (row.domain.clone(), row.operator.clone(), row.version))
});
static ONNX_RUNTIME_FORMATS: LazyLock<Vec<OrtFormat>> = LazyLock::new(|| {
    table::rows("onnxruntime_formats.csv", include_str!("onnxruntime_formats.csv"))
});
static TENSORRT: By<String, TrtOperator> = LazyLock::new(|| {
    let rows = table::rows("tensorrt_operators.csv", include_str!("tensorrt_operators.csv"));
    by(rows, |row: &TrtOperator| row.operator.clone())
});
static TENSORRT_CONSTANTS: LazyLock<Vec<TrtConstant>> =
    LazyLock::new(|| table::rows("tensorrt_constants.csv", include_str!("tensorrt_constants.csv")));
static TENSORRT_TYPES: LazyLock<Vec<TrtType>> =
    LazyLock::new(|| table::rows("tensorrt_types.csv", include_str!("tensorrt_types.csv")));
static PADDLE: By<String, PaddleOperator> = LazyLock::new(|| {
    let rows = table::rows("paddle_operators.csv", include_str!("paddle_operators.csv"));
    by(rows, |row: &PaddleOperator| row.operator.clone())
});
static PADDLE_LIMITS: LazyLock<Vec<PaddleLimit>> =
    LazyLock::new(|| table::rows("paddle_limits.csv", include_str!("paddle_limits.csv")));
static PADDLE_RELEASES: LazyLock<Vec<PaddleRelease>> =
    LazyLock::new(|| table::rows("paddle_releases.csv", include_str!("paddle_releases.csv")));

fn by<K: Eq + Hash, R>(rows: Vec<R>, key: impl Fn(&R) -> K) -> HashMap<K, R> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

/// Something that begins to hold with a release, as tables write it: `uint8:1.26`, or the word alone
/// where it holds since the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since<T> {
    /// What holds.
    pub what: T,
    /// The release; none for the first of the row.
    pub release: Option<Version>,
}

impl<T: FromStr<Err: fmt::Display>> FromStr for Since<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, release) = match text.split_once(':') {
            Some((what, release)) => (what, Some(release.parse()?)),
            None => (text, None),
        };
        what.parse()
            .map(|what| Self { what, release })
            .map_err(|error: T::Err| format!("{text}: {error}"))
    }
}

/// A row of onnx_operators.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxOperator {
    domain: String,
    operator: String,
    #[serde(deserialize_with = "table::list")]
    versions: Vec<u32>,
    pub deprecated: Option<u32>,
    source: String,
    confidence: Confidence,
}

impl OnnxOperator {
    pub fn of(domain: &str, operator: &str) -> Option<&'static Self> {
        ONNX.get(&(domain.to_owned(), operator.to_owned()))
    }

    /// The operator set that defines the operator for a model of `opset`; none where that is too old.
    pub fn version(&self, opset: u32) -> Option<u32> {
        self.versions.iter().copied().rfind(|&version| version <= opset)
    }

    /// The operator set that introduced it.
    pub fn first(&self) -> u32 {
        self.versions.first().copied().unwrap_or_default()
    }

    /// The newest operator set that changed anything.
    pub fn newest() -> u32 {
        let own = ONNX.values().filter(|row| row.domain == "ai.onnx");
        own.flat_map(|row| row.versions.iter().copied()).max().unwrap_or_default()
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// A row of onnxruntime_operators.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrtOperator {
    domain: String,
    operator: String,
    version: u32,
    pub read: Version,
    pub since: Option<Version>,
    #[serde(deserialize_with = "table::list")]
    pub types: Vec<Since<String>>,
    source: String,
    confidence: Confidence,
}

impl OrtOperator {
    pub fn of(domain: &str, operator: &str, version: u32) -> Option<&'static Self> {
        ONNX_RUNTIME.get(&(domain.to_owned(), operator.to_owned(), version))
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// A row of onnxruntime_formats.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrtFormat {
    version: Version,
    pub max_ir: u64,
    source: String,
    confidence: Confidence,
}

impl OrtFormat {
    pub fn of(release: &Version) -> Option<&'static Self> {
        ONNX_RUNTIME_FORMATS.iter().find(|row| row.version == *release)
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// How TensorRT takes an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Its reader of ONNX files knows it.
    Importer,
    /// The library of plugins has one of that name.
    Plugin,
}

/// A row of tensorrt_operators.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrtOperator {
    operator: String,
    pub kind: Kind,
    pub since: Option<Version>,
    pub until: Option<Version>,
    pub lacking: Option<Version>,
    pub experimental: Option<Version>,
    source: String,
    confidence: Confidence,
}

impl TrtOperator {
    pub fn of(operator: &str) -> Option<&'static Self> {
        TENSORRT.get(operator)
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// A row of tensorrt_constants.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrtConstant {
    pub operator: String,
    pub operand: usize,
    pub name: String,
    pub from: Version,
    pub to: Version,
    source: String,
    confidence: Confidence,
}

impl TrtConstant {
    pub fn of(release: &Version) -> impl Iterator<Item = &'static Self> {
        TENSORRT_CONSTANTS.iter().filter(|row| within(release, &row.from, &row.to))
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// What TensorRT makes of an element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// Takes it.
    Takes,
    /// Converts it, which is worth knowing.
    Converts,
    /// Takes it of inputs and outputs alone.
    Ends,
    /// Refuses it.
    Refuses,
}

/// A row of tensorrt_types.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrtType {
    pub dtype: String,
    pub from: Version,
    pub to: Version,
    pub treatment: Treatment,
    pub words: String,
    source: String,
    confidence: Confidence,
}

impl TrtType {
    pub fn of(dtype: &str, release: &Version) -> Option<&'static Self> {
        TENSORRT_TYPES.iter().find(|row| row.dtype == dtype && within(release, &row.from, &row.to))
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// A row of paddle_operators.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaddleOperator {
    operator: String,
    pub since: Version,
    pub until: Option<Version>,
    #[serde(deserialize_with = "releases")]
    pub versions: Vec<(Version, u64)>,
    #[serde(deserialize_with = "table::list")]
    pub ran: Vec<Version>,
    source: String,
    confidence: Confidence,
}

impl PaddleOperator {
    pub fn of(operator: &str) -> Option<&'static Self> {
        PADDLE.get(operator)
    }

    /// Its version in the registry of that release.
    pub fn version(&self, release: &Version) -> u64 {
        let before = self.versions.iter().rfind(|(since, _)| since <= release);
        before.map(|&(_, version)| version).unwrap_or_default()
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// A cell of `release:number` words.
fn releases<'de, D: serde::Deserializer<'de>>(cell: D) -> Result<Vec<(Version, u64)>, D::Error> {
    let words: Vec<Since<String>> = table::list(cell)?;
    let pair = |word: Since<String>| {
        let number = word.release.map(|number| number.to_string()).unwrap_or_default();
        Some((word.what.parse().ok()?, number.parse().ok()?))
    };
    let pairs: Option<_> = words.into_iter().map(pair).collect();
    pairs.ok_or_else(|| serde::de::Error::custom("words of the form RELEASE:NUMBER"))
}

/// What a program may have that a release cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Lack {
    /// An output that is left out.
    XShape,
    /// An operand without dimensions.
    #[serde(rename = "scalar")]
    Scalar,
}

/// A row of paddle_limits.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaddleLimit {
    pub operator: String,
    pub lacks: Lack,
    pub from: Version,
    pub to: Version,
    pub effect: String,
    source: String,
    confidence: Confidence,
}

impl PaddleLimit {
    pub fn of(release: &Version) -> Vec<&'static Self> {
        PADDLE_LIMITS.iter().filter(|row| within(release, &row.from, &row.to)).collect()
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// A row of paddle_releases.csv.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaddleRelease {
    pub version: Version,
    pub pir: Option<u64>,
    source: String,
    confidence: Confidence,
}

impl PaddleRelease {
    pub fn of(release: &Version) -> Option<&'static Self> {
        PADDLE_RELEASES.iter().find(|row| row.version == *release)
    }

    /// All of them, oldest first.
    pub fn all() -> &'static [Self] {
        &PADDLE_RELEASES
    }

    pub fn evidence(&'static self) -> Evidence {
        Evidence { source: &self.source, confidence: self.confidence }
    }
}

/// Whether a release, of two numbers, is one of `from` to `to`.
fn within(release: &Version, from: &Version, to: &Version) -> bool {
    from <= release && release <= to
}
