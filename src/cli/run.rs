//! `trtbench run`: measure, keep, report.

use super::{
    End, common,
    folders::{fresh, newest},
    report,
    screen::Screen,
};
use crate::{
    analysis,
    device::{
        Inventory,
        compatibility::{Finding, Verdict},
    },
    model,
    os::{self, FilePath, Host},
    report as reports,
    runner::{self, Clocks, Event, Launched, Observer, Problem, Ready, Runnable, Setup, Workers},
    scenario::Cell,
    store::{Folder, PlannedCell, Run, RunInfo, SCHEMA, ScenarioInfo},
};
use anyhow::{Context, bail};
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    scenarios: common::ScenarioArguments,
    /// Folder of the run; with several scenarios each gets a folder in it
    /// [default: results/<time>-<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Finish the run in --out, or without --out the scenario's newest run in results/
    #[arg(long)]
    resume: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Print no progress
    #[arg(long)]
    quiet: bool,
    /// Do not read clocks, temperature and power of cards while they are measured
    #[arg(long)]
    no_telemetry: bool,
    /// Time each layer too, as measure.layers does
    #[arg(long)]
    layers: bool,
    /// Save the detections as JSON and drawn on the images
    #[arg(long)]
    save_detections: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let mut end = End::Complete;
    let mut values = Vec::new();
    for (index, mut loaded) in arguments.scenarios.load()?.into_iter().enumerate() {
        loaded.scenario.measure.layers |= arguments.layers;
        let (value, this) = run_one(arguments, &loaded, index == 0)?;
        values.push(value);
        match this {
            End::Complete => {}
            End::Finding => end = End::Finding,
            End::Interrupted => {
                end = End::Interrupted;
                break;
            }
        }
    }
    if arguments.json {
        common::print_json(&report::one_or_all(values))?;
    }
    Ok(end)
}

fn run_one(
    arguments: &Arguments,
    loaded: &common::Loaded,
    first: bool,
) -> anyhow::Result<(serde_json::Value, End)> {
    let workers = common::workers()?;
    let ready = common::ready(loaded, &workers)?;
    let folder = open_folder(arguments, loaded, &ready)?;
    let setup = Setup {
        images: ready.images.clone(),
        measure: loaded.scenario.measure.clone(),
        host: ready.host,
        telemetry: !arguments.no_telemetry,
        scratch: folder.path().join("launches"),
        detections: arguments.save_detections,
    };
    let done = done(&folder, &ready, &setup)?;
    let is_done = |cell: &Cell, launch: u32| done.contains(&(cell.hash(), launch));
    let mut clocks = match hold_clocks(loaded, &ready, &setup, &workers, &is_done) {
        Ok(clocks) => clocks,
        Err(refused) => {
            folder.discard_unbegun();
            return Err(refused);
        }
    };
    let total = ready.run.len() * setup.measure.launches as usize;
    let screen = Screen::new(arguments.quiet, total, done.len(), setup.measure.launches);
    announce(&screen, &loaded.scenario.name, [total, done.len()], &folder, &ready);
    let mut keeper = Keeper { folder: &folder, screen };
    if first {
        // Only now: until here Ctrl-C ends the program at once, and there is nothing to keep.
        os::watch_interrupts().context("cannot watch for Ctrl-C")?;
    }
    let ended = runner::run(&ready.run, &setup, &workers, &is_done, &mut keeper);
    for Problem(left_behind) in clocks.release() {
        common::tell(&format!("warning: {left_behind}"));
    }
    let ended = ended.with_context(|| {
        format!(
            "stopped; what was measured is kept in {}. When the cause is mended, finish it with: {}",
            folder.path().display(),
            resume_command(arguments, folder.path())
        )
    })?;
    keeper.screen.finish();
    conclude(arguments, &folder, ended)
}

/// Says what is to come: how many launches there are in all and how many of them are done.
fn announce(
    screen: &Screen,
    name: &str,
    [total, done]: [usize; 2],
    folder: &Folder,
    ready: &Ready,
) {
    let path = folder.path().display();
    screen.say(&format!("{name}: {total} launches, {done} of them done; results in {path}"));
    for (cell, reason) in &ready.skipped {
        screen.say(&format!("skipped: {} on {}: {}", cell.id, cell.device, reason.0));
    }
}

/// Holds the clocks of the cards that have launches to measure.
fn hold_clocks(
    loaded: &common::Loaded,
    ready: &Ready,
    setup: &Setup,
    workers: &Workers,
    is_done: &dyn Fn(&Cell, u32) -> bool,
) -> anyhow::Result<Clocks> {
    let missing = |runnable: &&Runnable| {
        (0..setup.measure.launches).any(|launch| !is_done(&runnable.cell, launch))
    };
    let cells: Vec<Runnable> = ready.run.iter().filter(missing).cloned().collect();
    Clocks::hold(&cells, workers).with_context(|| loaded.source.file.display().to_string())
}

