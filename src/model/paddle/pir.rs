//! PIR: the `.json` that Paddle writes since 3.0: the program, and how many bytes are what. Reads no
//! parameters.
//!
//! Keys are those of paddle/fluid/pir/serialize_deserialize/include/schema.h of 3.0: of an operator
//! `#` name, `I` operands, `O` results, `A` attributes, `OA` attributes of its results, `DA` and `QA`
//! those for distribution and quantisation; of a value `%` index and `TT` type; of an attribute `N`
//! name and `AT` value; of values and types `#` kind and `D` data.

use super::{
    Problem,
    fields::dims,
    program::{Operator, Program, Slot, shown},
    types::dtype_named,
};
use crate::{
    model::{
        anatomy::SectionKind,
        graph::{Attribute, Constant, Value, ValueId},
    },
    tensor::{DType, Dim},
};
use serde::Deserialize;
use serde_json::{Value as Json, value::RawValue};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

/// Deepest nesting of blocks in blocks that is read. Models nest two or three.
const MAX_DEPTH: usize = 16;

/// What is in a PIR program's file.
#[derive(Debug, Default)]
pub struct Contents {
    /// The outermost block, with those of loops and branches as attributes.
    pub program: Program,
    /// Version of PIR: 1 is what Paddle 3.0 writes.
    pub version: u64,
    /// Operators of loops' and branches' blocks.
    pub inner_operators: usize,
    /// Bytes by heading; they sum to the file's size.
    pub sections: BTreeMap<SectionKind, u64>,
}

#[derive(Deserialize)]
struct Head<'a> {
    base_code: BaseCode<'a>,
    #[serde(borrow)]
    program: Body<'a>,
}

#[derive(Deserialize)]
struct BaseCode<'a> {
    #[serde(borrow)]
    magic: Cow<'a, str>,
    #[serde(default)]
    version: u64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    regions: Vec<Region<'a>>,
}

#[derive(Deserialize)]
struct Region<'a> {
    #[serde(borrow)]
    blocks: Vec<BlockText<'a>>,
}

#[derive(Deserialize)]
struct BlockText<'a> {
    #[serde(borrow)]
    ops: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Operation<'a> {
    #[serde(rename = "#", borrow)]
    kind: Cow<'a, str>,
    #[serde(rename = "I", default)]
    operands: Vec<Operand>,
    #[serde(rename = "O", borrow)]
    results: Option<&'a RawValue>,
    #[serde(rename = "A", borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(rename = "OA", borrow)]
    of_results: Option<&'a RawValue>,
    #[serde(rename = "DA", borrow)]
    distribution: Option<&'a RawValue>,
    #[serde(rename = "QA", borrow)]
    quantisation: Option<&'a RawValue>,
    #[serde(default, borrow)]
    regions: Vec<Region<'a>>,
}

#[derive(Deserialize)]
struct Operand {
    #[serde(rename = "%", default)]
    index: i64,
}

#[derive(Deserialize)]
struct Produced<'a> {
    #[serde(rename = "%", default)]
    index: i64,
    #[serde(rename = "TT", borrow)]
    declared: Option<&'a RawValue>,
}

/// Reads the PIR program in `bytes`.
///
/// # Errors
/// [`Problem`] when it is no JSON, or JSON of something else.
pub fn read(bytes: &[u8]) -> Result<Contents, Problem> {
    /// What every file of PIR has at its top.
    #[derive(Deserialize)]
    struct Any<'a> {
        #[serde(borrow)]
        base_code: Option<&'a RawValue>,
    }
    let any: Any<'_> = serde_json::from_slice(bytes).map_err(json)?;
    if any.base_code.is_none() {
        return Err(Problem::NoPir);
    }
    let head: Head<'_> = serde_json::from_slice(bytes).map_err(json)?;
    if head.base_code.magic != "pir" {
        return Err(Problem::NoPir);
    }
    let mut reader = Reader::default();
    let mut ids = Ids::new();
    let block = head.program.regions.into_iter().flat_map(|region| region.blocks).next();
    let program = reader.block(block.ok_or(Problem::NoPir)?, &mut ids, 0)?;
    let mut contents = reader.contents;
    (contents.program, contents.version) = (program, head.base_code.version);
    let rest = (bytes.len() as u64).saturating_sub(contents.sections.values().sum());
    *contents.sections.entry(SectionKind::Structure).or_default() += rest;
    Ok(contents)
}

#[derive(Default)]
struct Reader {
    contents: Contents,
}

/// Values by the numbers that the file gives them.
type Ids = HashMap<i64, ValueId>;

impl Reader {
    fn tally(&mut self, kind: SectionKind, bytes: usize) {
        *self.contents.sections.entry(kind).or_default() += bytes as u64;
    }

