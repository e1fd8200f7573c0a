//! ONNX Runtime: is it a build for this CUDA and cuDNN, does its CUDA provider have device code for
//! the card, does its TensorRT provider find the TensorRT it loads.

use super::{
    Facts, Finding, Library, Opsets, Provider, Verdict, Version, Wish, cuda, cudnn,
    tables::{self, NO_ROW, OnnxRuntime, TensorRt},
    tensorrt,
};
use std::cmp::Ordering;

/// The oldest operator set that every release reads:
/// <https://onnxruntime.ai/docs/reference/compatibility.html>.
const OLDEST_OPSET: u32 = 7;

/// A release as it was found.
struct Release {
    name: String,
    /// Its builds for one or another CUDA.
    builds: Vec<&'static OnnxRuntime>,
    /// The build for the CUDA that was found, or else the first.
    row: &'static OnnxRuntime,
}

/// All about an engine that is one of its GPU providers.
pub fn judge(facts: &Facts, wish: &Wish) -> Vec<Finding> {
    let release = match found(facts, wish) {
        Ok(release) => release,
        Err(finding) => return std::iter::once(finding).chain(cuda::driver(facts, &[])).collect(),
    };
    let Release { name, row, .. } = &release;
    let mut findings = vec![gpu_build(facts, name, row)];
    findings.extend(libraries(facts, wish, &release));
    match wish.provider {
        Provider::OrtTensorRt => findings.extend(tensorrt_provider(facts, wish, name, row)),
        Provider::OrtCuda | Provider::TensorRt => findings.push(kernels(facts, name, row)),
    }
    let (known, possible) = (OLDEST_OPSET..=row.max_opset, row.max_opset);
    findings.extend(Opsets { known, possible, evidence: row.evidence() }.judge(wish.opset, name));
    findings
}

/// What a release makes of an operator set, alone.
pub fn alone(version: &Version, opset: u32) -> Vec<Finding> {
    let name = format!("ONNX Runtime {version}");
    let Some(row) = OnnxRuntime::builds(version).first().copied() else {
        return vec![unlisted(version, &name)];
    };
    let (known, possible) = (OLDEST_OPSET..=row.max_opset, row.max_opset);
    let opsets = Opsets { known, possible, evidence: row.evidence() };
    opsets.judge(Some(opset), &name).into_iter().collect()
}

fn found(facts: &Facts, wish: &Wish) -> Result<Release, Finding> {
    let subject = format!("ONNX Runtime for compute capability {}", facts.capability);
    let version = match &facts.onnxruntime.library {
        Library::Found(version) => version,
        Library::NotFound => {
            let finding = NO_ROW.says(Verdict::DoesNotFit, &subject, "ONNX Runtime was not found");
            return Err(finding.cured_by(install(facts, wish)));
        }
        Library::Unreadable => {
            let words = "the version of the ONNX Runtime that is there is not known";
            return Err(NO_ROW.says(Verdict::Unknown, &subject, words));
        }
    };
    let builds = OnnxRuntime::builds(version);
    let served = builds.iter().find(|row| is_for(row, &facts.cuda_runtime));
    match served.or(builds.first()).copied() {
        Some(row) => Ok(Release { name: format!("ONNX Runtime {version}"), builds, row }),
        None => Err(unlisted(version, &subject)),
    }
}

fn unlisted(version: &Version, subject: &str) -> Finding {
    let rows = tables::onnxruntime();
    let ends = rows.first().zip(rows.last());
    let ends = ends.map(|(first, last)| format!("{} to {}", first.version, last.version));
    let words = format!(
        "ONNX Runtime {version} is not in the table, which has releases of {}",
        ends.unwrap_or_default()
    );
    NO_ROW.says(Verdict::Unknown, subject, words)
}

fn is_for(row: &OnnxRuntime, cuda: &Library) -> bool {
    matches!(cuda, Library::Found(version) if version.major() == row.cuda.major())
}

fn install(facts: &Facts, wish: &Wish) -> Option<String> {
    match wish.provider {
        Provider::OrtTensorRt => with_tensorrt(facts, wish),
        Provider::OrtCuda | Provider::TensorRt => with_kernels(facts).map(|row| named(facts, row)),
    }
}

fn named(facts: &Facts, row: &OnnxRuntime) -> String {
    format!(
        "install the GPU build of ONNX Runtime {} (for CUDA {}) and name it by ort_library in \
         [device.\"{}\"] (`trtbench fetch runtime --gpu` has some)",
        row.version,
        row.cuda.major(),
        facts.card
    )
}

fn gpu_build(facts: &Facts, name: &str, row: &'static OnnxRuntime) -> Finding {
    let (verdict, words) = match facts.onnxruntime.gpu {
        Some(true) => (Verdict::Fits, "it is a build with GPU providers"),
        Some(false) => (Verdict::DoesNotFit, "it is a build for CPUs: it has no GPU provider"),
        None => (Verdict::Unknown, "whether it is a build with GPU providers is not known"),
    };
    let cure = (verdict == Verdict::DoesNotFit).then(|| named(facts, row));
    row.evidence().says(verdict, name, words).cured_by(cure)
}

