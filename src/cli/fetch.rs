//! `trtbench fetch`: fills the cache from the package registry.

use super::{End, common};
use crate::fetch::{self, GpuRuntime};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to bring
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Copy, Debug, clap::Subcommand)]
enum What {
    /// The ONNX Runtime library that engine `ort` loads
    Runtime {
        /// A build for NVIDIA GPUs with its CUDA and TensorRT providers, about 280 MB to download;
        /// CUDA 12 and cuDNN 9 must be there
        #[arg(
            long,
            value_name = "BUILD",
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = GpuRuntime::ALL[0].name(),
            value_parser = gpu_runtimes()
        )]
        gpu: Option<GpuRuntime>,
    },
    /// Trained models that scenarios name with `fetch = "…"`
    Models,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let cache = fetch::cache_dir()?;
    let mut say = common::tell;
    let paths = match arguments.what {
        What::Runtime { gpu: Some(build) } => vec![fetch::gpu_runtime(&cache, build, &mut say)?],
        What::Runtime { gpu: None } => vec![fetch::runtime(&cache, &mut say)?],
        What::Models => fetch::models(&cache, &mut say)?,
    };
    for path in paths {
        common::print(&path.display().to_string())?;
    }
    Ok(End::Complete)
}

fn gpu_runtimes() -> impl TypedValueParser<Value = GpuRuntime> {
    let value = |build: GpuRuntime| PossibleValue::new(build.name()).help(help(build));
    PossibleValuesParser::new(GpuRuntime::ALL.map(value)).try_map(|name| {
        let mut builds = GpuRuntime::ALL.into_iter();
        builds.find(|build| build.name() == name).ok_or("no such build")
    })
}

fn help(build: GpuRuntime) -> &'static str {
    match build {
        GpuRuntime::Cuda12 => "1.26.0, the last for CUDA 12 [default]",
        GpuRuntime::Pascal => "1.20.2, the last that runs on compute capability 6.1",
    }
}
