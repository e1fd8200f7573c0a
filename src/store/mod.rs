//! Run folders: the only reader and writer of results. Every file is whole or not there; what is
//! written is never changed. Judges nothing.

mod layers;
mod record;
mod samples;
mod telemetry;

pub use record::{
    Digests, LayersRecord, MeasuredRecord, PlannedCell, Record, RecordOutcome, RunInfo, SCHEMA,
    ScenarioInfo,
};
pub use samples::{Damaged, decode as decode_samples, encode as encode_samples};

use crate::{
    model::sha256,
    os,
    runner::{ImageDetections, Launched, LayerPass, Outcome},
    scenario::Cell,
    timing::Sample,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's word, with the path.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The folder holds a run already, or something else.
    #[error(
        "{0} is not empty; give --resume to finish the run in it, or another folder with --out"
    )]
    Taken(String),
    /// Another process works in it.
    #[error("{0} is in use by another trtbench; wait for it, or give another folder with --out")]
    Busy(String),
    /// There is no run in it.
    #[error("{0} holds no run (there is no run.json in it)")]
    NoRun(String),
    /// A file is not what it should be.
    #[error("{file}: {problem}")]
    Damaged {
        /// File.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// A run folder that this process alone writes to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    info: RunInfo,
    _lock: File,
}

/// A finished or unfinished run as read from its folder.
#[derive(Clone, Debug)]
pub struct Run {
    /// Folder.
    pub path: PathBuf,
    /// `run.json`.
    pub info: RunInfo,
    /// The records that are there, by cell in plan order, then launch.
    pub launches: Vec<Launch>,
    /// Detections by cell hash, where they were saved.
    pub detections: Vec<(Cell, Vec<ImageDetections>)>,
}

/// A record with its samples.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Start of the cell's file names.
    pub hash: String,
    /// The record.
    pub record: Record,
    /// All iterations in order; none unless measured.
    pub samples: Vec<Sample>,
    /// What came of timing the layers, if that was done.
    pub layers: Option<LayerPass>,
}

impl Folder {
    /// Makes a new run folder at `path`, which must be empty or not there.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Busy`], or that it cannot be written.
    pub fn create(path: &Path, info: RunInfo) -> Result<Self, Error> {
        if is_taken(path)? {
            return Err(Error::Taken(os::printable(path)));
        }
        make_folder(&path.join("launches"))?;
        let lock = lock(path)?;
        // A run that was killed before it had begun has left nothing but a half-written file; one
        // that has begun since the folder was looked at is not overwritten.
        os::sweep(path).map_err(|error| at(path, &error))?;
        if is_taken(path)? {
            return Err(Error::Taken(os::printable(path)));
        }
        let folder = Self { path: path.to_owned(), info, _lock: lock };
        folder.write_json("run.json", &folder.info)?;
        Ok(folder)
    }

