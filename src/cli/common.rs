//! What several verbs need: reading scenarios and the names that this build knows.

use crate::{
    device::{self, Device, Inventory},
    engine, family, fetch,
    os::{self, Host},
    runner::{self, Problem, Ready, Reason, Workers, preflight},
    scenario::{self, Cell, Known, Plan, Scenario, Source},
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
    /// The cards that are here; none are looked for where no cell needs one.
    pub inventory: Inventory,
}

impl ScenarioArguments {
    /// Reads and checks all scenarios before anything is done with one.
    pub fn load(&self) -> anyhow::Result<Vec<Loaded>> {
        let host = Host::read();
        let mut loaded: Vec<Loaded> = Vec::new();
        for file in &self.scenarios {
            let one = self.load_one(file, &host)?;
            let same = |other: &Loaded| slug(&other.scenario.name) == slug(&one.scenario.name);
            if loaded.iter().any(same) {
                bail!("two scenarios have the name `{}`, or as good as that", one.scenario.name);
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
        let inventory = match scenario.matrix.device.iter().any(|name| device::names_gpu(name)) {
            true => runner::inventory(&workers()?)?,
            false => Inventory::default(),
        };
        let plan = scenario.plan(|name| -> Vec<Device> { device::resolve(name, host, &inventory) });
        Ok(Loaded { source, scenario, plan, inventory })
    }
}

/// A scenario's name as a part of a folder's name.
pub fn slug(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let slug: String = name.chars().map(keep).collect();
    let slug = slug.trim_start_matches('.');
    if slug.is_empty() { "run".to_owned() } else { slug.to_owned() }
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
    let program = os::this_program().context("cannot find this program's own file")?;
    Ok(Workers { program, give_up_at: 2 })
}

/// Looks at everything a scenario needs; its problems become one error that lists them all.
pub fn examined(loaded: &Loaded, workers: &Workers) -> anyhow::Result<Ready> {
    preflight(&loaded.scenario, &loaded.plan, &loaded.inventory, workers)?.map_err(|problems| {
        let list: Vec<String> = problems.iter().map(|Problem(text)| text.clone()).collect();
        anyhow::anyhow!("{}: {}", loaded.source.file.display(), list.join("\nerror: "))
    })
}

/// As [`examined`]; that nothing of a scenario can run here is an error too.
pub fn ready(loaded: &Loaded, workers: &Workers) -> anyhow::Result<Ready> {
    let ready = examined(loaded, workers)?;
    for note in &ready.idle {
        tell(&format!("note: {note}"));
    }
    if ready.run.is_empty() {
        let cells = &loaded.plan.cells;
        let several = cells.iter().any(|cell| cell.device != cells[0].device);
        let line = |(cell, reason): &(Cell, Reason)| {
            let on = if several { format!(" on {}", cell.device) } else { String::new() };
            format!("  {}{on}: {}", cell.id, reason.0)
        };
        let reasons: Vec<String> = ready.skipped.iter().map(line).collect();
        let file = loaded.source.file.display();
        bail!("{file}: no cell can run here:\n{}", reasons.join("\n"));
    }
    Ok(ready)
}

/// Prints a text to standard output. A reader that has left (`| head`) is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", harmless(text.trim_end())).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints JSON to standard output. What a terminal would obey stays a character of its text, escaped.
pub fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    let mut text = String::new();
    for c in format!("{value:#}").chars() {
        match c {
            '\n' => text.push(c),
            c if c.is_control() || turns(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    print(&text)
}

/// Whether a character turns the direction of writing, or ends a line as no terminal shows.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Prints a line to standard error. That nobody reads it, or that it cannot be kept, stops nothing.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}

/// Text without control characters but line ends: names come out of files from strangers, and a
/// terminal obeys what it prints.
pub fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' || turns(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(harmless("a\x1b[2Jb\nc\u{9b}"), "a\\u{1b}[2Jb\nc\\u{9b}");
        assert_eq!(harmless("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_expand_them() {
        assert_eq!(quoted("a-b/c.toml"), "a-b/c.toml");
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
