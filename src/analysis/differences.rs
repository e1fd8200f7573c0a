//! What makes two runs, or the two sides of a cell, less comparable, in words. Judges no times.

use super::{cells::CellResult, compare::Pair};
use crate::{
    device::Inventory,
    runner::HostStages,
    scenario::{EngineOptions, Measure},
    store::{Run, RunInfo},
};
use std::collections::BTreeMap;

/// A change of the detections per image by more than this share is worth a word.
const DETECTIONS_DIFFER: f64 = 0.1;

/// What makes two runs less comparable, in words.
pub fn differences(base: &Run, new: &Run) -> Vec<String> {
    let (b, n) = (&base.info, &new.info);
    let mut found = Vec::new();
    let mut differ = |what: &str, old: String, new: String| {
        if old != new {
            found.push(format!("{what}: {old} → {new}"));
        }
    };
    differ("host", b.host.name.clone(), n.host.name.clone());
    differ("CPU", b.host.cpu.clone(), n.host.cpu.clone());
    differ("system", b.host.system.clone(), n.host.system.clone());
    differ("governor", format!("{:?}", b.host.governor), format!("{:?}", n.host.governor));
    differ("processors", b.host.processors.to_string(), n.host.processors.to_string());
    let ([decoder, instructions], [later_decoder, later_instructions]) =
        (host_stages(b), host_stages(n));
    differ("decoder", decoder, later_decoder);
    differ("instructions", instructions, later_instructions);
    differ("trtbench", b.trtbench.clone(), n.trtbench.clone());
    if let (Some(old), Some(new)) = (&b.inventory, &n.inventory) {
        let driver = |found: &Inventory| found.driver.clone().unwrap_or_else(|| "unknown".into());
        differ("NVIDIA driver", driver(old), driver(new));
    }
    for (engine, runtime) in &b.runtimes {
        if let Some(other) = n.runtimes.get(engine) {
            differ(&format!("engine {engine}"), runtime.version.clone(), other.version.clone());
        }
    }
    for model in &b.models {
        if let Some(other) = n.models.iter().find(|other| other.name == model.name) {
            let short = |hash: &str| hash.chars().take(12).collect::<String>();
            let what = format!("model {}", model.name);
            differ(&what, short(&model.sha256), short(&other.sha256));
        }
    }
    let hashes = |run: &Run| run.info.images.iter().map(|i| i.sha256.clone()).collect::<Vec<_>>();
    if hashes(base) != hashes(new) {
        found.push("images: not the same files in the same order".to_owned());
    }
    for (model, old) in &b.options {
        let differ = n.options.get(model).map(|new| old.differences(new)).unwrap_or_default();
        found.extend(differ.iter().map(|change| format!("model {model}: {change}")));
    }
    // Layers are timed apart from everything that is compared.
    let measure = |info: &RunInfo| Measure { layers: false, ..info.measure.clone() };
    if measure(b) != measure(n) {
        found.push("[measure]: launches, times or targets are not the same".to_owned());
    }
    found.extend(option_changes(&b.engine, &n.engine));
    if b.device != n.device {
        found.push("[device]: its keys are not the same".to_owned());
    }
    found
}

/// Cells that are compared across devices.
pub fn device_changes(pairs: &[Pair<'_>]) -> Vec<String> {
    let mut changes: Vec<String> = Vec::new();
    for (old, new) in pairs {
        let (Some(old), Some(new)) = (old, new) else { continue };
        let change = format!("device: {} → {}", old.device, new.device);
        if old.device.uuid != new.device.uuid && !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
}

/// Every engine key that has another value.
fn option_changes(old: &EngineOptions, new: &EngineOptions) -> Vec<String> {
    let keys = |options: &EngineOptions| {
        let tables = serde_json::to_value(options).unwrap_or_default();
        let tables = tables.as_object().cloned().unwrap_or_default();
        let mut keys = BTreeMap::new();
        for (engine, table) in tables {
            for (key, value) in table.as_object().cloned().unwrap_or_default() {
                keys.insert(format!("engine.{engine}.{key}"), value.to_string());
            }
        }
        keys
    };
    let (old, new) = (keys(old), keys(new));
    let changed = old.iter().filter_map(|(key, old)| {
        let new = new.get(key)?;
        (old != new).then(|| format!("{key}: {old} → {new}"))
    });
    changed.collect()
}

/// Decoder and instructions of a run.
fn host_stages(run: &RunInfo) -> [String; 2] {
    let recorded = |host: HostStages| [host.decoder.name(), host.instructions.name()];
    run.host_stages.map_or(["not recorded"; 2], recorded).map(str::to_owned)
}

/// What makes the two sides of one cell less comparable: launches that were lost, another executed
/// precision, detections that are gone.
pub fn doubts(old: Option<&CellResult>, new: Option<&CellResult>) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let mut found = Vec::new();
    for (side, cell) in [("base", old), ("new", new)] {
        let lost = cell.failed + cell.missing;
        if lost > 0 && cell.measured > 0 {
            let all = cell.measured + lost;
            found.push(format!("{}: {lost} of {all} launches of {side} are lost", cell.cell));
        }
    }
    if let (Some(before), Some(after)) = (old.executed_precision, new.executed_precision)
        && before != after
    {
        found.push(format!("{}: computed in {before} → {after}", old.cell));
    }
    if let (Some(before), Some(after)) = (old.detections_per_image, new.detections_per_image)
        && (before - after).abs() > DETECTIONS_DIFFER * before.max(after)
    {
        found.push(format!("{}: {before:.2} → {after:.2} detections per image", old.cell));
    }
    found
}
