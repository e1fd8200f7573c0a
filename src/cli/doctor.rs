//! `trtbench doctor`: will it run here, and if not, what helps.

use super::{End, common};
use crate::{
    device::{Device, Gpu, Inventory, compatibility::Verdict},
    engine::Place,
    report::doctor::{self, Answer},
    runner::{self, Here, Workers},
    scenario::{Cell, CellId, EngineOptions, Mode, Precision, Provider},
};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Scenario files; without any, every card is held against what engines may ask of it
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// Override a key, as in --set engine.ort.provider=tensorrt
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The ONNX Runtime library to use, instead of engine.ort.library
    #[arg(long, value_name = "FILE")]
    ort_library: Option<PathBuf>,
    /// Say of every statement where it is from
    #[arg(long)]
    sources: bool,
    /// Print JSON, with everything that fits too
    #[arg(long)]
    json: bool,
}

/// What is asked about without a scenario: engines, one of them with each of its providers.
const ASKED: [(&str, Provider); 3] =
    [("ort", Provider::Cuda), ("ort", Provider::TensorRt), ("tensorrt", Provider::TensorRt)];

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let workers = common::workers()?;
    let answers = match arguments.scenarios.is_empty() {
        true => cards(arguments, &workers)?,
        false => cells(arguments, &workers)?,
    };
    if arguments.json {
        let value = json!({ "schema": 1, "answers": doctor::json(&answers) });
        common::print_json(&value)?;
    } else {
        common::print(&doctor::text(&answers, arguments.sources))?;
    }
    let fits = |answer: &Answer| answer.verdict != Verdict::DoesNotFit;
    // Without a scenario nothing in particular is asked for: a card that can be used at all is fine.
    let well = match arguments.scenarios.is_empty() {
        true => answers.chunk_by(|a, b| a.device == b.device).all(|card| card.iter().any(fits)),
        false => answers.iter().all(fits),
    };
    Ok(if well { End::Complete } else { End::Finding })
}

/// Every cell of the scenarios.
fn cells(arguments: &Arguments, workers: &Workers) -> anyhow::Result<Vec<Answer>> {
    let scenarios = common::ScenarioArguments {
        scenarios: arguments.scenarios.clone(),
        overrides: arguments.overrides.clone(),
        ort_library: arguments.ort_library.clone(),
    };
    let mut answers = Vec::new();
    for loaded in scenarios.load()? {
        let mut examined = common::examined(&loaded, workers)?.examined;
        examined.sort_by(|a, b| a.cell.device.uuid.cmp(&b.cell.device.uuid));
        for examined in examined {
            let of = format!("{} on {}", loaded.scenario.name, examined.cell.device);
            answers.push(Answer::new(of, examined.cell.id.to_string(), examined));
        }
    }
    Ok(answers)
}

/// Every card with every provider and precision.
fn cards(arguments: &Arguments, workers: &Workers) -> anyhow::Result<Vec<Answer>> {
    let inventory = runner::inventory(workers)?;
    if inventory.gpus.is_empty() {
        let obstacle = Some(inventory.why_missing("gpu:all"));
        return Ok(vec![Answer {
            of: "cards".to_owned(),
            device: String::new(),
            asked: "all".to_owned(),
            verdict: Verdict::DoesNotFit,
            obstacle,
            findings: Vec::new(),
        }]);
    }
    let mut answers = Vec::new();
    for gpu in &inventory.gpus {
        for asked in ASKED {
            answers.extend(card(arguments, gpu, asked, &inventory, workers)?);
        }
    }
    Ok(answers)
}

fn card(
    arguments: &Arguments,
    gpu: &Gpu,
    (engine, provider): (&str, Provider),
    inventory: &Inventory,
    workers: &Workers,
) -> anyhow::Result<Vec<Answer>> {
    let mut options = EngineOptions::default();
    options.ort.provider = provider;
    options.ort.library.clone_from(&arguments.ort_library);
    let device = Device::gpu(gpu, inventory);
    let capability = gpu.cuda.map(|cuda| cuda.capability);
    let place = Place { capability, ..Place::on(device, options) };
    let places = std::slice::from_ref(&place);
    let engines = runner::probe(&[engine.to_owned()], places, workers)?;
    let surroundings = runner::surroundings(inventory, places, &engines);
    let here = Here { place: &place, surroundings: &surroundings, engines: &engines };
    let precisions = [Precision::Fp32, Precision::Fp16, Precision::Int8].into_iter();
    Ok(precisions
        .map(|precision| {
            let of = match engine {
                "ort" => format!("{gpu}, engine ort, provider {}", provider.name()),
                engine => format!("{gpu}, engine {engine}"),
            };
            let examined = here.examine(&any_model(engine, precision, &place.device), None);
            Answer::new(of, precision.to_string(), examined)
        })
        .collect())
}

/// A cell of no model in particular.
fn any_model(engine: &str, precision: Precision, device: &Device) -> Cell {
    let id = CellId {
        model: "any".to_owned(),
        family: "any".to_owned(),
        engine: engine.to_owned(),
        precision,
        batch: 1,
        mode: Mode::Serial,
        threads: 1,
    };
    Cell { id, device: device.clone() }
}
