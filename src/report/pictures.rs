//! Detections drawn on the images they were found on.

use super::charts::{
    canvas::{Canvas, Lettering, Problem, Style},
    encode, letters, palette,
};
use crate::{
    family::Detection,
    image::{Decoder, Image, JpegLibrary},
    os,
    runner::ImageDetections,
    scenario::Cell,
    store::Run,
};
use plotters::{prelude::BitMapBackend, style::RGBColor};
use std::{fs, path::Path};

/// Most characters of an image's name in the name of its picture.
const LONGEST_NAME: usize = 60;

/// A picture that could not be drawn or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw detections on {image}: {problem}")]
pub struct Error {
    image: String,
    problem: String,
}

/// Draws the detections of every cell that has some into
/// `<run>/detections/<hash>/<nnn>-<image>.png`, best on top: those that the model's own project
/// draws, or, where the scenario sets the confidence, all that were kept with the run.
///
/// # Errors
/// When an image has gone or a picture cannot be written.
pub fn save(run: &Run) -> Result<(), Error> {
    for (cell, images) in &run.detections {
        let folder = run.path.join("detections").join(cell.hash());
        let choice = Choice::of(run, cell);
        // Another decoder might refuse what was measured.
        let decoder = run.info.host_stages.map(|host| host.decoder).unwrap_or_default();
        let source = format!("{} in run {}", cell.id, run.info.run);
        for (index, found) in images.iter().enumerate() {
            let path = folder.join(file_name(index, &found.image.0));
            save_one(found, decoder, &choice, &source, &path).map_err(|problem| Error {
                image: found.image.to_string(),
                problem: problem.to_string(),
            })?;
        }
    }
    Ok(())
}

fn save_one(
    found: &ImageDetections,
    decoder: JpegLibrary,
    choice: &Choice<'_>,
    source: &str,
    path: &Path,
) -> Result<(), Problem> {
    let because = |what: &str, error: &dyn std::fmt::Display| Problem(format!("{what}: {error}"));
    let bytes = fs::read(&found.image.0).map_err(|e| because("the image cannot be read", &e))?;
    let mut image = Image::default();
    let mut decoder = Decoder::with(decoder).map_err(|e| because("no decoder", &e))?;
    decoder.decode(&bytes, &mut image).map_err(|e| because("no usable image", &e))?;
    draw(&mut image, &found.detections, choice)?;
    let size = (image.width as u32, image.height as u32);
    let png = encode(&image.pixels, size, source)?;
    if let Some(folder) = path.parent() {
        let what = format!("the folder {} cannot be made", folder.display());
        fs::create_dir_all(folder).map_err(|e| because(&what, &e))?;
    }
    os::write_atomic(path, &png).map_err(|error| Problem(error.to_string()))
}

/// Name of a picture: the image's number and what of its name any system accepts.
fn file_name(index: usize, image: &Path) -> String {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let stem: String = stem.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{index:03}-{}.png", stem.get(..LONGEST_NAME).unwrap_or(&stem))
}

/// What of a cell's detections is drawn, and what it is called.
struct Choice<'r> {
    /// Names of the classes; empty where they are not known.
    names: &'r [String],
    /// Scores of what is drawn are higher.
    above: f32,
}

impl<'r> Choice<'r> {
    fn of(run: &'r Run, cell: &Cell) -> Self {
        let Some(model) = run.info.models.iter().find(|model| model.name == cell.id.model) else {
            return Self { names: &[], above: 0.0 };
        };
        let options = run.info.options.get(&model.name);
        let chosen = options.is_some_and(|options| options.postprocess.confidence.is_some());
        let own = model.fitting.as_ref().map_or(0.0, |fitting| fitting.draws_above);
        Self { names: &model.classes, above: if chosen { 0.0 } else { own } }
    }

