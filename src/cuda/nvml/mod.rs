//! NVML: what a card is set to, how it is doing, and its clocks. Unknown stays unknown: a figure
//! that a card does not tell is `None`.

mod reading;
mod sys;

pub use reading::{Facts, Process, Reading, ThrottleReasons};

use super::{PciAddress, Uuid};
use nvml_wrapper::{
    Device,
    enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor},
    enums::device::{GpuLockedClocksSetting, UsedGpuMemory},
    error::NvmlError,
};

/// The library's name to the system's loader.
#[cfg(unix)]
const LIBRARY: &str = "libnvidia-ml.so.1";
#[cfg(not(unix))]
const LIBRARY: &str = "nvml.dll";

/// The library, initialised; shut down when dropped.
pub struct Nvml(nvml_wrapper::Nvml);

/// A card as NVML lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Number by which NVML knows it.
    pub index: u32,
    /// Product name.
    pub name: String,
    /// UUID.
    pub uuid: Uuid,
    /// Place on the bus.
    pub pci: PciAddress,
}

/// Why NVML does not tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The library is not there, or does not start.
    #[error("{0}")]
    Unavailable(String),
    /// The card has fallen off the bus, or the driver has given it up.
    #[error("the card is lost: it has fallen off the bus or the driver has given it up")]
    Lost,
    /// This user may not.
    #[error("this user is not permitted to; it takes root, or an administrator's leave")]
    NoPermission,
    /// This card cannot.
    #[error("the card does not support it")]
    NotSupported,
    /// The library's own words.
    #[error("NVML: {0}")]
    Other(String),
}

impl From<NvmlError> for Error {
    fn from(error: NvmlError) -> Self {
        match error {
            NvmlError::GpuLost => Self::Lost,
            NvmlError::NoPermission => Self::NoPermission,
            NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_) => Self::NotSupported,
            NvmlError::DriverNotLoaded => Self::Unavailable(
                "NVML is there, but the kernel's NVIDIA module is not loaded: load it (modprobe \
                 nvidia), or restart the machine after an update of the driver"
                    .to_owned(),
            ),
            NvmlError::LibRmVersionMismatch => Self::Unavailable(
                "NVML and the kernel's NVIDIA module have different versions: restart the machine \
                 after an update of the driver"
                    .to_owned(),
            ),
            other => Self::Other(other.to_string()),
        }
    }
}

