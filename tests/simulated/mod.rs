//! Two cards that stand-ins for NVIDIA's libraries play, a scenario on both, and what to hold a run
//! of it to.
#![allow(dead_code, reason = "each test binary uses a part")]

use crate::{
    common::{FAST, Ran, Sandbox, program, scenario},
    doubles::Doubles,
};
use trtbench::{
    store::{Launch, Run, RunInfo},
    timing::Span,
};
use trtbench_double_script::{Card, Script, Timing, Transfer};

/// Bytes that the empty engine moves to a card and back, per image.
const INPUT: u64 = 3 * 128 * 128 * 4;
const OUTPUT: u64 = 84 * 336 * 4;

/// A GTX 1050 Ti on bus 1 and an RTX 3070 on bus 9: CUDA counts the faster one first, NVML goes by
/// the bus.
pub fn two_cards() -> [Card; 2] {
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

/// The older card: in tests of faults the one that goes wrong.
pub fn old() -> Card {
    let [old, _] = two_cards();
    old
}

/// The younger card.
pub fn new() -> Card {
    let [_, new] = two_cards();
    new
}

/// Both cards, without a fault.
pub fn script() -> Script {
    Script::with_cards(two_cards())
}

/// The empty engine on all cards; `keys` go into its table.
pub fn on_cards(sandbox: &Sandbox, keys: &str) {
    let axes = "device = [\"gpu:all\"]\nbatch = [1, 2]";
    let text = format!("{}\n[engine.null]\n{keys}\n", scenario("null", axes, FAST));
    sandbox.scenario("cards.toml", &text);
}

/// Runs the program in that folder, where it finds the stand-ins.
pub fn run(sandbox: &Sandbox, doubles: &Doubles, arguments: &[&str]) -> Ran {
    let mut command = program(&sandbox.path(""));
    doubles.prepare(&mut command).args(arguments);
    Ran::from(command.output().unwrap())
}

/// The launches of a run in `out`.
pub fn launches(sandbox: &Sandbox) -> Vec<Launch> {
    Run::read(&sandbox.path("out")).unwrap().launches
}

/// Asserts that every iteration of these launches has the times that its card says.
pub fn assert_times<'a>(launches: impl IntoIterator<Item = &'a Launch>, transfers: bool) {
    let cards = two_cards();
    for launch in launches {
        let card = card_of(launch, &cards);
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

/// The card that a launch was on.
pub fn card_of<'a>(launch: &Launch, cards: &'a [Card]) -> &'a Card {
    cards.iter().find(|card| card.uuid == launch.record.device.uuid).unwrap()
}

/// Asserts that every iteration of a launch that pre-processes on its card has the times that the card
/// says, moving the pixels of the images whose turn it was: in one piece where they are `gathered`.
pub fn assert_preprocessed(
    launch: &Launch,
    card: &Card,
    info: &RunInfo,
    inference: u64,
    gathered: bool,
) {
    let images: Vec<u64> =
        info.images.iter().map(|image| 3 * (image.width * image.height) as u64).collect();
    assert!(images.iter().any(|&bytes| bytes != images[0]), "images of several sizes");
    let batch = launch.record.cell.batch as usize;
    let transfer = card.timing.host_to_device;
    assert!(launch.samples.len() >= 3);
    for (index, sample) in launch.samples.iter().enumerate() {
        let turn = (0..batch).map(|offset| images[(index * batch + offset) % images.len()]);
        let upload = match gathered {
            true => transfer.duration_ns(turn.sum()),
            false => turn.map(|bytes| transfer.duration_ns(bytes)).sum(),
        };
        let span = |span| sample.span(span).map(|time| time.0);
        assert_eq!(span(Span::HostToDevice), Some(upload), "{index}");
        let kernels = batch as u64 * card.timing.kernel("preprocess");
        assert_eq!(span(Span::Preprocess), Some(kernels), "{index}");
        assert_eq!(span(Span::Inference), Some(inference), "{index}");
        assert!(span(Span::DeviceToHost).is_some() && span(Span::Enqueue).is_some());
    }
}

/// Asserts that all processes together have given back what they got.
pub fn assert_all_freed(doubles: &Doubles) {
    let ledger = doubles.ledger();
    assert!(ledger.live().is_empty(), "{:?}", ledger.live());
    assert!(ledger.swept().is_empty(), "{:?}", ledger.swept());
    assert!(ledger.lines.len() > 20, "nothing was allocated at all");
}
