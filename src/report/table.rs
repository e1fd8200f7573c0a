//! The table on the terminal: one row per cell, its stages side by side, then what to know before
//! believing it.

use super::csv::{outcome, placement, throttle_reasons};
use crate::{
    analysis::{CellResult, Comparison, Delta, State, Verdict},
    device::Kind,
    engine::null,
    timing::{Span, Stage},
    unit::{Nanos, Share},
};
use comfy_table::{Cell as Field, CellAlignment, Table, presets};

/// A share of preempted iterations that is worth a note.
const NOTABLE_PREEMPTION: f64 = 0.05;

/// All cells of a run.
pub fn run(cells: &[CellResult]) -> String {
    let stages: Vec<Span> =
        Stage::ALL.map(Span::from).into_iter().filter(|span| exists(cells, *span)).collect();
    let several = on_several(cells);
    let mut table = empty();
    let mut header = vec!["cell".to_owned()];
    header.extend(several.then(|| "device".to_owned()));
    header.extend(stages.iter().map(ToString::to_string));
    header.extend(["end to end", "interval", "images/s"].map(str::to_owned));
    table.set_header(header);
    for cell in cells.iter().filter(|cell| cell.state == State::Measured) {
        table.add_row(row(cell, &stages, several));
    }
    for column in table.column_iter_mut().skip(1 + usize::from(several)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = String::new();
    if table.row_count() > 0 {
        let name = if several { "several devices" } else { cells[0].device.name.as_str() };
        text.push_str(&format!(
            "On {name}; medians, and each stage's share of the whole\n{table}\n"
        ));
    }
    for note in releases(cells).into_iter().chain(notes(cells)) {
        text.push_str(&format!("{note}\n"));
    }
    text
}

/// A table without rows, in the style of all.
pub(super) fn empty() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table
}

fn exists(cells: &[CellResult], span: Span) -> bool {
    cells.iter().any(|cell| cell.stages.contains_key(&span))
}

fn row(cell: &CellResult, stages: &[Span], several: bool) -> Vec<Field> {
    let whole = cell.stages.get(&Span::EndToEnd);
    let mut fields = vec![Field::new(&cell.cell)];
    fields.extend(several.then(|| Field::new(&cell.device)));
    for span in stages {
        let text = match (cell.stages.get(span), whole) {
            (Some(stage), Some(whole)) => {
                format!("{}\n{}", stage.median, share(stage.median, whole.median))
            }
            _ => "–".to_owned(),
        };
        fields.push(Field::new(text));
    }
    if let Some(whole) = whole {
        fields.push(Field::new(whole.median));
        fields.push(Field::new(match whole.ci {
            Some((low, high)) => format!("{low} – {high}"),
            None => "too few samples".to_owned(),
        }));
        fields.push(Field::new(format!("{:.1}", images_per_second(cell, whole.median))));
    }
    fields
}

fn share(part: Nanos, whole: Nanos) -> Share {
    Share(part.0 as f64 / whole.0.max(1) as f64)
}

/// Images that one worker gets through in a second at the median.
pub fn images_per_second(cell: &CellResult, end_to_end: Nanos) -> f64 {
    f64::from(cell.cell.batch) / end_to_end.seconds().max(1e-9)
}

/// Whether cells ran on several devices, so that each has to name its own.
fn on_several(cells: &[CellResult]) -> bool {
    cells.iter().any(|cell| cell.device != cells[0].device)
}

/// A cell's name, with its device where there are several.
fn name(cell: &CellResult, several: bool) -> String {
    let on = if several { format!(" on {}", cell.device) } else { String::new() };
    format!("{}{on}", cell.cell)
}

/// What computed on which card, a line per engine.
fn releases(cells: &[CellResult]) -> Vec<String> {
    let mut engines: Vec<(&str, Vec<String>)> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.device.kind == Kind::Gpu) {
        let Some(runtime) = &cell.runtime else { continue };
        let release = format!("{} on {}", runtime.version, cell.device);
        match engines.iter_mut().find(|(engine, _)| *engine == cell.cell.engine) {
            Some((_, known)) if known.contains(&release) => {}
            Some((_, known)) => known.push(release),
            None => engines.push((&cell.cell.engine, vec![release])),
        }
    }
    engines.iter().map(|(engine, all)| format!("{engine}: {}", all.join(", "))).collect()
}

fn notes(cells: &[CellResult]) -> Vec<String> {
    let several = on_several(cells);
    let each = cells.iter().flat_map(|cell| notes_of(cell, several));
    each.chain(shared_doubts(cells, several)).collect()
}

/// Most cells that a note names.
const NAMED: usize = 3;

