//! Cells on cards, against stand-ins for NVIDIA's libraries: what is measured is what the script
//! says, to the nanosecond, and nothing stays allocated.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

mod common;
mod doubles;

use common::{FAST, Ran, Sandbox, program, scenario};
use doubles::Doubles;
use trtbench::{
    store::{Launch, RecordOutcome, Run},
    timing::Span,
};
use trtbench_double_script::{Card, Script, Timing, Transfer};

/// Bytes that the empty engine moves to a card and back, per image.
const INPUT: u64 = 3 * 128 * 128 * 4;
const OUTPUT: u64 = 84 * 336 * 4;

/// A GTX 1050 Ti on bus 1 and an RTX 3070 on bus 9: CUDA counts the faster one first, NVML goes by
/// the bus.
fn two_cards() -> [Card; 2] {
    let timing = |latency_ns, ns_per_kib, memset_ns| Timing {
        host_to_device: Transfer { latency_ns, ns_per_kib },
        device_to_host: Transfer { latency_ns: latency_ns + 77, ns_per_kib: ns_per_kib + 13 },
        memset_ns,
        ..Timing::default()
    };
    let mut old = Card {
        name: "NVIDIA GeForce GTX 1050 Ti".into(),
        compute_capability: (6, 1),
        multiprocessors: 6,
        memory_bytes: 4 << 30,
        cuda_rank: 1,
        nvml_rank: 0,
        timing: timing(4321, 333, 1_234_567),
        ..Card::numbered(1)
    };
    old.pci.bus = 1;
    let mut new = Card {
        name: "NVIDIA GeForce RTX 3070".into(),
        compute_capability: (8, 6),
        multiprocessors: 46,
        memory_bytes: 8 << 30,
        cuda_rank: 0,
        nvml_rank: 1,
        timing: timing(2345, 81, 456_789),
        ..Card::numbered(2)
    };
    new.pci.bus = 9;
    [old, new]
}

/// The empty engine on all cards; `keys` go into its table.
fn on_cards(sandbox: &Sandbox, keys: &str) {
    let axes = "device = [\"gpu:all\"]\nbatch = [1, 2]";
    let text = format!("{}\n[engine.null]\n{keys}\n", scenario("null", axes, FAST));
    sandbox.scenario("cards.toml", &text);
}

fn run(sandbox: &Sandbox, doubles: &Doubles, arguments: &[&str]) -> Ran {
    let mut command = program(&sandbox.path(""));
    doubles.prepare(&mut command).args(arguments);
    Ran::from(command.output().unwrap())
}

/// The launches of a run in `out`.
fn launches(sandbox: &Sandbox) -> Vec<Launch> {
    Run::read(&sandbox.path("out")).unwrap().launches
}

/// Asserts that every iteration of every launch has these times on its card.
fn assert_times(launches: &[Launch], transfers: bool) {
    let cards = two_cards();
    assert_eq!(launches.len(), 8, "two cards, two batches, two launches");
    for launch in launches {
        let card = cards.iter().find(|card| card.uuid == launch.record.device.uuid).unwrap();
        assert_eq!(launch.record.device.name, card.name);
        let batch = u64::from(launch.record.cell.batch);
        let upload = card.timing.host_to_device.duration_ns(batch * INPUT);
        let download = card.timing.device_to_host.duration_ns(batch * OUTPUT);
        assert!(launch.samples.len() >= 3);
        for (index, sample) in launch.samples.iter().enumerate() {
            let span = |span| sample.span(span).map(|time| time.0);
            assert_eq!(span(Span::Inference), Some(card.timing.memset_ns));
            let moved = transfers.then_some(());
            assert_eq!(span(Span::HostToDevice), moved.map(|()| upload), "{index}");
            assert_eq!(span(Span::DeviceToHost), moved.map(|()| download), "{index}");
            assert!(span(Span::Enqueue).is_some() && span(Span::Preprocess).is_some());
        }
    }
}

fn assert_all_freed(doubles: &Doubles) {
    let ledger = doubles.ledger();
    assert!(ledger.live().is_empty(), "{:?}", ledger.live());
    assert!(ledger.swept().is_empty(), "{:?}", ledger.swept());
    assert!(ledger.lines.len() > 20, "nothing was allocated at all");
}

#[test]
fn stages_on_each_card_take_the_time_that_the_card_says_to_the_nanosecond() {
    for (keys, transfers) in [
        ("", true),
        ("transfers = \"pageable\"", true),
        ("transfers = \"none\"", false),
        ("streams = 3", true),
        ("wait = \"block\"", true),
        ("cuda_graph = true", true),
    ] {
        let (sandbox, doubles) = (Sandbox::new(), Doubles::new(&Script::with_cards(two_cards())));
        on_cards(&sandbox, keys);
        let few = ["run", "cards.toml", "--out", "out", "--set", "measure.max_samples=5"];
        run(&sandbox, &doubles, &few).succeeds();
        let launches = launches(&sandbox);
        for launch in &launches {
            let RecordOutcome::Measured(measured) = &launch.record.outcome else { panic!() };
            assert!(measured.facts.telemetry.is_some());
        }
        assert_times(&launches, transfers);
        assert_all_freed(&doubles);
    }
}

#[test]
fn visible_devices_are_counted_in_the_order_that_the_user_has_asked_for() {
    let doubles = Doubles::new(&Script::with_cards(two_cards()));
    let sandbox = Sandbox::new();
    let usable = |order: Option<&str>| {
        let mut command = program(&sandbox.path(""));
        doubles.prepare(&mut command).args(["devices", "--json"]);
        command.env("CUDA_VISIBLE_DEVICES", "0");
        command.envs(order.map(|order| ("CUDA_DEVICE_ORDER", order)));
        let gpus = Ran::from(command.output().unwrap()).succeeds().json()["gpus"].clone();
        let gpus: Vec<serde_json::Value> = gpus.as_array().unwrap().clone();
        assert_eq!(gpus.len(), 2, "NVML lists both");
        let usable: Vec<String> = gpus
            .iter()
            .filter(|gpu| !gpu["cuda"].is_null())
            .map(|gpu| gpu["name"].as_str().unwrap().to_owned())
            .collect();
        usable.concat()
    };
    assert!(usable(None).ends_with("RTX 3070"), "CUDA's own order: the fastest first");
    assert!(usable(Some("PCI_BUS_ID")).ends_with("GTX 1050 Ti"));
}
