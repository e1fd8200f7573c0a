//! What a card's sensors read, one value after the other. Which NVML call reads which is known to
//! `doubles/nvml`.

use serde::{Deserialize, Serialize};

/// The values that a sensor gives one after the other; it stays on the last. In JSON a list, or
/// null for a sensor that the card does not have (`NVML_ERROR_NOT_SUPPORTED`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Series<T>(Option<Vec<T>>);

impl<T: Clone> Series<T> {
    /// A sensor that the card does not have.
    pub fn unsupported() -> Self {
        Self(None)
    }

    /// The value of the reading with this number; none where the card has no such sensor.
    pub fn at(&self, reading: usize) -> Option<T> {
        let values = self.0.as_ref()?;
        values.get(reading).or(values.last()).cloned()
    }
}

impl<T, const N: usize> From<[T; N]> for Series<T> {
    fn from(values: [T; N]) -> Self {
        Self(Some(values.into()))
    }
}

impl<T> From<Vec<T>> for Series<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Some(values))
    }
}

/// A process on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What it holds of the card's memory.
    pub used_bytes: u64,
}

/// A card's sensors. Every process reads each of them from its beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say the quantity and its unit, as NVML's calls do")]
pub struct Readings {
    pub graphics_clock_mhz: Series<u32>,
    pub sm_clock_mhz: Series<u32>,
    pub memory_clock_mhz: Series<u32>,
    pub max_graphics_clock_mhz: Series<u32>,
    pub max_sm_clock_mhz: Series<u32>,
    pub max_memory_clock_mhz: Series<u32>,
    /// Highest first, as NVML lists them.
    pub supported_graphics_clocks_mhz: Series<Vec<u32>>,
    /// Highest first, as NVML lists them.
    pub supported_memory_clocks_mhz: Series<Vec<u32>>,
    pub temperature_c: Series<u32>,
    pub power_mw: Series<u32>,
    pub power_limit_mw: Series<u32>,
    pub enforced_power_limit_mw: Series<u32>,
    pub default_power_limit_mw: Series<u32>,
    pub min_power_limit_mw: Series<u32>,
    pub max_power_limit_mw: Series<u32>,
    /// Energy since the driver was loaded.
    pub energy_mj: Series<u64>,
    pub gpu_utilisation_percent: Series<u32>,
    pub memory_utilisation_percent: Series<u32>,
    /// Bits of `nvmlClocksThrottleReason*`.
    pub throttle_reasons: Series<u64>,
    pub pcie_generation: Series<u32>,
    pub pcie_width: Series<u32>,
    pub max_pcie_generation: Series<u32>,
    pub max_pcie_width: Series<u32>,
    pub pcie_sent_kib_s: Series<u32>,
    pub pcie_received_kib_s: Series<u32>,
    /// 0 is fastest.
    pub performance_state: Series<u32>,
    pub persistence: Series<bool>,
    pub mig_mode: Series<bool>,
    pub ecc_enabled: Series<bool>,
    pub ecc_corrected_errors: Series<u64>,
    pub ecc_uncorrected_errors: Series<u64>,
    pub memory_used_bytes: Series<u64>,
    /// Processes that compute.
    pub processes: Series<Vec<Process>>,
}

impl Default for Readings {
    /// An idle card without ECC and MIG, cool and with no process on it.
    fn default() -> Self {
        Self {
            graphics_clock_mhz: [1695].into(),
            sm_clock_mhz: [1695].into(),
            memory_clock_mhz: [9751].into(),
            max_graphics_clock_mhz: [2100].into(),
            max_sm_clock_mhz: [2100].into(),
            max_memory_clock_mhz: [9751].into(),
            supported_graphics_clocks_mhz: [vec![2100, 1905, 1695, 1410, 1005, 210]].into(),
            supported_memory_clocks_mhz: [vec![9751, 5001, 405]].into(),
            temperature_c: [45].into(),
            power_mw: [120_000].into(),
            power_limit_mw: [350_000].into(),
            enforced_power_limit_mw: [350_000].into(),
            default_power_limit_mw: [350_000].into(),
            min_power_limit_mw: [100_000].into(),
            max_power_limit_mw: [400_000].into(),
            energy_mj: [1_000_000].into(),
            gpu_utilisation_percent: [0].into(),
            memory_utilisation_percent: [0].into(),
            throttle_reasons: [0].into(),
            pcie_generation: [4].into(),
            pcie_width: [16].into(),
            max_pcie_generation: [4].into(),
            max_pcie_width: [16].into(),
            pcie_sent_kib_s: [0].into(),
            pcie_received_kib_s: [0].into(),
            performance_state: [0].into(),
            persistence: [true].into(),
            mig_mode: Series::unsupported(),
            ecc_enabled: Series::unsupported(),
            ecc_corrected_errors: Series::unsupported(),
            ecc_uncorrected_errors: Series::unsupported(),
            memory_used_bytes: [512 << 20].into(),
            processes: [vec![]].into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_stays_on_its_last_value() {
        let series = Series::from([3, 1]);
        assert_eq!(
            [0, 1, 2, 9].map(|reading| series.at(reading)),
            [Some(3), Some(1), Some(1), Some(1)]
        );
        assert_eq!(Series::<u32>::unsupported().at(0), None);
    }
}
