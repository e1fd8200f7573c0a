//! The demo model really detects: AP50 over the held-out set, through the whole pipeline, and
//! clearly less with red and blue swapped.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and print")]
#![cfg(feature = "rten")]

mod common;
use common::root;
use serde::Deserialize;
use std::{fs, sync::atomic::AtomicU8};
use trtbench::{
    cpu::{Cpu, Instructions},
    engine::{self, LoadSpec, Place},
    family::{self, Detection},
    image::{Decoder, Image},
    os::MonotonicClock,
    pipeline::Pipeline,
    scenario::{EngineOptions, FamilyOptions, Precision},
    timing::Marks,
};

const BATCH: usize = 4;

#[derive(Deserialize)]
struct Annotations {
    classes: Vec<String>,
    images: Vec<AnnotatedImage>,
}

#[derive(Deserialize)]
struct AnnotatedImage {
    file: String,
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    class: u32,
    #[serde(rename = "box")]
    bounds: [f32; 4],
}

#[test]
fn the_demo_model_finds_the_shapes_and_tells_them_apart_by_colour() {
    let folder = root().join("scenarios/images/shapes");
    let text = fs::read_to_string(folder.join("annotations.json")).unwrap();
    let truth: Annotations = serde_json::from_str(&text).unwrap();
    let objects: usize = truth.images.iter().map(|image| image.objects.len()).sum();
    assert!(truth.images.len() >= 64 && objects >= 300, "{} {objects}", truth.images.len());
    let size = fs::metadata(model()).unwrap().len();
    assert!(size <= 300_000, "{size} bytes");

    let files: Vec<Vec<u8>> =
        truth.images.iter().map(|image| fs::read(folder.join(&image.file)).unwrap()).collect();
    let as_is = ap50(&truth, &detect(&files));
    let swapped: Vec<Vec<u8>> = files.iter().map(|bytes| swap_red_and_blue(bytes)).collect();
    let swapped = ap50(&truth, &detect(&swapped));
    println!("AP50 {as_is:.4}, with red and blue swapped {swapped:.4}");
    assert!(as_is >= 0.95, "AP50 {as_is}");
    assert!(swapped <= as_is - 0.3, "AP50 {as_is}, swapped {swapped}");
}

fn model() -> std::path::PathBuf {
    root().join("scenarios/models/shapes.onnx")
}

/// Detections per image, through decoder, family and engine.
fn detect(files: &[Vec<u8>]) -> Vec<Vec<Detection>> {
    let place = Place::cpu(EngineOptions::default());
    let spec = LoadSpec {
        model: &model(),
        threads: 1,
        batch: BATCH,
        precision: Precision::Fp32,
        launch: 0,
        place: &place,
    };
    let session = engine::named("rten").unwrap().load(&spec).unwrap();
    let family = family::named("yolov8").unwrap();
    let adapter = family.adapt(session.io(), BATCH, &FamilyOptions::default()).unwrap();
    let cpu = Cpu::single(Instructions::best());
    let mut pipeline = Pipeline::new(session, adapter, BATCH, cpu, Decoder::new());
    let (clock, beacon) = (MonotonicClock::new(), AtomicU8::new(0));
    let mut marks = Marks::new(&clock, &beacon);
    let mut found = Vec::new();
    for batch in files.chunks(BATCH) {
        let mut batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        let real = batch.len();
        batch.resize(BATCH, batch[0]);
        pipeline.iterate(&batch, &mut marks).unwrap();
        found.extend_from_slice(&pipeline.detections()[..real]);
    }
    found
}

/// The same picture without loss, red and blue exchanged.
fn swap_red_and_blue(bytes: &[u8]) -> Vec<u8> {
    let mut image = Image::default();
    Decoder::default().decode(bytes, &mut image).unwrap();
    for pixel in image.pixels.chunks_exact_mut(3) {
        pixel.swap(0, 2);
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, image.width as u32, image.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&image.pixels).unwrap();
    file
}

/// Mean over the classes of the area under the interpolated precision-recall curve at an
/// intersection over union of 0.5 (Everingham et al. 2010, all points).
fn ap50(truth: &Annotations, found: &[Vec<Detection>]) -> f64 {
    let classes = truth.classes.len() as u32;
    (0..classes).map(|class| average_precision(truth, found, class)).sum::<f64>()
        / f64::from(classes)
}

fn average_precision(truth: &Annotations, found: &[Vec<Detection>], class: u32) -> f64 {
    let mut ranked: Vec<(usize, &Detection)> = found
        .iter()
        .enumerate()
        .flat_map(|(image, all)| all.iter().map(move |detection| (image, detection)))
        .filter(|(_, detection)| detection.class == class)
        .collect();
    ranked.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
    let total: usize =
        truth.images.iter().flat_map(|image| &image.objects).filter(|o| o.class == class).count();
    let mut taken = std::collections::HashSet::new();
    let (mut hits, mut curve) = (0.0, Vec::new());
    for (rank, (image, detection)) in ranked.iter().enumerate() {
        let objects = truth.images[*image].objects.iter().enumerate();
        let best = objects
            .filter(|(index, o)| o.class == class && !taken.contains(&(*image, *index)))
            .map(|(index, o)| (index, iou(o.bounds, detection.bounds)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .filter(|(_, overlap)| *overlap >= 0.5);
        if let Some((index, _)) = best {
            taken.insert((*image, index));
            hits += 1.0;
        }
        curve.push((hits / total as f64, hits / (rank + 1) as f64));
    }
    let (mut area, mut recall, mut best) = (0.0, curve.last().map_or(0.0, |c| c.0), 0.0_f64);
    for &(r, p) in curve.iter().rev() {
        area += (recall - r) * best;
        best = best.max(p);
        recall = r;
    }
    area + recall * best
}

fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let overlap = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    let area = |c: [f32; 4]| (c[2] - c[0]) * (c[3] - c[1]);
    let both = overlap(0) * overlap(1);
    both / (area(a) + area(b) - both)
}
