//! PicoDet with a raw head: scores and distributions of four levels, no NMS in the graph.
//! Sources: PaddleDetection `ppdet/modeling/heads/pico_head.py`,
//! `deploy/python/picodet_postprocess.py`; for the layout models PyPI `rapid-layout` 1.2.1
//! (Apache-2.0), `model_handler/pp`.
//!
//! Two variants, told apart by the input: PaddleOCR's layout models are the ones for pages, 800
//! rows by 608 columns. They keep OpenCV's channel order BGR and resize linearly; the detectors
//! trained on COCO, of any other size, take RGB and resize cubically.
//!
//! Left out from `rapid-layout`: its bound of 100 detections per class counts for all classes
//! together here (as in PaddleDetection), and nothing is added to the union's area.

use super::{
    Adapter, Detection, Family, FamilyOptions, Mismatch, classes,
    limits::Limits,
    nms::Nms,
    signature::{ImageFeed, Reader, list},
};
use crate::{
    image::{ChannelOrder, Fit, Image, Interpolation, Normalise, Preprocessor, Size},
    tensor::{ModelIo, Outputs, TensorInfo, TensorSet},
};

/// Input pixels per cell of each level.
const STRIDES: [usize; LEVELS] = [8, 16, 32, 64];
const LEVELS: usize = 4;
/// Bins of one side's distribution: distances of 0 to 7 strides.
const BINS: usize = 8;
const SIDES: usize = 4;
const LAYOUT_SIZE: Size = Size { width: 608, height: 800 };
/// Of the planes in their order, whatever colour they hold.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

const COCO_LIMITS: Limits = Limits {
    confidence: 0.025,
    iou: 0.6,
    candidates: usize::MAX,
    candidates_per_class: 1000,
    detections: 100,
};

const LAYOUT_LIMITS: Limits =
    Limits { confidence: 0.5, iou: 0.5, candidates_per_class: 200, ..COCO_LIMITS };

/// The family.
pub(super) struct PicoDet;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Coco,
    Layout,
}

struct PicoDetAdapter {
    reader: Reader,
    feed: ImageFeed,
    variant: Variant,
    limits: Limits,
    grids: [Grid; LEVELS],
    classes: Option<usize>,
    nms: Nms,
}

/// The cells of one level.
#[derive(Clone, Copy)]
struct Grid {
    stride: usize,
    columns: usize,
    cells: usize,
}

/// One image's output at one level, row by row of cells.
#[derive(Clone, Copy)]
struct Level<'a> {
    grid: Grid,
    /// `classes` per cell, already activated.
    scores: &'a [f32],
    /// Logits: `SIDES * BINS` per cell.
    distributions: &'a [f32],
}

impl Family for PicoDet {
    fn name(&self) -> &'static str {
        "picodet"
    }

    fn expected(&self) -> &'static str {
        "one input [N, 3, H, W] with fixed H and W, then four outputs [N, cells, classes] and four \
         [N, cells, 32] at strides 8, 16, 32 and 64, all float32 (a PicoDet exported without \
         post-processing)"
    }

    fn adapt(
        &self,
        io: &ModelIo,
        batch: usize,
        options: &FamilyOptions,
    ) -> Result<Box<dyn Adapter>, Mismatch> {
        let reader = Reader::of(self);
        let input = reader.image_input(io, batch)?;
        let Some(size) = input.size else {
            return Err(reader.mismatch("height or width is not fixed", list(&io.inputs)));
        };
        let grids = STRIDES.map(|stride| Grid::new(size, stride));
        let classes = declared_classes(reader, io, &grids)?;
        let variant = if size == LAYOUT_SIZE { Variant::Layout } else { Variant::Coco };
        let feed = ImageFeed::new(input, variant.preprocessor(size))
            .ok_or_else(|| reader.mismatch("its input is too large", list(&io.inputs)))?;
        let limits = variant.limits().with(options);
        let nms = Nms::default();
        Ok(Box::new(PicoDetAdapter { reader, feed, variant, limits, grids, classes, nms }))
    }
}

/// The number of classes, if the outputs declare it.
fn declared_classes(
    reader: Reader,
    io: &ModelIo,
    grids: &[Grid; LEVELS],
) -> Result<Option<usize>, Mismatch> {
    if io.outputs.len() != 2 * LEVELS {
        let problem = format!("it has {} outputs, not {}", io.outputs.len(), 2 * LEVELS);
        return Err(reader.mismatch(problem, list(&io.outputs)));
    }
    let (scores, distributions) = io.outputs.split_at(LEVELS);
    let classes = scores.iter().find_map(|output: &TensorInfo| output.fixed(2));
    for ((scores, distributions), grid) in scores.iter().zip(distributions).zip(grids) {
        reader.check_declared(scores, [Some(grid.cells), classes])?;
        reader.check_declared(distributions, [Some(grid.cells), Some(SIDES * BINS)])?;
    }
    Ok(classes)
}

impl Variant {
    fn preprocessor(self, size: Size) -> Preprocessor {
        let (interpolation, order) = match self {
            Self::Coco => (Interpolation::Cubic, ChannelOrder::Rgb),
            Self::Layout => (Interpolation::Linear, ChannelOrder::Bgr),
        };
        let normalise = Normalise::standard(order, MEAN, DEVIATION);
        Preprocessor::new(size, Fit::Stretch, interpolation, normalise)
    }

