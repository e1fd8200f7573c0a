//! Precision: by flags and calibration in 8 and 10, by the graph alone in 11.

use super::{Machine, measured, new, old, script};
use trtbench::scenario::Precision;

const AXES: &str = "precision = [\"fp32\", \"fp16\", \"int8\"]";

#[test]
fn flags_and_a_calibration_on_the_images_make_lower_precisions() {
    let machine = Machine::with_axes(&script().with_calls(), super::RELEASES, AXES, "");
    machine.run("out", &[]).succeeds();
    for card in [old(), new()] {
        let launches = machine.launches_on(&card);
        assert_eq!(launches.len(), 6, "three precisions, two launches");
        for launch in &launches {
            let executed = measured(launch).facts.executed_precision;
            assert_eq!(executed, Some(launch.record.cell.precision));
        }
    }
    let calls = machine.doubles.ledger().calls();
    let calibrated = calls.iter().filter(|call| call.contains("::setInt8Calibrator")).count();
    assert_eq!(calibrated, 2, "once on each card");
}

#[test]
fn where_the_graph_decides_cells_of_another_precision_are_skipped_with_the_cure() {
    let machine = Machine::with_axes(&script(), ["8.6.1", "11.1.0"], AXES, "");
    let ran = machine.run("out", &[]);
    ran.succeeds();
    assert!(ran.out.contains("has neither precision flags nor calibrators"), "{}", ran.out);
    let precisions: Vec<Precision> =
        machine.launches_on(&new()).iter().map(|launch| launch.record.cell.precision).collect();
    assert_eq!(precisions, [Precision::Fp32; 2]);
    assert_eq!(machine.launches_on(&old()).len(), 6);
}

#[test]
fn on_the_processor_it_is_skipped_with_the_reason() {
    let machine = Machine::new(&script(), "");
    let ran = machine.run("out", &["--set", "matrix.device=\"cpu\""]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("computes on NVIDIA's cards alone"), "{said}");
}
