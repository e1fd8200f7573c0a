//! Paddle's models: `.pdmodel` and PIR `.json` with the `.pdiparams` beside them. What Paddle
//! pickles (`.pdparams`, `.pdopt`) is read elsewhere.

mod fields;
mod lower;
mod parameters;
mod pdmodel;
mod pir;
mod problem;
mod program;
mod types;

pub use lower::lower;
pub use parameters::Stored;
pub use problem::Problem;
pub use program::{Operator, Program, Slot};

use parameters::is_parameters;
use pdmodel::is_program;

use super::{
    Format,
    anatomy::{Anatomy, File, Layout, Place, Role, Section, SectionKind, Weight},
    graph::Constant,
    skim::Skim,
};
use crate::{
    os::{MappedFile, printable},
    tensor::{DType, Dim},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Most blanks before the first brace of a text.
const MAX_BLANKS: usize = 64;

/// What the file at `path`, whose bytes are those of `skim`, consists of, if it is one of Paddle's:
/// by what is in it, and by its name where that tells nothing.
pub fn anatomy(path: &Path, skim: &Skim<'_>) -> Option<Result<Anatomy, String>> {
    let bytes = skim.all();
    let extension = path.extension().and_then(|extension| extension.to_str());
    if is_json(bytes) {
        Some(pir(path, bytes))
    } else if is_parameters(bytes) {
        Some(parameters(path, skim))
    } else if is_program(bytes) {
        Some(program(path, bytes))
    } else {
        match extension? {
            "pdmodel" => Some(program(path, bytes)),
            "pdiparams" => Some(parameters(path, skim)),
            "json" => Some(pir(path, bytes)),
            _ => None,
        }
    }
}

/// Whether `bytes` are text that begins as JSON's objects do.
fn is_json(bytes: &[u8]) -> bool {
    let mut start = bytes.iter().take(MAX_BLANKS);
    start.find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// What the `.pdmodel` at `path`, whose bytes are `bytes`, consists of, with its parameters.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn program(path: &Path, bytes: &[u8]) -> Result<Anatomy, String> {
    let contents = pdmodel::read(bytes).map_err(|problem| problem.to_string())?;
    let mut remarks = Vec::new();
    remarks.extend(stacks(&contents, bytes.len() as u64));
    if contents.inner_blocks > 0 {
        remarks.push(format!(
            "Loops and branches hold {} more operators in {} blocks; what they cost depends on the \
             data.",
            contents.inner_operators, contents.inner_blocks
        ));
    }
    if contents.version == 0 {
        remarks.push(
            "It does not say which version of Paddle wrote it: a development build, or one from \
             before versions were written."
                .to_owned(),
        );
    }
    let used: BTreeSet<&str> =
        contents.program.operators.iter().map(|operator| operator.kind.as_str()).collect();
    let versions = contents.operator_versions.iter();
    let of_used = versions.filter(|(operator, _)| used.contains(operator.as_str()));
    let opsets = of_used.map(|(operator, &version)| (operator.clone(), version)).collect();
    let parts = Parts {
        format: Format::PaddleProgram,
        producer: release(contents.version).map(|release| format!("paddle {release}")),
        opsets,
        remarks,
    };
    parts.assemble(path, bytes, contents.program, &contents.sections)
}

/// What the PIR program at `path`, whose bytes are `bytes`, consists of, with its parameters.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn pir(path: &Path, bytes: &[u8]) -> Result<Anatomy, String> {
    let contents = pir::read(bytes).map_err(|problem| problem.to_string())?;
    let mut remarks = Vec::new();
    if contents.inner_operators > 0 {
        remarks.push(format!(
            "Loops and branches hold {} more operators; what they cost depends on the data.",
            contents.inner_operators
        ));
    }
    let parts = Parts {
        format: Format::PaddlePir,
        // PIR is written since 3.0, which is all that its version tells.
        producer: Some("paddle 3".to_owned()),
        opsets: BTreeMap::from([("pir".to_owned(), contents.version)]),
        remarks,
    };
    parts.assemble(path, bytes, contents.program, &contents.sections)
}

