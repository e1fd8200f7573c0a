//! A folder of one test's own with scenarios in it, and the program to run on them.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program under test, with a cache of its own so that nothing fetched by hand is found.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trtbench"));
    command.current_dir(folder).env("TRTBENCH_CACHE", folder.join("cache"));
    command.env_remove("ORT_DYLIB_PATH");
    command
}

/// A temporary folder with images and a model.
pub struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub fn new() -> Self {
        let sandbox = Self(tempfile::tempdir().unwrap());
        fs::create_dir(sandbox.path("images")).unwrap();
        for n in 0..8 {
            let name = format!("shape_{n:03}.jpg");
            let from = root().join("scenarios/images/shapes").join(&name);
            fs::copy(from, sandbox.path("images").join(&name)).unwrap();
        }
        fs::copy(root().join("scenarios/models/shapes.onnx"), sandbox.path("shapes.onnx")).unwrap();
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a scenario that runs the empty engine for a moment; `extra` is appended.
    pub fn null_scenario(&self, extra: &str) -> PathBuf {
        let text = format!("{}\n{extra}", scenario("null", "batch = [1, 2]", FAST));
        self.scenario("null.toml", &text)
    }

    pub fn scenario(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Whether a worker of the run in that folder has begun an iteration.
    pub fn measures(&self, run: &str) -> bool {
        let entries = fs::read_dir(self.path(run).join("launches")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".stage")).any(
            |entry| fs::read(entry.path()).is_ok_and(|byte| byte.first().is_some_and(|&b| b > 0)),
        )
    }

    /// Runs the program in this folder.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(program(self.0.path()).args(arguments).output().unwrap())
    }
}

/// Budget of a launch that ends at once.
pub const FAST: &str = "launches = 2\nmin_seconds = 0\nmax_seconds = 0.3\nmin_samples = 3\n";

/// The text of a scenario with one model, given engine, axes and budget.
pub fn scenario(engine: &str, axes: &str, measure: &str) -> String {
    format!(
        r#"schema = 1
name = "test"

[[model]]
name = "shapes"
path = "shapes.onnx"
family = "yolov8"

[matrix]
engine = ["{engine}"]
{axes}

[input]
images = "images"

[measure]
{measure}
"#
    )
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Asserts the exit code and that standard error holds all of `parts`.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in:\n{}", self.err);
        }
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Waits for what another process does; the test fails if it does not come.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// Says that a test could not run; with CI=true that is a failure.
pub fn skip(reason: &str) {
    println!("SKIPPED: {reason}");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "skipped in CI: {reason}");
}

/// The columns that a page of the documentation explains in the tables below that heading.
pub fn documented_columns<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let section = page.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .flat_map(|names| names.split(", ").map(|name| name.trim_matches('`')))
        .collect()
}