    /// What is drawn, best last and so on top.
    fn of_all<'d>(&self, detections: &'d [Detection]) -> Vec<&'d Detection> {
        let drawn =
            |d: &&Detection| d.bounds.iter().all(|edge| edge.is_finite()) && d.score > self.above;
        let mut chosen: Vec<&Detection> = detections.iter().filter(drawn).collect();
        chosen.sort_by(|a, b| a.score.total_cmp(&b.score));
        chosen
    }

    fn name(&self, class: u32) -> String {
        let name = self.names.get(class as usize).filter(|name| !name.is_empty());
        name.cloned().unwrap_or_else(|| format!("class {class}"))
    }
}

fn draw(image: &mut Image, detections: &[Detection], choice: &Choice<'_>) -> Result<(), Problem> {
    letters::register()?;
    let size = (image.width as u32, image.height as u32);
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let backend = BitMapBackend::with_buffer(&mut image.pixels, size);
    let drawing = Drawing {
        canvas: Canvas::new(backend, 1.0, Lettering::BITMAP),
        width,
        height,
        line: (width.max(height) / 500.0).round().max(2.0),
        letters: (width.min(height) / 40.0).clamp(12.0, 40.0),
    };
    for detection in choice.of_all(detections) {
        drawing.detection(detection, &choice.name(detection.class))?;
    }
    drawing.canvas.finish()
}

/// An image that is drawn on; lengths in its pixels.
struct Drawing<'a> {
    canvas: Canvas<BitMapBackend<'a>>,
    width: f64,
    height: f64,
    line: f64,
    letters: f64,
}

