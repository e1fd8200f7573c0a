//! The driver without its C functions: time, bytes, captures, handles, and what the ledger says of
//! them.

use crate::{
    capture::Mode,
    code::{Answer, Code},
    driver::{Driver, Subject},
    event::State,
    kernels::Arguments,
    module::{Grid, Image},
    stream::StreamAt,
    table::Handle,
    work::Work,
};
use std::{collections::BTreeMap, path::PathBuf};
use tempfile::TempDir;
use trtbench_double_script::{Card, Fault, Kind, Ledger, Play, Script, Transfer, Writer};

/// A driver with its script's folder.
struct Bench {
    driver: Driver,
    folder: TempDir,
}

/// A card whose times are easily told apart: copies from the host take 100 ns and 1 ns for 1 KiB,
/// to the host 200 and 2, memsets 3000, kernels 40000, the kernel `long` 500000.
fn card(number: u8) -> Card {
    let mut card = Card::numbered(number);
    card.timing.host_to_device = Transfer { latency_ns: 100, ns_per_kib: 1 };
    card.timing.device_to_host = Transfer { latency_ns: 200, ns_per_kib: 2 };
    card.timing.memset_ns = 3000;
    card.timing.kernel_ns = 40_000;
    card.timing.named_kernel_ns = BTreeMap::from([("long".to_owned(), 500_000)]);
    card
}

impl Bench {
    /// One card, whose context is current.
    fn new() -> Self {
        Self::with(Script::with_cards([card(0)]))
    }

    /// The first card's context is current.
    fn with(script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Writer::open(&Self::script(&folder)).unwrap();
        let mut driver = Driver::new(script, ledger);
        driver.initialise(None, None).unwrap();
        let context = driver.retain(0);
        driver.set_current(context).unwrap();
        Self { driver, folder }
    }

    fn script(folder: &TempDir) -> PathBuf {
        folder.path().join("script.json")
    }

    fn ledger(&self) -> Ledger {
        Ledger::read(&Self::script(&self.folder)).unwrap()
    }

    fn stream(&mut self) -> StreamAt {
        let handle = self.driver.create_stream(1).unwrap();
        self.driver.stream(handle).unwrap()
    }

    fn event(&mut self, stream: StreamAt) -> Handle {
        let event = self.driver.create_event(0).unwrap();
        self.driver.record_event(event, stream).unwrap();
        event
    }

    fn kernel(&mut self, stream: StreamAt, name: &str) -> Answer<()> {
        self.driver.submit(stream, Work::Kernel { name: name.to_owned(), code: None })
    }

    /// Nanoseconds between two events, once the second has been waited for.
    fn elapsed_ns(&mut self, start: Handle, end: Handle) -> i64 {
        self.driver.synchronise_event(end).unwrap();
        (self.driver.elapsed_ms(start, end).unwrap() * 1e6).round() as i64
    }

    /// When an event was recorded.
    fn time(&self, event: Handle) -> u64 {
        match self.driver.event(event).unwrap().state {
            State::At(time) => time,
            other => panic!("{other:?}"),
        }
    }
}

fn address<T>(values: &[T]) -> u64 {
    values.as_ptr().expose_provenance() as u64
}

/// Of a kernel that takes no arguments.
const NONE: Arguments = Arguments(std::ptr::null());

#[test]
fn times_of_work_in_one_stream_add_up() {
    let mut bench = Bench::new();
    let stream = bench.stream();
    let bytes = [7_u8; 4096];
    let mut back = [0_u8; 4096];
    let to = bench.driver.allocate(4096).unwrap();
    let start = bench.event(stream);
    bench.driver.submit(stream, Work::ToDevice { to, from: address(&bytes), bytes: 4096 }).unwrap();
    let copied = bench.event(stream);
    bench.kernel(stream, "some").unwrap();
    bench.kernel(stream, "long").unwrap();
    let computed = bench.event(stream);
    let back_at = back.as_mut_ptr().expose_provenance() as u64;
    bench.driver.submit(stream, Work::ToHost { to: back_at, from: to, bytes: 4096 }).unwrap();
    let end = bench.event(stream);
    assert_eq!(bench.elapsed_ns(start, copied), 104);
    assert_eq!(bench.elapsed_ns(copied, computed), 540_000);
    assert_eq!(bench.elapsed_ns(computed, end), 208);
    assert_eq!(bench.elapsed_ns(end, start), -540_312);
    assert_eq!(back, bytes);
}

