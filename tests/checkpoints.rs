//! Checkpoints that torch, Lightning, safetensors and Paddle wrote (`scripts/checkpoints/make.py`),
//! against what these libraries say is in them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use trtbench::model::{
    anatomy::{Anatomy, Role, SectionKind, Weight},
    checkpoint::{Precision, lean_bytes, write_lean},
    inspect, sha256,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints")
}

/// What the libraries say, by file.
fn truth() -> serde_json::Map<String, Value> {
    let text = fs::read(folder().join("truth.json")).unwrap();
    match serde_json::from_slice(&text).unwrap() {
        Value::Object(files) => files,
        other => panic!("{other}"),
    }
}

fn role(word: &Value) -> Role {
    match word.as_str().unwrap() {
        "model" => Role::Model,
        "ema" => Role::Ema,
        "optimizer" => Role::Optimizer,
        "other" => Role::Other,
        unknown => panic!("{unknown}"),
    }
}

fn lengths(shape: &Value) -> Vec<u64> {
    shape.as_array().unwrap().iter().map(|length| length.as_u64().unwrap()).collect()
}

/// Bytes under all headings and under that of weights agree with the file and its weights.
fn assert_sums(anatomy: &Anatomy, path: &Path) {
    let sections = anatomy.by_section();
    let all: u64 = sections.iter().map(|section| section.1).sum();
    assert_eq!(all, fs::metadata(path).unwrap().len(), "{}: {sections:?}", path.display());
    let weights = sections.iter().find(|section| section.0 == SectionKind::Weights).unwrap().1;
    let held: u64 = anatomy.weights.iter().map(|weight| weight.bytes).sum();
    assert_eq!(weights, held, "{}", path.display());
}

fn role_bytes(anatomy: &Anatomy, role: Role) -> u64 {
    anatomy.weights.iter().filter(|weight| weight.role == role).map(|weight| weight.bytes).sum()
}

#[test]
fn every_file_holds_what_the_library_that_wrote_it_says() {
    for (file, said) in truth() {
        let path = folder().join(&file);
        let anatomy = inspect(&path).unwrap();
        assert_sums(&anatomy, &path);
        let key = |weight: &Weight| (weight.role, weight.name.clone());
        let mut found: BTreeMap<_, _> = anatomy.weights.iter().map(|w| (key(w), w)).collect();
        for weight in said["weights"].as_array().unwrap() {
            let name = weight["name"].as_str().unwrap();
            let found = found.remove(&(role(&weight["role"]), name.to_owned()));
            let found = found.unwrap_or_else(|| panic!("{file}: {weight} among {found:?}"));
            let dtype = weight["dtype"].as_str().unwrap().replace('_', "");
            assert_eq!(found.dtype.to_string(), dtype, "{file}: {name}");
            assert_eq!(found.shape, lengths(&weight["shape"]), "{file}: {name}");
        }
        // TorchScript also keeps what no state dictionary has.
        found.retain(|(role, _), _| *role != Role::Other);
        assert!(found.is_empty(), "{file}: {found:?}");
    }
}

#[test]
fn bytes_that_tensors_share_count_once_and_those_of_none_are_told() {
    let views = inspect(&folder().join("views.pt")).unwrap();
    let said = truth()["views.pt"]["rest"].clone();
    assert_eq!(role_bytes(&views, Role::Model), said["bytes"]["model"].as_u64().unwrap());
    let unreferenced = (SectionKind::Unreferenced, said["unreferenced"].as_u64().unwrap());
    assert!(views.by_section().contains(&unreferenced), "{:?}", views.by_section());
    let shared = inspect(&folder().join("shared.pt")).unwrap();
    assert!(role_bytes(&shared, Role::Model) > 0);
    assert_eq!(role_bytes(&shared, Role::Ema), 0, "the average is the model's own storage");
}

#[test]
fn a_lean_file_has_the_size_that_safetensors_gives_it_and_the_same_numbers() {
    let out = tempfile::tempdir().unwrap();
    for (file, said) in truth() {
        let source = folder().join(&file);
        let anatomy = inspect(&source).unwrap();
        let model = anatomy.weights.iter().any(|weight| weight.role == Role::Model);
        let role = if model { "model" } else { "ema" };
        if !model && !anatomy.weights.iter().any(|weight| weight.role == Role::Ema) {
            assert!(lean_bytes(&anatomy, None, Precision::F32).is_err(), "{file}");
            continue;
        }
        for (precision, word) in [
            (Precision::AsStored, "stored"),
            (Precision::F32, "float32"),
            (Precision::F16, "float16"),
        ] {
            let lean = out.path().join(format!("{file}.{word}.safetensors"));
            let predicted = lean_bytes(&anatomy, None, precision).unwrap();
            let written = write_lean(&anatomy, &source, &lean, None, precision).unwrap();
            assert_eq!(predicted, written, "{file} as {word}");
            if let Some(size) = said["rest"]["lean"][word].as_u64() {
                assert_eq!(written.0, size, "{file} as {word}");
            }
            let bytes = fs::read(&lean).unwrap();
            assert_eq!(written.0, bytes.len() as u64);
            let read = inspect(&lean).unwrap();
            for weight in said["weights"].as_array().unwrap() {
                if weight["role"] != role {
                    continue;
                }
                let expected = weight.get(word).unwrap_or(&weight["stored"]).as_str().unwrap();
                let found = read.weights.iter().find(|found| weight["name"] == *found.name);
                let place = found.unwrap().place.unwrap();
                let from = place.offset as usize;
                let digest = sha256(&bytes[from..from + place.bytes as usize]);
                assert!(digest.starts_with(expected), "{file} as {word}: {weight}");
            }
        }
    }
}

