//! Bad models, images, libraries, disks and names: a clear error that names the thing and the
//! cure, before any measuring where that is possible, and nothing lost.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
use common::{FAST, Ran, Sandbox, program, scenario, skip};
use std::{fs, path::Path, process::Command};
use trtbench::cpu::{InstructionSet, Instructions};

/// A protobuf field with content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// A protobuf field with a number below 2^14.
fn number(field: u8, value: u16) -> Vec<u8> {
    vec![field << 3, value as u8 | 0x80, (value >> 7) as u8]
}

/// An input or output; 0 stands for a dynamic dimension.
fn value(name: &str, dims: &[u16]) -> Vec<u8> {
    let dim = |&n: &u16| match n {
        0 => field(1, &field(2, b"n")),
        n => field(1, &number(1, n)),
    };
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    let tensor = [number(1, 1), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

/// An ONNX file that has a signature and one FP32 weight, and would fail to run.
fn onnx(input: &[u16], outputs: &[(&str, &[u16])]) -> Vec<u8> {
    let weight = [number(1, 100), number(2, 1), field(8, b"w")].concat();
    let mut graph = [field(5, &weight), field(11, &value("images", input))].concat();
    for (name, dims) in outputs {
        graph.extend(field(12, &value(name, dims)));
    }
    [number(1, 8), field(8, &number(2, 13)), field(7, &graph)].concat()
}

const YOLO: &[(&str, &[u16])] = &[("output0", &[1, 10, 1344])];

/// Runs the scenario with engine `rten` and the given axes on a model of these bytes.
fn run_model(bytes: &[u8], axes: &str) -> (Ran, Sandbox) {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("shapes.onnx"), bytes).unwrap();
    sandbox.scenario("s.toml", &scenario("rten", axes, FAST));
    (sandbox.run(&["run", "s.toml", "--out", "r"]), sandbox)
}

/// The same is refused by `run` and nothing is left behind.
#[track_caller]
fn model_refused(bytes: &[u8], axes: &str, parts: &[&str]) {
    let (ran, sandbox) = run_model(bytes, axes);
    ran.fails(2, parts);
    assert!(!sandbox.path("r").exists());
}

#[test]
fn an_empty_truncated_or_garbage_model_is_named() {
    model_refused(b"", "", &["shapes.onnx", "empty", "again"]);
    let whole = onnx(&[0, 3, 256, 256], YOLO);
    model_refused(&whole[..whole.len() - 9], "", &["shapes.onnx", "truncated", "again"]);
    model_refused(&[0xff; 300], "", &["shapes.onnx", "no usable ONNX file"]);
    model_refused(b"hello, I am a text file\n", "", &["shapes.onnx", "no usable ONNX file"]);
}

/// A model whose one weight lies in another file, 100 bytes from its 50th on.
fn with_external(location: &str) -> Vec<u8> {
    let entry = |key: &str, text: &str| {
        field(13, &[field(1, key.as_bytes()), field(2, text.as_bytes())].concat())
    };
    let place = [entry("location", location), entry("offset", "50"), entry("length", "100")];
    let weight = [number(1, 25), number(2, 1), field(8, b"w"), place.concat()].concat();
    let graph = [field(5, &weight), field(12, &value("o", &[1, 2]))].concat();
    field(7, &graph)
}

#[test]
fn weights_in_a_missing_short_or_foreign_file_are_refused() {
    model_refused(&with_external("w.bin"), "", &["weights are missing", "w.bin"]);
    let (_, sandbox) = run_model(&with_external("w.bin"), "");
    fs::write(sandbox.path("w.bin"), [0; 149]).unwrap();
    sandbox
        .run(&["run", "s.toml", "--out", "r"])
        .fails(2, &["cut off", "149 bytes", "150 are needed"]);
    model_refused(&with_external("shapes.onnx"), "", &["beside it, in itself"]);
    for outside in ["../w.bin", "/etc/passwd"] {
        model_refused(&with_external(outside), "", &["outside its own folder", outside]);
    }
}

#[test]
fn names_from_a_model_give_no_orders_to_the_terminal() {
    let hostile = onnx(&[0, 3, 256, 256], &[("\x1b[2J\x07name", &[1, 2])]);
    let (ran, _) = run_model(&hostile, "");
    ran.fails(2, &["\\u{1b}[2J", "does not fit"]);
    assert!(!ran.err.contains('\x1b'));
}

#[test]
fn a_family_that_does_not_fit_lists_what_was_expected_and_found() {
    let picodet = onnx(&[1, 3, 416, 416], &[("scores", &[1, 100, 80]), ("boxes", &[1, 100, 32])]);
    let parts = ["`shapes`", "yolov8", "expected", "found", "scores float32 [1, 100, 80]"];
    model_refused(&picodet, "", &parts);
}

#[test]
fn a_batch_that_the_model_has_fixed_otherwise_is_refused_with_the_reason() {
    let fixed = onnx(&[1, 3, 256, 256], YOLO);
    let parts = ["no cell can run", "fixed at 1", "8 was asked for", "batch = [1]"];
    model_refused(&fixed, "batch = [8]", &parts);
    // Beside a batch that fits it is skipped, and the others run.
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("shapes.onnx"), fixed).unwrap();
    sandbox.scenario("s.toml", &scenario("rten", "batch = [1, 8]", FAST));
    let json = sandbox.run(&["check", "s.toml", "--json"]).succeeds().json();
    let skipped = json["scenarios"][0]["skipped"].as_array().unwrap().clone();
    assert_eq!(skipped.len(), 1, "{json:#}");
    assert!(skipped[0]["reason"].as_str().unwrap().contains("fixed at 1"));
}

