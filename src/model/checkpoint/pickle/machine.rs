//! The pickle machine, protocols 0 to 5: every opcode makes or changes a description. Any bytes end
//! in a description or an error that names the opcode's place.
//!
//! Source: CPython, Lib/pickletools.py.

use super::{
    Id, Object, Pickle, Value,
    input::{Input, little_endian, lossy, parse},
    problem::{Problem, What},
};
use std::{borrow::Cow, collections::HashMap, fs::File};

/// Most opcodes that are followed. The training state of a model of a thousand tensors has some
/// hundred thousand.
const MAX_STEPS: usize = 1 << 23;
/// Most values, and most entries of the memo.
const MAX_VALUES: usize = 1 << 21;

/// Reads the pickle at the begin of `bytes`; what follows it is left alone. Where they are mapped
/// from a file, that is `file`, with the place where they begin: what is short is read from it.
///
/// # Errors
/// [`Problem`] when it is truncated, damaged or larger than any checkpoint's.
pub fn read(bytes: &[u8], file: Option<(File, u64)>) -> Result<Pickle<'_>, Problem> {
    let mut machine = Machine::new(bytes, file);
    for _ in 0..MAX_STEPS {
        let at = machine.input.at;
        let root = machine.step().map_err(|what| Problem { at, what })?;
        if let Some(root) = root {
            return Ok(Pickle { values: machine.values, root, length: machine.input.at });
        }
    }
    Err(Problem { at: machine.input.at, what: What::Limit(MAX_STEPS, "opcodes") })
}

struct Machine<'a> {
    input: Input<'a>,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Height of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