#[test]
fn streams_run_side_by_side_until_one_waits_for_the_other() {
    let mut bench = Bench::new();
    let (fast, slow) = (bench.stream(), bench.stream());
    bench.kernel(slow, "long").unwrap();
    bench.kernel(fast, "some").unwrap();
    let (slow_end, fast_end) = (bench.event(slow), bench.event(fast));
    assert_eq!((bench.time(slow_end), bench.time(fast_end)), (500_000, 40_000));
    bench.driver.wait_event(fast, slow_end).unwrap();
    bench.kernel(fast, "some").unwrap();
    let joined = bench.event(fast);
    assert_eq!(bench.time(joined), 540_000);
    bench.driver.wait_event(slow, fast_end).unwrap();
    let later = bench.event(slow);
    assert_eq!(bench.time(later), 500_000);
}

#[test]
fn work_of_an_idle_stream_begins_when_the_host_submits_it() {
    let mut bench = Bench::new();
    let (first, second) = (bench.stream(), bench.stream());
    bench.kernel(first, "long").unwrap();
    bench.driver.synchronise_stream(first).unwrap();
    bench.kernel(second, "some").unwrap();
    let end = bench.event(second);
    assert_eq!(bench.time(end), 540_000);
}

#[test]
fn the_default_stream_and_blocking_streams_wait_for_each_other() {
    let mut bench = Bench::new();
    let default = bench.driver.stream(0).unwrap();
    let handle = bench.driver.create_stream(0).unwrap();
    let blocking = bench.driver.stream(handle).unwrap();
    let free = bench.stream();
    bench.kernel(blocking, "long").unwrap();
    bench.kernel(default, "some").unwrap();
    bench.kernel(free, "some").unwrap();
    bench.kernel(blocking, "some").unwrap();
    let ends = [default, free, blocking].map(|stream| bench.event(stream));
    assert_eq!(ends.map(|end| bench.time(end)), [580_000, 40_000, 580_000]);
}

#[test]
fn times_are_told_only_of_timed_events_that_were_recorded_and_waited_for() {
    let mut bench = Bench::new();
    let stream = bench.stream();
    let start = bench.event(stream);
    bench.kernel(stream, "some").unwrap();
    let end = bench.event(stream);
    assert_eq!(bench.driver.elapsed_ms(start, end), Err(Code::ERROR_NOT_READY));
    let unrecorded = bench.driver.create_event(0).unwrap();
    assert_eq!(bench.driver.elapsed_ms(start, unrecorded), Err(Code::ERROR_INVALID_HANDLE));
    assert_eq!(bench.driver.query_event(unrecorded), Ok(()));
    let untimed = bench.driver.create_event(2).unwrap();
    bench.driver.record_event(untimed, stream).unwrap();
    assert_eq!(bench.driver.elapsed_ms(start, untimed), Err(Code::ERROR_INVALID_HANDLE));
    bench.driver.synchronise_stream(stream).unwrap();
    assert_eq!(bench.driver.elapsed_ms(start, end), Ok(0.04));
}

#[test]
fn with_pace_work_is_not_done_at_once() {
    let mut slow = card(0);
    slow.timing.kernel_ns = 3_600_000_000_000;
    let mut bench = Bench::with(Script::with_cards([slow]).paced());
    let stream = bench.stream();
    bench.kernel(stream, "some").unwrap();
    let end = bench.event(stream);
    assert_eq!(bench.driver.query_event(end), Err(Code::ERROR_NOT_READY));
    assert_eq!(bench.driver.query_stream(stream), Err(Code::ERROR_NOT_READY));
    assert_eq!(bench.driver.pause, None);
    bench.driver.synchronise_stream(stream).unwrap();
    assert!(bench.driver.pause.is_some());
}

