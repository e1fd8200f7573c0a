//! Charts of a run, as SVG and PNG with an embedded font.
//!
//! A chart knows how high it is and how to draw itself on a `Canvas`; the two formats
//! differ in the back end alone.

mod axis;
pub mod bytes;
pub(super) mod canvas;
mod distribution;
mod frame;
mod grid;
mod latency;
mod layers;
pub(super) mod letters;
pub(super) mod palette;
mod stages;
mod throughput;

#[cfg(test)]
pub(super) mod synthetic;
#[cfg(test)]
mod tests;

use crate::{
    analysis::CellResult,
    store::{Launch, Run},
};
use canvas::{Canvas, Lettering, Problem};
use frame::{Frame, WIDTH};
use plotters::prelude::{BitMapBackend, DrawingBackend, SVGBackend};

/// Pixels per point in a PNG, and steps per point in an SVG.
const SCALE: f64 = 2.0;

/// Most cells that get charts of their own.
pub const MOST_CELLS: usize = 40;

/// One chart in both formats.
#[derive(Clone, Debug)]
pub struct Chart {
    /// File name without its extension.
    pub name: String,
    /// As SVG.
    pub svg: String,
    /// As PNG.
    pub png: Vec<u8>,
}

/// A chart that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart {chart}: {problem}")]
pub struct Error {
    chart: String,
    problem: String,
}

/// A chart that can be drawn.
trait Figure {
    /// File name without its extension.
    fn name(&self) -> String;

    /// What is around the data.
    fn frame(&self) -> &Frame;

    /// Height of what is inside the frame.
    fn inner(&self) -> f64;

    /// Draws what is inside the frame, from `top` down.
    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem>;
}

/// All charts that the results give: `stages` (and `stages-2` and so on, where there are more
/// cells than one chart holds), `throughput` where a batch size was varied, and per measured cell
/// `distribution-<hash>`, `latency-<hash>` and, where they are known, `layers-<hash>`; these last for the first [`MOST_CELLS`] cells only.
///
/// # Errors
/// When the drawing library fails.
pub fn all(run: &Run, cells: &[CellResult]) -> Result<Vec<Chart>, Error> {
    letters::register().map_err(|problem| refuse("of this run", &problem))?;
    let source = format!("run {} by trtbench {}", run.info.run, run.info.trtbench);
    let measured: Vec<&CellResult> = cells.iter().filter(|cell| !cell.stages.is_empty()).collect();
    let mut charts = Vec::new();
    for figure in stages::all(&run.info, &measured) {
        charts.push(render(&figure, &source)?);
    }
    if let Some(figure) = throughput::Throughput::new(&run.info, &measured) {
        charts.push(render(&figure, &source)?);
    }
    for cell in measured.iter().take(MOST_CELLS) {
        charts.extend(of_cell(run, cell, &source)?);
    }
    Ok(charts)
}

fn of_cell(run: &Run, cell: &CellResult, source: &str) -> Result<Vec<Chart>, Error> {
    let launches: Vec<&Launch> =
        run.launches.iter().filter(|launch| launch.hash == cell.hash).collect();
    let samples: Vec<_> = launches.iter().flat_map(|launch| &launch.samples).collect();
    let mut charts = Vec::new();
    if let Some(figure) = distribution::Distribution::new(&run.info, cell, &samples) {
        charts.push(render(&figure, source)?);
    }
    if let Some(figure) = latency::Latency::new(&run.info, cell, &launches) {
        charts.push(render(&figure, source)?);
    }
    if let Some(figure) = layers::Layers::new(&run.info, cell) {
        charts.push(render(&figure, source)?);
    }
    Ok(charts)
}

fn refuse(chart: &str, problem: &Problem) -> Error {
    Error { chart: chart.to_owned(), problem: problem.to_string() }
}

/// `source` says what it is drawn from.
fn render(figure: &impl Figure, source: &str) -> Result<Chart, Error> {
    let name = figure.name();
    let size = (units(WIDTH), units(figure.frame().height(figure.inner())));
    let drawn = svg(figure, size).and_then(|svg| Ok((svg, png(figure, size, source)?)));
    let (svg, png) = drawn.map_err(|problem| refuse(&name, &problem))?;
    Ok(Chart { name, svg, png })
}

fn units(length: f64) -> u32 {
    (length * SCALE).ceil() as u32
}

fn draw<B: DrawingBackend>(figure: &impl Figure, on: &Canvas<B>) -> Result<(), Problem> {
    let frame = figure.frame();
    frame.draw(on, figure.inner())?;
    figure.draw(on, frame.top())?;
    on.finish()
}

fn svg(figure: &impl Figure, size: (u32, u32)) -> Result<String, Problem> {
    let mut text = String::new();
    draw(figure, &Canvas::new(SVGBackend::with_string(&mut text, size), SCALE, Lettering::SVG))?;
    // The back end knows whole units only; shown at half their size they are half points.
    let (width, height) = (f64::from(size.0) / SCALE, f64::from(size.1) / SCALE);
    let drawn = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    Ok(text.replacen(&drawn, &format!("width=\"{width}\" height=\"{height}\""), 1))
}

fn png(figure: &impl Figure, size: (u32, u32), source: &str) -> Result<Vec<u8>, Problem> {
    let mut pixels = vec![0; 3 * size.0 as usize * size.1 as usize];
    let backend = BitMapBackend::with_buffer(&mut pixels, size);
    draw(figure, &Canvas::new(backend, SCALE, Lettering::BITMAP))?;
    encode(&pixels, size, source)
}

/// 8 bit RGB `pixels` as PNG, with a word on what they come from.
pub(super) fn encode(
    pixels: &[u8],
    (width, height): (u32, u32),
    source: &str,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    write_png(&mut bytes, pixels, (width, height), source)
        .map_err(|error| Problem(format!("cannot encode the PNG: {error}")))?;
    Ok(bytes)
}

fn write_png(
    bytes: &mut Vec<u8>,
    pixels: &[u8],
    (width, height): (u32, u32),
    source: &str,
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    encoder.add_itxt_chunk("Source".to_owned(), source.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()
}
