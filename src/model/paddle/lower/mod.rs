//! Paddle's operators in ONNX's words (operator set 17), so that shapes and cost are said once, for
//! ONNX. Computes nothing.
//!
//! A variable that is written twice becomes two values. What ONNX has no words for, or needs facts
//! that the program does not hold, keeps its Paddle name in the domain `paddle`.

mod arithmetic;
mod filled;
mod layers;
mod layout;
mod words;

use super::program::{Operator, Program, shown};
use crate::{
    model::{
        anatomy::Lowered,
        graph::{Attribute, Constant, Graph, MAX_NUMBERS, Node, Numbers, Value, ValueId},
    },
    tensor::{DType, Dim, TensorInfo},
};
use std::collections::HashMap;
use words::Vectors;

/// Domain of operators that stay as they are.
const DOMAIN: &str = "paddle";
/// Most dimensions of a declared shape that are kept: a tensor of Paddle has at most nine.
const MAX_RANK: usize = 64;
/// Most numbers of a constant that operators are made from: axes, shapes, sections.
const MAX_KNOWN: usize = 64;

/// The same network as `program` in ONNX's words; for each node the index of the operator that it
/// comes from.
pub fn lower(program: &Program) -> Lowered {
    let mut lowering = Lowering::new(program);
    let vectors = Vectors::of(program);
    for (index, operator) in program.operators.iter().enumerate() {
        lowering.index = index;
        if let Some(operator) = vectors.in_one_vocabulary(operator) {
            lowering.operator(&operator);
        }
    }
    let outputs = program.outputs.iter().map(|&id| lowering.current(id)).collect();
    lowering.graph.outputs = outputs;
    lowering.lowered()
}

/// What is made so far.
struct Lowering<'p> {
    program: &'p Program,
    graph: Graph,
    origins: Vec<usize>,
    /// The operator that is being lowered.
    index: usize,
    /// The value that holds a variable now, where it is not the one of the same index.
    renamed: HashMap<ValueId, ValueId>,
    /// Whether something holds each variable already.
    written: Vec<bool>,
}

/// Attributes of a node that is being made.
type Attributes = Vec<(String, Attribute)>;

fn int(name: &str, number: i64) -> (String, Attribute) {
    (name.to_owned(), Attribute::Int(number))
}

fn ints(name: &str, numbers: Vec<i64>) -> (String, Attribute) {
    (name.to_owned(), Attribute::Ints(numbers))
}

fn float(name: &str, number: f64) -> (String, Attribute) {
    (name.to_owned(), Attribute::Float(number))
}

fn text(name: &str, text: &str) -> (String, Attribute) {
    (name.to_owned(), Attribute::Text(text.to_owned()))
}

impl<'p> Lowering<'p> {
    fn new(program: &'p Program) -> Self {
        let mut values = program.values.clone();
        for value in &mut values {
            value.info.dims.take_if(|dims| dims.len() > MAX_RANK);
        }
        let mut written: Vec<bool> = values.iter().map(|value| value.constant.is_some()).collect();
        for input in &program.inputs {
            written[input.0 as usize] = true;
        }
        let graph = Graph { values, inputs: program.inputs.clone(), ..Graph::default() };
        Self { program, graph, origins: Vec::new(), index: 0, renamed: HashMap::new(), written }
    }

    fn lowered(self) -> Lowered {
        Lowered { graph: self.graph, origins: self.origins }
    }

    /// The value that holds a variable now.
    fn current(&self, variable: ValueId) -> ValueId {
        self.renamed.get(&variable).copied().unwrap_or(variable)
    }

    /// The value that holds a variable from now on.
    fn fresh(&mut self, variable: ValueId) -> ValueId {
        let written = &mut self.written[variable.0 as usize];
        if !std::mem::replace(written, true) {
            return variable;
        }
        let TensorInfo { name, dtype, .. } = &self.program.value(variable).info;
        let dims = self.graph.value(variable).info.dims.clone();
        let info = TensorInfo { name: shown(name).to_owned(), dtype: *dtype, dims };
        let id = self.graph.add(Value { info, constant: None });
        self.renamed.insert(variable, id);
        id
    }

