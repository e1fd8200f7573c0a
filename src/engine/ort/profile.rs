//! Reads the profile that ONNX Runtime itself writes, and from it which execution provider ran which
//! nodes. Made in a session of its own, never in one that is timed.

use super::{Error, build, chain, locate, value};
use crate::{
    device::Kind,
    engine::{LoadSpec, Placement},
    scenario::Provider,
    tensor::TensorSet,
};
use serde::{Deserialize, de::IgnoredAny};
use std::{collections::BTreeMap, fs, path::Path};

/// The provider that every build has, and that nodes fall back to.
const CPU: &str = "CPUExecutionProvider";

/// What the name of a node's own event ends with; what is before it is the node's name.
const KERNEL: &str = "_kernel_time";

/// One event of the profile; what else it says is not needed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Event {
    cat: String,
    /// What happened.
    pub name: String,
    /// When it began, in whole microseconds since the session did.
    pub ts: u64,
    /// How long it took, in whole microseconds, the rest cut off.
    pub dur: u64,
    /// What is said of a node.
    pub args: Arguments,
}

/// What an event says of the node that ran.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Arguments {
    /// Operator.
    pub op_name: String,
    /// Execution provider.
    pub provider: String,
    /// Number in its graph.
    pub node_index: String,
    /// Type and shape of each output: a map of one entry.
    pub output_type_shape: Vec<BTreeMap<String, IgnoredAny>>,
}

impl Event {
    /// Name of the node that this is the run of, if it is one.
    pub fn node(&self) -> Option<&str> {
        self.name.strip_suffix(KERNEL).filter(|_| self.cat == "Node")
    }

    /// Whether this is a run of the whole model.
    pub fn is_run(&self) -> bool {
        self.cat == "Session" && self.name == "model_run"
    }
}

/// Runs the model once with a profile and reads who ran what.
///
/// # Errors
/// When it does not load or run, or the profile cannot be read.
pub fn placement(spec: &LoadSpec<'_>, inputs: &TensorSet) -> Result<Placement, Error> {
    let asked = match (spec.place.device.kind, spec.place.options.ort.provider) {
        (Kind::Cpu, _) => CPU,
        (Kind::Gpu, Provider::Cuda) => "CUDAExecutionProvider",
        (Kind::Gpu, Provider::TensorRt) => "TensorrtExecutionProvider",
    };
    Ok(Placement { asked: asked.to_owned(), ..count(recorded(spec, inputs, 1)?) })
}

/// Runs the model `runs` times with a profile and reads that.
///
/// # Errors
/// When it does not load or run, or the profile cannot be read.
pub fn recorded(spec: &LoadSpec<'_>, inputs: &TensorSet, runs: usize) -> Result<Vec<Event>, Error> {
    let folder = std::env::temp_dir();
    let prefix = folder.join(format!("trtbench-profile-{}", std::process::id()));
    let environment = locate(spec.place)?.environment()?;
    let extras = build::Extras { profile: Some(&prefix), stream: None };
    let mut session = build::session(&environment, spec, extras)?;
    let failed = |error: ort::Error| Error::Failed(format!("ONNX Runtime: {}", chain(&error)));
    let feeds = inputs.iter().map(value::feed).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let ran = (0..runs).try_for_each(|_| session.run(feeds.as_slice()).map(drop));
    // Also after a failure: the file would stay behind.
    let file = session.end_profiling().map_err(failed)?;
    let text = fs::read(Path::new(&file));
    let _ = fs::remove_file(&file);
    ran.map_err(failed)?;
    let text = text.map_err(|error| Error::Failed(format!("ONNX Runtime's profile: {error}")))?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::Failed(format!("ONNX Runtime's profile {file}: {error}")))
}

/// Counts the nodes of a profile by provider.
fn count(events: Vec<Event>) -> Placement {
    let mut nodes: BTreeMap<(String, String), Arguments> = BTreeMap::new();
    for event in events {
        if let Some(node) = event.node() {
            nodes.insert((event.args.node_index.clone(), node.to_owned()), event.args);
        }
    }
    let mut placement = Placement::default();
    for node in nodes.into_values() {
        *placement.nodes.entry(node.provider.clone()).or_default() += 1;
        if node.provider == CPU && !placement.on_cpu.contains(&node.op_name) {
            placement.on_cpu.push(node.op_name);
        }
    }
    placement.on_cpu.sort();
    placement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_counts_once_for_the_provider_that_ran_it() {
        let node = |name: &str, operator: &str, provider: &str, index: u32| {
            format!(
                r#"{{"cat":"Node","name":"{name}_kernel_time","dur":5,"ts":1,"ph":"X",
                "args":{{"op_name":"{operator}","provider":"{provider}","node_index":"{index}"}}}}"#
            )
        };
        let events = [
            r#"{"cat":"Session","name":"model_run","args":{}}"#.to_owned(),
            r#"{"cat":"Node","name":"a_fence_before","args":{"op_name":"Conv"}}"#.to_owned(),
            node("a", "Conv", "CUDAExecutionProvider", 1),
            node("a", "Conv", "CUDAExecutionProvider", 1),
            node("b", "NonZero", "CPUExecutionProvider", 2),
            node("c", "NonZero", "CPUExecutionProvider", 3),
        ];
        let placement = count(serde_json::from_str(&format!("[{}]", events.join(","))).unwrap());
        assert_eq!(placement.nodes["CUDAExecutionProvider"], 1);
        assert_eq!(placement.nodes["CPUExecutionProvider"], 2);
        assert_eq!(placement.on_cpu, ["NonZero"]);
    }
}
