//! cuDNN: is it the one that a library needs, and does it still know the card.

use super::{
    Facts, Finding, Library, Verdict, Version,
    findings::Evidence,
    tables::{self, Capability},
};
use std::cmp::Ordering;

/// A library that needs cuDNN.
pub struct Need<'a> {
    /// The library with its version.
    pub name: &'a str,
    /// The oldest that serves; later ones of the same major version do too.
    pub version: &'a Version,
    /// Whether it cannot be loaded without.
    pub linked: bool,
    /// Where this comes from.
    pub evidence: Evidence,
}

/// Whether the cuDNN that was found serves.
pub fn judge(facts: &Facts, need: Need<'_>) -> Vec<Finding> {
    let Need { name, version: needed, linked, evidence } = need;
    let subject = format!("{name} with cuDNN");
    let cure = format!("install cuDNN {needed}{}", last_for(facts, needed));
    let needs = format!("{name} needs cuDNN {needed}");
    let found = match &facts.cudnn {
        Library::Found(found) => found,
        Library::Unreadable => {
            let words = format!("{needs}; the version that is there is not known");
            return vec![evidence.says(Verdict::Unknown, &subject, words)];
        }
        Library::NotFound => {
            // What is not linked may be looked for only when a model asks for it.
            let verdict = if linked { Verdict::DoesNotFit } else { Verdict::Unknown };
            let words = format!("{needs}; it was not found");
            return vec![evidence.says(verdict, &subject, words).cured_by(cure)];
        }
    };
    let words = format!("{needs}; found {found}");
    let first = if found.major() != needed.major() {
        evidence.says(Verdict::DoesNotFit, &subject, words).cured_by(cure)
    } else if found.against(needed) == Ordering::Less {
        evidence.says(Verdict::Unknown, &subject, words).cured_by(cure)
    } else {
        evidence.says(Verdict::Fits, &subject, words)
    };
    std::iter::once(first).chain(on_card(facts, found)).collect()
}

/// The last version for the card, where there is one.
fn last(facts: &Facts) -> Option<(&'static Version, &'static Capability)> {
    let row = tables::capability(facts.capability)?;
    row.last_cudnn.as_ref().map(|last| (last, row))
}

/// The last version for the card, where it is one that serves.
fn last_for(facts: &Facts, needed: &Version) -> String {
    let serving = last(facts).filter(|(last, _)| last.major() == needed.major());
    let words = |(last, _)| format!(" ({last} is the last for {})", facts.capability);
    serving.map(words).unwrap_or_default()
}

fn on_card(facts: &Facts, found: &Version) -> Option<Finding> {
    let (last, row) = last(facts)?;
    let words = format!(
        "cuDNN {last} is the last that supports compute capability {} ({}); found {found}",
        facts.capability, row.architecture
    );
    let subject = format!("cuDNN {found} on compute capability {}", facts.capability);
    (found.against(last) == Ordering::Greater).then(|| {
        let cure = format!("install cuDNN {last}");
        row.evidence().says(Verdict::DoesNotFit, &subject, words).cured_by(cure)
    })
}
