//! Runs made up for tests: no measuring, the same numbers every time.

use crate::{
    device::{Device, Kind},
    engine::Runtime,
    os::{Conditions, FilePath, Host},
    runner::{CpuOf, Facts},
    scenario::{Cell, CellId, EngineOptions, Measure, Mode, Precision},
    stats::{Stop, summarise},
    store::{
        Launch, MeasuredRecord, PlannedCell, Record, RecordOutcome, Run, RunInfo, SCHEMA,
        ScenarioInfo,
    },
    timing::{Flags, Sample, Span, Stage},
    unit::Nanos,
};
use std::collections::BTreeMap;

/// A cell of `model` on `engine` with images per run.
pub fn cell(model: &str, engine: &str, batch: u32) -> Cell {
    let id = CellId {
        model: model.to_owned(),
        family: "yolov8".to_owned(),
        engine: engine.to_owned(),
        precision: Precision::Fp32,
        batch,
        mode: Mode::Serial,
        threads: 1,
    };
    let name = "Imaginary Processor 9000 @ 2.50GHz".to_owned();
    Cell { id, device: Device { kind: Kind::Cpu, uuid: format!("cpu:{name}@here"), name } }
}

/// A sample of decode, preprocess, inference and postprocess, in nanoseconds.
pub fn sample(stages: [u64; 4], warmup: bool, preempted: bool) -> Sample {
    let mut times = [None; Stage::COUNT];
    let measured = [Stage::Decode, Stage::Preprocess, Stage::Inference, Stage::Postprocess];
    for (stage, time) in measured.into_iter().zip(stages) {
        times[stage as usize] = Some(Nanos(time));
    }
    Sample {
        stages: times,
        end_to_end: Nanos(stages.iter().fold(0, |sum, &time| sum.saturating_add(time))),
        flags: Flags { warmup, preempted, throttled: false },
        ..Sample::default()
    }
}

/// A run in which each cell has these samples per launch.
pub fn run(cells: Vec<(Cell, Vec<Vec<Sample>>)>) -> Run {
    let planned = |(cell, _): &(Cell, Vec<Vec<Sample>>)| PlannedCell {
        hash: cell.hash(),
        name: cell.id.to_string(),
        cell: cell.clone(),
        skipped: None,
        notes: Vec::new(),
    };
    let mut info = info();
    info.cells = cells.iter().map(planned).collect();
    let mut launches = Vec::new();
    for (cell, samples) in cells {
        for (number, samples) in (0..).zip(samples) {
            launches.push(launch(&cell, number, samples));
        }
    }
    Run { path: "run".into(), info, launches, detections: Vec::new() }
}

fn info() -> RunInfo {
    RunInfo {
        schema: SCHEMA,
        run: "20261122T052843Z-made-up".to_owned(),
        created: "2026-11-22T05:28:43Z".to_owned(),
        trtbench: "0.1.0".to_owned(),
        program_sha256: None,
        command: Vec::new(),
        scenario: ScenarioInfo {
            name: "made up".to_owned(),
            file: FilePath("made-up.toml".into()),
            text: String::new(),
            set: Vec::new(),
        },
        host: Host {
            name: "here".to_owned(),
            system: "Linux 6.1.0".to_owned(),
            architecture: "x86_64".to_owned(),
            cpu: "Imaginary Processor 9000 @ 2.50GHz".to_owned(),
            processors: 8,
            memory_bytes: None,
            governor: None,
        },
        runtimes: BTreeMap::new(),
        models: Vec::new(),
        images: Vec::new(),
        measure: Measure::default(),
        options: BTreeMap::new(),
        host_stages: None,
        engine: EngineOptions::default(),
        device: BTreeMap::new(),
        inventory: None,
        cells: Vec::new(),
    }
}

fn launch(cell: &Cell, launch: u32, samples: Vec<Sample>) -> Launch {
    let summary = |span: Span| {
        let steady = samples.iter().filter(|sample| !sample.flags.warmup);
        let series: Vec<Nanos> = steady.filter_map(|sample| sample.span(span)).collect();
        Some((span, summarise(&series, 0.95)?))
    };
    let measured = MeasuredRecord {
        iterations: samples.len(),
        preempted: 0,
        throttled: 0,
        facts: facts(),
        stages: Span::ALL.into_iter().filter_map(summary).collect(),
        samples_sha256: String::new(),
        layers: None,
    };
    let record = Record {
        schema: SCHEMA,
        run: "20261122T052843Z-made-up".to_owned(),
        name: cell.id.to_string(),
        cell: cell.id.clone(),
        device: cell.device.clone(),
        launch,
        started: "2026-11-22T05:28:43Z".to_owned(),
        conditions: Conditions::default(),
        outcome: RecordOutcome::Measured(Box::new(measured)),
    };
    Launch { hash: cell.hash(), record, samples, layers: None }
}

fn facts() -> Facts {
    Facts {
        stop: Stop::Converged,
        warmup: 0,
        settled: true,
        load: Nanos::ZERO,
        executed_precision: Some(Precision::Fp32),
        runtime: Runtime { version: "1".to_owned(), library: None },
        detections_per_image: 3.0,
        knows_wait: true,
        cpu_of: CpuOf::Thread,
        harness: Nanos::ZERO,
        peak_memory_bytes: None,
        placement: None,
        build: None,
        telemetry: None,
    }
}

/// Times that look like a real cell's: warm-up that decays, skewed noise, outliers, launches that
/// differ a little.
pub fn lifelike(inference_ns: u64, launches: u32, count: usize) -> Vec<Vec<Sample>> {
    let mut state = inference_ns | 1;
    // xorshift64
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let warmup = count / 15;
    (0..launches)
        .map(|_| {
            let bias = 1.0 + 0.02 * (uniform() - 0.5);
            (0..count)
                .map(|n| {
                    let decay = 1.0 + 1.5 * (-(n as f64) / 5.0).exp();
                    let jolt = if uniform() > 0.99 { 1.0 + uniform() * 2.0 } else { 1.0 };
                    let mut time = |ns: f64| {
                        let noise = 1.0 + 0.03 * -uniform().max(1e-9).ln();
                        (ns * bias * decay * noise * jolt) as u64
                    };
                    let times = [time(1.2e6), time(0.4e6), time(inference_ns as f64), time(60e3)];
                    sample(times, n < warmup, jolt > 2.0)
                })
                .collect()
        })
        .collect()
}
