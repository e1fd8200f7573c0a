//! A file with the names of a model's classes: text, one a line, the first for class 0; or the
//! `infer_cfg.yml` that PaddleDetection writes beside a model.

use std::path::Path;

/// Most bytes and names that such a file is taken for.
const MAX_BYTES: u64 = 1 << 20;
const MAX_NAMES: usize = 10_000;

/// Key of the names in PaddleDetection's file, whose items follow it a line each.
const PADDLE: &str = "label_list:";

/// Reads the names. Blank lines at the end are none; one between others is a class without a name.
///
/// # Errors
/// Says what is wrong with the file and how it should look.
pub fn read(file: &Path) -> Result<Vec<String>, String> {
    let shown = file.display();
    let refuse = |problem: &str| {
        Err(format!(
            "{shown} {problem}; give a text file with one class name a line, or PaddleDetection's \
             infer_cfg.yml"
        ))
    };
    let unreadable = |error| format!("cannot read the class names {shown}: {error}");
    let about = std::fs::metadata(file).map_err(unreadable)?;
    if !about.is_file() {
        return refuse("is no file");
    }
    if about.len() > MAX_BYTES {
        return refuse("is too long for a list of names");
    }
    let Ok(text) = String::from_utf8(std::fs::read(file).map_err(unreadable)?) else {
        return refuse("is no text in UTF-8");
    };
    let text = text.trim_start_matches('\u{feff}');
    let extension = file.extension().map(|extension| extension.to_ascii_lowercase());
    let yaml = extension.is_some_and(|extension| extension == "yml" || extension == "yaml");
    let names = if yaml { paddle(text) } else { lines(text) };
    if names.iter().flat_map(|name| name.chars()).any(char::is_control) {
        return refuse("holds control characters");
    }
    match names.len() {
        0 if yaml => refuse("has no label_list with an item a line"),
        0 => refuse("is empty"),
        1..=MAX_NAMES => Ok(names),
        _ => refuse(&format!("has more than {MAX_NAMES} names")),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.trim_end().lines().map(|line| line.trim().to_owned()).collect()
}

/// The items of `label_list`; every other key is left alone.
fn paddle(text: &str) -> Vec<String> {
    let items = text.lines().skip_while(|line| line.trim_end() != PADDLE).skip(1);
    items.map_while(|line| line.trim().strip_prefix("- ")).map(item).collect()
}

/// A YAML scalar: quoted, or up to a comment.
fn item(text: &str) -> String {
    let text = text.trim();
    let quoted = |quote: char| text.strip_prefix(quote)?.split_once(quote).map(|(name, _)| name);
    let plain = || text.split_once(" #").map_or(text, |(name, _)| name.trim_end());
    quoted('\'').or_else(|| quoted('"')).unwrap_or_else(plain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(name: &str, text: impl AsRef<[u8]>) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        read(&file)
    }

    #[test]
    fn names_are_lines_and_a_blank_one_is_a_class_without_a_name() {
        let text = "\u{feff}person\r\n\n traffic light\n\n";
        assert_eq!(read_as("n.txt", text).unwrap(), ["person", "", "traffic light"]);
    }

    #[test]
    fn paddledetections_file_is_read_too() {
        let text = "arch: YOLO\nlabel_list:\n- person # first\n- 'hot # dog'\nNMS:\n- x\n";
        assert_eq!(read_as("infer_cfg.YML", text).unwrap(), ["person", "hot # dog"]);
        let error = read_as("infer_cfg.yml", "arch: YOLO\n").unwrap_err();
        assert!(error.contains("has no label_list"), "{error}");
    }

    #[test]
    fn what_is_no_list_of_names_is_refused_with_what_would_be() {
        let refused = |text: &[u8], words: &str| {
            let error = read_as("n.txt", text).unwrap_err();
            assert!(error.contains(words) && error.contains("give a text file"), "{error}");
        };
        refused(b"\n\n", "is empty");
        refused(&b"x\n".repeat(10_001), "more than 10000");
        refused(b"\xff\xfec\0a\0", "is no text in UTF-8");
        refused(b"cat\x1b[2J\n", "holds control characters");
        assert!(read(Path::new(".")).unwrap_err().contains("is no file; give a text file"));
        assert!(read(Path::new("gone.txt")).unwrap_err().contains("cannot read the class names"));
    }
}
