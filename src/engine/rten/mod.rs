//! The embedded engine: the `rten` crate, pure Rust, on the processor.
//!
//! It computes in 32 bit floats. Weights of 16 bits are widened when they are loaded, 64 bit
//! integers are narrowed to 32, and quantise/dequantise pairs are run as they stand, around
//! floating-point convolutions; see `executed` below for the exception.

mod value;

use super::{
    Engine, Error, LoadSpec, Place, Request, Runtime, Session, check_count,
    foreign::{chain, guarded},
};
use crate::{
    device::Kind,
    scenario::Precision,
    tensor::{ModelIo, Outputs, TensorSet, TensorView},
    timing::{Marks, Stage},
};
use rten::{Model, NodeId, RunOptions, ThreadPool, Value};
use std::sync::Arc;

/// Version of the crate that is linked in; a test holds it against the lock file.
const VERSION: &str = "0.27.0";

/// Names of the operators that `rten` computes in integers, as they stand in a model file.
const INTEGER_OPERATORS: [&[u8]; 2] = [b"ConvInteger", b"MatMulInteger"];

/// Runs ONNX files in this very process, with no library to install.
pub struct Rten;

struct RtenSession {
    model: Model,
    io: ModelIo,
    input_ids: Vec<NodeId>,
    output_ids: Vec<NodeId>,
    options: RunOptions,
    outputs: Vec<Value>,
    executed: Precision,
}

impl Engine for Rten {
    fn name(&self) -> &'static str {
        "rten"
    }

    fn obstacle(&self, request: &Request<'_>) -> Option<String> {
        if request.device == Kind::Gpu {
            return Some(
                "engine `rten` computes on the CPU alone; on a card use engine `ort`".to_owned(),
            );
        }
        request.other_weights()
    }

    fn runtime(&self, _: &Place) -> Result<Runtime, Error> {
        refuse_timing(std::env::var_os("RTEN_TIMING").is_some())?;
        Ok(Runtime { version: VERSION.into(), library: None })
    }

    fn load(&self, spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
        self.runtime(spec.place)?;
        spec.check_file()?;
        let model = open(spec)?;
        let io = value::describe(&model);
        if io.outputs.is_empty() {
            return Err(spec.model_error("holds no graph with outputs; is it an ONNX model?"));
        }
        spec.check_batch(&io)?;
        let pool = ThreadPool::with_num_threads(spec.threads);
        Ok(Box::new(RtenSession {
            input_ids: model.input_ids().to_vec(),
            output_ids: model.output_ids().to_vec(),
            options: RunOptions::default().with_thread_pool(Some(Arc::new(pool))),
            outputs: Vec::new(),
            executed: executed(spec)?,
            model,
            io,
        }))
    }
}

/// `rten` looks at this variable in every run; it would then print to standard output and
/// measure itself at our expense.
fn refuse_timing(set: bool) -> Result<(), Error> {
    match set {
        false => Ok(()),
        true => Err(Error::Unavailable(
            "RTEN_TIMING is set: rten would print and slow down while it is measured; unset it"
                .into(),
        )),
    }
}

fn open(spec: &LoadSpec<'_>) -> Result<Model, Error> {
    guarded(|| Model::load_file(spec.model))
        .map_err(|panic| spec.model_error(&format!("rten {panic}")))?
        .map_err(|error| spec.model_error(&format!("rten: {}", chain(&error))))
}

/// What `rten` computes in. It tells nobody, hence the look into the file, which is taken only
/// where integers were asked for: a model that has integer operators runs those in 8 bits; one
/// with quantise/dequantise pairs runs in floats.
fn executed(spec: &LoadSpec<'_>) -> Result<Precision, Error> {
    if spec.precision != Precision::Int8 {
        return Ok(Precision::Fp32);
    }
    let bytes = std::fs::read(spec.model).map_err(|e| spec.model_error(&e.to_string()))?;
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    Ok(if INTEGER_OPERATORS.into_iter().any(has) { Precision::Int8 } else { Precision::Fp32 })
}

impl Outputs for RtenSession {
    fn count(&self) -> usize {
        self.output_ids.len()
    }

    fn get(&self, index: usize) -> Option<TensorView<'_>> {
        value::view(self.outputs.get(index)?)
    }
}

impl Session for RtenSession {
    fn io(&self) -> &ModelIo {
        &self.io
    }

    fn executed_precision(&self) -> Option<Precision> {
        Some(self.executed)
    }

    /// Even a pool of one thread is a thread of its own.
    fn uses_other_threads(&self) -> bool {
        true
    }

    fn run(&mut self, inputs: &TensorSet, marks: &mut Marks<'_>) -> Result<(), Error> {
        marks.enter(Stage::Inference);
        check_count(&self.io, inputs)?;
        // Freed first: the memory of the last outputs serves the next ones.
        self.outputs.clear();
        self.outputs = self.compute(inputs)?;
        marks.end(Stage::Inference);
        Ok(())
    }
}

impl RtenSession {
    fn compute(&self, inputs: &TensorSet) -> Result<Vec<Value>, Error> {
        let feeds = self.input_ids.iter().zip(inputs);
        let feeds = feeds
            .map(|(&id, tensor)| Ok((id, value::feed(tensor)?)))
            .collect::<Result<_, Error>>()?;
        let run = || self.model.run(feeds, &self.output_ids, Some(self.options.clone()));
        let mut outputs = guarded(run)
            .map_err(|panic| Error::Failed(format!("rten {panic}")))?
            .map_err(|error| Error::Failed(format!("rten: {}", chain(&error))))?;
        outputs.iter_mut().for_each(value::straighten);
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_told_is_the_one_linked_in() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"rten\"\nversion = \"{VERSION}\"")));
    }

    #[test]
    fn a_variable_that_makes_rten_print_is_refused() {
        assert!(refuse_timing(false).is_ok());
        assert!(matches!(refuse_timing(true), Err(Error::Unavailable(_))));
    }
}