    /// Bytes of declared types.
    fn types(&self) -> u64 {
        self.contents.sections.get(&SectionKind::Types).copied().unwrap_or(0)
    }

    fn block(
        &mut self,
        text: BlockText<'_>,
        ids: &mut Ids,
        depth: usize,
    ) -> Result<Program, Problem> {
        let mut program = Program::default();
        if depth > MAX_DEPTH {
            return Err(Problem::Depth(MAX_DEPTH));
        }
        for raw in text.ops {
            let types = self.types();
            let operation = serde_json::from_str(raw.get()).map_err(json)?;
            if let Some(mut operator) = self.operation(operation, &mut program, ids, depth)? {
                let bytes = raw.get().len() as u64;
                operator.bytes = bytes.saturating_sub(self.types() - types);
                self.place(operator, &mut program);
            }
        }
        // In the order in which they are stored.
        let Program { values, parameters, .. } = &mut program;
        let name = |id: &ValueId| values[id.0 as usize].info.name.as_bytes();
        parameters.sort_by(|a, b| name(a).cmp(name(b)));
        Ok(program)
    }

    fn operation(
        &mut self,
        operation: Operation<'_>,
        program: &mut Program,
        ids: &mut Ids,
        depth: usize,
    ) -> Result<Option<Operator>, Problem> {
        let extra = [operation.of_results, operation.distribution, operation.quantisation];
        let raw = extra.into_iter().chain([operation.attributes]).flatten();
        let attribute_bytes = raw.map(|raw| raw.get().len()).sum();
        self.tally(SectionKind::Attributes, attribute_bytes);
        let produced = self.results(operation.results, program, ids)?;
        let attributes = parsed(operation.attributes)?.unwrap_or_default();
        if operation.kind == "p" {
            self.parameter(&attributes, produced.first().copied(), program);
            return Ok(None);
        }
        let mut operator = Operator {
            kind: spelled(&operation.kind),
            attribute_bytes: attribute_bytes as u64,
            ..Operator::default()
        };
        for entry in attributes {
            let Some(name) = entry["N"].as_str() else { continue };
            operator.attributes.push((name.to_owned(), attribute(&entry["AT"], 0)));
        }
        let one = |value| Slot { name: String::new(), values: vec![value] };
        for operand in operation.operands {
            let id = (operand.index != 0).then(|| find(program, ids, operand.index));
            operator.inputs.push(one(id));
        }
        operator.outputs = produced.iter().map(|&id| one(Some(id))).collect();
        self.inner(operation.regions, &mut operator, depth + 1)?;
        Ok(Some(operator))
    }

