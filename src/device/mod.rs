//! Which hardware is here. Knows no engine and no model.
//!
//! This build measures on CPUs; a GPU in a scenario is named, not looked for.

pub mod compatibility;
mod specs;
mod table;

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
    /// What tells it from all others: a GPU's UUID; for a CPU its model name and host.
    pub uuid: String,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// The devices that a scenario's name stands for; a GPU comes back unresolved, without a UUID.
pub fn resolve(name: &str, host: &Host) -> Vec<Device> {
    let device = if name == "cpu" {
        Device {
            kind: Kind::Cpu,
            name: host.cpu.clone(),
            uuid: format!("cpu:{}@{}", host.cpu, host.name),
        }
    } else {
        Device { kind: Kind::Gpu, name: name.to_owned(), uuid: String::new() }
    };
    vec![device]
}