    fn limits(self) -> Limits {
        match self {
            Self::Coco => COCO_LIMITS,
            Self::Layout => LAYOUT_LIMITS,
        }
    }
}

impl Adapter for PicoDetAdapter {
    fn inputs(&self) -> TensorSet {
        self.feed.inputs()
    }

    fn preprocess(&mut self, images: &[Image], inputs: &mut TensorSet) {
        self.feed.fill(images, inputs);
    }

    fn postprocess(
        &mut self,
        outputs: &dyn Outputs,
        sizes: &[Size],
        detections: &mut Vec<Vec<Detection>>,
    ) -> Result<(), Mismatch> {
        let (levels, classes) = self.levels(outputs, sizes.len())?;
        self.classes = Some(classes);
        detections.resize_with(sizes.len(), Vec::new);
        for (index, (&size, found)) in sizes.iter().zip(detections).enumerate() {
            self.detect(levels.map(|level| level.of_image(index, classes)), classes, size, found);
        }
        Ok(())
    }

    fn class_names(&self) -> Option<&'static [&'static str]> {
        match self.variant {
            Variant::Coco => classes::coco(self.classes?),
            Variant::Layout => classes::cdla(self.classes?),
        }
    }
}

impl PicoDetAdapter {
    /// The outputs of a whole batch, checked, and the number of classes.
    fn levels<'a>(
        &self,
        outputs: &'a dyn Outputs,
        batch: usize,
    ) -> Result<([Level<'a>; LEVELS], usize), Mismatch> {
        let mut classes = self.classes;
        let mut levels = self.grids.map(|grid| Level { grid, scores: &[], distributions: &[] });
        for (index, level) in levels.iter_mut().enumerate() {
            let (scores, shape) = self.reader.output(outputs, index, batch)?;
            let wanted = [level.grid.cells, *classes.get_or_insert(shape[1])];
            self.check(index, shape, wanted)?;
            let (distributions, shape) = self.reader.output(outputs, LEVELS + index, batch)?;
            self.check(LEVELS + index, shape, [level.grid.cells, SIDES * BINS])?;
            (level.scores, level.distributions) = (scores, distributions);
        }
        Ok((levels, classes.unwrap_or(0)))
    }

    fn check(&self, index: usize, shape: [usize; 2], wanted: [usize; 2]) -> Result<(), Mismatch> {
        if shape == wanted {
            return Ok(());
        }
        let problem = format!("output {index} is not {} cells × {}", wanted[0], wanted[1]);
        Err(self.reader.mismatch(problem, format!("{} × {}", shape[0], shape[1])))
    }

    fn detect(
        &mut self,
        levels: [Level<'_>; LEVELS],
        classes: usize,
        size: Size,
        found: &mut Vec<Detection>,
    ) {
        self.nms.clear();
        let mut first = 0;
        for level in levels {
            self.nms.offer(level.scores, first, self.limits.confidence);
            first += level.scores.len() as u32;
        }
        found.clear();
        self.nms.keep(&self.limits, |index| locate(&levels, classes, index as usize), found);
        let placement = self.feed.place(size);
        for detection in found {
            detection.bounds = placement.to_image(detection.bounds);
        }
    }
}

/// Class and box in input pixels of a score, counted through all levels.
fn locate(levels: &[Level<'_>; LEVELS], classes: usize, index: usize) -> (u32, [f32; 4]) {
    let (mut cell, class) = (index / classes, index % classes);
    for level in levels {
        if cell < level.grid.cells {
            return (class as u32, level.bounds(cell));
        }
        cell -= level.grid.cells;
    }
    (class as u32, [f32::NAN; 4])
}

impl Grid {
    fn new(size: Size, stride: usize) -> Self {
        let columns = size.width.div_ceil(stride);
        Self { stride, columns, cells: columns.saturating_mul(size.height.div_ceil(stride)) }
    }
}

impl<'a> Level<'a> {
    /// The part of image `index` of a batch.
    fn of_image(self, index: usize, classes: usize) -> Self {
        let part = |values: &'a [f32], each: usize| {
            let length = self.grid.cells * each;
            &values[index * length..][..length]
        };
        let scores = part(self.scores, classes);
        Self { scores, distributions: part(self.distributions, SIDES * BINS), ..self }
    }

    /// The box of a cell: its centre, less and plus the mean distances to left, top, right and
    /// bottom.
    fn bounds(self, cell: usize) -> [f32; 4] {
        let stride = self.grid.stride as f32;
        let x = ((cell % self.grid.columns) as f32 + 0.5) * stride;
        let y = ((cell / self.grid.columns) as f32 + 0.5) * stride;
        let logits = &self.distributions[cell * SIDES * BINS..][..SIDES * BINS];
        let distance = |side: usize| mean_bin(&logits[side * BINS..][..BINS]) * stride;
        [x - distance(0), y - distance(1), x + distance(2), y + distance(3)]
    }
}

/// The mean of bin numbers, weighted by the softmax of their logits.
fn mean_bin(logits: &[f32]) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for (bin, &logit) in (0_u8..).zip(logits) {
        let weight = (logit - highest).exp();
        total += weight;
        weighted += weight * f32::from(bin);
    }
    weighted / total
}
