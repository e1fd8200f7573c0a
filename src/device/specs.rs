//! Peak figures of graphics cards, by the name that a card reports. A table and its look-up; whether
//! a figure was confirmed comes with it. Knows no measurement.

use super::{
    compatibility::{ComputeCapability, Version},
    table::{self, Rate},
};
use crate::unit::{Bytes, Ratio};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::LazyLock};

static SPECS: LazyLock<Vec<Spec>> = LazyLock::new(|| {
    let rows: Vec<Row> = table::rows("specs.csv", include_str!("specs.csv"));
    rows.into_iter().map(Spec::from).collect()
});

/// The card that NVML or CUDA calls `product_name`, or that the table does. None for one that is not
/// in the table, however like its name is: laptops have chips of their own.
pub fn spec_of(product_name: &str) -> Option<&'static Spec> {
    // Drivers before 470 leave the maker's name out.
    let plain = |name: &str| name.trim().trim_start_matches("NVIDIA ").to_owned();
    let wanted = plain(product_name);
    specs().iter().find(|spec| {
        spec.name == wanted || spec.reported.iter().any(|reported| plain(reported) == wanted)
    })
}

/// All cards of the table.
pub fn specs() -> &'static [Spec] {
    &SPECS
}

/// A rate of arithmetic, in operations per second; a multiply-add is two.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct OperationsPerSecond(pub f64);

/// A rate of transfer, in bytes per second.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct BytesPerSecond(pub f64);

impl fmt::Display for OperationsPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} T/s", self.0 / 1e12))
    }
}

impl fmt::Display for BytesPerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.0} GB/s", self.0 / 1e9))
    }
}

/// A figure, and whether it was read from a source rather than derived.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct Figure<T> {
    /// The figure.
    pub value: T,
    /// Whether it was read from the row's source.
    pub confirmed: bool,
}

/// What a card can do at most. A figure that is not known, or does not exist, is none.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Spec {
    /// What the table calls it.
    pub name: String,
    /// What NVML and CUDA call it; empty where that does not tell it from others.
    pub reported: Vec<String>,
    /// The architecture, such as `Pascal`.
    pub architecture: String,
    /// Compute capability.
    pub capability: ComputeCapability,
    /// Number of streaming multiprocessors.
    pub multiprocessors: Option<Figure<u32>>,
    /// Number of CUDA cores.
    pub cuda_cores: Option<Figure<u32>>,
    /// Boost clock, MHz.
    pub boost_mhz: Option<Figure<u32>>,
    /// FP32 without tensor cores.
    pub fp32: Option<Figure<OperationsPerSecond>>,
    /// FP16 in tensor cores, dense, accumulated in FP16.
    pub fp16: Option<Figure<OperationsPerSecond>>,
    /// FP16 in tensor cores, dense, accumulated in FP32.
    pub fp16_fp32_accumulate: Option<Figure<OperationsPerSecond>>,
    /// FP16 without tensor cores, relative to FP32.
    pub fp16_rate: Option<Figure<Ratio>>,
    /// INT8, dense: in tensor cores, or by dp4a where there are none.
    pub int8: Option<Figure<OperationsPerSecond>>,
    /// Bandwidth of its memory.
    pub bandwidth: Option<Figure<BytesPerSecond>>,
    /// Its memory, by the maker's count of 2³⁰ bytes.
    pub memory: Option<Figure<Bytes>>,
    /// How it is connected, such as `3.0x16`.
    pub pcie: Option<Figure<String>>,
    /// The last TensorRT for it; none where support has not ended.
    pub last_tensorrt: Option<Version>,
    /// Where the figures come from.
    pub source: String,
    /// What else should be known.
    pub note: String,
}

/// A row of specs.csv, whose head says what the columns mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    reported: String,
    architecture: String,
    capability: ComputeCapability,
    multiprocessors: Option<u32>,
    cuda_cores: Option<u32>,
    boost_mhz: Option<u32>,
    fp32_tflops: Option<f64>,
    fp16_tflops: Option<f64>,
    fp16_fp32_accumulate_tflops: Option<f64>,
    fp16_rate: Option<Rate>,
    int8_tops: Option<f64>,
    bandwidth_gbs: Option<f64>,
    memory_gb: Option<u64>,
    pcie: Option<String>,
    last_tensorrt: Option<Version>,
    source: String,
    #[serde(deserialize_with = "table::list")]
    unconfirmed: Vec<String>,
    note: String,
}

impl From<Row> for Spec {
    fn from(row: Row) -> Self {
        let tera = |value: f64| OperationsPerSecond(value * 1e12);
        let unconfirmed = &row.unconfirmed;
        let operations = |column, value: Option<f64>| figure(unconfirmed, column, value.map(tera));
        let count = |column, value| figure(unconfirmed, column, value);
        let names = row.reported.split(';').map(str::trim).filter(|name| !name.is_empty());
        Self {
            multiprocessors: count("multiprocessors", row.multiprocessors),
            cuda_cores: count("cuda_cores", row.cuda_cores),
            boost_mhz: count("boost_mhz", row.boost_mhz),
            fp32: operations("fp32_tflops", row.fp32_tflops),
            fp16: operations("fp16_tflops", row.fp16_tflops),
            fp16_fp32_accumulate: operations(
                "fp16_fp32_accumulate_tflops",
                row.fp16_fp32_accumulate_tflops,
            ),
            fp16_rate: figure(unconfirmed, "fp16_rate", row.fp16_rate.map(Rate::ratio)),
            int8: operations("int8_tops", row.int8_tops),
            bandwidth: figure(
                unconfirmed,
                "bandwidth_gbs",
                row.bandwidth_gbs.map(|value| BytesPerSecond(value * 1e9)),
            ),
            memory: figure(unconfirmed, "memory_gb", row.memory_gb.map(|gb| Bytes(gb << 30))),
            pcie: figure(unconfirmed, "pcie", row.pcie),
            reported: names.map(str::to_owned).collect(),
            name: row.name,
            architecture: row.architecture,
            capability: row.capability,
            last_tensorrt: row.last_tensorrt,
            source: row.source,
            note: row.note,
        }
    }
}