#[test]
fn what_is_captured_is_done_at_each_launch() {
    let mut bench = Bench::new();
    let stream = bench.stream();
    let mut host = vec![1_u8, 2, 3];
    let mut back = [0_u8; 3];
    let (to, from) = (bench.driver.allocate(3).unwrap(), address(&host));
    let back_at = back.as_mut_ptr().expose_provenance() as u64;
    let before = bench.event(stream);
    bench.driver.begin_capture(stream, Mode::Global).unwrap();
    bench.driver.submit(stream, Work::ToDevice { to, from, bytes: 3 }).unwrap();
    bench.kernel(stream, "some").unwrap();
    bench.driver.submit(stream, Work::ToHost { to: back_at, from: to, bytes: 3 }).unwrap();
    let graph = bench.driver.end_capture(stream).unwrap();
    assert_eq!(back, [0; 3]);
    let exec = bench.driver.instantiate(graph).unwrap();
    bench.driver.destroy_graph(graph).unwrap();
    let start = bench.event(stream);
    assert_eq!(bench.elapsed_ns(before, start), 0);
    for round in 0..2 {
        host[0] += 10;
        bench.driver.launch_graph(exec, stream).unwrap();
        let read = present(&back);
        assert_eq!(read, [11 + 10 * round, 2, 3]);
    }
    let end = bench.event(stream);
    assert_eq!(bench.elapsed_ns(start, end), 2 * (100 + 40_000 + 200));
}

/// The bytes as they are now, which the compiler may not guess.
fn present(bytes: &[u8; 3]) -> [u8; 3] {
    *std::hint::black_box(bytes)
}

#[test]
fn a_graph_takes_the_time_that_the_script_gives_it() {
    let mut card = card(0);
    card.timing.graph_launch_ns = Some(77);
    let mut bench = Bench::with(Script::with_cards([card]));
    let stream = bench.stream();
    bench.driver.begin_capture(stream, Mode::Global).unwrap();
    bench.kernel(stream, "long").unwrap();
    let graph = bench.driver.end_capture(stream).unwrap();
    let exec = bench.driver.instantiate(graph).unwrap();
    let start = bench.event(stream);
    bench.driver.launch_graph(exec, stream).unwrap();
    let end = bench.event(stream);
    assert_eq!(bench.elapsed_ns(start, end), 77);
}

#[test]
fn forbidden_calls_spoil_a_capture_as_its_mode_says() {
    let allocate = |driver: &mut Driver| driver.allocate(16).map(drop);
    let wait = |driver: &mut Driver| driver.synchronise_context();
    type Call = fn(&mut Driver) -> Answer<()>;
    let cases: [(Mode, Call, bool); 4] = [
        (Mode::Global, allocate, true),
        (Mode::ThreadLocal, allocate, true),
        (Mode::Relaxed, allocate, false),
        (Mode::Relaxed, wait, true),
    ];
    for (mode, call, spoils) in cases {
        let mut bench = Bench::new();
        let stream = bench.stream();
        bench.driver.begin_capture(stream, mode).unwrap();
        let answer = call(&mut bench.driver);
        assert_eq!(answer.err(), spoils.then_some(Code::ERROR_STREAM_CAPTURE_UNSUPPORTED));
        let expected = spoils.then_some(Code::ERROR_STREAM_CAPTURE_INVALIDATED);
        assert_eq!(bench.kernel(stream, "some").err(), expected);
        assert_eq!(bench.driver.end_capture(stream).err(), expected);
        // The stream can be used again.
        assert_eq!(bench.kernel(stream, "some"), Ok(()));
    }
}

