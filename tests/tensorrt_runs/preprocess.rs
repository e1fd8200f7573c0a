//! Pre-processing on the card before an engine of TensorRT: the images travel, the project's kernel
//! computes, and TensorRT's stand-in runs after it in the same stream.

use super::{
    Machine, common,
    host_kernels::{HostKernels, computing},
    measured, new, old,
    simulated::{assert_all_freed, assert_preprocessed, card_of, two_cards},
    times::inference,
};
use trtbench::store::Run;

#[test]
fn images_travel_and_are_preprocessed_in_the_time_that_the_card_says_to_the_nanosecond() {
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    let script = computing(&kernels, two_cards());
    for (releases, keys) in [
        (["8.6.1", "10.13.0"], ""),
        (["8.5.3", "11.1.0"], "transfers = \"pageable\""),
        (["8.6.1", "11.4.0"], "streams = 3\nwait = \"block\"\ncuda_graph = true"),
    ] {
        let keys_with = format!("preprocess = \"gpu\"\n{keys}");
        let mut machine = Machine::with_axes(&script, releases, "batch = [1, 2]", &keys_with);
        machine.finds(&kernels);
        let ran = machine.run("out", &[]);
        ran.succeeds();
        let launches = super::launches(&machine.sandbox);
        assert_eq!(launches.len(), 8, "two cards, two batches, two launches: {}", ran.out);
        let info = Run::read(&machine.sandbox.path("out")).unwrap().info;
        for launch in &launches {
            let release = releases[usize::from(launch.record.device.uuid == new().uuid)];
            assert_eq!(measured(launch).facts.runtime.version, release);
            let card = card_of(launch, &script.cards);
            let gathered = !keys.contains("pageable");
            assert_preprocessed(launch, card, &info, inference(card), gathered);
        }
        let notes: Vec<&String> = info.cells.iter().flat_map(|cell| &cell.notes).collect();
        assert!(notes.iter().any(|note| note.contains("preprocess is the card's")), "{notes:?}");
        assert_all_freed(&machine.doubles);
        assert_eq!(machine.doubles.ledger().unexpected(), Vec::<&str>::new());
    }
}

#[test]
fn a_kernel_that_crashes_fails_the_launches_of_its_card_alone() {
    let Some(kernels) = HostKernels::or_skip(common::skip) else { return };
    let fault = trtbench_double_script::Fault::cuda("cuLaunchKernel", 719);
    let script = computing(&kernels, two_cards()).fault(fault.on(&old().uuid).from(6).sticky());
    let mut machine = Machine::new(&script, "preprocess = \"gpu\"");
    machine.finds(&kernels);
    machine.run("out", &[]).fails(1, &["719"]);
    assert_eq!(machine.failures_on(&old()).len(), 4);
    assert_eq!(machine.launches_on(&new()).iter().map(measured).count(), 4);
}