#[test]
fn a_precision_that_the_model_has_not_is_refused_with_the_reason() {
    let parts = ["fp16 is asked for", "are fp32", "exported in fp16"];
    model_refused(&onnx(&[0, 3, 256, 256], YOLO), "precision = [\"fp16\"]", &parts);
}

#[test]
fn an_engine_that_knows_no_cards_is_refused_with_the_reason() {
    let parts = ["computes on the CPU alone", "engine `ort`"];
    model_refused(&onnx(&[0, 3, 256, 256], YOLO), "device = [\"gpu:all\"]", &parts);
}

#[test]
fn a_model_that_no_engine_can_run_fails_with_the_engines_words() {
    let (ran, sandbox) = run_model(&onnx(&[0, 3, 256, 256], YOLO), "");
    ran.fails(1, &["failed"]);
    let csv = fs::read_to_string(sandbox.path("r/results.csv")).unwrap();
    assert!(csv.contains(",failed,") && csv.contains("shapes.onnx"), "{csv}");
}

#[test]
fn a_corrupt_jpeg_is_named_before_any_measuring() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    let image = sandbox.path("images/shape_003.jpg");
    let whole = fs::read(&image).unwrap();
    for bad in [&whole[..whole.len() / 2], b"no image at all", b""] {
        fs::write(&image, bad).unwrap();
        let ran = sandbox.run(&["run", "null.toml", "--out", "r"]);
        ran.fails(2, &["shape_003.jpg", "cannot be decoded", "remove or replace it"]);
        assert!(!sandbox.path("r").exists());
    }
}

/// A scenario with this key in `[host]` is refused before any measuring.
#[track_caller]
fn host_refused(key: &str, parts: &[&str]) {
    let sandbox = Sandbox::new();
    sandbox.null_scenario(&format!("[host]\n{key}\n"));
    sandbox.run(&["check", "null.toml"]).fails(2, parts);
    sandbox.run(&["run", "null.toml", "--out", "r"]).fails(2, parts);
    assert!(!sandbox.path("r").exists());
}

#[test]
fn unknown_decoders_and_instructions_are_named_with_the_known_ones() {
    host_refused("decoder = \"mozjpeg\"", &["host.decoder", "mozjpeg", "zune", "turbojpeg"]);
    host_refused("instructions = \"mmx\"", &["host.instructions", "mmx", "portable", "avx512"]);
    host_refused("turbo = true", &["host.turbo", "`decoder`", "`instructions`"]);
}

#[cfg(not(feature = "turbojpeg"))]
#[test]
fn a_decoder_that_is_not_built_is_refused_with_the_cure() {
    let parts = ["host.decoder = \"turbojpeg\"", "--features turbojpeg", "decoder = \"zune\""];
    host_refused("decoder = \"turbojpeg\"", &parts);
}

#[test]
fn instructions_that_the_processor_lacks_are_refused_with_the_cure() {
    for set in InstructionSet::ALL {
        if Instructions::named(set).is_err() {
            let key = format!("instructions = \"{set}\"");
            host_refused(&key, &[&format!("host.{key}"), "leave the key out"]);
        }
    }
}

