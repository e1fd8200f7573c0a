//! Outputs whose shapes depend on what is computed, as with NMS in the graph: TensorRT asks for their
//! memory while it runs, and what it found is decoded. Fixed shapes are in the files beside.

use super::{Machine, measured, new, old, onnx, script, simulated::assert_all_freed};
use trtbench_double_script::{Entry, Script};

/// A run of a model of PaddleDetection's that finds so many rows, on both cards.
fn finding(found: u8) -> Machine {
    let script = Script { found, ..script().with_calls() };
    let machine = Machine::with_axes(&script, super::RELEASES, "batch = [1]", "");
    let path = machine.sandbox.path("cards.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("shapes.onnx", "finding.onnx").replace("yolov8", "ppyoloe");
    std::fs::write(path, text).unwrap();
    std::fs::write(machine.sandbox.path("finding.onnx"), onnx::finding()).unwrap();
    machine
}

#[test]
fn rows_of_any_number_are_fetched_and_decoded_on_both_majors() {
    for found in [0, 1, 4, 200] {
        let machine = finding(found);
        machine.run("out", &[]).succeeds();
        for card in [old(), new()] {
            let launches = machine.launches_on(&card);
            assert_eq!(launches.len(), 2, "{found} found on {}", card.name);
            assert!(launches.iter().all(|launch| measured(launch).iterations >= 3));
        }
        let ledger = machine.doubles.ledger();
        let allocated = ledger.lines.iter().filter(|line| {
            matches!(&line.entry, Entry::Call { method, .. } if method == "setOutputAllocator")
        });
        assert_eq!(allocated.count(), 4, "once in each launch");
        assert_all_freed(&machine.doubles);
    }
}
