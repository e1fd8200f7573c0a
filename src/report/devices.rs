//! What hardware and libraries are here, as text. The JSON of `trtbench devices` is the data itself.

use crate::{
    cuda::nvml::{Facts, Process, Reading},
    device::{
        Figure, Gpu, Inventory, OperationsPerSecond, Spec,
        libraries::{Library, LibraryKind},
        spec_of,
    },
    os::Host,
};
use std::fmt::Display;

/// Processors, cards, libraries; for what is missing, why.
pub fn text(host: &Host, inventory: &Inventory, libraries: &[Library]) -> String {
    let mut lines = vec![cpu(host)];
    lines.push(String::new());
    lines.extend(driver(inventory));
    for gpu in &inventory.gpus {
        lines.push(String::new());
        lines.extend(card(gpu, inventory));
    }
    lines.push(String::new());
    lines.extend(libraries_text(libraries));
    lines.join("\n")
}

fn cpu(host: &Host) -> String {
    let memory = host.memory_bytes.map(|bytes| format!(", {}", memory(bytes)));
    format!("cpu    {}, {} processors{}", host.cpu, host.processors, memory.unwrap_or_default())
}

fn driver(inventory: &Inventory) -> Vec<String> {
    let mut lines = Vec::new();
    if inventory.driver.is_some() || inventory.cuda.is_some() {
        let (driver, cuda) = (shown(&inventory.driver), shown(&inventory.cuda));
        lines.push(format!("NVIDIA driver {driver}, CUDA up to {cuda}"));
    }
    if inventory.gpus.is_empty() {
        lines.push("no GPU".to_owned());
    }
    let problems = [("CUDA", &inventory.cuda_problem), ("NVML", &inventory.nvml_problem)];
    for (what, problem) in problems {
        lines.extend(problem.as_ref().map(|problem| format!("{what}: {problem}")));
    }
    lines
}

fn card(gpu: &Gpu, inventory: &Inventory) -> Vec<String> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.push(("uuid", gpu.uuid.to_string()));
    let cuda = gpu.cuda.map(|cuda| cuda.ordinal);
    rows.push((
        "place",
        format!(
            "PCI {}; device {} in CUDA, {} in NVML",
            gpu.pci,
            shown(&cuda),
            shown(&gpu.nvml_index)
        ),
    ));
    if let Some(why) = gpu.hidden(inventory) {
        rows.push(("not usable", why));
    }
    if let Some(cuda) = gpu.cuda {
        let (capability, sms) = (cuda.capability, cuda.multiprocessors);
        let memory = memory(cuda.memory.0);
        rows.push(("compute", format!("capability {capability}, {sms} multiprocessors, {memory}")));
    }
    rows.push(("peak", peak(spec_of(&gpu.name))));
    let facts = gpu.facts.clone().unwrap_or_default();
    let reading = gpu.reading.unwrap_or_default();
    if gpu.nvml_index.is_some() {
        rows.extend(state(&facts, &reading));
    }
    let mut lines = vec![format!("gpu:{}  {}", gpu.index, gpu.name)];
    lines.extend(rows.into_iter().map(|(what, text)| format!("       {what:<11} {text}")));
    lines
}

fn state(facts: &Facts, reading: &Reading) -> Vec<(&'static str, String)> {
    let link = |generation: Option<u32>, width: Option<u32>| match (generation, width) {
        (Some(generation), Some(width)) => format!("PCIe {generation}.0 x{width}"),
        _ => "unknown".to_owned(),
    };
    let now = link(reading.pcie_generation, reading.pcie_width);
    let most = link(facts.pcie_generation_max, facts.pcie_width_max);
    let clock = |now: Option<u32>, most: Option<u32>| {
        format!("{} MHz (at most {})", shown(&now), shown(&most))
    };
    let watts = |milliwatts: Option<u32>| {
        milliwatts.map_or("unknown".to_owned(), |mw| format!("{:.0} W", f64::from(mw) / 1e3))
    };
    vec![
        ("link", format!("{now} now, {most} at most; a card at rest lowers it")),
        (
            "clocks",
            format!(
                "multiprocessors {}, memory {}",
                clock(reading.sm_clock_mhz, facts.sm_clock_max_mhz),
                clock(reading.memory_clock_mhz, facts.memory_clock_max_mhz)
            ),
        ),
        (
            "power",
            format!(
                "{} of {} (by default {}), {} °C",
                watts(reading.power_mw),
                watts(facts.power_limit_mw),
                watts(facts.power_limit_default_mw),
                shown(&reading.temperature_c)
            ),
        ),
        ("held back by", shown(&reading.throttle)),
        (
            "modes",
            format!(
                "persistence {}, MIG {}, ECC {}",
                on(facts.persistence),
                on(facts.mig),
                on(facts.ecc)
            ),
        ),
        ("in use", processes(facts.processes.as_deref(), reading.memory_used_bytes)),
    ]
}

