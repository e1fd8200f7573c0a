//! What families ask of a model's inputs and outputs, declared and actual. Reads no pixels.

use super::{Family, Misfit, Mismatch};
use crate::{
    image::Size,
    tensor::{DType, Elements, ModelIo, Outputs, TensorInfo, TensorView},
};

/// Most elements per image that an output may have: candidates of eight outputs are still counted
/// in 32 bits.
const MAX_ELEMENTS: usize = 1 << 29;

/// A family's name and expectation, to report what does not fit.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub family: &'static str,
    expected: &'static str,
}

/// What an input beside the image is filled with: two numbers per image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// PaddleDetection: input pixels per image pixel, along y, then x.
    ScaleFactor,
    /// PaddleDetection: height, then width of the input.
    InputSize,
    /// RT-DETR (lyuwenyu): width, then height of the image.
    OriginalSize,
}

/// What one input is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Image,
    Extra(Extra, DType),
}

/// The inputs of a model that takes images.
pub(super) struct Inputs {
    /// Images in a batch.
    pub batch: usize,
    /// Width and height, where the model fixes them.
    sides: [Option<usize>; 2],
    /// Name and role of each, in the model's order.
    pub slots: Vec<(String, Role)>,
}

/// Integers of either width.
#[derive(Clone, Copy)]
pub(super) enum Integers<'a> {
    Narrow(&'a [i32]),
    Wide(&'a [i64]),
}

impl Extra {
    const ALL: [Self; 3] = [Self::ScaleFactor, Self::InputSize, Self::OriginalSize];

    /// What the projects' exports call it.
    fn name(self) -> &'static str {
        match self {
            Self::ScaleFactor => "scale_factor",
            Self::InputSize => "im_shape",
            Self::OriginalSize => "orig_target_sizes",
        }
    }

    fn takes(self, dtype: DType) -> bool {
        match self {
            Self::ScaleFactor | Self::InputSize => dtype == DType::F32,
            Self::OriginalSize => matches!(dtype, DType::I32 | DType::I64),
        }
    }
}

impl Inputs {
    /// Width and height, from `default` where the model leaves them open.
    pub fn size_or(&self, default: Size) -> Size {
        let [width, height] = self.sides;
        Size { width: width.unwrap_or(default.width), height: height.unwrap_or(default.height) }
    }

    /// Whether one of them is filled with `extra`.
    pub fn has(&self, extra: Extra) -> bool {
        self.slots.iter().any(|&(_, role)| matches!(role, Role::Extra(found, _) if found == extra))
    }
}