    /// Names an operator and adds it; those that feed and fetch name inputs and outputs besides.
    fn place(&mut self, mut operator: Operator, program: &mut Program) {
        let result = operator.outputs.iter().flat_map(|slot| &slot.values).flatten().next();
        let text = |name| match operator.attribute(name) {
            Some(Attribute::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let (layer, own) = (text("struct_name"), text("name"));
        self.rename(layer.len());
        let first = result.copied();
        match (operator.kind.as_str(), first) {
            ("pd_op.data" | "pd_op.feed", Some(id)) => {
                self.rename(own.len());
                program.values[id.0 as usize].info.name = own;
                program.inputs.push(id);
            }
            ("pd_op.fetch", _) => {
                self.rename(own.len());
                program.outputs.extend(operator.inputs.first().and_then(|slot| slot.values[0]));
            }
            _ => {}
        }
        let result = first.map(|id| shown(&program.value(id).info.name)).unwrap_or_default();
        operator.name = format!("{layer}{result}");
        operator.attributes.retain(|(name, _)| name != "struct_name");
        program.operators.push(operator);
    }

    /// A text among the attributes is a name.
    fn rename(&mut self, length: usize) {
        let attributes = self.contents.sections.entry(SectionKind::Attributes).or_default();
        let moved = (*attributes).min(length as u64);
        *attributes -= moved;
        *self.contents.sections.entry(SectionKind::Names).or_default() += moved;
    }

    /// A parameter: three truth values and its name.
    fn parameter(&mut self, attributes: &[Json], id: Option<ValueId>, program: &mut Program) {
        let Some(id) = id else { return };
        let name = attributes.iter().rev().find_map(Json::as_str).unwrap_or_default();
        self.rename(name.len());
        let value = &mut program.values[id.0 as usize];
        value.info.name = name.to_owned();
        let length = |dim: &Dim| match dim {
            Dim::Fixed(length) => *length as u64,
            Dim::Dynamic(_) => 0,
        };
        let shape = value.info.dims.iter().flatten().map(length).collect();
        value.constant = Some(Constant { dtype: value.info.dtype, shape, numbers: None });
        program.parameters.push(id);
    }

    /// Declares results; a parameter has one without a list around it.
    fn results(
        &mut self,
        raw: Option<&RawValue>,
        program: &mut Program,
        ids: &mut Ids,
    ) -> Result<Vec<ValueId>, Problem> {
        let Some(text) = raw.map(RawValue::get) else { return Ok(Vec::new()) };
        let list: Vec<Produced<'_>> = if text.starts_with('[') {
            serde_json::from_str(text).map_err(json)?
        } else {
            vec![serde_json::from_str(text).map_err(json)?]
        };
        let mut produced = Vec::with_capacity(list.len());
        for result in list {
            let id = find(program, ids, result.index);
            if let Some(raw) = result.declared {
                self.tally(SectionKind::Types, raw.get().len());
                let (dtype, dims) = declared(&serde_json::from_str(raw.get()).map_err(json)?);
                let info = &mut program.values[id.0 as usize].info;
                (info.dtype, info.dims) = (dtype, dims);
            }
            produced.push(id);
        }
        Ok(produced)
    }

    /// Bodies of a loop or a branch. They see the values around them under other indices.
    fn inner(
        &mut self,
        regions: Vec<Region<'_>>,
        operator: &mut Operator,
        depth: usize,
    ) -> Result<(), Problem> {
        for block in regions.into_iter().flat_map(|region| region.blocks) {
            let body = self.block(block, &mut Ids::new(), depth)?;
            self.contents.inner_operators += body.operators.len();
            let body = Attribute::Graph(Box::new(body.into_graph()));
            operator.attributes.push(("region".to_owned(), body));
        }
        Ok(())
    }
}

fn json(error: serde_json::Error) -> Problem {
    Problem::Json(error.to_string())
}

fn parsed(raw: Option<&RawValue>) -> Result<Option<Vec<Json>>, Problem> {
    raw.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(json)
}

/// The value that the file calls by that number, added if it is new.
fn find(program: &mut Program, ids: &mut Ids, number: i64) -> ValueId {
    *ids.entry(number).or_insert_with(|| program.add(Value::named(format!("%{number}"))))
}

/// An operator's name with its dialect spelled out, from DialectIdMap (schema.cc).
fn spelled(kind: &str) -> String {
    let (dialect, name) = kind.split_once('.').unwrap_or(("", kind));
    let dialect = match dialect {
        "0" => "builtin",
        "1" => "pd_op",
        "2" => "cf",
        "3" => "custom_op",
        "4" => "pd_dist",
        "" => return name.to_owned(),
        other => other,
    };
    format!("{dialect}.{name}")
}

/// Element type and shape of a type. Of what is no tensor neither is known.
fn declared(text: &Json) -> (DType, Option<Vec<Dim>>) {
    let data = &text["D"];
    let lengths = || {
        let lengths = data[1].as_array()?.iter().map(|length| length.as_i64().unwrap_or(-1));
        Some(dims(&lengths.collect::<Vec<_>>()))
    };
    (dtype_named(data[0]["#"].as_str().unwrap_or_default()), lengths())
}

/// Reads a value of an attribute.
fn attribute(value: &Json, depth: usize) -> Attribute {
    let (kind, data) = (value["#"].as_str().unwrap_or_default(), &value["D"]);
    let float = kind.ends_with("f32") || kind.ends_with("f64");
    match data {
        Json::Bool(truth) => Attribute::Int(i64::from(*truth)),
        Json::Number(number) if !float && number.is_i64() => {
            Attribute::Int(number.as_i64().unwrap_or(0))
        }
        Json::Number(number) => Attribute::Float(number.as_f64().unwrap_or(f64::NAN)),
        // Infinities and what is no number have no other spelling in JSON.
        Json::String(text) if float => Attribute::Float(text.parse().unwrap_or(f64::NAN)),
        Json::String(text) => Attribute::Text(text.clone()),
        Json::Array(_) if kind.ends_with("a_place") => Attribute::Other,
        Json::Array(list) if kind.ends_with("a_intarray") => {
            Attribute::Ints(list.iter().filter_map(Json::as_i64).collect())
        }
        Json::Array(list) if depth == 0 => listed(list.iter().map(|entry| attribute(entry, 1))),
        Json::Object(_) if depth == 0 => attribute(data, 1),
        _ => Attribute::Other,
    }
}

/// A list of values of one kind; an empty one counts as whole numbers.
fn listed(entries: impl Iterator<Item = Attribute>) -> Attribute {
    let (mut ints, mut floats, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Attribute::Int(int) => ints.push(int),
            Attribute::Float(float) => floats.push(float),
            Attribute::Text(text) => texts.push(text),
            _ => return Attribute::Other,
        }
    }
    match (ints.is_empty(), floats.is_empty(), texts.is_empty()) {
        (_, true, true) => Attribute::Ints(ints),
        (true, false, true) => Attribute::Floats(floats),
        (true, true, false) => Attribute::Texts(texts),
        _ => Attribute::Other,
    }
}