fn processes(processes: Option<&[Process]>, used: Option<u64>) -> String {
    let used = used.map_or("unknown".to_owned(), memory);
    let Some(processes) = processes else { return format!("{used}; by whom is unknown") };
    if processes.is_empty() {
        return format!("{used}; no process computes on it");
    }
    let name = |process: &Process| match process.memory_bytes {
        Some(bytes) => format!("process {} ({})", process.pid, memory(bytes)),
        None => format!("process {}", process.pid),
    };
    let names: Vec<String> = processes.iter().map(name).collect();
    format!("{used}; {}", names.join(", "))
}

/// Memory in the unit that it is sold in.
fn memory(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// What the card can do at most, by the table; figures that nobody confirms are marked.
fn peak(spec: Option<&Spec>) -> String {
    let Some(spec) = spec else { return "not in the table of cards".to_owned() };
    let mark = |confirmed: bool| if confirmed { "" } else { "*" };
    let rate = |figure: Option<Figure<OperationsPerSecond>>| match figure {
        Some(figure) => format!("{:.1}{}", figure.value.0 / 1e12, mark(figure.confirmed)),
        None => "none".to_owned(),
    };
    let bandwidth = match spec.bandwidth {
        Some(figure) => format!("{:.0} GB/s{}", figure.value.0 / 1e9, mark(figure.confirmed)),
        None => "–".to_owned(),
    };
    let (fp32, fp16, int8) = (rate(spec.fp32), rate(spec.fp16), rate(spec.int8));
    let text = format!(
        "FP32 {fp32} TFLOP/s, FP16 on tensor cores {fp16}, INT8 {int8} TOP/s, memory {bandwidth}"
    );
    if text.contains('*') { format!("{text} (* unconfirmed)") } else { text }
}

fn libraries_text(libraries: &[Library]) -> Vec<String> {
    if libraries.is_empty() {
        return vec!["no NVIDIA or ONNX Runtime library was found".to_owned()];
    }
    let mut lines = vec!["libraries".to_owned()];
    for library in libraries {
        let version = library.version.as_ref().map(|version| version.text.clone());
        let name = name(library.kind);
        lines.push(format!("  {name:<16} {:<12} {}", shown(&version), library.path));
        let indented = |text: &str| format!("{:31}{text}", "");
        lines.extend(library.problem.as_ref().map(|problem| indented(problem)));
        if library.kind == LibraryKind::OnnxRuntime && !library.has_cuda_provider() {
            lines.push(indented("for the CPU alone"));
        }
        // ONNX Runtime is loaded by its path; nobody has to look for it.
        if !library.on_loader_path && library.kind != LibraryKind::OnnxRuntime {
            lines.push(indented("the system's loader does not look there"));
        }
        for provider in library.providers.iter().filter(|provider| provider.name != "shared") {
            let lacks = match (&provider.problem, provider.missing.as_slice()) {
                (Some(problem), _) => format!(": {problem}"),
                (None, []) => String::new(),
                (None, missing) => format!(": lacks {}", missing.join("; ")),
            };
            lines.push(indented(&format!("provider {}{lacks}", provider.name)));
        }
    }
    lines
}

fn name(kind: LibraryKind) -> &'static str {
    match kind {
        LibraryKind::CudaDriver => "CUDA driver",
        LibraryKind::Nvml => "NVML",
        LibraryKind::CudaRuntime => "CUDA runtime",
        LibraryKind::Nvrtc => "NVRTC",
        LibraryKind::Cublas => "cuBLAS",
        LibraryKind::Cudnn => "cuDNN",
        LibraryKind::Tensorrt => "TensorRT",
        LibraryKind::TensorrtPlugin => "TensorRT plugin",
        LibraryKind::TensorrtParser => "TensorRT parser",
        LibraryKind::TensorrtRtx => "TensorRT-RTX",
        LibraryKind::OnnxRuntime => "ONNX Runtime",
    }
}

fn shown(value: &Option<impl Display>) -> String {
    value.as_ref().map_or("unknown".to_owned(), ToString::to_string)
}

fn on(flag: Option<bool>) -> &'static str {
    match flag {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown or not supported",
    }
}
