//! What NVML tells of a card, in its own units.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a card is set to and who uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Power limit in force, in milliwatts.
    pub power_limit_mw: Option<u32>,
    /// Power limit as the card comes, in milliwatts.
    pub power_limit_default_mw: Option<u32>,
    /// Highest clock of the multiprocessors, in MHz.
    pub sm_clock_max_mhz: Option<u32>,
    /// Highest clock of the memory, in MHz.
    pub memory_clock_max_mhz: Option<u32>,
    /// Newest PCI Express generation that card and slot have.
    pub pcie_generation_max: Option<u32>,
    /// Most PCI Express lanes that card and slot have.
    pub pcie_width_max: Option<u32>,
    /// Whether the driver keeps the card initialised while nobody uses it.
    pub persistence: Option<bool>,
    /// Whether the card is divided into instances (MIG).
    pub mig: Option<bool>,
    /// Whether its memory corrects errors.
    pub ecc: Option<bool>,
    /// Processes that compute on it; none where it does not tell.
    pub processes: Option<Vec<Process>>,
}

/// A process that computes on a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process.
    pub pid: u32,
    /// Memory of the card that it holds, in bytes.
    pub memory_bytes: Option<u64>,
}

/// How a card is doing at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Clock of the multiprocessors, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory, in MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Temperature in °C.
    pub temperature_c: Option<u32>,
    /// Power drawn, in milliwatts.
    pub power_mw: Option<u32>,
    /// Energy since the driver was loaded, in millijoules.
    pub energy_mj: Option<u64>,
    /// Share of the last period in which a kernel ran.
    pub gpu_utilisation_percent: Option<u32>,
    /// Share of the last period in which memory was read or written.
    pub memory_utilisation_percent: Option<u32>,
    /// Why the clock is not higher.
    pub throttle: Option<ThrottleReasons>,
    /// PCI Express generation in use; a card at rest lowers it.
    pub pcie_generation: Option<u32>,
    /// PCI Express lanes in use.
    pub pcie_width: Option<u32>,
    /// Memory in use by all, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Errors of the memory that could not be corrected, since the driver was loaded.
    pub ecc_uncorrected: Option<u64>,
}

/// Why a card's clock is not higher: the bits of `nvmlClocksThrottleReasons` in NVIDIA's nvml.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ThrottleReasons(pub u64);

/// Bits with their names, and whether the card is held back by them against its will.
const REASONS: &[(u64, &str, bool)] = &[
    (0x1, "idle", false),
    (0x2, "application clocks", false),
    (0x4, "power limit", true),
    (0x8, "hardware slowdown", true),
    (0x10, "sync boost", false),
    (0x20, "software thermal limit", true),
    (0x40, "hardware thermal limit", true),
    (0x80, "power brake", true),
    (0x100, "display clocks", false),
];

impl ThrottleReasons {
    /// Whether heat or power holds the card back. That it is idle, or that somebody has chosen its
    /// clock, is no throttling.
    pub fn throttles(self) -> bool {
        REASONS.iter().any(|(bit, _, against)| *against && self.0 & bit != 0)
    }

    /// Names of the reasons; bits without a name as a number.
    pub fn names(self) -> Vec<String> {
        let known = REASONS.iter().filter(|(bit, ..)| self.0 & bit != 0);
        let mut names: Vec<String> = known.map(|(_, name, _)| (*name).to_owned()).collect();
        let rest = REASONS.iter().fold(self.0, |rest, (bit, ..)| rest & !bit);
        if rest != 0 {
            names.push(format!("{rest:#x}"));
        }
        names
    }
}

impl fmt::Display for ThrottleReasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        f.pad(&if names.is_empty() { "none".to_owned() } else { names.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_and_power_throttle_and_rest_does_not() {
        assert!(!ThrottleReasons(0).throttles() && !ThrottleReasons(0x113).throttles());
        for bit in [0x4, 0x8, 0x20, 0x40, 0x80] {
            assert!(ThrottleReasons(bit | 1).throttles());
        }
        assert_eq!(ThrottleReasons(0x24).to_string(), "power limit, software thermal limit");
        assert_eq!(ThrottleReasons(0x1000).to_string(), "0x1000");
        assert_eq!(ThrottleReasons(0).to_string(), "none");
    }
}
