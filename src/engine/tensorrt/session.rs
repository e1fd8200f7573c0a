//! A TensorRT engine on a card.

use super::{lanes::Lanes, layers, library, open_card, recipe};
use crate::{
    cuda::{Context, DeviceMemory, DeviceSlice, Graph, Stream},
    engine::{
        Error, LoadSpec, Session,
        card::{Card, CardSession, OnCard, Output},
    },
    model::sha256,
    os::printable,
    scenario::Precision,
    tensor::{Dim, ModelIo, Shape, TensorInfo, TensorSet},
    tensorrt::{self, Engine, Library},
};

/// Fields are dropped in order: the graph before what it was recorded of.
pub struct TensorRtOnCard {
    graph: Option<Graph>,
    records_graph: bool,
    lanes: Lanes,
    card: Context,
    io: ModelIo,
    /// Of each output, if it is known before inference.
    shapes: Vec<Option<Shape>>,
    executed: Option<Precision>,
}

/// A session on the card of `spec`, of the engine that was built for it.
pub fn load(spec: &LoadSpec<'_>) -> Result<Box<dyn Session>, Error> {
    let card = open_card(spec)?;
    let (model, _) = TensorRtOnCard::load(spec, &card)?;
    Ok(Box::new(CardSession::new(card, model, spec.place.options.tensorrt.card())?))
}

/// The engine that was built, if it still is what it was then.
fn read(spec: &LoadSpec<'_>) -> Result<Vec<u8>, Error> {
    let Some(built) = &spec.place.built else {
        return Err(Error::Failed("no engine was built before the launch".to_owned()));
    };
    let path = printable(&built.file.0);
    let bytes = std::fs::read(&built.file.0)
        .map_err(|error| Error::Failed(format!("cannot read the engine {path}: {error}")))?;
    if sha256(&bytes) != built.sha256 {
        return Err(Error::Failed(format!(
            "the engine {path} has changed since the run began; start a new run"
        )));
    }
    Ok(bytes)
}

impl TensorRtOnCard {
    /// The engine that was built for `spec`, ready on its card.
    ///
    /// # Errors
    /// When there is none, it has changed, or the library refuses it.
    pub fn load(spec: &LoadSpec<'_>, card: &Card) -> Result<(Self, Engine), Error> {
        let library = library::open(spec.place)?;
        let engine = library.runtime(&card.context)?.load(&read(spec)?)?;
        check(spec, &library, &engine)?;
        let model = Self::new(spec, &engine, card.context.clone())?;
        Ok((model, engine))
    }

    /// Runs once with every layer timed: names and milliseconds.
    ///
    /// # Errors
    /// The library's words.
    pub fn profile(&mut self, stream: &Stream) -> Result<Vec<(String, f32)>, Error> {
        Ok(self.lanes.first().profile(stream)?)
    }

    /// Records inference as a graph. It runs once before: TensorRT prepares itself in the first run
    /// of a shape, which no graph may hold.
    fn record(&mut self) -> Result<(), Error> {
        let (card, stream) = (self.card.clone(), Stream::new(&self.card)?);
        card.scope(|scope| {
            scope.use_stream(&stream);
            for index in 0..self.io.inputs.len() {
                stream.clear(self.input(index)?)?;
            }
            self.lanes.enqueue(&stream).map_err(|error| self.blame(error))
        })?;
        let recorded = stream.capture(|stream| self.lanes.enqueue(stream));
        self.graph = Some(recorded.map_err(|error| self.blame(error))?);
        Ok(())
    }

    /// What a failed inference is to be blamed on: a card that is lost says so itself, with the code
    /// that TensorRT leaves out.
    fn blame(&self, error: tensorrt::Error) -> Error {
        self.card.memory().map_or_else(Error::from, |_| error.into())
    }

    fn new(spec: &LoadSpec<'_>, engine: &Engine, card: Context) -> Result<Self, Error> {
        let io = io(engine)?;
        Ok(Self {
            graph: None,
            records_graph: spec.place.options.tensorrt.cuda_graph,
            lanes: Lanes::new(engine, &card, spec.place.options.tensorrt.contexts as usize)?,
            card,
            shapes: Vec::with_capacity(io.outputs.len()),
            io,
            executed: layers::executed(&engine.layer_information().unwrap_or_default()),
        })
    }

    fn name_of(infos: &[TensorInfo], index: usize) -> Result<&str, Error> {
        let info = infos.get(index);
        info.map(|info| info.name.as_str())
            .ok_or_else(|| Error::Failed(format!("there is no tensor {index}")))
    }

    /// Makes room for an output; one whose shape depends on what is found gets it when it is known.
    fn place(&mut self, output: &TensorInfo) -> Result<Option<Shape>, Error> {
        let (name, count) = (output.name.as_str(), self.lanes.count());
        let lengths = self.lanes.first().shape(name)?;
        match shape(&lengths, count) {
            Some(shape) => {
                let bytes = shape.elements() * output.dtype.bytes().unwrap_or(8);
                self.lanes.give(name, DeviceMemory::new(&self.card, bytes)?)?;
                Ok(Some(shape))
            }
            None if self.records_graph || count > 1 => Err(Error::Unsupported(format!(
                "cuda_graph and contexts need outputs of a known shape, that of `{name}` depends on \
                 what is found; export the model without NMS, or leave these keys out"
            ))),
            None => {
                self.lanes.first().allocate_output(name)?;
                Ok(None)
            }
        }
    }
}

