//! What fits what, by a matrix of expectations and by what has to hold for anything that may be found.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use serde::Deserialize;
use trtbench::device::compatibility::{
    Arithmetic, ComputeCapability, Facts, Finding, Library, OnnxRuntime, Platform, PrecisionBy,
    Provider, Verdict, Version, Wish, judge, overall,
};

/// A row of tests/compatibility/matrix.csv, whose head says what the columns mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    card: String,
    capability: ComputeCapability,
    driver: String,
    cuda: String,
    cudnn: String,
    tensorrt: String,
    onnxruntime: String,
    nvrtc: String,
    provider: String,
    precision: String,
    opset: u32,
    verdict: String,
    words: String,
    source: String,
}

fn cases() -> Vec<Case> {
    let text = include_str!("compatibility/matrix.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().unwrap()
}

fn library(text: &str) -> Library {
    match text {
        "-" => Library::NotFound,
        "?" => Library::Unreadable,
        version => Library::Found(version.parse().unwrap()),
    }
}

impl Case {
    fn facts(&self) -> Facts {
        let linux = self.driver.strip_prefix('w');
        let driver = linux.unwrap_or(&self.driver);
        let runtime = self.onnxruntime.strip_prefix("cpu ");
        Facts {
            card: self.card.clone(),
            capability: self.capability,
            platform: if linux.is_some() { Platform::Windows } else { Platform::Linux },
            driver: Version::parse(driver),
            driver_cuda: driver.strip_prefix("cuda:").and_then(Version::parse),
            tensorrt: library(&self.tensorrt),
            cudnn: library(&self.cudnn),
            cuda_runtime: library(&self.cuda),
            nvrtc: library(if self.nvrtc.is_empty() { "-" } else { &self.nvrtc }),
            onnxruntime: OnnxRuntime {
                library: library(runtime.unwrap_or(&self.onnxruntime)),
                gpu: Some(runtime.is_none()),
            },
        }
    }

    fn wish(&self) -> Wish {
        let (arithmetic, by) = self.precision.split_once('-').unwrap_or((&self.precision, "graph"));
        Wish {
            provider: match self.provider.as_str() {
                "tensorrt" => Provider::TensorRt,
                "ort-cuda" => Provider::OrtCuda,
                "ort-tensorrt" => Provider::OrtTensorRt,
                other => panic!("provider {other}"),
            },
            arithmetic: match arithmetic {
                "fp32" => Arithmetic::Fp32,
                "fp16" => Arithmetic::Fp16,
                "int8" => Arithmetic::Int8,
                other => panic!("arithmetic {other}"),
            },
            precision_by: match by {
                "flag" => PrecisionBy::Flag,
                "graph" => PrecisionBy::Graph,
                other => panic!("precision by {other}"),
            },
            opset: Some(self.opset),
            own_kernels: !self.nvrtc.is_empty(),
        }
    }

    /// What is wrong with the answer.
    fn complaint(&self) -> Option<String> {
        let findings = judge(&self.facts(), &self.wish());
        let verdict = overall(&findings);
        let said = |finding: &Finding| {
            let decides = finding.verdict == verdict || verdict != Verdict::DoesNotFit;
            let cure = finding.cure.as_deref().unwrap_or_default();
            decides && (finding.words.contains(&self.words) || cure.contains(&self.words))
        };
        let right = verdict.to_string() == self.verdict && findings.iter().any(said);
        (!right).then(|| format!("{self:?}\nis answered: {verdict}, {findings:#?}"))
    }
}

#[test]
fn every_combination_of_the_matrix_is_answered_as_expected() {
    let complaints: Vec<String> = cases().iter().filter_map(Case::complaint).collect();
    assert!(complaints.is_empty(), "{}\n{} wrong", complaints.join("\n\n"), complaints.len());
}

#[test]
fn the_matrix_is_large_and_says_where_it_comes_from() {
    let cases = cases();
    assert!(cases.len() >= 48, "{}", cases.len());
    assert!(cases.iter().all(|case| !case.source.is_empty() && case.words.len() > 10));
    for verdict in ["fits", "unknown", "does not fit"] {
        assert!(cases.iter().filter(|case| case.verdict == verdict).count() > 10, "{verdict}");
    }
}

#[test]
fn every_finding_names_its_source_and_only_a_misfit_or_an_unknown_has_a_cure() {
    for case in cases() {
        for finding in judge(&case.facts(), &case.wish()) {
            assert!(finding.source.len() > 10 && !finding.words.is_empty(), "{finding:?}");
            assert!(!finding.subject.is_empty(), "{finding:?}");
            let may = matches!(finding.verdict, Verdict::DoesNotFit | Verdict::Unknown);
            assert!(may || finding.cure.is_none(), "{finding:?}");
        }
    }
}

#[test]
fn a_model_that_is_not_named_is_not_judged() {
    let case = &cases()[0];
    let wish = Wish { opset: None, ..case.wish() };
    let findings = judge(&case.facts(), &wish);
    assert_eq!(overall(&findings), Verdict::Fits);
    assert!(findings.iter().all(|finding| !finding.subject.contains("operator set")));
}

/// What a cure tells to install is taken for granted, and the answer has to be that it fits.
#[test]
fn the_tensorrt_that_a_cure_names_fits_the_card() {
    let mut cured = 0;
    for case in cases() {
        for finding in judge(&case.facts(), &case.wish()) {
            let named =
                finding.cure.as_deref().and_then(|cure| cure.strip_prefix("install TensorRT "));
            let Some(version) = named.and_then(Version::parse) else { continue };
            let tensorrt = Library::Found(version);
            let findings = judge(&Facts { tensorrt, ..case.facts() }, &case.wish());
            let on_card = findings
                .iter()
                .find(|finding| finding.subject.contains("on compute capability"))
                .unwrap();
            assert_eq!(on_card.verdict, Verdict::Fits, "{case:?} {on_card:?}");
            cured += 1;
        }
    }
    assert!(cured > 8, "{cured}");
}

fn version() -> impl Strategy<Value = Version> {
    // Versions that are known or nearly so, and any other.
    prop_oneof![
        prop::collection::vec(0_u32..700, 1..5),
        (8_u32..14, 0_u32..18, 0_u32..4).prop_map(|(a, b, c)| vec![a, b, c]),
        (Just(1_u32), 10_u32..45, 0_u32..4).prop_map(|(a, b, c)| vec![a, b, c]),
        prop::collection::vec(any::<u32>(), 1..4),
    ]
    .prop_map(|parts| {
        let words: Vec<String> = parts.iter().map(u32::to_string).collect();
        words.join(".").parse().unwrap()
    })
}

fn any_library() -> impl Strategy<Value = Library> {
    prop_oneof![
        1 => Just(Library::NotFound),
        1 => Just(Library::Unreadable),
        6 => version().prop_map(Library::Found),
    ]
}

fn any_capability() -> impl Strategy<Value = ComputeCapability> {
    prop_oneof![
        prop::sample::select(vec![(6, 1), (7, 0), (7, 5), (8, 6), (8, 7), (8, 9), (9, 0), (12, 0)]),
        (0_u32..20, 0_u32..10),
    ]
    .prop_map(|(major, minor)| ComputeCapability { major, minor })
}

prop_compose! {
    fn any_facts()(
        capability in any_capability(),
        windows in any::<bool>(),
        driver in prop::option::of(version()),
        driver_cuda in prop::option::of(version()),
        (tensorrt, cudnn, cuda_runtime) in (any_library(), any_library(), any_library()),
        (nvrtc, runtime) in (any_library(), any_library()),
        gpu in prop::option::of(any::<bool>()),
    ) -> Facts {
        Facts {
            card: "gpu:any".into(),
            capability,
            platform: if windows { Platform::Windows } else { Platform::Linux },
            driver,
            driver_cuda,
            tensorrt,
            cudnn,
            cuda_runtime,
            nvrtc,
            onnxruntime: OnnxRuntime { library: runtime, gpu },
        }
    }
}

prop_compose! {
    fn any_wish()(
        provider in prop::sample::select(vec![
            Provider::OrtCuda, Provider::OrtTensorRt, Provider::TensorRt,
        ]),
        arithmetic in prop::sample::select(vec![
            Arithmetic::Fp32, Arithmetic::Fp16, Arithmetic::Int8,
        ]),
        by_flag in any::<bool>(),
        opset in prop::option::of(0_u32..40),
        own_kernels in any::<bool>(),
    ) -> Wish {
        let precision_by = if by_flag { PrecisionBy::Flag } else { PrecisionBy::Graph };
        Wish { provider, arithmetic, precision_by, opset, own_kernels }
    }
}

/// A case of the matrix that fits, and what is asked there.
fn fitting() -> impl Strategy<Value = (Facts, Wish)> {
    let cases: Vec<(Facts, Wish)> = cases()
        .iter()
        .filter(|case| case.verdict == "fits")
        .map(|case| (case.facts(), case.wish()))
        .collect();
    prop::sample::select(cases)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_found_there_is_an_answer_with_reasons(facts in any_facts(), wish in any_wish()) {
        let findings = judge(&facts, &wish);
        prop_assert!(!findings.is_empty());
        prop_assert!(findings.iter().all(|finding| !finding.words.is_empty()));
    }

    #[test]
    fn any_text_is_a_version_or_none(text in ".{0,40}") {
        let version = Version::parse(&text);
        prop_assert!(version.is_none_or(|version| version.to_string().parse() == Ok(version)));
    }

    #[test]
    fn what_is_in_no_table_never_fits(
        (facts, wish) in fitting(),
        major in 14_u32..1000,
        minor in 0_u32..50,
        which in 0..6,
    ) {
        let new: Version = format!("{major}.{minor}.0").parse().unwrap();
        let mut facts = facts;
        match which {
            0 => {
                facts.tensorrt = Library::Found(new.clone());
                facts.onnxruntime.library = Library::Found(new);
            }
            1 => facts.capability = ComputeCapability { major, minor },
            2 => facts.cuda_runtime = Library::Found(new),
            3 => (facts.driver, facts.driver_cuda) = (None, None),
            4 => {
                facts.tensorrt = Library::Unreadable;
                facts.onnxruntime.library = Library::Unreadable;
            }
            _ => {
                let opset = Some(major + 30);
                let findings = judge(&facts, &Wish { opset, ..wish.clone() });
                prop_assert_eq!(overall(&findings), Verdict::Unknown);
                return Ok(());
            }
        }
        let findings = judge(&facts, &wish);
        prop_assert_ne!(overall(&findings), Verdict::Fits, "{:?} {:?}", facts, findings);
    }

    #[test]
    fn a_later_driver_never_turns_what_fits_into_what_does_not(
        facts in any_facts(),
        wish in any_wish(),
        later in version(),
    ) {
        let Some(driver) = &facts.driver else { return Ok(()) };
        prop_assume!(later > *driver);
        let after = Facts { driver: Some(later.clone()), ..facts.clone() };
        let rank = |facts: &Facts| match overall(&judge(facts, &wish)) {
            Verdict::DoesNotFit => 0,
            Verdict::Unknown | Verdict::Note => 1,
            Verdict::Fits => 2,
        };
        prop_assert!(rank(&facts) <= rank(&after), "{facts:?}, then {later}");
    }

    #[test]
    fn a_later_driver_keeps_what_fits(
        (facts, wish) in fitting(),
        major in 610_u32..2000,
        minor in 0_u32..200,
    ) {
        let driver = Some(format!("{major}.{minor}.1").parse().unwrap_or_else(|_| unreachable!()));
        let later = Facts { driver, ..facts };
        prop_assert_eq!(overall(&judge(&later, &wish)), Verdict::Fits);
    }
}
