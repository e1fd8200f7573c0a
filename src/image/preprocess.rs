//! Images → model inputs: resized, padded and normalised in a single pass over the rows. What
//! depends on the sizes alone is planned once per size.

use super::{
    Image, MIDDLE, Size,
    fit::{Fit, Placement},
    normalise::Normalise,
    recipe::Recipe,
    resize::{Interpolation, Resize, Row, Scratch, thirds},
};
use crate::cpu::{Cpu, Instructions, sys::prefetch};
use std::{collections::HashMap, convert::Infallible};

/// Most source sizes whose plans are kept; beyond it all are dropped and planned afresh.
const MAX_PLANS: usize = 256;

/// Turns images of any size into the input of one model.
pub struct Preprocessor {
    target: Size,
    fit: Fit,
    interpolation: Interpolation,
    normalise: Normalise,
    plans: HashMap<Size, Plan>,
    /// One per thread.
    scratch: Vec<Scratch>,
}

/// What is known about images of one size.
struct Plan {
    placement: Placement,
    resize: Resize,
}

impl Preprocessor {
    /// A pre-processor for inputs of `target` pixels.
    pub fn new(target: Size, fit: Fit, interpolation: Interpolation, normalise: Normalise) -> Self {
        Self { target, fit, interpolation, normalise, plans: HashMap::new(), scratch: Vec::new() }
    }

    /// Size of the inputs.
    pub fn target(&self) -> Size {
        self.target
    }

    /// Floats in one input: three planes.
    pub fn floats(&self) -> usize {
        3 * self.target.pixels()
    }

    /// Where an image of this size lies inside the input.
    pub fn place(&self, image: Size) -> Placement {
        self.fit.place(image, self.target)
    }

    /// What [`Preprocessor::apply`] does to images of this size, planned afresh.
    ///
    /// # Panics
    /// If there is no pixel in it.
    pub fn recipe(&self, image: Size) -> Recipe {
        assert!(image.pixels() > 0, "an image without pixels cannot be resized");
        let Plan { placement, resize } = self.plan_of(image);
        let (arithmetic, [columns, rows]) = resize.recipe();
        let pad = match self.fit {
            Fit::Letterbox { pad } => pad,
            Fit::Stretch => 0,
        };
        let planes = self.normalise.tables(pad);
        Recipe { input: self.target, placement, arithmetic, columns, rows, planes }
    }

    /// Fills `inputs` (one after the other, each three planes of rows, [`Preprocessor::floats`] in
    /// all) from `images`. Allocates nothing for sizes that it has seen, of which it remembers 256, on
    /// one thread; several are handed the images through a queue that grows by a block now and then.
    ///
    /// # Panics
    /// If an image has no pixels or not as many as its size says, or `inputs` another length.
    pub fn apply(&mut self, images: &[Image], cpu: &Cpu, inputs: &mut [f32]) {
        assert_eq!(inputs.len(), images.len() * self.floats(), "floats of a batch");
        for image in images {
            let size = image.size();
            assert!(size.pixels() > 0, "an image without pixels cannot be resized");
            assert_eq!(image.pixels.len(), 3 * size.pixels(), "pixels of an image of {size:?}");
        }
        self.plan(images);
        self.scratch.resize_with(cpu.threads.count(), Scratch::default);
        let each = self.floats();
        let Self { target, fit, ref normalise, ref plans, ref mut scratch, .. } = *self;
        let work = |scratch: &mut Scratch, index: usize, input: &mut [f32]| {
            let image: &Image = &images[index];
            if let Some(plan) = plans.get(&image.size()) {
                let mut canvas = Canvas::new(target, plan.placement, normalise, input);
                canvas.draw(image, fit, &plan.resize, scratch, cpu.instructions);
            }
            Ok::<(), Infallible>(())
        };
        let Ok(()) = cpu.threads.each(scratch, inputs, each, work);
    }

    /// Plans what is new in a batch.
    fn plan(&mut self, images: &[Image]) {
        let new = |plans: &HashMap<Size, Plan>, image: &Image| !plans.contains_key(&image.size());
        if self.plans.len() >= MAX_PLANS && images.iter().any(|image| new(&self.plans, image)) {
            self.plans.clear();
        }
        for size in images.iter().map(Image::size) {
            if !self.plans.contains_key(&size) {
                let plan = self.plan_of(size);
                self.plans.insert(size, plan);
            }
        }
    }

    fn plan_of(&self, size: Size) -> Plan {
        let placement = self.fit.place(size, self.target);
        let resize = Resize::new(size, placement.inner, self.interpolation);
        Plan { placement, resize }
    }
}

/// An input being filled.
struct Canvas<'a> {
    width: usize,
    placement: Placement,
    normalise: &'a Normalise,
    planes: [&'a mut [f32]; 3],
}

impl<'a> Canvas<'a> {
    fn new(
        target: Size,
        placement: Placement,
        normalise: &'a Normalise,
        input: &'a mut [f32],
    ) -> Self {
        let width = target.width;
        Self { width, placement, normalise, planes: thirds(input) }
    }

    /// Draws the image, and what `fit` puts around it.
    fn draw(
        &mut self,
        image: &Image,
        fit: Fit,
        resize: &Resize,
        scratch: &mut Scratch,
        instructions: Instructions,
    ) {
        if let Fit::Letterbox { pad } = fit {
            self.pad(pad);
        }
        let to = self.placement.inner;
        resize.each_row(image, to, scratch, instructions, &mut |y, row| {
            self.write_row(y, &row, instructions);
        });
    }

    /// Fills what the image leaves free with one grey level.
    fn pad(&mut self, level: u8) {
        let Placement { inner, left, top, .. } = self.placement;
        for (plane, map) in self.planes.iter_mut().zip(self.normalise.planes()) {
            let grey = map.value(level);
            let (above, rest) = plane.split_at_mut(top * self.width);
            let (rows, below) = rest.split_at_mut(inner.height * self.width);
            above.fill(grey);
            below.fill(grey);
            for row in rows.chunks_exact_mut(self.width) {
                row[..left].fill(grey);
                row[left + inner.width..].fill(grey);
            }
        }
    }

    /// Writes row `y` of the image, a third of it per colour.
    fn write_row(&mut self, y: usize, row: &Row<'_>, instructions: Instructions) {
        let Placement { inner, left, top, .. } = self.placement;
        let start = (top + y) * self.width + left;
        for colour in 0..3 {
            let (plane, map) = self.normalise.plane_of(colour);
            let after = &mut self.planes[plane][start..];
            let (values, after) = after.split_at_mut(inner.width);
            // Where the next row will be written.
            let next = after.get(self.width - inner.width..).unwrap_or_default();
            prefetch(&next[..inner.width.min(next.len())]);
            let third = colour * inner.width..(colour + 1) * inner.width;
            match row {
                Row::Levels(levels) => map.fill(&levels[third], values, instructions),
                Row::Floats(levels) => {
                    map.fill_between(&levels[third], MIDDLE, values, instructions)
                }
            }
        }
    }
}
