//! Images → a model's input tensors: the pixels through a pre-processor, and the few numbers that
//! some models want beside them.

use super::{
    Mismatch,
    signature::{Extra, Inputs, Reader, Role},
};
use crate::{
    cpu::Cpu,
    image::{Image, Placement, Preprocessor, Size},
    tensor::{DType, Data, Shape, Tensor, TensorSet},
};

/// Fills the inputs of one model.
pub(super) struct Feed {
    batch: usize,
    slots: Vec<Slot>,
    preprocessor: Preprocessor,
}

/// One input.
struct Slot {
    name: String,
    role: Role,
    shape: Shape,
}

impl Feed {
    /// A feed for `inputs` whose images `preprocessor` brings to its target size.
    pub fn new(
        reader: Reader,
        inputs: Inputs,
        preprocessor: Preprocessor,
    ) -> Result<Self, Mismatch> {
        let Size { width, height } = preprocessor.target();
        let batch = inputs.batch;
        let slot = |(name, role): (String, Role)| {
            let shape = match role {
                Role::Image => Shape::new(&[batch, 3, height, width]),
                Role::Extra(..) => Shape::new(&[batch, 2]),
            };
            let shape = shape.ok_or_else(|| {
                let found = format!("{batch} images of {width} × {height} pixels");
                reader.mismatch(format!("input `{name}` is too large"), found)
            })?;
            Ok(Slot { name, role, shape })
        };
        let slots = inputs.slots.into_iter().map(slot).collect::<Result<_, Mismatch>>()?;
        Ok(Self { batch, slots, preprocessor })
    }

    /// See [`super::Adapter::inputs`].
    pub fn inputs(&self) -> TensorSet {
        let tensor = |slot: &Slot| {
            let elements = slot.shape.elements();
            let data = match slot.role {
                Role::Extra(_, DType::I64) => Data::I64(vec![0; elements]),
                Role::Extra(_, DType::I32) => Data::I32(vec![0; elements]),
                _ => Data::F32(vec![0.0; elements]),
            };
            Tensor { name: slot.name.clone(), shape: slot.shape, data }
        };
        self.slots.iter().map(tensor).collect()
    }

    /// See [`super::Adapter::preprocess`].
    pub fn fill(&mut self, images: &[Image], cpu: &Cpu, inputs: &mut TensorSet) {
        self.fill_extras(images, inputs);
        match inputs.get_mut(self.image_slot()).map(|tensor| &mut tensor.data) {
            Some(Data::F32(floats)) => self.preprocessor.apply(images, cpu, floats),
            _ => unreachable!("Feed::inputs makes images of floats"),
        }
    }

    /// See [`super::Adapter::fill_extras`].
    pub fn fill_extras(&self, images: &[Image], inputs: &mut TensorSet) {
        let expected = (self.batch, self.slots.len());
        assert_eq!((images.len(), inputs.len()), expected, "images and inputs of a batch");
        for (slot, tensor) in self.slots.iter().zip(inputs) {
            let Role::Extra(extra, _) = slot.role else { continue };
            for (index, image) in images.iter().enumerate() {
                let pair = extra.of(image.size(), self.preprocessor.target());
                write_pair(&mut tensor.data, index, pair);
            }
        }
    }

    /// The number of the input that the images become: there is exactly one.
    pub fn image_slot(&self) -> usize {
        self.slots.iter().position(|slot| slot.role == Role::Image).unwrap_or(0)
    }

    /// What brings images there.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// Where an image of this size lies inside the input.
    pub fn place(&self, image: Size) -> Placement {
        self.preprocessor.place(image)
    }
}

impl Extra {
    /// The two numbers for an image of this size in an input of that.
    fn of(self, image: Size, input: Size) -> [f64; 2] {
        let ratio = |input: usize, image: usize| input as f64 / image as f64;
        match self {
            Self::ScaleFactor => {
                [ratio(input.height, image.height), ratio(input.width, image.width)]
            }
            Self::InputSize => [input.height as f64, input.width as f64],
            Self::OriginalSize => [image.width as f64, image.height as f64],
        }
    }
}

fn write_pair(data: &mut Data, index: usize, pair: [f64; 2]) {
    let place = 2 * index..2 * index + 2;
    match data {
        Data::F32(numbers) => numbers[place].copy_from_slice(&pair.map(|n| n as f32)),
        Data::I32(numbers) => numbers[place].copy_from_slice(&pair.map(|n| n as i32)),
        Data::I64(numbers) => numbers[place].copy_from_slice(&pair.map(|n| n as i64)),
    }
}
