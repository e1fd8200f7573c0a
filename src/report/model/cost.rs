//! What a network costs, as text and as JSON.

use super::{clean, count, share};
use crate::{
    model::graph::cost::{Cost, InputShape, LayerCost, OutputShape},
    report::words::shortened,
    unit::Bytes,
};
use serde_json::{Value, json};

/// Most layers that are listed where not all are asked for.
const MOST_LAYERS: usize = 8;

/// Parameters, arithmetic, traffic, memory and the costliest layers, or all.
pub fn text(parameters: u64, cost: &Cost, all_layers: bool) -> String {
    let mut lines = vec![format!("What one inference costs{}", inputs(&cost.inputs))];
    let rows = [
        ("parameters", count(parameters)),
        (
            "arithmetic",
            format!(
                "{} = {} (2 per MAC of convolutions and matrix products)",
                cost.macs,
                cost.flops()
            ),
        ),
        ("besides", besides(cost)),
        ("traffic", traffic(cost)),
        ("activations", format!("{} at most at a time", cost.peak_activations)),
    ];
    lines.extend(rows.map(|(name, words)| format!("  {name:<11}  {words}")));
    lines.extend(outputs(&cost.outputs));
    lines.extend(unknown(cost));
    if !cost.layers.is_empty() {
        lines.extend(layers(cost, all_layers));
    }
    lines.join("\n")
}

/// The inputs that it is for, and what of them was assumed.
fn inputs(inputs: &[InputShape]) -> String {
    let shown = |input: &InputShape| {
        let dims: Vec<String> = input.shape.iter().map(ToString::to_string).collect();
        let assumed: Vec<String> =
            input.assumed.iter().filter_map(|&axis| dims.get(axis).cloned()).collect();
        let words = match assumed.len() {
            0 => String::new(),
            _ => format!(" ({} assumed)", assumed.join(" and ")),
        };
        format!("{} {}{words}", clean(&input.name), dims.join("x"))
    };
    let all: Vec<String> = inputs.iter().map(shown).collect();
    let assumed = inputs.iter().any(|input| !input.assumed.is_empty());
    let hint = if assumed { "; choose with --input NAME=1x3x640x640" } else { "" };
    if all.is_empty() { String::new() } else { format!(", for {}{hint}", all.join(", ")) }
}

fn besides(cost: &Cost) -> String {
    let sampling = match cost.sampling.0 {
        0 => String::new(),
        _ => format!(", {} of them sampling (deformable attention)", cost.sampling),
    };
    let folded = match cost.folded.operators {
        0 => String::new(),
        operators => format!("; {operators} operators on constants run once, before"),
    };
    format!("{} of elementwise work{sampling}{folded}", cost.elementwise)
}

fn traffic(cost: &Cost) -> String {
    let intensity = cost.intensity().map(|intensity| format!(", {intensity}")).unwrap_or_default();
    format!("{} read and written if nothing is fused{intensity}", cost.traffic)
}

/// Outputs whose shapes the file does not tell but the graph does.
fn outputs(outputs: &[OutputShape]) -> Vec<String> {
    let shown = |output: &OutputShape| {
        let dims = output.dims.as_ref().map(|dims| {
            let dims: Vec<String> = dims
                .iter()
                .map(|dim| dim.map_or("?".to_owned(), |length| length.to_string()))
                .collect();
            format!("[{}]", dims.join(", "))
        });
        format!(
            "{} {}",
            clean(&output.name),
            dims.unwrap_or_else(|| "of an unknown shape".to_owned())
        )
    };
    let all: Vec<String> = outputs.iter().map(shown).collect();
    if all.is_empty() { Vec::new() } else { vec![format!("  outputs      {}", all.join(", "))] }
}

fn unknown(cost: &Cost) -> Vec<String> {
    if cost.unknown.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["  Not known, and in none of these figures:".to_owned()];
    for unknown in &cost.unknown {
        let name = match unknown.domain.as_str() {
            "" => unknown.operator.clone(),
            domain => format!("{domain}::{}", unknown.operator),
        };
        lines.push(format!(
            "    {} {}: {}",
            unknown.count,
            clean(&name),
            clean(&unknown.reason.to_string())
        ));
    }
    lines
}

