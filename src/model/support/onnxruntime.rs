//! ONNX Runtime's CPU provider: does a release read the file, and does it compute every operator.

use super::{
    NO_ROW, listed,
    tables::{OnnxOperator, OrtFormat, OrtOperator},
    used::{Operator, Use, operators},
};
use crate::{
    device::compatibility::{Evidence, Finding, Verdict, Version, onnxruntime_alone},
    model::Anatomy,
    tensor::DType,
};

/// The domain of ONNX's own operators, as tables call it.
const OWN: &str = "ai.onnx";

/// What is asked, once for all operators.
struct Asked<'a> {
    name: String,
    release: Version,
    anatomy: &'a Anatomy,
}

/// All about an ONNX file on that release.
pub fn judge(anatomy: &Anatomy, version: &Version) -> Vec<Finding> {
    let name = format!("ONNX Runtime {version}");
    let asked = Asked { name, release: version.release(), anatomy };
    let mut findings = Vec::new();
    findings.extend(asked.format());
    match asked.opset(OWN) {
        Some(opset) => findings.extend(onnxruntime_alone(version, opset)),
        None => {
            let words = "the file names no operator set of ONNX";
            findings.push(NO_ROW.says(Verdict::Unknown, &asked.name, words));
        }
    }
    let Some(graph) = &anatomy.graph else {
        findings.push(NO_ROW.says(Verdict::Unknown, &asked.name, "the file holds no network"));
        return findings;
    };
    let (mut computed, mut all) = (Vec::new(), None);
    for (operator, found) in operators(graph) {
        match asked.operator(operator, &found) {
            Ok(evidence) => {
                computed.push(operator.1.to_owned());
                all = Some(evidence);
            }
            Err(finding) => findings.push(*finding),
        }
    }
    findings.extend(all.map(|evidence| {
        let subject = format!("operators in {}", asked.name);
        let words = format!("{} computes {}", asked.name, listed(&computed));
        evidence.says(Verdict::Fits, &subject, words)
    }));
    findings
}

