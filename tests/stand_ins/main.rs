//! The stand-ins for NVIDIA's libraries, loaded by child processes as programs load the real ones:
//! a test starts this binary again, with the name of what the child is to do. What the libraries do
//! by themselves is tested in `doubles`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]

#[path = "../doubles/mod.rs"]
mod doubles;
mod sys;

use doubles::Doubles;
use std::{
    collections::BTreeMap,
    env,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use sys::Loaded;
use trtbench_double_script::{Card, Fault, Kind, Script};

const CUDA: &str = "libcuda.so.1";
const NVML: &str = "libnvidia-ml.so.1";

/// Names the part that a child plays.
const PART: &str = "TRTBENCH_TEST_PART";

/// What a child says begins with it, so that it is told from what the test harness says.
const SAYS: &str = "says ";

const PTX: &str = ".version 7.4\n.target sm_70\n.visible .entry spin() { ret; }";

/// All functions of `libcuda.so.1` that programs may look for.
const CUDA_FUNCTIONS: &str = "cuInit cuDriverGetVersion cuDeviceGetCount cuDeviceGet cuDeviceGetName \
    cuDeviceGetUuid cuDeviceGetAttribute cuDeviceTotalMem_v2 cuDeviceGetPCIBusId cuGetErrorName \
    cuGetErrorString cuDevicePrimaryCtxRetain cuDevicePrimaryCtxRelease_v2 \
    cuDevicePrimaryCtxSetFlags_v2 cuDevicePrimaryCtxGetState cuCtxSetCurrent cuCtxGetCurrent \
    cuCtxGetDevice cuCtxSynchronize cuMemGetInfo_v2 cuMemAlloc_v2 cuMemFree_v2 cuMemHostAlloc cuMemFreeHost \
    cuMemHostRegister_v2 cuMemHostUnregister cuMemcpyHtoD_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2 \
    cuMemcpyDtoHAsync_v2 cuMemsetD8Async cuStreamCreate cuStreamDestroy_v2 cuStreamSynchronize \
    cuStreamQuery cuStreamWaitEvent cuStreamBeginCapture_v2 cuStreamEndCapture \
    cuGraphInstantiateWithFlags cuGraphLaunch cuGraphDestroy cuGraphExecDestroy cuEventCreate \
    cuEventDestroy_v2 cuEventRecord cuEventQuery cuEventSynchronize cuEventElapsedTime \
    cuModuleLoadData cuModuleUnload cuModuleGetFunction cuLaunchKernel";

/// All functions of `libnvidia-ml.so.1` that programs may look for.
const NVML_FUNCTIONS: &str = "nvmlInit_v2 nvmlInitWithFlags nvmlShutdown nvmlErrorString \
    nvmlSystemGetDriverVersion nvmlSystemGetNVMLVersion nvmlSystemGetCudaDriverVersion_v2 \
    nvmlDeviceGetCount_v2 nvmlDeviceGetHandleByIndex_v2 nvmlDeviceGetHandleByUUID \
    nvmlDeviceGetHandleByPciBusId_v2 nvmlDeviceGetName nvmlDeviceGetUUID nvmlDeviceGetIndex \
    nvmlDeviceGetPciInfo_v3 nvmlDeviceGetCudaComputeCapability nvmlDeviceGetMemoryInfo \
    nvmlDeviceGetMemoryInfo_v2 nvmlDeviceGetClockInfo nvmlDeviceGetMaxClockInfo \
    nvmlDeviceGetTemperature nvmlDeviceGetPowerUsage nvmlDeviceGetEnforcedPowerLimit \
    nvmlDeviceGetPowerManagementLimit nvmlDeviceGetPowerManagementDefaultLimit \
    nvmlDeviceGetPowerManagementLimitConstraints nvmlDeviceGetTotalEnergyConsumption \
    nvmlDeviceGetUtilizationRates nvmlDeviceGetCurrentClocksThrottleReasons \
    nvmlDeviceGetSupportedGraphicsClocks nvmlDeviceGetSupportedMemoryClocks \
    nvmlDeviceGetCurrPcieLinkGeneration nvmlDeviceGetCurrPcieLinkWidth \
    nvmlDeviceGetMaxPcieLinkGeneration nvmlDeviceGetMaxPcieLinkWidth \
    nvmlDeviceGetPcieThroughput nvmlDeviceGetPersistenceMode nvmlDeviceGetMigMode \
    nvmlDeviceGetEccMode nvmlDeviceGetTotalEccErrors nvmlDeviceGetComputeRunningProcesses_v3 \
    nvmlDeviceGetPerformanceState nvmlDeviceSetGpuLockedClocks nvmlDeviceResetGpuLockedClocks \
    nvmlDeviceSetMemoryLockedClocks nvmlDeviceResetMemoryLockedClocks";

#[test]
fn every_function_is_found_under_its_name() {
    let doubles = Doubles::new(&Script::with_cards([Card::numbered(0)]));
    assert_eq!(run(&doubles, "functions", &[]), ["[]", "[]"]);
}

#[test]
fn visible_devices_are_those_that_the_environment_names() {
    let mut cards = [Card::numbered(0), Card::numbered(1)];
    (cards[0].cuda_rank, cards[1].cuda_rank) = (1, 0);
    let uuid = cards[0].uuid.clone();
    let doubles = Doubles::new(&Script::with_cards(cards));
    let (first, second) = ("NVIDIA Test Card 0", "NVIDIA Test Card 1");
    let bus = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    assert_eq!(run(&doubles, "names", &[]), [second, first]);
    assert_eq!(run(&doubles, "names", &[bus]), [first, second]);
    assert_eq!(run(&doubles, "names", &[("CUDA_VISIBLE_DEVICES", "0")]), [second]);
    assert_eq!(run(&doubles, "names", &[bus, ("CUDA_VISIBLE_DEVICES", "0")]), [first]);
    assert_eq!(run(&doubles, "names", &[("CUDA_VISIBLE_DEVICES", &uuid[..12])]), [first]);
    assert_eq!(run(&doubles, "names", &[("CUDA_VISIBLE_DEVICES", "-1")]), ["cuInit 100"]);
    assert_eq!(run(&doubles, "nvml count", &[("CUDA_VISIBLE_DEVICES", "-1")]), ["2"]);
}

#[test]
fn without_cards_the_driver_finds_none() {
    let doubles = Doubles::new(&Script::default());
    assert_eq!(run(&doubles, "names", &[]), ["cuInit 100"]);
    assert_eq!(run(&doubles, "nvml count", &[]), ["0"]);
}

#[test]
fn what_a_process_gives_back_is_not_in_the_ledger() {
    let doubles = Doubles::new(&Script::with_cards([Card::numbered(0)]));
    assert_eq!(run(&doubles, "work", &[]), ["0.01"]);
    let ledger = doubles.ledger();
    assert_eq!((ledger.live(), ledger.swept()), (BTreeMap::new(), BTreeMap::new()));
    let got = [Kind::Context, Kind::Stream, Kind::Event, Kind::DeviceMemory, Kind::Module];
    assert_eq!(got.map(|kind| ledger.allocated(kind)), [1, 1, 2, 1, 1]);
}

#[test]
fn a_killed_process_leaves_a_true_ledger() {
    let doubles = Doubles::new(
        &Script::with_cards([Card::numbered(0)]).fault(Fault::cuda_hang("cuStreamSynchronize")),
    );
    let mut child = start(&doubles, "work", &[]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while doubles.ledger().faults().is_empty() {
        assert!(Instant::now() < deadline, "the call did not come");
        std::thread::yield_now();
    }
    assert!(child.try_wait().unwrap().is_none(), "the call returned");
    child.kill().unwrap();
    child.wait().unwrap();
    let live = [
        (Kind::DeviceMemory, 1),
        (Kind::Stream, 1),
        (Kind::Event, 2),
        (Kind::Module, 1),
        (Kind::Context, 1),
    ];
    assert_eq!(doubles.ledger().live_in(child.id()), BTreeMap::from(live));
    assert_eq!(doubles.ledger().faults(), ["cuStreamSynchronize"]);
}

#[test]
fn with_pace_waiting_takes_as_long_as_the_work() {
    let mut card = Card::numbered(0);
    card.timing.kernel_ns = 30_000_000;
    let doubles = Doubles::new(&Script::with_cards([card]).paced());
    let begun = Instant::now();
    let said = run(&doubles, "work", &[]);
    // More where the process was held up between the first event and the kernel.
    let milliseconds: f64 = said[0].parse().unwrap();
    assert!(milliseconds >= 30.0, "{said:?}");
    assert!(begun.elapsed().as_secs_f64() * 1e3 >= milliseconds, "{said:?}");
}

#[test]
fn faults_are_what_the_calls_return() {
    let cards = [Card::numbered(0)];
    let script = Script::with_cards(cards)
        .fault(Fault::cuda("cuInit", 803).times(1))
        .fault(Fault::nvml("nvmlDeviceSetGpuLockedClocks", 4).from(1));
    let doubles = Doubles::new(&script);
    assert_eq!(run(&doubles, "names", &[]), ["cuInit 803"]);
    assert_eq!(run(&doubles, "lock", &[]), ["0", "4"]);
    assert_eq!(run(&doubles, "clock", &[]), ["1410"]);
    let live = doubles.ledger().live();
    assert_eq!(live, BTreeMap::from([(Kind::ClockLock, 1)]));
    assert_eq!(run(&doubles, "unlock", &[]), ["0"]);
    assert_eq!(run(&doubles, "clock", &[]), ["1695"]);
    assert_eq!(doubles.ledger().live(), BTreeMap::new());
}

/// What a child does; nothing in the process of the tests.
#[test]
fn the_part_of_a_child() {
    match env::var(PART).unwrap_or_default().as_str() {
        "" => {}
        "functions" => list_missing(),
        "names" => list_names(),
        "nvml count" => say(first(&nvml(), "nvmlDeviceGetCount_v2", &[])),
        "work" => work(),
        "lock" => (0..2).for_each(|_| say(on_card("nvmlDeviceSetGpuLockedClocks", &[1400, 1410]))),
        "unlock" => say(on_card("nvmlDeviceResetGpuLockedClocks", &[])),
        "clock" => say_clock(),
        other => panic!("no part: {other}"),
    }
}

/// The lines that a child says.
fn run(doubles: &Doubles, part: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let output = start(doubles, part, environment).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text.lines().filter_map(|line| line.strip_prefix(SAYS)).map(str::to_owned).collect()
}

/// Starts a child.
fn start(doubles: &Doubles, part: &str, environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "the_part_of_a_child", "--nocapture", "--quiet"]).env(PART, part);
    doubles.prepare(&mut command).envs(environment.iter().copied());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn say(what: impl std::fmt::Display) {
    println!("{SAYS}{what}");
}

fn list_missing() {
    for (library, functions) in [(CUDA, CUDA_FUNCTIONS), (NVML, NVML_FUNCTIONS)] {
        let library = Loaded::named(library);
        let all = functions.split_whitespace();
        say(format_args!("{:?}", all.filter(|name| !library.has(name)).collect::<Vec<_>>()));
    }
}

fn list_names() {
    let cuda = Loaded::named(CUDA);
    match cuda.call("cuInit", &[0]) {
        0 => {}
        code => return say(format_args!("cuInit {code}")),
    }
    for device in 0..first(&cuda, "cuDeviceGetCount", &[]) {
        let mut name = [0_u8; 64];
        assert_eq!(cuda.call("cuDeviceGetName", &[address(&mut name), 64, device]), 0);
        let end = name.iter().position(|&byte| byte == 0).unwrap();
        say(std::str::from_utf8(&name[..end]).unwrap());
    }
}

/// Runs a kernel between two copies and says how many milliseconds it took.
fn work() {
    let cuda = Loaded::named(CUDA);
    let done = |name: &str, arguments: &[u64]| assert_eq!(cuda.call(name, arguments), 0, "{name}");
    done("cuInit", &[0]);
    done("cuCtxSetCurrent", &[first(&cuda, "cuDevicePrimaryCtxRetain", &[0])]);
    let stream = first(&cuda, "cuStreamCreate", &[1]);
    let [start, end] = [0, 0].map(|flags| first(&cuda, "cuEventCreate", &[flags]));
    let memory = first(&cuda, "cuMemAlloc_v2", &[4]);
    let module = first(&cuda, "cuModuleLoadData", &[address(&mut text(PTX)[..])]);
    let kernel = first(&cuda, "cuModuleGetFunction", &[module, address(&mut text("spin")[..])]);
    let (mut bytes, mut back) = ([1_u8, 2, 3, 4], [0_u8; 4]);
    done("cuMemcpyHtoDAsync_v2", &[memory, address(&mut bytes), 4, stream]);
    done("cuEventRecord", &[start, stream]);
    done("cuLaunchKernel", &[kernel, 1, 1, 1, 1, 1, 1, 0, stream, 0, 0]);
    done("cuEventRecord", &[end, stream]);
    done("cuMemcpyDtoHAsync_v2", &[address(&mut back), memory, 4, stream]);
    done("cuStreamSynchronize", &[stream]);
    assert_eq!(back, bytes);
    let milliseconds = first(&cuda, "cuEventElapsedTime", &[start, end]);
    say(f32::from_bits(u32::try_from(milliseconds).unwrap()));
    done("cuEventDestroy_v2", &[start]);
    done("cuEventDestroy_v2", &[end]);
    done("cuMemFree_v2", &[memory]);
    done("cuModuleUnload", &[module]);
    done("cuStreamDestroy_v2", &[stream]);
    assert_eq!(cuda.call("cuStreamDestroy_v2", &[stream]), 400);
    done("cuDevicePrimaryCtxRelease_v2", &[0]);
    assert_eq!(cuda.call("cuCtxSynchronize", &[]), 709);
}

fn say_clock() {
    let mut clock = 0_u32;
    assert_eq!(on_card("nvmlDeviceGetClockInfo", &[1, address(&mut clock)]), 0);
    say(clock);
}

/// NVML, initialised.
fn nvml() -> Loaded {
    let nvml = Loaded::named(NVML);
    assert_eq!(nvml.call("nvmlInit_v2", &[]), 0);
    nvml
}

/// Makes a call on the first card.
fn on_card(name: &str, arguments: &[u64]) -> i32 {
    let nvml = nvml();
    let mut card = 0_u64;
    assert_eq!(nvml.call("nvmlDeviceGetHandleByIndex_v2", &[0, address(&mut card)]), 0);
    let result = nvml.call(name, &[&[card], arguments].concat());
    assert_eq!(nvml.call("nvmlShutdown", &[]), 0);
    result
}

/// What a call writes to its first argument.
fn first(library: &Loaded, name: &str, others: &[u64]) -> u64 {
    let mut given = 0_u64;
    assert_eq!(library.call(name, &[&[address(&mut given)], others].concat()), 0, "{name}");
    given
}

fn address<T: ?Sized>(place: &mut T) -> u64 {
    std::ptr::from_mut(place).expose_provenance() as u64
}

/// The bytes of a text for C.
fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}