impl Drawing<'_> {
    fn detection(&self, detection: &Detection, name: &str) -> Result<(), Problem> {
        let [left, top, right, bottom] = detection.bounds.map(f64::from);
        let (left, right) = (self.across(left), self.across(right));
        let (top, bottom) = (self.down(top), self.down(bottom));
        let colour = palette::nth(detection.class as usize);
        self.outline([left, top, right, bottom], colour)?;
        self.label(&format!("{name} {:.2}", detection.score), (left, top), colour)
    }

    fn across(&self, x: f64) -> f64 {
        x.round().clamp(0.0, self.width)
    }

    fn down(&self, y: f64) -> f64 {
        y.round().clamp(0.0, self.height)
    }

    /// Four bars inside the box, so that their outer edges are the box.
    fn outline(
        &self,
        [left, top, right, bottom]: [f64; 4],
        colour: RGBColor,
    ) -> Result<(), Problem> {
        let wide = self.line.min(right - left).max(0.0);
        let high = self.line.min(bottom - top).max(0.0);
        let bars = [
            ((left, top), (right, top + high)),
            ((left, bottom - high), (right, bottom)),
            ((left, top), (left + wide, bottom)),
            ((right - wide, top), (right, bottom)),
        ];
        bars.into_iter().try_for_each(|(a, b)| self.canvas.rectangle(a, b, colour.into()))
    }

    /// Text on a ground of its own: above the box, or in it where there is no room above; moved
    /// to the left where it would leave the picture.
    fn label(&self, text: &str, (x, y): (f64, f64), colour: RGBColor) -> Result<(), Problem> {
        let pad = (self.letters * 0.25).round();
        let text = letters::shorten(text, self.letters, self.width - 2.0 * pad);
        let wide = (letters::width(&text, self.letters) + 2.0 * pad).ceil();
        let high = (self.letters * 1.3).round();
        let x = x.min(self.width - wide).max(0.0);
        let y = if y >= high { y - high } else { y };
        let y = y.min(self.height - high).max(0.0);
        self.canvas.rectangle((x, y), (x + wide, y + high), colour.into())?;
        let style = Style::left(self.letters, palette::on(colour));
        self.canvas.text(&text, (x + pad, y + high / 2.0), style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        os::FilePath,
        report::charts::synthetic::{cell, run},
    };

    const ALL: Choice<'_> = Choice { names: &[], above: 0.0 };

    fn grey(width: usize, height: usize) -> Image {
        Image { width, height, pixels: vec![128; 3 * width * height] }
    }

    fn found(bounds: [f32; 4], score: f32, class: u32) -> Detection {
        Detection { bounds, score, class }
    }

    fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * image.width + x);
        [image.pixels[at], image.pixels[at + 1], image.pixels[at + 2]]
    }

    #[test]
    fn a_box_is_drawn_exactly_where_it_is() {
        let mut image = grey(200, 160);
        draw(&mut image, &[found([40.0, 60.0, 120.0, 140.0], 0.9, 0)], &ALL).unwrap();
        let RGBColor(r, g, b) = palette::nth(0);
        for (x, y) in [(40, 100), (41, 100), (118, 100), (119, 100), (80, 60), (80, 139)] {
            assert_eq!(pixel(&image, x, y), [r, g, b], "{x}, {y}");
        }
        for (x, y) in [(39, 100), (42, 100), (117, 100), (120, 100), (80, 62), (80, 140)] {
            assert_eq!(pixel(&image, x, y), [128; 3], "{x}, {y}");
        }
    }

    #[test]
    fn bounds_that_are_off_the_image_or_no_numbers_do_no_harm() {
        let wild = [
            [-50.0, -50.0, 1e9, 1e9],
            [f32::NAN, 0.0, 1.0, 1.0],
            [f32::NEG_INFINITY, 0.0, f32::INFINITY, 1.0],
            [30.0, 30.0, 10.0, 10.0],
            [5.0, 5.0, 5.0, 5.0],
        ];
        for (width, height) in [(1, 1), (3, 200), (200, 3), (64, 64)] {
            let all = wild.map(|bounds| found(bounds, 0.5, u32::MAX));
            draw(&mut grey(width, height), &all, &ALL).unwrap();
        }
    }

    #[test]
    fn what_the_project_draws_is_drawn_and_the_best_is_on_top() {
        let found = [found([0.0; 4], 0.9, 1), found([0.0; 4], 0.5, 2), found([0.0; 4], 0.6, 3)];
        let classes = |above: f32| {
            let chosen = Choice { above, ..ALL }.of_all(&found);
            chosen.into_iter().map(|d| d.class).collect::<Vec<_>>()
        };
        assert_eq!(classes(0.0), [2, 3, 1]);
        assert_eq!(classes(0.5), [3, 1]);
    }

    #[test]
    fn a_class_without_a_name_is_called_by_its_number() {
        let names = ["".to_owned(), "person".to_owned()];
        let name = |class: u32| Choice { names: &names, above: 0.0 }.name(class);
        assert_eq!([name(0), name(1), name(2)], ["class 0", "person", "class 2"]);
    }

    #[test]
    fn names_of_pictures_are_plain() {
        let name = |path: &str| file_name(7, Path::new(path));
        assert_eq!(name("a/b c\n\"ü.jpg"), "007-b_c___.png");
        assert_eq!(name(".."), "007-.png");
        assert_eq!(name(&"x".repeat(200)).len(), 4 + LONGEST_NAME + 4);
    }

    #[test]
    fn pictures_are_written_and_a_vanished_image_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("one image.png");
        let grey = grey(64, 48);
        fs::write(&image, encode(&grey.pixels, (64, 48), "a test").unwrap()).unwrap();
        let cell = cell("m", "ort", 1);
        let mut run = run(Vec::new());
        run.path = folder.path().join("run");
        let detections = vec![found([8.0, 8.0, 40.0, 40.0], 0.8, 3)];
        let found = ImageDetections { image: FilePath(image.clone()), detections };
        run.detections = vec![(cell.clone(), vec![found])];
        save(&run).unwrap();
        let written = run.path.join("detections").join(cell.hash()).join("000-one_image.png");
        let mut back = Image::default();
        Decoder::new().decode(&fs::read(&written).unwrap(), &mut back).unwrap();
        assert_eq!(back.size(), grey.size());
        assert_ne!(back, grey);
        fs::remove_file(&image).unwrap();
        let error = save(&run).unwrap_err().to_string();
        assert!(error.contains("one image.png") && error.contains("cannot be read"), "{error}");
    }
}