impl Asked<'_> {
    fn opset(&self, domain: &str) -> Option<u32> {
        u32::try_from(*self.anatomy.opsets.get(domain)?).ok()
    }

    /// The version of the file format.
    fn format(&self) -> Option<Finding> {
        let found = self.anatomy.ir_version?;
        let row = OrtFormat::of(&self.release)?;
        let subject = format!("ONNX's file format {found} in {}", self.name);
        let newest = row.max_ir;
        let finding = if found <= newest {
            let words =
                format!("{} reads ONNX's file format (IR version) up to {newest}", self.name);
            row.evidence().says(Verdict::Fits, &subject, words)
        } else {
            let words = format!(
                "{} reads ONNX's file format (IR version) up to {newest}; the model has {found}",
                self.name
            );
            let cure =
                format!("write the file with ir_version = {newest}, or export with an older onnx");
            row.evidence().says(Verdict::DoesNotFit, &subject, words).cured_by(cure)
        };
        Some(finding)
    }

    /// Where it is known from that the operator is computed.
    ///
    /// # Errors
    /// What is to be said when it is not, or when that is not known.
    fn operator(
        &self,
        (domain, operator): Operator<'_>,
        found: &Use,
    ) -> Result<Evidence, Box<Finding>> {
        match domain {
            "" | "ai.onnx.ml" => self.standard((domain, operator), found),
            "com.microsoft" => self.contributed(operator),
            _ => Err(Box::new(self.foreign((domain, operator)))),
        }
    }

    /// One of ONNX's own.
    fn standard(
        &self,
        (domain, operator): Operator<'_>,
        found: &Use,
    ) -> Result<Evidence, Box<Finding>> {
        let domain = if domain.is_empty() { OWN } else { domain };
        let opset = self.opset(domain).unwrap_or_default();
        let subject = format!("{operator} in {}", self.name);
        let Some(defined) = OnnxOperator::of(domain, operator) else {
            return Err(Box::new(self.undefined(operator, opset)));
        };
        let refuse = |words: String, cure: String| {
            let finding = defined.evidence().says(Verdict::DoesNotFit, &subject, words);
            Err(Box::new(finding.cured_by(cure)))
        };
        let withdrawn = defined.deprecated.filter(|&since| since <= opset);
        if let Some(since) = withdrawn {
            let words = format!("operator set {since} withdrew {operator}; the model has {opset}");
            return refuse(words, format!("export with an operator set below {since}"));
        }
        let Some(version) = defined.version(opset) else {
            let first = defined.first();
            let words = format!("{operator} needs operator set {first}; the model has {opset}");
            return refuse(words, format!("export the model with operator set {first} or later"));
        };
        match OrtOperator::of(domain, operator, version) {
            Some(row) => self.computed((operator, version), row, found),
            None => {
                let words = format!("whether it computes {operator} is not in the table");
                Err(Box::new(NO_ROW.says(Verdict::Unknown, &subject, words)))
            }
        }
    }

    fn computed(
        &self,
        (operator, version): (&str, u32),
        row: &'static OrtOperator,
        found: &Use,
    ) -> Result<Evidence, Box<Finding>> {
        let name = &self.name;
        let subject = format!("{operator} of operator set {version} in {name}");
        let say = |verdict, words: String| Box::new(row.evidence().says(verdict, &subject, words));
        match &row.since {
            Some(since) if *since <= self.release => {}
            Some(since) if row.read < *since => {
                let words = format!(
                    "{name} does not compute {operator} of operator set {version}; {since} is the first \
                     that does"
                );
                let cure =
                    format!("install ONNX Runtime {since}, or export with an older operator set");
                return Err(Box::new(say(Verdict::DoesNotFit, words).cured_by(cure)));
            }
            Some(since) => {
                let words = format!(
                    "whether {name} computes {operator} was not read: {since} is the first that was"
                );
                return Err(say(Verdict::Unknown, words));
            }
            None => {
                let words = format!("{name} does not compute {operator} of operator set {version}");
                let cure = "export the model with another operator set, or without the operator";
                return Err(Box::new(say(Verdict::DoesNotFit, words).cured_by(cure.to_owned())));
            }
        }
        let missing = found.types.iter().find(|&&dtype| !self.takes(row, dtype));
        missing.map_or(Ok(row.evidence()), |dtype| {
            let words = format!("{name} does not compute {operator} of {dtype}");
            let cure = "export the model with another element type there, such as float32";
            Err(Box::new(say(Verdict::DoesNotFit, words).cured_by(cure.to_owned())))
        })
    }

    /// Whether the operator is computed of that type; where the types were not asked it is.
    fn takes(&self, row: &OrtOperator, dtype: DType) -> bool {
        let name = dtype.to_string();
        let given = |what: &str| what == name || what == "-";
        let mut rows = row.types.iter().filter(|since| given(&since.what));
        row.types.is_empty()
            || rows.any(|since| since.release.as_ref().is_none_or(|since| *since <= self.release))
    }

    /// One of ONNX Runtime's own additions.
    fn contributed(&self, operator: &str) -> Result<Evidence, Box<Finding>> {
        let subject = format!("com.microsoft.{operator} in {}", self.name);
        let row = OrtOperator::of("com.microsoft", operator, 1);
        match row.and_then(|row| Some((row, row.since.as_ref()?))) {
            Some((row, since)) if *since <= self.release => Ok(row.evidence()),
            Some((row, since)) if *since == row.read => {
                let words = format!(
                    "whether {} computes com.microsoft.{operator} was not read: {since} is the first \
                     that was",
                    self.name
                );
                Err(Box::new(row.evidence().says(Verdict::Unknown, &subject, words)))
            }
            _ => {
                let words = format!("no list of its CPU provider has com.microsoft.{operator}");
                Err(Box::new(NO_ROW.says(Verdict::Unknown, &subject, words)))
            }
        }
    }

    /// An operator that ONNX does not define.
    fn undefined(&self, operator: &str, opset: u32) -> Finding {
        let subject = format!("{operator} in {}", self.name);
        if opset > OnnxOperator::newest() {
            let words = format!("operator set {opset} is later than the table of operators");
            return NO_ROW.says(Verdict::Unknown, &subject, words);
        }
        let words = format!("{operator} is no operator of ONNX, and {} has none", self.name);
        NO_ROW.says(Verdict::DoesNotFit, &subject, words).cured_by(without(operator))
    }

    /// An operator of somebody else's.
    fn foreign(&self, (domain, operator): Operator<'_>) -> Finding {
        let subject = format!("{domain}.{operator} in {}", self.name);
        let words = format!("{} has no operators of the domain {domain:?}: {operator}", self.name);
        NO_ROW.says(Verdict::DoesNotFit, &subject, words).cured_by(without(operator))
    }
}

/// What to do about an operator of a library of its own.
fn without(operator: &str) -> String {
    if operator.ends_with("_TRT") {
        "run it with TensorRT, whose library of plugins has it, or export without it".to_owned()
    } else {
        "export without it, or give the runtime the library that it comes from".to_owned()
    }
}
