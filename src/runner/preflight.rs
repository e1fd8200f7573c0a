//! Looks at models, images and engines before anything is measured: what cannot work is said at
//! once, not after an hour.

use super::{HostStages, ImageFacts, Message, Reason, Runnable, Task, Workers, images};
use crate::{
    device::{Device, Inventory, Kind},
    engine::{self, Place, Request, Runtime},
    family::{self, Adapter, Fitting},
    image::Decoder,
    model,
    os::FilePath,
    scenario::{self, Cell, DeviceOptions, FamilyOptions, Plan, Scenario},
    tensor::ModelIo,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, time::Duration};

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
    /// With what the host computes its own stages.
    pub host: HostStages,
    /// What each engine consists of here.
    pub runtimes: BTreeMap<String, Runtime>,
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
    /// What it was taken for; none where only the loaded model tells.
    #[serde(flatten)]
    pub fitting: Option<Fitting>,
}

/// Something in the input that has to be mended before anything can be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

/// Asks which cards are here, in a process of its own: a broken driver may hang or end the process
/// that asks it.
///
/// # Errors
/// When no worker can be started.
pub fn inventory(workers: &Workers) -> io::Result<Inventory> {
    let answer = workers.run(&Task::Inventory, PROBE_LIMIT, None, &mut |_, _| {})?;
    Ok(match answer.last {
        Ok(Message::Inventory(inventory)) => *inventory,
        Ok(_) => without_cards("the worker answered another task".to_owned()),
        Err(failure) => without_cards(format!(
            "the NVIDIA driver's libraries do not answer: {} {}",
            failure.reason, failure.stderr_tail
        )),
    })
}

fn without_cards(why: String) -> Inventory {
    Inventory { cuda_problem: Some(why), ..Inventory::default() }
}

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
    let engines = probe(scenario, &places, workers)?;
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
    };
    let looked = Looked { scenario, inventory, engines: &engines, models: &models };
    for cell in &plan.cells {
        let Some(place) = places.iter().find(|place| place.device == cell.device) else { continue };
        match looked.obstacle(cell, place) {
            Some(reason) => ready.skipped.push((cell.clone(), Reason(reason))),
            None => ready.run.push(runnable(scenario, cell, place, &models)),
        }
    }
    ready.runtimes = runtimes(engines);
    Ok(Ok(ready))
}

/// An engine as it is on a device, or why it is not there.
struct Probed {
    engine: String,
    device: Device,
    answer: Result<Runtime, Reason>,
}

type Models = BTreeMap<String, model::Model>;
type Fits = BTreeMap<String, (Fitting, &'static [&'static str])>;

/// Every device of the plan, with what the scenario says about it.
fn places(
    scenario: &Scenario,
    plan: &Plan,
    inventory: &Inventory,
    problems: &mut Vec<Problem>,
) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for cell in &plan.cells {
        if places.iter().any(|place| place.device == cell.device) {
            continue;
        }
        let mine = |name: &&String| {
            inventory.selected(name).any(|gpu| gpu.uuid.as_str() == cell.device.uuid)
        };
        let tables: Vec<&String> = scenario.device.keys().filter(mine).collect();
        if let [first, second, ..] = tables[..] {
            problems.push(Problem(format!(
                "device.\"{first}\" and device.\"{second}\" both stand for {}: put its keys into one",
                cell.device.name
            )));
        }
        places.push(Place {
            device: cell.device.clone(),
            device_options: tables
                .first()
                .map_or_else(DeviceOptions::default, |name| scenario.device[*name].clone()),
            options: scenario.engine.clone(),
        });
    }
    places
}

