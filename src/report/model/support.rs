//! Whether a model runs on a release, as text. The JSON is the answer itself.

use crate::{device::compatibility::Verdict, model::support::Answer};

/// The answer for one target, with what it rests on.
pub fn text(target: &str, answer: &Answer) -> String {
    let mut lines = vec![format!("Runs on {target}: {}", word(answer.verdict))];
    for finding in &answer.findings {
        let name = word(finding.verdict);
        lines.push(format!("  {name:<8}{}: {}", finding.subject, finding.words));
        lines.extend(finding.cure.as_ref().map(|cure| format!("          what helps: {cure}")));
        let confidence = format!("{:?}", finding.confidence).to_lowercase();
        lines.push(format!("          from: {} ({confidence})", finding.source));
    }
    lines.join("\n")
}

/// The verdict as an answer.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fits => "yes",
        Verdict::DoesNotFit => "no",
        Verdict::Unknown => "unknown",
        Verdict::Note => "note",
    }
}
