//! Whether cells can run here: engines are asked in processes of their own what they are, cards are
//! looked for, and what is there is held against the tables of what fits what.

use super::{
    Message, Problem, Reason, Task, Workers,
    fitness::{self, Surroundings},
};
use crate::{
    device::{
        Device, Inventory, Kind,
        compatibility::{Finding, Provider},
    },
    engine::{self, Place, Request, Runtime},
    model::{Format, Model},
    scenario::{Cell, DeviceOptions, Plan, Scenario},
    tensorrt,
};
use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

/// An engine that takes longer than this to say what it is has hung.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// So has a driver that takes longer to say which cards are here. It takes about a second per card
/// where nothing keeps them initialised.
const INVENTORY_LIMIT: Duration = Duration::from_secs(20);

/// What helps where the driver hangs or dies.
const BROKEN_DRIVER: &str = "see whether nvidia-smi answers and what dmesg says of NVRM; a restart \
                             of the machine often helps";

/// What was found about a cell.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The cell.
    pub cell: Cell,
    /// Why it cannot run, before any table is asked.
    pub obstacle: Option<String>,
    /// What the tables say about its card and the libraries; empty for what needs none.
    pub findings: Vec<Finding>,
    /// What should be known of its figures.
    pub remarks: Vec<String>,
}

/// An engine as it is on a device, or why it is not there.
pub struct Probed {
    engine: String,
    device: Device,
    answer: Result<Runtime, Reason>,
}

/// What is known where a cell is to run.
pub struct Here<'a> {
    /// Its device.
    pub place: &'a Place,
    /// What is on this machine.
    pub surroundings: &'a Surroundings<'a>,
    /// What the engines have answered.
    pub engines: &'a [Probed],
}

impl Examined {
    /// Why the cell cannot run here, if it cannot.
    pub fn obstacle(&self) -> Option<String> {
        self.obstacle.clone().or_else(|| fitness::obstacle(&self.findings))
    }
}

/// Asks which cards are here, in a process of its own: a broken driver may hang or end the process
/// that asks it.
///
/// # Errors
/// When no worker can be started.
pub fn inventory(workers: &Workers) -> io::Result<Inventory> {
    let answer = workers.run(&Task::Inventory, INVENTORY_LIMIT, None, &mut |_, _| {})?;
    Ok(match answer.last {
        Ok(Message::Inventory(inventory)) => *inventory,
        Ok(_) => without_cards("the worker answered another task".to_owned()),
        Err(failure) => without_cards(format!(
            "the NVIDIA driver's libraries do not answer: {} {}; {BROKEN_DRIVER}",
            failure.reason, failure.stderr_tail
        )),
    })
}

fn without_cards(why: String) -> Inventory {
    Inventory { cuda_problem: Some(why), ..Inventory::default() }
}

/// Every device of the plan, with what the scenario says about it.
pub fn places(
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
        let gpu = inventory.with_uuid(&cell.device.uuid);
        places.push(Place {
            capability: gpu.and_then(|gpu| gpu.cuda).map(|cuda| cuda.capability),
            device_options: tables
                .first()
                .map_or_else(DeviceOptions::default, |name| scenario.device[*name].clone()),
            batches: scenario.matrix.batch.clone(),
            ..Place::on(cell.device.clone(), scenario.engine.clone())
        });
    }
    places
}

/// Tables of devices that are not here: right on another machine, or mistaken.
pub fn idle_tables(scenario: &Scenario, inventory: &Inventory) -> Vec<String> {
    let idle = |name: &&String| inventory.selected(name).next().is_none();
    let words = |name: &String| {
        format!("[device.\"{name}\"] has no effect here: {}", inventory.why_missing(name))
    };
    scenario.device.keys().filter(idle).map(words).collect()
}

/// What each engine consists of: under its name where it is the same on every device, else under
/// `engine on device` for each of them.
pub fn runtimes(engines: &[Probed]) -> BTreeMap<String, Runtime> {
    let named = |Probed { engine, device, answer }: &Probed| {
        let runtime = answer.as_ref().ok()?;
        let mut others = engines.iter().filter(|other| other.engine == *engine);
        let same = others.all(|other| other.answer.as_ref().map_or(true, |it| it == runtime));
        let name = if same { engine.clone() } else { format!("{engine} on {device}") };
        Some((name, runtime.clone()))
    };
    engines.iter().filter_map(named).collect()
}

/// Asks every engine on every device in a process of its own what it is: a library made for another
/// machine may end the process that loads it.
///
/// # Errors
/// When no worker can be started.
pub fn probe(engines: &[String], places: &[Place], workers: &Workers) -> io::Result<Vec<Probed>> {
    let mut answers = Vec::new();
    for name in engines {
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

/// What is on this machine besides, if a cell may need a card.
pub fn surroundings<'a>(
    inventory: &'a Inventory,
    places: &[Place],
    engines: &[Probed],
) -> Surroundings<'a> {
    if !places.iter().any(|place| place.device.kind == Kind::Gpu) {
        return Surroundings { inventory, libraries: Vec::new() };
    }
    let answered = engines.iter().filter_map(|probed| probed.answer.as_ref().ok());
    let mut named: Vec<PathBuf> = answered.filter_map(fitness::library_of).collect();
    named.extend(places.iter().filter_map(|place| place.device_options.tensorrt_library.clone()));
    Surroundings::look(inventory, &named)
}

