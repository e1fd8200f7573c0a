//! Whether what is here fits what a cell asks of a card, by the tables of `device::compatibility`.
//! Gathers what the tables are asked about; loads nothing.

use crate::{
    device::{
        Gpu, Inventory,
        compatibility::{
            self, Confidence, Facts, Finding, OnnxRuntime, Platform, Provider, Verdict, Version,
            Wish, judge, overall,
        },
        libraries::{self, Library, LibraryKind},
    },
    engine::{Place, Runtime},
    os::{SearchPath, parse_printable, printable},
};
use std::path::{Path, PathBuf};

/// A source for what is seen in a library's own header.
const ELF: &str = "the dynamic section of the library itself";

/// What is on this machine that engines on cards need.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// Driver and cards.
    pub inventory: &'a Inventory,
    /// Libraries on the loader's path, and those that were named.
    pub libraries: Vec<Library>,
}

impl<'a> Surroundings<'a> {
    /// Looks for libraries; `named` are looked at too wherever they lie.
    pub fn look(inventory: &'a Inventory, named: &[PathBuf]) -> Self {
        Self { inventory, libraries: libraries::find(&SearchPath::system(), named) }
    }

    /// Judges one wish on one card. `name` is what a scenario calls it, `engine` what the engine has said
    /// it is.
    pub fn judge(
        &self,
        gpu: &Gpu,
        name: &str,
        place: &Place,
        engine: Option<&Runtime>,
        wish: &Wish,
    ) -> Vec<Finding> {
        let Some(cuda) = gpu.cuda else { return Vec::new() };
        let itself = wish.provider == Provider::TensorRt;
        let runtime = engine.filter(|_| !itself).and_then(library_of);
        let runtime = runtime.and_then(|path| self.at(&path));
        let tensorrt = engine.filter(|_| itself).map(|engine| {
            Version::parse(&engine.version)
                .map_or(compatibility::Library::Unreadable, compatibility::Library::Found)
        });
        let facts = |tensorrt, cudnn, cuda_runtime| Facts {
            card: name.to_owned(),
            capability: cuda.capability,
            platform: if cfg!(windows) { Platform::Windows } else { Platform::Linux },
            driver: self.inventory.driver.as_deref().and_then(Version::parse),
            driver_cuda: self.inventory.cuda.and_then(|cuda| Version::parse(&cuda.to_string())),
            tensorrt,
            cudnn,
            cuda_runtime,
            nvrtc: self.loaded(LibraryKind::Nvrtc).remove(0),
            onnxruntime: OnnxRuntime {
                library: runtime.map_or(compatibility::Library::NotFound, told),
                gpu: runtime.map(Library::has_cuda_provider),
            },
        };
        // Several versions may lie side by side under names of their own; each asks for its own.
        let mut best: Option<Vec<Finding>> = None;
        for tensorrt in tensorrt.map_or_else(|| self.tensorrt(place), |one| vec![one]) {
            for cudnn in self.loaded(LibraryKind::Cudnn) {
                for runtime in self.cuda() {
                    let facts = facts(tensorrt.clone(), cudnn.clone(), runtime);
                    let findings = judge(&facts, wish);
                    if best.as_ref().is_none_or(|best| rank(&findings) < rank(best)) {
                        best = Some(findings);
                    }
                }
            }
        }
        let mut findings = best.unwrap_or_default();
        findings.extend(runtime.and_then(|runtime| lacks(runtime, wish.provider)));
        let itself = engine.filter(|_| itself && wish.opset.is_some());
        findings.extend(itself.and_then(|engine| self.lacks_parser(engine)));
        findings
    }

    /// The library at that path.
    fn at(&self, path: &Path) -> Option<&Library> {
        let real = std::fs::canonicalize(path).ok()?;
        self.libraries.iter().find(|library| library.path.0 == path || library.real_path.0 == real)
    }

    /// The TensorRT that was named, else those that the loader finds.
    fn tensorrt(&self, place: &Place) -> Vec<compatibility::Library> {
        match &place.device_options.tensorrt_library {
            Some(path) => vec![self.at(path).map_or(compatibility::Library::NotFound, told)],
            None => self.loaded(LibraryKind::Tensorrt),
        }
    }

