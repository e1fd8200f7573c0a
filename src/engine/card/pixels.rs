//! Decoded images on their way to a card, and into the model's input there. Knows no stages: when what
//! is done and timed is its caller's business.

use super::{Card, Error};
use crate::{
    cuda::{self, DeviceMemory, DeviceSlice, HostMemory, Scope, Stream, preprocess},
    engine::Pixels,
    family::ImageInput,
    image::{Image, Size},
    scenario::{CardOptions, Transfers},
};
use std::{collections::HashMap, ops::Range};

/// Most sizes of images whose plans are kept on the card, as many as the host keeps.
const MAX_PLANS: usize = 256;

/// What is kept from batch to batch; memory grows, but never shrinks.
pub struct PixelStage {
    kernel: preprocess::Preprocess,
    plans: HashMap<Size, preprocess::Plan>,
    /// On the card, image after image.
    pixels: Option<DeviceMemory>,
    gathers: bool,
    /// Where a batch is gathered in page-locked memory, so that it travels at once and without another
    /// copy by the driver.
    gathered: Option<HostMemory>,
}

impl PixelStage {
    /// Compiles the kernel for this card.
    ///
    /// # Errors
    /// Without NVRTC, or with one that knows no such card; the driver's word.
    pub fn new(card: &Card, options: CardOptions) -> Result<Self, Error> {
        let kernel = preprocess::Preprocess::new(&card.context, card.capability);
        let kernel = kernel.map_err(|error| match error {
            cuda::Error::Unavailable(words) => Error::Unavailable(format!(
                "preprocess = \"gpu\" needs a kernel, which is compiled for the card: {words}; or use \
                 preprocess = \"cpu\""
            )),
            other => other.into(),
        })?;
        Ok(Self {
            kernel,
            plans: HashMap::new(),
            pixels: None,
            gathers: options.transfers == Transfers::Pinned,
            gathered: None,
        })
    }

    /// Makes room for a batch, brings plans for sizes that are new, and gathers the pixels where they
    /// are to be page-locked.
    ///
    /// # Errors
    /// When there is no memory; the driver's word.
    pub fn prepare(&mut self, card: &Card, batch: Pixels<'_>) -> Result<(), Error> {
        let bytes = batch.images.iter().map(|image| image.pixels.len()).sum();
        if self.pixels.as_ref().is_none_or(|pixels| pixels.bytes() < bytes) {
            // Given back first: both may not fit.
            self.pixels = None;
            self.pixels = Some(DeviceMemory::new(&card.context, bytes)?);
        }
        self.plan(card, batch)?;
        if self.gathers { self.gather(card, batch.images, bytes) } else { Ok(()) }
    }

    fn plan(&mut self, card: &Card, batch: Pixels<'_>) -> Result<(), Error> {
        let ImageInput { preprocessor, .. } = batch.input;
        let new = |plans: &HashMap<_, _>, image: &Image| !plans.contains_key(&image.size());
        if self.plans.len() >= MAX_PLANS && batch.images.iter().any(|i| new(&self.plans, i)) {
            self.plans.clear();
        }
        for image in batch.images {
            if new(&self.plans, image) {
                let recipe = preprocessor.recipe(image.size());
                let plan = preprocess::Plan::new(&card.context, &card.stream, &recipe)?;
                self.plans.insert(image.size(), plan);
            }
        }
        Ok(())
    }

    fn gather(&mut self, card: &Card, images: &[Image], bytes: usize) -> Result<(), Error> {
        if self.gathered.as_ref().is_none_or(|gathered| gathered.as_slice().len() < bytes) {
            self.gathered = Some(HostMemory::new(&card.context, bytes)?);
        }
        let Some(gathered) = &mut self.gathered else { return Ok(()) };
        for (image, place) in placed(images) {
            gathered.as_mut_slice()[place].copy_from_slice(&image.pixels);
        }
        Ok(())
    }

    /// Hands the pixels of the batch that was prepared to a stream: at once from page-locked memory, else
    /// image by image from where they lie.
    ///
    /// # Errors
    /// The driver's word.
    pub fn upload<'env>(
        &'env self,
        scope: &Scope<'env>,
        stream: &'env Stream,
        images: &'env [Image],
    ) -> Result<(), Error> {
        let Some(gathered) = &self.gathered else {
            for (image, place) in placed(images) {
                scope.upload(stream, &image.pixels, self.pixels(place)?)?;
            }
            return Ok(());
        };
        let bytes = images.iter().map(|image| image.pixels.len()).sum();
        Ok(scope.upload(stream, &gathered.as_slice()[..bytes], self.pixels(0..bytes)?)?)
    }

    /// Hands the batch that was uploaded to the kernel, which fills `input`.
    ///
    /// # Errors
    /// If the input is not of that many images; the driver's word.
    pub fn launch(
        &self,
        stream: &Stream,
        images: &[Image],
        input: DeviceSlice<'_>,
    ) -> Result<(), Error> {
        let each = input.bytes() / images.len().max(1);
        for (index, (image, place)) in placed(images).enumerate() {
            let plan = self.plans.get(&image.size());
            let plan = plan.ok_or_else(|| Error::Failed("an image was not prepared".to_owned()))?;
            let input = input.part(index * each..(index + 1) * each)?;
            self.kernel.launch(stream, plan, self.pixels(place)?, input)?;
        }
        Ok(())
    }

    fn pixels(&self, place: Range<usize>) -> Result<DeviceSlice<'_>, Error> {
        let pixels = self.pixels.as_ref().map(DeviceMemory::slice);
        let pixels = pixels.ok_or_else(|| Error::Failed("no pixels were brought".to_owned()))?;
        Ok(pixels.part(place)?)
    }
}

/// The images, each with the bytes at which it lies among all of them.
fn placed(images: &[Image]) -> impl Iterator<Item = (&Image, Range<usize>)> {
    images.iter().scan(0, |end, image| {
        let start = *end;
        *end += image.pixels.len();
        Some((image, start..*end))
    })
}