    /// Takes up the run in `path` again and clears away what a killed process left half-written.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::Busy`], [`Error::Damaged`], or that it cannot be read.
    pub fn resume(path: &Path) -> Result<Self, Error> {
        let info = read_info(path)?;
        let lock = lock(path)?;
        for folder in [path.to_owned(), path.join("launches")] {
            os::sweep(&folder).map_err(|error| at(&folder, &error))?;
        }
        Ok(Self { path: path.to_owned(), info, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its `run.json`.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Removes a run that has neither a launch nor a report yet, so that its folder can be taken
    /// again; any other stays as it is.
    pub fn discard_unbegun(self) {
        let expected = |entry: fs::DirEntry| {
            ["run.json", "launches", LOCK].iter().any(|&name| entry.file_name() == name)
        };
        let mut entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        // A folder with a launch in it cannot be removed.
        if entries.all(expected) && fs::remove_dir(self.path.join("launches")).is_ok() {
            // What resists stays: the run that is not taken up has a better error to tell.
            let _ = fs::remove_file(self.path.join("run.json"));
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
    }

    /// Whether a launch is there.
    ///
    /// # Errors
    /// When it is damaged: what was measured is not silently measured again.
    pub fn has(&self, cell: &Cell, launch: u32) -> Result<bool, Error> {
        let kept = read_launch(&self.path, &self.info.run, cell, launch)?;
        Ok(kept.is_some_and(|launch| match &launch.record.outcome {
            RecordOutcome::Failed(failure) => !failure.in_build,
            RecordOutcome::Measured(_) => true,
        }))
    }

    /// Keeps a launch: samples first, so that a record is never without them.
    ///
    /// # Errors
    /// When a file cannot be written; what was there stays.
    pub fn keep(&self, launched: &Launched) -> Result<(), Error> {
        let stem = format!("launches/{}-{}", launched.cell.hash(), launched.launch);
        let mut digests = Digests::default();
        if let Outcome::Measured(measured) = &launched.outcome {
            let bytes = encode_samples(&measured.samples);
            digests.samples = sha256(&bytes);
            os::write_atomic(&self.path.join(format!("{stem}.samples")), &bytes)?;
            if let Some(telemetry) = &measured.telemetry {
                let table = telemetry::encode(&telemetry.readings).map_err(io::Error::other)?;
                os::write_atomic(&self.path.join(format!("{stem}.telemetry.csv")), &table)?;
            }
            if let Some(LayerPass::Timed(timed)) = &measured.layers {
                let table = layers::encode(timed).map_err(io::Error::other)?;
                digests.layers = sha256(&table);
                os::write_atomic(&self.path.join(format!("{stem}.{LAYERS}")), &table)?;
            }
        }
        if !launched.detections.is_empty() {
            make_folder(&self.path.join("detections"))?;
            self.write_json(&detections_name(&launched.cell), &launched.detections)?;
        }
        let record = Record::new(&self.info.run, launched, self.info.measure.confidence, digests);
        self.write_json(&format!("{stem}.json"), &record)
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::from)?;
        text.push(b'\n');
        Ok(os::write_atomic(&self.path.join(name), &text)?)
    }
}

impl Run {
    /// Reads a run folder.
    ///
    /// # Errors
    /// When there is no run, or a file in it is damaged or of a version this build does not read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let info = read_info(path)?;
        let mut launches = Vec::new();
        let mut detections = Vec::new();
        for planned in &info.cells {
            for launch in 0..info.measure.launches {
                launches.extend(read_launch(path, &info.run, &planned.cell, launch)?);
            }
            let file = path.join(detections_name(&planned.cell));
            if file.exists() {
                detections.push((planned.cell.clone(), read_json(&file)?));
            }
        }
        Ok(Self { path: path.to_owned(), info, launches, detections })
    }
}

const LOCK: &str = "run.lock";

/// Most launches of a cell that a run can have.
const MAX_LAUNCHES: u32 = 1000;

/// Whether a folder holds more than a run that never began.
fn is_taken(path: &Path) -> Result<bool, Error> {
    let entries = |path: &Path| -> Result<Vec<_>, Error> {
        match fs::read_dir(path) {
            Ok(entries) => Ok(entries.flatten().map(|entry| entry.file_name()).collect()),
            // What does not exist, or lies below a file, is found out when it is made.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(at(path, &error).into()),
        }
    };
    let ours =
        |name: &std::ffi::OsString| name == "launches" || name == LOCK || os::is_half_written(name);
    Ok(!entries(path)?.iter().all(ours) || !entries(&path.join("launches"))?.is_empty())
}

fn detections_name(cell: &Cell) -> String {
    format!("detections/{}.json", cell.hash())
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", os::printable(path)))
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "cannot make the folder {}: {error}; give another one with --out",
                os::printable(path)
            ),
        )
    })
}

fn lock(path: &Path) -> Result<File, Error> {
    os::lock(&path.join(LOCK)).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::Busy(os::printable(path)),
        _ => Error::Io(at(path, &error)),
    })
}

