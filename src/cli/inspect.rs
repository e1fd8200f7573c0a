//! `trtbench inspect`: what is in model files.

use super::{End, common};
use crate::{
    model::{self, summary::Summary},
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
    /// Draw where the bytes are; by its ending as SVG or PNG. One model only
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    if arguments.chart.is_some() && arguments.models.len() > 1 {
        bail!("--chart draws one model; name one");
    }
    let mut values = Vec::new();
    for path in &arguments.models {
        let anatomy = model::inspect(path)?;
        let summary = Summary::of(&anatomy);
        let name = printable(path);
        if arguments.json {
            values.push(value(&name, &summary));
        } else {
            common::print(&report::model::text(&name, &summary))?;
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

fn value(name: &str, summary: &Summary) -> Value {
    let mut value = json!({ "schema": 1, "model": name });
    if let (Some(object), Value::Object(rest)) = (value.as_object_mut(), json!(summary)) {
        object.extend(rest);
    }
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
