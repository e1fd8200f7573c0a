//! `.pdmodel`: ProgramDesc, BlockDesc, OpDesc and VarDesc: the program, and how many bytes are what.
//! Reads no parameters. Field numbers are those of paddle/fluid/framework/framework.proto of 2.6.

use super::{
    Problem,
    fields::{Found, attribute, dims, only, operator_versions, variable_type},
    program::{Operator, Program, Slot},
    types::FEED_AND_FETCH,
};
use crate::model::{
    anatomy::SectionKind,
    graph::{Attribute, Constant, Value, ValueId},
    protobuf::{Fields, Malformed, Value as Field},
};
use std::collections::{BTreeMap, HashMap};

/// Deepest nesting of blocks in blocks that is read. Models nest two or three.
const MAX_DEPTH: usize = 16;
/// The attribute with the stack trace of the Python code that added an operator.
const CALL_STACK: &str = "op_callstack";

/// What is in a `.pdmodel`.
#[derive(Debug, Default)]
pub struct Contents {
    /// The outermost block, with those of loops and branches as attributes.
    pub program: Program,
    /// Paddle's version × 10⁶, 10³ and 1: 2006002 is 2.6.2. Zero where it is not said.
    pub version: u64,
    /// Versions of operators, whether the program uses them or not.
    pub operator_versions: BTreeMap<String, u64>,
    /// Blocks of loops and branches.
    pub inner_blocks: usize,
    /// Operators in them.
    pub inner_operators: usize,
    /// Stack traces.
    pub stacks: Stacks,
    /// Bytes by heading; they sum to the file's size.
    pub sections: BTreeMap<SectionKind, u64>,
}

/// Stack traces of the export.
#[derive(Debug, Default)]
pub struct Stacks {
    /// Operators that carry one.
    pub operators: usize,
    /// The script that exported, as the first of them names it.
    pub script: Option<String>,
}

/// Whether `bytes` begin as a ProgramDesc does: with a block, which begins with its index.
pub fn is_program(bytes: &[u8]) -> bool {
    let Some(Ok((1, Field::Bytes(block)))) = Fields::of(bytes).next() else {
        // Cut off within its first block.
        return bytes.first() == Some(&0x0a) && Fields::of(bytes).next().is_none_or(|f| f.is_err());
    };
    matches!(Fields::of(block).next(), Some(Ok((1, Field::Varint(_)))))
}

/// Reads the `.pdmodel` in `bytes`.
///
/// # Errors
/// [`Problem`] when it is truncated or no program.
pub fn read(bytes: &[u8]) -> Result<Contents, Problem> {
    let mut reader = Reader::default();
    let mut blocks = Vec::new();
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => blocks.push(Some(reader.block(value.message()?)?)),
            (4, value) => {
                reader.tally(SectionKind::Metadata, value.bytes()?.len());
                reader.contents.version = only(value.message()?)?;
            }
            (5, value) => {
                reader.tally(SectionKind::Metadata, value.bytes()?.len());
                reader.contents.operator_versions = operator_versions(value.message()?)?;
            }
            _ => {}
        }
    }
    let mut contents = reader.contents;
    let inner = blocks.iter().skip(1).flatten();
    contents.inner_blocks = inner.clone().count();
    contents.inner_operators = inner.map(|block| block.program.operators.len()).sum();
    let outermost = nested(blocks)?.ok_or(Malformed::NoMessage)?;
    contents.program = outermost;
    // What has no heading of its own holds the file together.
    let rest = (bytes.len() as u64).saturating_sub(contents.sections.values().sum());
    *contents.sections.entry(SectionKind::Structure).or_default() += rest;
    Ok(contents)
}

/// A block, and the operators of it that refer to others.
struct Block {
    program: Program,
    /// Operator, attribute and the block it names.
    inner: Vec<(usize, String, u64)>,
}

