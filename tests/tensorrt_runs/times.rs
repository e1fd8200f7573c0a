//! Times to the nanosecond, whatever the keys, the batch and the release.

use super::{
    Machine,
    common::root,
    measured, script,
    simulated::{assert_all_freed, card_of},
};
use trtbench::{store::Launch, tensor::Dim, timing::Span};
use trtbench_double_script::{Card, Script};

/// Layers of an engine of the stand-in, each a kernel.
const LAYERS: u64 = 4;

/// Bytes of the demo model's input and output, per image.
fn bytes() -> [u64; 2] {
    let model = trtbench::model::open(&root().join("scenarios/models/shapes.onnx")).unwrap();
    let io = &model.signature.io;
    [&io.inputs[0], &io.outputs[0]].map(|tensor| {
        let fixed = |dim: &Dim| match dim {
            Dim::Fixed(length) => *length as u64,
            Dim::Dynamic(_) => 1,
        };
        tensor.dims.as_ref().unwrap().iter().map(fixed).product::<u64>() * 4
    })
}

/// Nanoseconds that an inference takes where the layers take as long as any kernel.
pub fn inference(card: &Card) -> u64 {
    LAYERS * card.timing.kernel_ns + card.timing.memset_ns
}

/// Asserts that every iteration has the times that its card says.
pub fn assert_times(launches: &[Launch], cards: &[Card], transfers: bool) {
    let [input, output] = bytes();
    for launch in launches {
        let card = card_of(launch, cards);
        let timing = &card.timing;
        let batch = u64::from(launch.record.cell.batch);
        let moved = transfers.then_some(());
        let upload = moved.map(|()| timing.host_to_device.duration_ns(batch * input));
        let download = moved.map(|()| timing.device_to_host.duration_ns(batch * output));
        let inference = inference(card);
        assert!(launch.samples.len() >= 3);
        for sample in &launch.samples {
            let span = |span| sample.span(span).map(|time| time.0);
            assert_eq!(span(Span::HostToDevice), upload);
            assert_eq!(span(Span::Inference), Some(inference));
            assert_eq!(span(Span::DeviceToHost), download);
            assert!(span(Span::Enqueue).is_some() && span(Span::Preprocess).is_some());
        }
    }
}

#[test]
fn stages_on_each_card_take_the_time_that_the_card_says_to_the_nanosecond() {
    let all = Script::with_cards(super::simulated::two_cards());
    for (releases, keys, transfers) in [
        (["8.6.1", "10.13.0"], "", true),
        (["8.5.3", "11.1.0"], "transfers = \"pageable\"", true),
        (["8.6.1", "10.0.1"], "transfers = \"none\"", false),
        (["8.6.0", "11.4.0"], "streams = 3", true),
        (["8.6.1", "10.16.1"], "wait = \"block\"\nprofile = \"range\"", true),
        (["8.6.1", "11.0.0"], "cuda_graph = true", true),
    ] {
        let machine = Machine::with_axes(&all, releases, "batch = [1, 2]", keys);
        let ran = machine.run("out", &[]);
        ran.succeeds();
        let launches = super::launches(&machine.sandbox);
        assert_eq!(launches.len(), 8, "two cards, two batches, two launches: {}", ran.out);
        for launch in &launches {
            let facts = &measured(launch).facts;
            let release = releases[usize::from(launch.record.device.uuid == super::new().uuid)];
            assert_eq!(facts.runtime.version, release);
            let built = facts.build.as_ref().unwrap();
            let again = keys.contains("range") && launch.record.cell.batch == 2;
            assert!(built.took.is_some() && built.bytes.0 > 28 && built.kept == again);
        }
        assert_times(&launches, &all.cards, transfers);
        assert_all_freed(&machine.doubles);
        assert_eq!(machine.doubles.ledger().unexpected(), Vec::<&str>::new());
    }
}

#[test]
fn contexts_share_a_batch_in_streams_of_their_own() {
    let all = Script::with_cards(super::simulated::two_cards());
    for keys in ["contexts = 2", "contexts = 4\nstreams = 3"] {
        let machine = Machine::with_axes(&all, ["8.6.1", "11.1.0"], "batch = [4]", keys);
        machine.run("out", &[]).succeeds();
        let launches = super::launches(&machine.sandbox);
        assert_eq!(launches.len(), 4, "two cards, two launches");
        // At the same time: as long as one of them.
        assert_times(&launches, &all.cards, true);
        assert_all_freed(&machine.doubles);
    }
    // The stand-in plays what is in a graph one after the other.
    let machine = Machine::with_axes(
        &all,
        ["8.6.1", "11.1.0"],
        "batch = [2]",
        "contexts = 2\ncuda_graph = true",
    );
    machine.run("out", &[]).succeeds();
    for launch in super::launches(&machine.sandbox) {
        let card = card_of(&launch, &all.cards);
        let both = 2 * inference(card);
        let times = launch.samples.iter().map(|sample| sample.span(Span::Inference));
        assert!(times.flatten().all(|time| time.0 == both));
    }
    assert_all_freed(&machine.doubles);
    let machine = Machine::new(&all, "contexts = 2");
    let ran = machine.run("out", &[]);
    ran.fails(2, &["engine.tensorrt.contexts", "cannot share a batch of 1 evenly"]);
}

#[test]
fn build_time_and_size_are_columns_of_the_results() {
    let machine = Machine::new(&script(), "");
    machine.run("out", &[]).succeeds();
    let mut table = csv::Reader::from_path(machine.sandbox.path("out/results.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (took, size) = (column("build_ns"), column("engine_bytes"));
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert!(rows.len() > 20);
    for row in rows {
        assert!(row[took].parse::<u64>().unwrap() > 0 && row[size].parse::<u64>().unwrap() > 28);
    }
}

#[test]
fn one_engine_for_all_batches_is_built_once_for_each_card() {
    let machine = Machine::new(&script(), "profile = \"range\"");
    machine.run("out", &[]).succeeds();
    let engines = std::fs::read_dir(machine.kept()).unwrap().flatten();
    let names = engines.map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.ends_with(".engine")).count(), 2);
}