/// The command line that takes this run up again: this one, with its folder.
fn resume_command(arguments: &Arguments, folder: &Path) -> String {
    let mut words: Vec<String> = vec!["trtbench".to_owned()];
    let given = std::env::args_os().skip(1).map(|word| os::printable(Path::new(&word)));
    words.extend(given.filter(|word| word != "--resume"));
    // Several scenarios without --out are found again by their names.
    if arguments.out.is_none() && arguments.scenarios.scenarios.len() == 1 {
        words.extend(["--out".to_owned(), os::printable(folder)]);
    }
    words.push("--resume".to_owned());
    words.iter().map(|word| common::quoted(word)).collect::<Vec<_>>().join(" ")
}

fn done(folder: &Folder, ready: &Ready, setup: &Setup) -> anyhow::Result<HashSet<(String, u32)>> {
    let mut done = HashSet::new();
    for runnable in &ready.run {
        for launch in 0..setup.measure.launches {
            if folder.has(&runnable.cell, launch)? {
                done.insert((runnable.cell.hash(), launch));
            }
        }
    }
    Ok(done)
}

fn conclude(
    arguments: &Arguments,
    folder: &Folder,
    ended: runner::End,
) -> anyhow::Result<(serde_json::Value, End)> {
    let run = Run::read(folder.path())?;
    let cells = analysis::cells(&run);
    report::write(&run, &cells)?;
    if arguments.save_detections {
        reports::pictures::save(&run)?;
        let measured = cells.iter().filter(|cell| cell.measured > 0).count();
        if run.detections.len() < measured {
            common::tell(
                "note: detections are saved by the first launch of a cell; of cells whose first \
                 launch was there already, or failed, there are none",
            );
        }
    }
    if !arguments.json {
        common::print(&report::tables(&cells))?;
        common::print(&format!("Results: {}", folder.path().display()))?;
    }
    let end = match ended {
        runner::End::Interrupted => {
            common::tell(&format!(
                "interrupted; what was measured is kept in {}; finish it with: {}",
                folder.path().display(),
                resume_command(arguments, folder.path())
            ));
            End::Interrupted
        }
        runner::End::Complete if report::finding(&cells) => End::Finding,
        runner::End::Complete => End::Complete,
    };
    Ok((reports::json::run(&run.info, &cells), end))
}

/// Keeps every launch and shows how far the run is.
struct Keeper<'a> {
    folder: &'a Folder,
    screen: Screen,
}

impl Observer for Keeper<'_> {
    fn on(&mut self, event: Event<'_>) -> io::Result<()> {
        match event {
            Event::Building(cell) => self.screen.building(cell),
            Event::BuildProgress(progress) => self.screen.build_progress(progress),
            Event::Built(_, answer) => self.screen.built(answer),
            Event::Started(cell, launch) => self.screen.started(cell, launch),
            Event::Progress(iterations, elapsed) => self.screen.progress(iterations, elapsed),
            Event::Finished(launched) => {
                self.keep(launched)?;
                self.screen.finished(launched);
            }
        }
        Ok(())
    }
}

impl Keeper<'_> {
    fn keep(&self, launched: &Launched) -> io::Result<()> {
        self.folder.keep(launched).map_err(io::Error::other)
    }
}

fn open_folder(
    arguments: &Arguments,
    loaded: &common::Loaded,
    ready: &Ready,
) -> anyhow::Result<Folder> {
    let name = common::slug(&loaded.scenario.name);
    let several = arguments.scenarios.scenarios.len() > 1;
    let path = match (&arguments.out, arguments.resume) {
        (Some(out), _) if several => out.join(&name),
        (Some(out), _) => out.clone(),
        (None, false) => fresh(&name),
        (None, true) => match newest(&loaded.scenario.name) {
            Some(run) => run,
            // Of several scenarios, those after the interrupted one have not begun.
            None if several => fresh(&name),
            None => bail!("there is no run of `{}` in results/ to resume", loaded.scenario.name),
        },
    };
    let info = info(loaded, ready, &path);
    if !arguments.resume || several && !path.join("run.json").exists() {
        return Ok(Folder::create(&path, info)?);
    }
    let folder = Folder::resume(&path)?;
    let (began, now) = (&folder.info().scenario.name, &info.scenario.name);
    if began != now {
        bail!("cannot resume {}: it is a run of `{began}`, not of `{now}`", path.display());
    }
    if let Some(change) = change(folder.info(), &info) {
        bail!(
            "cannot resume {}: {change} changed since it began; start a new run instead",
            path.display()
        );
    }
    Ok(folder)
}

