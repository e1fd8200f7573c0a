//! Looks at models, images and engines before anything is measured: what cannot work is said at
//! once, not after an hour.

use super::{Message, Reason, Runnable, Task, Workers};
use crate::{
    device::Kind,
    engine::{self, Runtime},
    family,
    image::{Decoder, Image},
    model,
    os::FilePath,
    scenario::{Cell, Plan, Scenario},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// An engine that takes longer than this to say what it is has hung.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// A plan with everything known that can be known before measuring.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Cells to run.
    pub run: Vec<Runnable>,
    /// Cells that cannot run here, with the reason.
    pub skipped: Vec<(Cell, Reason)>,
    /// The models.
    pub models: Vec<ModelFacts>,
    /// The images.
    pub images: Vec<ImageFacts>,
    /// What each engine consists of here.
    pub runtimes: BTreeMap<String, Runtime>,
}

/// What identifies a model file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Name in the scenario.
    pub name: String,
    /// File.
    pub path: FilePath,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Precision that most of the weights are kept in.
    pub weights: String,
    /// Version of the default operator set.
    pub opset: Option<u64>,
    /// Class names that the file holds or the family knows; empty where neither does.
    pub classes: Vec<String>,
}

/// What identifies an image file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// File.
    pub path: FilePath,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Something in the input that has to be mended before anything can be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

/// Checks everything that `plan` will touch.
///
/// # Errors
/// All problems of models and images together; an engine or a cell that cannot run here is no
/// problem but a skipped cell. An I/O error when no worker can be started.
pub fn preflight(
    scenario: &Scenario,
    plan: &Plan,
    workers: &Workers,
) -> io::Result<Result<Ready, Vec<Problem>>> {
    let engines = probe(scenario, workers)?;
    let mut problems = Vec::new();
    let mut models = open_models(scenario, &mut problems);
    let images = check_images(scenario, &mut problems);
    fit_families(scenario, &mut models, &mut problems);
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let mut ready = Ready {
        run: Vec::new(),
        skipped: Vec::new(),
        models: facts(scenario, &models),
        images,
        runtimes: BTreeMap::new(),
    };
    for cell in &plan.cells {
        match obstacle(cell, &engines, &models) {
            Some(reason) => ready.skipped.push((cell.clone(), Reason(reason))),
            None => ready.run.push(runnable(scenario, cell, &models)),
        }
    }
    ready.runtimes =
        engines.into_iter().filter_map(|(name, answer)| Some((name, answer.ok()?))).collect();
    Ok(Ok(ready))
}

type Engines = BTreeMap<String, Result<Runtime, Reason>>;
type Models = BTreeMap<String, model::Model>;

fn runnable(scenario: &Scenario, cell: &Cell, models: &Models) -> Runnable {
    let entry = scenario.models.iter().find(|model| model.name == cell.id.model);
    let model = models.get(&cell.id.model).filter(|_| reads_model(&cell.id.engine));
    Runnable {
        cell: cell.clone(),
        model: entry.map(|entry| entry.path.clone()).unwrap_or_default(),
        model_sha256: model.map(|model| model.sha256.clone()),
    }
}

/// Asks every engine in a process of its own what it is: a library made for another machine may
/// end the process that loads it.
fn probe(scenario: &Scenario, workers: &Workers) -> io::Result<Engines> {
    let mut answers = Engines::new();
    for name in &scenario.matrix.engine {
        let task = Task::Probe { engine: name.clone(), options: scenario.engine.clone() };
        let answer = workers.run(&task, PROBE_LIMIT, None, &mut |_, _| {})?;
        let answer = match answer.last {
            Ok(Message::Runtime(runtime)) => Ok(runtime),
            Ok(Message::Refused { reason }) => Err(Reason(reason)),
            Ok(_) => Err(Reason("the worker answered another task".to_owned())),
            Err(failure) => Err(Reason(format!("{} {}", failure.reason, failure.stderr_tail))),
        };
        answers.insert(name.clone(), answer);
    }
    Ok(answers)
}

fn open_models(scenario: &Scenario, problems: &mut Vec<Problem>) -> Models {
    let mut models = Models::new();
    if !scenario.matrix.engine.iter().any(|engine| reads_model(engine)) {
        return models;
    }
    for entry in &scenario.models {
        match model::open(&entry.path) {
            Ok(model) => {
                models.insert(entry.name.clone(), model);
            }
            Err(error) => problems.push(Problem(error.to_string())),
        }
    }
    models
}

/// Whether that engine looks into the model file.
fn reads_model(engine: &str) -> bool {
    engine::named(engine).is_ok_and(|engine| engine.reads_model())
}

