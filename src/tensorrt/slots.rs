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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensorrt::{
        Abi, Product,
        classes::{Classes, ParserClasses},
    };

    fn release(number: i32) -> Release {
        Release::from_number(Product::TensorRt, number)
    }

    /// Every minor release that is known, and the patches that differ.
    fn known() -> Vec<Release> {
        let tens = (0..=16).map(|minor| 100_000 + 100 * minor);
        let elevens = (0..=4).map(|minor| 110_000 + 100 * minor);
        let eights = [8501, 8502, 8503, 8600, 8601].into_iter();
        let mut known: Vec<Release> = eights.chain(tens).chain(elevens).map(release).collect();
        known.push(Release::from_number(Product::Rtx, 10_701));
        known
    }

    #[test]
    fn every_known_release_has_all_methods_that_are_called() {
        for release in known() {
            let abi = release.abi().unwrap();
            let table = Table::infer(release).unwrap();
            Classes::find(&table).unwrap();
            ParserClasses::find(&Table::parser(release).unwrap()).unwrap();
            let has = |class, method, arguments| table.slot(class, method, arguments).is_ok();
            let eight = abi == Abi::Eight;
            assert_eq!(has("VRuntime", "deserializeCudaEngine", 3), eight, "{release}");
            assert_eq!(has("VRuntime", "deserializeCudaEngine", 2), !eight, "{release}");
            assert_eq!(has("VCudaEngine", "createExecutionContext", 0), eight, "{release}");
            assert_eq!(has("VCudaEngine", "createExecutionContext", 1), !eight, "{release}");
            assert_eq!(has("VBuilderConfig", "setProgressMonitor", 1), !eight, "{release}");
            let calibrates = has("VBuilderConfig", "setInt8Calibrator", 1);
            assert_eq!(calibrates, abi != Abi::Eleven, "{release}");
        }
    }

    #[test]
    fn a_release_takes_its_own_column_or_the_newest_before_it() {
        let infer = |number| Table::infer(release(number)).unwrap().column;
        assert_eq!([infer(8501), infer(8600), infer(8601)], ["8.5.3", "8.6.1", "8.6.1"]);
        assert_eq!([infer(100_001), infer(101_202)], ["10.0.0", "10.0.0"]);
        assert_eq!([infer(101_500), infer(101_601)], ["10.13.0", "10.16"]);
        assert_eq!([infer(110_000), infer(110_400)], ["11.0", "11.1"]);
        let parser = |number| Table::parser(release(number)).unwrap().column;
        assert_eq!([parser(8600), parser(8601)], ["8.6.0-EA", "8.6.1-GA"]);
        assert_eq!([parser(8503), parser(101_401)], ["8.5.1", "10.14"]);
        assert!(Table::infer(release(7203)).is_err() && Table::parser(release(120_000)).is_err());
    }

    #[test]
    fn slots_are_those_that_were_read_from_the_headers() {
        let parser = |number, method| {
            Table::parser(release(number)).unwrap().slot("IParser", method, 0).unwrap()
        };
        assert_eq!([8601, 101_600, 110_100].map(|n| parser(n, "getNbErrors")), [6, 5, 3]);
        let freed = |number| Table::parser(release(number)).unwrap().destructor("IParser").unwrap();
        assert_eq!([8600, 8601, 100_000, 110_000].map(freed), [15, 10, 9, 7]);
        let enqueue = |number| {
            Table::infer(release(number))
                .unwrap()
                .slot("VExecutionContext", "enqueueV3", 1)
                .unwrap()
        };
        assert_eq!([8601, 101_600, 110_100].map(enqueue), [44, 37, 36]);
        let missing = Table::infer(release(8503)).unwrap();
        let error = missing.slot("VBuilderConfig", "setProgressMonitor", 1).unwrap_err();
        assert_eq!(error, "the table of 8.5.3 has no VBuilderConfig::setProgressMonitor of 1");
    }
}
