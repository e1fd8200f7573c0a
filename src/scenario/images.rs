//! Finds the images that a scenario names: files, folders and patterns. Names are matched as
//! bytes: a file name need not be UTF-8.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

/// Extensions taken from a folder, lower case.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The images that `pattern` names, in order of their names' bytes.
///
/// # Errors
/// A sentence that says what is missing.
pub fn find(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = base.join(pattern);
    if path.is_file() {
        return Ok(vec![path]);
    }
    let mut found = if path.is_dir() {
        in_folder(&path)
    } else {
        let parts: Vec<OsString> = path.iter().map(OsStr::to_owned).collect();
        matching(PathBuf::new(), &parts)
    }
    .map_err(|error| format!("cannot look for `{pattern}`: {error}"))?;
    if found.is_empty() {
        return Err(nothing(&path, pattern));
    }
    found.sort();
    Ok(found)
}

fn nothing(path: &Path, pattern: &str) -> String {
    if path.is_dir() {
        format!("the folder {} holds no image; looked for .jpg, .jpeg and .png", path.display())
    } else {
        format!("`{pattern}` matches no file; looked for {}", path.display())
    }
}

/// The entries of a folder; the error names it.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    fs::read_dir(folder).and_then(Iterator::collect).map_err(|error| {
        io::Error::new(error.kind(), format!("the folder {}: {error}", folder.display()))
    })
}

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = entries(folder)?.into_iter().map(|entry| entry.path());
    Ok(paths.filter(|path| is_image(path) && path.is_file()).collect())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

/// The files below `at` whose path matches `parts`, one name each. Only folders that can hold a
/// match are looked into. `**` stands for any number of folders, but follows no links, which may
/// lead in circles.
fn matching(at: PathBuf, parts: &[OsString]) -> io::Result<Vec<PathBuf>> {
    let Some((part, rest)) = parts.split_first() else {
        return Ok(if at.is_file() { vec![at] } else { Vec::new() });
    };
    if part == "**" {
        let mut found = matching(at.clone(), rest)?;
        for entry in entries(&at)? {
            if entry.file_type()?.is_dir() {
                found.extend(matching(entry.path(), parts)?);
            }
        }
        return Ok(found);
    }
    let pattern = part.as_encoded_bytes();
    if !pattern.iter().any(|byte| b"*?[{".contains(byte)) {
        return matching(at.join(part), rest);
    }
    if !at.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in entries(&at)? {
        if fast_glob::glob_match(pattern, entry.file_name().as_encoded_bytes()) {
            found.extend(matching(entry.path(), rest)?);
        }
    }
    Ok(found)
}
