//! Execution contexts that share a batch, each in a stream of its own, at the same time. A batch
//! lies in one piece of memory; each context has a part of it.

use crate::{
    cuda::{Context, DeviceMemory, DeviceSlice, Event, Stream},
    engine::Error,
    tensorrt::{self, Engine, ExecutionContext},
};
use std::rc::Rc;

/// TensorRT reads and writes tensors at multiples of this.
const ALIGNMENT: usize = 256;

/// The contexts: the first works in the stream it is given, the others in their own.
pub struct Lanes {
    first: ExecutionContext,
    others: Vec<Lane>,
    /// Reached when the others may begin.
    fork: Event,
}

/// A context beside the first.
struct Lane {
    context: ExecutionContext,
    stream: Stream,
    /// Reached when its work is done.
    done: Event,
}

impl Lanes {
    /// So many contexts of an engine, at least one.
    ///
    /// # Errors
    /// The library's word, where the card's memory does not suffice for all.
    pub fn new(engine: &Engine, card: &Context, count: usize) -> Result<Self, Error> {
        let lane = |_| {
            let (stream, done) = (Stream::new(card)?, Event::new(card)?);
            Ok::<_, Error>(Lane { context: engine.context()?, stream, done })
        };
        Ok(Self {
            first: engine.context()?,
            others: (1..count).map(lane).collect::<Result<_, _>>()?,
            fork: Event::new(card)?,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The first.
    pub fn first(&mut self) -> &mut ExecutionContext {
        &mut self.first
    }

    /// The shape that the last inference gave an output.
    ///
    /// # Errors
    /// The library's words.
    pub fn shape(&self, output: &str) -> Result<Vec<i64>, Error> {
        Ok(self.first.shape(output)?)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut ExecutionContext> {
        std::iter::once(&mut self.first).chain(self.others.iter_mut().map(|lane| &mut lane.context))
    }

    /// Says how long each context's part of an input is.
    ///
    /// # Errors
    /// The library's words.
    pub fn set_shape(&mut self, input: &str, dims: &[i64]) -> Result<(), Error> {
        self.all().try_for_each(|context| Ok(context.set_shape(input, dims)?))
    }

    /// Gives each context its part of memory for a whole batch.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the parts are not such as TensorRT takes; the library's words.
    pub fn give(&mut self, tensor: &str, memory: DeviceMemory) -> Result<(), Error> {
        let (count, memory) = (self.count(), Rc::new(memory));
        let each = memory.bytes() / count;
        if count > 1 && !each.is_multiple_of(ALIGNMENT) {
            return Err(Error::Unsupported(format!(
                "contexts = {count} gives each a part of `{tensor}` of {each} bytes, and TensorRT takes \
                 multiples of {ALIGNMENT} alone; use contexts = 1, or a batch that has larger parts"
            )));
        }
        for (index, context) in self.all().enumerate() {
            context.give(tensor, &memory, index * each..(index + 1) * each)?;
        }
        Ok(())
    }

    /// The memory of a whole batch.
    pub fn memory(&self, tensor: &str) -> Option<DeviceSlice<'_>> {
        self.first.whole(tensor)
    }

    /// Hands a part of one inference to each context; `stream` is done when all are.
    ///
    /// # Errors
    /// The library's words.
    pub fn enqueue(&mut self, stream: &Stream) -> Result<(), tensorrt::Error> {
        if self.others.is_empty() {
            return self.first.enqueue(stream);
        }
        stream.mark(&self.fork)?;
        for Lane { context, stream: own, done } in &mut self.others {
            own.follow(&self.fork)?;
            context.enqueue(own)?;
            own.mark(done)?;
        }
        self.first.enqueue(stream)?;
        self.others.iter().try_for_each(|lane| Ok(stream.follow(&lane.done)?))
    }
}