/// What each engine consists of: under its name, or where that differs by device under both names.
fn runtimes(engines: Vec<Probed>) -> BTreeMap<String, Runtime> {
    let mut runtimes: BTreeMap<String, Runtime> = BTreeMap::new();
    for Probed { engine, device, answer } in engines {
        let Ok(runtime) = answer else { continue };
        match runtimes.get(&engine) {
            Some(known) if *known != runtime => {
                runtimes.insert(format!("{engine} on {}", device.name), runtime);
            }
            _ => {
                runtimes.insert(engine, runtime);
            }
        }
    }
    runtimes
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

/// Asks every engine on every device in a process of its own what it is: a library made for another
/// machine may end the process that loads it.
fn probe(scenario: &Scenario, places: &[Place], workers: &Workers) -> io::Result<Vec<Probed>> {
    let mut answers = Vec::new();
    for name in &scenario.matrix.engine {
        for place in places {
            let task = Task::Probe { engine: name.clone(), place: Box::new(place.clone()) };
            let answer = workers.run(&task, PROBE_LIMIT, None, &mut |_, _| {})?;
            let answer = match answer.last {
                Ok(Message::Runtime(runtime)) => Ok(runtime),
                Ok(Message::Refused { reason }) => Err(Reason(reason)),
                Ok(_) => Err(Reason("the worker answered another task".to_owned())),
                Err(failure) => Err(Reason(format!("{} {}", failure.reason, failure.stderr_tail))),
            };
            answers.push(Probed { engine: name.clone(), device: place.device.clone(), answer });
        }
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

fn facts(scenario: &Scenario, models: &Models, fits: &Fits) -> Vec<ModelFacts> {
    let fact = |entry: &scenario::Model| {
        let model = models.get(&entry.name)?;
        let fit = fits.get(&entry.name);
        let named = [&entry.classes, &model.signature.classes].into_iter().find(|n| !n.is_empty());
        let known = || fit.map_or(&[][..], |(_, names)| names).iter().map(ToString::to_string);
        Some(ModelFacts {
            name: entry.name.clone(),
            path: FilePath(entry.path.clone()),
            bytes: model.bytes,
            sha256: model.sha256.clone(),
            weights: model.signature.weights.precision().to_string(),
            opset: model.signature.opset,
            classes: named.cloned().unwrap_or_else(|| known().collect()),
            fitting: fit.map(|(fitting, _)| fitting.clone()),
        })
    };
    scenario.models.iter().filter_map(fact).collect()
}

/// Fits every model to its family. A family that does not fit is an error of the scenario, whatever
/// the batch. A model that does not declare its outputs' shapes is judged when it has been loaded.
fn fit_families(scenario: &Scenario, models: &Models, problems: &mut Vec<Problem>) -> Fits {
    let mut fits = Fits::new();
    for entry in &scenario.models {
        let Some(signature) = models.get(&entry.name).map(|model| &model.signature) else {
            continue;
        };
        let io = &signature.io;
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
                fits.insert(entry.name.clone(), (adapter.fitting(), names));
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

/// What was looked at before cells are judged.
struct Looked<'a> {
    scenario: &'a Scenario,
    inventory: &'a Inventory,
    engines: &'a [Probed],
    models: &'a Models,
}

impl Looked<'_> {
    /// Why a cell cannot run here, if it cannot.
    fn obstacle(&self, cell: &Cell, place: &Place) -> Option<String> {
        self.device_obstacle(&cell.device)
            .or_else(|| self.engine_obstacle(cell, place))
            .or_else(|| self.misfit(cell))
    }

    fn device_obstacle(&self, device: &Device) -> Option<String> {
        match self.inventory.with_uuid(&device.uuid) {
            _ if device.kind == Kind::Cpu => None,
            None => Some(self.inventory.why_missing(&device.name)),
            Some(gpu) => gpu.hidden(self.inventory),
        }
    }

    fn engine_obstacle(&self, cell: &Cell, place: &Place) -> Option<String> {
        let engine = engine::named(&cell.id.engine).ok()?;
        let model = self.models.get(&cell.id.model).filter(|_| engine.reads_model());
        let request = Request {
            model: &cell.id.model,
            family: &cell.id.family,
            device: cell.device.kind,
            precision: cell.id.precision,
            weights: model.map(|model| model.signature.weights.precision()),
            options: &place.options,
        };
        let probed =
            |probed: &&Probed| probed.engine == cell.id.engine && probed.device == cell.device;
        let missing = || self.engines.iter().find(probed)?.answer.as_ref().err();
        engine.obstacle(&request).or_else(|| missing().map(|reason| reason.0.clone()))
    }

    /// A model that does not fit its family in this batch.
    fn misfit(&self, cell: &Cell) -> Option<String> {
        let model = self.models.get(&cell.id.model).filter(|_| reads_model(&cell.id.engine))?;
        let entry = self.scenario.models.iter().find(|entry| entry.name == cell.id.model)?;
        let reason = adapt(entry, &model.signature.io, cell.id.batch as usize)?.err()?;
        Some(format!("model `{}`: {reason}", cell.id.model))
    }
}
