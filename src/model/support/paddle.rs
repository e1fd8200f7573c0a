//! Paddle: does a release have the operators of a program, in the version and form that the program
//! has them in. A release does not refuse what a newer one wrote, so nothing else tells.

use super::{
    NO_ROW, listed,
    tables::{Lack, PaddleLimit, PaddleOperator, PaddleRelease},
    used::{nodes, operators},
};
use crate::{
    device::compatibility::{Confidence, Evidence, Finding, Verdict, Version},
    model::{
        Anatomy,
        graph::{Graph, Node},
    },
};
use std::collections::BTreeMap;

/// The newest release whose programs were run on others.
const RUN_WITH: &str = "2.6";

const REFUSES_NONE: Evidence = Evidence {
    source: "measured: core._is_program_version_supported of paddlepaddle 2.6.2 is true of any version; \
             exports of 2.6.2 load on 2.0.2 to 2.5.2 of PyPI and fail when they run, where they fail",
    confidence: Confidence::Confirmed,
};

const OLDER: Evidence = Evidence {
    source: "exports of 2.6.2 run on paddlepaddle 3.0.0, 3.1.1, 3.2.2 and 3.3.1 of PyPI with the same \
             results; of older ones Paddle says that they do",
    confidence: Confidence::Derived,
};

const PIR_READ: Evidence = Evidence {
    source: "measured: a convolution that 3.0.0, 3.1.1, 3.2.2 and 3.3.1 of PyPI wrote runs on each of \
             them",
    confidence: Confidence::Confirmed,
};

/// What is asked, once for all operators.
struct Asked<'a> {
    name: String,
    release: Version,
    anatomy: &'a Anatomy,
}

impl<'a> Asked<'a> {
    /// # Errors
    /// What is to be said of a release that was not read.
    fn new(
        anatomy: &'a Anatomy,
        version: &Version,
    ) -> Result<(Self, &'static PaddleRelease), Finding> {
        let (name, release) = (format!("Paddle {version}"), version.release());
        if let Some(row) = PaddleRelease::of(&release) {
            return Ok((Self { name, release, anatomy }, row));
        }
        let rows = PaddleRelease::all();
        let ends = rows.first().zip(rows.last());
        let ends = ends.map(|(first, last)| format!("{} to {}", first.version, last.version));
        let words = format!(
            "{name} is not in the table, which has releases of {}",
            ends.unwrap_or_default()
        );
        Err(NO_ROW.says(Verdict::Unknown, &name, words))
    }
}

/// All about a `.pdmodel` on that release.
pub fn program(anatomy: &Anatomy, version: &Version) -> Vec<Finding> {
    let asked = match Asked::new(anatomy, version) {
        Ok((asked, _)) => asked,
        Err(finding) => return vec![finding],
    };
    let Some(graph) = &anatomy.graph else {
        return vec![NO_ROW.says(Verdict::Unknown, &asked.name, "the file holds no network")];
    };
    let mut findings = asked.operators(graph);
    findings.extend(asked.limits(graph));
    findings.extend(asked.age(graph));
    findings
}

/// All about a program in Paddle's intermediate representation on that release.
pub fn pir(anatomy: &Anatomy, version: &Version) -> Vec<Finding> {
    let (asked, row) = match Asked::new(anatomy, version) {
        Ok(found) => found,
        Err(finding) => return vec![finding],
    };
    let subject = format!("PIR in {}", asked.name);
    let say = |verdict, words: String| row.evidence().says(verdict, &subject, words);
    let finding = match (row.pir, anatomy.opsets.get("pir")) {
        (None, _) => {
            let words = format!("{} reads no PIR (.json); it came with 3.0", asked.name);
            let cure = "export a .pdmodel: set FLAGS_enable_pir_api=0 before exporting";
            say(Verdict::DoesNotFit, words).cured_by(cure.to_owned())
        }
        (Some(_), None) => {
            say(Verdict::Unknown, "the file does not say its version of PIR".to_owned())
        }
        (Some(own), Some(&found)) if found <= own => {
            let words =
                format!("{} reads PIR up to version {own}; the model has {found}", asked.name);
            PIR_READ.says(Verdict::Fits, &subject, words)
        }
        (Some(own), Some(&found)) => {
            let words = format!(
                "{} writes PIR of version {own}, the model has {found}: a network of a convolution runs \
                 all the same, others were not tried",
                asked.name
            );
            let cure = newer(found).map(|version| format!("use Paddle {version}, which writes it"));
            PIR_READ.says(Verdict::Unknown, &subject, words).cured_by(cure)
        }
    };
    vec![finding]
}

/// The first release that writes that version of PIR.
fn newer(pir: u64) -> Option<&'static Version> {
    PaddleRelease::all()
        .iter()
        .find(|row| row.pir.is_some_and(|own| own >= pir))
        .map(|row| &row.version)
}

