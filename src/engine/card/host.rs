//! Where an output of a card arrives in memory of the host.

use super::{Error, Output};
use crate::{
    cuda::{Context, HostMemory},
    scenario::{CardOptions, Transfers},
    tensor::{DType, Elements, Shape, TensorView},
};

/// An output as it arrived last.
pub struct HostOutput {
    room: Room,
    pinned: bool,
    arrived: Option<(Shape, DType)>,
}

/// Memory that is large enough for what has arrived so far.
enum Room {
    /// Ordinary memory; words, so that any type of element is aligned.
    Pageable(Vec<u64>),
    /// Page-locked.
    Pinned(HostMemory),
}

impl HostOutput {
    /// Nothing yet.
    pub fn new(options: CardOptions) -> Self {
        let pinned = options.transfers == Transfers::Pinned;
        Self { room: Room::Pageable(Vec::new()), pinned, arrived: None }
    }

    /// Room for what is about to arrive; it grows, but never shrinks.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn take(&mut self, context: &Context, place: &Output<'_>) -> Result<&mut [u8], Error> {
        let bytes = place.memory.bytes();
        if self.bytes().len() < bytes {
            self.room = if self.pinned {
                Room::Pinned(HostMemory::new(context, bytes)?)
            } else {
                Room::Pageable(vec![0; bytes.div_ceil(size_of::<u64>())])
            };
        }
        self.arrived = Some((place.shape, place.dtype));
        let all = match &mut self.room {
            Room::Pageable(words) => bytemuck::cast_slice_mut(words),
            Room::Pinned(memory) => memory.as_mut_slice(),
        };
        Ok(&mut all[..bytes])
    }

    /// What has arrived; `None` before, and for types that are none of [`Elements`].
    pub fn view(&self) -> Option<TensorView<'_>> {
        let (shape, dtype) = self.arrived?;
        let bytes = |size: usize| self.bytes().get(..shape.elements() * size);
        let elements = match dtype {
            DType::F32 => Elements::F32(bytemuck::try_cast_slice(bytes(4)?).ok()?),
            DType::I32 => Elements::I32(bytemuck::try_cast_slice(bytes(4)?).ok()?),
            DType::I64 => Elements::I64(bytemuck::try_cast_slice(bytes(8)?).ok()?),
            _ => return None,
        };
        Some(TensorView { shape, elements })
    }

    fn bytes(&self) -> &[u8] {
        match &self.room {
            Room::Pageable(words) => bytemuck::cast_slice(words),
            Room::Pinned(memory) => memory.as_slice(),
        }
    }
}