/// A line per doubt, with the cells that have it.
fn shared_doubts(cells: &[CellResult], several: bool) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    let measured: Vec<_> = cells.iter().filter(|cell| cell.state == State::Measured).collect();
    for cell in &measured {
        for doubt in doubts(cell) {
            let name = name(cell, several);
            match groups.iter_mut().find(|(text, _)| *text == doubt) {
                Some((_, names)) => names.push(name),
                None => groups.push((doubt, vec![name])),
            }
        }
    }
    let line = |(doubt, names): (String, Vec<String>)| {
        let all = names.len();
        if all > 1 && all == measured.len() {
            return format!("note: all {all} cells: {doubt}");
        }
        let more = if all > NAMED { format!(" and {} more", all - NAMED) } else { String::new() };
        format!("note: {}{more}: {doubt}", names[..all.min(NAMED)].join(", "))
    };
    groups.into_iter().map(line).collect()
}

fn notes_of(cell: &CellResult, several: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let name = name(cell, several);
    let (outcome, reason) = outcome(cell);
    if cell.state != State::Measured {
        return vec![format!("{outcome}: {}: {reason}", self::name(cell, true))];
    }
    let launches = cell.measured + cell.failed + cell.missing;
    if cell.failed > 0 {
        notes.push(format!("failed: {name}: {} of {launches} launches: {reason}", cell.failed));
    }
    if cell.missing > 0 {
        notes.push(format!(
            "unfinished: {name}: {} of {launches} launches are missing; finish with --resume",
            cell.missing
        ));
    }
    if cell.executed_precision.is_some_and(|executed| executed != cell.cell.precision) {
        let executed = cell.executed_precision.map(|p| p.to_string()).unwrap_or_default();
        notes.push(format!(
            "note: {name}: {} was asked for, the engine computed in {executed}",
            cell.cell.precision
        ));
    }
    notes
}

fn doubts(cell: &CellResult) -> Vec<String> {
    let mut doubts = Vec::new();
    let n = cell.measured;
    if n == 1 {
        doubts.push("one launch: the interval does not hold between processes".to_owned());
    }
    if cell.unsettled > 0 {
        doubts.push(format!("{} of {n} launches were still changing at their end", cell.unsettled));
    }
    if cell.unconverged > 0 {
        doubts.push(format!(
            "{} of {n} launches hit a bound before the interval was as narrow as asked for",
            cell.unconverged
        ));
    }
    let samples = cell.stages.get(&Span::EndToEnd).map_or(0, |stage| stage.samples);
    let preempted = cell.preempted.unwrap_or(0) as f64 / samples.max(1) as f64;
    if preempted >= NOTABLE_PREEMPTION {
        doubts.push(format!(
            "{} of the iterations waited for a processor, so other work was running",
            Share(preempted)
        ));
    }
    doubts.extend(doubts_about_card(cell, samples));
    doubts.extend(cell.build.iter().flat_map(|built| built.remarks.clone()));
    if let Some(Err(reason)) = &cell.layers {
        doubts.push(format!("its layers are not known: {}", reason.0));
    }
    // The empty engine detects nothing by its nature.
    if cell.detections_per_image == Some(0.0) && cell.cell.engine != null::NAME {
        doubts.push(
            "no detections at all: the cost of post-processing means little (random weights? \
             another family?)"
                .to_owned(),
        );
    }
    doubts
}

/// What only a card can be doubted for.
fn doubts_about_card(cell: &CellResult, samples: usize) -> Vec<String> {
    let mut doubts = cell.notes.clone();
    let throttled = cell.throttled.unwrap_or(0) as f64 / samples.max(1) as f64;
    if throttled > 0.0 {
        let reasons = throttle_reasons(cell).unwrap_or_default();
        doubts.push(format!(
            "in {} of the iterations the card was held back ({reasons}): look at its cooling and \
             power limit",
            Share(throttled)
        ));
    }
    if let Some(why) = cell.telemetry.iter().find_map(|told| told.ended.as_ref()) {
        doubts.push(format!("clocks and temperature are not known throughout: {why}"));
    }
    if let Some(placed) = &cell.placement
        && (placed.problem.is_some() || placed.nodes.keys().any(|by| *by != placed.asked))
    {
        let operators = match placed.on_cpu.as_slice() {
            [] => String::new(),
            on_cpu => format!("; on the CPU: {}", on_cpu.join(", ")),
        };
        doubts.push(format!(
            "not all of its nodes ran on {}, but on {}{operators}",
            placed.asked,
            placement(placed)
        ));
    }
    doubts
}

