//! The text of a scenario file: where in it a key stands, and `--set` overrides.

use super::error::Invalid;
use std::{
    ops::Range,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Most dots that a key can be meant to have, and more.
const MAX_DEPTH: usize = 16;

/// A scenario file as read, with the overrides that were asked for.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it was read from.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// `--set key=value` overrides, in order.
    pub overrides: Vec<String>,
}

impl Source {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// When the file cannot be read or is no UTF-8.
    pub fn read(file: &Path, overrides: &[String]) -> Result<Self, Invalid> {
        let refuse = |problem: String| Invalid {
            file: file.to_owned(),
            line: None,
            key: String::new(),
            problem: format!("cannot read the scenario: {problem}"),
        };
        if file.exists() && !file.is_file() {
            return Err(refuse("it is no file".to_owned()));
        }
        let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { file: file.to_owned(), text, overrides: overrides.to_vec() })
    }

    /// The error that `key` has `problem`, with the line where the key (or the nearest table that
    /// holds it) stands.
    pub fn invalid(&self, key: impl Into<String>, problem: impl Into<String>) -> Invalid {
        let key = key.into();
        // `model[0].path` is set as `model.0.path`.
        let dotted = key.replace('[', ".").replace(']', "");
        let named = |entry: &&String| {
            let set = entry.split('=').next().unwrap_or_default().trim();
            !set.is_empty() && dotted.starts_with(set)
        };
        if let Some(entry) = self.overrides.iter().rev().find(named) {
            return self.override_error(entry, format!("{key}: {}", problem.into()));
        }
        let line = self.locate(&key).map(|offset| self.line(offset));
        Invalid { file: self.file.clone(), line, key, problem: problem.into() }
    }

    /// Parses the text as it stands, then, if there are overrides, the overridden table.
    ///
    /// # Errors
    /// Syntax errors, unknown keys and values of the wrong type.
    pub fn parse(&self) -> Result<super::wire::File, Invalid> {
        let file = toml::from_str(&self.text).map_err(|error| self.parse_error(&error))?;
        if self.overrides.is_empty() {
            return Ok(file);
        }
        let mut table: toml::Table =
            toml::from_str(&self.text).map_err(|error| self.parse_error(&error))?;
        for entry in &self.overrides {
            apply(&mut table, entry).map_err(|problem| self.override_error(entry, problem))?;
            table
                .clone()
                .try_into::<super::wire::File>()
                .map_err(|error| self.override_error(entry, error.message().to_owned()))?;
        }
        table.try_into().map_err(|error| self.override_error("", error.to_string()))
    }

    fn override_error(&self, entry: &str, problem: String) -> Invalid {
        Invalid { file: self.file.clone(), line: None, key: format!("--set {entry}"), problem }
    }

    fn parse_error(&self, error: &toml::de::Error) -> Invalid {
        let span = error.span();
        let key = span.clone().and_then(|span| self.key_at(&span)).unwrap_or_default();
        Invalid {
            file: self.file.clone(),
            line: span.map(|span| self.line(span.start)),
            key,
            problem: error.message().to_owned(),
        }
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        before.iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    /// Byte offset of the longest part of `key` (`matrix.batch[1]`) that is in the file.
    fn locate(&self, key: &str) -> Option<usize> {
        let root = DeTable::parse(&self.text).ok()?;
        let mut found = None;
        let mut here: Option<&DeValue<'_>> = None;
        for part in key.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
            let next = match here {
                None => entry(root.get_ref(), part),
                Some(DeValue::Table(table)) => entry(table, part),
                Some(DeValue::Array(items)) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|item| (item.span().start, item.get_ref())),
                Some(_) => None,
            };
            let Some((offset, value)) = next else { break };
            found = Some(offset);
            here = Some(value);
        }
        found
    }

    /// The key whose value or name covers `span`.
    fn key_at(&self, span: &Range<usize>) -> Option<String> {
        let root = DeTable::parse(&self.text).ok()?;
        search(root.get_ref(), span, "")
    }
}

fn entry<'t>(table: &'t DeTable<'_>, name: &str) -> Option<(usize, &'t DeValue<'t>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span().start, value.get_ref()))
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn search(table: &DeTable<'_>, span: &Range<usize>, prefix: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{prefix}{}", key.get_ref());
        if covers(&key.span(), span) {
            return Some(path);
        }
        search_value(value, span, &path)
    })
}

fn search_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &str) -> Option<String> {
    let inside = match value.get_ref() {
        DeValue::Table(table) => search(table, span, &format!("{path}.")),
        DeValue::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| search_value(item, span, &format!("{path}[{index}]"))),
        _ => None,
    };
    inside.or_else(|| covers(&value.span(), span).then(|| path.to_owned()))
}

/// Sets one dotted key of `table`; a lone value for an axis of the matrix becomes a list of one.
fn apply(table: &mut toml::Table, entry: &str) -> Result<(), String> {
    let (path, text) =
        entry.split_once('=').ok_or("write key=value, as in --set measure.launches=3")?;
    let path = path.trim();
    let mut value = parse_value(text.trim());
    if path.starts_with("matrix.") && !value.is_array() {
        value = toml::Value::Array(vec![value]);
    }
    let parts = parts(path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if parts.len() > MAX_DEPTH {
        return Err(format!("a key has at most {MAX_DEPTH} parts"));
    }
    let Some((last, parents)) = parts.split_last() else { return Ok(()) };
    let mut place = toml::Value::Table(std::mem::take(table));
    let result = descend(&mut place, parents).and_then(|parent| insert(parent, last, value));
    if let toml::Value::Table(whole) = place {
        *table = whole;
    }
    result
}

/// The parts of a dotted key. A part with a dot or a colon in it may stand in quotes, as in TOML.
fn parts(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in path.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts
}

fn parse_value(text: &str) -> toml::Value {
    toml::from_str::<toml::Table>(&format!("v = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn descend<'v>(root: &'v mut toml::Value, path: &[&str]) -> Result<&'v mut toml::Value, String> {
    let mut place = root;
    for part in path {
        place = match place {
            toml::Value::Table(table) => table
                .entry(part.to_owned())
                .or_insert_with(|| toml::Value::Table(toml::Table::new())),
            toml::Value::Array(items) => item(items, part)?,
            _ => return Err(format!("`{part}` is inside a value that is no table")),
        };
    }
    Ok(place)
}

fn insert(place: &mut toml::Value, key: &str, value: toml::Value) -> Result<(), String> {
    match place {
        toml::Value::Table(table) => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        toml::Value::Array(items) => item(items, key).map(|place| *place = value),
        _ => Err(format!("`{key}` is inside a value that is no table")),
    }
}

fn item<'v>(items: &'v mut [toml::Value], part: &str) -> Result<&'v mut toml::Value, String> {
    let count = items.len();
    part.parse::<usize>()
        .ok()
        .and_then(|index| items.get_mut(index))
        .ok_or_else(|| format!("`{part}` is no index into a list of {count}; they count from 0"))
}
