//! How a session is built: threads, optimisation, execution providers. Every provider that is asked
//! for must load: without that ONNX Runtime would compute on the CPU and say nothing.

use super::{Error, chain, sys};
use crate::{
    cuda::Stream,
    device::Kind,
    engine::{LoadSpec, foreign::guarded},
    fetch,
    model::{self, sha256},
    os::printable,
    scenario::{Optimization, OrtOptions, Precision, Provider},
};
use ort::{
    environment::Environment,
    ep::{self, ExecutionProviderDispatch},
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
};
use std::path::{Path, PathBuf};

/// What differs between the sessions of one model.
#[derive(Clone, Copy, Default)]
pub struct Extras<'a> {
    /// Stream in which a card computes; without it one of ONNX Runtime's own.
    pub stream: Option<&'a Stream>,
    /// Start of the name of the file that a profile is written to.
    pub profile: Option<&'a Path>,
}

impl Extras<'_> {
    /// Whether inference is recorded as a graph: never without bound inputs, as under a profile.
    fn records(self, options: &OrtOptions) -> bool {
        options.cuda_graph && self.profile.is_none()
    }
}

/// Loads the model of `spec`.
///
/// # Errors
/// [`Error::Unavailable`] if a provider does not load, [`Error::Model`] for everything else.
pub fn session(
    environment: &Environment,
    spec: &LoadSpec<'_>,
    extras: Extras<'_>,
) -> Result<Session, Error> {
    let blame = |words: &str| spec.model_error(&format!("ONNX Runtime: {words}"));
    let builder = Session::builder(environment).map_err(|error| blame(&chain(&error)))?;
    let builder = configure(builder, spec, extras).map_err(|words| blame(&words))?;
    let mut builder = match spec.place.device.kind {
        Kind::Cpu => builder,
        Kind::Gpu => on_card(builder, spec, extras)?,
    };
    guarded(|| builder.commit_from_file(spec.model))
        .map_err(|panic| blame(&panic))?
        .map_err(|error| blame(&chain(&error)))
}

fn configure(
    builder: SessionBuilder,
    spec: &LoadSpec<'_>,
    extras: Extras<'_>,
) -> Result<SessionBuilder, String> {
    let options = &spec.place.options.ort;
    let cpu = ep::CPU::default().with_arena_allocator(options.arena).build().error_on_failure();
    let builder = builder.with_optimization_level(level(options.optimization)).map_err(words)?;
    let builder = builder.with_intra_threads(spec.threads).map_err(words)?;
    let builder = builder.with_inter_threads(1).map_err(words)?;
    let builder = builder.with_parallel_execution(false).map_err(words)?;
    let builder = match extras.profile {
        Some(prefix) => builder.with_profiling(prefix).map_err(words)?,
        None => builder,
    };
    match spec.place.device.kind {
        Kind::Cpu => builder.with_execution_providers([cpu]).map_err(words),
        // Behind a card's providers ONNX Runtime puts its own by itself.
        Kind::Gpu => Ok(builder),
    }
}

/// An error of the builder carries the builder; only its words are wanted, which may end with a line.
fn words<R>(error: ort::Error<R>) -> String {
    error.message().trim_end().to_owned()
}

fn level(optimization: Optimization) -> GraphOptimizationLevel {
    match optimization {
        Optimization::Disable => GraphOptimizationLevel::Disable,
        Optimization::Basic => GraphOptimizationLevel::Level1,
        Optimization::Extended => GraphOptimizationLevel::Level2,
        Optimization::All => GraphOptimizationLevel::All,
    }
}

/// Registers the providers of a card. The worker sees that card alone, so it is number 0.
fn on_card(
    builder: SessionBuilder,
    spec: &LoadSpec<'_>,
    extras: Extras<'_>,
) -> Result<SessionBuilder, Error> {
    let provider = spec.place.options.ort.provider;
    let mut providers: Vec<ExecutionProviderDispatch> = Vec::new();
    if provider == Provider::TensorRt {
        if let Some(library) = &spec.place.device_options.tensorrt_library {
            preload(library)?;
        }
        providers.push(tensorrt(spec, extras)?.build().error_on_failure());
    }
    providers.push(cuda(spec, extras).build().error_on_failure());
    builder.with_execution_providers(providers).map_err(|error| {
        Error::Unavailable(format!(
            "ONNX Runtime's {} provider does not load: {}; `trtbench doctor` says what is missing",
            provider.name(),
            words(error)
        ))
    })
}

fn cuda(spec: &LoadSpec<'_>, extras: Extras<'_>) -> ep::CUDA {
    let options = &spec.place.options.ort;
    let provider = ep::CUDA::default().with_device_id(0).with_tf32(options.tf32);
    let records = extras.records(options) && options.provider == Provider::Cuda;
    let provider = if records { provider.with_cuda_graph(true) } else { provider };
    match extras.stream {
        Some(stream) => sys::cuda_in(provider, stream),
        None => provider,
    }
}

fn tensorrt(spec: &LoadSpec<'_>, extras: Extras<'_>) -> Result<ep::TensorRT, Error> {
    let options = &spec.place.options.ort;
    let mut provider = ep::TensorRT::default()
        .with_device_id(0)
        .with_fp16(spec.precision == Precision::Fp16)
        .with_int8(spec.precision == Precision::Int8)
        .with_cuda_graph(extras.records(options));
    if options.engine_cache {
        let folder = printable(&engine_folder(spec)?);
        provider = provider
            .with_engine_cache(true)
            .with_engine_cache_path(&folder)
            .with_timing_cache(true)
            .with_timing_cache_path(&folder);
    }
    Ok(match extras.stream {
        Some(stream) => sys::tensorrt_in(provider, stream),
        None => provider,
    })
}

/// Where built engines are kept: a folder for everything that makes one unfit for another use.
/// ONNX Runtime's own key leaves out the weights.
fn engine_folder(spec: &LoadSpec<'_>) -> Result<PathBuf, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::Failed(format!("no folder for built engines: {error}"))
    };
    let model = model::open(spec.model).map_err(|error| Error::Model(error.to_string()))?;
    let library = super::locate(spec.place)?;
    let key = format!(
        "{}\n{}\n{}\n{:?}\n{}\n{}\n{}\n{:?}\n{}",
        // With its external weights.
        model.sha256,
        library.version()?,
        printable(&library.path),
        spec.place.device_options.tensorrt_library,
        spec.place.device.uuid,
        spec.precision,
        spec.batch,
        spec.place.options.ort.optimization,
        spec.place.options.ort.tf32
    );
    let cache = fetch::cache_dir().map_err(|error| failed(&error))?;
    let folder = cache.join("engines").join(&sha256(key.as_bytes())[..16]);
    std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
    Ok(folder)
}

/// Loads a TensorRT of the user's choice before ONNX Runtime asks for one: the system's loader then
/// takes that which is there already.
fn preload(library: &Path) -> Result<(), Error> {
    let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let siblings = ["libnvinfer_plugin", "libnvonnxparser"]
        .map(|kind| library.with_file_name(name.replacen("libnvinfer", kind, 1)));
    let all = std::iter::once(library).chain(siblings.iter().map(PathBuf::as_path));
    for path in all {
        sys::preload(path).map_err(|error| {
            Error::Unavailable(format!(
                "tensorrt_library: {} does not load: {error}",
                printable(path)
            ))
        })?;
    }
    Ok(())
}
