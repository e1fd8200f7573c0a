//! Finds the images that a scenario names: files, folders and patterns.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// Extensions taken from a folder, lower case.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Folders below a pattern's fixed part are followed this deep, so that a loop of links ends.
const MAX_DEPTH: usize = 16;

/// The images that `pattern` names, in order of their names' bytes.
///
/// # Errors
/// A sentence that says what is missing.
pub fn find(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = base.join(pattern);
    if path.is_file() {
        return Ok(vec![path]);
    }
    let found = if path.is_dir() { in_folder(&path) } else { matching(base, pattern) };
    let mut found =
        found.map_err(|error| format!("cannot read the folder of `{pattern}`: {error}"))?;
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

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let wanted = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase())
            .is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()));
        if wanted && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Walks from the part of the pattern that has no wildcard. Names are matched as bytes: a file
/// name need not be UTF-8.
fn matching(base: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let wild =
        |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let parts: Vec<_> = Path::new(pattern).components().collect();
    let fixed = parts.iter().take_while(|part| !wild(part)).count();
    if fixed == parts.len() {
        return Ok(Vec::new());
    }
    let root = base.join(parts[..fixed].iter().collect::<PathBuf>());
    let rest = parts[fixed..].iter().collect::<PathBuf>();
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    walk(&root, &root, bytes(&rest).as_ref(), MAX_DEPTH, &mut found)?;
    Ok(found)
}

fn walk(
    root: &Path,
    folder: &Path,
    pattern: &[u8],
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if depth > 0 {
                walk(root, &path, pattern, depth - 1, found)?;
            }
        } else if let Ok(relative) = path.strip_prefix(root)
            && fast_glob::glob_match(pattern, bytes(relative))
        {
            found.push(path);
        }
    }
    Ok(())
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}
