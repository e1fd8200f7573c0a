//! Where in the virtual tables the methods lie, release by release: read from tables, nothing of it
//! from a library. The two slots of a destructor count.

use super::Release;

/// Classes of libnvinfer.
const INFER: &str = include_str!("slots/infer.csv");
/// Classes of the ONNX parser.
const PARSER: &str = include_str!("slots/parser.csv");

/// Slots of all classes of one library in one release.
#[derive(Clone, Debug)]
pub struct Table {
    /// The release whose column it is.
    column: String,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    class: String,
    method: String,
    /// How many arguments it takes; the parser's methods have no overloads, and no count.
    arguments: Option<usize>,
    /// Its slot; of a destructor the first.
    slot: usize,
}

impl Table {
    /// Slots of libnvinfer, or of the library of TensorRT for RTX.
    ///
    /// # Errors
    /// That the release has no column.
    pub fn infer(release: Release) -> Result<Self, String> {
        Self::read(INFER, release)
    }

    /// Slots of the parser that belongs to a release.
    ///
    /// # Errors
    /// As [`Table::infer`].
    pub fn parser(release: Release) -> Result<Self, String> {
        Self::read(PARSER, release)
    }

    fn read(text: &str, release: Release) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let column = column(header.iter(), release.tables())
            .ok_or_else(|| format!("no table of slots is known for TensorRT {release}"))?;
        let row = |record: csv::StringRecord| {
            let slot = record.get(column)?.split('+').next()?.parse().ok()?;
            Some(Row {
                class: record.get(0)?.to_owned(),
                method: record.get(1)?.to_owned(),
                arguments: record.get(2)?.parse().ok(),
                slot,
            })
        };
        let rows = reader.records().filter_map(Result::ok).filter_map(row).collect();
        Ok(Self { column: header[column].replace("slot_", ""), rows })
    }

    /// The slot of a method with that many arguments.
    ///
    /// # Errors
    /// That the release has no such method.
    pub fn slot(&self, class: &str, method: &str, arguments: usize) -> Result<usize, String> {
        let fits = |row: &&Row| {
            let counted = row.arguments.is_none_or(|count| count == arguments);
            row.class == class && row.method == method && counted
        };
        let found = self.rows.iter().find(fits).map(|row| row.slot);
        found.ok_or_else(|| {
            format!("the table of {} has no {class}::{method} of {arguments}", self.column)
        })
    }

    /// The slot of the destructor that frees an object of a class with a table of its own.
    ///
    /// # Errors
    /// That the release has none.
    pub fn destructor(&self, class: &str) -> Result<usize, String> {
        Ok(self.slot(class, &format!("~{class}"), 0)? + 1)
    }
}

/// The column for a release: its own, or the newest of its major with no newer minor. Within 8.5 to
/// 8.6.1, 10.0 to 10.16 and 11.0 to 11.1 methods were only added at the end, but for the parser of
/// 8.6.0, which has a column of its own.
fn column<'a>(
    header: impl Iterator<Item = &'a str>,
    [major, minor, patch]: [u32; 3],
) -> Option<usize> {
    let columns = header.enumerate().filter_map(|(index, name)| Some((index, numbers(name)?)));
    let mut columns: Vec<(usize, Vec<u32>)> = columns.collect();
    columns.retain(|(_, numbers)| numbers[0] == major && numbers[1] <= minor);
    let own = columns.iter().find(|(_, numbers)| *numbers == [major, minor, patch]);
    own.or_else(|| columns.iter().max_by_key(|(_, numbers)| numbers[1])).map(|(index, _)| *index)
}

/// `slot_8.6.1-GA` → 8, 6, 1.
fn numbers(name: &str) -> Option<Vec<u32>> {
    let version = name.strip_prefix("slot_")?.split('-').next()?;
    let numbers: Vec<u32> = version.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() >= 2).then_some(numbers)
}
