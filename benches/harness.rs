//! What the harness itself costs: four empty stages inside the timed region, and what is read
//! outside of it for every iteration.

use criterion::{Criterion, criterion_group, criterion_main};
use std::{hint::black_box, path::Path, sync::atomic::AtomicU8};
use trtbench::{
    cpu::{Cpu, Instructions},
    engine::{self, LoadSpec, Place},
    family::{Adapter, Detection, Fitting, Mismatch},
    image::{Decoder, Image, Size},
    os::{Clock, Meter, MonotonicClock},
    pipeline::Pipeline,
    scenario::{EngineOptions, Precision},
    tensor::{Outputs, TensorSet},
    timing::{Marks, Sample},
};

/// A family that does nothing.
struct Empty;

impl Adapter for Empty {
    fn fitting(&self) -> Fitting {
        unreachable!("only preflight asks")
    }

    fn classes(&self) -> Option<usize> {
        None
    }

    fn inputs(&self) -> TensorSet {
        TensorSet::new()
    }

    fn preprocess(&mut self, _: &[Image], _: &Cpu, _: &mut TensorSet) {}

    fn postprocess(
        &mut self,
        _: &dyn Outputs,
        _: &[Size],
        _: &Cpu,
        _: &mut Vec<Vec<Detection>>,
    ) -> Result<(), Mismatch> {
        Ok(())
    }

    fn class_names(&self) -> Option<&'static [&'static str]> {
        None
    }
}

fn empty_pipeline() -> Pipeline {
    let place = Place::cpu(EngineOptions::default());
    let spec = LoadSpec {
        model: Path::new("none"),
        threads: 1,
        batch: 1,
        precision: Precision::Fp32,
        launch: 0,
        place: &place,
    };
    let session =
        engine::named("null").and_then(|engine| engine.load(&spec)).expect("empty engine");
    let cpu = Cpu::single(Instructions::best());
    Pipeline::new(session, Box::new(Empty), 0, cpu, Decoder::new())
}

fn harness(criterion: &mut Criterion) {
    let mut pipeline = empty_pipeline();
    let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
    let mut marks = Marks::new(&clock, &beacon);
    criterion.bench_function("four empty stages", |bench| {
        bench.iter(|| -> Option<Sample> { black_box(pipeline.iterate(&[], &mut marks).ok()) });
    });
    criterion.bench_function("one clock reading", |bench| bench.iter(|| black_box(clock.now())));
    let thread = Meter::new(false);
    criterion.bench_function("meters outside the timed region, one thread", |bench| {
        bench.iter(|| black_box((thread.before(), thread.after())));
    });
    let process = Meter::new(true);
    criterion.bench_function("meters outside the timed region, whole process", |bench| {
        bench.iter(|| black_box((process.before(), process.after())));
    });
}

criterion_group!(benches, harness);
criterion_main!(benches);
