//! What is known of every value of a graph in ONNX's words before anything has run: types, shapes,
//! and the small numbers that shapes are computed from. Computes nothing that a shape does not need
//! and guesses nothing: what depends on the data stays unknown, with the reason.
//!
//! Sources of all rules: onnx/onnx, docs/Operators.md and docs/Changelog.md, operator sets 7 to 23.

mod arithmetic;
mod call;
mod convolution;
mod elementwise;
mod fact;
mod fold;
mod generate;
mod layout;
mod matrix;
mod normalise;
mod operator;
mod order;
mod pool;
mod quantised;
mod reduce;
mod resize;
mod select;
mod window;

pub use call::{Call, Reason};
pub use fact::{Fact, Length};
pub use operator::{Count, Operator, Work, find};
pub use order::{Broken, called};

use super::{Attribute, Graph, MAX_NUMBERS, Node, ValueId};
use order::{MAX_DEPTH, Names};
use std::collections::BTreeMap;

/// Most dimensions that a value may have here. Windows in transformers have seven.
pub const MAX_RANK: usize = 16;

/// What is known of a graph.
#[derive(Clone, Debug, Default)]
pub struct Inference {
    /// What is known of each value, by its index.
    pub facts: Vec<Fact>,
    /// The operators in an order in which they can run.
    pub order: Vec<usize>,
    /// Why nothing is known of an operator's results, by its index.
    pub reasons: Vec<Option<Reason>>,
    /// The branch that an `If` takes, by the operator's index.
    pub branches: BTreeMap<usize, Branch>,
}

/// A body that runs once, as its condition is known.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The attribute that holds it.
    pub attribute: &'static str,
    /// What is known of it.
    pub inference: Inference,
}

/// What a body can see of the graphs around it.
struct Scope<'a> {
    names: &'a Names<'a>,
    facts: &'a [Fact],
    around: Option<&'a Scope<'a>>,
    depth: usize,
}

impl Scope<'_> {
    fn find(&self, name: &str) -> Option<&Fact> {
        match self.names.get(name) {
            Some(id) => self.facts.get(id.0 as usize),
            None => self.around?.find(name),
        }
    }
}

/// Looks at every operator of `graph`, of which the values in `given` are known. What else there is
/// of inputs is taken as declared.
///
/// # Errors
/// When the graph is none.
pub fn infer(graph: &Graph, opset: u64, given: &[(ValueId, Fact)]) -> Result<Inference, Broken> {
    within(graph, opset, given, None)
}

fn within(
    graph: &Graph,
    opset: u64,
    given: &[(ValueId, Fact)],
    scope: Option<&Scope<'_>>,
) -> Result<Inference, Broken> {
    let names = order::names(graph);
    let order = order::order(graph, &names)?;
    let mut pass = Pass {
        graph,
        opset,
        facts: vec![Fact::UNKNOWN; graph.values.len()],
        known: vec![false; graph.values.len()],
        reasons: vec![None; graph.nodes.len()],
        branches: BTreeMap::new(),
        room: room(graph),
        names: &names,
        scope,
    };
    pass.begin(given);
    for &at in &order {
        pass.visit(at);
    }
    Ok(Inference { facts: pass.facts, order, reasons: pass.reasons, branches: pass.branches })
}

/// How many numbers may be computed in all: as many as a model's shapes need, never so many that a
/// small file fills the memory.
fn room(graph: &Graph) -> u64 {
    256 * MAX_NUMBERS + 16 * graph.nodes.len() as u64
}

/// A walk over the operators.
struct Pass<'a> {
    graph: &'a Graph,
    opset: u64,
    facts: Vec<Fact>,
    /// Which values come from somewhere.
    known: Vec<bool>,
    reasons: Vec<Option<Reason>>,
    branches: BTreeMap<usize, Branch>,
    room: u64,
    names: &'a Names<'a>,
    scope: Option<&'a Scope<'a>>,
}

