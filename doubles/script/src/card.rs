//! One card as the script describes it: what it is and how long its work takes. Its sensors are in
//! `readings.rs`.

use crate::readings::Readings;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, num::ParseIntError, str::FromStr};

/// A card. The defaults are those of an Ampere card with 24 GiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Card {
    /// Marketing name.
    pub name: String,
    /// `GPU-` and 8-4-4-4-12 hexadecimal digits.
    pub uuid: String,
    /// Major and minor.
    pub compute_capability: (i32, i32),
    /// Number of streaming multiprocessors.
    pub multiprocessors: i32,
    /// All of the card's memory.
    pub memory_bytes: u64,
    /// Width of the memory bus.
    pub memory_bus_bits: i32,
    /// Size of the second-level cache.
    pub l2_bytes: i32,
    /// Whether the card shares the host's memory.
    pub integrated: bool,
    /// Copy engines.
    pub async_engines: i32,
    /// Place on the bus.
    pub pci: PciAddress,
    /// Place in CUDA's default order, `FASTEST_FIRST`; only the order of the ranks counts.
    pub cuda_rank: u32,
    /// Place in NVML's order; only the order of the ranks counts.
    pub nvml_rank: u32,
    /// How long its work takes.
    pub timing: Timing,
    /// What its sensors read.
    pub readings: Readings,
}

impl Default for Card {
    fn default() -> Self {
        Self::numbered(0)
    }
}

impl Card {
    /// A card that differs from those with other numbers in name, UUID, PCI bus and both ranks.
    pub fn numbered(number: u8) -> Self {
        Self {
            name: format!("NVIDIA Test Card {number}"),
            uuid: format!("GPU-{number:08x}-0000-4000-8000-{number:012x}"),
            compute_capability: (8, 6),
            multiprocessors: 82,
            memory_bytes: 24 << 30,
            memory_bus_bits: 384,
            l2_bytes: 6 << 20,
            integrated: false,
            async_engines: 2,
            pci: PciAddress { domain: 0, bus: number.saturating_add(1), device: 0, function: 0 },
            cuda_rank: number.into(),
            nvml_rank: number.into(),
            timing: Timing::default(),
            readings: Readings::default(),
        }
    }

    /// The bytes of the UUID; zeroes where it is none, which no script that was read has.
    pub fn uuid_bytes(&self) -> [u8; 16] {
        uuid_bytes(&self.uuid).unwrap_or_default()
    }
}

/// The bytes of a UUID of the form `GPU-8-4-4-4-12`.
pub fn uuid_bytes(uuid: &str) -> Option<[u8; 16]> {
    let groups: Vec<&str> = uuid.strip_prefix("GPU-")?.split('-').collect();
    if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
        return None;
    }
    let number = u128::from_str_radix(&groups.concat(), 16).ok()?;
    Some(number.to_be_bytes())
}

/// A place on the PCI bus, written `00000000:01:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// Domain.
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device.
    pub device: u8,
    /// Function.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(out, "{domain:08X}:{bus:02X}:{device:02X}.{function:X}")
    }
}

impl FromStr for PciAddress {
    type Err = String;

    /// Reads addresses with four and with eight digits of domain.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("no PCI address of the form 00000000:01:00.0: {text}");
        let not_hex = |_: ParseIntError| wrong();
        let (front, function) = text.split_once('.').ok_or_else(wrong)?;
        let [domain, bus, device] =
            <[&str; 3]>::try_from(front.split(':').collect::<Vec<_>>()).map_err(|_| wrong())?;
        Ok(Self {
            domain: u32::from_str_radix(domain, 16).map_err(not_hex)?,
            bus: u8::from_str_radix(bus, 16).map_err(not_hex)?,
            device: u8::from_str_radix(device, 16).map_err(not_hex)?,
            function: u8::from_str_radix(function, 16).map_err(not_hex)?,
        })
    }
}

impl TryFrom<String> for PciAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PciAddress> for String {
    fn from(address: PciAddress) -> Self {
        address.to_string()
    }
}

/// How long a card's work takes on its virtual clock, in whole nanoseconds so that sums are exact.
/// Streams do not slow each other down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// Copies from the host.
    pub host_to_device: Transfer,
    /// Copies to the host.
    pub device_to_host: Transfer,
    /// A kernel that is not named below.
    pub kernel_ns: u64,
    /// Kernels by name.
    pub named_kernel_ns: BTreeMap<String, u64>,
    /// Filling memory, whatever its size.
    pub memset_ns: u64,
    /// A launch of a graph, whatever is in it; without it, the sum of what is in it.
    pub graph_launch_ns: Option<u64>,
}

impl Default for Timing {
    /// About what PCIe 4.0 × 16 gives.
    fn default() -> Self {
        Self {
            host_to_device: Transfer { latency_ns: 8_000, ns_per_kib: 40 },
            device_to_host: Transfer { latency_ns: 8_000, ns_per_kib: 40 },
            kernel_ns: 10_000,
            named_kernel_ns: BTreeMap::new(),
            memset_ns: 3_000,
            graph_launch_ns: None,
        }
    }
}

impl Timing {
    /// How long a kernel takes, in nanoseconds.
    pub fn kernel(&self, name: &str) -> u64 {
        self.named_kernel_ns.get(name).copied().unwrap_or(self.kernel_ns)
    }
}

/// How long copies in one direction take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transfer {
    /// What every copy takes.
    pub latency_ns: u64,
    /// What 1024 bytes take on top.
    pub ns_per_kib: u64,
}

impl Transfer {
    /// How long a copy of so many bytes takes, in nanoseconds, rounded down.
    pub fn duration_ns(&self, bytes: u64) -> u64 {
        self.latency_ns.saturating_add(bytes.saturating_mul(self.ns_per_kib) / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_takes_its_latency_and_its_bytes() {
        let transfer = Transfer { latency_ns: 100, ns_per_kib: 40 };
        assert_eq!(
            [0, 1024, 2560, 12].map(|bytes| transfer.duration_ns(bytes)),
            [100, 140, 200, 100]
        );
    }

    #[test]
    fn addresses_are_read_with_either_width_of_domain() {
        let address: PciAddress = "0000:3b:00.1".parse().unwrap();
        assert_eq!(address.to_string(), "00000000:3B:00.1");
        assert_eq!(address, "00000000:3B:00.1".parse().unwrap());
        for wrong in ["", "0000:3b:00", "0000:3b.0", "0:1:2:3.0", "0000:xx:00.0"] {
            assert!(wrong.parse::<PciAddress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_uuids_of_cards_have_bytes() {
        let bytes = uuid_bytes("GPU-01020304-0506-0708-090a-0b0c0d0e0f10").unwrap();
        assert_eq!(bytes.to_vec(), (1..=16).collect::<Vec<u8>>());
        assert_eq!(uuid_bytes("MIG-01020304-0506-0708-090a-0b0c0d0e0f10"), None);
        assert_eq!(uuid_bytes("GPU-01020304-0506-0708-090a0b0c0d0e0f10"), None);
    }
}
