//! Images for TensorRT's calibrator, which finds out the ranges of 8 bit integers by running the model
//! on them. TensorRT 11 has none: there the ranges are in the graph.

use crate::{
    cuda::{DeviceMemory, DeviceSlice},
    engine::{Error, Feed, card::Card},
    tensor::{ModelIo, TensorSet},
    tensorrt::{self, Calibrate},
};

/// Pre-processed images in a card's memory, batch by batch.
pub struct Calibration<'a> {
    feed: &'a mut dyn Feed,
    card: &'a Card,
    batch: usize,
    /// A place for each input, by its name.
    places: Vec<(String, DeviceMemory)>,
}

impl<'a> Calibration<'a> {
    /// Calibration of a model with these inputs and outputs on all images.
    ///
    /// # Errors
    /// When the model does not fit its family, or the card has no memory left.
    pub fn new(
        card: &'a Card,
        io: &ModelIo,
        batch: usize,
        feed: &'a mut dyn Feed,
    ) -> Result<Self, Error> {
        let place = |tensor: &crate::tensor::Tensor| {
            let memory = DeviceMemory::new(&card.context, tensor.bytes().len())?;
            Ok::<_, Error>((tensor.name.clone(), memory))
        };
        let places = feed.inputs(io, batch)?.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { feed, card, batch, places })
    }
}

/// Copies tensors to their places and waits for it.
fn copy(
    card: &Card,
    tensors: &TensorSet,
    places: &[(String, DeviceMemory)],
) -> Result<(), tensorrt::Error> {
    card.context.scope(|scope| {
        for (tensor, (_, memory)) in tensors.iter().zip(places) {
            scope.upload(&card.stream, tensor.bytes(), memory.slice())?;
        }
        Ok(())
    })
}

impl Calibrate for Calibration<'_> {
    fn batch_size(&self) -> usize {
        self.batch
    }

    fn next(&mut self) -> Result<Option<Vec<(String, DeviceSlice<'_>)>>, tensorrt::Error> {
        let images = self.feed.next();
        let images = images.map_err(|error| tensorrt::Error::Misuse(error.to_string()))?;
        let Some(tensors) = images else { return Ok(None) };
        copy(self.card, tensors, &self.places)?;
        let all = self.places.iter().map(|(name, memory)| (name.clone(), memory.slice()));
        Ok(Some(all.collect()))
    }

    fn cache(&self) -> Option<Vec<u8>> {
        None
    }

    fn keep(&mut self, _: &[u8]) {}
}
