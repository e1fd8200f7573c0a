//! `trtbench inspect`: what is in model files.

use super::{End, common};
use crate::{
    device::compatibility::Verdict,
    model::{
        self, Anatomy, Cost, GivenInputs,
        anatomy::Role,
        checkpoint::{Precision, write_lean},
        deep::{Deep, deep},
        graph::cost::given,
        summary::Summary,
        support::{Answer, Target, judge},
    },
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
    /// Whether it runs there: onnxruntime:1.17, tensorrt:8.6,sm61 or paddle:2.3.2; may be repeated
    #[arg(long = "for", value_name = "TARGET")]
    targets: Vec<Target>,
    /// Read the weights, too: which are stored twice, and what half precision does to them
    #[arg(long)]
    deep: bool,
    /// Write the network's weights alone, without optimizer, EMA and the rest. One model only
    #[arg(long, value_name = "OUT.safetensors")]
    write_lean: Option<PathBuf>,
    /// Element type of what --write-lean writes
    #[arg(
        long,
        value_name = "TYPE",
        value_enum,
        default_value = "stored",
        requires = "write_lean"
    )]
    precision: LeanPrecision,
    /// What --write-lean writes; without, the network or, where there is nothing else, its average
    #[arg(long, value_enum, requires = "write_lean")]
    role: Option<LeanRole>,
    /// Draw where the bytes are; by its ending as SVG or PNG. One model only
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

/// Element types of `--write-lean`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LeanPrecision {
    /// As in the source
    Stored,
    /// 32 bit floats
    Fp32,
    /// 16 bit floats
    Fp16,
}

/// Weights that `--write-lean` can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LeanRole {
    /// The network's own weights
    Model,
    /// Their moving average, which some projects deploy
    Ema,
}

impl From<LeanRole> for Role {
    fn from(asked: LeanRole) -> Self {
        match asked {
            LeanRole::Model => Self::Model,
            LeanRole::Ema => Self::Ema,
        }
    }
}

impl From<LeanPrecision> for Precision {
    fn from(asked: LeanPrecision) -> Self {
        match asked {
            LeanPrecision::Stored => Self::AsStored,
            LeanPrecision::Fp32 => Self::F32,
            LeanPrecision::Fp16 => Self::F16,
        }
    }
}

/// Everything that was asked about one model.
struct Found {
    name: String,
    summary: Summary,
    cost: Known,
    deep: Option<Deep>,
    answers: Vec<(String, Answer)>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    if arguments.models.len() > 1 {
        let single = [("--chart", &arguments.chart), ("--write-lean", &arguments.write_lean)];
        if let Some((flag, _)) = single.iter().find(|(_, file)| file.is_some()) {
            bail!("{flag} takes one model; name one");
        }
    }
    if let Some(chart) = &arguments.chart {
        drawable(chart)?;
    }
    let given = arguments.input.iter().map(|text| given(text)).collect::<Result<_, _>>()?;
    let (mut values, mut end) = (Vec::new(), End::Complete);
    for path in &arguments.models {
        let anatomy = model::inspect(path)?;
        let found = look(path, &anatomy, &given, arguments)?;
        if found.answers.iter().any(|(_, answer)| answer.verdict == Verdict::DoesNotFit) {
            end = End::Finding;
        }
        if arguments.json {
            values.push(value(&found, arguments.layers));
        } else {
            common::print(&format!("{}\n", text(&found, arguments.layers)))?;
        }
        if let Some(chart) = &arguments.chart {
            draw(path, &found.summary, chart)?;
        }
        if let Some(out) = &arguments.write_lean {
            let bytes = write_lean(
                &anatomy,
                path,
                out,
                arguments.role.map(Role::from),
                arguments.precision.into(),
            )?;
            common::tell(&format!("wrote {}: {bytes}", printable(out)));
        }
    }
    if arguments.json {
        let all = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        common::print_json(&all)?;
    }
    Ok(end)
}

fn look(
    path: &Path,
    anatomy: &Anatomy,
    given: &GivenInputs,
    arguments: &Arguments,
) -> anyhow::Result<Found> {
    let name = printable(path);
    let answer = |target: &Target| (target.to_string(), judge(anatomy, target));
    Ok(Found {
        summary: Summary::of(anatomy),
        cost: cost(&name, anatomy, given)?,
        deep: arguments.deep.then(|| deep(path, anatomy)).transpose()?,
        answers: arguments.targets.iter().map(answer).collect(),
        name,
    })
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

fn text(found: &Found, layers: bool) -> String {
    let mut parts = vec![report::model::text(&found.name, &found.summary)];
    parts.extend(found.cost.as_ref().map(|cost| match cost {
        Ok(cost) => report::model::cost::text(found.summary.parameters, cost, layers),
        Err(why) => format!("What it costs is not known: {why}"),
    }));
    parts.extend(found.deep.as_ref().map(report::model::deep::text));
    let answers = found.answers.iter();
    parts.extend(answers.map(|(target, answer)| report::model::support::text(target, answer)));
    parts.join("\n\n")
}

fn value(found: &Found, layers: bool) -> Value {
    let mut value = json!({ "schema": 1, "model": found.name });
    if let (Some(object), Value::Object(rest)) = (value.as_object_mut(), json!(found.summary)) {
        object.extend(rest);
    }
    let known = found.cost.as_ref().and_then(|cost| cost.as_ref().ok());
    value["macs"] = json!(known.map(|cost| cost.macs));
    value["flops"] = json!(known.map(Cost::flops));
    value["unknown_operators"] = json!(known.map(report::model::cost::unknown_json));
    value["cost"] = json!(known.map(|cost| report::model::cost::json(cost, layers)));
    value["cost_problem"] = json!(found.cost.as_ref().and_then(|cost| cost.as_ref().err()));
    if let Some(deep) = &found.deep {
        value["deep"] = json!(deep);
    }
    let answer = |(target, answer): &(String, Answer)| {
        let verdict = report::model::support::word(answer.verdict);
        json!({ "target": target, "answer": verdict, "findings": answer.findings })
    };
    if !found.answers.is_empty() {
        value["for"] = found.answers.iter().map(answer).collect();
    }
    value
}

/// Whether a chart in a file of that name is SVG; otherwise it is PNG.
fn drawable(file: &Path) -> anyhow::Result<bool> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(true),
        Some("png") => Ok(false),
        _ => bail!("--chart {}: name a file that ends in .svg or .png", printable(file)),
    }
}

fn draw(path: &Path, summary: &Summary, file: &Path) -> anyhow::Result<()> {
    let name = path.file_name().map(|name| printable(Path::new(name))).unwrap_or_default();
    let chart = report::charts::bytes::chart(&name, summary)?;
    let bytes = if drawable(file)? { chart.svg.into_bytes() } else { chart.png };
    os::write_atomic(file, &bytes).with_context(|| format!("cannot write {}", printable(file)))
}