impl Asked<'_> {
    /// Whether the release has the operators, and in the versions that the program has them in.
    fn operators(&self, graph: &Graph) -> Vec<Finding> {
        let (mut findings, mut had, mut evidence) = (Vec::new(), 0_usize, None);
        for ((_, operator), _) in operators(graph) {
            match self.operator(operator) {
                Ok(row) => {
                    had += 1;
                    evidence = Some(row.evidence());
                }
                Err(finding) => findings.push(*finding),
            }
        }
        findings.extend(evidence.map(|evidence| {
            let subject = format!("operators in {}", self.name);
            let words =
                format!("{} has {had} of the program's operators in its version", self.name);
            evidence.says(Verdict::Fits, &subject, words)
        }));
        findings
    }

    fn operator(&self, operator: &str) -> Result<&'static PaddleOperator, Box<Finding>> {
        let subject = format!("{operator} in {}", self.name);
        let Some(row) = PaddleOperator::of(operator) else {
            let words = format!("no release that was read has the operator {operator}");
            let cure = "load the library of operators that it comes from";
            let finding = NO_ROW.says(Verdict::Unknown, &subject, words);
            return Err(Box::new(finding.cured_by(cure.to_owned())));
        };
        let say = |verdict, words: String| row.evidence().says(verdict, &subject, words);
        let refuse = |words: String, cure: String| {
            Err(Box::new(say(Verdict::DoesNotFit, words).cured_by(cure)))
        };
        if self.release < row.since {
            let words = format!("{} has no {operator}; it came with {}", self.name, row.since);
            return refuse(words, format!("use Paddle {} or later", row.since));
        }
        if let Some(last) = row.until.as_ref().filter(|last| **last < self.release) {
            let words =
                format!("{} has no {operator} any more; {last} is the last that has", self.name);
            return refuse(words, format!("use Paddle {last}"));
        }
        let (own, found) = (row.version(&self.release), self.anatomy.opsets.get(operator));
        match found {
            Some(&found) if found > own => {
                let words = format!(
                    "{operator} is at version {own} in {}, at {found} in the program: what the newer \
                     one added is ignored without a word",
                    self.name
                );
                Err(Box::new(say(Verdict::Unknown, words)))
            }
            _ => Ok(row),
        }
    }

    /// What the release cannot do with operators that it has.
    fn limits(&self, graph: &Graph) -> Vec<Finding> {
        let rows = PaddleLimit::of(&self.release);
        let mut hit: BTreeMap<usize, usize> = BTreeMap::new();
        for (graph, node) in nodes(graph) {
            let of_node = rows.iter().enumerate().filter(|(_, row)| row.operator == node.operator);
            for (index, _) in of_node.filter(|(_, row)| has(graph, node, row.lacks)) {
                *hit.entry(index).or_default() += 1;
            }
        }
        hit.into_iter().map(|(index, count)| self.limit(rows[index], count)).collect()
    }

    fn limit(&self, row: &'static PaddleLimit, count: usize) -> Finding {
        let operator = &row.operator;
        let subject = format!("{operator} in {}", self.name);
        let what = match row.lacks {
            Lack::XShape => "is without its output XShape",
            Lack::Scalar => "has an operand without dimensions",
        };
        let words = format!("{operator} {what} in {count} places; on {} {}", row.to, row.effect);
        let cure = format!("export with Paddle {} itself, or run it with {RUN_WITH}", self.release);
        row.evidence().says(Verdict::DoesNotFit, &subject, words).cured_by(cure)
    }

    /// What follows from which release wrote the program.
    fn age(&self, graph: &Graph) -> Vec<Finding> {
        let producer =
            self.anatomy.producer.as_deref().and_then(|text| text.strip_prefix("paddle "));
        let subject = format!("the program's version in {}", self.name);
        let Some(wrote) = producer.and_then(Version::parse) else {
            let words = "the program does not say which release wrote it";
            return vec![NO_ROW.says(Verdict::Unknown, &subject, words)];
        };
        if wrote.release() <= self.release {
            let words = format!("Paddle {wrote} wrote the program; {} is not older", self.name);
            return vec![OLDER.says(Verdict::Fits, &subject, words)];
        }
        let words = format!(
            "Paddle {wrote} wrote the program, and {} does not refuse newer ones: what it cannot do \
             shows when it runs, or as wrong results",
            self.name
        );
        vec![REFUSES_NONE.says(Verdict::Note, &subject, words), self.tried(graph, &wrote)]
    }

    /// Whether newer programs with these operators have run on the release.
    fn tried(&self, graph: &Graph, wrote: &Version) -> Finding {
        let subject = format!("newer programs in {}", self.name);
        let used = operators(graph);
        let ran = |operator: &str| {
            PaddleOperator::of(operator).is_some_and(|row| row.ran.contains(&self.release))
        };
        let untried: Vec<String> = used
            .keys()
            .filter(|(_, operator)| !ran(operator))
            .map(|(_, operator)| (*operator).to_owned())
            .collect();
        let later = Version::parse(RUN_WITH).is_none_or(|last| wrote.release() > last);
        let evidence = used.keys().find_map(|(_, operator)| PaddleOperator::of(operator));
        let evidence = evidence.map_or(NO_ROW, PaddleOperator::evidence);
        if later {
            let words = format!("programs of {wrote} were not tried on {}", self.name);
            return evidence.says(Verdict::Unknown, &subject, words);
        }
        if untried.is_empty() {
            let words = format!(
                "programs of 2.6.2 with each of these operators ran on {} with the same results",
                self.name
            );
            return evidence.says(Verdict::Fits, &subject, words);
        }
        let words = format!(
            "{} were compared by their names and versions alone: no program of 2.6.2 with them has run \
             on {}",
            listed(&untried),
            self.name
        );
        evidence.says(Verdict::Unknown, &subject, words)
    }
}

/// Whether a node has what a row of the table speaks of.
fn has(graph: &Graph, node: &Node, lack: Lack) -> bool {
    match lack {
        // Of these operators it is the one output beside the result.
        Lack::XShape => node.outputs.iter().flatten().count() < 2,
        Lack::Scalar => node.inputs.iter().flatten().any(|id| {
            let value = graph.values.get(id.0 as usize);
            value.is_some_and(|value| value.info.dims.as_ref().is_some_and(Vec::is_empty))
        }),
    }
}
