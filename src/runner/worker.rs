//! The child process of a launch: reads a task from standard input, does it, says so on standard
//! output. Keeps nothing and prints nothing else.

use super::{
    ImageFacts,
    feed::Images,
    holder,
    measure::{self, Tools},
    protocol::{Facts, ImageDetections, Job, Measured, Message, Task},
};
use crate::{
    cpu::{Cpu, Instructions, Threads},
    cuda::nvml,
    device::{
        Inventory, Kind,
        telemetry::{self, Telemetry, Watch},
    },
    engine::{self, Engine, LoadSpec, Placement, Progress, Session},
    family::{self, Adapter},
    image::Decoder,
    model,
    os::{self, Beacon, Meter, MonotonicClock},
    pipeline::{self, Pipeline},
    stats::StopRule,
    timing::Marks,
    unit::Nanos,
};
use std::{
    fs,
    io::{self, BufRead, Read, Write},
    ops::ControlFlow,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    time::Duration,
};

/// Does the one task that standard input holds.
///
/// # Errors
/// When the task cannot be read or an answer not be written; whatever goes wrong in the task
/// itself is an answer.
pub fn work(output: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let task = serde_json::from_str(&line)?;
    match task {
        // What is done about a clock outlasts the parent.
        Task::HoldClock { .. } | Task::ReleaseClock { .. } => {}
        Task::Build(_) => stop_with_parent(BUILD_ENDS),
        _ => stop_with_parent(Duration::ZERO),
    }
    match task {
        Task::Probe { engine, place } => {
            let answer = engine::named(&engine).and_then(|engine| engine.runtime(&place));
            say(output, &answer.map_or_else(refused, Message::Runtime))
        }
        Task::Inventory => say(output, &Message::Inventory(Box::new(Inventory::read()))),
        Task::Build(job) => {
            let answer = build(&job, output).unwrap_or_else(|refusal| refusal);
            say(output, &answer)
        }
        Task::Place(job) => say(output, &place(&job).map_or_else(refused, Message::Placed)),
        Task::Layers { job, runs } => {
            let answer = layers(&job, runs).unwrap_or_else(|refusal| refusal);
            say(output, &answer)
        }
        Task::Launch(job) => {
            let answer = launch(&job, output).unwrap_or_else(|refusal| refusal);
            say(output, &answer)
        }
        Task::HoldClock { uuid, mhz } => holder::hold(&uuid, mhz, &mut |m| say(output, m)),
        Task::ReleaseClock { uuid } => {
            let answer = holder::release(&uuid);
            say(output, &answer.map_or_else(refused, |()| Message::Released))
        }
    }
}

/// How long a build may take to end by itself once it has been told to.
const BUILD_ENDS: Duration = Duration::from_secs(5);

/// Whether the parent's end of the pipe is gone.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Ends this process within `grace` once the parent's end of the pipe is gone, however the parent
/// died.
fn stop_with_parent(grace: Duration) {
    std::thread::spawn(move || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        STOPPED.store(true, Ordering::Relaxed);
        std::thread::sleep(grace);
        if grace > Duration::ZERO {
            // No exit handlers: those of a library do not stand its threads still building.
            os::kill_group(std::process::id());
        }
        std::process::exit(2);
    });
}

