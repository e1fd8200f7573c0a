//! A Paddle program as its file has it: variables, and operators with named slots. Reads no file.

use crate::model::graph::{Attribute, Graph, Node, Value, ValueId};

/// Longest name, in bytes, that is repeated for each operator that refers to it.
const MAX_NAME: usize = 256;

/// A program, or one of its blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Variables; those that a file of parameters holds are constants.
    pub values: Vec<Value>,
    /// Operators, in the order in which they run.
    pub operators: Vec<Operator>,
    /// What the caller feeds, in the order of the feeds.
    pub inputs: Vec<ValueId>,
    /// What the caller fetches, in the order of the fetches.
    pub outputs: Vec<ValueId>,
    /// Variables that a file of parameters holds, in its order: that of their names.
    pub parameters: Vec<ValueId>,
}

/// One operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operator {
    /// What the report calls it: its first result, below its layer where the file knows that.
    pub name: String,
    /// What it computes, in the file's words: `conv2d`, `pd_op.conv2d`.
    pub kind: String,
    /// Operands.
    pub inputs: Vec<Slot>,
    /// Results.
    pub outputs: Vec<Slot>,
    /// Parameters by name, in the file's order; stack traces left out.
    pub attributes: Vec<(String, Attribute)>,
    /// Bytes that it takes in the file; stack traces, declared types and bodies left out.
    pub bytes: u64,
    /// Bytes of those that are attributes.
    pub attribute_bytes: u64,
}

/// Operands or results with one meaning. In a `.pdmodel` it has a name and any number of variables,
/// in PIR one value and no name but its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slot {
    /// Its name, such as `Filter`; empty in PIR.
    pub name: String,
    /// What is in it; none where PIR leaves an optional operand out.
    pub values: Vec<Option<ValueId>>,
}

impl Program {
    /// The variable of that index.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// Adds a variable and returns its index.
    pub fn add(&mut self, value: Value) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.values.push(value);
        id
    }

    /// The same in the words of every format: slots one after the other.
    pub fn into_graph(self) -> Graph {
        let nodes = self.operators.into_iter().map(Operator::into_node).collect();
        let Self { values, inputs, outputs, .. } = self;
        Graph { nodes, values, inputs, outputs, ..Graph::default() }
    }
}

impl Operator {
    fn into_node(self) -> Node {
        let flat = |slots: Vec<Slot>| slots.into_iter().flat_map(|slot| slot.values).collect();
        Node {
            name: self.name,
            operator: self.kind,
            domain: String::new(),
            inputs: flat(self.inputs),
            outputs: flat(self.outputs),
            attributes: self.attributes,
            bytes: self.bytes,
            attribute_bytes: self.attribute_bytes,
        }
    }

    /// The parameter of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, attribute)| attribute)
    }

    /// The whole number of that name.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attribute(name)? {
            Attribute::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// What is in the input slot of that name.
    pub fn input(&self, name: &str) -> &[Option<ValueId>] {
        slot(&self.inputs, name)
    }

    /// What is in the output slot of that name.
    pub fn output(&self, name: &str) -> &[Option<ValueId>] {
        slot(&self.outputs, name)
    }
}

/// A name as far as it is repeated: a file must not grow by what it only refers to.
pub fn shown(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

fn slot<'s>(slots: &'s [Slot], name: &str) -> &'s [Option<ValueId>] {
    slots.iter().find(|slot| slot.name == name).map_or(&[], |slot| &slot.values)
}
