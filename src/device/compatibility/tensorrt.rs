//! TensorRT: does it know the card, its CUDA, its cuDNN, the model's operators, and the way in which
//! a precision is asked for.

use super::{
    ComputeCapability, Facts, Finding, Library, Provider, Verdict, Version, Wish, cuda, cudnn,
    onnxruntime, overall,
    tables::{self, NO_ROW, Precision, TensorRt},
};

/// All about an engine that is TensorRT itself.
pub fn judge(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let (version, row) = match found(facts, wish) {
        Ok(found) => found,
        Err(finding) => return std::iter::once(finding).chain(cuda::driver(facts, &[])).collect(),
    };
    let name = format!("TensorRT {version}");
    let mut findings = model(facts, wish, version, row);
    let majors = row.cuda_majors();
    let instead = instead(facts);
    let (separate, evidence) = (row.separate_cuda, row.on_cuda());
    let build = cuda::Build { name: &name, majors: &majors, separate, instead, evidence };
    findings.push(cuda::build(facts, build));
    findings.extend(cuda::driver(facts, &majors));
    if let Some(version) = &row.cudnn {
        let evidence = row.evidence();
        findings.extend(cudnn::judge(
            facts,
            cudnn::Need { name: &name, version, linked: true, evidence },
        ));
    }
    findings
}

/// The version that was found and its row.
///
/// # Errors
/// What is to be said when there is none.
pub fn found<'a>(
    facts: &'a Facts,
    wish: &Wish,
) -> Result<(&'a Version, &'static TensorRt), Finding> {
    let subject = format!("TensorRT for compute capability {}", facts.capability);
    match &facts.tensorrt {
        Library::NotFound => {
            let finding = NO_ROW.says(Verdict::DoesNotFit, &subject, "TensorRT was not found");
            Err(finding.cured_by(cure(facts, wish)))
        }
        Library::Unreadable => {
            let words = "the version of the TensorRT that is there is not known";
            Err(NO_ROW.says(Verdict::Unknown, &subject, words))
        }
        Library::Found(version) => {
            TensorRt::of(version).map(|row| (version, row)).ok_or_else(|| unlisted(version, facts))
        }
    }
}

fn unlisted(version: &Version, facts: &Facts) -> Finding {
    let subject = format!("TensorRT {version} on compute capability {}", facts.capability);
    NO_ROW.says(Verdict::Unknown, &subject, unlisted_words(version))
}

fn unlisted_words(version: &Version) -> String {
    let rows = tables::tensorrt();
    let ends = rows.first().zip(rows.last());
    let ends = ends.map(|(first, last)| format!("{} to {}", first.from.release(), last.from));
    let ends = ends.unwrap_or_default();
    format!("TensorRT {version} is not in the table, which has releases of {ends}")
}

/// What concerns the card and the model, whoever loads the library.
pub fn model(
    facts: &Facts,
    wish: &Wish,
    version: &Version,
    row: &'static TensorRt,
) -> Vec<Finding> {
    let name = format!("TensorRT {version}");
    let mut findings = vec![on_card(facts, wish, version, row)];
    findings.extend(row.opsets().judge(wish.opset, &name));
    findings.extend(wish.needs_flag().then(|| flag(&name, wish, row)));
    findings
}

/// What a release makes of a card and of an operator set, alone. Of the patches that `version` stands
/// for the one that fits best is judged.
pub fn alone(
    version: &Version,
    card: Option<ComputeCapability>,
    opset: Option<u32>,
) -> Vec<Finding> {
    let judged =
        TensorRt::all(version).into_iter().rev().map(|row| patch(version, row, card, opset));
    let best = judged.min_by_key(|findings| match overall(findings) {
        Verdict::Fits | Verdict::Note => 0,
        Verdict::Unknown => 1,
        Verdict::DoesNotFit => 2,
    });
    best.unwrap_or_else(|| {
        let subject = format!("TensorRT {version}");
        vec![NO_ROW.says(Verdict::Unknown, &subject, unlisted_words(version))]
    })
}

fn patch(
    version: &Version,
    row: &'static TensorRt,
    card: Option<ComputeCapability>,
    opset: Option<u32>,
) -> Vec<Finding> {
    let exact = TensorRt::of(version).is_some();
    let version = if exact { version } else { &row.from };
    let opsets = row.opsets();
    let mut findings = Vec::new();
    findings.extend(card.map(|card| {
        let facts = Facts::of_card_alone(card);
        on_card(&facts, &Wish::of_tensorrt(opset), version, row)
    }));
    findings.extend(opsets.judge(opset, &format!("TensorRT {version}")));
    findings
}

