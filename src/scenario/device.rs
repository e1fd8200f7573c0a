//! What a scenario says about engines and devices, checked: names, tables, streams on a card. Looks
//! for no device.

use super::{
    check::{Checker, resolved},
    error::Invalid,
    options::{CardOptions, DeviceOptions, EngineOptions, PreprocessOn, Transfers},
    wire,
};
use crate::device::names_gpu;
use std::{collections::BTreeMap, path::PathBuf};

impl Checker<'_> {
    /// CUDA reserves address space for the memory of host and cards, far more than any limit.
    pub(super) fn memory_limit(&self, file: &wire::File) -> Result<(), Invalid> {
        let cards = file.matrix.device.iter().any(|name| names_gpu(name));
        if cards && file.measure.max_memory_mib.is_some() {
            let problem = "limits address space, of which CUDA reserves hundreds of GB: leave it out \
                           in scenarios with cards";
            return self.refuse("measure.max_memory_mib", problem);
        }
        Ok(())
    }

    /// Options of engines, paths absolute.
    pub(super) fn engines(
        &self,
        options: EngineOptions,
        batches: &[u32],
    ) -> Result<EngineOptions, Invalid> {
        let EngineOptions { mut ort, mut tensorrt, null } = options;
        let absolute = |path: PathBuf| resolved(&self.base.join(path));
        ort.library = ort.library.map(absolute);
        tensorrt.library = tensorrt.library.map(absolute);
        self.streams("engine.ort.streams", ort.streams)?;
        self.streams("engine.tensorrt.streams", tensorrt.streams)?;
        self.streams("engine.null.streams", null.streams)?;
        self.preprocess("engine.ort.preprocess", ort.card())?;
        self.preprocess("engine.tensorrt.preprocess", tensorrt.card())?;
        self.preprocess("engine.null.preprocess", null.card())?;
        let within = |key: &str, value: f64, low, high| {
            self.within(&format!("engine.tensorrt.{key}"), value, low, high)
        };
        within("build_timeout_seconds", tensorrt.build_timeout_seconds, 1.0, 86_400.0)?;
        within("contexts", tensorrt.contexts.into(), 1.0, 16.0)?;
        self.contexts(tensorrt.contexts, batches)?;
        if let Some(mib) = tensorrt.workspace_mib {
            within("workspace_mib", mib as f64, 1.0, 1e6)?;
        }
        if let Some(level) = tensorrt.optimization_level {
            within("optimization_level", level.into(), 0.0, 5.0)?;
        }
        Ok(EngineOptions { ort, tensorrt, null })
    }

    /// Contexts share every batch evenly.
    fn contexts(&self, contexts: u32, batches: &[u32]) -> Result<(), Invalid> {
        match batches.iter().find(|batch| !batch.is_multiple_of(contexts)) {
            None => Ok(()),
            Some(batch) => self.refuse(
                "engine.tensorrt.contexts",
                format!(
                    "{contexts} contexts cannot share a batch of {batch} evenly; use batches that are \
                     multiples of {contexts}, or contexts = 1"
                ),
            ),
        }
    }

    fn streams(&self, key: &str, streams: u32) -> Result<(), Invalid> {
        if matches!(streams, 1 | 3) {
            return Ok(());
        }
        self.refuse(key, format!("{streams} is out of range; allowed: 1, 3"))
    }

    /// Refuses keys that contradict each other.
    fn preprocess(&self, key: &str, options: CardOptions) -> Result<(), Invalid> {
        if options.preprocess == PreprocessOn::Gpu && options.transfers == Transfers::None {
            let problem = "\"gpu\" pre-processes images that travel to the card, which \
                           transfers = \"none\" leaves out; allowed with it: \"cpu\"";
            return self.refuse(key, problem);
        }
        Ok(())
    }

    pub(super) fn devices(
        &self,
        tables: BTreeMap<String, DeviceOptions>,
    ) -> Result<BTreeMap<String, DeviceOptions>, Invalid> {
        let absolute = |path: Option<PathBuf>| path.map(|path| resolved(&self.base.join(path)));
        let checked = tables.into_iter().map(|(name, options)| {
            let key = format!("device.\"{name}\"");
            if name == "cpu" {
                return self.refuse(key, "the CPU has no keys of its own; allowed: gpu:…");
            }
            self.device(&key, &name)?;
            if let Some(mhz) = options.lock_clock_mhz {
                self.within(&format!("{key}.lock_clock_mhz"), f64::from(mhz), 100.0, 10_000.0)?;
            }
            let options = DeviceOptions {
                tensorrt_library: absolute(options.tensorrt_library),
                ort_library: absolute(options.ort_library),
                ..options
            };
            Ok((name, options))
        });
        checked.collect()
    }

    pub(super) fn device(&self, key: &str, name: &str) -> Result<(), Invalid> {
        let gpu = name.strip_prefix("gpu:").is_some_and(|rest| !rest.is_empty());
        if name == "cpu" || gpu {
            return Ok(());
        }
        let problem = format!(
            "unknown device `{name}`; allowed: cpu, gpu:all, gpu:<index in PCI bus order>, \
             gpu:<uuid>, gpu:<part of the name>"
        );
        self.refuse(key, problem)
    }
}