/// A comparison.
pub fn comparison(comparison: &Comparison) -> String {
    let mut text = String::new();
    for difference in &comparison.differences {
        text.push_str(&format!("differs: {difference}\n"));
    }
    let mut table = empty();
    let several = several_devices(comparison);
    let mut header = vec!["cell"];
    header.extend(several.then_some("device"));
    header.extend(["stage", "base", "new", "ratio", "interval", "noise", "verdict"]);
    table.set_header(header);
    for delta in &comparison.deltas {
        table.add_row(delta_row(delta, several));
    }
    for column in table.column_iter_mut().skip(2 + usize::from(several)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    text.push_str(&format!("{table}\n"));
    if comparison.deltas.iter().any(|delta| delta.within_one_launch) {
        text.push_str(
            "¹ within one launch only: not valid between processes, so no verdict; measure with \
             launches = 5 or more\n",
        );
    }
    text
}

/// The device of a row: that of the new run, if there is one.
fn device(delta: &Delta) -> Option<&str> {
    Some(delta.new.as_ref().or(delta.base.as_ref())?.device.as_str())
}

/// Whether rows are about several devices, so that each has to name its own.
fn several_devices(comparison: &Comparison) -> bool {
    let mut devices = comparison.deltas.iter().filter_map(device);
    let first = devices.next();
    devices.any(|device| Some(device) != first)
}

fn delta_row(delta: &Delta, several: bool) -> Vec<Field> {
    let time = |side: &Option<crate::analysis::Side>| {
        side.as_ref().map_or("–".to_owned(), |side| side.median_ns.to_string())
    };
    let mut fields = vec![Field::new(&delta.cell)];
    fields.extend(several.then(|| Field::new(device(delta).unwrap_or("–"))));
    fields.extend([
        Field::new(delta.stage),
        Field::new(time(&delta.base)),
        Field::new(time(&delta.new)),
    ]);
    match &delta.ratio {
        Some(ratio) => {
            let mark = if delta.within_one_launch { "¹" } else { "" };
            fields.push(Field::new(ratio.ratio));
            fields.push(Field::new(format!("{} – {}{mark}", ratio.low, ratio.high)));
            fields.push(Field::new(Share(ratio.noise)));
        }
        None => fields.extend(["–", "–", "–"].map(Field::new)),
    }
    let verdict = match delta.verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Same => "same",
        Verdict::Ambiguous => "ambiguous",
        Verdict::Missing => "missing",
    };
    fields.push(Field::new(verdict));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis,
        device::Device,
        report::charts::synthetic::{self, lifelike},
        runner::Reason,
        scenario::Cell,
        store::{RecordOutcome, Run},
    };

    fn on(card: &str) -> Cell {
        let device = Device { kind: Kind::Gpu, name: card.into(), uuid: format!("GPU-{card}") };
        Cell { device, ..synthetic::cell("m", "tensorrt", 1) }
    }

    fn text(run: &Run) -> String {
        super::run(&analysis::cells(run))
    }

    #[test]
    fn the_release_that_computed_on_each_card_stands_below_the_table() {
        let samples = || lifelike(1_000_000, 2, 20);
        let mut run = synthetic::run(vec![(on("Old"), samples()), (on("New"), samples())]);
        for launch in run.launches.iter_mut().filter(|launch| launch.record.device.name == "Old") {
            let RecordOutcome::Measured(measured) = &mut launch.record.outcome else { continue };
            measured.facts.runtime.version = "8.6.1".to_owned();
        }
        assert!(text(&run).contains("\ntensorrt: 8.6.1 on Old, 1 on New\n"), "{}", text(&run));
        let cpu = synthetic::run(vec![(synthetic::cell("m", "ort", 1), samples())]);
        assert!(!text(&cpu).contains("ort: 1 on"), "{}", text(&cpu));
    }

    #[test]
    fn an_unfinished_cell_is_named_with_its_device_where_there_are_several() {
        let samples = || lifelike(1_000_000, 2, 20);
        let mut run = synthetic::run(vec![(on("Old"), samples()), (on("New"), samples())]);
        run.info.measure.launches = 2;
        run.launches
            .retain(|launch| launch.record.device.name == "New" || launch.record.launch == 0);
        let line = "unfinished: m/yolov8/tensorrt/fp32/b1/serial/t1 on Old: 1 of 2";
        assert!(text(&run).contains(line), "{}", text(&run));
    }

    #[test]
    fn nothing_measured_has_no_heading() {
        let mut run = synthetic::run(vec![(on("Old"), Vec::new())]);
        run.info.cells[0].skipped = Some(Reason("no such card".to_owned()));
        let cell = "skipped: m/yolov8/tensorrt/fp32/b1/serial/t1 on Old: no such card\n";
        assert_eq!(text(&run), cell);
    }
}
