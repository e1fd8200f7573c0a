//! `trtbench check`: everything that can be found wrong without measuring.

use super::{End, common};
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
        for (cell, reason) in &ready.skipped {
            common::print(&format!("  skipped: {} on {}: {}", cell.id, cell.device, reason.0))?;
        }
    }
    if arguments.json {
        common::print(&format!("{:#}", json!({ "schema": 1, "scenarios": values })))?;
    }
    Ok(End::Complete)
}
