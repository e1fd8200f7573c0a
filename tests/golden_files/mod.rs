//! What the golden scripts wrote, and the images that they and the tests draw alike.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{fs, path::PathBuf};
use trtbench::image::{Image, Size};

/// The generator that the golden scripts draw images from.
pub struct Noise(pub u32);

impl Noise {
    pub fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }

    pub fn image(&mut self, width: usize, height: usize) -> Image {
        let pixels = (0..3 * width * height).map(|_| (self.draw() >> 24) as u8).collect();
        Image { width, height, pixels }
    }

    pub fn units(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| (self.draw() >> 8) as f32 / (1 << 24) as f32).collect()
    }
}

pub fn golden(name: &str) -> PathBuf {
    // The crate's root, wherever this file is built from.
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)
}

pub fn read<T: serde::de::DeserializeOwned>(name: &str) -> Vec<T> {
    serde_json::from_slice(&fs::read(golden(name)).unwrap()).unwrap()
}

pub fn size([width, height]: [usize; 2]) -> Size {
    Size { width, height }
}