#[test]
fn what_half_precision_has_no_room_for_is_named_and_not_written() {
    let (source, out) = (folder().join("wide.pt"), tempfile::tempdir().unwrap());
    let path = out.path().join("wide.safetensors");
    let anatomy = inspect(&source).unwrap();
    let error = write_lean(&anatomy, &source, &path, None, Precision::F16).unwrap_err();
    assert!(error.to_string().contains("weight (1)"), "{error}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn remarks_say_whether_a_file_is_complete_and_what_is_there_to_resume_training() {
    let remarks = |file: &str| inspect(&folder().join(file)).unwrap().remarks.join(" ");
    let full = remarks("training.pt");
    assert!(
        full.contains("Complete for inference")
            && full.contains("backbone, neck and head are present."),
        "{full}"
    );
    assert!(full.contains("only needed to resume training"), "{full}");
    assert!(remarks("backbone.pth").contains("No tensor of a head"), "{}", remarks("backbone.pth"));
    assert!(remarks("average.pt").contains("the average is the model"));
    assert!(remarks("model.pdparams").contains("Backbone and head are present"));
    assert!(remarks("model.pdopt").contains("no weights of a network"));
    let lightning = inspect(&folder().join("lightning.ckpt")).unwrap();
    assert_eq!(lightning.producer.as_deref(), Some("pytorch-lightning 1.9.5"));
    for (file, _) in truth() {
        assert!(!remarks(&file).contains("unpickling"), "{file}: {}", remarks(&file));
    }
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    for file in ["half.pth", "legacy.pth", "model.safetensors", "protocol2.pdparams", "model.pdopt"]
    {
        let path = out.path().join(file);
        fs::copy(folder().join(file), &path).unwrap();
        let copy = fs::File::options().write(true).open(&path).unwrap();
        for length in (1..copy.metadata().unwrap().len()).rev() {
            copy.set_len(length).unwrap();
            assert!(inspect(&path).is_err(), "{file} with {length} bytes");
        }
    }
}

#[test]
fn a_file_with_any_byte_changed_is_read_or_refused_and_never_a_panic() {
    let out = tempfile::tempdir().unwrap();
    for file in ["half.pth", "legacy.pth", "protocol2.pdparams", "model.pdopt", "views.pt"] {
        let whole = fs::read(folder().join(file)).unwrap();
        let path = out.path().join(file);
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            if let Ok(anatomy) = inspect(&path) {
                assert_eq!(anatomy.by_section().iter().map(|s| s.1).sum::<u64>(), anatomy.bytes());
            }
        }
    }
}

/// The predicted size of `full`'s lean file in half precision is within 1 % of `stripped`.
fn assert_stripped(folder: &Path, full: &str, stripped: &str) {
    let anatomy = inspect(&folder.join(full)).unwrap();
    let predicted = lean_bytes(&anatomy, None, Precision::F16).unwrap().0 as f64;
    let size = fs::metadata(folder.join(stripped)).unwrap().len() as f64;
    assert!((predicted / size - 1.0).abs() < 0.01, "{full}: {predicted} for {size}");
}

#[test]
fn the_reference_checkpoints_are_told_apart_and_sum_to_the_byte() {
    let Some(folder) = std::env::var_os("TRTBENCH_REFERENCE") else {
        println!("SKIPPED: set TRTBENCH_REFERENCE to a folder with the checkpoints to read them");
        return;
    };
    let folder = Path::new(&folder).join("checkpoints");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files {
        let anatomy = inspect(&path).unwrap();
        assert_sums(&anatomy, &path);
        let remarks = anatomy.remarks.join(" ");
        assert!(remarks.contains("backbone, neck and head are present"), "{path:?}: {remarks}");
        assert!(!remarks.contains("unpickling"), "{path:?}: {remarks}");
        let training = path.to_string_lossy().contains("full");
        for role in [Role::Ema, Role::Optimizer] {
            assert_eq!(role_bytes(&anatomy, role) > 0, training, "{path:?} {role:?}");
        }
        assert!(role_bytes(&anatomy, Role::Model) > 2_000_000, "{path:?}");
    }
    assert_stripped(&folder, "yolov8s_full_train.pt", "yolov8s_fp16stripped2.pt");
}
