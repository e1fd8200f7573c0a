//! CUDA: does the driver serve it, is it the one that a library is built for, does its NVRTC compile
//! for the card. Knows no library above it.

use super::{
    ComputeCapability, Facts, Finding, Library, Verdict, Version,
    findings::Evidence,
    listed,
    tables::{self, Cuda, NO_ROW},
};

/// How a driver stands to a major version of CUDA.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Serves,
    Refuses,
    Unknown,
}

/// Whether the driver serves the CUDA that will be used: the runtime's that was found, or else one of
/// `majors`. A note comes with it when the driver is older than the toolkit's own.
pub fn driver(facts: &Facts, majors: &[u32]) -> Vec<Finding> {
    let runtime = match &facts.cuda_runtime {
        Library::Found(version) => Some(version),
        Library::NotFound | Library::Unreadable => None,
    };
    let majors = runtime.map_or_else(|| majors.to_vec(), |version| vec![version.major()]);
    if majors.is_empty() {
        return Vec::new();
    }
    let mut findings = vec![floor(facts, &majors)];
    findings.extend(runtime.and_then(|version| older_than_toolkit(facts, version)));
    findings
}

fn floor(facts: &Facts, majors: &[u32]) -> Finding {
    let subject = format!("{} for CUDA {}", driver_name(facts), listed(majors));
    let standings: Vec<Standing> = majors.iter().map(|&major| standing(facts, major)).collect();
    let all = |standing| standings.iter().all(|&each| each == standing);
    let rows: Vec<&Cuda> = majors.iter().filter_map(|&major| Cuda::of_major(major)).collect();
    let (Some(row), true) = (rows.first(), rows.len() == majors.len()) else {
        let words = format!("which driver CUDA {} needs is not in the table", listed(majors));
        return NO_ROW.says(Verdict::Unknown, &subject, words);
    };
    let floors: Vec<String> = rows.iter().map(|row| floor_words(row, facts)).collect();
    let verdict = if all(Standing::Serves) {
        Verdict::Fits
    } else if all(Standing::Refuses) {
        Verdict::DoesNotFit
    } else {
        Verdict::Unknown
    };
    let words = format!("{}; found {}", floors.join(", "), driver_name(facts));
    let oldest = row.floor(facts.windows());
    let cure = format!("install driver {oldest} or later, or libraries for an older CUDA");
    let cure = (verdict == Verdict::DoesNotFit).then_some(cure);
    row.on_driver().says(verdict, &subject, words).cured_by(cure)
}

fn floor_words(row: &Cuda, facts: &Facts) -> String {
    format!("CUDA {} needs driver {} or later", row.cuda.major(), row.floor(facts.windows()))
}

fn driver_name(facts: &Facts) -> String {
    match (&facts.driver, &facts.driver_cuda) {
        (Some(driver), _) => format!("driver {driver}"),
        (None, Some(cuda)) => format!("a driver for CUDA {cuda}"),
        (None, None) => "a driver of unknown version".into(),
    }
}

/// By the driver's version, and by what it says itself where that is all there is. Where both are
/// known and contradict each other (a forward compatibility package), nothing is known.
fn standing(facts: &Facts, major: u32) -> Standing {
    let says = facts.driver_cuda.as_ref().map(|cuda| cuda.major() >= major);
    let row = Cuda::of_major(major);
    let by_version =
        facts.driver.as_ref().zip(row).map(|(d, row)| d.at_least(row.floor(facts.windows())));
    match (by_version, says) {
        (Some(Some(true)), _) | (None, Some(true)) => Standing::Serves,
        (Some(Some(false)), Some(false) | None) | (None, Some(false)) => Standing::Refuses,
        _ => Standing::Unknown,
    }
}

/// Whether the driver, by all that is known, refuses `major`.
pub fn is_refused(facts: &Facts, major: u32) -> bool {
    standing(facts, major) == Standing::Refuses
}

fn older_than_toolkit(facts: &Facts, runtime: &Version) -> Option<Finding> {
    let row = Cuda::of(&runtime.release())?;
    let own = row.driver(facts.windows())?;
    let driver = facts.driver.as_ref()?;
    (driver.at_least(own) == Some(false)).then(|| {
        let words = format!(
            "older than {own}, which CUDA {} came with: programs run (minor-version compatibility), \
             but code that the driver has to compile (PTX) is refused",
            row.cuda
        );
        let subject = format!("driver {driver} for CUDA {}", row.cuda);
        row.on_driver().says(Verdict::Note, &subject, words)
    })
}