#[test]
fn a_captured_stream_cannot_be_waited_for() {
    let mut bench = Bench::new();
    let stream = bench.stream();
    bench.driver.begin_capture(stream, Mode::Relaxed).unwrap();
    let event = bench.event(stream);
    assert_eq!(bench.driver.synchronise_event(event), Err(Code::ERROR_CAPTURED_EVENT));
    assert_eq!(bench.driver.end_capture(stream), Err(Code::ERROR_STREAM_CAPTURE_INVALIDATED));
    assert_eq!(bench.driver.end_capture(stream), Err(Code::ERROR_ILLEGAL_STATE));
    let default = bench.driver.stream(0).unwrap();
    let refused = bench.driver.begin_capture(default, Mode::Global);
    assert_eq!(refused, Err(Code::ERROR_STREAM_CAPTURE_UNSUPPORTED));
}

#[test]
fn a_capture_takes_other_streams_in_and_wants_them_back() {
    for join in [true, false] {
        let mut bench = Bench::new();
        let (origin, branch) = (bench.stream(), bench.stream());
        bench.driver.begin_capture(origin, Mode::Global).unwrap();
        let fork = bench.event(origin);
        bench.driver.wait_event(branch, fork).unwrap();
        bench.kernel(branch, "long").unwrap();
        let done = bench.event(branch);
        if join {
            bench.driver.wait_event(origin, done).unwrap();
        }
        let answer = bench.driver.end_capture(origin);
        if join {
            let exec = bench.driver.instantiate(answer.unwrap()).unwrap();
            let start = bench.event(origin);
            bench.driver.launch_graph(exec, origin).unwrap();
            let end = bench.event(origin);
            assert_eq!(bench.elapsed_ns(start, end), 500_000);
        } else {
            assert_eq!(answer, Err(Code::ERROR_STREAM_CAPTURE_UNJOINED));
        }
        assert_eq!(bench.kernel(branch, "some"), Ok(()));
    }
}

#[test]
fn the_default_stream_may_not_wait_for_a_captured_blocking_stream() {
    for (flags, spoils) in [(0, true), (1, false)] {
        let mut bench = Bench::new();
        let handle = bench.driver.create_stream(flags).unwrap();
        let (stream, default) = (bench.driver.stream(handle), bench.driver.stream(0));
        bench.driver.begin_capture(stream.unwrap(), Mode::Relaxed).unwrap();
        let answer = bench.kernel(default.unwrap(), "some");
        assert_eq!(answer.err(), spoils.then_some(Code::ERROR_STREAM_CAPTURE_IMPLICIT));
    }
}

#[test]
fn ranges_that_are_not_within_one_allocation_are_refused() {
    let mut bench = Bench::new();
    let stream = bench.stream();
    let host = [0_u8; 64];
    let from = address(&host);
    let to = bench.driver.allocate(64).unwrap();
    let copy = |driver: &mut Driver, to, from, bytes| {
        driver.submit(stream, Work::ToDevice { to, from, bytes })
    };
    assert_eq!(copy(&mut bench.driver, to, from, 64), Ok(()));
    assert_eq!(copy(&mut bench.driver, to + 32, from, 32), Ok(()));
    assert_eq!(copy(&mut bench.driver, 0, 0, 0), Ok(()));
    for (to, from, bytes) in [(to, from, 65), (to + 32, from, 33), (to - 1, from, 4), (to, 0, 4)] {
        assert_eq!(copy(&mut bench.driver, to, from, bytes), Err(Code::ERROR_INVALID_VALUE));
    }
    let fill = Work::Fill { to, value: 1, bytes: usize::MAX };
    assert_eq!(bench.driver.submit(stream, fill), Err(Code::ERROR_INVALID_VALUE));
    bench.driver.free(to).unwrap();
    assert_eq!(copy(&mut bench.driver, to, from, 4), Err(Code::ERROR_INVALID_VALUE));
    assert_eq!(bench.driver.free(to), Err(Code::ERROR_INVALID_VALUE));
}

