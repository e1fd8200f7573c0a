//! Where the bytes of a model file are: bars of all of them by heading, by role and by part of the
//! network, and a bar for each of the largest tensors.

use super::{
    Chart, Error, Figure,
    axis::{Axis, Scale},
    canvas::{Canvas, Problem, Style},
    frame::{Frame, LABEL, MARGIN, WIDTH},
    grid::{self, BELOW, Plot},
    letters, palette, refuse, render,
};
use crate::{
    model::{
        anatomy::{Role, SectionKind},
        summary::{Summary, TensorSum},
    },
    report::{
        model::{heading, role},
        words::shortened,
    },
    unit::{Bytes, Share},
};
use plotters::prelude::{DrawingBackend, RGBColor};

const ROW: f64 = 30.0;
const HALF: f64 = 9.0;
const SMALL: f64 = 10.0;
const STRIP: f64 = 42.0;
const LABEL_ROOM: f64 = 330.0;

/// The chart of one model.
///
/// # Errors
/// When the drawing library fails.
pub fn chart(name: &str, summary: &Summary) -> Result<Chart, Error> {
    letters::register().map_err(|problem| refuse("of a model", &problem))?;
    render(&Anatomy::new(name, summary), &format!("model {name}"))
}

/// See the file's head.
struct Anatomy {
    frame: Frame,
    strips: Vec<Strip>,
    bars: Vec<Bar>,
    left: f64,
    axis: Axis,
}

/// One whole, in parts.
struct Strip {
    label: String,
    parts: Vec<(String, u64)>,
}

/// One tensor.
struct Bar {
    label: String,
    detail: String,
    bytes: u64,
    share: Share,
}

impl Anatomy {
    fn new(name: &str, summary: &Summary) -> Self {
        let strips = strips(summary);
        let bars: Vec<Bar> =
            summary.largest.iter().map(|tensor| bar(tensor, summary.bytes)).collect();
        let labels = strips.iter().map(|strip| letters::width(&strip.label, LABEL));
        let details = bars
            .iter()
            .map(|bar| letters::width(&bar.label, LABEL).max(letters::width(&bar.detail, SMALL)));
        let left = MARGIN + labels.chain(details).fold(0.0, f64::max) + 12.0;
        let room = bars.iter().map(|bar| letters::width(&bar.end(), LABEL)).fold(0.0, f64::max);
        let most = bars.first().map_or(1.0, |bar| bar.bytes as f64);
        let axis = Axis::new(Scale::Linear, (0.0, most), (left, WIDTH - MARGIN - room - 12.0));
        Self { frame: frame(name, summary), strips, bars, left, axis }
    }

    /// A whole, in parts; those whose names do not fit are named below.
    fn strip<B: DrawingBackend>(
        &self,
        on: &Canvas<B>,
        strip: &Strip,
        y: f64,
    ) -> Result<(), Problem> {
        let right = WIDTH - MARGIN;
        let ink = Style::left(LABEL, palette::INK);
        on.text(&strip.label, (self.left - 10.0, y), ink.right())?;
        let whole: u64 = strip.parts.iter().map(|(_, bytes)| bytes).sum();
        let (mut from, mut unnamed) = (self.left, Vec::new());
        for (index, (name, bytes)) in strip.parts.iter().enumerate() {
            let share = Share(*bytes as f64 / whole.max(1) as f64);
            let to = from + share.0 * (right - self.left);
            let colour = colour(index);
            on.rectangle((from, y - HALF), (to, y + HALF), colour.into())?;
            let texts = [
                format!("{name} {} ({share})", Bytes(*bytes)),
                format!("{name} {share}"),
                name.clone(),
            ];
            let fits = |text: &&String| letters::width(text, SMALL) + 8.0 <= to - from;
            if let Some(text) = texts.iter().find(fits) {
                let style = Style::left(SMALL, palette::on(colour)).centred();
                on.text(&letters::printable(text), (f64::midpoint(from, to), y), style)?;
            } else {
                unnamed.push(texts[0].clone());
            }
            from = to;
        }
        let below = letters::shorten(&unnamed.join(", "), SMALL, right - self.left);
        on.text(&below, (right, y + HALF + 8.0), Style::left(SMALL, palette::PALE).right())
    }