fn layers(cost: &Cost, all: bool) -> Vec<String> {
    let mut rows: Vec<&LayerCost> = cost.layers.iter().collect();
    if !all {
        rows.retain(|layer| layer.macs.0 > 0);
        rows.sort_by_key(|layer| std::cmp::Reverse(layer.macs.0));
        rows.truncate(MOST_LAYERS);
    }
    let head =
        ["layer", "operator", "output", "MACs", "share", "bytes", "FLOP/B"].map(str::to_owned);
    let mut fields = vec![head];
    fields.extend(rows.iter().map(|layer| layer_fields(layer, cost)));
    let widest =
        |column: usize| fields.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(widest);
    let line = |row: &[String; 7]| {
        let column = |(index, field): (usize, &String)| match (index, widths[index]) {
            (0..3, width) => format!("{field:<width$}"),
            (_, width) => format!("{field:>width$}"),
        };
        let columns: Vec<String> = row.iter().enumerate().map(column).collect();
        format!("  {}", columns.join("  ")).trim_end().to_owned()
    };
    let mut lines = vec![String::new()];
    lines.extend(fields.iter().map(line));
    if cost.layers.len() > rows.len() {
        let more = cost.layers.len() - rows.len();
        lines.push(format!(
            "  {more} layers more: --layers lists all, in the order in which they run"
        ));
    }
    lines
}

/// Longest name of a layer that is shown whole.
const LONGEST_NAME: usize = 52;

fn layer_fields(layer: &LayerCost, cost: &Cost) -> [String; 7] {
    let dims: Vec<String> = layer.shape.iter().map(ToString::to_string).collect();
    let bytes = Bytes(layer.read.0.saturating_add(layer.written.0));
    let intensity = layer.intensity().filter(|_| layer.macs.0 > 0);
    [
        shortened(&clean(&layer.name), |name| name.chars().count() <= LONGEST_NAME),
        clean(&layer.operator),
        dims.join("x"),
        count(layer.macs.0),
        share(layer.macs.0, cost.macs.0).to_string(),
        bytes.to_string(),
        intensity.map(|intensity| format!("{:.1}", intensity.0)).unwrap_or_default(),
    ]
}

/// The same for programs; layers where they are asked for.
pub fn json(cost: &Cost, layers: bool) -> Value {
    let layers = layers.then(|| cost.layers.iter().map(layer_json).collect::<Vec<_>>());
    json!({
        "inputs": cost.inputs.iter().map(|input| json!({
            "name": input.name, "dtype": input.dtype.to_string(), "shape": input.shape,
            "assumed_axes": input.assumed,
        })).collect::<Vec<_>>(),
        "outputs": cost.outputs.iter().map(|output| json!({
            "name": output.name,
            "dtype": output.dtype.to_string(),
            "shape": output.dims,
        })).collect::<Vec<_>>(),
        "elementwise": cost.elementwise,
        "sampling": cost.sampling,
        "traffic_bytes": cost.traffic,
        "flops_per_byte": cost.intensity(),
        "peak_activation_bytes": cost.peak_activations,
        "folded_operators": cost.folded.operators,
        "layers": layers,
    })
}

fn layer_json(layer: &LayerCost) -> Value {
    json!({
        "name": layer.name,
        "operator": layer.operator,
        "shape": layer.shape,
        "macs": layer.macs,
        "elementwise": layer.elementwise,
        "weight_bytes": layer.weights,
        "bytes_read": layer.read,
        "bytes_written": layer.written,
    })
}

/// Operators that are in none of the figures, for programs.
pub fn unknown_json(cost: &Cost) -> Value {
    let entry = |unknown: &crate::model::graph::cost::Unknown| {
        json!({
            "operator": unknown.operator,
            "domain": unknown.domain,
            "count": unknown.count,
            "reason": unknown.reason.to_string(),
        })
    };
    Value::Array(cost.unknown.iter().map(entry).collect())
}
