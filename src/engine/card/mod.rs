//! The stages on a card: tensors to it, inference, tensors back, handed over one after the other and
//! timed by the card's own events while the host's clock runs beside. Knows no engine: what computes
//! is an [`OnCard`].

mod host;
mod pixels;

use self::{host::HostOutput, pixels::PixelStage};
use super::{Error, Pixels, Request, RunsImages, Session};
use crate::{
    cuda::{self, Context, DeviceSlice, Driver, Event, LockedPages, Stream},
    device::{Device, Kind},
    scenario::{CardOptions, Precision, PreprocessOn, Transfers},
    tensor::{DType, ModelIo, Outputs, Shape, Tensor, TensorSet, TensorView},
    timing::{Marks, Stage},
};

/// A model that computes on a card, in a stream it is given.
pub trait OnCard {
    /// Inputs and outputs.
    fn io(&self) -> &ModelIo;

    /// The precision that it really computes in; none where it does not tell.
    fn executed_precision(&self) -> Option<Precision>;

    /// Makes room on the card for inputs of these shapes. Called before the first inference, and
    /// again when a shape has changed.
    ///
    /// # Errors
    /// What the engine or the driver refuses.
    fn prepare(&mut self, tensors: &TensorSet) -> Result<(), Error>;

    /// Where the input `index` is to be put.
    ///
    /// # Errors
    /// What the engine does not tell.
    fn input(&self, index: usize) -> Result<DeviceSlice<'_>, Error>;

    /// Hands one inference to `stream`, without waiting for it.
    ///
    /// # Errors
    /// What the engine or the driver refuses.
    fn enqueue(&mut self, stream: &Stream) -> Result<(), Error>;

    /// Where the output `index` of what was enqueued will be.
    ///
    /// # Errors
    /// What the engine does not tell.
    fn output(&self, index: usize) -> Result<Output<'_>, Error>;
}

/// An output on a card.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// Its bytes.
    pub memory: DeviceSlice<'a>,
    /// Its shape.
    pub shape: Shape,
    /// Type of its elements.
    pub dtype: DType,
}

/// A card opened for one engine.
pub struct Card {
    /// The card.
    pub context: Context,
    /// Its compute capability.
    pub capability: cuda::ComputeCapability,
    /// Stream in which the engine computes.
    pub stream: Stream,
}

/// A model on a card, as a session. Fields are dropped in order: the model before the stream it
/// computes in.
pub struct CardSession<M> {
    model: M,
    /// Shapes that the model was prepared for.
    shapes: Vec<Shape>,
    outputs: Vec<HostOutput>,
    /// Where the card pre-processes.
    pixels: Option<PixelStage>,
    /// The memory that is locked is freed by its owner after the session is dropped.
    locked: LockedPages,
    events: Vec<Event>,
    own_streams: Option<[Stream; 2]>,
    options: CardOptions,
    /// Whether inputs have reached the card at all.
    moved: bool,
    card: Card,
}

impl Card {
    /// Opens the card that `device` names, which must be one of those that this process may use.
    ///
    /// # Errors
    /// Without driver or card; the driver's word.
    pub fn open(device: &Device, options: CardOptions) -> Result<Self, Error> {
        let driver = Driver::open()?;
        let cards = driver.cards()?;
        let mut usable = cards.iter().flatten();
        let Some(card) = usable.find(|card| card.uuid.as_str() == device.uuid) else {
            let (name, uuid) = (&device.name, &device.uuid);
            return Err(Error::Unavailable(format!("{name} ({uuid}) is not there any more")));
        };
        let context = Context::open(driver, card.ordinal, options.wait)?;
        Ok(Self { stream: Stream::new(&context)?, capability: card.capability, context })
    }
}

/// What should be known of FP32 on a card that has TF32, where `tf32` does not turn it off.
pub fn tf32_remark(request: &Request<'_>, tf32: bool) -> Option<String> {
    // From compute capability 8.0 on; a card that is not known may have it.
    let has_tf32 = request.capability.is_none_or(|capability| capability.major >= 8);
    (request.precision == Precision::Fp32 && tf32 && has_tf32).then(|| TF32.to_owned())
}

const TF32: &str = "fp32 may be computed in TF32, with 10 bits of mantissa: tf32 = false where it \
                        is compared with a card that has none";