#[test]
fn a_launch_that_touches_freed_memory_loses_the_card() {
    let mut bench = Bench::new();
    let stream = bench.stream();
    let to = bench.driver.allocate(64).unwrap();
    bench.driver.begin_capture(stream, Mode::Global).unwrap();
    bench.driver.submit(stream, Work::Fill { to, value: 1, bytes: 64 }).unwrap();
    let graph = bench.driver.end_capture(stream).unwrap();
    let exec = bench.driver.instantiate(graph).unwrap();
    bench.driver.free(to).unwrap();
    assert_eq!(bench.driver.launch_graph(exec, stream), Err(Code::ERROR_ILLEGAL_ADDRESS));
    assert_eq!(bench.driver.play("cuMemAlloc_v2", Subject::Current), Play::Lost(700));
}

#[test]
fn a_card_has_only_its_memory() {
    let mut card = card(0);
    card.memory_bytes = 1000;
    let mut bench = Bench::with(Script::with_cards([card]));
    let first = bench.driver.allocate(600).unwrap();
    assert_eq!(bench.driver.memory_info(), Ok((400, 1000)));
    assert_eq!(bench.driver.allocate(401), Err(Code::ERROR_OUT_OF_MEMORY));
    bench.driver.free(first).unwrap();
    assert!(bench.driver.allocate(1000).is_ok());
}

#[test]
fn memory_is_pinned_once() {
    let mut bench = Bench::new();
    let pages = [0_u8; 300];
    let at = address(&pages);
    bench.driver.register_host(at + 100, 100).unwrap();
    for (start, bytes, met) in
        [(0, 100, false), (0, 101, true), (150, 10, true), (199, 9, true), (200, 100, false)]
    {
        let answer = bench.driver.register_host(at + start, bytes);
        let expected = met.then_some(Code::ERROR_HOST_MEMORY_ALREADY_REGISTERED);
        assert_eq!(answer.err(), expected, "{start} {bytes}");
        if !met {
            bench.driver.unregister_host(at + start).unwrap();
        }
    }
    let unknown = Err(Code::ERROR_HOST_MEMORY_NOT_REGISTERED);
    assert_eq!(bench.driver.unregister_host(at), unknown);
    let own = bench.driver.allocate_host(64).unwrap();
    let twice = bench.driver.register_host(own, 64);
    assert_eq!(twice, Err(Code::ERROR_HOST_MEMORY_ALREADY_REGISTERED));
}

#[test]
fn handles_are_worthless_after_their_end() {
    let mut bench = Bench::new();
    let stream = bench.driver.create_stream(1).unwrap();
    let event = bench.driver.create_event(0).unwrap();
    let module = bench.driver.load_module(Image::Binary).unwrap();
    let function = bench.driver.function(module, "some").unwrap();
    let default = bench.driver.stream(0).unwrap();
    let one = Grid { blocks: [1; 3], threads: [1; 3] };
    assert_eq!(bench.driver.launch(function, one, NONE, default), Ok(()));
    let bad = Some(Code::ERROR_INVALID_HANDLE);
    assert_eq!(bench.driver.destroy_stream(event).err(), bad);
    for expected in [None, bad] {
        assert_eq!(bench.driver.destroy_stream(stream).err(), expected);
        assert_eq!(bench.driver.destroy_event(event).err(), expected);
        assert_eq!(bench.driver.unload_module(module).err(), expected);
    }
    assert_eq!(bench.driver.stream(stream).err(), bad);
    assert_eq!(bench.driver.record_event(event, default).err(), bad);
    assert_eq!(bench.driver.launch(function, one, NONE, default).err(), bad);
    assert_eq!(bench.driver.destroy_graph(stream).err(), Some(Code::ERROR_INVALID_VALUE));
}

#[test]
fn kernels_are_found_by_their_names_in_a_text() {
    let mut bench = Bench::new();
    let text = ".version 7.4\n.target sm_86\n.visible .entry spin_long(\n.param .u64 a) {}";
    let module = bench.driver.load_module(Image::Ptx(text.to_owned())).unwrap();
    assert!(bench.driver.function(module, "spin_long").is_ok());
    assert_eq!(bench.driver.function(module, "spin"), Err(Code::ERROR_NOT_FOUND));
    let function = bench.driver.function(module, "spin_long").unwrap();
    let default = bench.driver.stream(0).unwrap();
    for threads in [[1025, 1, 1], [0, 1, 1]] {
        let grid = Grid { blocks: [1; 3], threads };
        assert_eq!(
            bench.driver.launch(function, grid, NONE, default),
            Err(Code::ERROR_INVALID_VALUE)
        );
    }
}