fn facts(scenario: &Scenario, models: &Models) -> Vec<ModelFacts> {
    let fact = |entry: &crate::scenario::Model| {
        let model = models.get(&entry.name)?;
        Some(ModelFacts {
            name: entry.name.clone(),
            path: FilePath(entry.path.clone()),
            bytes: model.bytes,
            sha256: model.sha256.clone(),
            weights: model.signature.weights.precision().to_string(),
            opset: model.signature.opset,
            classes: model.signature.classes.clone(),
        })
    };
    scenario.models.iter().filter_map(fact).collect()
}

/// Fits every model to its family and notes the class names that the family knows. A family that
/// does not fit is an error of the scenario, whatever the batch. A model that does not declare its
/// outputs' shapes is judged when it has been loaded.
fn fit_families(scenario: &Scenario, models: &mut Models, problems: &mut Vec<Problem>) {
    let options = super::worker::family_options(&scenario.postprocess);
    for entry in &scenario.models {
        let Some(model) = models.get_mut(&entry.name) else { continue };
        let io = &model.signature.io;
        if io.outputs.iter().any(|output| output.dims.is_none()) {
            continue;
        }
        let batch = io.inputs.first().and_then(|input| input.fixed(0)).unwrap_or(1);
        let adapter = family::named(&entry.family)
            .map_err(|error| error.to_string())
            .and_then(|family| family.adapt(io, batch, &options).map_err(|e| e.to_string()));
        match adapter.map(|adapter| adapter.class_names()) {
            Err(misfit) => problems.push(Problem(format!("model `{}`: {misfit}", entry.name))),
            Ok(Some(names)) if model.signature.classes.is_empty() => {
                model.signature.classes = names.iter().map(|&name| name.to_owned()).collect();
            }
            Ok(_) => {}
        }
    }
}

/// Why a cell cannot run here, if it cannot.
fn obstacle(cell: &Cell, engines: &Engines, models: &Models) -> Option<String> {
    if cell.device.kind == Kind::Gpu {
        return Some(format!(
            "engine `{}` of this build runs on the CPU alone; `{}` needs the CUDA or TensorRT \
             engine, which is not built yet",
            cell.id.engine, cell.device.name
        ));
    }
    if let Some(Err(reason)) = engines.get(&cell.id.engine) {
        return Some(reason.0.clone());
    }
    let model = models.get(&cell.id.model)?;
    if !reads_model(&cell.id.engine) {
        return None;
    }
    precision_obstacle(cell, model).or_else(|| batch_obstacle(cell, model))
}

fn precision_obstacle(cell: &Cell, model: &model::Model) -> Option<String> {
    let (asked, kept) = (cell.id.precision, model.signature.weights.precision());
    (asked != kept).then(|| {
        format!(
            "precision {asked} is asked for, but the weights of model `{}` are {kept}; give a \
             model that was exported in {asked}, or ask for {kept}",
            cell.id.model
        )
    })
}

fn batch_obstacle(cell: &Cell, model: &model::Model) -> Option<String> {
    let fixed = model.signature.io.inputs.first()?.fixed(0)?;
    (fixed != cell.id.batch as usize).then(|| {
        format!(
            "the batch of model `{}` is fixed at {fixed}, {} was asked for; export it with a \
             dynamic batch, or use batch = [{fixed}]",
            cell.id.model, cell.id.batch
        )
    })
}

/// Decodes every image once, on all processors.
fn check_images(scenario: &Scenario, problems: &mut Vec<Problem>) -> Vec<ImageFacts> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let mut checked: Vec<_> = std::thread::scope(|scope| {
        let work = || {
            let mut mine = Vec::new();
            let (mut decoder, mut image) = (Decoder::default(), Image::default());
            while let Some(path) = scenario.images.get(next.fetch_add(1, Ordering::Relaxed)) {
                mine.push((path.clone(), check_image(path, &mut decoder, &mut image)));
            }
            mine
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |handle: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        handles.into_iter().flat_map(join).collect()
    });
    let place: BTreeMap<_, _> =
        scenario.images.iter().enumerate().map(|(index, path)| (path, index)).collect();
    checked.sort_by_key(|(path, _)| place.get(path).copied());
    let mut facts = Vec::new();
    for (_, result) in checked {
        match result {
            Ok(fact) => facts.push(fact),
            Err(problem) => problems.push(problem),
        }
    }
    facts
}

fn check_image(
    path: &Path,
    decoder: &mut Decoder,
    image: &mut Image,
) -> Result<ImageFacts, Problem> {
    let file = FilePath(path.to_owned());
    let bytes = std::fs::read(path)
        .map_err(|error| Problem(format!("the image {file} cannot be read: {error}")))?;
    decoder.decode(&bytes, image).map_err(|error| {
        Problem(format!("the image {file} cannot be decoded: {error}; remove or replace it"))
    })?;
    Ok(ImageFacts {
        path: file,
        bytes: bytes.len() as u64,
        sha256: model::sha256(&bytes),
        width: image.width,
        height: image.height,
    })
}
