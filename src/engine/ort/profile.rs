//! Which execution provider ran which nodes, from a profile that ONNX Runtime itself writes. Made in
//! a session of its own, never in one that is timed.

use super::{Error, build, chain, locate, value};
use crate::{
    device::Kind,
    engine::{LoadSpec, Placement},
    scenario::Provider,
    tensor::TensorSet,
};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path};

/// The provider that every build has, and that nodes fall back to.
const CPU: &str = "CPUExecutionProvider";

/// One event of the profile; what else it says is not needed.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Arguments,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments {
    op_name: String,
    provider: String,
    node_index: String,
}

/// Runs the model once with a profile and reads who ran what.
///
/// # Errors
/// When it does not load or run, or the profile cannot be read.
pub fn placement(spec: &LoadSpec<'_>, inputs: &TensorSet) -> Result<Placement, Error> {
    let folder = std::env::temp_dir();
    let prefix = folder.join(format!("trtbench-profile-{}", std::process::id()));
    let environment = locate(spec.place)?.environment()?;
    let extras = build::Extras { profile: Some(&prefix), stream: None };
    let mut session = build::session(&environment, spec, extras)?;
    let failed = |error: ort::Error| Error::Failed(format!("ONNX Runtime: {}", chain(&error)));
    let feeds = inputs.iter().map(value::feed).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let ran = session.run(feeds.as_slice()).map(drop);
    // Also after a failure: the file would stay behind.
    let file = session.end_profiling().map_err(failed)?;
    let text = fs::read(Path::new(&file));
    let _ = fs::remove_file(&file);
    ran.map_err(failed)?;
    let text = text.map_err(|error| Error::Failed(format!("ONNX Runtime's profile: {error}")))?;
    let asked = match (spec.place.device.kind, spec.place.options.ort.provider) {
        (Kind::Cpu, _) => CPU,
        (Kind::Gpu, Provider::Cuda) => "CUDAExecutionProvider",
        (Kind::Gpu, Provider::TensorRt) => "TensorrtExecutionProvider",
    };
    let placement = read(&text).map(|found| Placement { asked: asked.to_owned(), ..found });
    placement.map_err(|error| Error::Failed(format!("ONNX Runtime's profile {file}: {error}")))
}

/// Counts the nodes of a profile by provider.
fn read(text: &[u8]) -> Result<Placement, serde_json::Error> {
    let events: Vec<Event> = serde_json::from_slice(text)?;
    let mut nodes: BTreeMap<(String, String), Arguments> = BTreeMap::new();
    for event in events {
        if event.cat == "Node" && event.name.ends_with("_kernel_time") {
            let node = event.name.trim_end_matches("_kernel_time").to_owned();
            nodes.insert((event.args.node_index.clone(), node), event.args);
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
    Ok(placement)
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
        let placement = read(format!("[{}]", events.join(",")).as_bytes()).unwrap();
        assert_eq!(placement.nodes["CUDAExecutionProvider"], 1);
        assert_eq!(placement.nodes["CPUExecutionProvider"], 2);
        assert_eq!(placement.on_cpu, ["NonZero"]);
        assert!(read(b"{").is_err());
    }
}
