//! Looks at models, images and engines before anything is measured: what cannot work is said at
//! once, not after an hour.

use super::{
    HostStages, ImageFacts, NetworkCost, Reason, Runnable, Workers,
    examine::{Examined, Here, idle_tables, places, probe, runtimes, surroundings},
    images,
};
use crate::{
    device::Inventory,
    engine::{self, Place, Runtime},
    family::{self, Adapter, Fitting},
    image::Decoder,
    model::{self, Format},
    os::FilePath,
    scenario::{self, Cell, FamilyOptions, Plan, Scenario},
    tensor::ModelIo,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io};

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
    /// With what the host computes its own stages.
    pub host: HostStages,
    /// What each engine consists of here.
    pub runtimes: BTreeMap<String, Runtime>,
    /// What was found about every cell.
    pub examined: Vec<Examined>,
    /// Tables of the scenario that have no effect here, with the reason.
    pub idle: Vec<String>,
}

/// What identifies a model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Class names that the scenario gives, the file holds or the family knows; empty where none
    /// does.
    pub classes: Vec<String>,
    /// What one inference takes; none where the file does not show its graph, and in runs made
    /// before it was recorded.
    #[serde(default)]
    pub network: Option<NetworkCost>,
    /// What it was taken for; none where only the loaded model tells.
    #[serde(flatten)]
    pub fitting: Option<Fitting>,
}

/// Something in the input that has to be mended before anything can be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

/// Checks everything that `plan` will touch.
///
/// # Errors
/// All problems of models, images and `[host]` together; an engine or a cell that cannot run here
/// is no problem but a skipped cell. An I/O error when no worker can be started.
pub fn preflight(
    scenario: &Scenario,
    plan: &Plan,
    inventory: &Inventory,
    workers: &Workers,
) -> io::Result<Result<Ready, Vec<Problem>>> {
    let mut problems = Vec::new();
    let places = places(scenario, plan, inventory, &mut problems);
    let engines = probe(&scenario.matrix.engine, &places, workers)?;
    let models = open_models(scenario, &mut problems);
    let fits = fit_families(scenario, &models, &mut problems);
    let images = match Decoder::with(scenario.host.decoder) {
        Ok(decoder) => images::check(&scenario.images, &decoder, &mut problems),
        // `HostStages::choose` names it.
        Err(_) => Vec::new(),
    };
    let host = match HostStages::choose(&scenario.host) {
        Ok(host) if problems.is_empty() => host,
        chosen => {
            problems.extend(chosen.err().unwrap_or_default());
            return Ok(Err(problems));
        }
    };
    let mut ready = Ready {
        run: Vec::new(),
        skipped: Vec::new(),
        models: facts(scenario, &models, &fits),
        images,
        host,
        runtimes: BTreeMap::new(),
        examined: Vec::new(),
        idle: idle_tables(scenario, inventory),
    };
    let surroundings = surroundings(inventory, &places, &engines);
    for cell in &plan.cells {
        let Some(place) = places.iter().find(|place| place.device == cell.device) else { continue };
        let here = Here { place, surroundings: &surroundings, engines: &engines };
        let model = models.get(&cell.id.model).filter(|_| reads_model(&cell.id.engine));
        let examined = here.examine(cell, model);
        let misfit = || misfit(scenario, cell, model);
        match examined.obstacle().or_else(misfit) {
            Some(reason) => ready.skipped.push((cell.clone(), Reason(reason))),
            None => ready.run.push(runnable(scenario, cell, place, &models)),
        }
        ready.examined.push(examined);
    }
    ready.runtimes = runtimes(&engines);
    Ok(Ok(ready))
}

type Models = BTreeMap<String, model::Model>;
type Fits = BTreeMap<String, Fit>;

/// What a model was found to be.
struct Fit {
    fitting: Fitting,
    /// Class names that the family knows.
    names: &'static [&'static str],
    network: Option<NetworkCost>,
}

