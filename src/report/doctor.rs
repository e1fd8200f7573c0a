//! What fits and what does not, as text and as JSON.

use crate::{
    device::compatibility::{Finding, Verdict, overall},
    runner::Examined,
};
use serde_json::{Value, json};

/// What is said of one thing that was asked for.
pub struct Answer {
    /// What it was asked of, such as a card.
    pub of: String,
    /// UUID of the device that is meant; empty for one that is not there.
    pub device: String,
    /// What was asked for, such as a cell or a precision.
    pub asked: String,
    /// The answer.
    pub verdict: Verdict,
    /// Why it cannot be at all, before any table is asked.
    pub obstacle: Option<String>,
    /// What the tables say.
    pub findings: Vec<Finding>,
}

impl Answer {
    /// The answer about what was examined; without a table to ask nothing stands against it.
    pub fn new(of: String, asked: String, examined: Examined) -> Self {
        let Examined { cell, obstacle, findings, .. } = examined;
        let verdict = match (&obstacle, findings.as_slice()) {
            (Some(_), _) => Verdict::DoesNotFit,
            (None, []) => Verdict::Fits,
            (None, findings) => overall(findings),
        };
        Self { of, device: cell.device.uuid, asked, verdict, obstacle, findings }
    }

    /// What there is to say, each with what to do and where it is from. That something fits is said
    /// by the verdict.
    fn statements(&self, sources: bool) -> Vec<String> {
        let mut statements: Vec<String> = self.obstacle.iter().cloned().collect();
        let telling = self.findings.iter().filter(|finding| finding.verdict != Verdict::Fits);
        for finding in telling {
            let Finding { verdict, cure, source, confidence, .. } = finding;
            let mut statement = match verdict {
                Verdict::DoesNotFit => finding.sentence(),
                other => format!("{other}: {}", finding.sentence()),
            };
            statement.extend(cure.as_ref().map(|cure| format!("\nwhat helps: {cure}")));
            if sources {
                let confidence = format!("{confidence:?}").to_lowercase();
                statement.push_str(&format!("\nsource: {source} ({confidence})"));
            }
            statements.push(statement);
        }
        statements
    }
}

/// Most names that stand before a statement.
const NAMED: usize = 3;

/// All answers, by what they were asked of; what is said of several is said once. With `sources` every
/// statement says where it is from.
pub fn text(answers: &[Answer], sources: bool) -> String {
    let mut lines = Vec::new();
    for group in answers.chunk_by(|a, b| a.of == b.of) {
        lines.push(group[0].of.clone());
        for verdict in [Verdict::Fits, Verdict::Unknown, Verdict::DoesNotFit] {
            let these = group.iter().filter(|answer| answer.verdict == verdict);
            let asked: Vec<&str> = these.map(|answer| answer.asked.as_str()).collect();
            if !asked.is_empty() {
                lines.push(format!("  {verdict}: {}", asked.join(", ")));
            }
        }
        for (statement, asked) in said(group, sources) {
            let of_all = asked.len() == group.len();
            let about = if of_all { String::new() } else { format!("{}: ", names(&asked)) };
            let mut rows = statement.lines();
            lines.extend(rows.next().map(|row| format!("    {about}{row}")));
            lines.extend(rows.map(|row| format!("      {row}")));
        }
        lines.push(String::new());
    }
    lines.join("\n")
}

/// Every statement of a group, with what it is about.
fn said(group: &[Answer], sources: bool) -> Vec<(String, Vec<&str>)> {
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for answer in group {
        for statement in answer.statements(sources) {
            match said.iter_mut().find(|(known, _)| *known == statement) {
                Some((_, asked)) => asked.push(&answer.asked),
                None => said.push((statement, vec![&answer.asked])),
            }
        }
    }
    said
}

fn names(asked: &[&str]) -> String {
    let more = asked.len().saturating_sub(NAMED);
    let names = asked[..asked.len().min(NAMED)].join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// All answers, with every finding.
pub fn json(answers: &[Answer]) -> Value {
    let answer = |answer: &Answer| {
        json!({
            "of": answer.of,
            "asked": answer.asked,
            "verdict": answer.verdict,
            "obstacle": answer.obstacle,
            "findings": answer.findings,
        })
    };
    answers.iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::compatibility::Confidence;

    fn answer(asked: &str, findings: Vec<Finding>) -> Answer {
        let verdict = overall(&findings);
        Answer {
            of: "card".into(),
            device: String::new(),
            asked: asked.into(),
            verdict,
            obstacle: None,
            findings,
        }
    }

    fn finding(verdict: Verdict, words: &str) -> Finding {
        Finding {
            verdict,
            subject: "subject".into(),
            words: words.into(),
            cure: Some("do that".into()),
            source: "a page",
            confidence: Confidence::Derived,
        }
    }

    #[test]
    fn what_is_said_of_several_is_said_once_and_what_fits_is_not_explained() {
        let against = || finding(Verdict::DoesNotFit, "too old");
        let answers = [
            answer("fp32", vec![against(), finding(Verdict::Fits, "reads it")]),
            answer("fp16", vec![against(), finding(Verdict::Note, "slow")]),
        ];
        let expected = "card\n  does not fit: fp32, fp16\n    too old\n      what helps: do \
                        that\n      source: a page (derived)\n    fp16: note: slow\n      what \
                        helps: do that\n      source: a page (derived)\n";
        assert_eq!(text(&answers, true), expected);
        assert!(!text(&answers, false).contains("source"));
    }
}