    fn bar<B: DrawingBackend>(&self, on: &Canvas<B>, bar: &Bar, y: f64) -> Result<(), Problem> {
        let (ink, pale) = (Style::left(LABEL, palette::INK), Style::left(SMALL, palette::PALE));
        on.text(&bar.label, (self.left - 10.0, y - 6.0), ink.right())?;
        on.text(&bar.detail, (self.left - 10.0, y + 8.0), pale.right())?;
        let end = self.axis.at(bar.bytes as f64);
        on.rectangle((self.left, y - HALF), (end, y + HALF), palette::nth(0).into())?;
        on.text(&bar.end(), (end + 8.0, y), ink)
    }

    fn strips_height(&self) -> f64 {
        STRIP * self.strips.len() as f64
    }
}

impl Bar {
    /// What stands beside it.
    fn end(&self) -> String {
        format!("{} · {}", Bytes(self.bytes), self.share)
    }
}

impl Figure for Anatomy {
    fn name(&self) -> String {
        "bytes".to_owned()
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn inner(&self) -> f64 {
        let bars = match self.bars.len() {
            0 => 0.0,
            count => ROW * count as f64 + 14.0 + BELOW,
        };
        self.strips_height() + bars
    }

    fn draw<B: DrawingBackend>(&self, on: &Canvas<B>, top: f64) -> Result<(), Problem> {
        for (index, strip) in self.strips.iter().enumerate() {
            self.strip(on, strip, top + STRIP * (index as f64 + 0.5))?;
        }
        if self.bars.is_empty() {
            return Ok(());
        }
        let (first, bottom) = (top + self.strips_height() + 6.0, top + self.inner() - BELOW);
        let plot = Plot { left: self.left, top: first, right: WIDTH - MARGIN, bottom };
        grid::upright(on, &plot, &self.axis, |bytes| Bytes(bytes as u64).to_string())?;
        for (index, bar) in self.bars.iter().enumerate() {
            self.bar(on, bar, first + 4.0 + ROW * (index as f64 + 0.5))?;
        }
        Ok(())
    }
}

fn bar(tensor: &TensorSum, whole: u64) -> Bar {
    let fits = |text: &str| letters::width(text, LABEL) <= LABEL_ROOM;
    let dims: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
    let kind = format!("{} [{}]", tensor.dtype, dims.join(" × "));
    let told = match (&tensor.used_by, tensor.role) {
        (Some(user), _) => user.clone(),
        (None, Role::Model) => String::new(),
        (None, other) => role(other).to_owned(),
    };
    let room = LABEL_ROOM - letters::width(&kind, SMALL) - 20.0;
    let told = shortened(&letters::printable(&told), |text| letters::width(text, SMALL) <= room);
    Bar {
        label: shortened(&letters::printable(&tensor.name), fits),
        detail: if told.is_empty() { kind } else { format!("{told} · {kind}") },
        bytes: tensor.bytes,
        share: Share(tensor.bytes as f64 / whole.max(1) as f64),
    }
}

/// The first parts have colours of their own.
fn colour(index: usize) -> RGBColor {
    if index < palette::count() { palette::nth(index) } else { palette::ASIDE }
}

fn strips(summary: &Summary) -> Vec<Strip> {
    let sections = |weights: bool| -> Vec<(String, u64)> {
        let kept =
            summary.sections.iter().filter(|sum| weights || sum.name != SectionKind::Weights);
        kept.map(|sum| (heading(sum.name).to_owned(), sum.bytes)).collect()
    };
    let roles =
        summary.roles.iter().map(|sum| (format!("{} {}", role(sum.role), sum.dtype), sum.bytes));
    let parts = summary.components.iter().map(|sum| (sum.name.clone(), sum.bytes));
    let all = [
        ("all bytes", sections(true)),
        ("other than weights", sections(false)),
        ("weights, by role and type", roles.collect()),
        ("network, by part", parts.collect()),
    ];
    let worth = |parts: &[(String, u64)]| parts.iter().map(|(_, bytes)| bytes).sum::<u64>() > 0;
    all.into_iter()
        .filter(|(_, parts)| worth(parts))
        .map(|(label, mut parts)| {
            parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
            Strip { label: label.to_owned(), parts }
        })
        .collect()
}

fn frame(name: &str, summary: &Summary) -> Frame {
    let subtitle = format!("{}, {}", summary.format, Bytes(summary.bytes));
    let subtitle = match &summary.producer {
        Some(producer) => format!("{subtitle}, written by {producer}"),
        None => subtitle,
    };
    let made = format!("trtbench {}", env!("CARGO_PKG_VERSION"));
    let mut frame = Frame::around(&format!("Where the bytes of {name} are"), &subtitle, &[made]);
    if !summary.largest.is_empty() {
        frame.note("The lower bars are the largest tensors, with the operators that use them where a graph tells.");
    }
    frame
}