    fn operator(&mut self, operator: &Operator) {
        let before = self.graph.nodes.len();
        let mut call = Call { lowering: self, operator };
        let groups = [arithmetic::lower, layers::lower, filled::lower, layout::lower];
        for group in groups {
            if group(&mut call).is_some() {
                return;
            }
            call.lowering.graph.nodes.truncate(before);
            call.lowering.origins.truncate(before);
        }
        call.keep();
    }
}

/// One operator on its way.
struct Call<'l, 'p> {
    lowering: &'l mut Lowering<'p>,
    operator: &'l Operator,
}

impl Call<'_, '_> {
    fn kind(&self) -> &str {
        &self.operator.kind
    }

    /// The only or first operand in a slot.
    fn input(&self, slot: &str) -> Option<ValueId> {
        let &first = self.operator.input(slot).first()?;
        Some(self.lowering.current(first?))
    }

    /// All operands in a slot.
    fn inputs(&self, slot: &str) -> Vec<ValueId> {
        let variables = self.operator.input(slot).iter().flatten();
        variables.map(|&variable| self.lowering.current(variable)).collect()
    }

    fn value(&self, id: ValueId) -> &Value {
        self.lowering.graph.value(id)
    }

    /// Declared dimensions.
    fn dims(&self, id: ValueId) -> Option<&[Dim]> {
        self.value(id).info.dims.as_deref()
    }

    fn rank(&self, id: ValueId) -> Option<usize> {
        self.value(id).info.rank()
    }

    /// An axis counted from the first dimension.
    fn axis(&self, axis: i64, rank: usize) -> Option<usize> {
        let rank = i64::try_from(rank).ok()?;
        let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
        (axis < rank).then(|| usize::try_from(axis).ok())?
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.operator.int(name)
    }

    fn flag(&self, name: &str) -> bool {
        self.int(name).is_some_and(|truth| truth != 0)
    }