/// A library that is built for certain major versions of CUDA.
pub struct Build<'a> {
    /// The library with its version.
    pub name: &'a str,
    /// Major versions that it is built for.
    pub majors: &'a [u32],
    /// Whether it needs CUDA's own libraries beside it; none if that is not known.
    pub separate: Option<bool>,
    /// The version of the library that would serve the CUDA that was found, if there is one.
    pub instead: Option<String>,
    /// Where this comes from.
    pub evidence: Evidence,
}

/// Whether the CUDA runtime that was found is one that the library is built for.
pub fn build(facts: &Facts, build: Build<'_>) -> Finding {
    let Build { name, majors, separate, instead, evidence } = build;
    let needs = format!("{name} is built for CUDA {}", listed(majors));
    let subject = format!("{name} with the CUDA runtime");
    let install = || install(facts, majors);
    let version = match &facts.cuda_runtime {
        Library::Found(version) => version,
        Library::NotFound if separate == Some(true) => {
            let words = format!("{needs}; no CUDA runtime was found");
            return evidence.says(Verdict::DoesNotFit, &subject, words).cured_by(install());
        }
        Library::NotFound => {
            let words = format!(
                "{needs}; no CUDA runtime was found, and whether it is needed is not in the table"
            );
            return evidence.says(Verdict::Unknown, &subject, words).cured_by(install());
        }
        Library::Unreadable => {
            let words = format!("{needs}; the version of the CUDA runtime is not known");
            return evidence.says(Verdict::Unknown, &subject, words);
        }
    };
    let words = format!("{needs}; found CUDA {version}");
    if majors.contains(&version.major()) {
        return evidence.says(Verdict::Fits, &subject, words);
    }
    if Cuda::of_major(version.major()).is_none() {
        let words = format!("{words}, which is not in the table");
        return NO_ROW.says(Verdict::Unknown, &subject, words);
    }
    let cure = std::iter::once(install()).chain(instead).collect::<Vec<_>>().join(", or ");
    evidence.says(Verdict::DoesNotFit, &subject, words).cured_by(cure)
}

/// The libraries to install, and the driver if what is there refuses them.
fn install(facts: &Facts, majors: &[u32]) -> String {
    let major = best(facts, majors);
    let row = Cuda::of_major(major).filter(|_| is_refused(facts, major));
    let driver = row.map(|row| format!(" and driver {} or later", row.floor(facts.windows())));
    format!("install the libraries of CUDA {major}{}", driver.unwrap_or_default())
}

/// The latest of `majors` that the driver does not refuse; if it refuses all, the latest.
fn best(facts: &Facts, majors: &[u32]) -> u32 {
    let served = majors.iter().rfind(|&&major| !is_refused(facts, major));
    served.or(majors.last()).copied().unwrap_or_default()
}

/// Whether NVRTC compiles for the card.
pub fn compiler(facts: &Facts) -> Finding {
    let card = facts.capability;
    let subject = format!("kernels for compute capability {card}");
    let install = newest_compiler(facts)
        .map(|cuda| format!("install NVRTC {cuda}, or do without: preprocess = \"cpu\""));
    let version = match &facts.nvrtc {
        Library::Found(version) => version,
        Library::NotFound => {
            let words = "NVRTC, which compiles them, was not found";
            return NO_ROW.says(Verdict::DoesNotFit, &subject, words).cured_by(install);
        }
        Library::Unreadable => {
            let words = "the version of NVRTC, which compiles them, is not known";
            return NO_ROW.says(Verdict::Unknown, &subject, words);
        }
    };
    let row = Cuda::of(&version.release()).filter(|row| !row.nvrtc.is_empty());
    let Some(row) = row else {
        let words = format!("what NVRTC {version} compiles for is not in the table");
        return NO_ROW.says(Verdict::Unknown, &subject, words);
    };
    if row.nvrtc.contains(&card) {
        let words = format!("NVRTC {version} compiles for compute capability {card}");
        return row.on_nvrtc().says(Verdict::Fits, &subject, words);
    }
    let words = format!("NVRTC {version} does not compile for compute capability {card}");
    let verdict = if is_known(card) { Verdict::DoesNotFit } else { Verdict::Unknown };
    row.on_nvrtc().says(verdict, &subject, words).cured_by(install)
}

/// Whether any NVRTC of the table compiles for it.
fn is_known(card: ComputeCapability) -> bool {
    tables::cuda().iter().any(|row| row.nvrtc.contains(&card))
}

/// The latest toolkit whose NVRTC compiles for the card and that the driver does not refuse.
fn newest_compiler(facts: &Facts) -> Option<&'static Version> {
    let compiles = |row: &&Cuda| row.nvrtc.contains(&facts.capability);
    let rows = || tables::cuda().iter().filter(compiles);
    let served = rows().rfind(|row| !is_refused(facts, row.cuda.major()));
    served.or_else(|| rows().next_back()).map(|row| &row.cuda)
}
