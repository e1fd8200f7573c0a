//! Models parsed and engines built: what is asked for, and whether a release can do it. The calls
//! are in `sys.rs`.

mod sys;

pub(super) use sys::c_string;
pub use sys::{Builder, Network};

use super::{Abi, Calibrate, Element, Error, Listen, Release};
use crate::unit::Bytes;

/// What decides the types within a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Typing {
    /// The builder, as far as its flags allow. 11 has none: there it is the graph.
    Flags,
    /// The graph ("strongly typed"); not in 8.x.
    Graph,
}

/// A network's input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub element: Element,
    /// Lengths, outermost first; -1 is one that is left open.
    pub dims: Vec<i64>,
}

/// Shapes that an engine takes at one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRange {
    /// Name in the graph.
    pub name: String,
    /// Smallest lengths, outermost first.
    pub min: Vec<i64>,
    /// Lengths that it is to be best at.
    pub opt: Vec<i64>,
    /// Largest lengths.
    pub max: Vec<i64>,
}

/// What engine is to be built.
pub struct BuildRequest<'a> {
    /// Shapes of the dynamic inputs; may be empty where there is none.
    pub profile: Vec<InputRange>,
    /// Whether half precision may be used: 8.x and 10 with [`Typing::Flags`].
    pub fp16: bool,
    /// Whether 8 bit integers may be used, as `fp16`: where the graph is not quantised it takes a
    /// calibrator.
    pub int8: bool,
    /// Whether 32 bit floats may be computed in TF32 on cards that have it.
    pub tf32: bool,
    /// Most memory that a layer may use besides; `None`: all of the card's.
    pub workspace: Option<Bytes>,
    /// How hard the builder tries, from 0 to 5; `None`: its own choice. Since 8.6.
    pub optimization_level: Option<u8>,
    /// Timings of an earlier build by the same release on the same card; others are left out.
    pub timing_cache: Option<&'a [u8]>,
    /// Feeds a calibration for `int8`.
    pub calibrator: Option<&'a mut dyn Calibrate>,
    /// Is told of progress, and ends the build by [`std::ops::ControlFlow::Break`]. 8.x tells none
    /// and cannot be stopped.
    pub progress: &'a mut Listen<'a>,
}

/// A built engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The serialised engine.
    pub engine: Vec<u8>,
    /// Timings for a later build; empty where the release keeps none.
    pub timing_cache: Vec<u8>,
}

/// How far a build is. Phases lie within each other, and several may go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The library's name for the phase.
    pub phase: &'a str,
    /// Steps of it that are done; 0 when it begins.
    pub step: u32,
    /// Steps that it has.
    pub steps: u32,
}

/// Bits of `BuilderFlag`. Source: NvInfer.h of 8.5.3, 8.6.1, 10.0.1, 10.16 and 11.1.
struct Flags {
    /// `kFP16` and `kINT8`; 11 has none.
    reduced: Option<(u32, u32)>,
    /// `kTF32`, set unless it is cleared.
    tf32: u32,
}

impl Flags {
    fn of(abi: Abi) -> Self {
        match abi {
            Abi::Eight => Self { reduced: Some((0, 1)), tf32: 7 },
            Abi::Ten => Self { reduced: Some((0, 1)), tf32: 6 },
            Abi::Eleven => Self { reduced: None, tf32: 6 },
        }
    }

    /// The builder's own flags with those of a request.
    fn with(&self, own: u32, request: &BuildRequest<'_>) -> u32 {
        let bit = |on: bool, bit: u32| u32::from(on) << bit;
        let (fp16, int8) = self.reduced.unwrap_or_default();
        let wanted = bit(request.fp16, fp16) | bit(request.int8, int8);
        (own & !bit(true, self.tf32)) | wanted | bit(request.tf32, self.tf32)
    }
}

/// Bits of `NetworkDefinitionCreationFlag`: in 8.x the batch must be said to be a dimension; 10 must be
/// told that the graph decides; 11 knows nothing else.
fn network_flags(release: Release, abi: Abi, typing: Typing) -> Result<u32, Error> {
    match (abi, typing) {
        (Abi::Eight, Typing::Graph) => Err(Error::Misuse(format!(
            "TensorRT {release} cannot take the types from the graph: use its flags, or 10 or newer"
        ))),
        (Abi::Eight, Typing::Flags) => Ok(1),
        (Abi::Ten, Typing::Graph) => Ok(1 << 1),
        (Abi::Ten, Typing::Flags) | (Abi::Eleven, _) => Ok(0),
    }
}

/// Refuses what a release or network cannot do: the library would ignore some of it without a word.
fn check(
    request: &BuildRequest<'_>,
    release: Release,
    abi: Abi,
    typing: Typing,
) -> Result<(), Error> {
    let by_graph = typing == Typing::Graph || abi == Abi::Eleven;
    let wanted = [
        (request.fp16, "half precision"),
        (request.int8, "8 bit integers"),
        (request.calibrator.is_some(), "a calibration"),
    ];
    let refused = wanted.iter().find(|(wanted, _)| by_graph && *wanted);
    if let Some((_, what)) = refused {
        return Err(Error::Misuse(format!(
            "{what} cannot be had by a flag, as the graph decides on the types (always in TensorRT 11; \
             this is {release}): convert the model instead"
        )));
    }
    let level = request.optimization_level;
    if level.is_some_and(|level| level > 5) {
        return Err(Error::Misuse("the optimization level is from 0 to 5".to_owned()));
    }
    if level.is_some() && abi == Abi::Eight && release.minor < 6 {
        return Err(Error::Misuse(format!(
            "TensorRT {release} has no optimization level: 8.6 has"
        )));
    }
    request.profile.iter().try_for_each(check_range)
}

fn check_range(range: &InputRange) -> Result<(), Error> {
    let InputRange { name, min, opt, max } = range;
    let ordered = |small: &[i64], large: &[i64]| {
        small.len() == large.len() && small.iter().zip(large).all(|(small, large)| small <= large)
    };
    if ordered(min, opt) && ordered(opt, max) && min.iter().all(|&length| length >= 0) {
        return Ok(());
    }
    Err(Error::Misuse(format!(
        "the range of the input {name:?} makes no sense: {min:?} at least, {opt:?} best, {max:?} at most"
    )))
}