/// Builds what the engine needs, and says how far it is.
fn build(job: &Job, output: &mut (dyn Write + Send)) -> Result<Message, Message> {
    let encoded = read_images(job)?;
    check_model(job)?;
    let engine = engine::named(&job.cell.id.engine).map_err(refused)?;
    let mut feed = Images::new(job, cpu(job)?, decoder(job)?, encoded);
    let mut report = |progress: &Progress| {
        // A parent that no longer listens has closed standard input too.
        let _ = say(output, &Message::Building(progress.clone()));
        if STOPPED.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let built = engine.build(&spec(job), &mut feed, &mut report).map_err(refused)?;
    Ok(Message::Built { built })
}

fn say(output: &mut (dyn Write + Send), message: &Message) -> io::Result<()> {
    serde_json::to_writer(&mut *output, message)?;
    output.write_all(b"\n")?;
    output.flush()
}

fn refused(reason: impl ToString) -> Message {
    Message::Refused { reason: reason.to_string() }
}

fn launch(job: &Job, output: &mut (dyn Write + Send)) -> Result<Message, Message> {
    let mut beacon = Beacon::create(&job.beacon.0)
        .map_err(|error| refused(format!("cannot write {}: {error}", job.beacon)))?;
    let images = read_images(job)?;
    check_model(job)?;
    if let Some(mib) = job.measure.max_memory_mib {
        os::limit_memory(mib.saturating_mul(1 << 20))
            .map_err(|error| refused(format!("measure.max_memory_mib cannot be set: {error}")))?;
    }
    let clock = MonotonicClock::new();
    let start = os::Clock::now(&clock);
    let (session, adapter, engine) = load(job)?;
    let load = os::Clock::now(&clock).since(start);
    let executed_precision = session.executed_precision();
    let runtime = engine.runtime(&job.place).map_err(refused)?;
    let batch = job.cell.id.batch as usize;
    let cpu_of = measure::cpu_of(job.cell.id.threads, session.uses_other_threads());
    let mut pipeline = pipeline(job, session, adapter)?;
    let meter = Meter::new(cpu_of == super::CpuOf::Process);
    let tools = Tools { clock: &clock, meter: &meter, beacon: beacon.byte() };
    let mut listen = |iterations, elapsed| {
        // A parent that no longer listens has closed standard input too, which ends this process.
        let _ = say(output, &Message::Progress { iterations, elapsed });
    };
    let watch = watch(job);
    let series = measure::measure(&mut pipeline, &images, batch, &rule(job), &tools, &mut listen);
    let telemetry = watch.map(|watch| watch.map_or_else(never_began, Watch::stop));
    let mut series = series.map_err(|error| refused(with_hint(&error, batch)))?;
    let summary = match &telemetry {
        Some(telemetry) => Some(apply(telemetry, &mut series, batch)?),
        None => None,
    };
    // Some models tell how many classes they have only when they run.
    if let Some(problem) = super::wrong_count(job.class_names, pipeline.classes()) {
        return Err(refused(problem));
    }
    if job.detections {
        detect(job, &mut pipeline, &images, output)?;
    }
    Ok(Message::Finished(Box::new(Measured {
        samples: series.samples,
        facts: Facts {
            stop: series.stop,
            warmup: series.warmup,
            settled: series.settled,
            load,
            executed_precision,
            runtime,
            detections_per_image: series.detections_per_image,
            knows_wait: meter.knows_wait(),
            cpu_of,
            harness: series.harness,
            peak_memory_bytes: os::peak_memory(),
            placement: None,
            build: None,
            telemetry: summary,
        },
        telemetry,
        layers: None,
    })))
}

/// Everything around the loaded model.
fn pipeline(
    job: &Job,
    session: Box<dyn Session>,
    adapter: Box<dyn Adapter>,
) -> Result<Pipeline, Message> {
    let batch = job.cell.id.batch as usize;
    Ok(Pipeline::new(session, adapter, batch, cpu(job)?, decoder(job)?))
}

fn cpu(job: &Job) -> Result<Cpu, Message> {
    let id = &job.cell.id;
    // More would never have an image to work on, but take address space and be metered.
    let threads = Threads::new(id.batch.min(id.threads) as usize).map_err(refused)?;
    let instructions = Instructions::named(job.host.instructions).map_err(refused)?;
    Ok(Cpu { instructions, threads })
}

fn decoder(job: &Job) -> Result<Decoder, Message> {
    Decoder::with(job.host.decoder).map_err(refused)
}

/// Begins to watch the card, if there is one and it is to be watched.
fn watch(job: &Job) -> Option<Result<Watch, nvml::Error>> {
    let device = &job.cell.device;
    (job.telemetry && device.kind == Kind::Gpu).then(|| Watch::start(&device.uuid))
}

/// A card that cannot be watched is measured all the same, and the record says why.
fn never_began(why: nvml::Error) -> Telemetry {
    Telemetry { ended: Some(why.to_string()), ..Telemetry::default() }
}

/// Flags the iterations in which the card was held back. A card whose memory has failed meanwhile has
/// no results.
fn apply(
    telemetry: &Telemetry,
    series: &mut measure::Series,
    batch: usize,
) -> Result<telemetry::Summary, Message> {
    let errors = telemetry.memory_errors();
    if errors > 0 {
        return Err(refused(format!(
            "the card's memory had {errors} uncorrectable errors during the launch: its results \
             cannot be trusted; look at nvidia-smi -q -d ECC"
        )));
    }
    for (sample, &(start, end)) in series.samples.iter_mut().zip(&series.spans) {
        sample.flags.throttled = telemetry.throttled(start, end);
    }
    Ok(telemetry.summary(&series.spans[series.warmup..], batch))
}

/// Where the model's nodes run.
fn place(job: &Job) -> Result<Placement, String> {
    let said = |message: Message| match message {
        Message::Refused { reason } => reason,
        _ => "the model was not loaded".to_owned(),
    };
    let (session, adapter, engine) = load(job).map_err(said)?;
    // Unloaded first: two of them may not fit the card.
    let inputs = adapter.inputs();
    drop(session);
    let found = engine.placement(&spec(job), &inputs).map_err(|error| error.to_string())?;
    Ok(found.unwrap_or_default())
}

/// How long each layer takes on the first images, by the engine's profiler.
fn layers(job: &Job, runs: usize) -> Result<Message, Message> {
    let images = read_images(job)?;
    check_model(job)?;
    let (session, adapter, engine) = load(job)?;
    let batch = job.cell.id.batch as usize;
    let first: Vec<&[u8]> = images.iter().cycle().take(batch).map(Vec::as_slice).collect();
    let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
    let mut marks = Marks::new(&clock, &beacon);
    let pipeline = pipeline(job, session, adapter)?;
    let inputs = pipeline.into_inputs(&first, &mut marks).map_err(refused)?;
    let layers = engine.layers(&spec(job), &inputs, runs).map_err(refused)?;
    Ok(Message::Layers { layers })
}

/// Reads the images, which must be those that the run began with.
fn read_images(job: &Job) -> Result<Vec<Vec<u8>>, Message> {
    let read = |image: &ImageFacts| {
        let path = &image.path;
        let bytes = fs::read(&path.0)
            .map_err(|error| refused(format!("cannot read the image {path}: {error}")))?;
        if model::sha256(&bytes) == image.sha256 { Ok(bytes) } else { Err(changed("image", path)) }
    };
    job.images.iter().map(read).collect()
}

fn check_model(job: &Job) -> Result<(), Message> {
    let Some(expected) = &job.model_sha256 else { return Ok(()) };
    let found = model::open(&job.model.0).map_err(refused)?.sha256;
    if found == *expected { Ok(()) } else { Err(changed("model", &job.model)) }
}

fn changed(what: &str, path: &os::FilePath) -> Message {
    refused(format!("the {what} {path} has changed since the run began; start a new run"))
}

type Loaded = (Box<dyn Session>, Box<dyn Adapter>, Box<dyn Engine>);

fn load(job: &Job) -> Result<Loaded, Message> {
    let id = &job.cell.id;
    let engine = engine::named(&id.engine).map_err(refused)?;
    let spec = spec(job);
    let session = engine.load(&spec).map_err(refused)?;
    let family = family::named(&id.family).map_err(refused)?;
    let adapter = family.adapt(session.io(), spec.batch, &job.options).map_err(refused)?;
    Ok((session, adapter, engine))
}

fn spec(job: &Job) -> LoadSpec<'_> {
    let id = &job.cell.id;
    LoadSpec {
        model: &job.model.0,
        threads: id.threads as usize,
        batch: id.batch as usize,
        precision: id.precision,
        launch: job.launch,
        place: &job.place,
    }
}

