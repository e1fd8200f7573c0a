//! `trtbench check`: everything that can be found wrong without measuring.

use super::{End, common};
use crate::{runner::ModelFacts, scenario::Scenario};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    scenarios: common::ScenarioArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let workers = common::workers()?;
    let mut values = Vec::new();
    for one in arguments.scenarios.load()? {
        let ready = common::ready(&one, &workers)?;
        if arguments.json {
            values.push(json!({
                "scenario": one.scenario.name,
                "cells": one.plan.cells.len(),
                "images": ready.images.len(),
                "models": ready.models,
                "host_stages": ready.host,
                "runtimes": ready.runtimes,
                "skipped": ready.skipped.iter().map(|(cell, reason)| json!({
                    "cell": cell.id.to_string(), "device": cell.device, "reason": reason,
                })).collect::<Vec<_>>(),
            }));
            continue;
        }
        common::print(&format!(
            "{}: fine: {} of {} cells can run here, on {} images",
            one.source.file.display(),
            ready.run.len(),
            one.plan.cells.len(),
            ready.images.len()
        ))?;
        common::print(&format!(
            "  decoder {}, instructions {}",
            ready.host.decoder, ready.host.instructions
        ))?;
        for model in &ready.models {
            common::print(&format!("  {}", describe(&one.scenario, model)))?;
        }
        for (cell, reason) in &ready.skipped {
            common::print(&format!("  skipped: {} on {}: {}", cell.id, cell.device, reason.0))?;
        }
    }
    if arguments.json {
        common::print_json(&json!({ "schema": 1, "scenarios": values }))?;
    }
    Ok(End::Complete)
}

/// What a model was taken for.
fn describe(scenario: &Scenario, model: &ModelFacts) -> String {
    let entry = scenario.models.iter().find(|entry| entry.name == model.name);
    let family = entry.map_or("", |entry| entry.family.as_str());
    let fitting = match &model.fitting {
        None => "whose variant only the loaded model tells".to_owned(),
        Some(fitting) => format!("{}; input values {}", fitting.variant, fitting.values),
    };
    let classes = match model.classes.iter().filter(|name| !name.is_empty()).count() {
        0 => "class names not known".to_owned(),
        classes => format!("{classes} class names"),
    };
    format!("{}: {family}, {fitting}; weights {}; {classes}", model.name, model.weights)
}