fn runnable(scenario: &Scenario, cell: &Cell, place: &Place, models: &Models) -> Runnable {
    let entry = scenario.models.iter().find(|model| model.name == cell.id.model);
    let model = models.get(&cell.id.model).filter(|_| reads_model(&cell.id.engine));
    Runnable {
        cell: cell.clone(),
        place: place.clone(),
        model: entry.map(|entry| entry.path.clone()).unwrap_or_default(),
        options: entry.map(|entry| entry.options.clone()).unwrap_or_default(),
        class_names: entry.map_or(0, |entry| entry.classes.len()),
        model_sha256: model.map(|model| model.sha256.clone()),
    }
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

fn facts(scenario: &Scenario, models: &Models, fits: &Fits) -> Vec<ModelFacts> {
    let fact = |entry: &scenario::Model| {
        let model = models.get(&entry.name)?;
        let fit = fits.get(&entry.name);
        let named = [&entry.classes, &model.signature.classes].into_iter().find(|n| !n.is_empty());
        let known = || fit.map_or(&[][..], |fit| fit.names).iter().map(ToString::to_string);
        Some(ModelFacts {
            name: entry.name.clone(),
            path: FilePath(entry.path.clone()),
            bytes: model.bytes,
            sha256: model.sha256.clone(),
            weights: match model.format {
                Format::Onnx => model.signature.weights.precision().to_string(),
                _ => "unknown".to_owned(),
            },
            opset: model.signature.opset,
            classes: named.cloned().unwrap_or_else(|| known().collect()),
            network: fit.and_then(|fit| fit.network.clone()),
            fitting: fit.map(|fit| fit.fitting.clone()),
        })
    };
    scenario.models.iter().filter_map(fact).collect()
}

/// Fits every model to its family. A family that does not fit is an error of the scenario, whatever
/// the batch. A model that does not declare its outputs' shapes is judged when it has been loaded.
fn fit_families(scenario: &Scenario, models: &Models, problems: &mut Vec<Problem>) -> Fits {
    let mut fits = Fits::new();
    for entry in &scenario.models {
        let Some(model) = models.get(&entry.name) else { continue };
        let signature = &model.signature;
        let io = &signature.io;
        if io.outputs.is_empty() {
            // An engine file tells when it has been loaded.
            continue;
        }
        let batch = image_batch(io).unwrap_or(1);
        match adapt(entry, io, batch) {
            None => {}
            Some(Err(misfit)) => {
                let others = other_families(entry, io, batch);
                problems.push(Problem(format!("model `{}`: {misfit}{others}", entry.name)));
            }
            Some(Ok(adapter)) => {
                problems.extend(wrong_names(entry, &signature.classes, adapter.classes()));
                problems.extend(below_the_graphs(entry, signature.nms_threshold));
                let names = adapter.class_names().unwrap_or_default();
                let network = NetworkCost::of(model, &adapter.inputs(), batch);
                fits.insert(entry.name.clone(), Fit { fitting: adapter.fitting(), names, network });
            }
        }
    }
    fits
}

/// Fits a model to its family; `None` if that needs the loaded model.
fn adapt(
    entry: &scenario::Model,
    io: &ModelIo,
    batch: usize,
) -> Option<Result<Box<dyn Adapter>, String>> {
    if io.outputs.iter().any(|output| output.dims.is_none()) {
        return None;
    }
    let family = family::named(&entry.family).map_err(|error| error.to_string());
    Some(family.and_then(|family| {
        family.adapt(io, batch, &entry.options).map_err(|misfit| misfit.to_string())
    }))
}

/// Other families that would take a model, for an error message.
fn other_families(entry: &scenario::Model, io: &ModelIo, batch: usize) -> String {
    let takes = |family: &&&dyn family::Family| {
        family.name() != entry.family && family.adapt(io, batch, &FamilyOptions::default()).is_ok()
    };
    let names: Vec<&str> = family::all().iter().filter(takes).map(|f| f.name()).collect();
    if names.is_empty() { String::new() } else { format!("; it would fit {}", names.join(" or ")) }
}

/// The batch that the images' input fixes.
fn image_batch(io: &ModelIo) -> Option<usize> {
    io.inputs.iter().find(|input| input.rank() == Some(4))?.fixed(0)
}

/// Names, from a file or in the model, that are not those of the classes.
fn wrong_names(entry: &scenario::Model, own: &[String], classes: Option<usize>) -> Option<Problem> {
    let (name, classes) = (&entry.name, classes?);
    let problem = if !entry.classes.is_empty() {
        super::wrong_count(entry.classes.len(), Some(classes))
            .map(|problem| format!("model `{name}`: {problem}"))
    } else {
        (!own.is_empty() && own.len() != classes).then(|| {
            format!(
                "model `{name}` names {} classes, but its outputs are those of {classes}: is it a \
                 pose, segmentation or rotated-box model? family `{}` reads detectors alone",
                own.len(),
                entry.family
            )
        })
    };
    problem.map(Problem)
}

/// A confidence that an NMS in the graph has decided already.
fn below_the_graphs(entry: &scenario::Model, threshold: Option<f32>) -> Option<Problem> {
    let (asked, threshold) = (entry.options.postprocess.confidence?, threshold?);
    (asked < threshold).then(|| {
        Problem(format!(
            "model `{}`: `postprocess.confidence` = {asked} has no effect below {threshold}, the \
             threshold of the NMS in its graph; raise it, or export the model without NMS",
            entry.name
        ))
    })
}

/// Why a model does not fit its family in this batch, if it does not.
fn misfit(scenario: &Scenario, cell: &Cell, model: Option<&model::Model>) -> Option<String> {
    let entry = scenario.models.iter().find(|entry| entry.name == cell.id.model)?;
    let model = model.filter(|model| model.format == Format::Onnx)?;
    let reason = adapt(entry, &model.signature.io, cell.id.batch as usize)?.err()?;
    Some(format!("model `{}`: {reason}", cell.id.model))
}