fn damaged(file: &Path, problem: impl ToString) -> Error {
    Error::Damaged { file: os::printable(file), problem: problem.to_string() }
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let bytes = fs::read(file).map_err(|error| at(file, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| damaged(file, error))
}

/// Reads the version before anything else, so that a later format is named as such.
fn read_versioned<T: DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let value: serde_json::Value = read_json(file)?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {
            serde_json::from_value(value).map_err(|error| damaged(file, error))
        }
        Some(schema) => Err(damaged(
            file,
            format!("was written in results schema {schema}; this build reads {SCHEMA}"),
        )),
        None => Err(damaged(file, "is no result of trtbench")),
    }
}

/// Reads `run.json` and makes sure of what everything else relies on.
///
/// # Errors
/// [`Error::NoRun`] or [`Error::Damaged`].
pub fn read_info(path: &Path) -> Result<RunInfo, Error> {
    let file = path.join("run.json");
    if !file.is_file() {
        return Err(Error::NoRun(os::printable(path)));
    }
    let info: RunInfo = read_versioned(&file)?;
    let mut seen = HashSet::new();
    let cells_fit = info.cells.iter().all(|planned| {
        planned.hash == planned.cell.hash()
            && planned.name == planned.cell.id.to_string()
            && seen.insert(&planned.hash)
    });
    let measure_fits = (1..=MAX_LAUNCHES).contains(&info.measure.launches)
        && (0.5..1.0).contains(&info.measure.confidence);
    if cells_fit && measure_fits {
        Ok(info)
    } else {
        Err(damaged(&file, "was changed by hand: its cells or its [measure] do not hold together"))
    }
}

/// The launch, or `None` if it is not there.
fn read_launch(path: &Path, run: &str, cell: &Cell, launch: u32) -> Result<Option<Launch>, Error> {
    let hash = cell.hash();
    let file = path.join(format!("launches/{hash}-{launch}.json"));
    if !file.exists() {
        return Ok(None);
    }
    let record: Record = read_versioned(&file)?;
    let found = (record.run.as_str(), &record.cell, &record.device, record.launch);
    if found != (run, &cell.id, &cell.device, launch) {
        return Err(damaged(&file, format!("is the record of another launch; {CURE}")));
    }
    let (samples, layers) = match &record.outcome {
        RecordOutcome::Measured(measured) => {
            (read_samples(&file, measured)?, read_layers(&file, measured)?)
        }
        RecordOutcome::Failed(_) => (Vec::new(), None),
    };
    Ok(Some(Launch { hash, record, samples, layers }))
}

/// Ending of the name of the file that holds the times of layers.
const LAYERS: &str = "layers.csv";

fn read_samples(record: &Path, measured: &MeasuredRecord) -> Result<Vec<Sample>, Error> {
    let file = record.with_extension("samples");
    let bytes = read_whole(&file, &measured.samples_sha256)?;
    decode_samples(&bytes).map_err(|error| damaged(&file, format!("{error}; {CURE}")))
}

fn read_layers(record: &Path, measured: &MeasuredRecord) -> Result<Option<LayerPass>, Error> {
    Ok(match &measured.layers {
        None => None,
        Some(LayersRecord::Unknown(reason)) => Some(LayerPass::Unknown(reason.clone())),
        Some(LayersRecord::Timed { sha256 }) => {
            let file = record.with_extension(LAYERS);
            let table = layers::decode(&read_whole(&file, sha256)?);
            let timed = table.map_err(|error| damaged(&file, format!("{error}; {CURE}")))?;
            Some(LayerPass::Timed(timed))
        }
    })
}

/// Reads a file that must have this SHA-256.
fn read_whole(file: &Path, expected: &str) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(file).map_err(|error| at(file, &error))?;
    if sha256(&bytes) == expected {
        Ok(bytes)
    } else {
        Err(damaged(file, format!("{}; {CURE}", Damaged::Checksum)))
    }
}

/// What to do about a damaged launch.
const CURE: &str = "move all files of the launch away, then measure it again with --resume";
