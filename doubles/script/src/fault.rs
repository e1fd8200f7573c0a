//! What goes wrong, and when: counts calls and says which of them fail. The libraries ask before
//! each call; what failing means is theirs.

use crate::ledger::{Entry, Writer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which library a fault is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Library {
    /// `libcuda.so.1`.
    Cuda,
    /// `libnvidia-ml.so.1`.
    Nvml,
    /// `libnvinfer.so.*` and what comes with it.
    Nvinfer,
}

/// A fault of one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where the call is.
    pub library: Library,
    /// The call's full name, such as `cuMemAlloc_v2` or `IBuilder::buildSerializedNetwork`.
    pub call: String,
    /// How many such calls of a process go well first.
    #[serde(default)]
    pub from: u64,
    /// How many fail then; for ever where none.
    #[serde(default)]
    pub times: Option<u64>,
    /// UUID of the card that the call must be on; any where none.
    #[serde(default)]
    pub card: Option<String>,
    /// What the call returns, as a number of the library's.
    #[serde(default)]
    pub result: i32,
    /// The call never returns.
    #[serde(default)]
    pub hang: bool,
    /// After it every later call of this process on that card fails alike, as after the loss of a
    /// context.
    #[serde(default)]
    pub sticky: bool,
}

impl Fault {
    /// Every such call of `libcuda.so.1` returns this.
    pub fn cuda(call: &str, result: i32) -> Self {
        Self::new(Library::Cuda, call, result)
    }

    /// Every such call of `libnvidia-ml.so.1` returns this.
    pub fn nvml(call: &str, result: i32) -> Self {
        Self::new(Library::Nvml, call, result)
    }

    /// Every such call of TensorRT, named like `IBuilder::buildSerializedNetwork`, fails: for want
    /// of memory where the result is 2, as an internal error otherwise.
    pub fn tensorrt(call: &str, result: i32) -> Self {
        Self::new(Library::Nvinfer, call, result)
    }

    /// Such a call of TensorRT never returns.
    pub fn tensorrt_hang(call: &str) -> Self {
        Self { hang: true, ..Self::tensorrt(call, 0) }
    }

    /// Such a call of `libcuda.so.1` never returns.
    pub fn cuda_hang(call: &str) -> Self {
        Self { hang: true, ..Self::cuda(call, 0) }
    }

    /// Such a call of `libnvidia-ml.so.1` never returns.
    pub fn nvml_hang(call: &str) -> Self {
        Self { hang: true, ..Self::nvml(call, 0) }
    }

    /// After so many calls that go well.
    #[must_use]
    pub fn from(self, from: u64) -> Self {
        Self { from, ..self }
    }

    /// So often, then no more.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Only on the card with this UUID.
    #[must_use]
    pub fn on(self, uuid: &str) -> Self {
        Self { card: Some(uuid.to_owned()), ..self }
    }

    /// For every later call on that card too.
    #[must_use]
    pub fn sticky(self) -> Self {
        Self { sticky: true, ..self }
    }

    fn new(library: Library, call: &str, result: i32) -> Self {
        let call = call.to_owned();
        Self { library, call, from: 0, times: None, card: None, result, hang: false, sticky: false }
    }

    fn fits(&self, call: &str, card: Option<&str>) -> bool {
        self.call == call && self.card.as_deref().is_none_or(|uuid| card == Some(uuid))
    }

    /// Whether the call with this number is one that fails.
    fn strikes(&self, number: u64) -> bool {
        number >= self.from && self.times.is_none_or(|times| number - self.from < times)
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// It is made.
    Proceed,
    /// It returns this because the card was lost before.
    Lost(i32),
    /// It returns this.
    Fail(i32),
    /// It never returns.
    Hang,
}

/// One library's faults in one process, and how far they have got.
#[derive(Debug)]
pub struct Faults {
    library: Library,
    /// With the number of fitting calls so far.
    faults: Vec<(Fault, u64)>,
    /// UUIDs of lost cards, and what calls on them return.
    lost: BTreeMap<String, i32>,
}

impl Faults {
    /// Those of `faults` that are in `library`.
    pub fn new(library: Library, faults: &[Fault]) -> Self {
        let own = faults.iter().filter(|fault| fault.library == library);
        let faults = own.map(|fault| (fault.clone(), 0)).collect();
        Self { library, faults, lost: BTreeMap::new() }
    }