/// What keeps new launches from being pooled with a run's old ones.
fn change(old: &RunInfo, new: &RunInfo) -> Option<String> {
    let image_hashes = |info: &RunInfo| -> Vec<String> {
        info.images.iter().map(|image| image.sha256.clone()).collect()
    };
    let model_hashes = |info: &RunInfo| -> Vec<String> {
        info.models.iter().map(|model| model.sha256.clone()).collect()
    };
    // Not its memory or kernel: they may change by a hair, and are in each run's report.
    let host = |info: &RunInfo| {
        (info.host.name.clone(), info.host.cpu.clone(), info.host.architecture.clone())
    };
    let driver = |info: &RunInfo| info.inventory.as_ref().and_then(|found| found.driver.clone());
    let differ = [
        (host(old) != host(new), "the machine"),
        (old.trtbench != new.trtbench, "trtbench's version"),
        (old.program_sha256 != new.program_sha256, "the trtbench program"),
        (old.runtimes != new.runtimes, "an engine's version or library"),
        (model_hashes(old) != model_hashes(new), "a model file"),
        (image_hashes(old) != image_hashes(new), "the images"),
        (old.measure.layers != new.measure.layers, "measure.layers (or --layers)"),
        (old.measure != new.measure, "[measure] in the scenario"),
        (
            old.host_stages != new.host_stages,
            "the decoder or the instructions of the host's stages",
        ),
        (old.engine != new.engine, "[engine] in the scenario"),
        (old.device != new.device, "[device] in the scenario"),
        (driver(old) != driver(new), "the NVIDIA driver"),
        (old.cells != new.cells, "the matrix or what can run here"),
    ];
    let changed = differ.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what.to_owned());
    changed.or_else(|| {
        old.options.iter().find_map(|(model, options)| {
            let changes = options.differences(new.options.get(model)?);
            Some(format!("model {model}: {}", changes.first()?))
        })
    })
}

/// What the tables have to say about a cell that they do not refuse.
fn notes(cell: &Cell, ready: &Ready) -> Vec<String> {
    let mine = ready.examined.iter().find(|examined| examined.cell == *cell);
    let findings = mine.map_or(&[][..], |examined| &examined.findings);
    let telling = findings.iter().filter(|finding| finding.verdict != Verdict::Fits);
    let note = |finding: &Finding| match finding.verdict {
        Verdict::Unknown => format!("nobody knows whether it fits: {}", finding.sentence()),
        _ => finding.sentence(),
    };
    let remarks = mine.map_or(&[][..], |examined| &examined.remarks);
    remarks.iter().cloned().chain(telling.map(note)).collect()
}

/// The cards as the run finds them, if it looked for any.
fn inventory(loaded: &common::Loaded) -> Option<Inventory> {
    (loaded.inventory != Inventory::default()).then(|| loaded.inventory.clone())
}

fn info(loaded: &common::Loaded, ready: &Ready, path: &Path) -> RunInfo {
    let scenario = &loaded.scenario;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let run = absolute.file_name().map(|name| os::printable(Path::new(name)));
    let planned = |cell: &Cell| PlannedCell {
        hash: cell.hash(),
        name: cell.id.to_string(),
        cell: cell.clone(),
        skipped: ready
            .skipped
            .iter()
            .find(|(skipped, _)| skipped == cell)
            .map(|(_, reason)| reason.clone()),
        notes: notes(cell, ready),
    };
    RunInfo {
        schema: SCHEMA,
        run: run.unwrap_or_else(|| scenario.name.clone()),
        created: os::utc_now().iso(),
        trtbench: env!("CARGO_PKG_VERSION").to_owned(),
        program_sha256: os::this_program().and_then(std::fs::read).ok().map(|b| model::sha256(&b)),
        command: std::env::args_os().map(|word| os::printable(Path::new(&word))).collect(),
        scenario: ScenarioInfo {
            name: scenario.name.clone(),
            file: FilePath(loaded.source.file.clone()),
            text: loaded.source.text.clone(),
            set: loaded.source.overrides.clone(),
        },
        host: Host::read(),
        runtimes: ready.runtimes.clone(),
        models: ready.models.clone(),
        images: ready.images.clone(),
        measure: scenario.measure.clone(),
        options: scenario.models.iter().map(|m| (m.name.clone(), m.options.clone())).collect(),
        host_stages: Some(ready.host),
        engine: scenario.engine.clone(),
        device: scenario.device.clone(),
        inventory: inventory(loaded),
        cells: loaded.plan.cells.iter().map(planned).collect(),
    }
}
