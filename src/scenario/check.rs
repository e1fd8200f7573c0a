//! From the wire to a checked scenario: every value in its range, every name known, every file
//! there. Opens no model.

use super::{
    class_names,
    error::Invalid,
    family::{FamilyOptions, Postprocess},
    host::HostOptions,
    images,
    options::{DeviceOptions, EngineOptions},
    plan::MAX_CELLS,
    source::Source,
    wire::{self, Matrix, Measure, ModelEntry, OneOrMany},
};
use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
};

/// Largest batch, thread and launch counts that are taken for meant.
const MAX_BATCH: u32 = 4096;
const MAX_THREADS: u32 = 1024;
const MAX_LAUNCHES: u32 = 1000;

/// Most iterations of a launch; their samples take 73 MB.
const MAX_SAMPLES: f64 = 1e6;

/// Names that exist outside this module.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Engines of this build.
    pub engines: Vec<String>,
    /// Families of this build.
    pub families: Vec<String>,
    /// Models that can be fetched, with the file where one has been.
    pub fetchable: BTreeMap<String, Option<PathBuf>>,
}

/// One model of a checked scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Name in results.
    pub name: String,
    /// Model file, absolute.
    pub path: PathBuf,
    /// Family.
    pub family: String,
    /// What the scenario says about it, the general keys included.
    pub options: FamilyOptions,
    /// Class names from a file; empty without one.
    pub classes: Vec<String>,
}

/// A scenario whose every value has been looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Name.
    pub name: String,
    /// Axis: models.
    pub models: Vec<Model>,
    /// The other axes.
    pub matrix: Matrix,
    /// Images, absolute, in the order in which they are taken.
    pub images: Vec<PathBuf>,
    /// Budget of every launch.
    pub measure: Measure,
    /// How the host computes its own stages.
    pub host: HostOptions,
    /// Options of single engines, paths absolute.
    pub engine: EngineOptions,
    /// Options of single devices by their name in the scenario, paths absolute.
    pub device: BTreeMap<String, DeviceOptions>,
}

/// Reads and checks one scenario file.
///
/// # Errors
/// [`Invalid`] names file, line and key, says what is wrong and what is allowed.
pub fn load(source: &Source, known: &Known) -> Result<Scenario, Invalid> {
    let file = source.parse()?;
    let base = std::path::absolute(&source.file)
        .ok()
        .and_then(|file| file.parent().map(Path::to_owned))
        .unwrap_or_default();
    Checker { source, known, base }.scenario(file)
}

/// One path for one file, however the scenario was reached; a missing file keeps its name for the
/// error that will follow.
pub(super) fn resolved(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) struct Checker<'a> {
    source: &'a Source,
    known: &'a Known,
    pub(super) base: PathBuf,
}