/// Inputs and outputs of an engine, by their names in the model.
fn io(engine: &Engine) -> Result<ModelIo, Error> {
    let mut io = ModelIo::default();
    for tensor in engine.tensors() {
        if tensor.on_host {
            return Err(Error::Unsupported(format!(
                "`{}` is a tensor of the host, which holds shapes; export the model without",
                tensor.name
            )));
        }
        let side = if tensor.input { &mut io.inputs } else { &mut io.outputs };
        side.push(TensorInfo {
            dtype: recipe::dtype(tensor.element),
            dims: Some(recipe::dims(&tensor.dims)),
            name: tensor.name,
        });
    }
    Ok(io)
}

/// Refuses an engine whose tensors are not provided for, or that was not built for the batch that is
/// asked for, shared by its contexts.
///
/// # Errors
/// [`Error::Unsupported`] with what it was built for.
pub fn check(spec: &LoadSpec<'_>, library: &Library, engine: &Engine) -> Result<(), Error> {
    let (io, part) = (io(engine)?, recipe::part(spec, library)? as i64);
    let contexts = spec.place.options.tensorrt.contexts;
    let images = io.inputs.iter().filter(|input| input.rank() == Some(4));
    for input in images {
        let fixed = input.fixed(0).map(|n| (n as i64, n as i64));
        if contexts > 1 && fixed.is_some() {
            return Err(Error::Unsupported(format!(
                "contexts = {contexts} needs a model with a dynamic batch, and that of {} is fixed; export \
                 it with a dynamic batch, or use contexts = 1",
                printable(spec.model)
            )));
        }
        let range = engine.range(&input.name).filter(|range| !range[0].is_empty());
        let Some((low, high)) = fixed.or(range.map(|[min, _, max]| (min[0], max[0]))) else {
            continue;
        };
        if !(low..=high).contains(&part) {
            let model = printable(spec.model);
            return Err(Error::Unsupported(format!(
                "the engine of {model} was built for batches of {}, {part} were asked for; \
                 use one of these, or give the ONNX file, of which an engine is built for each batch",
                if low == high { low.to_string() } else { format!("{low} to {high}") }
            )));
        }
    }
    Ok(())
}

/// The shape of `parts` tensors of that shape, one after the other, in which nothing is left open.
fn shape(lengths: &[i64], parts: usize) -> Option<Shape> {
    let mut lengths: Vec<usize> =
        lengths.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<_>>()?;
    if let Some(images) = lengths.first_mut() {
        *images *= parts;
    }
    Shape::new(&lengths)
}

impl OnCard for TensorRtOnCard {
    fn io(&self) -> &ModelIo {
        &self.io
    }

    fn executed_precision(&self) -> Option<Precision> {
        self.executed
    }

    fn prepare(&mut self, tensors: &TensorSet) -> Result<(), Error> {
        self.graph = None;
        for (tensor, input) in tensors.iter().zip(&self.io.inputs) {
            let mut lengths: Vec<i64> = tensor.shape.dims().iter().map(|&n| n as i64).collect();
            if let Some(images) = lengths.first_mut() {
                *images /= self.lanes.count() as i64;
            }
            if input.dims.iter().flatten().any(|dim| matches!(dim, Dim::Dynamic(_))) {
                self.lanes.set_shape(&input.name, &lengths)?;
            }
            let memory = DeviceMemory::new(&self.card, tensor.bytes().len())?;
            self.lanes.give(&input.name, memory)?;
        }
        let outputs = self.io.outputs.clone();
        self.shapes = outputs.iter().map(|output| self.place(output)).collect::<Result<_, _>>()?;
        if self.records_graph { self.record() } else { Ok(()) }
    }

    fn input(&self, index: usize) -> Result<DeviceSlice<'_>, Error> {
        let name = Self::name_of(&self.io.inputs, index)?;
        let memory = self.lanes.memory(name);
        memory.ok_or_else(|| Error::Failed(format!("input `{name}` has no memory")))
    }

    fn enqueue(&mut self, stream: &Stream) -> Result<(), Error> {
        match &self.graph {
            Some(graph) => Ok(stream.launch(graph)?),
            None => {
                let enqueued = self.lanes.enqueue(stream);
                enqueued.map_err(|error| self.blame(error))
            }
        }
    }

    fn output(&self, index: usize) -> Result<Output<'_>, Error> {
        let name = Self::name_of(&self.io.outputs, index)?;
        let dtype = self.io.outputs[index].dtype;
        let known = match self.shapes.get(index).copied().flatten() {
            Some(known) => Some(known),
            None => shape(&self.lanes.shape(name)?, 1),
        };
        let place = known.zip(self.lanes.memory(name)).and_then(|(shape, memory)| {
            let bytes = shape.elements() * dtype.bytes()?;
            Some(Output { memory: memory.part(0..bytes).ok()?, shape, dtype })
        });
        place.ok_or_else(|| {
            Error::Failed(format!("output `{name}` is no tensor of a known type and shape"))
        })
    }
}
