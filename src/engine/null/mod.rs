//! The empty engine: computes nothing, reads no file. It shows what the harness itself costs and,
//! told to misbehave, how a launch is lost.

mod card;
mod fault;

use super::{Engine, Error, Layer, LoadSpec, Place, Request, Runtime, Session};
use crate::{
    device::Kind,
    os::{Clock, MonotonicClock},
    scenario::{Fault, Precision},
    tensor::{DType, Dim, ModelIo, Outputs, Shape, Tensor, TensorInfo, TensorSet, TensorView},
    timing::{Marks, Stage},
    unit::Nanos,
};

/// Its name in scenarios and results.
pub const NAME: &str = "null";

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
    schedule: Schedule,
}

/// What goes wrong in this launch, and when.
struct Schedule {
    fault: Option<Fault>,
    fault_iteration: u64,
    iteration: u64,
}

impl Engine for Null {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reads_model(&self) -> bool {
        false
    }

    fn runtime(&self, _: &Place) -> Result<Runtime, Error> {
        Ok(Runtime { version: env!("CARGO_PKG_VERSION").into(), library: None })
    }

    /// It reads no model and has the inputs and outputs of one family.
    fn obstacle(&self, request: &Request<'_>) -> Option<String> {
        let other = (request.family != FAMILY).then(|| {
            format!(
                "engine `null` reads no model and pretends to be one of family `{FAMILY}`, not \
                 `{}`; use that family",
                request.family
            )
        });
        other.or_else(|| super::card::obstacle(request, request.options.null.card()))
    }

    fn remarks(&self, request: &Request<'_>) -> Vec<String> {
        let on_card = request.device == Kind::Gpu;
        on_card
            .then(|| super::card::remark(request.options.null.card()))
            .flatten()
            .into_iter()
            .collect()
    }

    fn load(&self, spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
        if spec.place.device.kind == Kind::Gpu {
            return card::load(spec);
        }
        let shape = output_shape(spec.batch)?;
        Ok(Box::new(NullSession {
            io: io(),
            outputs: vec![Tensor::zeros("output0", shape)],
            precision: spec.precision,
            spin: Nanos(spec.place.options.null.spin_us.saturating_mul(1000)),
            work: work_of(spec),
            clock: MonotonicClock::new(),
            schedule: Schedule::new(spec),
        }))
    }

    /// It has no layers, but can be told to fail where others time theirs.
    fn layers(
        &self,
        spec: &LoadSpec<'_>,
        _: &TensorSet,
        _: usize,
    ) -> Result<Option<Vec<Layer>>, Error> {
        let options = &spec.place.options.null;
        options.fault.filter(|_| options.fault_layers).map_or(Ok(()), fault::commit)?;
        Ok(None)
    }
}

impl Schedule {
    fn new(spec: &LoadSpec<'_>) -> Self {
        let options = &spec.place.options.null;
        let concerned = !options.fault_layers
            && (options.fault_launches.is_empty() || options.fault_launches.contains(&spec.launch));
        Self {
            fault: options.fault.filter(|_| concerned),
            fault_iteration: options.fault_iteration,
            iteration: 0,
        }
    }

    /// Begins an iteration, and commits the fault if this is the one.
    fn tick(&mut self) -> Result<(), Error> {
        let Some(fault) = self.fault else { return Ok(()) };
        let due = self.iteration == self.fault_iteration;
        self.iteration += 1;
        if due { fault::commit(fault) } else { Ok(()) }
    }
}

/// Steps of arithmetic per run: those of the model's file, else those of all.
fn work_of(spec: &LoadSpec<'_>) -> u64 {
    let options = &spec.place.options.null;
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

fn output_shape(batch: usize) -> Result<Shape, Error> {
    Shape::new(&[batch, ROWS, ANCHORS])
        .ok_or_else(|| Error::Unsupported(format!("batch {batch} is too large")))
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
    fn executed_precision(&self) -> Option<Precision> {
        Some(self.precision)
    }

    fn run(&mut self, _: &TensorSet, marks: &mut Marks<'_>) -> Result<(), Error> {
        marks.enter(Stage::Inference);
        self.schedule.tick()?;
        if self.spin > Nanos::ZERO {
            self.spin();
        }
        work(self.work);
        marks.end(Stage::Inference);
        Ok(())
    }
}

impl NullSession {
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
    use crate::scenario::{EngineOptions, NullOptions};
    use std::{path::Path, sync::atomic::AtomicU8};

    fn session(null: NullOptions, launch: u32) -> Box<dyn Session> {
        let place = Place::cpu(EngineOptions { null, ..EngineOptions::default() });
        let spec = LoadSpec {
            model: Path::new("no such file"),
            threads: 1,
            batch: 2,
            precision: Precision::Fp16,
            launch,
            place: &place,
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
        assert_eq!(session.executed_precision(), Some(Precision::Fp16));
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
