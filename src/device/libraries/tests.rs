//! What is found in folders of libraries made for the test.

use super::*;
use crate::os::elf::{
    Dynamic,
    sample::{self, file},
};
use std::{fs, os::unix::fs::symlink};

/// A search path of one folder that the loader searches and one that it does not.
fn search(root: &Path) -> SearchPath {
    SearchPath {
        first: vec![root.join("lib")],
        elsewhere: vec![root.join("cuda/lib64")],
        ..SearchPath::default()
    }
}

/// A GPU build of ONNX Runtime as its wheel lays it out.
fn runtime(folder: &Path) -> PathBuf {
    let said = Dynamic {
        machine: std::env::consts::ARCH.into(),
        soname: Some("libonnxruntime.so.1".into()),
        versions: vec!["libonnxruntime.so.1".into(), "VERS_1.26.0".into()],
        ..Dynamic::default()
    };
    let shared = sample::library("libonnxruntime_providers_shared.so", &[]);
    file(folder, "libonnxruntime_providers_shared.so", &shared);
    let needed = ["libcudart.so.12", "libcudnn.so.9", "ld-linux-x86-64.so.2"];
    let cuda = sample::library("libonnxruntime_providers_cuda.so", &needed);
    file(folder, "libonnxruntime_providers_cuda.so", &cuda);
    file(folder, "libonnxruntime.so.1.26.0", &sample::bytes(&said))
}

#[test]
fn one_file_is_one_library_told_of_by_the_name_that_others_ask_for() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("lib");
    let real = file(&folder, "libnvinfer.so.10.3.0", &sample::library("libnvinfer.so.10", &[]));
    for link in ["libnvinfer.so", "libnvinfer.so.10"] {
        symlink(&real, folder.join(link)).unwrap();
    }
    file(&folder, "libnvinfer_lean.so.10", b"");
    let found = find(&search(root.path()), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    let library = &found[0];
    assert_eq!(library.kind, LibraryKind::Tensorrt);
    assert_eq!(library.path.0, folder.join("libnvinfer.so.10"));
    assert_eq!(library.soname.as_deref(), Some("libnvinfer.so.10"));
    assert!(library.on_loader_path && library.problem.is_none());
    let version = library.version.as_ref().unwrap();
    assert_eq!((version.text.as_str(), version.source), ("10.3.0", VersionSource::FileName));
}

#[test]
fn a_library_that_lacks_the_name_it_is_asked_for_is_not_on_the_loader_s_path() {
    let root = tempfile::tempdir().unwrap();
    let library = sample::library("libcudnn.so.9", &[]);
    file(&root.path().join("lib"), "libcudnn.so.9.5.1", &library);
    let found = find(&search(root.path()), &[]);
    assert!(!found[0].on_loader_path, "{found:?}");
}

#[test]
fn extra_folders_and_files_are_looked_at_and_broken_ones_stay_in_the_list() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let folder = root.join("mine");
    file(&folder, "libcudart.so.12", &sample::library("libcudart.so.12", &[]));
    let named = file(&root.join("other"), "libcuda.so.1", b"no library");
    let ignored = file(&root.join("other"), "libfoo.so.1", b"");
    let found = find(&search(root), &[folder, named, ignored]);
    let kinds: Vec<LibraryKind> = found.iter().map(|library| library.kind).collect();
    assert_eq!(kinds, [LibraryKind::CudaDriver, LibraryKind::CudaRuntime]);
    assert!(found[0].problem.as_ref().unwrap().contains("no ELF header"));
    assert!(found.iter().all(|library| !library.on_loader_path && library.version.is_none()));
}

#[test]
fn an_onnx_runtime_tells_its_version_its_providers_and_what_they_lack() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    file(&root.join("lib"), "libcudart.so.12", &sample::library("libcudart.so.12", &[]));
    // Without a version in its name it is told from the symbols.
    let real = runtime(&root.join("ort"));
    fs::rename(real, root.join("ort/libonnxruntime.so")).unwrap();
    let found = find(&search(root), &[root.join("ort")]);
    let library = found.iter().find(|library| library.kind == LibraryKind::OnnxRuntime).unwrap();
    let version = library.version.as_ref().unwrap();
    assert_eq!((version.text.as_str(), version.source), ("1.26.0", VersionSource::Content));
    assert!(library.has_cuda_provider());
    let [shared, cuda] = &library.providers[..] else { panic!("{library:?}") };
    assert_eq!((shared.name.as_str(), cuda.name.as_str()), ("shared", "cuda"));
    assert!(shared.missing.is_empty());
    assert_eq!(cuda.missing, ["libcudnn.so.9"]);
}

#[test]
fn what_is_missing_is_followed_through_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let library = file(root, "liba.so", &sample::library("liba.so", &["libb.so.1", "libe.so.1"]));
    assert_eq!(missing_for(&library, &search(root)), ["libb.so.1", "libe.so.1"]);
    // Found by its own folder, in turn with one.
    let b = Dynamic {
        machine: std::env::consts::ARCH.into(),
        needed: vec!["libc.so.1".into(), "libd.so.1".into()],
        run_path: vec!["$ORIGIN/deep".into()],
        ..Dynamic::default()
    };
    file(&root.join("lib"), "libb.so.1", &sample::bytes(&b));
    file(&root.join("lib/deep"), "libc.so.1", &sample::library("libc.so.1", &["libb.so.1"]));
    file(&root.join("cuda/lib64"), "libd.so.1", &sample::library("libd.so.1", &[]));
    file(&root.join("lib"), "libe.so.1", b"cut");
    let missing = missing_for(&library, &search(root));
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(missing[0].starts_with("libe.so.1 (") && missing[0].contains("cannot be used"));
    assert!(missing[1].starts_with("libd.so.1 (") && missing[1].contains("does not search"));
    assert!(missing_for(&root.join("none.so"), &search(root)).is_empty());
}

#[test]
fn an_answer_survives_json_and_says_how_a_version_is_known() {
    let root = tempfile::tempdir().unwrap();
    runtime(&root.path().join("lib"));
    let found = find(&search(root.path()), &[]);
    let text = serde_json::to_string(&found).unwrap();
    assert!(text.contains(r#""kind":"onnx_runtime""#), "{text}");
    assert!(text.contains(r#""version":{"text":"1.26.0","source":"file_name"}"#), "{text}");
    assert_eq!(serde_json::from_str::<Vec<Library>>(&text).unwrap(), found);
}
