//! ONNX files that are damaged or were made to do harm. Each ends in an error that names what is wrong,
//! soon and with little memory.

use super::{
    common::{Sandbox, program},
    inspected, onnx,
    onnx::{FLOAT, INT64, initialiser, message, model, number, operator, shape_of, text, value},
};
use std::{
    fs,
    time::{Duration, Instant},
};

/// `y = x + w` with `w` of that shape in another file.
pub fn beside(location: &str, offset: u64, length: u64, dims: &[u64]) -> Vec<u8> {
    let entries: Vec<u8> = [
        ("location", location.to_owned()),
        ("offset", offset.to_string()),
        ("length", length.to_string()),
    ]
    .iter()
    .flat_map(|(key, word)| message(13, &[text(1, key), text(2, word)].concat()))
    .collect();
    let dims: Vec<u8> = dims.iter().flat_map(|&length| number(1, length)).collect();
    let weight = [dims, number(2, FLOAT), text(8, "w"), entries, number(14, 1)].concat();
    adding(&message(5, &weight))
}

/// `y = x + w` with whatever declares `w`.
fn adding(weights: &[u8]) -> Vec<u8> {
    let graph = [
        message(1, &operator("Add", &["x", "w"], "y")),
        text(2, "adding"),
        weights.to_vec(),
        message(11, &value("x", FLOAT, &shape_of(&[Some(2)]))),
        message(12, &value("y", FLOAT, &shape_of(&[Some(2)]))),
    ];
    model(&graph.concat())
}

#[test]
fn shapes_that_no_memory_holds_are_an_error() {
    let huge = adding(&message(5, &initialiser("w", FLOAT, &[1 << 62, 1 << 62], &[0; 4])));
    inspected("m.onnx", &huge).1.fails(2, &["m.onnx", "\"w\"", "no memory holds"]);
    let more = adding(&message(5, &initialiser("w", FLOAT, &[1 << 63], &[0; 4])));
    inspected("m.onnx", &more).1.fails(2, &["\"w\"", "no memory holds"]);
    let short = adding(&message(5, &initialiser("w", FLOAT, &[1_000_000], &[0; 4])));
    inspected("m.onnx", &short).1.fails(2, &["\"w\"", "[1000000]", "4 bytes"]);
}

#[test]
fn weights_elsewhere_on_the_machine_are_refused_and_never_opened() {
    for place in ["../secret", "/etc/passwd", "a/../../secret", ".."] {
        let ran = inspected("m.onnx", &beside(place, 0, 8, &[2])).1;
        ran.fails(2, &["outside its own folder", "refused"]);
    }
    inspected("m.onnx", &beside("w.bin", 0, 8, &[2])).1.fails(2, &["weights are missing", "w.bin"]);
    inspected("m.onnx", &beside("m.onnx", 0, 8, &[2])).1.fails(2, &["in itself"]);
    inspected("m.onnx", &beside("./m.onnx", 0, 8, &[2])).1.fails(2, &["in itself"]);
}

#[test]
fn weights_beyond_their_file_or_over_one_another_are_an_error() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("w.bin"), [0; 16]).unwrap();
    let inspect = |bytes: &[u8]| {
        fs::write(sandbox.path("m.onnx"), bytes).unwrap();
        sandbox.run(&["inspect", "m.onnx"])
    };
    inspect(&beside("w.bin", 12, 8, &[2])).fails(2, &["cut off", "16 bytes", "20 are needed"]);
    inspect(&beside("w.bin", u64::MAX, 8, &[2])).fails(2, &["\"w\""]);
    inspect(&beside("w.bin", 0, 4, &[2])).fails(2, &["\"w\"", "[2]", "4 bytes"]);
    let entry = |offset: &str| {
        let words = [("location", "w.bin"), ("offset", offset), ("length", "8")];
        let entries: Vec<u8> = words
            .iter()
            .flat_map(|(key, word)| message(13, &[text(1, key), text(2, word)].concat()))
            .collect();
        let weight = [number(1, 2), number(2, FLOAT), text(8, &format!("w{offset}")), entries];
        message(5, &weight.concat())
    };
    inspect(&adding(&[entry("0"), entry("4")].concat())).fails(2, &["overlaps", "\"w4\""]);
    inspect(&adding(&[entry("0"), entry("8")].concat())).succeeds();
    // The same place twice is one tensor under two names.
    let tied = inspect(&adding(&[entry("0"), entry("0")].concat()));
    assert!(tied.succeeds().out.contains("8 B"), "{}", tied.out);
}

#[test]
fn graphs_in_graphs_are_read_to_a_depth_and_no_deeper() {
    let mut body = message(12, &value("y", FLOAT, b""));
    for _ in 0..2_000 {
        let branch = [text(1, "then_branch"), message(6, &body), number(20, 5)].concat();
        let node = [operator("If", &["c"], "y"), message(5, &branch)].concat();
        body = [message(1, &node), message(12, &value("y", FLOAT, b""))].concat();
    }
    inspected("m.onnx", &model(&body)).1.fails(2, &["nested deeper"]);
}

#[test]
fn what_is_cut_off_anywhere_is_an_error_and_never_a_crash() {
    let whole = onnx::quantised_convolution();
    let sandbox = Sandbox::new();
    for length in (0..whole.len()).step_by(37) {
        fs::write(sandbox.path("m.onnx"), &whole[..length]).unwrap();
        sandbox.run(&["inspect", "m.onnx"]).fails(2, &["error: the model m.onnx"]);
    }
}

#[test]
fn graphs_that_go_in_circles_come_to_an_end() {
    let graph = [
        message(1, &operator("Add", &["x", "b"], "a")),
        message(1, &operator("Relu", &["a"], "b")),
        text(2, "circle"),
        message(5, &initialiser("w", INT64, &[1], &[0; 8])),
        message(11, &value("x", FLOAT, &shape_of(&[Some(2)]))),
        message(12, &value("b", FLOAT, &shape_of(&[Some(2)]))),
    ];
    let began = Instant::now();
    let (_sandbox, ran) = inspected("m.onnx", &model(&graph.concat()));
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn names_that_a_terminal_would_obey_are_shown_instead() {
    let graph = [
        message(1, &operator("\u{1b}[2J", &["x"], "y")),
        text(2, "escape"),
        message(11, &value("x\u{1b}]0;title\u{7}", FLOAT, &shape_of(&[Some(2)]))),
        message(12, &value("y", FLOAT, &shape_of(&[Some(2)]))),
    ];
    let (_sandbox, ran) = inspected("m.onnx", &model(&graph.concat()));
    assert!(!ran.succeeds().out.contains('\u{1b}'), "{:?}", ran.out);
}

#[test]
fn what_is_no_file_is_named() {
    let sandbox = Sandbox::new();
    sandbox.run(&["inspect", "nowhere.onnx"]).fails(2, &["nowhere.onnx"]);
    sandbox.run(&["inspect", "."]).fails(2, &["is no file"]);
    fs::write(sandbox.path("empty.onnx"), b"").unwrap();
    sandbox.run(&["inspect", "empty.onnx"]).fails(2, &["empty.onnx", "empty"]);
    sandbox.run(&["diff", "empty.onnx", "empty.onnx"]).fails(2, &["empty.onnx"]);
    let mut bare = program(&sandbox.path(""));
    assert_eq!(bare.arg("inspect").output().unwrap().status.code(), Some(2));
}
