//! The cards of this machine: what CUDA and what NVML say of them, joined by UUID, as each counts
//! them in an order of its own.

use crate::{
    cuda::{
        self, ComputeCapability, CudaVersion, Driver, PciAddress, Uuid,
        nvml::{self, Facts, Nvml, Reading},
    },
    unit::Bytes,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// All cards, and why there are none or not more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// The driver's version, such as `535.104.05`.
    pub driver: Option<String>,
    /// The newest CUDA that the driver speaks.
    pub cuda: Option<CudaVersion>,
    /// Cards in the order of their places on the PCI bus.
    pub gpus: Vec<Gpu>,
    /// Why the driver's library cannot be used, if it cannot.
    pub cuda_problem: Option<String>,
    /// Why NVML cannot be used, if it cannot.
    pub nvml_problem: Option<String>,
}

/// A card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Number in the order of places on the PCI bus, as `nvidia-smi` counts.
    pub index: usize,
    /// Product name.
    pub name: String,
    /// UUID.
    pub uuid: Uuid,
    /// Place on the bus.
    pub pci: PciAddress,
    /// What CUDA says of it; none where CUDA does not show it to this process.
    pub cuda: Option<CudaView>,
    /// Number by which NVML knows it.
    pub nvml_index: Option<u32>,
    /// What it is set to, by NVML.
    pub facts: Option<Facts>,
    /// How it is doing, by NVML.
    pub reading: Option<Reading>,
}

/// A card as CUDA sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CudaView {
    /// Number by which CUDA knows it in this process.
    pub ordinal: i32,
    /// Compute capability.
    pub capability: ComputeCapability,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Memory.
    pub memory: Bytes,
}

impl Inventory {
    /// Asks driver and NVML. They may take a second, and a broken driver may hang or end the
    /// process: ask in a process that can be spared.
    pub fn read() -> Self {
        let (driver, cuda_problem) = split(Driver::open());
        let (nvml, nvml_problem) = split(Nvml::open());
        let (cards, card_problem) = driver.map_or_else(Default::default, cards);
        let (listed, list_problem) = split(nvml.as_ref().map_or(Ok(Vec::new()), Nvml::cards));
        let mut gpus = join(cards, listed.unwrap_or_default());
        for gpu in &mut gpus {
            if let (Some(nvml), Some(_)) = (&nvml, gpu.nvml_index) {
                gpu.facts = nvml.facts(&gpu.uuid).ok();
                gpu.reading = nvml.reading(&gpu.uuid).ok();
            }
        }
        Self {
            driver: nvml.as_ref().and_then(|nvml| nvml.driver_version().ok()),
            cuda: driver.and_then(|driver| driver.version().ok()),
            gpus,
            cuda_problem: cuda_problem.or(card_problem),
            nvml_problem: nvml_problem.or(list_problem),
        }
    }

    /// The cards that a scenario's name stands for: `gpu:all`, `gpu:<index>`, `gpu:<uuid>` or
    /// `gpu:<part of the name>`. Digits are an index where there are that many cards, else a part
    /// of a name.
    pub fn selected<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Gpu> + use<'a> {
        let wanted = name.strip_prefix("gpu:").unwrap_or(name).to_lowercase();
        let index = wanted.parse::<usize>().ok().filter(|&index| index < self.gpus.len());
        self.gpus.iter().filter(move |gpu| match index {
            Some(index) => gpu.index == index,
            None if wanted == "all" => true,
            None if wanted.starts_with("gpu-") || wanted.starts_with("mig-") => {
                gpu.uuid.as_str().to_lowercase().starts_with(&wanted)
            }
            None => gpu.name.to_lowercase().contains(&wanted),
        })
    }

    /// The card with that UUID.
    pub fn with_uuid(&self, uuid: &str) -> Option<&Gpu> {
        self.gpus.iter().find(|gpu| gpu.uuid.as_str() == uuid)
    }

    /// Why there is no card by that name in a scenario, with those that there are.
    pub fn why_missing(&self, name: &str) -> String {
        if self.gpus.is_empty() {
            let why = self.cuda_problem.as_deref().or(self.nvml_problem.as_deref());
            return format!("no GPU here: {}", why.unwrap_or("the driver lists none"));
        }
        let there: Vec<String> = self.gpus.iter().map(ToString::to_string).collect();
        format!("no GPU here is `{name}`; there are: {}", there.join(", "))
    }
}

impl Gpu {
    /// Why CUDA cannot use it in this process, if it cannot.
    pub fn hidden(&self, inventory: &Inventory) -> Option<String> {
        if self.facts.as_ref().is_some_and(|facts| facts.mig == Some(true)) {
            return Some(
                "it is divided into instances (MIG): whole cards alone are measured".into(),
            );
        }
        if self.cuda.is_some() {
            return None;
        }
        Some(match &inventory.cuda_problem {
            Some(problem) => format!("CUDA cannot use {}: {problem}", self.name),
            None => format!(
                "CUDA_VISIBLE_DEVICES{} hides it: CUDA counts in an order of its own, the fastest \
                 card first; unset the variable, or set it to {}",
                visible_devices(),
                self.uuid
            ),
        })
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gpu:{} {} ({})", self.index, self.name, self.uuid)
    }
}

/// The variable's value, as it is set.
fn visible_devices() -> String {
    std::env::var("CUDA_VISIBLE_DEVICES")
        .map_or_else(|_| String::new(), |value| format!("={value}"))
}