/// Why an engine file does not run with the TensorRT that is here.
fn other_release(model: &Model, runtime: &Runtime) -> Option<String> {
    let Format::TensorRtEngine(built) = model.format else { return None };
    tensorrt::other_release(built, &runtime.version)
}

/// Why an engine that reads ONNX alone cannot run a cell's model.
fn engine_file(cell: &Cell) -> String {
    format!(
        "model `{}` is an engine that TensorRT has built, which `{}` does not load; use engine = \
         [\"tensorrt\"], or give the ONNX file that it was built from",
        cell.id.model, cell.id.engine
    )
}

impl Here<'_> {
    /// Looks at everything but whether the model fits its family.
    pub fn examine(&self, cell: &Cell, model: Option<&Model>) -> Examined {
        let mut examined = Examined {
            cell: cell.clone(),
            obstacle: None,
            findings: Vec::new(),
            remarks: Vec::new(),
        };
        let Ok(engine) = engine::named(&cell.id.engine) else { return examined };
        let foreign = model.filter(|model| !engine.loads(model.format));
        let onnx = model.filter(|model| model.format == Format::Onnx).map(|model| &model.signature);
        let request = Request {
            model: &cell.id.model,
            family: &cell.id.family,
            device: cell.device.kind,
            capability: self.place.capability,
            precision: cell.id.precision,
            weights: onnx.map(|signature| signature.weights.precision()),
            built: model.is_some() && onnx.is_none(),
            quantised: onnx.is_some_and(|signature| signature.quantising > 0),
            opset: onnx.and_then(|signature| signature.opset),
            options: &self.place.options,
        };
        let probed = self
            .engines
            .iter()
            .find(|probed| probed.engine == cell.id.engine && probed.device == cell.device);
        let answer = probed.map(|probed| &probed.answer);
        let missing = || answer?.as_ref().err().map(|reason| reason.0.clone());
        examined.obstacle =
            foreign.map(|_| engine_file(cell)).or_else(|| engine.obstacle(&request));
        examined.obstacle = examined.obstacle.or_else(|| self.device_obstacle()).or_else(missing);
        let other = || other_release(model?, answer?.as_ref().ok()?);
        examined.obstacle = examined.obstacle.take().or_else(other);
        examined.remarks = engine.remarks(&request);
        let gpu = self.surroundings.inventory.with_uuid(&cell.device.uuid);
        if let (Some(wish), Some(gpu)) = (engine.wish(&request), gpu) {
            let runtime = answer.and_then(|answer| answer.as_ref().ok());
            // A library that the scenario names and that is none says what is wrong by itself.
            if runtime.is_none() && wish.provider == Provider::TensorRt && self.names_tensorrt() {
                return examined;
            }
            let name = format!("gpu:{}", gpu.index);
            examined.findings = self.surroundings.judge(gpu, &name, self.place, runtime, &wish);
        }
        examined
    }

    fn names_tensorrt(&self) -> bool {
        let place = self.place;
        let named = place.device_options.tensorrt_library.as_ref();
        named.or(place.options.tensorrt.library.as_ref()).is_some()
    }

    fn device_obstacle(&self) -> Option<String> {
        let (device, inventory) = (&self.place.device, self.surroundings.inventory);
        match inventory.with_uuid(&device.uuid) {
            _ if device.kind == Kind::Cpu => None,
            None => Some(inventory.why_missing(&device.name)),
            Some(gpu) => gpu.hidden(inventory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(card: &str, version: Option<&str>) -> Probed {
        let device = Device { kind: Kind::Gpu, name: card.into(), uuid: format!("GPU-{card}") };
        let runtime = |version: &str| Runtime { version: version.into(), library: None };
        let answer = version.map(runtime).ok_or_else(|| Reason("not there".into()));
        Probed { engine: "tensorrt".into(), device, answer }
    }

    fn names(engines: &[Probed]) -> Vec<(String, String)> {
        let version = |(name, runtime): (String, Runtime)| (name, runtime.version);
        runtimes(engines).into_iter().map(version).collect()
    }

    #[test]
    fn an_engine_that_differs_by_device_is_named_with_each_of_them_and_else_with_none() {
        let named = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let same = [probed("old", Some("10.13")), probed("new", Some("10.13"))];
        assert_eq!(names(&same), [named("tensorrt", "10.13")]);
        let differing = [probed("old", Some("8.6.1")), probed("new", Some("10.13"))];
        let both = [named("tensorrt on new", "10.13"), named("tensorrt on old", "8.6.1")];
        assert_eq!(names(&differing), both);
        let alone = [probed("old", None), probed("new", Some("10.13"))];
        assert_eq!(names(&alone), [named("tensorrt", "10.13")]);
    }
}
