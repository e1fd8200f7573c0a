//! `ITimingCache`: names of what was built, so that a client can tell whether its cache grows. Of
//! real caches it has only that they are for one release and one kind of card.

use crate::{class, driver, memory::HostMemory, object::Ref, player};
use std::collections::BTreeSet;

/// A cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimingCache {
    /// Release and compute capability for which it is.
    header: String,
    layers: BTreeSet<String>,
}

impl TimingCache {
    /// An empty one, or what the bytes hold; none where they are no cache.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self { header: header(), layers: BTreeSet::new() });
        }
        let mut lines = str::from_utf8(bytes).ok()?.lines().map(str::to_owned);
        let header = lines.next().filter(|line| line.starts_with(MARK))?;
        Some(Self { header, layers: lines.collect() })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.header);
        self.layers.iter().for_each(|layer| text.extend([layer.as_str(), "\n"]));
        text.into_bytes()
    }

    /// Whether it was made by this release on such a card.
    pub fn fits(&self) -> bool {
        self.header == header()
    }

    /// Adds what was built.
    pub fn add(&mut self, layer: &str) {
        self.layers.insert(layer.to_owned());
    }
}

const MARK: &str = "timing cache ";

fn header() -> String {
    let (major, minor) = driver::compute_capability().unwrap_or_default();
    format!("{MARK}{} {major}.{minor}", player::release())
}

class! {
    TimingCache as "VTimingCache";
    fn serialize(this) -> Ref<HostMemory> => {
        let bytes = this.state().bytes();
        HostMemory::give(this.logger, bytes)
    };
    fn combine(this, other: Ref<TimingCache>, ignore_mismatch: bool) -> bool => {
        let Some(other) = other.object().map(|other| other.state().clone()) else { return false };
        if other.header != this.state().header && !ignore_mismatch {
            this.logger.error("ITimingCache::combine: Error Code 3: API Usage Error (the caches are for different devices or versions)");
            return false;
        }
        this.state().layers.extend(other.layers);
        true
    };
    fn reset(this) -> bool => {
        this.state().layers.clear();
        true
    };
}
