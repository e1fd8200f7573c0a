//! Which hardware is here, what fits it, and how it is doing. Knows no engine and no model.

pub mod compatibility;
mod gpu;
pub mod libraries;
mod specs;
pub(crate) mod table;
pub mod telemetry;

pub use gpu::{CudaView, Gpu, Inventory};
pub use specs::{BytesPerSecond, Figure, OperationsPerSecond, Spec, spec_of, specs};

use crate::os::Host;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The host's processors.
    Cpu,
    /// A graphics card.
    Gpu,
}

/// A device that cells run on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Device {
    /// Kind.
    pub kind: Kind,
    /// Product name; for a device that was not found, what the scenario calls it.
    pub name: String,
    /// What tells it from all others: a GPU's UUID; for a CPU its model name and host. Empty for a
    /// device that was not found.
    pub uuid: String,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl Device {
    /// The host's processors.
    pub fn cpu(host: &Host) -> Self {
        let uuid = format!("cpu:{}@{}", host.cpu, host.name);
        Self { kind: Kind::Cpu, name: host.cpu.clone(), uuid }
    }

    /// A card; of several that have one name each gets its number with it.
    pub fn gpu(gpu: &Gpu, inventory: &Inventory) -> Self {
        let alone = inventory.gpus.iter().filter(|other| other.name == gpu.name).count() < 2;
        let name = if alone { gpu.name.clone() } else { format!("{} gpu:{}", gpu.name, gpu.index) };
        Self { kind: Kind::Gpu, name, uuid: gpu.uuid.to_string() }
    }

    /// Its product's name, without what tells it from another card of that product here.
    pub fn product(&self) -> &str {
        match self.name.rsplit_once(" gpu:") {
            Some((product, index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => product,
            _ => &self.name,
        }
    }

    fn missing(name: &str) -> Self {
        Self { kind: Kind::Gpu, name: name.to_owned(), uuid: String::new() }
    }
}

/// Whether a scenario's name of a device means a card, so that cards have to be looked for.
pub fn names_gpu(name: &str) -> bool {
    name.starts_with("gpu:")
}

/// The devices that a scenario's name stands for. A card that is not there comes back without a
/// UUID, under the name that the scenario has for it.
pub fn resolve(name: &str, host: &Host, inventory: &Inventory) -> Vec<Device> {
    if !names_gpu(name) {
        return vec![Device::cpu(host)];
    }
    let found: Vec<Device> =
        inventory.selected(name).map(|gpu| Device::gpu(gpu, inventory)).collect();
    if found.is_empty() { vec![Device::missing(name)] } else { found }
}
