//! What the libraries refuse, in words, with what usually helps.

/// Why something on a card was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A library is not there, or lacks a symbol.
    #[error("{0}")]
    Unavailable(String),
    /// A call failed.
    #[error("{0}")]
    Call(Call),
    /// A call of ours does not fit the memory it is about.
    #[error("{0}")]
    Misuse(String),
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Function.
    pub function: &'static str,
    /// Code that it returned; see `CUresult` in NVIDIA's cuda.h.
    pub code: u32,
    /// The code's name, such as `CUDA_ERROR_OUT_OF_MEMORY`; empty if the library knows none.
    pub name: String,
    /// The library's own words for it.
    pub words: String,
}

/// Codes of `CUresult` that are worth a word of advice.
const ADVICE: &[(u32, &str)] = &[
    (
        2,
        "the card's memory is full: use a smaller batch or model, or end the other processes on \
         it (`trtbench devices` lists them)",
    ),
    (
        34,
        "that is the stub to link programs with, not the driver's own library: take the folder \
         `stubs` of the CUDA toolkit out of LD_LIBRARY_PATH",
    ),
    (
        46,
        "another process has the card for itself (compute mode EXCLUSIVE_PROCESS): end it, or set \
         the mode with nvidia-smi -c DEFAULT",
    ),
    (
        100,
        "the driver shows no card: look at CUDA_VISIBLE_DEVICES, and whether nvidia-smi lists one",
    ),
    (
        214,
        "the card's memory has an uncorrectable error: its results cannot be trusted; look at \
         nvidia-smi -q -d ECC and reset or replace the card",
    ),
    (700, "a kernel used memory that is not its own; the context is lost"),
    (702, "a kernel ran too long on a card with a display"),
    (719, "a kernel crashed; the context is lost"),
    (802, "the system's fabric is not ready: is the fabric manager running?"),
    (
        803,
        "the kernel's module and the driver's library have different versions: restart the \
         machine after an update of the driver",
    ),
    (804, "the driver is too old for this CUDA, and the card has no forward compatibility"),
    (712, "these pages are locked already; what helps: transfers = \"pageable\""),
    (801, "this system cannot lock pages for the card; what helps: transfers = \"pageable\""),
    (999, "often cured by reloading the module nvidia_uvm, or by a restart"),
];

/// Functions that run out of another memory than the card's, and what helps there.
const LOCKING: [&str; 2] = ["cuMemHostAlloc", "cuMemHostRegister_v2"];
const NOT_LOCKED: &str = "the host has no more memory that can be locked for the card: use a smaller \
                          batch, raise the limit (ulimit -l), or let transfers = \"pageable\" do \
                          without";

/// Codes after which nothing more can be done on the card in this process.
const LOST: &[u32] = &[214, 220, 221, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999];

impl Error {
    /// Whether the card's context is lost, so that even freeing fails.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Call(call) if LOST.contains(&call.code))
    }

    /// Whether the card's memory is full.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Call(call) if call.code == 2 && !LOCKING.contains(&call.function))
    }
}

impl Call {
    /// What usually helps.
    fn advice(&self) -> Option<&'static str> {
        if self.code == 2 && LOCKING.contains(&self.function) {
            return Some(NOT_LOCKED);
        }
        ADVICE.iter().find(|(known, _)| *known == self.code).map(|(_, advice)| *advice)
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { function, code, name, words } = self;
        let name = if name.is_empty() { "unknown to the driver" } else { name };
        write!(f, "{function} failed with {code} ({name}")?;
        if !words.is_empty() {
            write!(f, ": {words}")?;
        }
        f.write_str(")")?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_names_function_code_and_cure() {
        let call = Call {
            function: "cuMemAlloc_v2",
            code: 2,
            name: "CUDA_ERROR_OUT_OF_MEMORY".into(),
            words: "out of memory".into(),
        };
        let error = Error::Call(call.clone());
        let text = error.to_string();
        assert!(text.starts_with("cuMemAlloc_v2 failed with 2 (CUDA_ERROR_OUT_OF_MEMORY: out of"));
        assert!(text.contains("smaller batch"), "{text}");
        assert!(error.is_out_of_memory() && !error.is_lost());
        let host = Error::Call(Call { function: "cuMemHostAlloc", ..call.clone() });
        assert!(host.to_string().contains("the host has no more") && !host.is_out_of_memory());
        let unknown = Call { code: 4711, name: String::new(), words: String::new(), ..call };
        assert_eq!(unknown.to_string(), "cuMemAlloc_v2 failed with 4711 (unknown to the driver)");
        assert!(Error::Call(Call { code: 719, ..unknown }).is_lost());
    }
}
