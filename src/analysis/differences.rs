//! What makes two runs, or the two sides of a cell, less comparable, in words. Judges no times.

use super::{cells::CellResult, compare::Pair};
use crate::{
    device::{Device, Inventory},
    engine::Runtime,
    runner::HostStages,
    scenario::Measure,
    store::{Run, RunInfo},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A change of the detections per image by more than this share is worth a word.
const DETECTIONS_DIFFER: f64 = 0.1;

/// What makes two runs less comparable, in words; of engines as far as they ran what is compared.
pub fn differences(base: &Run, new: &Run, pairs: &[Pair<'_>]) -> Vec<String> {
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
    found.extend(engine_changes(b, n, pairs));
    found.extend(model_changes(base, new));
    // Layers are timed apart from everything that is compared.
    let measure = |info: &RunInfo| Measure { layers: false, ..info.measure.clone() };
    if measure(b) != measure(n) {
        found.push("[measure]: launches, times or targets are not the same".to_owned());
    }
    found.extend(option_changes(&keys("engine", &b.engine), &keys("engine", &n.engine)));
    found.extend(device_option_changes(b, n));
    found
}

/// Models, their options and images that are not the same.
fn model_changes(base: &Run, new: &Run) -> Vec<String> {
    let (b, n) = (&base.info, &new.info);
    let mut found = Vec::new();
    for model in &b.models {
        if let Some(other) = n.models.iter().find(|other| other.name == model.name) {
            let short = |hash: &str| hash.chars().take(12).collect::<String>();
            let (old, new) = (short(&model.sha256), short(&other.sha256));
            if old != new {
                found.push(format!("model {}: {old} → {new}", model.name));
            }
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
    found
}

/// What an engine consisted of on a device: runs name the device with it where devices differ.
fn runtime<'a>(run: &'a RunInfo, engine: &str, device: &Device) -> Option<&'a Runtime> {
    run.runtimes.get(&format!("{engine} on {device}")).or_else(|| run.runtimes.get(engine))
}

/// Engines of another version, each once; with the device where there are several.
fn engine_changes(base: &RunInfo, new: &RunInfo, pairs: &[Pair<'_>]) -> Vec<String> {
    let both: Vec<_> = pairs.iter().filter_map(|(old, new)| old.zip(*new)).collect();
    let several = both.iter().any(|(_, new)| new.device != both[0].1.device);
    let mut changes: Vec<String> = Vec::new();
    for (before, after) in &both {
        let engine = &after.cell.engine;
        let old = runtime(base, engine, &before.device);
        let Some((old, new)) = old.zip(runtime(new, engine, &after.device)) else { continue };
        let on = if several { format!(" on {}", after.device) } else { String::new() };
        let change = format!("engine {engine}{on}: {} → {}", old.version, new.version);
        if old.version != new.version && !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
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

/// The keys of the tables under `above`, with their values as they are written.
fn keys(above: &str, tables: &impl Serialize) -> BTreeMap<String, String> {
    let tables = serde_json::to_value(tables).unwrap_or_default();
    let mut keys = BTreeMap::new();
    for (name, table) in tables.as_object().cloned().unwrap_or_default() {
        for (key, value) in table.as_object().cloned().unwrap_or_default() {
            keys.insert(format!("{above}.{name}.{key}"), value.to_string());
        }
    }
    keys
}

/// A key that is not set, in JSON.
const NULL: &str = "null";

/// Every key of `[device]` that has another value, or is in one run alone.
fn device_option_changes(old: &RunInfo, new: &RunInfo) -> Vec<String> {
    let keys = |run: &RunInfo| {
        let quoted = run.device.iter().map(|(name, options)| (format!("\"{name}\""), options));
        let mut keys = keys("device", &quoted.collect::<BTreeMap<_, _>>());
        keys.retain(|_, value| value != NULL);
        keys
    };
    let (old, new) = (keys(old), keys(new));
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = all.into_iter().filter(|key| old.get(*key) != new.get(*key)).map(|key| {
        let value = |keys: &BTreeMap<String, String>| {
            keys.get(key).cloned().unwrap_or_else(|| "not set".to_owned())
        };
        format!("{key}: {} → {}", value(&old), value(&new))
    });
    changed.collect()
}

/// Every key that has another value; one that older runs do not know is left out.
fn option_changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
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
