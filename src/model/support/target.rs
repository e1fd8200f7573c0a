//! What a model is to run on, as the command line has it: `tensorrt:8.6,sm61`. Judges nothing.

use crate::device::compatibility::{ComputeCapability, Version};
use std::{fmt, str::FromStr};

/// What runs models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// ONNX Runtime, with its own CPU provider.
    OnnxRuntime,
    /// TensorRT.
    TensorRt,
    /// Paddle Inference.
    Paddle,
}

/// A release of a runtime, and for TensorRT a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The runtime.
    pub runtime: Runtime,
    /// Its release: two numbers at least.
    pub version: Version,
    /// The card; where there is none the reader of model files alone is judged.
    pub card: Option<ComputeCapability>,
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not `RUNTIME:VERSION`.
    #[error(
        "`{0}` is no target; write RUNTIME:VERSION, such as onnxruntime:1.17, tensorrt:8.6,sm61 \
             or paddle:2.3.2"
    )]
    Form(String),
    /// No such runtime.
    #[error("there is no runtime `{0}`; there are {names}", names = Runtime::names())]
    Runtime(String),
    /// No such version.
    #[error("`{text}` is no release of {runtime}; write two numbers at least, such as {example}",
            example = runtime.example())]
    Version {
        /// The runtime.
        runtime: Runtime,
        /// What was given.
        text: String,
    },
    /// No such card.
    #[error("`{0}` is no compute capability; write it as sm61 or 6.1")]
    Card(String),
    /// A card for something that is judged without.
    #[error("{runtime} is judged without a card; leave `{text}` out")]
    Superfluous {
        /// The runtime.
        runtime: Runtime,
        /// What was given.
        text: String,
    },
}

const RUNTIMES: [(&str, Runtime); 3] = [
    ("onnxruntime", Runtime::OnnxRuntime),
    ("tensorrt", Runtime::TensorRt),
    ("paddle", Runtime::Paddle),
];

impl Runtime {
    fn names() -> String {
        RUNTIMES.map(|(name, _)| name).join(", ")
    }

    fn example(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "onnxruntime:1.17",
            Self::TensorRt => "tensorrt:8.6",
            Self::Paddle => "paddle:2.3.2",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OnnxRuntime => "ONNX Runtime",
            Self::TensorRt => "TensorRT",
            Self::Paddle => "Paddle",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.runtime, self.version)?;
        match self.card {
            Some(card) => write!(f, " on compute capability {card}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Target {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let form = || Malformed::Form(text.to_owned());
        let (name, rest) = text.trim().split_once(':').ok_or_else(form)?;
        let named = RUNTIMES.iter().find(|(known, _)| *known == name.to_ascii_lowercase());
        let runtime = named.map(|&(_, runtime)| runtime);
        let runtime = runtime.ok_or_else(|| Malformed::Runtime(name.to_owned()))?;
        let (version, card) = match rest.split_once(',') {
            Some((version, card)) => (version.trim(), Some(card.trim())),
            None => (rest.trim(), None),
        };
        let parsed = version.parse().ok().filter(|_| version.contains('.'));
        let refuse = || Malformed::Version { runtime, text: version.to_owned() };
        let version: Version = parsed.ok_or_else(refuse)?;
        let card = card.map(|text| card_of(runtime, text)).transpose()?;
        Ok(Self { runtime, version, card })
    }
}

fn card_of(runtime: Runtime, text: &str) -> Result<ComputeCapability, Malformed> {
    if runtime != Runtime::TensorRt {
        return Err(Malformed::Superfluous { runtime, text: text.to_owned() });
    }
    let refuse = || Malformed::Card(text.to_owned());
    let digits = text.trim_start_matches("sm").trim_start_matches('_');
    // sm61 is 6.1, sm120 is 12.0: the last digit is the minor number.
    let dotted = match digits.char_indices().next_back() {
        Some((last, _)) if !digits.contains('.') && last > 0 => {
            format!("{}.{}", &digits[..last], &digits[last..])
        }
        _ => digits.to_owned(),
    };
    dotted.parse().map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_runtime_a_release_and_perhaps_a_card() {
        let shown = |text: &str| text.parse::<Target>().map(|target| target.to_string());
        assert_eq!(shown("onnxruntime:1.17").as_deref(), Ok("ONNX Runtime 1.17"));
        assert_eq!(shown("paddle:2.3.2").as_deref(), Ok("Paddle 2.3.2"));
        for card in ["sm61", "6.1", "sm_61"] {
            let text = format!("tensorrt:8.6,{card}");
            assert_eq!(shown(&text).as_deref(), Ok("TensorRT 8.6 on compute capability 6.1"));
        }
        let blackwell: Target = "TensorRT:10.16, sm120".parse().unwrap();
        assert_eq!(blackwell.card, "12.0".parse().ok());
    }

    #[test]
    fn what_is_no_target_is_answered_with_what_would_be_one() {
        let error = |text: &str| text.parse::<Target>().unwrap_err().to_string();
        assert!(error("onnxruntime").contains("RUNTIME:VERSION"));
        assert!(error("openvino:2024.1").contains("there are onnxruntime, tensorrt, paddle"));
        assert!(error("tensorrt:8").contains("such as tensorrt:8.6"));
        assert!(error("tensorrt:v8.6").contains("two numbers"));
        assert!(error("tensorrt:8.6,gtx1050").contains("sm61 or 6.1"));
        assert!(error("tensorrt:8.6,é").contains("sm61 or 6.1"));
        assert!(error("paddle:2.3.2,sm61").contains("without a card"));
    }
}
