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
    if !about.is_file() || about.len() > MAX_BYTES {
        return refuse("is no short text file");
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let yaml = file.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let names = if yaml { paddle(&text) } else { lines(&text) };
    match names.len() {
        0 if yaml => refuse("has no label_list"),
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
    items
        .map_while(|line| line.trim().strip_prefix("- "))
        .map(|item| item.trim().trim_matches(['\'', '"']).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(name: &str, text: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        read(&file)
    }

    #[test]
    fn names_are_lines_and_a_blank_one_is_a_class_without_a_name() {
        assert_eq!(
            read_as("n.txt", "person\r\n\n traffic light\n\n").unwrap(),
            ["person", "", "traffic light"]
        );
    }

    #[test]
    fn paddledetections_file_is_read_too() {
        let text = "arch: YOLO\nlabel_list:\n- person\n- 'hot dog'\nNMS:\n- x\n";
        assert_eq!(read_as("infer_cfg.yml", text).unwrap(), ["person", "hot dog"]);
        let error = read_as("infer_cfg.yml", "arch: YOLO\n").unwrap_err();
        assert!(error.contains("has no label_list; give a text file"), "{error}");
    }

    #[test]
    fn what_is_no_list_of_names_is_refused_with_what_would_be() {
        assert!(read_as("n.txt", "\n\n").unwrap_err().contains("is empty; give a text file"));
        assert!(read_as("n.txt", &"x\n".repeat(10_001)).unwrap_err().contains("more than 10000"));
        assert!(read(Path::new(".")).unwrap_err().contains("is no short text file"));
        assert!(read(Path::new("gone.txt")).unwrap_err().contains("cannot read the class names"));
    }
}
