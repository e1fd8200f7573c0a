//! Dependencies between modules point one way only, lints cannot be switched off at will, and
//! docs/ARCHITECTURE.md lists the same layers.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Lowest first. A module uses only those before it.
const LAYERS: &[&str] = &[
    "unit", "os", "timing", "stats", "tensor", "cpu", "image", "cuda", "tensorrt", "device",
    "scenario", "model", "fetch", "family", "engine", "pipeline", "runner", "store", "analysis",
    "report", "cli",
];

#[test]
fn modules_use_only_lower_layers() {
    let mut wrong = Vec::new();
    for file in sources() {
        let module = module_path(&file);
        let Some(rank) = module.first().and_then(|name| rank(name)) else { continue };
        for used in used_modules(&code(&file), &module) {
            if rank_of(&used) > rank {
                wrong.push(format!("{} uses the higher layer `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_a_layer_and_every_layer_a_module() {
    let found: BTreeSet<String> =
        sources().iter().filter_map(|file| module_path(file).first().cloned()).collect();
    let listed: BTreeSet<String> = LAYERS.iter().map(|&layer| layer.to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn the_architecture_page_lists_the_layers_in_order() {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| rank(name).is_some())
        .collect();
    assert_eq!(rows, LAYERS);
}

#[test]
fn unsafe_code_is_allowed_in_sys_files_alone() {
    let allowed = |file: &PathBuf| file.file_name().is_some_and(|name| name == "sys.rs");
    for file in sources().into_iter().filter(|file| !allowed(file)) {
        let text = code(&file);
        assert!(!text.contains("allow(unsafe_code"), "{}", file.display());
    }
}

#[test]
fn only_the_command_line_prints() {
    for file in sources() {
        let in_cli = module_path(&file).first().is_some_and(|name| name == "cli");
        let text = code(&file);
        assert!(in_cli || !text.contains("allow(clippy::print"), "{}", file.display());
    }
}

#[test]
fn the_layer_test_itself_sees_violations() {
    let path = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let used = |text: &str, module: &[&str]| used_modules(text, &path(module));
    assert_eq!(used("use crate::cli;", &["os"]), ["cli"]);
    assert_eq!(used("use crate::{unit::Nanos, store::{a, b}};", &["os"]), ["unit", "store"]);
    assert_eq!(used("let x = crate::report::table::run();", &["os", "files"]), ["report"]);
    assert_eq!(used("use super::super::cli::x;", &["os", "files"]), ["cli"]);
    assert_eq!(used("use super::{cli, unit};", &["os"]), ["cli", "unit"]);
    assert!(used("use super::files;", &["os", "process"]).is_empty());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rank(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

/// Words that are no layer (macros, `*`) rank lowest.
fn rank_of(name: &str) -> usize {
    rank(name).unwrap_or(0)
}

/// All source files below `src`, however deep, but for the crate's two roots.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    found.retain(|file| !module_path(file).is_empty());
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// `src/engine/ort/mod.rs` → engine, ort. Empty for lib.rs and main.rs.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut names: Vec<String> =
        inside.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    if names == ["lib"] || names == ["main"] { Vec::new() } else { names }
}

/// The file's text without line comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let line = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Top-level modules that `text`, the source of `module`, names by `crate::` or `super::`.
fn used_modules(text: &str, module: &[String]) -> Vec<String> {
    let root = "super::".repeat(module.len());
    let climbs: Vec<&str> =
        text.match_indices(&root).map(|(at, _)| &text[at + root.len()..]).collect();
    text.split("crate::").skip(1).chain(climbs).flat_map(heads).collect()
}

/// First words of a path or of all paths of a `{…}` tree.
fn heads(rest: &str) -> Vec<String> {
    let word = |text: &str| {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let Some(tree) = rest.strip_prefix('{') else {
        return Some(word(rest)).filter(|word| !word.is_empty()).into_iter().collect();
    };
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.push(word(&tree[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(word(&tree[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}