impl Checker<'_> {
    fn scenario(&self, file: wire::File) -> Result<Scenario, Invalid> {
        if file.schema != wire::SCHEMA {
            let problem = format!(
                "this build reads scenario schema {}, the file says {}",
                wire::SCHEMA,
                file.schema
            );
            return self.refuse("schema", problem);
        }
        self.name("name", &file.name)?;
        self.matrix(&file.matrix)?;
        self.cell_count(&file)?;
        self.measure(&file.measure)?;
        self.memory_limit(&file)?;
        self.postprocess("postprocess", &file.postprocess)?;
        let models = self.models(&file.model, &file.postprocess)?;
        let images = self.images(&file.input.images)?;
        self.enough_images(&file.matrix, images.len())?;
        let engine = self.engines(file.engine, &file.matrix.batch)?;
        let device = self.devices(file.device)?;
        Ok(Scenario {
            name: file.name,
            models,
            matrix: file.matrix,
            images,
            measure: file.measure,
            host: file.host,
            engine,
            device,
        })
    }

    pub(super) fn refuse<T>(
        &self,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) -> Result<T, Invalid> {
        Err(self.source.invalid(key, problem))
    }

    fn name(&self, key: &str, name: &str) -> Result<(), Invalid> {
        let bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | '"' | ',');
        if name.trim().is_empty() || name.len() > 100 || name.contains(bad) {
            let problem = format!(
                "a name has 1 to 100 bytes without slashes, quotes, commas or control characters, \
                 found {name:?}"
            );
            return self.refuse(key, problem);
        }
        Ok(())
    }

    fn models(&self, entries: &[ModelEntry], general: &Postprocess) -> Result<Vec<Model>, Invalid> {
        if entries.is_empty() {
            return self.refuse("model", "at least one [[model]] is needed");
        }
        self.distinct("model", entries.iter().map(|entry| &entry.name))?;
        entries
            .iter()
            .enumerate()
            .map(|(index, entry)| self.model(&format!("model[{index}]"), entry, general))
            .collect()
    }

    fn model(
        &self,
        key: &str,
        entry: &ModelEntry,
        general: &Postprocess,
    ) -> Result<Model, Invalid> {
        self.name(&format!("{key}.name"), &entry.name)?;
        self.one_of(&format!("{key}.family"), &entry.family, &self.known.families)?;
        let path = match (&entry.path, &entry.fetch) {
            (Some(path), None) => self.model_file(&format!("{key}.path"), path)?,
            (None, Some(name)) => self.fetched(&format!("{key}.fetch"), name)?,
            _ => return self.refuse(key, "give exactly one of `path` and `fetch`"),
        };
        self.postprocess(&format!("{key}.postprocess"), &entry.postprocess)?;
        let classes = match &entry.classes {
            Some(file) => class_names::read(&self.base.join(file))
                .or_else(|problem| self.refuse(format!("{key}.classes"), problem))?,
            None => Vec::new(),
        };
        let postprocess = entry.postprocess.or(general);
        let options = FamilyOptions { postprocess, normalize: entry.normalize };
        let (name, family) = (entry.name.clone(), entry.family.clone());
        Ok(Model { name, path, family, options, classes })
    }

    fn model_file(&self, key: &str, path: &Path) -> Result<PathBuf, Invalid> {
        let full = self.base.join(path);
        match full.metadata() {
            Ok(data) if data.is_file() => Ok(full),
            Ok(_) => self.refuse(key, format!("{} is no file", full.display())),
            Err(error) => {
                let problem = format!(
                    "cannot read the model {}: {error}; docs/MODELS.md says how to export one",
                    full.display()
                );
                self.refuse(key, problem)
            }
        }
    }

    fn fetched(&self, key: &str, name: &str) -> Result<PathBuf, Invalid> {
        match self.known.fetchable.get(name) {
            Some(Some(path)) => Ok(path.clone()),
            Some(None) => self.refuse(
                key,
                format!("the model `{name}` is not in the cache yet; run `trtbench fetch models`"),
            ),
            None => {
                let names: Vec<_> = self.known.fetchable.keys().cloned().collect();
                self.one_of(key, name, &names).map(|()| PathBuf::new())
            }
        }
    }

    fn matrix(&self, matrix: &Matrix) -> Result<(), Invalid> {
        self.axis("matrix.engine", &matrix.engine)?;
        self.axis("matrix.device", &matrix.device)?;
        self.axis("matrix.precision", &matrix.precision)?;
        self.axis("matrix.batch", &matrix.batch)?;
        self.axis("matrix.mode", &matrix.mode)?;
        self.axis("matrix.threads", &matrix.threads)?;
        for (index, engine) in matrix.engine.iter().enumerate() {
            self.one_of(&format!("matrix.engine[{index}]"), engine, &self.known.engines)?;
        }
        for (index, device) in matrix.device.iter().enumerate() {
            self.device(&format!("matrix.device[{index}]"), device)?;
        }
        self.counts("matrix.batch", &matrix.batch, MAX_BATCH)?;
        self.counts("matrix.threads", &matrix.threads, MAX_THREADS)
    }

    fn axis<T: Display>(&self, key: &str, values: &[T]) -> Result<(), Invalid> {
        if values.is_empty() {
            return self.refuse(key, "an axis needs at least one value");
        }
        self.distinct(key, values)
    }

    fn distinct<T: Display>(
        &self,
        key: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(), Invalid> {
        let mut seen = std::collections::HashSet::new();
        for (index, value) in values.into_iter().enumerate() {
            if !seen.insert(value.to_string()) {
                return self.refuse(format!("{key}[{index}]"), format!("`{value}` is there twice"));
            }
        }
        Ok(())
    }

    fn counts(&self, key: &str, values: &[u32], most: u32) -> Result<(), Invalid> {
        match values.iter().position(|value| !(1..=most).contains(value)) {
            None => Ok(()),
            Some(index) => self.refuse(
                format!("{key}[{index}]"),
                format!("{} is out of range; allowed: 1 to {most}", values[index]),
            ),
        }
    }

    fn one_of(&self, key: &str, name: &str, allowed: &[String]) -> Result<(), Invalid> {
        if allowed.iter().any(|known| known == name) {
            return Ok(());
        }
        self.refuse(key, format!("unknown `{name}`; allowed: {}", allowed.join(", ")))
    }

    fn cell_count(&self, file: &wire::File) -> Result<(), Invalid> {
        let Matrix { engine, device, precision, batch, mode, threads } = &file.matrix;
        let lengths = [
            file.model.len(),
            engine.len(),
            device.len(),
            precision.len(),
            batch.len(),
            mode.len(),
            threads.len(),
        ];
        let cells = lengths.iter().fold(1_u64, |all, &n| all.saturating_mul(n as u64));
        if cells > MAX_CELLS {
            let problem = format!(
                "the matrix has {cells} cells; at most {MAX_CELLS} are allowed: \
                 shorten an axis or split the scenario"
            );
            return self.refuse("matrix", problem);
        }
        Ok(())
    }

    fn measure(&self, measure: &Measure) -> Result<(), Invalid> {
        self.counts("measure.launches", &[measure.launches], MAX_LAUNCHES)
            .map_err(|error| Invalid { key: "measure.launches".to_owned(), ..error })?;
        self.within("measure.target", measure.target, 0.0001, 1.0)?;
        self.within("measure.confidence", measure.confidence, 0.5, 0.9999)?;
        self.within("measure.max_seconds", measure.max_seconds, 0.001, 86_400.0)?;
        self.within("measure.min_seconds", measure.min_seconds, 0.0, measure.max_seconds)?;
        self.within("measure.timeout_seconds", measure.timeout_seconds, 0.1, 86_400.0)?;
        self.within("measure.min_samples", f64::from(measure.min_samples), 1.0, MAX_SAMPLES)?;
        let least = f64::from(measure.min_samples);
        self.within("measure.max_samples", f64::from(measure.max_samples), least, MAX_SAMPLES)?;
        match measure.max_memory_mib {
            Some(mib) => self.within("measure.max_memory_mib", mib as f64, 64.0, 1e9),
            None => Ok(()),
        }
    }

    fn postprocess(&self, table: &str, keys: &Postprocess) -> Result<(), Invalid> {
        for (key, value) in [("confidence", keys.confidence), ("iou", keys.iou)] {
            if let Some(value) = value {
                // As written: the nearest double of 1.1 in single precision is 1.10000002….
                let written = value.to_string().parse().unwrap_or(f64::NAN);
                self.within(&format!("{table}.{key}"), written, 0.0, 1.0)?;
            }
        }
        let counts = [("top_k", keys.top_k, 1e5), ("max_detections", keys.max_detections, 1e4)];
        for (key, value, most) in counts {
            if let Some(value) = value {
                self.within(&format!("{table}.{key}"), f64::from(value), 1.0, most)?;
            }
        }
        Ok(())
    }

    pub(super) fn within(&self, key: &str, value: f64, low: f64, high: f64) -> Result<(), Invalid> {
        // NaN is in no range.
        if (low..=high).contains(&value) {
            return Ok(());
        }
        self.refuse(key, format!("{value} is out of range; allowed: {low} to {high}"))
    }

    fn images(&self, patterns: &OneOrMany) -> Result<Vec<PathBuf>, Invalid> {
        let patterns = match patterns {
            OneOrMany::One(pattern) => std::slice::from_ref(pattern),
            OneOrMany::Many(patterns) => patterns,
        };
        let mut found = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for pattern in patterns {
            let more = images::find(&self.base, pattern)
                .or_else(|problem| self.refuse("input.images", problem))?;
            // Patterns may overlap and links point to the same file; an image counts once.
            found.extend(more.into_iter().filter(|path| {
                seen.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
            }));
        }
        if found.is_empty() {
            return self.refuse("input.images", "at least one image is needed");
        }
        Ok(found)
    }

    fn enough_images(&self, matrix: &Matrix, images: usize) -> Result<(), Invalid> {
        match matrix.batch.iter().position(|&batch| batch as usize > images) {
            None => Ok(()),
            Some(index) => self.refuse(
                format!("matrix.batch[{index}]"),
                format!(
                    "a batch of {} needs as many distinct images, input.images names {images}",
                    matrix.batch[index]
                ),
            ),
        }
    }
}