/// Adds what is most often wrong with a network that fails on several images. A card that fails, or
/// an image, says what is wrong by itself.
fn with_hint(error: &pipeline::Error, batch: usize) -> String {
    use pipeline::Error::{Decode, Inference};
    if batch == 1 || matches!(error, Decode { .. } | Inference(engine::Error::Card(_))) {
        return error.to_string();
    }
    format!(
        "{error} (with batch = [1] it may work: some exports declare a dynamic batch and fix it \
         inside the graph; export it with a dynamic batch, or use batch = [1])"
    )
}

fn rule(job: &Job) -> StopRule {
    let measure = &job.measure;
    StopRule {
        target: measure.target,
        level: measure.confidence,
        min_samples: measure.min_samples as usize,
        max_samples: measure.max_samples as usize,
        min_time: Nanos::from_seconds(measure.min_seconds),
        max_time: Nanos::from_seconds(measure.max_seconds),
    }
}

/// Runs every image once more, untimed, and sends what was found. A last batch that is not full
/// is filled up with images from the start.
fn detect(
    job: &Job,
    pipeline: &mut Pipeline,
    images: &[Vec<u8>],
    output: &mut (dyn Write + Send),
) -> Result<(), Message> {
    let clock = MonotonicClock::new();
    let beacon = AtomicU8::new(0);
    let mut marks = Marks::new(&clock, &beacon);
    let batch = job.cell.id.batch as usize;
    for first in (0..images.len()).step_by(batch) {
        let turn: Vec<&[u8]> =
            (first..first + batch).map(|i| images[i % images.len()].as_slice()).collect();
        pipeline.iterate(&turn, &mut marks).map_err(refused)?;
        for (offset, found) in pipeline.detections().iter().enumerate() {
            let Some(image) = job.images.get(first + offset) else { break };
            let found = ImageDetections { image: image.path.clone(), detections: found.clone() };
            say(output, &Message::Detections(found)).map_err(refused)?;
        }
    }
    Ok(())
}
