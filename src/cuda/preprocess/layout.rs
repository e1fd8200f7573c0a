//! A recipe as the words that the kernel reads: `struct Plan` of `preprocess.cu`, then the tables that
//! its offsets name.

use crate::image::{Arithmetic, PlaneTable, Recipe, TapTable, Weights};

/// Words of `struct Plan`.
const HEAD: usize = 27;

/// The words of a recipe.
pub(super) fn words(recipe: &Recipe) -> Vec<u32> {
    let mut tables = Tables(Vec::new());
    let columns = tables.axis(&recipe.columns);
    let rows = tables.axis(&recipe.rows);
    let values: Vec<f32> = recipe.planes.iter().flat_map(|plane| plane.values).collect();
    let values = tables.floats(&values);
    let inner = recipe.placement.inner;
    let sizes = [
        recipe.placement.image.width,
        recipe.input.width,
        recipe.input.height,
        inner.width,
        inner.height,
        recipe.placement.left,
        recipe.placement.top,
    ];
    let of_planes = |word: fn(&PlaneTable) -> u32| recipe.planes.each_ref().map(word);
    let mut words = vec![number(recipe.arithmetic)];
    words.extend(sizes.map(|size| size as u32));
    words.extend(columns);
    words.extend(rows);
    words.push(values);
    words.extend(of_planes(|plane| plane.colour));
    words.extend(of_planes(|plane| plane.padding.to_bits()));
    words.extend(of_planes(|plane| plane.step.to_bits()));
    words.extend(of_planes(|plane| plane.middle.to_bits()));
    debug_assert_eq!(words.len(), HEAD, "words before the tables");
    words.extend(tables.0);
    words
}

/// The kernel's number for an arithmetic.
fn number(arithmetic: Arithmetic) -> u32 {
    match arithmetic {
        Arithmetic::Mean => 0,
        Arithmetic::Bilinear => 1,
        Arithmetic::Bicubic => 2,
        Arithmetic::Thirtyseconds => 3,
        Arithmetic::Pillow => 4,
        Arithmetic::Floats => 5,
    }
}

/// What follows the head.
struct Tables(Vec<u32>);

impl Tables {
    /// Appends a table and says at which of all words it begins.
    fn add(&mut self, words: impl IntoIterator<Item = u32>) -> u32 {
        let offset = HEAD + self.0.len();
        self.0.extend(words);
        offset as u32
    }

    fn floats(&mut self, floats: &[f32]) -> u32 {
        self.add(floats.iter().map(|float| float.to_bits()))
    }

    /// The offsets of `struct Axis`.
    fn axis(&mut self, taps: &TapTable) -> [u32; 3] {
        let starts = self.add(taps.starts.iter().copied());
        let pixels = self.add(taps.pixels.iter().copied());
        let weights = match &taps.weights {
            Weights::Whole(weights) => {
                self.add(weights.iter().map(|weight| weight.cast_unsigned()))
            }
            Weights::Floats(weights) => self.floats(weights),
        };
        [starts, pixels, weights]
    }
}
