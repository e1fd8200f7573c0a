//! One iteration: encoded images → detections, through a family and an engine. Says where the
//! stages of the host end; those of the device its engine ends. Knows no file.

use crate::{
    cpu::Cpu,
    engine::{self, Pixels, Session},
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
    /// Dropped before the inputs, whose memory it may have locked for a card.
    session: Box<dyn Session>,
    inputs: TensorSet,
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
    /// The session was to pre-process what the host alone can.
    #[error(
        "no kernel for cards does what this family's pre-processing does to this model's images; use \
         preprocess = \"cpu\""
    )]
    HostAlone,
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
        self.decode(encoded, marks)?;
        self.infer(marks)?;
        marks.enter(Stage::Postprocess);
        for (size, image) in self.sizes.iter_mut().zip(&self.images) {
            *size = Size { width: image.width, height: image.height };
        }
        let outputs = &*self.session;
        self.adapter.postprocess(outputs, &self.sizes, &self.cpu, &mut self.detections)?;
        marks.end(Stage::Postprocess);
        Ok(marks.finish())
    }

    /// What the network would be given for these images, and nothing else: the model is unloaded, as
    /// two of them may not fit a card.
    ///
    /// # Errors
    /// [`Error::Decode`].
    pub fn into_inputs(
        mut self,
        encoded: &[&[u8]],
        marks: &mut Marks<'_>,
    ) -> Result<TensorSet, Error> {
        marks.begin();
        self.decode(encoded, marks)?;
        self.preprocess(marks);
        let Self { session, inputs, .. } = self;
        drop(session);
        Ok(inputs)
    }

    fn decode(&mut self, encoded: &[&[u8]], marks: &mut Marks<'_>) -> Result<(), Error> {
        marks.enter(Stage::Decode);
        let decode = |decoder: &mut Decoder, index: usize, images: &mut [Image]| {
            decoder
                .decode(encoded[index], &mut images[0])
                .map_err(|source| Error::Decode { index, source })
        };
        self.cpu.threads.each(&mut self.decoders, &mut self.images, 1, decode)?;
        marks.end(Stage::Decode);
        Ok(())
    }

    /// From decoded images to outputs: pre-processed here, or by the session where it was loaded to
    /// do so.
    fn infer(&mut self, marks: &mut Marks<'_>) -> Result<(), Error> {
        if let Some(session) = self.session.preprocesses() {
            self.adapter.fill_extras(&self.images, &mut self.inputs);
            let input = self.adapter.image_input().ok_or(Error::HostAlone)?;
            let images = Pixels { images: &self.images, input };
            return Ok(session.run_images(images, &self.inputs, marks)?);
        }
        self.preprocess(marks);
        Ok(self.session.run(&self.inputs, marks)?)
    }

    fn preprocess(&mut self, marks: &mut Marks<'_>) {
        marks.enter(Stage::Preprocess);
        self.adapter.preprocess(&self.images, &self.cpu, &mut self.inputs);
        marks.end(Stage::Preprocess);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cpu::{Instructions, Threads},
        engine::{LoadSpec, Place},
        family::Fitting,
        os::MonotonicClock,
        scenario::{EngineOptions, Precision},
        tensor::Outputs,
    };
    use std::{path::Path, sync::atomic::AtomicU8};

    /// A family that does nothing.
    struct Empty;

    impl Adapter for Empty {
        fn fitting(&self) -> Fitting {
            unreachable!("only preflight asks")
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

        fn classes(&self) -> Option<usize> {
            None
        }

        fn class_names(&self) -> Option<&'static [&'static str]> {
            None
        }
    }

    fn pipeline(batch: usize, threads: usize) -> Pipeline {
        let place = Place::cpu(EngineOptions::default());
        let spec = LoadSpec {
            model: Path::new("none"),
            threads: 1,
            batch,
            precision: Precision::Fp32,
            launch: 0,
            place: &place,
        };
        let session = engine::named("null").unwrap().load(&spec).unwrap();
        let threads = Threads::new(threads).unwrap();
        let cpu = Cpu { instructions: Instructions::best(), threads };
        Pipeline::new(session, Box::new(Empty), batch, cpu, Decoder::new())
    }

    #[test]
    fn of_several_broken_images_the_first_is_named_whatever_the_threads() {
        const IMAGE: &[u8] = include_bytes!("../tests/golden/files/rgb.png");
        let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
        for threads in 1..=7 {
            let mut pipeline = pipeline(6, threads);
            let mut marks = Marks::new(&clock, &beacon);
            let mut encoded = [IMAGE; 6];
            assert!(pipeline.iterate(&encoded, &mut marks).is_ok());
            let sizes: Vec<Size> = pipeline.images.iter().map(Image::size).collect();
            assert!(sizes.iter().all(|&size| size == sizes[0] && size.pixels() > 0));
            (encoded[2], encoded[5]) = (&IMAGE[..30], b"no image");
            let error = pipeline.iterate(&encoded, &mut marks).unwrap_err();
            assert!(matches!(error, Error::Decode { index: 2, .. }), "{threads} threads: {error}");
        }
    }
}
