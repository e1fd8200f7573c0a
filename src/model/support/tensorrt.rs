//! TensorRT: does the release know the card, and does its reader of ONNX files take the operators,
//! their constants and the element types. Builds no engine.

use super::{
    NO_ROW, listed,
    tables::{Kind, Treatment, TrtConstant, TrtOperator, TrtType},
    target::Target,
    used::{Operator, depends_on_inputs, known, nodes, operators},
};
use crate::{
    device::compatibility::{Evidence, Finding, Verdict, Version, tensorrt_alone},
    model::{
        Anatomy,
        graph::{Graph, Node, Numbers, ValueId},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked, once for all operators.
struct Asked {
    name: String,
    release: Version,
}

/// All about an ONNX file on that release, and on the card where one is named.
pub fn judge(anatomy: &Anatomy, target: &Target) -> Vec<Finding> {
    let asked =
        Asked { name: format!("TensorRT {}", target.version), release: target.version.release() };
    let opset = anatomy.opsets.get("ai.onnx").and_then(|&opset| u32::try_from(opset).ok());
    let mut findings = tensorrt_alone(&target.version, target.card, opset);
    let Some(graph) = &anatomy.graph else {
        findings.push(NO_ROW.says(Verdict::Unknown, &asked.name, "the file holds no network"));
        return findings;
    };
    findings.extend(asked.operators(graph));
    findings.extend(asked.constants(graph));
    findings.extend(asked.zero_points(graph));
    findings.extend(asked.types(graph));
    findings
}

impl Asked {
    fn operators(&self, graph: &Graph) -> Vec<Finding> {
        let (mut findings, mut taken, mut evidence) = (Vec::new(), Vec::new(), None);
        for (operator, _) in operators(graph) {
            match self.operator(operator) {
                Ok((row, said)) => {
                    taken.push(operator.1.to_owned());
                    evidence = Some(row);
                    findings.extend(said);
                }
                Err(finding) => findings.push(*finding),
            }
        }
        findings.extend(evidence.map(|evidence| {
            let subject = format!("operators in {}", self.name);
            let words = format!("{} takes {}", self.name, listed(&taken));
            evidence.says(Verdict::Fits, &subject, words)
        }));
        findings
    }

    /// Where it is known from that the operator is taken, with what should be known of it.
    ///
    /// # Errors
    /// What is to be said when it is not, or when that is not known.
    fn operator(
        &self,
        (domain, operator): Operator<'_>,
    ) -> Result<(Evidence, Option<Finding>), Box<Finding>> {
        let subject = format!("{operator} in {}", self.name);
        let own = matches!(domain, "" | "ai.onnx.ml");
        let row = TrtOperator::of(operator).filter(|row| own || row.kind == Kind::Plugin);
        let Some(row) = row else { return Err(Box::new(self.stranger((domain, operator)))) };
        let say = |verdict, words: String| row.evidence().says(verdict, &subject, words);
        if let Some(last) = row.until.as_ref().filter(|last| **last < self.release) {
            let words = format!("{last} is the last known to have {operator}; found {}", self.name);
            return Err(Box::new(say(Verdict::DoesNotFit, words).cured_by(cure(operator))));
        }
        if row.since.as_ref().is_some_and(|since| *since <= self.release) {
            return Ok((row.evidence(), self.remark(row, operator)));
        }
        let lacks = row.lacking.as_ref().is_some_and(|lacking| self.release <= *lacking);
        let first = row.since.as_ref().map(|since| format!("; {since} is the first that does"));
        let words = format!("{} does not take {operator}{}", self.name, first.unwrap_or_default());
        let verdict = if lacks { Verdict::DoesNotFit } else { Verdict::Unknown };
        let words = match verdict {
            Verdict::Unknown => format!("whether {} takes {operator} was not read", self.name),
            _ => words,
        };
        Err(Box::new(say(verdict, words).cured_by(cure(operator))))
    }

    fn remark(&self, row: &'static TrtOperator, operator: &str) -> Option<Finding> {
        let subject = format!("{operator} in {}", self.name);
        let say = |words: String| Some(row.evidence().says(Verdict::Note, &subject, words));
        if row.experimental.as_ref().is_some_and(|last| self.release <= *last) {
            let words = format!(
                "{} calls {operator} experimental: its result has a fixed shape and is padded",
                self.name
            );
            return say(words);
        }
        match row.kind {
            Kind::Plugin => {
                say(format!("{operator} is in the library of plugins, which has to be loaded"))
            }
            Kind::Importer => None,
        }
    }

    /// An operator that neither the reader nor the library of plugins has.
    fn stranger(&self, (domain, operator): Operator<'_>) -> Finding {
        let subject = format!("{operator} in {}", self.name);
        let of =
            if domain.is_empty() { String::new() } else { format!(" of the domain {domain:?}") };
        let words =
            format!("{} has neither an importer nor a plugin for {operator}{of}", self.name);
        let cure = "export without it, or load the library of plugins that has it";
        NO_ROW.says(Verdict::DoesNotFit, &subject, words).cured_by(cure.to_owned())
    }

    /// Operands that have to be initialisers.
    fn constants(&self, graph: &Graph) -> Vec<Finding> {
        let rows: Vec<&'static TrtConstant> = TrtConstant::of(&self.release).collect();
        let depends = depends_on_inputs(graph);
        let computed = |id: ValueId| depends.get(id.0 as usize).copied().unwrap_or_default();
        let mut found: BTreeMap<usize, usize> = BTreeMap::new();
        for node in &graph.nodes {
            for (index, row) in
                rows.iter().enumerate().filter(|(_, row)| row.operator == node.operator)
            {
                let operand = node.inputs.get(row.operand).copied().flatten();
                if operand.is_some_and(computed) {
                    *found.entry(index).or_default() += 1;
                }
            }
        }
        found.into_iter().map(|(index, count)| self.no_initialiser(rows[index], count)).collect()
    }

    fn no_initialiser(&self, row: &'static TrtConstant, count: usize) -> Finding {
        let subject = format!("{} of {} in {}", row.name, row.operator, self.name);
        let words = format!(
            "{} takes {} of {} as an initialiser alone; {count} of the model's depend on its input",
            self.name, row.name, row.operator
        );
        let cure = "fix the shapes of the inputs and fold constants (polygraphy surgeon sanitize \
                    --fold-constants), or export without NMS";
        row.evidence().says(Verdict::DoesNotFit, &subject, words).cured_by(cure.to_owned())
    }

    /// Quantisation: zero points have to be zero.
    fn zero_points(&self, graph: &Graph) -> Option<Finding> {
        let quantised: Vec<(&Graph, &Node)> = nodes(graph)
            .into_iter()
            .filter(|(_, node)| {
                matches!(node.operator.as_str(), "QuantizeLinear" | "DequantizeLinear")
            })
            .collect();
        let evidence = TrtOperator::of("QuantizeLinear")?.evidence();
        let subject = format!("zero points in {}", self.name);
        let shifted =
            quantised.iter().filter(|(graph, node)| zero_point(graph, node) == Some(false));
        let unknown = quantised.iter().filter(|(graph, node)| zero_point(graph, node).is_none());
        let (shifted, unknown) = (shifted.count(), unknown.count());
        let (verdict, words) = match (quantised.len(), shifted, unknown) {
            (0, _, _) => return None,
            (_, 0, 0) => (Verdict::Fits, "all zero points are zero, as it demands".to_owned()),
            (_, 0, _) => (
                Verdict::Unknown,
                format!("it demands that zero points are zero; {unknown} cannot be read"),
            ),
            (all, _, _) => (
                Verdict::DoesNotFit,
                format!("it demands that zero points are zero; {shifted} of {all} are not"),
            ),
        };
        let cure =
            "quantise symmetrically to int8 (TensorRT's own Model Optimizer does)".to_owned();
        let cure = (verdict == Verdict::DoesNotFit).then_some(cure);
        Some(evidence.says(verdict, &subject, words).cured_by(cure))
    }

    /// Element types of inputs, outputs and constants.
    fn types(&self, graph: &Graph) -> Vec<Finding> {
        let ends: BTreeSet<ValueId> = graph.inputs.iter().chain(&graph.outputs).copied().collect();
        let zero_points = zero_point_values(graph);
        let mut found: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        for (index, value) in graph.values.iter().enumerate() {
            let id = ValueId(u32::try_from(index).unwrap_or(u32::MAX));
            let dtype = value.constant.as_ref().map_or(value.info.dtype, |constant| constant.dtype);
            let (end, held) = (ends.contains(&id), value.constant.is_some());
            if known(dtype) && (end || held) && !zero_points.contains(&id) {
                let entry = found.entry(dtype.to_string()).or_default();
                *entry = (entry.0 | end, entry.1 | held);
            }
        }
        found.into_iter().filter_map(|(dtype, (_, held))| self.dtype(&dtype, held)).collect()
    }

    /// `held`: whether constants are of that type, not only inputs and outputs.
    fn dtype(&self, dtype: &str, held: bool) -> Option<Finding> {
        let subject = format!("{dtype} in {}", self.name);
        let Some(row) = TrtType::of(dtype, &self.release) else {
            let words = format!("what {} makes of {dtype} is not in the table", self.name);
            return Some(NO_ROW.says(Verdict::Unknown, &subject, words));
        };
        let say = |verdict, words: &str| row.evidence().says(verdict, &subject, words.to_owned());
        let other = "export the model with float32 or float16 instead".to_owned();
        match row.treatment {
            Treatment::Takes => None,
            Treatment::Converts => Some(say(Verdict::Note, &row.words)),
            Treatment::Ends if !held => Some(say(Verdict::Note, &row.words)),
            Treatment::Ends | Treatment::Refuses => {
                Some(say(Verdict::DoesNotFit, &row.words).cured_by(other))
            }
        }
    }
}

/// Whether the node's zero point is zero; none where that cannot be told.
fn zero_point(graph: &Graph, node: &Node) -> Option<bool> {
    let Some(id) = node.inputs.get(2).copied().flatten() else { return Some(true) };
    let constant = graph.values.get(id.0 as usize)?.constant.as_ref()?;
    match constant.numbers.as_ref()? {
        Numbers::Integers(numbers) => Some(numbers.iter().all(|&number| number == 0)),
        Numbers::Floats(numbers) => Some(numbers.iter().all(|&number| number == 0.0)),
    }
}

/// Values that are zero points: their type is no type of the network.
fn zero_point_values(graph: &Graph) -> BTreeSet<ValueId> {
    let quantises = |node: &&Node| {
        node.operator.ends_with("quantizeLinear") || node.operator == "QuantizeLinear"
    };
    let third = |node: &Node| node.inputs.get(2).copied().flatten();
    graph.nodes.iter().filter(quantises).filter_map(third).collect()
}

fn cure(operator: &str) -> String {
    format!("use a release that takes {operator}, or export the model without it")
}
