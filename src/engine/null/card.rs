//! The empty engine on a card: its tensors travel there and back, and in between the card does
//! nothing, or spins for as long as it is told. It shows what transfers and launches alone cost.

use super::{Schedule, io, output_shape, work_of};
use crate::{
    cuda::{Context, DeviceMemory, DeviceSlice, Graph, Stream, spin::Spin},
    engine::{
        Error, LoadSpec, Session,
        card::{Card, CardSession, OnCard, Output},
    },
    scenario::Precision,
    tensor::{DType, ModelIo, Shape, Tensor, TensorSet},
};

struct NullOnCard {
    graph: Option<Graph>,
    records_graph: bool,
    spin: Option<Spin>,
    steps: u64,
    nanos: u64,
    context: Context,
    inputs: Vec<DeviceMemory>,
    output: DeviceMemory,
    shape: Shape,
    io: ModelIo,
    precision: Precision,
    schedule: Schedule,
}

/// A session on the card of `spec`.
pub fn load(spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
    let options = &spec.place.options.null;
    let card = Card::open(&spec.place.device, options.card())?;
    let (steps, nanos) = (work_of(spec), options.spin_us.saturating_mul(1000));
    let spin = match steps > 0 || nanos > 0 {
        true => Some(Spin::new(&card.context, card.capability)?),
        false => None,
    };
    let shape = output_shape(spec.batch)?;
    let model = NullOnCard {
        graph: None,
        records_graph: options.cuda_graph,
        spin,
        steps,
        nanos,
        context: card.context.clone(),
        inputs: Vec::new(),
        output: DeviceMemory::new(&card.context, shape.elements() * size_of::<f32>())?,
        shape,
        io: io(),
        precision: spec.precision,
        schedule: Schedule::new(spec),
    };
    Ok(Box::new(CardSession::new(card, model, options.card())?))
}

impl NullOnCard {
    /// What the card does in every iteration.
    fn work(&self, stream: &Stream) -> Result<(), crate::cuda::Error> {
        if let Some(spin) = &self.spin {
            spin.launch(stream, self.steps, self.nanos)?;
        }
        stream.clear(self.output.slice())
    }
}

impl OnCard for NullOnCard {
    fn io(&self) -> &ModelIo {
        &self.io
    }

    fn executed_precision(&self) -> Option<Precision> {
        Some(self.precision)
    }

    fn prepare(&mut self, tensors: &TensorSet) -> Result<(), Error> {
        let room = |tensor: &Tensor| DeviceMemory::new(&self.context, tensor.bytes().len());
        self.inputs = tensors.iter().map(room).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn input(&self, index: usize) -> Result<DeviceSlice<'_>, Error> {
        let memory = self.inputs.get(index).map(DeviceMemory::slice);
        memory.ok_or_else(|| Error::Failed(format!("there is no input {index}")))
    }

    fn enqueue(&mut self, stream: &Stream) -> Result<(), Error> {
        self.schedule.tick()?;
        if !self.records_graph {
            return Ok(self.work(stream)?);
        }
        if self.graph.is_none() {
            self.graph = Some(stream.capture(|stream| self.work(stream))?);
        }
        match &self.graph {
            Some(graph) => Ok(stream.launch(graph)?),
            None => Ok(()),
        }
    }

    fn output(&self, _: usize) -> Result<Output<'_>, Error> {
        Ok(Output { memory: self.output.slice(), shape: self.shape, dtype: DType::F32 })
    }
}
