//! Downloads one wheel with the `pip` that is there. Installs nothing.

use super::{FetchError, pins::Pin};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Ways to start `pip`, in the order in which they are tried.
const COMMANDS: [&[&str]; 4] =
    [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["py", "-m", "pip"]];

/// Lines of `pip`'s standard error that are passed on.
const LINES: usize = 6;

/// Downloads the wheel of `pin` into `folder`, which holds no other, and returns its path.
pub fn download(pin: &Pin, folder: &Path) -> Result<PathBuf, FetchError> {
    let mut command = find(&COMMANDS).ok_or_else(|| FetchError::NoPip {
        tried: COMMANDS.map(|words| words.join(" ")).join(", "),
        instead: pin.instead,
    })?;
    command
        .args(["download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary=:all:", "--dest"])
        .arg(folder)
        .args(pin.selection)
        .arg(pin.package);
    let failed = |said: String| FetchError::Pip { package: pin.package.into(), said };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(tail(&String::from_utf8_lossy(&output.stderr))));
    }
    only_wheel(folder)?.ok_or_else(|| failed("it left no wheel behind".into()))
}

/// The first of `candidates` that answers when it is asked for its version.
fn find(candidates: &[&[&str]]) -> Option<Command> {
    let answers = |words: &&&[&str]| {
        let answer = command(words)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        answer.is_ok_and(|status| status.success())
    };
    candidates.iter().find(answers).map(|words| command(words))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words.first().copied().unwrap_or_default());
    // `python3 -m pip` would run a pip.py that lies in the present folder.
    command.args(words.iter().skip(1)).stdin(Stdio::null()).current_dir("/");
    command
}

fn only_wheel(folder: &Path) -> Result<Option<PathBuf>, FetchError> {
    let error = |error| FetchError::Io { path: folder.into(), error };
    for entry in fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The last lines, where `pip` says what is wrong.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pip_that_is_not_there_is_not_found() {
        assert!(find(&[&["no such command", "-m", "pip"], &[]]).is_none());
    }

    #[test]
    fn only_the_end_of_what_pip_says_is_told() {
        let text = (0..9).map(|n| format!("line {n}\n\n")).collect::<String>();
        assert!(tail(&text).starts_with("line 3\nline 4"));
        assert_eq!(tail(""), "");
    }
}
