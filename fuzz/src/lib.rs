//! What the fuzz targets share: choices made by bytes, and the comparison of pre-processing by every
//! instruction set.

pub mod models;

use trtbench::{
    cpu::{Cpu, Instructions},
    image::{ChannelOrder, Fit, Image, Interpolation, Normalise, Preprocessor, Size},
};

/// Bytes that decide, one after the other; zeros when there are no more.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// The next two.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next four.
    pub fn word(&mut self) -> u32 {
        u32::from(self.short()) | u32::from(self.short()) << 16
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// 1 to `most`.
    pub fn length(&mut self, most: usize) -> usize {
        1 + usize::from(self.short()) % most
    }

    /// A size of at most this many pixels a side.
    pub fn size(&mut self, most: usize) -> Size {
        Size { width: self.length(most), height: self.length(most) }
    }
}

/// How images become inputs.
pub struct Way {
    target: Size,
    fit: Fit,
    interpolation: Interpolation,
    normalise: Normalise,
}

impl Way {
    /// Any way to inputs of this size.
    pub fn choose(target: Size, choices: &mut Choices<'_>) -> Self {
        let fits = [Fit::Stretch, Fit::Letterbox { pad: 114 }, Fit::Letterbox { pad: 255 }];
        let interpolations = [
            Interpolation::Linear,
            Interpolation::Cubic,
            Interpolation::Warp,
            Interpolation::Pillow,
            Interpolation::Torch,
        ];
        let (fit, interpolation) = (choices.of(&fits), choices.of(&interpolations));
        Self { target, fit, interpolation, normalise: normalise(choices.byte()) }
    }

    fn preprocessor(&self) -> Preprocessor {
        Preprocessor::new(self.target, self.fit, self.interpolation, self.normalise.clone())
    }

    /// Asserts that every instruction set makes of a batch, bit for bit, what portable code makes
    /// of each image alone, and that nothing is left unwritten.
    pub fn check(&self, images: &[Image]) {
        let mut expected = Vec::new();
        for image in images {
            let mut preprocessor = self.preprocessor();
            let mut input = vec![f32::NAN; preprocessor.floats()];
            let cpu = Cpu::single(portable());
            preprocessor.apply(std::slice::from_ref(image), &cpu, &mut input);
            assert!(input.iter().all(|value| value.is_finite()), "unwritten, or not finite");
            expected.extend(input);
        }
        for instructions in Instructions::available() {
            let mut inputs = vec![f32::NAN; expected.len()];
            self.preprocessor().apply(images, &Cpu::single(instructions), &mut inputs);
            let differs = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits();
            if let Some(at) = inputs.iter().zip(&expected).position(differs) {
                let sizes: Vec<Size> = images.iter().map(Image::size).collect();
                panic!(
                    "{instructions:?} gives {} instead of {} at {at}: {sizes:?} to {:?}, {:?}, {:?}",
                    inputs[at], expected[at], self.target, self.fit, self.interpolation
                );
            }
        }
    }
}

/// The first instruction set, which the others are held to.
pub fn portable() -> Instructions {
    Instructions::available().next().expect("portable code runs everywhere")
}

/// Values that are computed, and such as are looked up.
fn normalise(choice: u8) -> Normalise {
    const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
    let order = if choice & 1 == 0 { ChannelOrder::Rgb } else { ChannelOrder::Bgr };
    match choice / 2 % 4 {
        0 => Normalise::unit(order),
        1 => Normalise::levels(order),
        2 => Normalise::new(order, |plane, level| {
            (f32::from(level) / 255.0 - MEAN[plane]) / DEVIATION[plane]
        }),
        // On no line.
        _ => Normalise::new(order, |plane, level| (f32::from(level) - 40.0 * plane as f32).powi(2)),
    }
}