#[test]
fn what_is_left_goes_with_the_context_and_the_ledger_tells() {
    let mut bench = Bench::new();
    let context = bench.driver.current();
    assert_eq!(bench.driver.retain(0), context);
    let memory = bench.driver.allocate(8).unwrap();
    bench.driver.allocate(24).unwrap();
    let stream = bench.stream();
    bench.event(stream);
    bench.driver.free(memory).unwrap();
    let live = [(Kind::DeviceMemory, 1), (Kind::Stream, 1), (Kind::Event, 1), (Kind::Context, 2)];
    assert_eq!(bench.ledger().live(), BTreeMap::from(live));
    assert_eq!(bench.ledger().live_bytes(Kind::DeviceMemory), 24);
    bench.driver.release(0).unwrap();
    assert_eq!(bench.driver.current_card(), Ok(0));
    bench.driver.release(0).unwrap();
    assert_eq!(bench.ledger().live(), BTreeMap::new());
    assert_eq!(bench.ledger().swept(), BTreeMap::from_iter(live[..3].iter().copied()));
    assert_eq!(bench.driver.current_card(), Err(Code::ERROR_CONTEXT_IS_DESTROYED));
    assert_eq!(bench.driver.release(0), Err(Code::ERROR_INVALID_CONTEXT));
    assert_ne!(bench.driver.retain(0), context);
}

#[test]
fn calls_want_a_driver_that_is_initialised_and_a_context() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Writer::open(&Bench::script(&folder)).unwrap();
    let mut driver = Driver::new(Script::with_cards([card(0)]), ledger);
    assert_eq!(driver.ready(Subject::System), Err(Code::ERROR_NOT_INITIALIZED));
    assert_eq!(driver.initialise(None, Some("-1")), Err(Code::ERROR_NO_DEVICE));
    driver.initialise(None, None).unwrap();
    assert_eq!(driver.ready(Subject::Device(1)), Err(Code::ERROR_INVALID_DEVICE));
    assert_eq!(driver.ready(Subject::Current), Err(Code::ERROR_INVALID_CONTEXT));
    assert_eq!(driver.allocate(1), Err(Code::ERROR_INVALID_CONTEXT));
}

#[test]
fn a_fault_strikes_the_card_that_the_call_is_on() {
    let cards = [card(0), card(1)];
    let fault = Fault::cuda("cuStreamSynchronize", 719).on(&cards[1].uuid).sticky();
    let mut bench = Bench::with(Script::with_cards(cards).fault(fault));
    let first = bench.driver.create_stream(1).unwrap();
    let context = bench.driver.retain(1);
    bench.driver.set_current(context).unwrap();
    let second = bench.driver.create_stream(1).unwrap();
    let play = |bench: &mut Bench, call, stream| bench.driver.play(call, Subject::Stream(stream));
    assert_eq!(play(&mut bench, "cuStreamSynchronize", first), Play::Proceed);
    assert_eq!(play(&mut bench, "cuStreamSynchronize", second), Play::Fail(719));
    assert_eq!(play(&mut bench, "cuStreamQuery", second), Play::Lost(719));
    assert_eq!(bench.driver.play("cuMemAlloc_v2", Subject::Current), Play::Lost(719));
    assert_eq!(play(&mut bench, "cuStreamQuery", first), Play::Proceed);
    assert_eq!(bench.ledger().faults(), ["cuStreamSynchronize"]);
}

#[test]
fn memory_of_a_card_begins_at_multiples_of_256() {
    let mut bench = Bench::new();
    for bytes in [1, 3, 255, 257, 4097] {
        let address = bench.driver.allocate(bytes).unwrap();
        assert_eq!(address % 256, 0, "{bytes} bytes at {address:#x}");
    }
}
