//! The whole script: which driver, which cards, what goes wrong. A JSON file that the environment
//! names; nothing here plays it.

use crate::{
    card::{Card, uuid_bytes},
    fault::{Fault, Library},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
};

/// Environment variable with the path of the script.
pub const ENVIRONMENT: &str = "TRTBENCH_DOUBLE";

/// What the libraries play. Each process plays it from its beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// What `nvmlSystemGetDriverVersion` answers.
    pub driver_version: String,
    /// What `cuDriverGetVersion` answers: 1000 × major + 10 × minor.
    pub cuda_version: i32,
    /// What `nvmlSystemGetNVMLVersion` answers.
    pub nvml_version: String,
    /// Whether waiting takes real time: the host's clock and the cards' are then the same, and a
    /// synchronising call spins until the work would be done. Otherwise everything is done at once.
    pub pace: bool,
    /// Whether memory that others have allocated is taken for a card's: for libraries that compute
    /// in memory of the host where a card's is expected.
    pub foreign_memory: bool,
    /// Whether TensorRT's stand-in writes each call of an object to the ledger.
    pub calls: bool,
    /// How many layers an engine has; fewer where the model has fewer nodes.
    pub engine_layers: usize,
    /// Whether TensorRT's stand-in makes other bytes of every build, as real builders do.
    pub engines_differ: bool,
    /// How many things a model finds whose outputs' shapes depend on what it is given: the length of
    /// these outputs, and what integers beside them say of the first image.
    pub found: u8,
    /// A library with kernels compiled for the host, which then compute; without it, and for kernels that
    /// it has not, a kernel is a name and a duration. For a kernel `k` of arguments of 64 bits it has
    /// `void k_launch(const unsigned blocks[3], const unsigned threads[3], const uint64_t* arguments)`
    /// and the number of these, `const unsigned k_arguments`.
    pub kernels: Option<PathBuf>,
    /// The cards, in any order.
    pub cards: Vec<Card>,
    /// What goes wrong; of those that fit a call, the first counts.
    pub faults: Vec<Fault>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            driver_version: "535.104.05".to_owned(),
            cuda_version: 12020,
            nvml_version: "12.535.104.05".to_owned(),
            pace: false,
            foreign_memory: false,
            calls: false,
            engine_layers: 4,
            engines_differ: false,
            found: 4,
            kernels: None,
            cards: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Script {
    /// A driver with these cards and no faults.
    pub fn with_cards(cards: impl IntoIterator<Item = Card>) -> Self {
        Self { cards: cards.into_iter().collect(), ..Self::default() }
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Lets waiting take real time.
    #[must_use]
    pub fn paced(mut self) -> Self {
        self.pace = true;
        self
    }

    /// Lets TensorRT's stand-in write each call to the ledger.
    #[must_use]
    pub fn with_calls(mut self) -> Self {
        self.calls = true;
        self
    }

    /// The script that the environment names, and its path.
    ///
    /// # Errors
    /// When [`ENVIRONMENT`] is not set or the file is no script.
    pub fn from_environment() -> io::Result<(Self, PathBuf)> {
        let path = env::var_os(ENVIRONMENT)
            .map(PathBuf::from)
            .ok_or_else(|| io::Error::other(format!("{ENVIRONMENT} is not set")))?;
        Ok((Self::read(&path)?, path))
    }

    /// Reads and checks a script.
    ///
    /// # Errors
    /// When the file cannot be read, is not a script, or contradicts itself.
    pub fn read(path: &Path) -> io::Result<Self> {
        let wrong = |what: String| io::Error::other(format!("{}: {what}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let script: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        script.check().map_err(wrong)?;
        Ok(script)
    }

    /// Writes the script where the libraries find it.
    ///
    /// # Errors
    /// When the script contradicts itself or the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        self.check().map_err(io::Error::other)?;
        fs::write(path, serde_json::to_string_pretty(self)?)
    }

    fn check(&self) -> Result<(), String> {
        let distinct = |what: &str, values: Vec<String>| {
            let different: BTreeSet<&String> = values.iter().collect();
            if different.len() == values.len() {
                Ok(())
            } else {
                Err(format!("two cards have one {what}: {values:?}"))
            }
        };
        let all = |value: fn(&Card) -> String| self.cards.iter().map(value).collect();
        distinct("uuid", all(|card| card.uuid.clone()))?;
        distinct("pci", all(|card| card.pci.to_string()))?;
        distinct("cuda_rank", all(|card| card.cuda_rank.to_string()))?;
        distinct("nvml_rank", all(|card| card.nvml_rank.to_string()))?;
        if let Some(card) = self.cards.iter().find(|card| uuid_bytes(&card.uuid).is_none()) {
            return Err(format!("no uuid of the form GPU-8-4-4-4-12: {}", card.uuid));
        }
        self.faults.iter().try_for_each(|fault| self.check_fault(fault))
    }

    /// A fault that can never happen is a slip of the pen.
    fn check_fault(&self, fault: &Fault) -> Result<(), String> {
        let prefix = match fault.library {
            Library::Cuda => "cu",
            Library::Nvml => "nvml",
            Library::Nvinfer => "I",
        };
        if !fault.call.starts_with(prefix) {
            return Err(format!("{} is no call of {:?}", fault.call, fault.library));
        }
        if fault.result == 0 && !fault.hang {
            return Err(format!("the fault of {} has neither a result nor hangs", fault.call));
        }
        match &fault.card {
            Some(uuid) if self.cards.iter().all(|card| card.uuid != *uuid) => {
                Err(format!("the fault of {} is on an unknown card: {uuid}", fault.call))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.json");
        let mut second = Card::numbered(1);
        second.readings.temperature_c = crate::Series::unsupported();
        second.timing.named_kernel_ns.insert("spin".to_owned(), 5);
        let script = Script::with_cards([Card::numbered(0), second])
            .fault(Fault::cuda("cuMemAlloc_v2", 2).from(3).times(1))
            .fault(Fault::nvml_hang("nvmlInit_v2"))
            .paced();
        script.write(&path).unwrap();
        assert_eq!(Script::read(&path).unwrap(), script);
    }

    #[test]
    fn little_text_makes_a_script() {
        let text = r#"{"cards": [{"name": "T4", "readings": {"power_mw": null}}]}"#;
        let script: Script = serde_json::from_str(text).unwrap();
        assert_eq!(script.cards[0].name, "T4");
        assert_eq!(script.cards[0].uuid, Card::numbered(0).uuid);
        assert_eq!(script.cards[0].readings.power_mw.at(0), None);
        assert!(script.cards[0].readings.temperature_c.at(0).is_some());
        assert_eq!(script.check(), Ok(()));
    }

    #[test]
    fn unknown_keys_are_refused() {
        for text in [r#"{"card": []}"#, r#"{"cards": [{"rank": 1}]}"#] {
            assert!(serde_json::from_str::<Script>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let twice = Script::with_cards([Card::numbered(1), Card::numbered(1)]);
        assert!(twice.check().unwrap_err().contains("uuid"));
        let elsewhere = Fault::cuda("cuInit", 999).on(&Card::numbered(7).uuid);
        assert!(Script::default().fault(elsewhere).check().unwrap_err().contains("unknown card"));
        let harmless = Fault::cuda("cuInit", 0);
        assert!(Script::default().fault(harmless).check().unwrap_err().contains("neither"));
        let foreign = Fault::nvml("cuInit", 1);
        assert!(Script::default().fault(foreign).check().unwrap_err().contains("no call"));
    }
}