impl Integers<'_> {
    pub fn at(self, index: usize) -> Option<i64> {
        match self {
            Self::Narrow(numbers) => numbers.get(index).copied().map(i64::from),
            Self::Wide(numbers) => numbers.get(index).copied(),
        }
    }

    pub fn len(self) -> usize {
        match self {
            Self::Narrow(numbers) => numbers.len(),
            Self::Wide(numbers) => numbers.len(),
        }
    }
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

    /// Inputs and outputs that are none of the family's variants.
    pub fn foreign(self, io: &ModelIo) -> Mismatch {
        let found = format!("inputs {}; outputs {}", list(&io.inputs), list(&io.outputs));
        self.mismatch("its inputs and outputs are those of no variant", found)
    }

    /// The inputs, if they are one image of float32, batch × 3 × height × width, and any of
    /// `extras`, and take `batch` images. An extra is known by its name, or, if there is but one,
    /// `extras` has but one, and the name is not that of another, by its shape.
    pub fn inputs(self, io: &ModelIo, batch: usize, extras: &[Extra]) -> Result<Inputs, Misfit> {
        if batch == 0 {
            return Err(self.mismatch("a batch of no images", list(&io.inputs)).into());
        }
        let mut inputs = Inputs { batch, sides: [None; 2], slots: Vec::new() };
        for info in &io.inputs {
            let role = if info.rank() == Some(4) || io.inputs.len() == 1 {
                inputs.sides = self.image(info)?;
                Role::Image
            } else {
                Role::Extra(self.extra(info, extras, io.inputs.len())?, info.dtype)
            };
            if let Some(twice) = inputs.slots.iter().find(|slot| slot.1 == role) {
                let problem = format!("inputs `{}` and `{}` are the same", twice.0, info.name);
                return Err(self.mismatch(problem, list(&io.inputs)).into());
            }
            if let Some(fixed) = info.fixed(0).filter(|&fixed| fixed != batch) {
                return Err(Misfit::Batch { input: info.name.clone(), fixed, batch });
            }
            inputs.slots.push((info.name.clone(), role));
        }
        if inputs.slots.iter().any(|slot| slot.1 == Role::Image) {
            Ok(inputs)
        } else {
            Err(self.mismatch("no input takes images", list(&io.inputs)).into())
        }
    }

    /// The only output.
    pub fn one_output(self, io: &ModelIo) -> Result<&TensorInfo, Mismatch> {
        let [output] = io.outputs.as_slice() else {
            let problem = format!("it has {} outputs, not one", io.outputs.len());
            return Err(self.mismatch(problem, list(&io.outputs)));
        };
        Ok(output)
    }

    /// The size of the images, which the model must fix.
    pub fn fixed_size(self, inputs: &Inputs, io: &ModelIo) -> Result<Size, Mismatch> {
        let open = || self.mismatch("height or width is not fixed", list(&io.inputs));
        let [width, height] = inputs.sides;
        width.zip(height).map(|(width, height)| Size { width, height }).ok_or_else(open)
    }

    /// Checks an image input and returns its width and height, where they are fixed.
    fn image(self, info: &TensorInfo) -> Result<[Option<usize>; 2], Mismatch> {
        let wrong = |problem: String| Err(self.mismatch(problem, info.to_string()));
        if info.dtype != DType::F32 {
            return wrong(format!(
                "input `{}` is not float32 (a model in half precision is to be exported with float32 \
                 inputs and outputs: keep_io_types=True in onnxconverter-common)",
                info.name
            ));
        }
        if info.rank() != Some(4) || info.fixed(1).is_some_and(|channels| channels != 3) {
            return wrong(format!("input `{}` is not batch × 3 × height × width", info.name));
        }
        let sides = [info.fixed(3), info.fixed(2)];
        if sides.contains(&Some(0)) {
            return wrong("the images it takes have no pixels".to_owned());
        }
        Ok(sides)
    }

    fn extra(self, info: &TensorInfo, extras: &[Extra], inputs: usize) -> Result<Extra, Mismatch> {
        let named = extras.iter().find(|extra| extra.name() == info.name);
        let other = Extra::ALL.iter().any(|extra| extra.name() == info.name);
        let only = if let ([only], 2, false) = (extras, inputs, other) { Some(only) } else { None };
        let Some(&extra) = named.or(only) else {
            let known: String = extras.iter().map(|e| format!(", {}", e.name())).collect();
            let problem = format!("input `{}` is none of: the image{known}", info.name);
            return Err(self.mismatch(problem, info.to_string()));
        };
        let two = info.fixed(1).is_none_or(|columns| columns == 2);
        if extra.takes(info.dtype) && info.rank() == Some(2) && two {
            return Ok(extra);
        }
        let kind = if extra == Extra::OriginalSize { "integers" } else { "float32" };
        let problem = format!("input `{}` is not batch × 2 of {kind}", info.name);
        Err(self.mismatch(problem, info.to_string()))
    }

    /// Refuses a declared output that [`can_be`] no floats of the shape `wanted`.
    pub fn declared<const R: usize>(
        self,
        info: &TensorInfo,
        wanted: [Option<usize>; R],
    ) -> Result<(), Mismatch> {
        if can_be(info, wanted) {
            return Ok(());
        }
        let shape = wanted.map(|n| n.map_or("?".to_owned(), |n| n.to_string())).join(" × ");
        let problem = format!("output `{}` is not float32 batch × {shape}", info.name);
        Err(self.mismatch(problem, info.to_string()))
    }

    /// The floats of output `index` and its shape without the batch, checked against each other,
    /// for `R` dimensions after the batch.
    pub fn floats<const R: usize>(
        self,
        outputs: &dyn Outputs,
        index: usize,
        batch: usize,
    ) -> Result<(&[f32], [usize; R]), Mismatch> {
        let view = self.view(outputs, index)?;
        let found = || format!("shape {:?}", view.shape);
        let dims = view.shape.dims();
        let shape = dims.split_first().and_then(|(_, rest)| <[usize; R]>::try_from(rest).ok());
        let (Some(floats), Some(shape)) = (view.floats(), shape) else {
            let problem = format!("output {index} is not float32 of {} dimensions", R + 1);
            return Err(self.mismatch(problem, found()));
        };
        if dims[0] != batch {
            let problem = format!("output {index} is not of the {batch} images put in");
            return Err(self.mismatch(problem, found()));
        }
        let each = shape.iter().fold(1, |all: usize, &n| all.saturating_mul(n));
        if floats.len() != view.shape.elements() || each > MAX_ELEMENTS {
            let problem = format!("output {index} has {} elements", floats.len());
            return Err(self.mismatch(problem, found()));
        }
        Ok((floats, shape))
    }

    /// The floats of output `index` in rows of `columns`.
    pub fn rows(
        self,
        outputs: &dyn Outputs,
        index: usize,
        columns: usize,
    ) -> Result<&[f32], Mismatch> {
        let view = self.view(outputs, index)?;
        match (view.floats(), view.shape.dims()) {
            (Some(floats), &[rows, found])
                if found == columns && rows * columns == floats.len() =>
            {
                Ok(floats)
            }
            // Paddle's way of saying that there are none.
            (Some(_), dims) if dims.contains(&0) => Ok(&[]),
            _ => {
                let problem = format!("output {index} is not rows of {columns} float32");
                Err(self.mismatch(problem, format!("shape {:?}", view.shape)))
            }
        }
    }

    /// The integers of output `index`, which must have this shape.
    pub fn integers<'a>(
        self,
        outputs: &'a dyn Outputs,
        index: usize,
        shape: &[usize],
    ) -> Result<Integers<'a>, Mismatch> {
        let view = self.view(outputs, index)?;
        let integers = match view.elements {
            Elements::I32(numbers) => Integers::Narrow(numbers),
            Elements::I64(numbers) => Integers::Wide(numbers),
            Elements::F32(_) => {
                let problem = format!("output {index} is not of integers");
                return Err(self.mismatch(problem, format!("shape {:?}", view.shape)));
            }
        };
        let count: usize = shape.iter().product();
        if view.shape.dims() != shape || integers.len() != count {
            let problem = format!("output {index} is not of the shape {shape:?}");
            return Err(self.mismatch(problem, format!("shape {:?}", view.shape)));
        }
        Ok(integers)
    }

    fn view(self, outputs: &dyn Outputs, index: usize) -> Result<TensorView<'_>, Mismatch> {
        outputs.get(index).ok_or_else(|| {
            let problem = format!("there is no output {index} of float32, int32 or int64");
            self.mismatch(problem, format!("{} outputs", outputs.count()))
        })
    }

    /// A shape that is not the one that is needed.
    pub fn expect<const R: usize>(
        self,
        index: usize,
        shape: [usize; R],
        wanted: [usize; R],
    ) -> Result<(), Mismatch> {
        if shape == wanted {
            return Ok(());
        }
        let show = |shape: [usize; R]| shape.map(|n| n.to_string()).join(" × ");
        let problem = format!("output {index} is not {} per image", show(wanted));
        Err(self.mismatch(problem, show(shape)))
    }
}

/// Whether declared output `info` can be floats of the shape `wanted` (batch left out; `None` for
/// any length).
pub(super) fn can_be<const R: usize>(info: &TensorInfo, wanted: [Option<usize>; R]) -> bool {
    let rank = info.rank().is_none_or(|rank| rank == R + 1);
    let fits = |(axis, wanted): (usize, &Option<usize>)| {
        wanted.zip(info.fixed(axis + 1)).is_none_or(|(wanted, fixed)| wanted == fixed)
    };
    info.dtype == DType::F32 && rank && wanted.iter().enumerate().all(fits)
}

/// Whether the element type is one of whole numbers that are read here.
pub(super) fn is_integer(info: &TensorInfo) -> bool {
    matches!(info.dtype, DType::I32 | DType::I64)
}

/// Inputs or outputs in one line.
pub(super) fn list(tensors: &[TensorInfo]) -> String {
    let shown: Vec<String> = tensors.iter().map(TensorInfo::to_string).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}
