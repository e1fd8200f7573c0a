//! The layers of every cell: `layers.csv`, a summary for the terminal, JSON. docs/RESULTS.md explains
//! each column.

use super::{
    table,
    words::{inference, layer_name, layers_sum},
};
use crate::{
    analysis::{CellLayers, CellResult, LayerResult, OperatorResult},
    runner::Reason,
    store::RunInfo,
    unit::{Nanos, Share},
};
use comfy_table::{Cell as Field, CellAlignment};
use serde::Serialize;
use serde_json::{Value, json};

/// Layers and operators of a cell that the terminal shows.
const SHOWN: usize = 5;

/// Characters of a layer's name that the terminal shows.
const LONGEST_NAME: usize = 60;

/// One row; the fields are the columns, in this order. New columns come last.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    run: &'a str,
    cell: String,
    model: &'a str,
    family: &'a str,
    engine: &'a str,
    device: &'a str,
    device_uuid: &'a str,
    precision: &'a str,
    batch: u32,
    mode: &'a str,
    threads: u32,
    reason: &'a str,
    index: Option<usize>,
    layer: &'a str,
    operator: &'a str,
    layer_precision: Option<&'a str>,
    place: Option<&'a str>,
    runs: Option<usize>,
    median_ns: Option<Nanos>,
    mad_ns: Option<Nanos>,
    min_ns: Option<Nanos>,
    max_ns: Option<Nanos>,
    share: Option<Share>,
    layers_sum_ns: Option<Nanos>,
    inference_median_ns: Option<Nanos>,
}

/// The whole file; none where layers were not asked for. A cell whose layers are not known has one
/// row, with the reason.
///
/// # Errors
/// When a row cannot be encoded.
pub fn csv(run: &RunInfo, cells: &[CellResult]) -> Result<Option<Vec<u8>>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for cell in cells {
        match &cell.layers {
            None => {}
            Some(Err(Reason(reason))) => {
                writer.serialize(Row { reason, ..identity(run, cell) })?;
            }
            Some(Ok(all)) => {
                for layer in &all.layers {
                    writer.serialize(row(identity(run, cell), all, layer))?;
                }
            }
        }
    }
    let text = writer.into_inner().map_err(|error| error.into_error())?;
    Ok((!text.is_empty()).then_some(text))
}

fn identity<'a>(run: &'a RunInfo, cell: &'a CellResult) -> Row<'a> {
    let id = &cell.cell;
    Row {
        run: &run.run,
        cell: id.to_string(),
        model: &id.model,
        family: &id.family,
        engine: &id.engine,
        device: &cell.device.name,
        device_uuid: &cell.device.uuid,
        precision: id.precision.name(),
        batch: id.batch,
        mode: id.mode.name(),
        threads: id.threads,
        inference_median_ns: inference(cell),
        ..Row::default()
    }
}

fn row<'a>(cell: Row<'a>, all: &CellLayers, found: &'a LayerResult) -> Row<'a> {
    Row {
        index: Some(found.index),
        layer: &found.layer.name,
        operator: &found.layer.operator,
        layer_precision: found.layer.precision.as_deref(),
        place: found.layer.place.as_deref(),
        runs: Some(all.runs),
        median_ns: Some(found.median),
        mad_ns: Some(found.mad),
        min_ns: Some(found.min),
        max_ns: Some(found.max),
        share: Some(found.share),
        layers_sum_ns: Some(all.sum),
        ..cell
    }
}

/// The slowest layers of every cell that has some; empty where there are none.
pub fn table(cells: &[CellResult]) -> String {
    let several = cells.iter().any(|cell| cell.device != cells[0].device);
    let text =
        |cell: &CellResult| Some(of_cell(cell, cell.layers.as_ref()?.as_ref().ok()?, several));
    cells.iter().filter_map(text).collect()
}

fn of_cell(cell: &CellResult, all: &CellLayers, several: bool) -> String {
    let on = if several { format!(" on {}", cell.device) } else { String::new() };
    let mut table = table::empty();
    table.set_header(["layer", "operator", "median", "share"]);
    for found in all.slowest(SHOWN) {
        let name = layer_name(&found.layer.name, |name| name.chars().count() <= LONGEST_NAME);
        let times = [found.median.to_string(), found.share.to_string()];
        let words = [name, found.layer.operator.clone()];
        table.add_row(words.into_iter().chain(times).map(Field::new));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let sentence = layers_sum(cell, all);
    let operators = operators(&all.operators);
    format!("\nLayers of {}{on}: {sentence}\nby operator: {operators}\n{table}\n", cell.cell)
}

/// The slowest operators in a line.
fn operators(all: &[OperatorResult]) -> String {
    let (shown, rest) = all.split_at(all.len().min(SHOWN));
    let word =
        |found: &OperatorResult| format!("{} {} (× {})", found.operator, found.share, found.layers);
    let mut words: Vec<String> = shown.iter().map(word).collect();
    if !rest.is_empty() {
        let share = Share(rest.iter().map(|found| found.share.0).sum());
        words.push(format!("{} others {share}", rest.len()));
    }
    words.join(", ")
}

/// The layers of a cell for programs; the names are those of the CSV's columns.
pub fn json(cell: &CellResult) -> Value {
    match &cell.layers {
        None => Value::Null,
        Some(Err(reason)) => json!({ "reason": reason }),
        Some(Ok(all)) => json!({
            "runs": all.runs,
            "layers_sum_ns": all.sum,
            "inference_median_ns": inference(cell),
            "layers": all.layers.iter().map(layer).collect::<Vec<_>>(),
            "operators": all.operators.iter().map(operator).collect::<Vec<_>>(),
        }),
    }
}

fn layer(found: &LayerResult) -> Value {
    json!({
        "index": found.index,
        "layer": found.layer.name,
        "operator": found.layer.operator,
        "layer_precision": found.layer.precision,
        "place": found.layer.place,
        "median_ns": found.median,
        "mad_ns": found.mad,
        "min_ns": found.min,
        "max_ns": found.max,
        "share": found.share,
    })
}

fn operator(found: &OperatorResult) -> Value {
    json!({
        "operator": found.operator,
        "layers": found.layers,
        "sum_ns": found.sum,
        "share": found.share,
    })
}