/// What the `.pdiparams` at `path`, whose bytes are those of `skim`, consists of: it has no names.
///
/// # Errors
/// What is wrong with it, for its user.
pub fn parameters(path: &Path, skim: &Skim<'_>) -> Result<Anatomy, String> {
    let size = skim.all().len() as u64;
    let stored = parameters::read(skim).map_err(|problem| problem.to_string())?;
    let named = |(index, stored): (usize, &Stored)| weight(format!("parameter {index}"), stored, 0);
    let weights: Vec<Weight> = stored.iter().enumerate().map(named).collect();
    let mut remarks = vec![
        "It holds parameters without their names, in the order of the names; the names and the \
         network are in the program that it was saved with."
            .to_owned(),
    ];
    let beside = ["pdmodel", "json"].map(|extension| path.with_extension(extension));
    if let Some(program) = beside.iter().find(|program| program.is_file()) {
        remarks.push(format!("{} lies beside it: inspect that for both.", name_of(program)));
    }
    Ok(Anatomy {
        format: Format::PaddleParameters,
        files: vec![File { name: name_of(path), bytes: size }],
        sections: stored_sections(0, size, &weights),
        weights,
        producer: None,
        ir_version: None,
        opsets: BTreeMap::new(),
        metadata: BTreeMap::new(),
        graph: None,
        lowered: None,
        remarks,
    })
}

/// What the two kinds of programs say in different ways.
struct Parts {
    format: Format,
    producer: Option<String>,
    opsets: BTreeMap<String, u64>,
    remarks: Vec<String>,
}

impl Parts {
    fn assemble(
        mut self,
        path: &Path,
        bytes: &[u8],
        mut program: Program,
        sections: &BTreeMap<SectionKind, u64>,
    ) -> Result<Anatomy, String> {
        let section = |(&kind, &bytes): (&SectionKind, &u64)| Section { file: 0, kind, bytes };
        let mut sections: Vec<Section> = sections.iter().map(section).collect();
        let mut files = vec![File { name: name_of(path), bytes: bytes.len() as u64 }];
        let beside = beside(path);
        let weights = match MappedFile::open(&beside) {
            Ok(stored) => {
                let size = stored.len() as u64;
                files.push(File { name: name_of(&beside), bytes: size });
                let tensors = parameters::read(&Skim::file(&stored))
                    .and_then(|tensors| matched(&mut program, tensors))
                    .map_err(|problem| problem.of_file(&beside, path))?;
                sections.extend(stored_sections(1, size, &tensors));
                tensors
            }
            Err(error) => {
                self.remarks.extend(absent(&program, &beside, &error));
                declared(&program)
            }
        };
        let lowered = lower(&program);
        Ok(Anatomy {
            format: self.format,
            files,
            sections,
            weights,
            producer: self.producer,
            ir_version: None,
            opsets: self.opsets,
            metadata: BTreeMap::new(),
            graph: Some(program.into_graph()),
            lowered: Some(lowered),
            remarks: self.remarks,
        })
    }
}

/// The file of parameters that belongs to a program. Before Paddle 2.0 both had fixed names.
fn beside(program: &Path) -> PathBuf {
    match program.file_name() {
        Some(name) if name == "__model__" => program.with_file_name("__params__"),
        _ => program.with_extension("pdiparams"),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| printable(Path::new(name))).unwrap_or_default()
}

/// Gives each stored tensor the name of the parameter that it is, and each parameter the shape that
/// is stored.
fn matched(program: &mut Program, stored: Vec<Stored>) -> Result<Vec<Weight>, Problem> {
    let declared = program.parameters.len();
    let mut weights = Vec::with_capacity(stored.len());
    for (index, (&id, stored)) in program.parameters.iter().zip(&stored).enumerate() {
        let value = &mut program.values[id.0 as usize];
        if !fits(value.info.dtype, value.info.dims.as_deref(), stored) {
            return Err(Problem::Foreign {
                index,
                dtype: stored.dtype,
                shape: stored.shape.clone(),
                declared: value.info.to_string(),
            });
        }
        let constant = Constant { dtype: stored.dtype, shape: stored.shape.clone(), numbers: None };
        value.constant = Some(constant);
        weights.push(weight(value.info.name.clone(), stored, 1));
    }
    if declared != stored.len() {
        return Err(Problem::Count { declared, stored: stored.len() });
    }
    Ok(weights)
}