/// The cards that can be used, and the driver's word about the first that cannot.
fn cards(driver: Driver) -> (Vec<cuda::Card>, Option<String>) {
    let answers = match driver.cards() {
        Ok(answers) => answers,
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let problem = answers.iter().find_map(|answer| answer.as_ref().err().map(ToString::to_string));
    (answers.into_iter().flatten().collect(), problem)
}

fn split<T, E: ToString>(result: Result<T, E>) -> (Option<T>, Option<String>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// Joins both lists by UUID and numbers the cards by their places on the bus.
fn join(cuda: Vec<cuda::Card>, nvml: Vec<nvml::Card>) -> Vec<Gpu> {
    let gpu = |name: String, uuid, pci| Gpu {
        index: 0,
        name: name.replace(char::is_control, " "),
        uuid,
        pci,
        cuda: None,
        nvml_index: None,
        facts: None,
        reading: None,
    };
    let mut gpus: Vec<Gpu> = nvml
        .into_iter()
        .map(|card| Gpu { nvml_index: Some(card.index), ..gpu(card.name, card.uuid, card.pci) })
        .collect();
    for card in cuda {
        let cuda::Card { ordinal, capability, multiprocessors, memory, .. } = card;
        let view = Some(CudaView { ordinal, capability, multiprocessors, memory });
        match gpus.iter_mut().find(|gpu| gpu.uuid == card.uuid) {
            Some(known) => known.cuda = view,
            None => gpus.push(Gpu { cuda: view, ..gpu(card.name, card.uuid, card.pci) }),
        }
    }
    gpus.sort_by(|a, b| (a.pci, &a.uuid).cmp(&(b.pci, &b.uuid)));
    for (index, gpu) in gpus.iter_mut().enumerate() {
        gpu.index = index;
    }
    gpus
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::Host;

    fn cuda_card(ordinal: i32, name: &str, bus: u32, major: u32) -> cuda::Card {
        cuda::Card {
            ordinal,
            name: name.into(),
            uuid: Uuid::from_bytes([bus as u8; 16]),
            pci: PciAddress { domain: 0, bus, device: 0 },
            capability: ComputeCapability { major, minor: 1 },
            multiprocessors: 10 * major,
            memory: Bytes(u64::from(major) << 30),
        }
    }

    fn nvml_card(index: u32, name: &str, bus: u32) -> nvml::Card {
        let uuid = Uuid::from_bytes([bus as u8; 16]);
        nvml::Card { index, name: name.into(), uuid, pci: PciAddress { domain: 0, bus, device: 0 } }
    }

    /// The usual PC with two cards: CUDA counts the faster one first, NVML goes by the bus.
    fn two() -> Inventory {
        let cuda = vec![cuda_card(0, "GeForce RTX 3070", 9, 8), cuda_card(1, "GTX 1050 Ti", 1, 6)];
        let nvml = vec![nvml_card(0, "GTX 1050 Ti", 1), nvml_card(1, "GeForce RTX 3070", 9)];
        Inventory { gpus: join(cuda, nvml), ..Inventory::default() }
    }

    #[test]
    fn cards_are_joined_by_uuid_and_counted_by_their_places_on_the_bus() {
        let gpus = two().gpus;
        let row = |gpu: &Gpu| {
            let cuda = gpu.cuda.unwrap();
            (gpu.index, gpu.name.clone(), cuda.ordinal, cuda.capability.major, gpu.nvml_index)
        };
        assert_eq!(row(&gpus[0]), (0, "GTX 1050 Ti".into(), 1, 6, Some(0)));
        assert_eq!(row(&gpus[1]), (1, "GeForce RTX 3070".into(), 0, 8, Some(1)));
    }

    #[test]
    fn a_card_that_only_one_of_them_knows_is_there_all_the_same() {
        let gpus = join(vec![cuda_card(0, "A", 3, 8)], vec![nvml_card(0, "B", 2)]);
        assert_eq!((gpus[0].name.as_str(), gpus[0].cuda), ("B", None));
        assert_eq!((gpus[1].name.as_str(), gpus[1].nvml_index), ("A", None));
        let inventory = Inventory::default();
        assert!(gpus[0].hidden(&inventory).unwrap().contains("CUDA_VISIBLE_DEVICES"));
        assert!(gpus[1].hidden(&inventory).is_none());
    }

    #[test]
    fn a_name_in_a_scenario_is_all_an_index_a_uuid_or_a_part_of_the_name() {
        let inventory = two();
        let named =
            |name: &str| -> Vec<usize> { inventory.selected(name).map(|gpu| gpu.index).collect() };
        assert_eq!(named("gpu:all"), [0, 1]);
        assert_eq!((named("gpu:1"), named("gpu:0")), (vec![1], vec![0]));
        // No card has the number 1050, but one has it in its name.
        assert_eq!((named("gpu:1050"), named("gpu:rtx")), (vec![0], vec![1]));
        assert_eq!(named("gpu:GPU-09090909"), [1]);
        assert!(named("gpu:2080").is_empty());
    }

    #[test]
    fn a_card_that_is_not_there_keeps_its_name_and_says_which_ones_are() {
        let inventory = two();
        let device = super::super::resolve("gpu:2080", &Host::read(), &inventory);
        assert_eq!((device[0].name.as_str(), device[0].uuid.as_str()), ("gpu:2080", ""));
        let words = inventory.why_missing("gpu:2080");
        assert!(words.contains("gpu:0 GTX 1050 Ti") && words.contains("gpu:1"), "{words}");
        let none = Inventory { cuda_problem: Some("no driver".into()), ..Inventory::default() };
        assert_eq!(none.why_missing("gpu:0"), "no GPU here: no driver");
    }
}