#[test]
fn a_missing_or_foreign_onnx_runtime_is_refused_with_the_cure() {
    let sandbox = Sandbox::new();
    let text = scenario("ort", "", FAST);
    sandbox.scenario("s.toml", &text);
    let run = |extra: &[&str]| sandbox.run(&[&["run", "s.toml", "--out", "r"], extra].concat());
    fs::write(sandbox.path("shapes.onnx"), onnx(&[0, 3, 256, 256], YOLO)).unwrap();
    run(&[]).fails(2, &["ONNX Runtime", "trtbench fetch runtime"]);
    run(&["--ort-library", "gone.so"]).fails(2, &["gone.so"]);
    fs::write(sandbox.path("text.so"), "a text file").unwrap();
    run(&["--ort-library", "text.so"]).fails(2, &["text.so"]);
    if cfg!(target_os = "linux") {
        fs::write(sandbox.path("other.so"), foreign_elf()).unwrap();
        run(&["--ort-library", "other.so"]).fails(2, &["other.so", "built for"]);
    }
    let by_environment = program(&sandbox.path("."))
        .args(["run", "s.toml", "--out", "r"])
        .env("ORT_DYLIB_PATH", sandbox.path("gone-too.so"))
        .output();
    Ran::from(by_environment.unwrap()).fails(2, &["gone-too.so"]);
    assert!(!sandbox.path("r").exists());
}

/// The header of a shared library for a machine that this is not.
fn foreign_elf() -> Vec<u8> {
    let mut header = vec![0_u8; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[16] = 3;
    // EM_S390.
    header[18] = 22;
    header
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    sandbox.null_scenario("");
    fs::write(sandbox.path("file"), "").unwrap();
    sandbox.run(&["run", "null.toml", "--out", "file/r"]).fails(2, &["file/r", "--out"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_run_and_what_was_measured_stays() {
    let sandbox = Sandbox::new();
    let text = scenario("null", "batch = [1]", &FAST.replace("launches = 2", "launches = 400"));
    sandbox.scenario("s.toml", &text);
    fs::create_dir(sandbox.path("small")).unwrap();
    let small = sandbox.path("small");
    let script = format!(
        "mount -t tmpfs -o size=400k none {0} || exit 99\n\
         {1} run s.toml --out {0}/r --quiet; code=$?\n\
         cp -r {0}/r kept; exit $code",
        small.display(),
        env!("CARGO_BIN_EXE_trtbench"),
    );
    let mut command = Command::new("unshare");
    command.args(["-r", "-m", "sh", "-c", &script]).current_dir(sandbox.path("."));
    let ran = Ran::from(command.output().unwrap());
    if ran.code == Some(99) || ran.err.contains("unshare failed") {
        return skip("full disk: this system lets no test mount a file system of its own");
    }
    ran.fails(2, &["what was measured is kept", "--resume", "small/r"]);
    let run = trtbench::store::Run::read(&sandbox.path("kept")).unwrap();
    assert!(!run.launches.is_empty());
    let cells = trtbench::analysis::cells(&run);
    assert_eq!(cells[0].measured, run.launches.len());
}

#[cfg(unix)]
#[test]
fn names_with_spaces_quotes_newlines_and_other_bytes_work_everywhere() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let strange = std::ffi::OsStr::from_bytes(b"a 'b' \"c\"\n\xff\\");
    let folder = sandbox.path(".").join(strange);
    fs::create_dir(&folder).unwrap();
    fs::create_dir(folder.join("images")).unwrap();
    for n in 0..3 {
        let name = [strange.as_bytes(), format!("{n}.jpg").as_bytes()].concat();
        let image = sandbox.path(&format!("images/shape_00{n}.jpg"));
        fs::copy(image, folder.join("images").join(std::ffi::OsStr::from_bytes(&name))).unwrap();
    }
    fs::copy(sandbox.path("shapes.onnx"), folder.join("shapes.onnx")).unwrap();
    let text = scenario("null", "", FAST).replace("\"images\"", "\"images/*.jpg\"");
    fs::write(folder.join("s.toml"), text).unwrap();
    let run = |verb: &str, paths: &[&Path]| {
        let mut command = program(&sandbox.path("."));
        Ran::from(command.arg(verb).args(paths).output().unwrap())
    };
    let (scenario, out) = (folder.join("s.toml"), folder.join("out"));
    run("run", &[&scenario, Path::new("--save-detections"), Path::new("--out"), &out]).succeeds();
    let read = trtbench::store::Run::read(&out).unwrap();
    assert_eq!(read.info.images.len(), 3);
    assert!(read.info.images.iter().all(|image| image.path.0.is_file()));
    run("report", &[&out]).succeeds();
    run("compare", &[&out, &out]).succeeds();
    fs::write(folder.join("images").join(std::ffi::OsStr::from_bytes(b"\xfe.jpg")), "x").unwrap();
    let refused = run("run", &[&scenario, Path::new("--out"), &folder.join("again")]);
    refused.fails(2, &["\\xfe.jpg", "cannot be decoded"]);
}
