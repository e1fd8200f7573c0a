//! Launches the kernel with the arguments that it has, on memory that is large enough for it.
#![allow(unsafe_code)]

use super::{SOURCE, layout};
use crate::{
    cuda::{
        ComputeCapability, Context, DeviceMemory, DeviceSlice, Error, Function, Module, Stream,
        nvrtc::Nvrtc,
    },
    image::{Recipe, Size},
};

/// Threads of a block: a warp along a row, so that it writes memory without gaps.
const BLOCK: [u32; 2] = [32, 8];

/// The kernel, loaded on a card.
#[derive(Debug)]
pub struct Preprocess {
    function: Function,
}

/// What is done to images of one size, in a card's memory.
#[derive(Debug)]
pub struct Plan {
    words: DeviceMemory,
    image: Size,
    input: Size,
}

impl Plan {
    /// Brings a recipe to the card, and waits until it is there.
    ///
    /// # Errors
    /// The driver's word.
    pub fn new(context: &Context, stream: &Stream, recipe: &Recipe) -> Result<Self, Error> {
        let words = layout::words(recipe);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let memory = DeviceMemory::new(context, bytes.len())?;
        context.scope(|scope| scope.upload(stream, bytes, memory.slice()))?;
        Ok(Self { words: memory, image: recipe.placement.image, input: recipe.input })
    }
}

impl Preprocess {
    /// Compiles and loads it.
    ///
    /// # Errors
    /// Without NVRTC, or with one that knows no such card; the driver's word.
    pub fn new(context: &Context, card: ComputeCapability) -> Result<Self, Error> {
        let cubin = Nvrtc::open()?.compile(SOURCE, card)?;
        Ok(Self { function: Module::load(context, &cubin)?.function(c"preprocess")? })
    }

    /// Hands one image to a stream: its pixels (8 bit RGB, rows without gaps) become its part of the
    /// input (three planes of floats).
    ///
    /// # Errors
    /// [`Error::Misuse`] if the memory is not as large as the plan says; the driver's word.
    pub fn launch(
        &self,
        stream: &Stream,
        plan: &Plan,
        pixels: DeviceSlice<'_>,
        input: DeviceSlice<'_>,
    ) -> Result<(), Error> {
        let Plan { words, image, input: size } = plan;
        for (what, found, wanted) in [
            ("pixels", pixels.bytes(), 3 * image.pixels()),
            ("an input", input.bytes(), 3 * size_of::<f32>() * size.pixels()),
        ] {
            if found != wanted {
                let words = format!("{what} of {wanted} bytes cannot be in {found}");
                return Err(Error::Misuse(words));
            }
        }
        let blocks = [size.width, size.height];
        let [across, down] = [0, 1].map(|axis| (blocks[axis] as u32).div_ceil(BLOCK[axis]));
        let mut arguments = [words.slice().address(), pixels.address(), input.address()];
        // SAFETY: the kernel in `preprocess.cu` takes these three, each of 64 bits. It reads the plan's
        // words, which `layout` has made for it, pixels of the size in the plan, and writes an input of
        // that size; all of that is there, as was just checked.
        unsafe { stream.launch_kernel(&self.function, [across, down], BLOCK, &mut arguments) }
    }
}