impl Nvml {
    /// Loads and initialises the library.
    ///
    /// # Errors
    /// [`Error::Unavailable`] without it.
    pub fn open() -> Result<Self, Error> {
        if let Some(why) = sys::obstacle(LIBRARY) {
            return Err(Error::Unavailable(why));
        }
        match nvml_wrapper::Nvml::builder().lib_path(LIBRARY.as_ref()).init() {
            Ok(nvml) => Ok(Self(nvml)),
            Err(NvmlError::FailedToLoadSymbol(symbol)) => Err(Error::Unavailable(format!(
                "{LIBRARY} is too old, or no NVML ({symbol}); install a newer driver"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// The driver's version, such as `535.104.05`.
    ///
    /// # Errors
    /// The library's word.
    pub fn driver_version(&self) -> Result<String, Error> {
        Ok(self.0.sys_driver_version()?)
    }

    /// The cards of this machine, in NVML's order. `CUDA_VISIBLE_DEVICES` means nothing to it.
    ///
    /// # Errors
    /// The library's word. A card that does not tell its name or place is left out.
    pub fn cards(&self) -> Result<Vec<Card>, Error> {
        let count = self.0.device_count()?;
        Ok((0..count).filter_map(|index| self.card(index).ok()).collect())
    }

    fn card(&self, index: u32) -> Result<Card, Error> {
        let device = self.0.device_by_index(index)?;
        let pci = device.pci_info()?;
        Ok(Card {
            index,
            name: device.name()?,
            uuid: Uuid::from_text(&device.uuid()?),
            pci: PciAddress { domain: pci.domain, bus: pci.bus, device: pci.device },
        })
    }

    fn device(&self, uuid: &Uuid) -> Result<Device<'_>, Error> {
        Ok(self.0.device_by_uuid(uuid.as_str())?)
    }

    /// What the card is set to.
    ///
    /// # Errors
    /// Without such a card.
    pub fn facts(&self, uuid: &Uuid) -> Result<Facts, Error> {
        let device = self.device(uuid)?;
        Ok(Facts {
            power_limit_mw: device.enforced_power_limit().ok(),
            power_limit_default_mw: device.power_management_limit_default().ok(),
            sm_clock_max_mhz: device.max_clock_info(Clock::SM).ok(),
            memory_clock_max_mhz: device.max_clock_info(Clock::Memory).ok(),
            pcie_generation_max: device.max_pcie_link_gen().ok(),
            pcie_width_max: device.max_pcie_link_width().ok(),
            persistence: device.is_in_persistent_mode().ok(),
            mig: device.mig_mode().ok().map(|mode| mode.current == 1),
            ecc: device.is_ecc_enabled().ok().map(|mode| mode.currently_enabled),
            processes: processes(&device),
        })
    }

    /// How the card is doing at this moment.
    ///
    /// # Errors
    /// Without such a card, or [`Error::Lost`]. A single figure that it does not tell is none.
    pub fn reading(&self, uuid: &Uuid) -> Result<Reading, Error> {
        let device = self.device(uuid)?;
        let utilisation = device.utilization_rates().ok();
        Ok(Reading {
            sm_clock_mhz: told(device.clock_info(Clock::SM))?,
            memory_clock_mhz: told(device.clock_info(Clock::Memory))?,
            temperature_c: told(device.temperature(TemperatureSensor::Gpu))?,
            power_mw: told(device.power_usage())?,
            energy_mj: told(device.total_energy_consumption())?,
            gpu_utilisation_percent: utilisation.as_ref().map(|rates| rates.gpu),
            memory_utilisation_percent: utilisation.as_ref().map(|rates| rates.memory),
            throttle: told(device.current_throttle_reasons())?
                .map(|reasons| ThrottleReasons(reasons.bits())),
            pcie_generation: told(device.current_pcie_link_gen())?,
            pcie_width: told(device.current_pcie_link_width())?,
            memory_used_bytes: told(device.memory_info())?.map(|memory| memory.used),
            ecc_uncorrected: device
                .total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)
                .ok(),
        })
    }

    /// Holds the card's clock at `mhz` until [`Nvml::unlock_clock`], whatever becomes of this
    /// process.
    ///
    /// # Errors
    /// [`Error::NoPermission`], [`Error::NotSupported`], or the library's word.
    pub fn lock_clock(&self, uuid: &Uuid, mhz: u32) -> Result<(), Error> {
        let setting = GpuLockedClocksSetting::Numeric { min_clock_mhz: mhz, max_clock_mhz: mhz };
        Ok(self.device(uuid)?.set_gpu_locked_clocks(setting)?)
    }

    /// Lets the card choose its clock again.
    ///
    /// # Errors
    /// The library's word.
    pub fn unlock_clock(&self, uuid: &Uuid) -> Result<(), Error> {
        Ok(self.device(uuid)?.reset_gpu_locked_clocks()?)
    }
}

/// A figure that the card does not tell is none; that the card is lost is an error.
fn told<T>(answer: Result<T, NvmlError>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(NvmlError::GpuLost) => Err(Error::Lost),
        Err(_) => Ok(None),
    }
}

fn processes(device: &Device<'_>) -> Option<Vec<Process>> {
    let found = device.running_compute_processes().ok()?;
    let process = |info: nvml_wrapper::struct_wrappers::device::ProcessInfo| Process {
        pid: info.pid,
        memory_bytes: match info.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        },
    };
    Some(found.into_iter().map(process).collect())
}