/// What the scenario's keys make of a cell's figures.
pub fn remark(options: CardOptions) -> Option<String> {
    let words = match (options.transfers, options.preprocess) {
        (Transfers::None, _) => {
            "transfers = \"none\": every iteration computes on the first one's input and post-processes its \
             outputs, so end to end, images per second and detections are not those of an application"
        }
        (_, PreprocessOn::Gpu) => {
            "preprocess = \"gpu\": preprocess is the card's, by its clock, after host_to_device, which moves \
             decoded images; what the host does for it is in enqueue and remainder"
        }
        (_, PreprocessOn::Cpu) => return None,
    };
    Some(words.to_owned())
}

/// Why a cell cannot have what these keys ask for.
pub fn obstacle(request: &Request<'_>, options: CardOptions) -> Option<String> {
    let needs_card = request.device == Kind::Cpu && options.preprocess == PreprocessOn::Gpu;
    needs_card.then(|| {
        "preprocess = \"gpu\" pre-processes on a card, and this cell is on the CPU; use device = [\"gpu:all\"], \
         or preprocess = \"cpu\""
            .to_owned()
    })
}

/// Events by what they mark.
#[derive(Clone, Copy)]
enum Boundary {
    UploadStart,
    UploadEnd,
    PreprocessStart,
    InferenceStart,
    InferenceEnd,
    DownloadStart,
    DownloadEnd,
}

impl<M: OnCard> CardSession<M> {
    /// A session of a model that was loaded on that card.
    ///
    /// # Errors
    /// The driver's word.
    pub fn new(card: Card, model: M, options: CardOptions) -> Result<Self, Error> {
        let context = &card.context;
        let own_streams = match options.own_streams {
            true => Some([Stream::new(context)?, Stream::new(context)?]),
            false => None,
        };
        let events = (0..7).map(|_| Event::new(context)).collect::<Result<_, _>>()?;
        let outputs = model.io().outputs.iter().map(|_| HostOutput::new(options)).collect();
        let pixels = match options.preprocess {
            PreprocessOn::Gpu => Some(PixelStage::new(&card, options)?),
            PreprocessOn::Cpu => None,
        };
        let (shapes, locked) = (Vec::new(), LockedPages::default());
        Ok(Self {
            model,
            shapes,
            outputs,
            pixels,
            locked,
            events,
            own_streams,
            options,
            moved: false,
            card,
        })
    }

    /// Memory on the card for these tensors, anew where their shapes have changed, and for what `images`
    /// are.
    fn prepare(&mut self, tensors: &TensorSet, images: Option<Pixels<'_>>) -> Result<(), Error> {
        if !self.shapes.iter().eq(tensors.iter().map(|tensor| &tensor.shape)) {
            self.model.prepare(tensors)?;
            self.moved = false;
            self.shapes = tensors.iter().map(|tensor| tensor.shape).collect();
        }
        if self.options.transfers == Transfers::Pinned {
            let travel = travelling(tensors, images).map(|(_, tensor)| tensor.bytes());
            self.locked.hold(&self.card.context, travel)?;
        }
        match (&mut self.pixels, images) {
            (Some(pixels), Some(images)) => pixels.prepare(&self.card, images),
            _ => Ok(()),
        }
    }

    /// Runs on `tensors`, of which `images` become one.
    fn run_with(
        &mut self,
        images: Option<Pixels<'_>>,
        tensors: &TensorSet,
        marks: &mut Marks<'_>,
    ) -> Result<(), Error> {
        marks.enter(Stage::HostToDevice);
        super::check_count(self.model.io(), tensors)?;
        self.prepare(tensors, images)?;
        self.walk(tensors, images, marks)?;
        self.moved = true;
        self.read_events(images.is_some(), marks)
    }

