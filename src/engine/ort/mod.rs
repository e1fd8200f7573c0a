//! ONNX Runtime, loaded at run time, on the processor.
//!
//! Its own defaults are kept wherever the scenario says nothing, the spinning of its threads
//! between operators included: that is what its users get. No other execution provider is
//! registered, so it cannot fall back from one.

mod library;
mod sys;
mod value;

pub use library::{Library, Source, locate};

use super::{
    Engine, Error, LoadSpec, Runtime, Session, check_count,
    foreign::{chain, guarded},
};
use crate::{
    os::printable,
    scenario::{EngineOptions, Optimization, OrtOptions, Precision},
    tensor::{ModelIo, Outputs, TensorSet, TensorView},
    timing::{Marks, Stage},
};
use ::ort::{
    ep,
    session::{
        self,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::DynValue,
};

/// Runs ONNX files through the ONNX Runtime library that [`locate`] finds.
pub struct Ort;

struct OrtSession {
    session: session::Session,
    io: ModelIo,
    outputs: Vec<DynValue>,
    executed: Precision,
    threads: usize,
}

impl Engine for Ort {
    fn name(&self) -> &'static str {
        "ort"
    }

    fn runtime(&self, options: &EngineOptions) -> Result<Runtime, Error> {
        let library = locate(&options.ort)?;
        Ok(Runtime { version: library.version()?, library: Some(printable(&library.path)) })
    }

    fn load(&self, spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
        let environment = locate(&spec.options.ort)?.environment()?;
        spec.check_file()?;
        let blame = |words: &str| spec.model_error(&format!("ONNX Runtime: {words}"));
        let builder = session::Session::builder(&environment).map_err(|e| blame(&chain(&e)))?;
        let mut builder = configure(builder, spec).map_err(|words| blame(&words))?;
        let session = guarded(|| builder.commit_from_file(spec.model))
            .map_err(|panic| blame(&panic))?
            .map_err(|error| blame(&chain(&error)))?;
        let io = value::describe(&session);
        spec.check_batch(&io)?;
        Ok(Box::new(OrtSession {
            outputs: Vec::with_capacity(io.outputs.len()),
            executed: executed(spec.precision, &spec.options.ort),
            threads: spec.threads,
            session,
            io,
        }))
    }
}

fn configure(builder: SessionBuilder, spec: &LoadSpec<'_>) -> Result<SessionBuilder, String> {
    let options = &spec.options.ort;
    let cpu = ep::CPU::default().with_arena_allocator(options.arena).build().error_on_failure();
    let builder = builder.with_optimization_level(level(options.optimization)).map_err(words)?;
    let builder = builder.with_intra_threads(spec.threads).map_err(words)?;
    let builder = builder.with_inter_threads(1).map_err(words)?;
    let builder = builder.with_parallel_execution(false).map_err(words)?;
    builder.with_execution_providers([cpu]).map_err(words)
}

/// An error of the builder carries the builder; only its words are wanted.
fn words<R>(error: ::ort::Error<R>) -> String {
    error.message().to_owned()
}

fn level(optimization: Optimization) -> GraphOptimizationLevel {
    match optimization {
        Optimization::Disable => GraphOptimizationLevel::Disable,
        Optimization::Basic => GraphOptimizationLevel::Level1,
        Optimization::Extended => GraphOptimizationLevel::Level2,
        Optimization::All => GraphOptimizationLevel::All,
    }
}

/// What ONNX Runtime computes in on a processor, given that the model's weights are of the
/// precision asked for (the caller has made sure): operators on 16 bit floats get casts around
/// them and run in 32; quantise/dequantise pairs become integer kernels, but only at the level of
/// optimisation that fuses operators.
fn executed(asked: Precision, options: &OrtOptions) -> Precision {
    let fuses = matches!(options.optimization, Optimization::Extended | Optimization::All);
    match asked {
        Precision::Int8 if fuses => Precision::Int8,
        Precision::Int8 | Precision::Fp16 | Precision::Fp32 => Precision::Fp32,
    }
}

impl Outputs for OrtSession {
    fn count(&self) -> usize {
        self.io.outputs.len()
    }

    fn get(&self, index: usize) -> Option<TensorView<'_>> {
        value::view(self.outputs.get(index)?)
    }
}

impl Session for OrtSession {
    fn io(&self) -> &ModelIo {
        &self.io
    }

    fn executed_precision(&self) -> Precision {
        self.executed
    }

    /// The calling thread is one of the threads asked for.
    fn uses_other_threads(&self) -> bool {
        self.threads > 1
    }

    fn run(&mut self, inputs: &TensorSet, marks: &mut Marks<'_>) -> Result<(), Error> {
        marks.enter(Stage::Inference);
        check_count(&self.io, inputs)?;
        // Given back first: the arena then serves the next outputs from the same memory.
        self.outputs.clear();
        self.compute(inputs)
            .map_err(|error| Error::Failed(format!("ONNX Runtime: {}", chain(&error))))?;
        marks.end(Stage::Inference);
        Ok(())
    }
}

impl OrtSession {
    /// Inputs are borrowed and outputs stay where ONNX Runtime put them: nothing is copied.
    fn compute(&mut self, inputs: &TensorSet) -> Result<(), ::ort::Error> {
        let feeds = inputs.iter().map(value::feed).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.session.run(feeds.as_slice())?;
        self.outputs.extend(outputs.into_iter().map(|(_, value)| value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_computed_in_only_where_operators_are_fused() {
        let at = |optimization| OrtOptions { optimization, ..OrtOptions::default() };
        assert_eq!(executed(Precision::Int8, &at(Optimization::All)), Precision::Int8);
        assert_eq!(executed(Precision::Int8, &at(Optimization::Basic)), Precision::Fp32);
        assert_eq!(executed(Precision::Fp16, &at(Optimization::All)), Precision::Fp32);
    }
}