    /// Whether TensorRT's parser of ONNX is there, beside its library or where the loader looks.
    fn lacks_parser(&self, engine: &Runtime) -> Option<Finding> {
        let major = Version::parse(&engine.version)?.major();
        let library = library_of(engine)?;
        let real = std::fs::canonicalize(&library).ok()?;
        let name = format!("libnvonnxparser.so.{major}");
        let beside = [&library, &real].iter().any(|path| path.with_file_name(&name).exists());
        if beside || SearchPath::system().resolve(&name, &[]).is_some() {
            return None;
        }
        Some(Finding {
            verdict: Verdict::DoesNotFit,
            subject: format!("the ONNX parser of TensorRT {}", engine.version),
            words: format!(
                "{name} lies neither beside {} nor where the loader looks",
                printable(&library)
            ),
            cure: Some("install it from the same package, or give a built engine".to_owned()),
            source: ELF,
            confidence: Confidence::Confirmed,
        })
    }

    /// CUDA's runtime, or, where a library brings its own within it, cuBLAS, which is of a CUDA too.
    fn cuda(&self) -> Vec<compatibility::Library> {
        let runtimes = self.loaded(LibraryKind::CudaRuntime);
        match runtimes.as_slice() {
            [compatibility::Library::NotFound] => self.loaded(LibraryKind::Cublas),
            _ => runtimes,
        }
    }

    /// All of a kind that the loader finds; that there is none is one answer too.
    fn loaded(&self, kind: LibraryKind) -> Vec<compatibility::Library> {
        let usable = |library: &&Library| {
            library.kind == kind && library.on_loader_path && library.problem.is_none()
        };
        let found: Vec<_> = self.libraries.iter().filter(usable).map(told).collect();
        if found.is_empty() { vec![compatibility::Library::NotFound] } else { found }
    }
}

/// The library that an engine has loaded.
pub fn library_of(engine: &Runtime) -> Option<PathBuf> {
    Some(parse_printable(engine.library.as_ref()?))
}

fn told(library: &Library) -> compatibility::Library {
    let version = library.version.as_ref().and_then(|version| Version::parse(&version.text));
    version.map_or(compatibility::Library::Unreadable, compatibility::Library::Found)
}

fn rank(findings: &[Finding]) -> u8 {
    match overall(findings) {
        Verdict::Fits | Verdict::Note => 0,
        Verdict::Unknown => 1,
        Verdict::DoesNotFit => 2,
    }
}

/// What ONNX Runtime's provider needs and does not find, by its own header.
fn lacks(runtime: &Library, provider: Provider) -> Option<Finding> {
    let name = match provider {
        Provider::OrtCuda => "cuda",
        Provider::OrtTensorRt => "tensorrt",
        Provider::TensorRt => return None,
    };
    let found = runtime.providers.iter().find(|provider| provider.name == name)?;
    let words = match (&found.problem, found.missing.as_slice()) {
        (Some(problem), _) => problem.clone(),
        (None, []) => return None,
        (None, missing) => {
            format!("it needs, and the loader does not find: {}", missing.join("; "))
        }
    };
    Some(Finding {
        verdict: Verdict::DoesNotFit,
        subject: format!("ONNX Runtime's {name} provider, {}", found.path),
        words,
        cure: Some(
            "install what is missing (CUDA, cuDNN, for the TensorRT provider TensorRT), or add its \
             folder to LD_LIBRARY_PATH"
                .to_owned(),
        ),
        source: ELF,
        confidence: Confidence::Confirmed,
    })
}

/// Why a cell cannot run, if the tables or the libraries say that it cannot: every reason with its
/// cure.
pub fn obstacle(findings: &[Finding]) -> Option<String> {
    let against = findings.iter().filter(|finding| finding.verdict == Verdict::DoesNotFit);
    let reasons: Vec<String> = against
        .map(|finding| match &finding.cure {
            Some(cure) => format!("{}; what helps: {cure}", finding.sentence()),
            None => finding.sentence(),
        })
        .collect();
    (!reasons.is_empty()).then(|| reasons.join(". "))
}