    /// Hands over all stages, and waits until the card is through with them.
    fn walk(
        &mut self,
        tensors: &TensorSet,
        images: Option<Pixels<'_>>,
        marks: &mut Marks<'_>,
    ) -> Result<(), Error> {
        use Boundary::{
            DownloadEnd, DownloadStart, InferenceEnd, InferenceStart, PreprocessStart, UploadEnd,
            UploadStart,
        };
        let Self { model, outputs, pixels, events, own_streams, card, .. } = self;
        let images = pixels.as_ref().zip(images);
        let moves = self.options.transfers != Transfers::None || !self.moved;
        let computes = &card.stream;
        let [uploads, downloads] = match own_streams {
            Some([uploads, downloads]) => [&*uploads, &*downloads],
            None => [computes, computes],
        };
        let event = |boundary: Boundary| &events[boundary as usize];
        card.context.scope(|scope| {
            if moves {
                scope.record(event(UploadStart), uploads)?;
                for (index, tensor) in travelling(tensors, images.map(|(_, images)| images)) {
                    scope.upload(uploads, tensor.bytes(), model.input(index)?)?;
                }
                if let Some((pixels, batch)) = images {
                    pixels.upload(scope, uploads, batch.images)?;
                }
                scope.record(event(UploadEnd), uploads)?;
                scope.wait_for(event(UploadEnd), computes)?;
            }
            if let Some((pixels, batch)) = images {
                marks.enter(Stage::Preprocess);
                scope.record(event(PreprocessStart), computes)?;
                pixels.launch(computes, batch.images, model.input(batch.input.index)?)?;
            }
            marks.enter(Stage::Inference);
            scope.record(event(InferenceStart), computes)?;
            model.enqueue(computes)?;
            scope.record(event(InferenceEnd), computes)?;
            if moves {
                marks.enter(Stage::DeviceToHost);
                scope.wait_for(event(InferenceEnd), downloads)?;
                scope.record(event(DownloadStart), downloads)?;
                for (index, output) in outputs.iter_mut().enumerate() {
                    let place = model.output(index)?;
                    let room = output.take(&card.context, &place)?;
                    scope.download(downloads, place.memory, room)?;
                }
                scope.record(event(DownloadEnd), downloads)?;
            }
            marks.enqueued();
            Ok(scope.finish(event(if moves { DownloadEnd } else { InferenceEnd }))?)
        })
    }

    /// Ends the stages by the times that the card has kept.
    fn read_events(&self, preprocessed: bool, marks: &mut Marks<'_>) -> Result<(), Error> {
        use Boundary::{
            DownloadEnd, DownloadStart, InferenceEnd, InferenceStart, PreprocessStart, UploadEnd,
            UploadStart,
        };
        let moves = self.options.transfers != Transfers::None;
        let stages = [
            (moves, Stage::HostToDevice, UploadStart, UploadEnd),
            // It ends where inference begins.
            (preprocessed, Stage::Preprocess, PreprocessStart, InferenceStart),
            (true, Stage::Inference, InferenceStart, InferenceEnd),
            (moves, Stage::DeviceToHost, DownloadStart, DownloadEnd),
        ];
        let mut times = [None; 4];
        for (time, (there, stage, from, to)) in times.iter_mut().zip(stages) {
            if there {
                let from = &self.events[from as usize];
                *time = Some((stage, self.events[to as usize].since(from)?));
            }
        }
        marks.device(times.into_iter().flatten());
        Ok(())
    }
}

/// The tensors that travel to a card, by their numbers: all but the one that `images` become there.
fn travelling<'a>(
    tensors: &'a TensorSet,
    images: Option<Pixels<'_>>,
) -> impl Iterator<Item = (usize, &'a Tensor)> + Clone {
    let made = images.map(|images| images.input.index);
    tensors.iter().enumerate().filter(move |&(index, _)| Some(index) != made)
}

impl<M: OnCard> Outputs for CardSession<M> {
    fn count(&self) -> usize {
        self.outputs.len()
    }

    fn get(&self, index: usize) -> Option<TensorView<'_>> {
        self.outputs.get(index)?.view()
    }
}

impl<M: OnCard> Session for CardSession<M> {
    fn io(&self) -> &ModelIo {
        self.model.io()
    }

    fn executed_precision(&self) -> Option<Precision> {
        self.model.executed_precision()
    }

    fn run(&mut self, inputs: &TensorSet, marks: &mut Marks<'_>) -> Result<(), Error> {
        self.run_with(None, inputs, marks)
    }

    fn preprocesses(&mut self) -> Option<&mut dyn RunsImages> {
        if self.pixels.is_some() { Some(self) } else { None }
    }
}

impl<M: OnCard> RunsImages for CardSession<M> {
    fn run_images(
        &mut self,
        images: Pixels<'_>,
        inputs: &TensorSet,
        marks: &mut Marks<'_>,
    ) -> Result<(), Error> {
        self.run_with(Some(images), inputs, marks)
    }
}

impl From<cuda::Error> for Error {
    fn from(error: cuda::Error) -> Self {
        match error {
            cuda::Error::Unavailable(words) => Self::Unavailable(words),
            other => Self::Card(other),
        }
    }
}