/// Values that are made once.
const NONE: Id = Id(0);
const FALSE: Id = Id(1);
const TRUE: Id = Id(2);

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8], file: Option<(File, u64)>) -> Self {
        let values = vec![Value::None, Value::Bool(false), Value::Bool(true)];
        let input = Input::of(bytes, file);
        Self { input, values, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() }
    }

    /// Does one opcode; the result of the last.
    fn step(&mut self) -> Result<Option<Id>, What> {
        let [opcode] = self.input.array()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.input.take(1)?),
            // A frame is only a hint for readers that read in pieces.
            0x95 => drop(self.input.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.discard()?,
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = self.top()?;
                self.push_id(top);
            }
            b'N' => self.push_id(NONE),
            0x88 => self.push_id(TRUE),
            0x89 => self.push_id(FALSE),
            b'I' | b'L' | b'F' | b'J' | b'K' | b'M' | b'G' | 0x8a | 0x8b => self.number(opcode)?,
            b'S' | b'T' | b'U' | b'V' | b'X' | b'B' | b'C' | 0x8c | 0x8d | 0x8e | 0x96 => {
                self.string(opcode)?;
            }
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.recall(opcode)?,
            b'c' | 0x93 | b'i' | b'o' | b'R' | 0x81 | 0x92 | b'b' | b'P' | b'Q' => {
                self.object(opcode)?;
            }
            0x97 | 0x98 => return Err(What::Outside("a buffer")),
            0x82..=0x84 => return Err(What::Outside("a registered extension")),
            _ => self.container(opcode)?,
        }
        Ok(None)
    }

    fn container(&mut self, opcode: u8) -> Result<(), What> {
        match opcode {
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x8f => self.push(Value::Set(Vec::new())),
            b'l' => {
                let items = self.since_mark()?;
                self.push(Value::List(items))
            }
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items))
            }
            0x91 => {
                let items = self.since_mark()?;
                self.push(Value::Set(items))
            }
            b'd' => {
                let entries = pairs(&self.since_mark()?)?;
                self.push(Value::Dict(entries))
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Value::Tuple(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(&items)
            }
            b's' => {
                let entry = self.pop_many(2)?;
                self.insert(&entry)
            }
            b'u' => {
                let entries = self.since_mark()?;
                self.insert(&entries)
            }
            unknown => Err(What::Opcode(unknown)),
        }
    }

    fn number(&mut self, opcode: u8) -> Result<(), What> {
        let value = match opcode {
            b'I' => match self.input.line()?.bytes().trim_ascii() {
                b"00" => Value::Bool(false),
                b"01" => Value::Bool(true),
                digits => Value::Int(parse(digits)?),
            },
            b'L' => {
                let line = self.input.line()?;
                let digits = line.bytes().trim_ascii();
                Value::Int(parse(digits.strip_suffix(b"L").unwrap_or(digits))?)
            }
            b'F' => Value::Float(parse(self.input.line()?.bytes())?),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.input.array()?))),
            b'K' => Value::Int(i64::from(u8::from_le_bytes(self.input.array()?))),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.input.array()?))),
            b'G' => Value::Float(f64::from_be_bytes(self.input.array()?)),
            wide => {
                let length = self.input.length(if wide == 0x8a { 1 } else { 4 })?;
                let digits = self.input.take(length)?;
                little_endian(digits).map_or(Value::BigInt(digits), Value::Int)
            }
        };
        self.push(value)
    }

    fn string(&mut self, opcode: u8) -> Result<(), What> {
        let width = match opcode {
            b'S' | b'V' => {
                let line = self.input.line()?;
                return self.push(Value::Escaped(line));
            }
            b'U' | b'C' | 0x8c => 1,
            b'T' | b'X' | b'B' => 4,
            _ => 8,
        };
        let length = self.input.length(width)?;
        let value = match opcode {
            b'X' | 0x8c | 0x8d => Value::Text(self.input.word(length)?),
            _ => Value::Bytes(self.input.take(length)?),
        };
        self.push(value)
    }

    /// Notes the topmost value, or recalls a noted one.
    fn recall(&mut self, opcode: u8) -> Result<(), What> {
        let index = match opcode {
            b'p' | b'g' => parse(self.input.line()?.bytes())?,
            b'q' | b'h' => self.input.length(1)? as u64,
            b'r' | b'j' => self.input.length(4)? as u64,
            _ => self.memo.len() as u64,
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let id = *self.memo.get(&index).ok_or(What::Memo(index))?;
            self.push_id(id);
            return Ok(());
        }
        let top = self.top()?;
        self.memo.insert(index, top);
        within(self.memo.len(), "noted values")
    }

    fn object(&mut self, opcode: u8) -> Result<(), What> {
        match opcode {
            b'c' => {
                let (module, name) = (lossy(&self.input.line()?), lossy(&self.input.line()?));
                self.push(Value::Global { module, name })
            }
            0x93 => {
                let parts = self.pop_many(2)?;
                let module = self.name(parts[0])?;
                let name = self.name(parts[1])?;
                self.push(Value::Global { module, name })
            }
            b'P' => {
                let key = Value::Escaped(self.input.line()?);
                self.push(key)?;
                self.persistent()
            }
            b'Q' => self.persistent(),
            b'b' => {
                let state = self.pop()?;
                self.build(state)
            }
            b'i' => {
                let (module, name) = (lossy(&self.input.line()?), lossy(&self.input.line()?));
                let arguments = self.since_mark()?;
                let class = self.add(Value::Global { module, name })?;
                self.instance(class, arguments)
            }
            b'o' => {
                let mut parts = self.since_mark()?;
                if parts.is_empty() {
                    return Err(What::Empty);
                }
                let class = parts.remove(0);
                self.instance(class, parts)
            }
            0x92 => {
                let parts = self.pop_many(3)?;
                self.made(parts[0], parts[1])
            }
            _ => {
                let parts = self.pop_many(2)?;
                self.made(parts[0], parts[1])
            }
        }
    }

    fn persistent(&mut self) -> Result<(), What> {
        let key = self.pop()?;
        self.push(Value::Persistent(key))
    }

    fn instance(&mut self, class: Id, arguments: Vec<Id>) -> Result<(), What> {
        let arguments = self.add(Value::Tuple(arguments))?;
        self.made(class, arguments)
    }

    fn made(&mut self, class: Id, arguments: Id) -> Result<(), What> {
        let (items, entries) = (Vec::new(), Vec::new());
        self.push(Value::Object(Box::new(Object { class, arguments, state: None, items, entries })))
    }

    fn build(&mut self, state: Id) -> Result<(), What> {
        match self.top_value()? {
            Value::Object(object) => object.state = Some(state),
            // A class that the file keeps elsewhere has a state that nothing here needs.
            Value::Persistent(_) => {}
            _ => return Err(What::Kind("an object")),
        }
        Ok(())
    }

    fn extend(&mut self, items: &[Id]) -> Result<(), What> {
        match self.top_value()? {
            Value::List(list) | Value::Set(list) => list.extend_from_slice(items),
            Value::Object(object) => object.items.extend_from_slice(items),
            _ => return Err(What::Kind("a list")),
        }
        Ok(())
    }

    fn insert(&mut self, flat: &[Id]) -> Result<(), What> {
        let entries = pairs(flat)?;
        match self.top_value()? {
            Value::Dict(dict) => dict.extend(entries),
            Value::Object(object) => object.entries.extend(entries),
            _ => return Err(What::Kind("a dictionary")),
        }
        Ok(())
    }

    /// The text of a value that names a class or module.
    fn name(&self, id: Id) -> Result<Cow<'a, str>, What> {
        match &self.values[id.0 as usize] {
            Value::Text(word) | Value::Escaped(word) => Ok(lossy(word)),
            Value::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes)),
            _ => Err(What::Kind("a name")),
        }
    }

    fn add(&mut self, value: Value<'a>) -> Result<Id, What> {
        within(self.values.len(), "values")?;
        let id = u32::try_from(self.values.len()).map_err(|_| What::Number)?;
        self.values.push(value);
        Ok(Id(id))
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), What> {
        let id = self.add(value)?;
        self.push_id(id);
        Ok(())
    }

    fn push_id(&mut self, id: Id) {
        self.stack.push(id);
    }

    /// The height below which an open mark protects the stack.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, What> {
        let id = self.stack.last().filter(|_| self.stack.len() > self.floor());
        id.copied().ok_or(What::Empty)
    }

    fn top_value(&mut self) -> Result<&mut Value<'a>, What> {
        let id = self.top()?;
        Ok(&mut self.values[id.0 as usize])
    }

    fn pop(&mut self) -> Result<Id, What> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, What> {
        let from = self.stack.len().checked_sub(count).filter(|&from| from >= self.floor());
        Ok(self.stack.split_off(from.ok_or(What::Empty)?))
    }

    /// Drops the topmost value, or the mark if it is on top.
    fn discard(&mut self) -> Result<(), What> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, What> {
        let mark = self.marks.pop().ok_or(What::Mark)?;
        Ok(self.stack.split_off(mark))
    }
}

fn within(count: usize, what: &'static str) -> Result<(), What> {
    if count > MAX_VALUES { Err(What::Limit(MAX_VALUES, what)) } else { Ok(()) }
}

fn pairs(flat: &[Id]) -> Result<Vec<(Id, Id)>, What> {
    let (pairs, []) = flat.as_chunks::<2>() else { return Err(What::Empty) };
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}
