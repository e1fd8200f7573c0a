//! What fits and what does not, as text and as JSON.

use crate::{
    device::compatibility::{Finding, Verdict, overall},
    runner::Examined,
};
use serde_json::{Value, json};

/// What is said of one thing that was asked for.
pub struct Answer {
    /// What was asked for, such as a cell, and on what.
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
    pub fn new(asked: String, examined: Examined) -> Self {
        let Examined { obstacle, findings, .. } = examined;
        let verdict = match (&obstacle, findings.as_slice()) {
            (Some(_), _) => Verdict::DoesNotFit,
            (None, []) => Verdict::Fits,
            (None, findings) => overall(findings),
        };
        Self { asked, verdict, obstacle, findings }
    }

    /// What there is to say, each with what to do and where it is from. That something fits is said
    /// by the verdict.
    fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.obstacle.iter().cloned().collect();
        let telling = self.findings.iter().filter(|finding| finding.verdict != Verdict::Fits);
        for Finding { verdict, words: text, cure, source, confidence, .. } in telling {
            let cure = cure.as_ref().map(|cure| format!("\n  what helps: {cure}"));
            let confidence = format!("{confidence:?}").to_lowercase();
            words.push(format!(
                "{verdict}: {text}{}\n  source: {source} ({confidence})",
                cure.unwrap_or_default()
            ));
        }
        words
    }
}

/// All answers; what is said of several is said once, under their names.
pub fn text(answers: &[Answer]) -> String {
    let mut groups: Vec<(Verdict, Vec<String>, Vec<&str>)> = Vec::new();
    for answer in answers {
        let words = answer.words();
        let known = groups
            .iter_mut()
            .find(|(verdict, said, _)| (*verdict, &*said) == (answer.verdict, &words));
        match known {
            Some((_, _, asked)) => asked.push(&answer.asked),
            None => groups.push((answer.verdict, words, vec![&answer.asked])),
        }
    }
    let mut lines = Vec::new();
    for (verdict, words, asked) in groups {
        let verdict = verdict.to_string();
        lines.extend(asked.iter().map(|asked| format!("{verdict:<12} {asked}")));
        lines
            .extend(words.iter().flat_map(|words| words.lines()).map(|line| format!("    {line}")));
        lines.push(String::new());
    }
    lines.join("\n")
}

/// All answers, with every finding.
pub fn json(answers: &[Answer]) -> Value {
    let answer = |answer: &Answer| {
        json!({
            "asked": answer.asked,
            "verdict": answer.verdict,
            "obstacle": answer.obstacle,
            "findings": answer.findings,
        })
    };
    answers.iter().map(answer).collect()
}
