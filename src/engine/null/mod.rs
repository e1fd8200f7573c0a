//! The empty engine: computes nothing, reads no file. It shows what the harness itself costs and,
//! told to misbehave, how a launch is lost.

mod fault;

use super::{Engine, Error, LoadSpec, Runtime, Session};
use crate::{
    os::{Clock, MonotonicClock},
    scenario::{EngineOptions, Fault, Precision},
    tensor::{DType, Dim, ModelIo, Outputs, Shape, Tensor, TensorInfo, TensorSet, TensorView},
    timing::{Marks, Stage},
    unit::Nanos,
};

/// Side of the images it takes.
const SIDE: usize = 128;
/// Rows of a YOLOv8 output: four for the box and one for each of 80 classes.
const ROWS: usize = 84;
/// Anchors of YOLOv8 at strides 8, 16 and 32 on images of [`SIDE`].
const ANCHORS: usize = 16 * 16 + 8 * 8 + 4 * 4;

/// Pretends to run a YOLOv8 of 128 × 128 pixels and 80 classes, whatever model it is given: the
/// file is not read and need not exist. Every output is zero, so nothing is ever detected.
pub struct Null;

struct NullSession {
    io: ModelIo,
    outputs: TensorSet,
    precision: Precision,
    spin: Nanos,
    work: u64,
    clock: MonotonicClock,
    /// What goes wrong in this launch.
    fault: Option<Fault>,
    fault_iteration: u64,
    iteration: u64,
}

impl Engine for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn reads_model(&self) -> bool {
        false
    }

    fn runtime(&self, _: &EngineOptions) -> Result<Runtime, Error> {
        Ok(Runtime { version: env!("CARGO_PKG_VERSION").into(), library: None })
    }

    fn load(&self, spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
        let options = &spec.options.null;
        let concerned =
            options.fault_launches.is_empty() || options.fault_launches.contains(&spec.launch);
        Ok(Box::new(NullSession {
            io: io(),
            outputs: outputs(spec.batch)?,
            precision: spec.precision,
            spin: Nanos(options.spin_us.saturating_mul(1000)),
            work: work_of(spec),
            clock: MonotonicClock::new(),
            fault: options.fault.filter(|_| concerned),
            fault_iteration: options.fault_iteration,
            iteration: 0,
        }))
    }
}

/// Steps of arithmetic per run: those of the model's file, else those of all.
fn work_of(spec: &LoadSpec<'_>) -> u64 {
    let options = &spec.options.null;
    let name = spec.model.file_stem().unwrap_or_default().to_string_lossy();
    options.work_of.get(name.as_ref()).copied().unwrap_or(options.work)
}

/// Family whose inputs and outputs it has.
pub const FAMILY: &str = "yolov8";

fn io() -> ModelIo {
    let tensor = |name: &str, rest: &[usize]| {
        let mut dims = vec![Dim::Dynamic("batch".into())];
        dims.extend(rest.iter().map(|&n| Dim::Fixed(n)));
        TensorInfo { name: name.into(), dtype: DType::F32, dims: Some(dims) }
    };
    ModelIo {
        inputs: vec![tensor("images", &[3, SIDE, SIDE])],
        outputs: vec![tensor("output0", &[ROWS, ANCHORS])],
    }
}

fn outputs(batch: usize) -> Result<TensorSet, Error> {
    let shape = Shape::new(&[batch, ROWS, ANCHORS])
        .ok_or_else(|| Error::Unsupported(format!("batch {batch} is too large")))?;
    Ok(vec![Tensor::zeros("output0", shape)])
}

impl Outputs for NullSession {
    fn count(&self) -> usize {
        self.outputs.count()
    }

    fn get(&self, index: usize) -> Option<TensorView<'_>> {
        Outputs::get(&self.outputs, index)
    }
}

impl Session for NullSession {
    fn io(&self) -> &ModelIo {
        &self.io
    }

    /// The precision asked for: nothing is computed in any other.
    fn executed_precision(&self) -> Precision {
        self.precision
    }

    fn run(&mut self, _: &TensorSet, marks: &mut Marks<'_>) -> Result<(), Error> {
        marks.enter(Stage::Inference);
        if let Some(fault) = self.fault {
            self.commit(fault)?;
        }
        if self.spin > Nanos::ZERO {
            self.spin();
        }
        work(self.work);
        marks.end(Stage::Inference);
        Ok(())
    }
}

impl NullSession {
    /// Commits `fault` if this is its iteration, and counts.
    fn commit(&mut self, fault: Fault) -> Result<(), Error> {
        let due = self.iteration == self.fault_iteration;
        self.iteration += 1;
        if due { fault::commit(fault) } else { Ok(()) }
    }

    fn spin(&self) {
        let start = self.clock.now();
        while self.clock.now().since(start) < self.spin {
            std::hint::spin_loop();
        }
    }
}

/// A chain of steps each of which needs the one before, so that none can be left out.
fn work(steps: u64) {
    let mut value = 1_u64;
    for _ in 0..steps {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::NullOptions;
    use std::{path::Path, sync::atomic::AtomicU8};

    fn session(null: NullOptions, launch: u32) -> Box<dyn Session> {
        let options = EngineOptions { null, ..EngineOptions::default() };
        let spec = LoadSpec {
            model: Path::new("no such file"),
            threads: 1,
            batch: 2,
            precision: Precision::Fp16,
            launch,
            options: &options,
        };
        Null.load(&spec).unwrap()
    }

    fn run(session: &mut dyn Session) -> (Result<(), Error>, Option<Nanos>) {
        let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
        let mut marks = Marks::new(&clock, &beacon);
        marks.begin();
        let result = session.run(&Vec::new(), &mut marks);
        (result, marks.finish().stages[Stage::Inference as usize])
    }

    #[test]
    fn it_needs_no_file_and_gives_zeros_for_the_batch() {
        let mut session = session(NullOptions::default(), 0);
        assert!(matches!(run(&mut *session), (Ok(()), Some(_))));
        let output = session.get(0).unwrap();
        assert_eq!(output.shape.dims(), [2, ROWS, ANCHORS]);
        assert!(output.floats().unwrap().iter().all(|&value| value == 0.0));
        assert_eq!(session.executed_precision(), Precision::Fp16);
    }

    #[test]
    fn it_spins_for_as_long_as_it_is_told() {
        let mut session = session(NullOptions { spin_us: 500, ..NullOptions::default() }, 0);
        assert!(run(&mut *session).1 >= Some(Nanos(500_000)));
    }

    #[test]
    fn a_fault_happens_in_its_launch_and_iteration_only() {
        let options = || NullOptions {
            fault: Some(Fault::Error),
            fault_launches: vec![1],
            fault_iteration: 2,
            ..NullOptions::default()
        };
        let failing = |launch| {
            let mut session = session(options(), launch);
            (0..4).map(|_| run(&mut *session).0.is_err()).collect::<Vec<_>>()
        };
        assert_eq!(failing(0), [false; 4]);
        assert_eq!(failing(1), [false, false, true, false]);
    }
}
