//! Where the methods of a class are in its virtual table, by release: read from the tables that
//! the program itself uses. Knows no functions.

use crate::release::Release;

const INFER: &str = include_str!("../../../src/tensorrt/slots/infer.csv");
const PARSER: &str = include_str!("../../../src/tensorrt/slots/parser.csv");

/// The virtual table of a class in one release.
#[derive(Debug)]
pub struct Layout {
    methods: Vec<Slot>,
    /// The complete and the deleting destructor.
    pub destructors: (usize, usize),
}

/// A method's place.
#[derive(Debug)]
struct Slot {
    name: String,
    /// None where the table does not number them; names are then unique.
    arguments: Option<usize>,
    slot: usize,
}

impl Layout {
    /// The table of a class, such as `VBuilder` or `IParser`.
    pub fn of(class: &str, release: Release) -> Self {
        let (table, numbered) =
            if class.starts_with('V') { (INFER, true) } else { (PARSER, false) };
        let mut rows = table.lines().map(fields);
        let column = rows.next().and_then(|header| column(&header, release));
        let mut layout = Self { methods: Vec::new(), destructors: (0, 1) };
        for row in rows.filter(|row| row.first().is_some_and(|name| name == class)) {
            let place = column.and_then(|column| row.get(column)).map_or("", String::as_str);
            layout.add(&row[1], &row[2], place, numbered);
        }
        layout
    }

    fn add(&mut self, name: &str, arguments: &str, place: &str, numbered: bool) {
        let pair = place.split_once('+').map(|(first, second)| (first.parse(), second.parse()));
        if let Some((Ok(complete), Ok(deleting))) = pair {
            self.destructors = (complete, deleting);
        } else if let (Ok(slot), false) = (place.parse(), name.starts_with('(')) {
            let arguments = if numbered { arguments.parse().ok() } else { None };
            self.methods.push(Slot { name: name.to_owned(), arguments, slot });
        }
    }

    /// The place of a method.
    pub fn find(&self, name: &str, arguments: usize) -> Option<usize> {
        // As Rust writes a name that is a keyword.
        let name = name.trim_start_matches("r#");
        let fits = |slot: &&Slot| {
            slot.name == name && slot.arguments.is_none_or(|number| number == arguments)
        };
        self.methods.iter().find(fits).map(|slot| slot.slot)
    }

    /// The method at a place.
    pub fn name(&self, place: usize) -> Option<&str> {
        self.methods.iter().find(|slot| slot.slot == place).map(|slot| slot.name.as_str())
    }
}

/// The fields of a line; a quoted one may have commas.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for char in line.chars() {
        match char {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().into_iter().for_each(|field| field.push(other)),
        }
    }
    fields
}

/// The column of the newest release of the same major that is not newer than this one. Of two
/// columns for one release, early and general availability, the later counts.
fn column(header: &[String], release: Release) -> Option<usize> {
    let releases = header.iter().map(|name| name.strip_prefix("slot_").and_then(Release::parse));
    let known = releases.enumerate().filter_map(|(column, known)| Some((known?, column)));
    let fitting = known.filter(|(known, _)| known.major == release.major && *known <= release);
    fitting.max().map(|(_, column)| column)
}
