//! `trtbench devices`: which processors, cards and libraries are here.

use super::{End, common};
use crate::{
    device::{
        Gpu,
        libraries::{self, Library},
        spec_of,
    },
    fetch::{self, GpuRuntime},
    os::{Host, SearchPath},
    report, runner,
};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let host = Host::read();
    let inventory = runner::inventory(&common::workers()?)?;
    let libraries = found_libraries(&[]);
    if arguments.json {
        let value = json!({
            "schema": 1,
            "cpu": host,
            "driver": inventory.driver,
            "cuda": inventory.cuda,
            "cuda_problem": inventory.cuda_problem,
            "nvml_problem": inventory.nvml_problem,
            "gpus": inventory.gpus.iter().map(with_spec).collect::<Vec<_>>(),
            "libraries": libraries,
        });
        common::print_json(&value)?;
    } else {
        common::print(&report::devices::text(&host, &inventory, &libraries))?;
    }
    Ok(End::Complete)
}

/// A card with its row of the spec table.
fn with_spec(gpu: &Gpu) -> Value {
    let mut value = json!(gpu);
    value["spec"] = json!(spec_of(&gpu.name));
    value
}

/// The libraries on the loader's path, those that were fetched, and `more`.
pub fn found_libraries(more: &[PathBuf]) -> Vec<Library> {
    let mut extra = more.to_vec();
    if let Ok(cache) = fetch::cache_dir() {
        let builds = GpuRuntime::ALL.into_iter();
        extra.extend(builds.filter_map(|build| fetch::gpu_runtime_path(&cache, build)));
        extra.extend(fetch::runtime_path(&cache));
    }
    extra.extend(std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from));
    libraries::find(&SearchPath::system(), &extra)
}
