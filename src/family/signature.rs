//! What families ask of a model's inputs and outputs, declared and actual. Reads no pixels.

use super::{Family, Mismatch};
use crate::{
    image::{Image, Placement, Preprocessor, Size},
    tensor::{DType, ModelIo, Outputs, Shape, Tensor, TensorInfo, TensorSet},
};

/// Most elements per image that an output may have: candidates of eight outputs are still counted
/// in 32 bits.
const MAX_ELEMENTS: usize = 1 << 29;

/// A family's name and expectation, to report what does not fit.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    family: &'static str,
    expected: &'static str,
}

/// The one input of a model that takes images alone: float32, batch × 3 × height × width.
pub(super) struct ImageInput {
    /// Its name.
    pub name: String,
    /// Images in a batch.
    pub batch: usize,
    /// Width and height, where the model fixes both.
    pub size: Option<Size>,
}

/// [`ImageInput`] with the kernel that fills it.
pub(super) struct ImageFeed {
    name: String,
    shape: Shape,
    preprocessor: Preprocessor,
}

impl Reader {
    pub fn of(family: &dyn Family) -> Self {
        Self { family: family.name(), expected: family.expected() }
    }

    /// Something that does not fit, and what there is instead.
    pub fn mismatch(self, problem: impl Into<String>, found: impl Into<String>) -> Mismatch {
        let Self { family, expected } = self;
        Mismatch { family, problem: problem.into(), expected, found: found.into() }
    }

    /// The only input, if it takes `batch` images.
    pub fn image_input(self, io: &ModelIo, batch: usize) -> Result<ImageInput, Mismatch> {
        let [input] = io.inputs.as_slice() else {
            let problem = format!("it has {} inputs, not one", io.inputs.len());
            return Err(self.mismatch(problem, list(&io.inputs)));
        };
        let wrong = |problem: String| Err(self.mismatch(problem, input.to_string()));
        if input.dtype != DType::F32 {
            return wrong(format!("input `{}` is not float32", input.name));
        }
        if input.rank() != Some(4) || input.fixed(1).is_some_and(|channels| channels != 3) {
            return wrong(format!("input `{}` is not batch × 3 × height × width", input.name));
        }
        match input.fixed(0) {
            _ if batch == 0 => return wrong("a batch of no images".to_owned()),
            Some(fixed) if fixed != batch => {
                return wrong(format!("its batch is fixed at {fixed}, not {batch}"));
            }
            _ => {}
        }
        let size = fixed_size(input);
        if size.is_some_and(|size| size.pixels() == 0) {
            return wrong("the images it takes have no pixels".to_owned());
        }
        Ok(ImageInput { name: input.name.clone(), batch, size })
    }

    /// The floats and shape of output `index`, checked against each other and for three
    /// dimensions of which the first is `batch`.
    pub fn output(
        self,
        outputs: &dyn Outputs,
        index: usize,
        batch: usize,
    ) -> Result<(&[f32], [usize; 2]), Mismatch> {
        let problem = || format!("output {index} is not three-dimensional float32");
        let Some(view) = outputs.get(index) else {
            return Err(self.mismatch(problem(), format!("{} outputs", outputs.count())));
        };
        let found = || format!("shape {:?}", view.shape);
        let (Some(floats), &[images, rows, columns]) = (view.floats(), view.shape.dims()) else {
            return Err(self.mismatch(problem(), found()));
        };
        if images != batch {
            let problem = format!("output {index} is not of the {batch} images put in");
            return Err(self.mismatch(problem, found()));
        }
        if floats.len() != view.shape.elements() || rows.saturating_mul(columns) > MAX_ELEMENTS {
            let problem = format!("output {index} has {} elements", floats.len());
            return Err(self.mismatch(problem, found()));
        }
        Ok((floats, [rows, columns]))
    }

    /// Whether declared output `info` can have the shape `wanted` (batch left out).
    pub fn check_declared(
        self,
        info: &TensorInfo,
        wanted: [Option<usize>; 2],
    ) -> Result<(), Mismatch> {
        let fits = |axis: usize, wanted: Option<usize>| {
            wanted.zip(info.fixed(axis)).is_none_or(|(wanted, fixed)| wanted == fixed)
        };
        let rank = info.rank().is_none_or(|rank| rank == 3);
        if info.dtype == DType::F32 && rank && fits(1, wanted[0]) && fits(2, wanted[1]) {
            return Ok(());
        }
        let shape = wanted.map(|n| n.map_or("?".to_owned(), |n| n.to_string()));
        let problem =
            format!("output `{}` is not float32 batch × {}", info.name, shape.join(" × "));
        Err(self.mismatch(problem, info.to_string()))
    }
}

impl ImageFeed {
    /// `None` if the tensor would have more elements than can be counted.
    pub fn new(input: ImageInput, preprocessor: Preprocessor) -> Option<Self> {
        let Size { width, height } = preprocessor.target();
        let shape = Shape::new(&[input.batch, 3, height, width])?;
        Some(Self { name: input.name, shape, preprocessor })
    }

    /// Images in a batch.
    pub fn batch(&self) -> usize {
        self.shape.dims()[0]
    }

    /// See [`super::Adapter::inputs`].
    pub fn inputs(&self) -> TensorSet {
        vec![Tensor::zeros(self.name.clone(), self.shape)]
    }

    /// See [`super::Adapter::preprocess`].
    pub fn fill(&mut self, images: &[Image], inputs: &mut TensorSet) {
        let floats = inputs.first_mut().and_then(Tensor::floats_mut).unwrap_or_default();
        let each = floats.chunks_exact_mut(self.preprocessor.floats());
        assert_eq!((images.len(), each.len()), (self.batch(), self.batch()), "images of a batch");
        for (image, input) in images.iter().zip(each) {
            self.preprocessor.apply(image, input);
        }
    }

    /// Where an image of this size lies inside the input.
    pub fn place(&self, image: Size) -> Placement {
        self.preprocessor.place(image)
    }
}

/// Width and height, where the input fixes both.
fn fixed_size(input: &TensorInfo) -> Option<Size> {
    Some(Size { height: input.fixed(2)?, width: input.fixed(3)? })
}

/// Inputs or outputs in one line.
pub(super) fn list(tensors: &[TensorInfo]) -> String {
    let shown: Vec<String> = tensors.iter().map(TensorInfo::to_string).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}
