//! `trtbench inspect`: what is in model files.

use super::{End, common};
use crate::{
    model::{self, Anatomy, Cost, GivenInputs, graph::cost::given, summary::Summary},
    os::{self, printable},
    report,
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Model files: ONNX, Paddle, PyTorch, safetensors, TensorRT
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Shape of an input, such as images=1x3x640x640. What is dynamic is otherwise taken as batch 1
    /// and 640 x 640
    #[arg(long, value_name = "NAME=SHAPE")]
    input: Vec<String>,
    /// List every layer with its cost, in the order in which they run
    #[arg(long)]
    layers: bool,
    /// Draw where the bytes are; by its ending as SVG or PNG. One model only
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    if arguments.chart.is_some() && arguments.models.len() > 1 {
        bail!("--chart draws one model; name one");
    }
    let given = arguments.input.iter().map(|text| given(text)).collect::<Result<_, _>>()?;
    let mut values = Vec::new();
    for path in &arguments.models {
        let anatomy = model::inspect(path)?;
        let name = printable(path);
        let (summary, cost) = (Summary::of(&anatomy), cost(&name, &anatomy, &given)?);
        if arguments.json {
            values.push(value(&name, &summary, &cost));
        } else {
            common::print(&text(&name, &summary, &cost, arguments.layers))?;
        }
        if let Some(chart) = &arguments.chart {
            draw(path, &summary, chart)?;
        }
    }
    if arguments.json {
        let all = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        common::print(&format!("{all:#}"))?;
    }
    Ok(End::Complete)
}

/// What a model costs, or why that is not known; nothing of a file without a graph.
type Known = Option<Result<Cost, String>>;

/// A shape that does not fit is the user's mistake; a graph that makes no sense takes nothing from
/// what else is known of the file.
fn cost(name: &str, anatomy: &Anatomy, given: &GivenInputs) -> anyhow::Result<Known> {
    match model::cost(anatomy, given) {
        None if given.is_empty() => Ok(None),
        None => bail!("{name}: --input: there is no graph in this file"),
        Some(Ok(cost)) => Ok(Some(Ok(cost))),
        Some(Err(error)) if given.is_empty() => Ok(Some(Err(error.to_string()))),
        Some(Err(error)) => Err(error).with_context(|| format!("{name}: --input")),
    }
}

fn text(name: &str, summary: &Summary, cost: &Known, layers: bool) -> String {
    let anatomy = report::model::text(name, summary);
    match cost {
        Some(Ok(cost)) => {
            format!(
                "{anatomy}\n\n{}\n",
                report::model::cost::text(summary.parameters, cost, layers)
            )
        }
        Some(Err(why)) => format!("{anatomy}\n\nWhat it costs is not known: {why}\n"),
        None => format!("{anatomy}\n"),
    }
}

fn value(name: &str, summary: &Summary, cost: &Known) -> Value {
    let mut value = json!({ "schema": 1, "model": name });
    if let (Some(object), Value::Object(rest)) = (value.as_object_mut(), json!(summary)) {
        object.extend(rest);
    }
    let known = cost.as_ref().and_then(|cost| cost.as_ref().ok());
    value["macs"] = json!(known.map(|cost| cost.macs));
    value["flops"] = json!(known.map(Cost::flops));
    value["unknown_operators"] = known.map_or_else(|| json!([]), report::model::cost::unknown_json);
    value["cost"] = json!(known.map(report::model::cost::json));
    value["cost_problem"] = json!(cost.as_ref().and_then(|cost| cost.as_ref().err()));
    value
}

fn draw(path: &Path, summary: &Summary, file: &Path) -> anyhow::Result<()> {
    let name = path.file_name().map(|name| printable(Path::new(name))).unwrap_or_default();
    let chart = report::charts::bytes::chart(&name, summary)?;
    let bytes = match file.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => chart.svg.into_bytes(),
        Some("png") => chart.png,
        _ => bail!("--chart {}: name a file that ends in .svg or .png", printable(file)),
    };
    os::write_atomic(file, &bytes).with_context(|| format!("cannot write {}", printable(file)))
}
