//! What a pickle describes, as a tree of inert values. Imports nothing, calls nothing: what
//! unpickling would do is noted, not done.
//!
//! Values lie in one list and refer to each other by index, so that what a pickle shares stays
//! shared and what refers to itself is no endless tree. Walk it with a list of what was seen.

mod danger;
mod input;
mod machine;
mod problem;

pub use danger::dangers;
use input::unquoted;
pub use machine::read;

use std::borrow::Cow;

/// Index of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u32);

impl Id {
    /// Its place among the values.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A Python value, without what it would do.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number of more than 64 bits, in little-endian two's complement.
    BigInt(&'a [u8]),
    /// A number.
    Float(f64),
    /// A text in UTF-8, as it lies in the file.
    Text(Word<'a>),
    /// A text in the escapes of protocol 0, which are left as they are.
    Escaped(Word<'a>),
    /// Bytes, as they lie in the file.
    Bytes(&'a [u8]),
    /// A list.
    List(Vec<Id>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A set, frozen or not.
    Set(Vec<Id>),
    /// A dictionary, in its order.
    Dict(Vec<(Id, Id)>),
    /// A class or function, by name.
    Global {
        /// Its module.
        module: Cow<'a, str>,
        /// Its name in the module.
        name: Cow<'a, str>,
    },
    /// What a class or function would make.
    Object(Box<Object>),
    /// What the loading program keeps elsewhere, by its key.
    Persistent(Id),
}

/// A text.
#[derive(Clone, Debug, PartialEq)]
pub struct Word<'a> {
    /// Where it lies in the file.
    pub stored: &'a [u8],
    copy: Option<Box<[u8]>>,
}

impl Word<'_> {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.copy.as_deref().unwrap_or(self.stored)
    }
}

/// What a class or function would make of its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The class or function.
    pub class: Id,
    /// The arguments: a tuple.
    pub arguments: Id,
    /// What it is told of its state afterwards.
    pub state: Option<Id>,
    /// What is appended to it.
    pub items: Vec<Id>,
    /// What is put into it by key.
    pub entries: Vec<(Id, Id)>,
}

/// A pickle that was read.
#[derive(Clone, Debug)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// What it holds.
    pub root: Id,
    /// Where it ends, counted from where it begins.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    /// The value of that index.
    pub fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.index()]
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// All values in the order in which they are made.
    pub fn values(&self) -> impl Iterator<Item = &Value<'a>> {
        self.values.iter()
    }

    /// The bytes of a text, of whatever kind; none of what is no text.
    fn word(&self, id: Id) -> Option<&[u8]> {
        match self.value(id) {
            Value::Text(word) => Some(word.bytes()),
            Value::Escaped(word) => Some(unquoted(word.bytes())),
            // Python 2 has no other texts than bytes.
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text, of whatever kind; none of what is no text.
    pub fn text(&self, id: Id) -> Option<Cow<'_, str>> {
        self.word(id).map(String::from_utf8_lossy)
    }

    /// The whole number, where it fits.
    pub fn int(&self, id: Id) -> Option<i64> {
        match *self.value(id) {
            Value::Int(number) => Some(number),
            Value::Bool(truth) => Some(i64::from(truth)),
            _ => None,
        }
    }

    /// The whole number, where it is not negative.
    pub fn count(&self, id: Id) -> Option<u64> {
        u64::try_from(self.int(id)?).ok()
    }

    /// Elements of a list, tuple or set.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => Some(items),
            Value::Object(object) if self.is(object.class, "torch", "Size") => {
                let &[items] = self.items_of(object.arguments)? else { return None };
                self.items_of(items)
            }
            _ => None,
        }
    }

    /// Elements of a plain list or tuple.
    fn items_of(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Entries of a dictionary, or of an object that is one (`OrderedDict`).
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.value(id) {
            Value::Dict(entries) => Some(entries),
            Value::Object(object) if !object.entries.is_empty() => Some(&object.entries),
            Value::Object(object) if self.is(object.class, "collections", "OrderedDict") => {
                Some(&[])
            }
            _ => None,
        }
    }

    /// The entry of that key.
    pub fn entry(&self, id: Id, key: &str) -> Option<Id> {
        let entries = self.entries(id)?;
        let found = entries.iter().find(|&&(name, _)| self.word(name) == Some(key.as_bytes()));
        found.map(|&(_, value)| value)
    }

    /// The object.
    pub fn object(&self, id: Id) -> Option<&Object> {
        match self.value(id) {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.value(id) {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// Whether it is that class or function.
    pub fn is(&self, id: Id, module: &str, name: &str) -> bool {
        self.global(id) == Some((module, name))
    }
}

#[cfg(test)]
mod tests;
