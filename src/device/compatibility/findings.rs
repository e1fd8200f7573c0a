//! What is said about one thing: a verdict, in words, and where it comes from. Holds no rule.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether something fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The tables say that it fits.
    Fits,
    /// The tables do not say.
    Unknown,
    /// The tables say that it does not fit.
    DoesNotFit,
    /// It fits or not whatever this says, but should be known.
    Note,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fits => "fits",
            Self::Unknown => "unknown",
            Self::DoesNotFit => "does not fit",
            Self::Note => "note",
        })
    }
}

/// How well a table's row is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Measured, or read in the maker's own words.
    Confirmed,
    /// Read where somebody else quotes the maker.
    Secondary,
    /// Follows from other rows.
    Derived,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it fits.
    pub verdict: Verdict,
    /// What was looked at, such as "TensorRT 10.3.0 on compute capability 6.1".
    pub subject: String,
    /// What was found.
    pub words: String,
    /// What to do about it, if something can be done.
    pub cure: Option<String>,
    /// Where the table has it from.
    pub source: &'static str,
    /// How well that is founded.
    pub confidence: Confidence,
}

impl Finding {
    /// Its words, with the subject where they lean on it.
    pub fn sentence(&self) -> String {
        match self.words.starts_with("it ") {
            true => format!("{}: {}", self.subject, self.words),
            false => self.words.clone(),
        }
    }

    /// The same with a cure.
    pub fn cured_by(self, cure: impl Into<Option<String>>) -> Self {
        Self { cure: cure.into(), ..self }
    }
}

/// The answer that a list of findings gives: one that does not fit decides, then one that is
/// unknown. Notes have no say; of nothing nothing is known.
pub fn overall(findings: &[Finding]) -> Verdict {
    let any = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    [Verdict::DoesNotFit, Verdict::Unknown, Verdict::Fits]
        .into_iter()
        .find(|&verdict| any(verdict))
        .unwrap_or(Verdict::Unknown)
}

/// Where a finding comes from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// The source.
    pub source: &'static str,
    /// How well that is founded.
    pub confidence: Confidence,
}

impl Evidence {
    /// What this says about `subject`.
    pub fn says(self, verdict: Verdict, subject: &str, words: impl Into<String>) -> Finding {
        let Self { source, confidence } = self;
        let (subject, words) = (subject.to_owned(), words.into());
        Finding { verdict, subject, words, cure: None, source, confidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_misfit_decides_and_notes_have_no_say() {
        let evidence = Evidence { source: "a test", confidence: Confidence::Derived };
        let overall_of = |verdicts: &[Verdict]| {
            let findings: Vec<Finding> =
                verdicts.iter().map(|&verdict| evidence.says(verdict, "it", "so")).collect();
            overall(&findings)
        };
        use Verdict::*;
        assert_eq!(overall_of(&[Fits, Unknown, DoesNotFit, Note]), DoesNotFit);
        assert_eq!(overall_of(&[Fits, Unknown, Note]), Unknown);
        assert_eq!(overall_of(&[Note, Fits]), Fits);
        assert_eq!(overall_of(&[Note]), Unknown);
        assert_eq!(overall_of(&[]), Unknown);
    }
}