/// CUDA, the driver for it, and cuDNN.
fn libraries(facts: &Facts, wish: &Wish, release: &Release) -> Vec<Finding> {
    let Release { name, builds, row } = release;
    let majors: Vec<u32> = builds.iter().map(|row| row.cuda.major()).collect();
    let evidence = row.evidence();
    let instead = instead(facts);
    let build = cuda::Build { name, majors: &majors, separate: Some(true), instead, evidence };
    let mut findings = vec![cuda::build(facts, build)];
    findings.extend(cuda::driver(facts, &majors));
    let linked = row.linked || wish.provider == Provider::OrtTensorRt;
    let need = cudnn::Need { name, version: &row.cudnn, linked, evidence };
    findings.extend(cudnn::judge(facts, need));
    findings
}

/// The newest release for the card that is built for the CUDA that was found.
fn instead(facts: &Facts) -> Option<String> {
    let fits =
        |row: &&OnnxRuntime| row.has_kernels(facts.capability) && is_for(row, &facts.cuda_runtime);
    tables::onnxruntime()
        .iter()
        .rfind(fits)
        .map(|row| format!("ONNX Runtime {} ({})", row.version, row.place))
}

fn kernels(facts: &Facts, name: &str, row: &'static OnnxRuntime) -> Finding {
    let card = facts.capability;
    let subject = format!("{name}'s CUDA provider on compute capability {card}");
    let known = tables::capability(card);
    if known.is_some_and(|known| known.integrated) {
        let words = "the table has builds for desktops and servers, not for systems on a chip";
        return row.on_kernels().says(Verdict::Unknown, &subject, words);
    }
    if row.has_kernels(card) {
        let words = format!("it has device code for compute capability {card}");
        return row.on_kernels().says(Verdict::Fits, &subject, words);
    }
    let newest = with_kernels(facts);
    if row.is_too_new_for(card) {
        let last = newest.map(|row| format!("; ONNX Runtime {} is the last that has", row.version));
        let words = format!(
            "it has no device code for compute capability {card}{}",
            last.unwrap_or_default()
        );
        let finding = row.on_kernels().says(Verdict::DoesNotFit, &subject, words);
        return finding.cured_by(newest.map(|row| named(facts, row)));
    }
    let words = format!(
        "it has no device code for compute capability {card}; whether the driver can compile some \
         when it is loaded is not in the table"
    );
    row.on_kernels()
        .says(Verdict::Unknown, &subject, words)
        .cured_by(newest.map(|row| named(facts, row)))
}

/// The newest release whose CUDA provider has device code for the card, if possible for a CUDA that
/// the driver does not refuse.
pub fn with_kernels(facts: &Facts) -> Option<&'static OnnxRuntime> {
    let rows = || tables::onnxruntime().iter().filter(|row| row.has_kernels(facts.capability));
    let served = rows().rfind(|row| !cuda::is_refused(facts, row.cuda.major()));
    served.or_else(|| rows().next_back())
}

/// The newest release and the TensorRT it loads that support the card, in words.
pub fn with_tensorrt(facts: &Facts, wish: &Wish) -> Option<String> {
    let pair = |row: &'static OnnxRuntime| {
        let tensorrt = tensorrt::newest(facts, wish, Some(row.tensorrt.major()))?;
        // An older one than it was compiled against is not known to serve.
        let serves = tensorrt.from.against(&row.tensorrt) != Ordering::Less;
        (serves && !cuda::is_refused(facts, row.cuda.major())).then_some((row, tensorrt))
    };
    tables::onnxruntime().iter().rev().find_map(pair).map(|(row, tensorrt)| {
        format!("{}, and TensorRT {} where the loader finds it", named(facts, row), tensorrt.from)
    })
}

fn tensorrt_provider(
    facts: &Facts,
    wish: &Wish,
    name: &str,
    row: &'static OnnxRuntime,
) -> Vec<Finding> {
    let (version, tensorrt) = match tensorrt::found(facts, wish) {
        Ok(found) => found,
        Err(finding) => return vec![finding],
    };
    let mut findings = vec![loads(facts, wish, name, row, (version, tensorrt))];
    findings.extend(tensorrt::model(facts, wish, version, tensorrt));
    findings
}

/// Whether the provider loads the TensorRT that was found.
fn loads(
    facts: &Facts,
    wish: &Wish,
    name: &str,
    row: &'static OnnxRuntime,
    (version, tensorrt): (&Version, &TensorRt),
) -> Finding {
    let subject = format!("{name}'s TensorRT provider with TensorRT {version}");
    let needed = &row.tensorrt;
    let file = TensorRt::of(needed).map(|row| row.file(facts.windows())).unwrap_or_default();
    let words = format!("{name} loads {file} and was compiled against TensorRT {needed}");
    if version.major() != needed.major() {
        let words =
            format!("{words}; found {version}, which is {}", tensorrt.file(facts.windows()));
        let cure = tensorrt::newest(facts, wish, Some(needed.major()))
            .map(|row| format!("install TensorRT {} where the loader finds it", row.from))
            .or_else(|| with_tensorrt(facts, wish));
        return row.on_tensorrt().says(Verdict::DoesNotFit, &subject, words).cured_by(cure);
    }
    if version.against(needed) == Ordering::Less {
        let words = format!("{words}; whether the older {version} serves is not in the table");
        return row.on_tensorrt().says(Verdict::Unknown, &subject, words);
    }
    row.on_tensorrt().says(Verdict::Fits, &subject, format!("{words}; found {version}"))
}
