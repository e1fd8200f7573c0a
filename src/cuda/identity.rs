//! What tells one card from another, and versions as the libraries number them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A card's UUID as NVIDIA writes it: `GPU-` and 32 hexadecimal digits in groups, lower case; that
/// of a part of a card begins with `MIG-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uuid(String);

/// Where a card sits on the PCI bus. Ordered as cards are numbered by `nvidia-smi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PciAddress {
    /// Domain.
    pub domain: u32,
    /// Bus.
    pub bus: u32,
    /// Device.
    pub device: u32,
}

/// Compute capability of a card, such as 8.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComputeCapability {
    /// Generation.
    pub major: u32,
    /// Variant.
    pub minor: u32,
}

/// A version of CUDA, such as 12.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CudaVersion {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
}

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}")]
pub struct Malformed {
    text: String,
    what: &'static str,
}

impl Uuid {
    /// From the sixteen bytes that the driver gives.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let hex = |range: std::ops::Range<usize>| -> String {
            bytes[range].iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let groups = [hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)];
        Self(format!("GPU-{}", groups.join("-")))
    }

    /// From the text that NVML gives.
    pub fn from_text(text: &str) -> Self {
        let text = text.trim();
        let at = text.find('-').map_or(0, |dash| dash + 1);
        Self(format!("{}{}", text[..at].to_uppercase(), text[at..].to_lowercase()))
    }

    /// As NVIDIA writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl ComputeCapability {
    /// Both parts as one number, as compilers are told: 86 for 8.6.
    pub fn sm(self) -> u32 {
        self.major * 10 + self.minor
    }
}

impl CudaVersion {
    /// From the number that the libraries give: 12020 for 12.2.
    pub fn from_number(number: i32) -> Self {
        let number = number.unsigned_abs();
        Self { major: number / 1000, minor: number % 1000 / 10 }
    }
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04x}:{:02x}:{:02x}.0", self.domain, self.bus, self.device))
    }
}

impl FromStr for PciAddress {
    type Err = Malformed;

    /// `0000:01:00.0`; NVML writes the domain with eight digits, and the function may be missing.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed { text: text.to_owned(), what: "address on the PCI bus" };
        let number = |part: &str| u32::from_str_radix(part, 16).map_err(|_| malformed());
        let mut parts = text.trim().split(':');
        let (Some(domain), Some(bus), Some(device), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let device = device.split('.').next().unwrap_or_default();
        Ok(Self { domain: number(domain)?, bus: number(bus)?, device: number(device)? })
    }
}

/// Two decimal numbers with a dot between them.
fn pair(text: &str, what: &'static str) -> Result<(u32, u32), Malformed> {
    let parts = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parts.ok_or_else(|| Malformed { text: text.to_owned(), what })
}

impl FromStr for ComputeCapability {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        pair(text, "compute capability").map(|(major, minor)| Self { major, minor })
    }
}

impl FromStr for CudaVersion {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        pair(text, "version of CUDA").map(|(major, minor)| Self { major, minor })
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $type {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                text.parse()
            }
        }
    )*};
}

as_text!(PciAddress, ComputeCapability, CudaVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_bytes_and_nvmls_text_name_the_same_card() {
        let bytes = [
            0x89, 0x32, 0xf9, 0x37, 0xd7, 0x2c, 0x41, 0x06, 0xc1, 0x2f, 0x20, 0xbd, 0x9f, 0xae,
            0xd9, 0xf6,
        ];
        let text = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6";
        assert_eq!(Uuid::from_bytes(bytes).as_str(), text);
        assert_eq!(Uuid::from_text("gpu-8932F937-d72c-4106-c12f-20bd9faed9f6\n").as_str(), text);
        assert_eq!(Uuid::from_text("MIG-AB").as_str(), "MIG-ab");
        assert_eq!(Uuid::from_text("ABC").as_str(), "abc");
    }

    #[test]
    fn an_address_is_the_same_however_wide_its_domain_is_written() {
        let parse = |text: &str| text.parse::<PciAddress>();
        assert_eq!(parse("00000000:0A:00.0"), parse("0000:0a:00.0"));
        assert_eq!(parse("0000:0a:00.0").unwrap().to_string(), "0000:0a:00.0");
        assert!(parse("0000:02:00.0").unwrap() < parse("0000:0a:00.0").unwrap());
        for wrong in ["", "01:00.0", "0000:zz:00.0", "0:0:0:0"] {
            assert!(parse(wrong).unwrap_err().to_string().contains("PCI bus"), "{wrong}");
        }
    }

    #[test]
    fn versions_and_capabilities_are_read_as_they_are_shown() {
        assert_eq!(CudaVersion::from_number(12020).to_string(), "12.2");
        assert_eq!("8.6".parse::<ComputeCapability>().unwrap().sm(), 86);
        let capability = |text: &str| text.parse::<ComputeCapability>().unwrap();
        assert!(capability("9.0") < capability("12.0"));
        assert!("8.6a".parse::<ComputeCapability>().is_err());
        assert!("8".parse::<ComputeCapability>().is_err() && "a.b".parse::<CudaVersion>().is_err());
    }
}
