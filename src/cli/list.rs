//! `trtbench list`: the cells that scenarios stand for.

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
    let loaded = arguments.scenarios.load()?;
    let mut lines = Vec::new();
    let mut values = Vec::new();
    for one in &loaded {
        for cell in &one.plan.cells {
            lines.push(format!("{}  on {}", cell.id, cell.device));
            values.push(json!({
                "scenario": one.scenario.name,
                "cell": cell.id.to_string(),
                "id": cell.id,
                "device": cell.device,
                "hash": cell.hash(),
            }));
        }
    }
    if arguments.json {
        common::print_json(&json!({ "schema": 1, "cells": values }))?;
    } else {
        common::print(&lines.join("\n"))?;
    }
    Ok(End::Complete)
}