impl Pass<'_> {
    /// Takes what is known before any operator.
    fn begin(&mut self, given: &[(ValueId, Fact)]) {
        for (at, value) in self.graph.values.iter().enumerate() {
            let around = || self.scope?.find(&value.info.name).cloned();
            if let Some(fact) = value.constant.as_ref().map(Fact::of).or_else(around) {
                (self.facts[at], self.known[at]) = (fact, true);
            }
        }
        let declared = |&id: &ValueId| (id, Fact::declared(&self.graph.value(id).info));
        let inputs: Vec<_> = self.graph.inputs.iter().map(declared).collect();
        for (id, fact) in inputs.iter().chain(given) {
            let at = id.0 as usize;
            if at < self.facts.len() {
                (self.facts[at], self.known[at]) = (fact.clone(), true);
            }
        }
    }

    fn visit(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        let results = match self.results(at) {
            Ok(results) => results,
            Err(reason) => {
                let unknown = matches!(reason, Reason::Operator | Reason::Body);
                self.reasons[at] = Some(reason);
                self.declared(node, unknown)
            }
        };
        let mut results = results.into_iter();
        for &id in &node.outputs {
            let fact = results.next().unwrap_or(Fact::UNKNOWN);
            let Some(id) = id else { continue };
            self.known[id.0 as usize] = true;
            // A constant's own shape stands.
            if self.graph.value(id).constant.is_none() {
                self.facts[id.0 as usize] = fact;
            }
        }
    }

    /// What the file declares of results: types always, shapes of operators that are not known. What
    /// only passes elements on keeps their type.
    fn declared(&self, node: &Node, shapes: bool) -> Vec<Fact> {
        let passes = find(node).is_some_and(|known| matches!(known.work, Work::View | Work::Pick));
        let operand = node.inputs.first().copied().flatten().filter(|_| passes);
        if let Some(ValueId(id)) = operand {
            return vec![Fact { dtype: self.facts[id as usize].dtype, ..Fact::UNKNOWN }];
        }
        let fact = |id: &Option<ValueId>| {
            let Some(id) = *id else { return Fact::UNKNOWN };
            let declared = Fact::declared(&self.graph.value(id).info);
            if shapes { declared } else { Fact { dims: None, ..declared } }
        };
        node.outputs.iter().map(fact).collect()
    }

    fn results(&mut self, at: usize) -> Result<Vec<Fact>, Reason> {
        let node = &self.graph.nodes[at];
        let constant =
            |id: &Option<ValueId>| id.is_none_or(|id| self.graph.value(id).constant.is_some());
        if node.operator == "Constant" && node.outputs.iter().all(constant) {
            return Ok(Vec::new());
        }
        if let Some(&id) = node.inputs.iter().flatten().find(|id| !self.known[id.0 as usize]) {
            return Err(Reason::Nowhere(self.graph.value(id).info.name.clone()));
        }
        match (node.domain.as_str(), node.operator.as_str()) {
            ("", "If") => return self.conditional(at),
            ("", "Loop" | "Scan" | "SequenceMap") => return Err(Reason::Body),
            _ => {}
        }
        let operator = find(node).ok_or(Reason::Operator)?;
        let call = call(&self.facts, node, self.opset);
        let mut results = (operator.shape)(&call)?;
        check(&results)?;
        let constant = follows_constants(&call);
        let numbers = fold::fold(&call, &results);
        for (fact, numbers) in results.iter_mut().zip(numbers) {
            let count = fact.elements().unwrap_or(u64::MAX);
            if let Some(room) = self.room.checked_sub(count) {
                (self.room, fact.numbers) = (room, Some(numbers));
            }
        }
        for fact in &mut results {
            fact.constant = constant;
        }
        Ok(results)
    }

    /// The results of the branch that is taken; where that depends on the data, what both agree on.
    fn conditional(&mut self, at: usize) -> Result<Vec<Fact>, Reason> {
        let node = &self.graph.nodes[at];
        let condition = node.inputs.first().copied().flatten().ok_or(Reason::Missing(0))?;
        let condition = self.facts[condition.0 as usize].integers().and_then(<[i64]>::first);
        match condition {
            Some(0) => self.branch(at, "else_branch"),
            Some(_) => self.branch(at, "then_branch"),
            None => {
                let (yes, no) = (self.branch(at, "then_branch")?, self.branch(at, "else_branch")?);
                self.branches.remove(&at);
                self.reasons[at] = Some(Reason::Body);
                Ok(yes.into_iter().zip(no).map(|(yes, no)| either(yes, &no)).collect())
            }
        }
    }

    fn branch(&mut self, at: usize, attribute: &'static str) -> Result<Vec<Fact>, Reason> {
        let Some(Attribute::Graph(body)) = self.graph.nodes[at].attribute(attribute) else {
            return Err(Reason::Body);
        };
        let depth = self.scope.map_or(0, |scope| scope.depth) + 1;
        if depth > MAX_DEPTH {
            return Err(Reason::Body);
        }
        let scope = Scope { names: self.names, facts: &self.facts, around: self.scope, depth };
        let inference = within(body, self.opset, &[], Some(&scope))
            .map_err(|broken| Reason::Contradiction(broken.to_string()))?;
        let results = body.outputs.iter().map(|id| inference.facts[id.0 as usize].clone());
        let results = results.collect();
        self.branches.insert(at, Branch { attribute, inference });
        Ok(results)
    }
}

/// An operator with what is known of its operands.
pub fn call<'a>(facts: &'a [Fact], node: &'a Node, opset: u64) -> Call<'a> {
    let operand = |id: &Option<ValueId>| id.map(|id| &facts[id.0 as usize]);
    Call { node, opset, operands: node.inputs.iter().map(operand).collect() }
}

/// Whether an operator's results depend on constants alone.
fn follows_constants(call: &Call<'_>) -> bool {
    let random = call.node.operator.starts_with("Random") || call.node.operator == "Bernoulli";
    !random && call.operands.iter().flatten().all(|fact| fact.constant)
}

/// Refuses results that no memory holds.
fn check(results: &[Fact]) -> Result<(), Reason> {
    for fact in results {
        let dims = fact.dims.as_deref().unwrap_or_default();
        if fact.elements().is_none() && dims.iter().all(Option::is_some) && fact.dims.is_some() {
            return Err(Reason::Overflow);
        }
    }
    Ok(())
}

/// What is known of a value that is one or the other.
fn either(yes: Fact, no: &Fact) -> Fact {
    let same = |(a, b): (&Length, &Length)| if a == b { *a } else { None };
    let dims = match (&yes.dims, &no.dims) {
        (Some(a), Some(b)) if a.len() == b.len() => Some(a.iter().zip(b).map(same).collect()),
        _ => None,
    };
    Fact { dtype: yes.dtype, dims, ..Fact::UNKNOWN }
}

#[cfg(test)]
pub mod tests;
