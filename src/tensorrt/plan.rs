//! The first bytes of a serialised engine. The layout is not documented; NVIDIA's trtexec reads the
//! release from it (`--getPlanVersionOnly`).

use super::{Product, Release};

/// What the first bytes of a serialised engine tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanHeader {
    /// The release that wrote it.
    pub release: Release,
}

/// First bytes, by product. TensorRT for RTX 1.7.1 was seen to write the second.
const TAGS: [(&[u8], Product); 2] = [(b"ftrt", Product::TensorRt), (b"vtrt", Product::Rtx)];
/// Where the major, minor and patch are; the build follows.
const RELEASE: std::ops::Range<usize> = 24..27;

/// What the first bytes of a serialised engine tell; none where they are not those of one.
pub fn plan_header(bytes: &[u8]) -> Option<PlanHeader> {
    let (_, product) = TAGS.into_iter().find(|(tag, _)| bytes.starts_with(tag))?;
    let [major, minor, patch] = bytes.get(RELEASE)?.first_chunk()?.map(u32::from);
    Some(PlanHeader { release: Release { product, major, minor, patch } })
}

/// Why an engine of release `built` does not run in release `here`, if it does not: only the release that has
/// built an engine runs it.
pub fn other_release(built: Release, here: &str) -> Option<String> {
    (built.to_string() != here).then(|| {
        format!(
            "the engine was built by TensorRT {built}, here is TensorRT {here}: an engine runs in the \
             release that has built it alone; build it anew, or name that release's library as \
             tensorrt_library"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_of_an_engine_name_product_and_release() {
        let mut bytes = b"ftrt".to_vec();
        bytes.resize(24, 0);
        bytes.extend([8, 6, 1, 6]);
        let shown = |bytes: &[u8]| plan_header(bytes).map(|header| header.release.to_string());
        assert_eq!(shown(&bytes).as_deref(), Some("8.6.1"));
        bytes[0] = b'v';
        assert_eq!(shown(&bytes).as_deref(), Some("RTX 8.6.1"));
        assert_eq!(shown(&bytes[..26]), None);
        bytes[0] = b'x';
        assert_eq!(shown(&bytes), None);
    }
}