    fn float(&self, name: &str) -> Option<f64> {
        match self.operator.attribute(name)? {
            Attribute::Float(number) => Some(*number),
            Attribute::Int(number) => Some(*number as f64),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.operator.attribute(name)? {
            Attribute::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whole numbers; a single one is a list of one.
    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        match self.operator.attribute(name)? {
            Attribute::Ints(numbers) => Some(numbers.clone()),
            Attribute::Int(number) => Some(vec![*number]),
            _ => None,
        }
    }

    /// Numbers; whole ones count.
    fn floats(&self, name: &str) -> Option<Vec<f64>> {
        match self.operator.attribute(name)? {
            Attribute::Floats(numbers) => Some(numbers.clone()),
            Attribute::Ints(numbers) => Some(numbers.iter().map(|&n| n as f64).collect()),
            _ => self.float(name).map(|number| vec![number]),
        }
    }

    /// The whole numbers of a small constant.
    fn numbers(&self, id: ValueId) -> Option<Vec<i64>> {
        let numbers = match self.value(id).constant.as_ref()?.numbers.as_ref()? {
            Numbers::Integers(numbers) if numbers.len() <= MAX_KNOWN => numbers.clone(),
            Numbers::Floats(numbers) if numbers.len() <= MAX_KNOWN => {
                numbers.iter().map(|&n| n as i64).collect()
            }
            _ => return None,
        };
        Some(numbers)
    }

    /// Whole numbers that are in a slot if something is there, and an attribute otherwise.
    fn known(&self, slot: &str, attribute: &str) -> Option<Vec<i64>> {
        match self.input(slot) {
            Some(id) => self.numbers(id),
            None => self.ints(attribute),
        }
    }

    /// A new constant of 64 bit integers.
    fn vector(&mut self, numbers: Vec<i64>) -> ValueId {
        let shape = vec![numbers.len() as u64];
        self.constant(DType::I64, shape, Some(Numbers::Integers(numbers)))
    }

    /// A new constant of one number.
    fn scalar(&mut self, dtype: DType, number: f64) -> ValueId {
        let numbers = if dtype.is_float() {
            Numbers::Floats(vec![number])
        } else {
            Numbers::Integers(vec![number as i64])
        };
        self.constant(dtype, Vec::new(), Some(numbers))
    }

    fn constant(&mut self, dtype: DType, shape: Vec<u64>, numbers: Option<Numbers>) -> ValueId {
        self.lowering.graph.add(constant_value("", dtype, shape, numbers))
    }

    /// Lets the first result in a slot be a constant.
    fn becomes(&mut self, slot: &str, shape: Vec<u64>, numbers: Option<Numbers>) -> Option<()> {
        let &variable = self.operator.output(slot).first()?;
        let id = self.lowering.fresh(variable?);
        let value = &mut self.lowering.graph.values[id.0 as usize];
        let named = std::mem::take(&mut value.info.name);
        *value = constant_value(&named, value.info.dtype, shape, numbers);
        Some(())
    }

    /// Adds a node with one result that only this operator sees.
    fn inner(&mut self, operator: &str, inputs: &[ValueId], attributes: Attributes) -> ValueId {
        let result = self.lowering.graph.add(Value::named(""));
        let name = shown(&self.operator.name).to_owned();
        self.node(
            name,
            operator,
            inputs.iter().copied().map(Some).collect(),
            attributes,
            vec![Some(result)],
        );
        result
    }

    /// Adds the node that makes the first result in a slot.
    fn last(
        &mut self,
        operator: &str,
        inputs: &[ValueId],
        attributes: Attributes,
        slot: &str,
    ) -> Option<()> {
        let inputs = inputs.iter().copied().map(Some).collect();
        self.last_of(operator, inputs, attributes, &[slot])
    }

    /// Adds the node that makes the first result in each of the slots, which may be left out but for
    /// the first.
    fn last_of(
        &mut self,
        operator: &str,
        inputs: Vec<Option<ValueId>>,
        attributes: Attributes,
        slots: &[&str],
    ) -> Option<()> {
        let first = |slot: &&str| self.operator.output(slot).first().copied().flatten();
        let variables: Vec<_> = slots.iter().map(first).collect();
        variables.first().copied().flatten()?;
        let fresh = |variable: Option<ValueId>| Some(self.lowering.fresh(variable?));
        let outputs = variables.into_iter().map(fresh).collect();
        self.node(self.operator.name.clone(), operator, inputs, attributes, outputs);
        Some(())
    }

    /// Adds the node that makes all results in a slot.
    fn all(&mut self, operator: &str, inputs: &[ValueId], attributes: Attributes, slot: &str) {
        let inputs = inputs.iter().copied().map(Some).collect();
        let variables = self.operator.output(slot).iter();
        let outputs = variables.map(|variable| Some(self.lowering.fresh((*variable)?))).collect();
        self.node(self.operator.name.clone(), operator, inputs, attributes, outputs);
    }

    /// Adds the operator as it is.
    fn keep(&mut self) {
        let flat = self.operator.inputs.iter().flat_map(|slot| &slot.values);
        let inputs = flat.map(|id| Some(self.lowering.current((*id)?))).collect();
        let flat = self.operator.outputs.iter().flat_map(|slot| &slot.values);
        let outputs = flat.map(|id| Some(self.lowering.fresh((*id)?))).collect();
        let attributes = self.operator.attributes.iter();
        let plain = attributes.filter(|(_, value)| !matches!(value, Attribute::Graph(_)));
        let (attributes, name) = (plain.cloned().collect(), self.operator.name.clone());
        let kind = self.lowering.program.operators[self.lowering.index].kind.clone();
        self.node(name, &kind, inputs, attributes, outputs);
        if let Some(node) = self.lowering.graph.nodes.last_mut() {
            node.domain = DOMAIN.to_owned();
        }
    }

    fn node(
        &mut self,
        name: String,
        operator: &str,
        inputs: Vec<Option<ValueId>>,
        attributes: Attributes,
        outputs: Vec<Option<ValueId>>,
    ) {
        let (operator, domain) = (operator.to_owned(), String::new());
        let node = Node { name, operator, domain, inputs, outputs, attributes, ..Node::default() };
        self.lowering.graph.nodes.push(node);
        self.lowering.origins.push(self.lowering.index);
    }
}

fn constant_value(name: &str, dtype: DType, shape: Vec<u64>, numbers: Option<Numbers>) -> Value {
    let dim = |&length: &u64| Dim::Fixed(usize::try_from(length).unwrap_or(usize::MAX));
    let dims = Some(shape.iter().map(dim).collect());
    let info = TensorInfo { name: name.to_owned(), dtype, dims };
    let few = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n));
    let numbers = numbers.filter(|_| few.is_some_and(|few| few <= MAX_NUMBERS));
    Value { info, constant: Some(Constant { dtype, shape, numbers }) }
}