    /// Counts a call, on the card with this UUID, and says what becomes of it; a fault is written
    /// to the ledger.
    pub fn play(&mut self, call: &str, card: Option<&str>, ledger: &Writer) -> Play {
        let play = self.next(call, card);
        let result = match play {
            Play::Proceed | Play::Lost(_) => return play,
            Play::Fail(result) => Some(result),
            Play::Hang => None,
        };
        ledger.write(Entry::Fault { library: self.library, call: call.to_owned(), result });
        play
    }

    fn next(&mut self, call: &str, card: Option<&str>) -> Play {
        if let Some(&result) = card.and_then(|uuid| self.lost.get(uuid)) {
            return Play::Lost(result);
        }
        let mut struck: Option<&Fault> = None;
        for (fault, seen) in self.faults.iter_mut().filter(|(fault, _)| fault.fits(call, card)) {
            if fault.strikes(*seen) && struck.is_none() {
                struck = Some(fault);
            }
            *seen += 1;
        }
        let Some(fault) = struck else { return Play::Proceed };
        let (hang, sticky, result) = (fault.hang, fault.sticky, fault.result);
        if let (true, Some(uuid)) = (sticky, card) {
            self.lose(uuid, result);
        }
        if hang { Play::Hang } else { Play::Fail(result) }
    }

    /// Makes every later call on a card return this.
    pub fn lose(&mut self, uuid: &str, result: i32) {
        self.lost.entry(uuid.to_owned()).or_insert(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(faults: &mut Faults, card: Option<&str>) -> Vec<Play> {
        (0..5).map(|_| faults.next("cuMemAlloc_v2", card)).collect()
    }

    #[test]
    fn a_fault_strikes_from_its_call_on_and_so_often() {
        let fault = Fault::cuda("cuMemAlloc_v2", 2).from(1).times(2);
        let mut faults = Faults::new(Library::Cuda, &[fault]);
        assert_eq!(faults.next("cuInit", None), Play::Proceed);
        let (good, bad) = (Play::Proceed, Play::Fail(2));
        assert_eq!(play(&mut faults, None), [good, bad, bad, good, good]);
    }

    #[test]
    fn a_fault_without_times_strikes_for_ever() {
        let mut faults = Faults::new(Library::Cuda, &[Fault::cuda_hang("cuMemAlloc_v2").from(4)]);
        assert_eq!(play(&mut faults, None)[3..], [Play::Proceed, Play::Hang]);
        assert_eq!(play(&mut faults, None), [Play::Hang; 5]);
    }

    #[test]
    fn other_cards_and_libraries_are_spared() {
        let faults = [Fault::cuda("cuMemAlloc_v2", 2).on("a"), Fault::nvml("nvmlInit_v2", 9)];
        let mut faults = Faults::new(Library::Cuda, &faults);
        assert_eq!(play(&mut faults, Some("b")), [Play::Proceed; 5]);
        assert_eq!(play(&mut faults, Some("a")), [Play::Fail(2); 5]);
        assert_eq!(faults.next("nvmlInit_v2", None), Play::Proceed);
    }

    #[test]
    fn a_lost_card_stays_lost() {
        let fault = Fault::cuda("cuMemAlloc_v2", 719).times(1).sticky();
        let mut faults = Faults::new(Library::Cuda, &[fault]);
        assert_eq!(faults.next("cuMemAlloc_v2", Some("a")), Play::Fail(719));
        assert_eq!(faults.next("cuCtxSynchronize", Some("a")), Play::Lost(719));
        assert_eq!(faults.next("cuCtxSynchronize", Some("b")), Play::Proceed);
        assert_eq!(faults.next("cuCtxSynchronize", None), Play::Proceed);
    }
}
