//! Images of any sizes and pixels, two a batch, pre-processed by every instruction set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trtbench::image::{Image, Size};
use trtbench_fuzz::{Choices, Way};

/// Most pixels a side.
const SIDE: usize = 200;
/// Most pixels of a long and thin image.
const LONG: usize = 4000;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let (first, second) = (size(&mut choices), size(&mut choices));
    let target = match choices.byte() % 4 {
        // What has a plan of its own.
        0 => Size { width: first.width.div_ceil(2), height: first.height.div_ceil(2) },
        1 => first,
        _ => choices.size(SIDE),
    };
    let way = Way::choose(target, &mut choices);
    way.check(&[image(first, choices.0), image(second, choices.0)]);
});

fn size(choices: &mut Choices<'_>) -> Size {
    match choices.byte() % 8 {
        0 => Size { width: choices.length(3), height: choices.length(LONG) },
        1 => Size { width: choices.length(LONG), height: choices.length(3) },
        _ => choices.size(SIDE),
    }
}

/// An image of these pixels, over and over.
fn image(size: Size, pixels: &[u8]) -> Image {
    let Size { width, height } = size;
    let pixels = if pixels.is_empty() { &[0] } else { pixels };
    Image {
        width,
        height,
        pixels: pixels.iter().copied().cycle().take(3 * size.pixels()).collect(),
    }
}
