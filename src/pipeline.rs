//! One iteration: encoded images → detections, through a family and an engine. Says where the
//! stages of the host end; those of the device its engine ends. Knows no file.

use crate::{
    cpu::Cpu,
    engine::{self, Session},
    family::{Adapter, Detection, Mismatch},
    image::{DecodeError, Decoder, Image, Size},
    tensor::TensorSet,
    timing::{Marks, Sample, Stage},
};

/// A loaded model with everything around it; buffers are reused from iteration to iteration.
pub struct Pipeline {
    cpu: Cpu,
    /// One per thread.
    decoders: Vec<Decoder>,
    images: Vec<Image>,
    sizes: Vec<Size>,
    adapter: Box<dyn Adapter>,
    inputs: TensorSet,
    session: Box<dyn Session>,
    detections: Vec<Vec<Detection>>,
}

/// Which part of an iteration failed, and why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An image could not be decoded.
    #[error("image {index} of the batch cannot be decoded: {source}")]
    Decode {
        /// Position in the batch, from 0.
        index: usize,
        /// The decoder's reason.
        source: DecodeError,
    },
    /// The network did not run.
    #[error("inference failed: {0}")]
    Inference(#[from] engine::Error),
    /// The outputs are not what the family reads.
    #[error(transparent)]
    Postprocess(#[from] Mismatch),
}

impl Pipeline {
    /// A pipeline for batches of `batch` images, whose stages on the host `cpu` computes.
    pub fn new(
        session: Box<dyn Session>,
        adapter: Box<dyn Adapter>,
        batch: usize,
        cpu: Cpu,
        decoder: Decoder,
    ) -> Self {
        Self {
            decoders: vec![decoder; cpu.threads.count()],
            cpu,
            images: vec![Image::default(); batch],
            sizes: vec![Size::default(); batch],
            inputs: adapter.inputs(),
            adapter,
            session,
            detections: vec![Vec::new(); batch],
        }
    }

    /// Walks through all stages once. `encoded` holds one image file's bytes per image of the
    /// batch.
    ///
    /// # Errors
    /// [`Error`] names the stage; the marks of a failed iteration mean nothing.
    pub fn iterate(&mut self, encoded: &[&[u8]], marks: &mut Marks<'_>) -> Result<Sample, Error> {
        marks.begin();
        marks.enter(Stage::Decode);
        let decode = |decoder: &mut Decoder, index: usize, images: &mut [Image]| {
            decoder
                .decode(encoded[index], &mut images[0])
                .map_err(|source| Error::Decode { index, source })
        };
        self.cpu.threads.each(&mut self.decoders, &mut self.images, 1, decode)?;
        marks.end(Stage::Decode);
        marks.enter(Stage::Preprocess);
        self.adapter.preprocess(&self.images, &self.cpu, &mut self.inputs);
        marks.end(Stage::Preprocess);
        self.session.run(&self.inputs, marks)?;
        marks.enter(Stage::Postprocess);
        for (size, image) in self.sizes.iter_mut().zip(&self.images) {
            *size = Size { width: image.width, height: image.height };
        }
        let outputs = &*self.session;
        self.adapter.postprocess(outputs, &self.sizes, &self.cpu, &mut self.detections)?;
        marks.end(Stage::Postprocess);
        Ok(marks.finish())
    }

    /// How many classes there are, where that is known.
    pub fn classes(&self) -> Option<usize> {
        self.adapter.classes()
    }

    /// Detections of the last iteration, per image of the batch, best first.
    pub fn detections(&self) -> &[Vec<Detection>] {
        &self.detections
    }
}
