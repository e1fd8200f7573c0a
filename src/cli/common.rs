//! What several verbs need: reading scenarios and the names that this build knows.

use crate::{
    device::{self, Device},
    engine, family, fetch,
    os::Host,
    runner::{Problem, Ready, Workers, preflight},
    scenario::{self, Known, Plan, Scenario, Source},
};
use anyhow::{Context, bail};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Which scenarios, and what is overridden in them.
#[derive(Debug, clap::Args)]
pub struct ScenarioArguments {
    /// Scenario files
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// Override a key, as in --set measure.launches=3 or --set matrix.batch=[1,8]
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// The ONNX Runtime library to use, instead of engine.ort.library
    #[arg(long, value_name = "FILE")]
    pub ort_library: Option<PathBuf>,
}

/// A scenario that was read and checked, with its cells.
pub struct Loaded {
    /// As it was written.
    pub source: Source,
    /// As it is meant.
    pub scenario: Scenario,
    /// Its cells.
    pub plan: Plan,
}

impl ScenarioArguments {
    /// Reads and checks all scenarios before anything is done with one.
    pub fn load(&self) -> anyhow::Result<Vec<Loaded>> {
        let host = Host::read();
        let mut loaded: Vec<Loaded> = Vec::new();
        for file in &self.scenarios {
            let one = self.load_one(file, &host)?;
            if loaded.iter().any(|other| other.scenario.name == one.scenario.name) {
                bail!("two scenarios have the name `{}`", one.scenario.name);
            }
            loaded.push(one);
        }
        Ok(loaded)
    }

    fn load_one(&self, file: &Path, host: &Host) -> anyhow::Result<Loaded> {
        let source = Source::read(file, &self.overrides)?;
        let mut scenario = scenario::load(&source, &known())?;
        if let Some(library) = &self.ort_library {
            let library = std::path::absolute(library)
                .with_context(|| format!("--ort-library {}", library.display()))?;
            scenario.engine.ort.library = Some(library);
        }
        let plan = scenario.plan(|name| -> Vec<Device> { device::resolve(name, host) });
        Ok(Loaded { source, scenario, plan })
    }
}

fn known() -> Known {
    let cache = fetch::cache_dir().ok();
    let fetched = |name: &str| cache.as_ref().and_then(|cache| fetch::model_path(cache, name));
    Known {
        engines: engine::all().iter().map(|engine| engine.name().to_owned()).collect(),
        families: family::all().iter().map(|family| family.name().to_owned()).collect(),
        fetchable: fetch::model_names().map(|name| (name.to_owned(), fetched(name))).collect(),
    }
}

/// Workers of this very program. A launch under way is given up at the second interrupt.
pub fn workers() -> anyhow::Result<Workers> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    Ok(Workers { program, give_up_at: 2 })
}

/// Looks at everything a scenario needs; its problems become one error that lists them all.
pub fn ready(loaded: &Loaded, workers: &Workers) -> anyhow::Result<Ready> {
    preflight(&loaded.scenario, &loaded.plan, workers)?.map_err(|problems| {
        let list: Vec<String> = problems.iter().map(|Problem(text)| text.clone()).collect();
        anyhow::anyhow!("{}: {}", loaded.source.file.display(), list.join("\nerror: "))
    })
}

/// Prints a text to standard output. A reader that has left (`| head`) is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