/// Puts blocks into the operators that run them; each into the first, as a later block than its own.
fn nested(mut blocks: Vec<Option<Block>>) -> Result<Option<Program>, Problem> {
    let mut depths = vec![0; blocks.len()];
    for index in (0..blocks.len()).rev() {
        let Some(mut block) = blocks[index].take() else { continue };
        for (operator, name, inner) in std::mem::take(&mut block.inner) {
            let Some(inner) = usize::try_from(inner).ok().filter(|&inner| inner > index) else {
                continue;
            };
            let Some(body) = blocks.get_mut(inner).and_then(Option::take) else { continue };
            depths[index] = depths[index].max(depths[inner] + 1);
            let body = Attribute::Graph(Box::new(body.program.into_graph()));
            block.program.operators[operator].attributes.push((name, body));
        }
        if depths[index] > MAX_DEPTH {
            return Err(Problem::Depth(MAX_DEPTH));
        }
        blocks[index] = Some(block);
    }
    Ok(blocks.into_iter().next().flatten().map(|block| block.program))
}

#[derive(Default)]
struct Reader {
    contents: Contents,
}

/// Names of a block's variables.
type Ids<'a> = HashMap<&'a [u8], ValueId>;

impl Reader {
    fn tally(&mut self, kind: SectionKind, bytes: usize) {
        *self.contents.sections.entry(kind).or_default() += bytes as u64;
    }

    /// Bytes of stack traces.
    fn traces(&self) -> u64 {
        self.contents.sections.get(&SectionKind::CallStacks).copied().unwrap_or(0)
    }

    fn block(&mut self, fields: Fields<'_>) -> Result<Block, Problem> {
        let mut block = Block { program: Program::default(), inner: Vec::new() };
        let (mut ids, mut parameters) = (Ids::new(), Vec::new());
        for field in fields {
            match field? {
                (3, value) => {
                    let program = &mut block.program;
                    if let Some(parameter) = self.variable(value.message()?, program, &mut ids)? {
                        parameters.push(parameter);
                    }
                }
                (4, value) => {
                    let traces = self.traces();
                    let mut operator = self.operator(value.message()?, &mut block, &mut ids)?;
                    let bytes = value.bytes()?.len() as u64;
                    operator.bytes = bytes.saturating_sub(self.traces() - traces);
                    block.program.operators.push(operator);
                }
                _ => {}
            }
        }
        // In the order in which they are stored.
        parameters.sort_unstable();
        parameters.dedup_by_key(|&mut (_, id)| id);
        block.program.parameters = parameters.into_iter().map(|(_, id)| id).collect();
        feed_and_fetch(&mut block.program);
        Ok(block)
    }

