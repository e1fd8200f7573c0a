//! The flat list of cells that a scenario stands for. The only loop over the matrix.

use super::{
    check::{Model, Scenario},
    wire::{Mode, Precision},
};
use crate::device::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{collections::HashSet, fmt};

/// Most cells a scenario may have: at a second each this is almost three hours.
pub const MAX_CELLS: u64 = 10_000;

/// One point of the matrix: a model in a given setting on a given device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What runs on it join by.
    pub id: CellId,
    /// What it runs on.
    pub device: Device,
}

/// What makes two measurements comparable. Holds neither device nor path nor host, so that the
/// same cell on two machines has the same id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellId {
    /// Model's name in the scenario.
    pub model: String,
    /// Family.
    pub family: String,
    /// Engine.
    pub engine: String,
    /// Precision asked for.
    pub precision: Precision,
    /// Images per run.
    pub batch: u32,
    /// How runs follow each other.
    pub mode: Mode,
    /// Inference threads.
    pub threads: u32,
}

/// Everything that will run, in scenario order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Cells.
    pub cells: Vec<Cell>,
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, family, engine, precision, batch, mode, threads } = self;
        f.pad(&format!("{model}/{family}/{engine}/{precision}/b{batch}/{mode}/t{threads}"))
    }
}

impl Cell {
    fn identity(&self) -> &str {
        if self.device.uuid.is_empty() { &self.device.name } else { &self.device.uuid }
    }

    /// The start of this cell's file names: 16 hexadecimal digits of the SHA-256 of id and device.
    pub fn hash(&self) -> String {
        let digest =
            Sha256::digest(format!("{}\n{:?}\n{}", self.id, self.device.kind, self.identity()));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Scenario {
    /// Expands the axes; `resolve` gives the devices that a name in the scenario stands for.
    pub fn plan(&self, resolve: impl Fn(&str) -> Vec<Device>) -> Plan {
        let mut cells = Vec::new();
        for model in &self.models {
            for engine in &self.matrix.engine {
                for device in self.matrix.device.iter().flat_map(|name| resolve(name)) {
                    for &precision in &self.matrix.precision {
                        for &threads in &self.matrix.threads {
                            for &mode in &self.matrix.mode {
                                for &batch in &self.matrix.batch {
                                    let id =
                                        cell_id(model, engine, precision, batch, mode, threads);
                                    cells.push(Cell { id, device: device.clone() });
                                }
                            }
                        }
                    }
                }
            }
        }
        // Two names may stand for one device.
        let mut seen = HashSet::new();
        cells.retain(|cell: &Cell| seen.insert(cell.hash()));
        Plan { cells }
    }
}

fn cell_id(
    model: &Model,
    engine: &str,
    precision: Precision,
    batch: u32,
    mode: Mode,
    threads: u32,
) -> CellId {
    CellId {
        model: model.name.clone(),
        family: model.family.clone(),
        engine: engine.to_owned(),
        precision,
        batch,
        mode,
        threads,
    }
}