fn figure<T>(unconfirmed: &[String], column: &str, value: Option<T>) -> Option<Figure<T>> {
    let confirmed = !unconfirmed.iter().any(|name| name == column);
    value.map(|value| Figure { value, confirmed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn cards_are_found_by_the_names_they_report() {
        let found = [
            ("NVIDIA GeForce GTX 1050 Ti", "GTX 1050 Ti"),
            ("GeForce GTX 1080 Ti", "GTX 1080 Ti"),
            ("NVIDIA GeForce RTX 3070", "RTX 3070"),
            ("Tesla T4", "T4"),
            ("Tesla V100-SXM2-32GB", "V100 SXM2 32GB"),
            ("NVIDIA A100-SXM4-40GB", "A100 SXM4 40GB"),
            ("NVIDIA H100 80GB HBM3", "H100 SXM5 80GB"),
            ("NVIDIA H200", "H200 SXM 141GB"),
            ("Jetson AGX Orin 64GB", "Jetson AGX Orin 64GB"),
        ];
        for (reported, name) in found {
            assert_eq!(spec_of(reported).map(|spec| spec.name.as_str()), Some(name), "{reported}");
        }
    }

    #[test]
    fn a_name_that_is_only_alike_finds_nothing() {
        for reported in [
            "NVIDIA GeForce RTX 3070 Ti",
            "NVIDIA GeForce RTX 3070 Laptop GPU",
            "RTX 3070 Laptop GPU",
            "NVIDIA GeForce GTX 1060 3GB",
            "NVIDIA GeForce GTX 1050",
            "NVIDIA A100-SXM4-80GB",
            "NVIDIA H100 PCIe",
            "Orin",
            "NVIDIA",
            "",
        ] {
            assert_eq!(spec_of(reported), None, "{reported}");
        }
    }

    #[test]
    fn every_card_has_a_source_and_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for spec in specs() {
            assert!(spec.source.len() > 10, "{}", spec.name);
            assert!(names.insert(&spec.name), "{}", spec.name);
            assert!(spec.reported.iter().all(|name| names.insert(name) || *name == spec.name));
        }
        assert_eq!(specs().len(), 21);
    }

    #[test]
    fn unconfirmed_figures_are_columns_of_the_table() {
        let rows: Vec<Row> = table::rows("specs.csv", include_str!("specs.csv"));
        let text = include_str!("specs.csv").lines().find(|line| line.starts_with("name,"));
        let columns: BTreeSet<&str> = text.unwrap().split(',').collect();
        for row in &rows {
            let unknown = row.unconfirmed.iter().find(|name| !columns.contains(name.as_str()));
            assert_eq!(unknown, None, "{}", row.name);
        }
    }

    #[test]
    fn figures_say_whether_they_are_confirmed_and_absent_ones_are_none() {
        let pascal = spec_of("NVIDIA GeForce GTX 1050 Ti").unwrap();
        assert_eq!(pascal.fp16, None);
        assert_eq!(pascal.fp16_rate, Some(Figure { value: Ratio(1.0 / 64.0), confirmed: true }));
        assert_eq!(
            pascal.fp32,
            Some(Figure { value: OperationsPerSecond(2.138e12), confirmed: true })
        );
        assert!(!pascal.int8.unwrap().confirmed);
        assert_eq!(pascal.memory.unwrap().value, Bytes(4 << 30));
        assert_eq!(pascal.last_tensorrt, Version::parse("8.6.1"));
        let orin = spec_of("Jetson AGX Orin 64GB").unwrap();
        assert_eq!((orin.fp16_rate, orin.bandwidth.unwrap().confirmed), (None, false));
        let unread = spec_of("NVIDIA A30").unwrap();
        assert!(!unread.fp32.unwrap().confirmed && !unread.memory.unwrap().confirmed);
    }

    #[test]
    fn no_figure_is_zero_and_cores_clock_and_rate_agree() {
        for spec in specs() {
            let rates = [spec.fp32, spec.fp16, spec.fp16_fp32_accumulate, spec.int8];
            assert!(rates.iter().flatten().all(|rate| rate.value.0 > 0.0), "{}", spec.name);
            assert!(spec.bandwidth.is_some_and(|rate| rate.value.0 > 0.0), "{}", spec.name);
            let (cores, clock) = (spec.cuda_cores.unwrap().value, spec.boost_mhz.unwrap().value);
            let peak = 2.0 * f64::from(cores) * f64::from(clock) * 1e6;
            let ratio = spec.fp32.unwrap().value.0 / peak;
            assert!((0.98..1.02).contains(&ratio), "{}: {ratio}", spec.name);
        }
    }
}
