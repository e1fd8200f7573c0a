//! What a model is fed with while an engine is built of it: the run's images, pre-processed as they
//! will be when it is measured.

use super::{ImageFacts, protocol::Job};
use crate::{
    cpu::Cpu,
    engine::{Error, Feed},
    family::{self, Adapter},
    image::{Decoder, Image},
    model,
    tensor::{ModelIo, TensorSet},
};

/// The images of a job, in their order.
pub struct Images<'a> {
    job: &'a Job,
    cpu: Cpu,
    decoder: Decoder,
    encoded: Vec<Vec<u8>>,
    fitted: Option<Fitted>,
}

/// A family fitted to a model, and how far its images have been taken.
struct Fitted {
    adapter: Box<dyn Adapter>,
    tensors: TensorSet,
    images: Vec<Image>,
    next: usize,
}

impl<'a> Images<'a> {
    /// The images of `job`, whose files hold `encoded`.
    pub fn new(job: &'a Job, cpu: Cpu, decoder: Decoder, encoded: Vec<Vec<u8>>) -> Self {
        Self { job, cpu, decoder, encoded, fitted: None }
    }
}

impl Feed for Images<'_> {
    fn inputs(&mut self, io: &ModelIo, batch: usize) -> Result<TensorSet, Error> {
        let unsupported = |words: String| Error::Unsupported(words);
        let family = family::named(&self.job.cell.id.family)
            .map_err(|error| unsupported(error.to_string()))?;
        let adapter = family
            .adapt(io, batch, &self.job.options)
            .map_err(|misfit| unsupported(misfit.to_string()))?;
        let tensors = adapter.inputs();
        let images = vec![Image::default(); batch];
        self.fitted = Some(Fitted { adapter, tensors: tensors.clone(), images, next: 0 });
        Ok(tensors)
    }

    fn next(&mut self) -> Result<Option<&TensorSet>, Error> {
        let Self { job, cpu, decoder, encoded, fitted } = self;
        let Some(Fitted { adapter, tensors, images, next }) = fitted else { return Ok(None) };
        if *next >= encoded.len() {
            return Ok(None);
        }
        // The last batch is filled up from the start, so that every batch size sees every image.
        for (index, image) in images.iter_mut().enumerate() {
            let number = (*next + index) % encoded.len();
            decoder.decode(&encoded[number], image).map_err(|error| {
                let path = &job.images[number].path;
                Error::Failed(format!("the image {path} cannot be decoded: {error}"))
            })?;
        }
        *next += images.len();
        adapter.preprocess(images, cpu, tensors);
        Ok(Some(tensors))
    }

    fn identity(&self) -> String {
        let all: Vec<&str> = self.job.images.iter().map(sha256).collect();
        model::sha256(format!("{all:?} {:?}", self.job.options).as_bytes())
    }
}

fn sha256(image: &ImageFacts) -> &str {
    &image.sha256
}