    /// Takes a VarDesc; tells its name and index if its elements are stored.
    fn variable<'a>(
        &mut self,
        fields: Fields<'a>,
        program: &mut Program,
        ids: &mut Ids<'a>,
    ) -> Result<Option<(&'a [u8], ValueId)>, Problem> {
        let (mut name, mut declared, mut persistable): (&[u8], _, _) = (b"", None, false);
        for field in fields {
            match field? {
                (1, value) => {
                    name = value.bytes()?;
                    self.tally(SectionKind::Names, name.len());
                }
                (2, value) => {
                    self.tally(SectionKind::Types, value.bytes()?.len());
                    declared = Some(variable_type(value.message()?)?);
                }
                (3, value) => persistable = value.number()? != 0,
                (7, value) => self.tally(SectionKind::Attributes, value.bytes()?.len()),
                _ => {}
            }
        }
        let id = find(program, ids, name);
        let Some(declared) = declared else { return Ok(None) };
        let value = &mut program.values[id.0 as usize];
        value.info.dtype = declared.dtype;
        value.info.dims = declared.dims.as_deref().map(dims);
        if !persistable || FEED_AND_FETCH.contains(&declared.kind) {
            return Ok(None);
        }
        let lengths = declared.dims.unwrap_or_default();
        let shape = lengths.iter().map(|&length| u64::try_from(length).unwrap_or(0)).collect();
        value.constant = Some(Constant { dtype: declared.dtype, shape, numbers: None });
        Ok(Some((name, id)))
    }

    /// Takes an OpDesc.
    fn operator<'a>(
        &mut self,
        fields: Fields<'a>,
        block: &mut Block,
        ids: &mut Ids<'a>,
    ) -> Result<Operator, Problem> {
        let mut operator = Operator::default();
        let index = block.program.operators.len();
        for field in fields {
            match field? {
                (1, value) => {
                    operator.inputs.push(self.slot(value.message()?, &mut block.program, ids)?);
                }
                (2, value) => {
                    operator.outputs.push(self.slot(value.message()?, &mut block.program, ids)?);
                }
                (3, value) => operator.kind = value.text()?,
                (4, value) => {
                    let Some((name, found)) = self.attribute(value)? else { continue };
                    operator.attribute_bytes += value.bytes()?.len() as u64;
                    match found {
                        Found::Attribute(found) => operator.attributes.push((name, found)),
                        Found::Blocks(blocks) => {
                            block
                                .inner
                                .extend(blocks.into_iter().map(|b| (index, name.clone(), b)));
                        }
                    }
                }
                _ => {}
            }
        }
        let first = operator.outputs.iter().flat_map(|slot| &slot.values).flatten().next();
        let named = first.map(|&id| block.program.value(id).info.name.clone());
        operator.name = named.unwrap_or_default();
        Ok(operator)
    }

    /// Takes an OpDesc.Var.
    fn slot<'a>(
        &mut self,
        fields: Fields<'a>,
        program: &mut Program,
        ids: &mut Ids<'a>,
    ) -> Result<Slot, Problem> {
        let mut slot = Slot::default();
        for field in fields {
            match field? {
                (1, value) => slot.name = value.text()?,
                (2, value) => {
                    let name = value.bytes()?;
                    self.tally(SectionKind::Names, name.len());
                    slot.values.push(Some(find(program, ids, name)));
                }
                _ => {}
            }
        }
        Ok(slot)
    }

    /// Takes an OpDesc.Attr; none for a stack trace.
    fn attribute(&mut self, field: Field<'_>) -> Result<Option<(String, Found)>, Problem> {
        let payload = field.bytes()?;
        let mut name = String::new();
        for part in field.message()? {
            if let (1, value) = part? {
                name = value.text()?;
            }
        }
        if name == CALL_STACK {
            self.tally(SectionKind::CallStacks, framed(payload.len()));
            self.stack(field.message()?)?;
            return Ok(None);
        }
        self.tally(SectionKind::Attributes, payload.len());
        attribute(field.message()?).map(|found| Some((name, found)))
    }

    fn stack(&mut self, fields: Fields<'_>) -> Result<(), Problem> {
        self.contents.stacks.operators += 1;
        for field in fields {
            if self.contents.stacks.script.is_some() {
                break;
            }
            if let (8, value) = field? {
                self.contents.stacks.script = script(&value.text()?);
            }
        }
        Ok(())
    }
}

/// The path in the first line of a trace: `  File "/home/…/export.py", line 22, in <module>`.
fn script(line: &str) -> Option<String> {
    /// Longer paths are none.
    const MAX_LENGTH: usize = 400;
    let (path, place) = line.trim_start().strip_prefix("File \"")?.split_once('"')?;
    (place.ends_with("<module>") && path.len() <= MAX_LENGTH).then(|| path.to_owned())
}

/// Bytes of a field with a payload of that many: its tag, its length and the payload.
fn framed(payload: usize) -> usize {
    let bits = (usize::BITS - payload.leading_zeros()).max(1);
    1 + bits.div_ceil(7) as usize + payload
}

/// The variable of that name, added if it is new.
fn find<'a>(program: &mut Program, ids: &mut Ids<'a>, name: &'a [u8]) -> ValueId {
    *ids.entry(name).or_insert_with(|| program.add(Value::named(String::from_utf8_lossy(name))))
}

/// What the operators `feed` and `fetch` say are the program's inputs and outputs.
fn feed_and_fetch(program: &mut Program) {
    let ends = |kind: &str, slots: fn(&Operator) -> &[Option<ValueId>]| {
        let of_kind = program.operators.iter().filter(|operator| operator.kind == kind);
        let column = |operator: &Operator| operator.int("col").unwrap_or(0);
        let mut found: Vec<_> =
            of_kind.filter_map(|op| Some((column(op), (*slots(op).first()?)?))).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    };
    let inputs = ends("feed", |operator| operator.output("Out"));
    let outputs = ends("fetch", |operator| operator.input("X"));
    (program.inputs, program.outputs) = (inputs, outputs);
}