fn fits(dtype: DType, dims: Option<&[Dim]>, stored: &Stored) -> bool {
    let same = |(dim, &length): (&Dim, &u64)| match dim {
        Dim::Fixed(fixed) => *fixed as u64 == length,
        Dim::Dynamic(_) => true,
    };
    let shape = dims.is_none_or(|dims| {
        dims.len() == stored.shape.len() && dims.iter().zip(&stored.shape).all(same)
    });
    dtype == stored.dtype && shape
}

fn weight(name: String, stored: &Stored, file: usize) -> Weight {
    let &Stored { dtype, elements, offset, bytes, .. } = stored;
    let place = Some(Place { file, offset, bytes });
    let shape = stored.shape.clone();
    Weight {
        name,
        dtype,
        shape,
        elements,
        bytes,
        role: Role::Model,
        place,
        layout: Layout::RowMajor,
    }
}

/// Bytes of a file of parameters: elements, and a header before each tensor.
fn stored_sections(file: usize, size: u64, weights: &[Weight]) -> Vec<Section> {
    let held: u64 = weights.iter().map(|weight| weight.bytes).sum();
    vec![
        Section { file, kind: SectionKind::Weights, bytes: held },
        Section { file, kind: SectionKind::Container, bytes: size.saturating_sub(held) },
    ]
}

/// Parameters of a program whose file of parameters is not there: none of their bytes are.
fn declared(program: &Program) -> Vec<Weight> {
    let weight = |&id| {
        let value = program.value(id);
        let constant = value.constant.as_ref()?;
        Some(Weight {
            name: value.info.name.clone(),
            dtype: constant.dtype,
            shape: constant.shape.clone(),
            elements: constant.elements().unwrap_or(u64::MAX),
            bytes: 0,
            role: Role::Model,
            place: None,
            layout: Layout::RowMajor,
        })
    };
    program.parameters.iter().filter_map(weight).collect()
}

fn absent(program: &Program, beside: &Path, error: &std::io::Error) -> Option<String> {
    let count = program.parameters.len();
    (count > 0).then(|| {
        format!(
            "Its {count} parameters are declared but not stored: {} cannot be opened ({error}); \
             put the file that was saved with the program there to have them counted.",
            name_of(beside)
        )
    })
}

/// Says how much of the file are stack traces, and how to do without.
fn stacks(contents: &pdmodel::Contents, size: u64) -> Option<String> {
    let bytes = *contents.sections.get(&SectionKind::CallStacks).filter(|&&bytes| bytes > 0)?;
    let operators = contents.stacks.operators;
    let share = bytes as f64 * 100.0 / size.max(1) as f64;
    let script = contents.stacks.script.as_deref().map_or_else(String::new, |script| {
        format!(
            ", with paths of the machine that exported, such as {}",
            printable(Path::new(script))
        )
    });
    Some(format!(
        "{bytes} bytes ({share:.0} %) are stack traces of the export, on {operators} operators \
         (op_callstack){script}. Exports of the same network on other machines differ in size by them. \
         Nothing needs them. `clip_extra=True`, the default of an export, leaves some; all are gone \
         after `program = paddle.static.Program.parse_from_string(bytes)`, \
         `op._remove_attr(\"op_callstack\")` for each `op` of each of `program.blocks`, and \
         `program.desc.serialize_to_string()`."
    ))
}

/// The release in a version number. Source: VersionString in paddle/fluid/framework/version.cc.
fn release(version: u64) -> Option<String> {
    let (major, minor, patch) = (version / 1_000_000, version / 1000 % 1000, version % 1000);
    (version > 0).then(|| format!("{major}.{minor}.{patch}"))
}
