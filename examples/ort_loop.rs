//! A tight loop over one model through this project's ONNX Runtime engine: its overhead against
//! a loop in Python is what scripts/peers/ort_overhead.sh measures. Prints the median of the
//! inference stage in nanoseconds.
//!
//! Usage: ort_loop MODEL THREADS SECONDS LIBRARY

use anyhow::{Context, bail};
use std::{
    env,
    path::PathBuf,
    sync::atomic::AtomicU8,
    time::{Duration, Instant},
};
use trtbench::{
    engine::{Engine, LoadSpec, Place, Session, ort::Ort},
    os::MonotonicClock,
    scenario::{EngineOptions, OrtOptions, Precision},
    tensor::{Data, ModelIo, Shape, Tensor, TensorInfo, TensorSet},
    timing::{Marks, Stage},
    unit::Nanos,
};

/// Runs before the first that counts.
const WARMUP: usize = 5;

#[expect(clippy::print_stdout, reason = "the result")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, threads, seconds, library] = arguments.as_slice() else {
        bail!("usage: ort_loop MODEL THREADS SECONDS LIBRARY");
    };
    let ort = OrtOptions { library: Some(library.into()), ..OrtOptions::default() };
    let mut session = Ort.load(&LoadSpec {
        model: &PathBuf::from(model),
        threads: threads.parse()?,
        batch: 1,
        precision: Precision::Fp32,
        launch: 0,
        place: &Place::cpu(EngineOptions { ort, ..EngineOptions::default() }),
    })?;
    let inputs = inputs(session.io())?;
    println!("{}", median(&mut *session, &inputs, Duration::from_secs_f64(seconds.parse()?))?.0);
    Ok(())
}

/// One image of the model's own size, with the same numbers as in ort_overhead.py.
fn inputs(io: &ModelIo) -> anyhow::Result<TensorSet> {
    io.inputs.iter().map(input).collect()
}

fn input(info: &TensorInfo) -> anyhow::Result<Tensor> {
    let rank = info.rank().context("an input has no declared shape")?;
    let dims: Vec<usize> = (0..rank).map(|axis| info.fixed(axis).unwrap_or(1)).collect();
    let shape = Shape::new(&dims).context("an input has too many dimensions")?;
    let values = (0..shape.elements()).map(|i| ((i * 7919) % 255) as f32 / 255.0);
    Ok(Tensor { name: info.name.clone(), shape, data: Data::F32(values.collect()) })
}

fn median(session: &mut dyn Session, inputs: &TensorSet, span: Duration) -> anyhow::Result<Nanos> {
    let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
    let mut marks = Marks::new(&clock, &beacon);
    let mut times = Vec::new();
    let mut time = || -> anyhow::Result<Nanos> {
        marks.begin();
        session.run(inputs, &mut marks)?;
        marks.finish().stages[Stage::Inference as usize].context("no inference was timed")
    };
    for _ in 0..WARMUP {
        time()?;
    }
    let begin = Instant::now();
    while times.is_empty() || begin.elapsed() < span {
        times.push(time()?);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