/// Where a release stands among those that support a card.
enum Place {
    Supported,
    /// Support ended with that release.
    After(&'static TensorRt),
    /// Support began with that release.
    Before(&'static TensorRt),
    /// Older than anything that the table knows of.
    BelowAll,
    Unknown,
}

fn place(facts: &Facts, row: &'static TensorRt) -> Place {
    let card = facts.capability;
    if row.supports(card) {
        return Place::Supported;
    }
    if row.unconfirmed_capabilities.contains(&card) {
        return Place::Unknown;
    }
    let mut others = tables::tensorrt().iter().filter(|other| other.supports(card));
    if let Some(last) = others.clone().rfind(|other| other.from < row.from) {
        return Place::After(last);
    }
    match others.next() {
        Some(first) => Place::Before(first),
        None if row.min_capability.is_some_and(|min| card < min) => Place::BelowAll,
        None => Place::Unknown,
    }
}

fn on_card(facts: &Facts, wish: &Wish, version: &Version, row: &'static TensorRt) -> Finding {
    let card = facts.capability;
    let subject = format!("TensorRT {version} on compute capability {card}");
    let misfit = |words: String| {
        let finding = row.on_capability().says(Verdict::DoesNotFit, &subject, words);
        finding.cured_by(cure(facts, wish))
    };
    match place(facts, row) {
        Place::Supported => {
            let words = format!("TensorRT {version} supports compute capability {card}");
            row.on_capability().says(Verdict::Fits, &subject, words)
        }
        Place::After(last) => misfit(format!(
            "TensorRT {} is the last that supports compute capability {card}; found {version}",
            last.from.release()
        )),
        Place::Before(first) => misfit(format!(
            "TensorRT {} is the first that supports compute capability {card}; found {version}",
            first.from.release()
        )),
        Place::BelowAll => {
            misfit(format!("TensorRT {version} does not support compute capability {card}"))
        }
        Place::Unknown => {
            let words = format!(
                "whether TensorRT {version} supports compute capability {card} is not in the table"
            );
            row.on_capability().says(Verdict::Unknown, &subject, words)
        }
    }
}

fn flag(name: &str, wish: &Wish, row: &'static TensorRt) -> Finding {
    let subject = format!("{} by a flag of {name}", wish.arithmetic);
    match row.precision {
        Precision::Flags => {
            let words = format!("{name}'s builder takes precision flags");
            row.evidence().says(Verdict::Fits, &subject, words)
        }
        Precision::Graph => {
            let words = format!(
                "{name} has neither precision flags nor calibrators: the types are those of the graph"
            );
            let cure = "put the precision into the model file (FP16 weights, or quantise and \
                        dequantise nodes), or install TensorRT 10";
            row.evidence().says(Verdict::DoesNotFit, &subject, words).cured_by(cure.to_owned())
        }
    }
}

/// The newest release for the card whose CUDA the driver does not refuse and which takes a precision
/// flag if one is asked for; of one major version alone if `major` is given.
pub fn newest(facts: &Facts, wish: &Wish, major: Option<u32>) -> Option<&'static TensorRt> {
    tables::tensorrt().iter().rfind(|row| {
        row.supports(facts.capability)
            && major.is_none_or(|major| row.from.major() == major)
            && !(wish.needs_flag() && row.precision == Precision::Graph)
            && row.cuda_majors().iter().any(|&major| !cuda::is_refused(facts, major))
    })
}

/// The newest release for the card that is built for the CUDA that was found.
fn instead(facts: &Facts) -> Option<String> {
    let Library::Found(cuda) = &facts.cuda_runtime else { return None };
    let fits = |row: &&TensorRt| {
        row.supports(facts.capability) && row.cuda_majors().contains(&cuda.major())
    };
    tables::tensorrt().iter().rfind(fits).map(|row| format!("TensorRT {}", row.from))
}

/// What serves the card.
fn cure(facts: &Facts, wish: &Wish) -> Option<String> {
    if wish.provider == Provider::OrtTensorRt {
        return onnxruntime::with_tensorrt(facts, wish);
    }
    let install = newest(facts, wish, None).map(|row| {
        let (version, card) = (&row.from, &facts.card);
        format!("install TensorRT {version} and name it by tensorrt_library in [device.\"{card}\"]")
    });
    let ort = onnxruntime::with_kernels(facts).map(|row| {
        format!("use engine `ort` with a release archive of ONNX Runtime {}", row.version)
    });
    let cures: Vec<String> = install.into_iter().chain(ort).collect();
    (!cures.is_empty()).then(|| cures.join(", or "))
}
