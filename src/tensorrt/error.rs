//! What TensorRT refuses, in its own words and order, with what usually helps.

use super::journal;
use crate::cuda;
use std::fmt;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A library is not there, not known, or cannot be used here.
    #[error("{0}")]
    Unavailable(String),
    /// The parser does not take a model.
    #[error("{0}")]
    Parser(Refused),
    /// Another step failed.
    #[error("{0}")]
    Step(Said),
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// What is asked for does not fit the release, the model or the engine.
    #[error("{0}")]
    Misuse(String),
    /// The card's driver refused.
    #[error(transparent)]
    Card(#[from] cuda::Error),
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whose step it was, such as "the builder".
    pub step: &'static str,
    /// What the library said meanwhile, in its order; empty if it said nothing.
    pub words: Vec<String>,
}

/// A model that the parser does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub model: String,
    /// What the parser found, in its order.
    pub faults: Vec<Fault>,
    /// What it said besides; shown where it found nothing.
    pub words: Vec<String>,
}

/// One thing that the parser found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the parser's `ErrorCode`.
    pub code: i32,
    /// The parser's words.
    pub words: String,
    /// Index of the node in the graph; none where it is about the file.
    pub node: Option<u32>,
    /// The node's name; empty where it has none or the release does not tell.
    pub name: String,
    /// The node's operator; empty where the release does not tell.
    pub operator: String,
}

/// The parser's `ErrorCode`s, by number. Source: NvOnnxParser.h of 10.16 and 11.1; 8.x has those up to 8.
const CODES: [&str; 15] = [
    "no error",
    "internal error",
    "out of memory",
    "not an ONNX model that can be read",
    "invalid value",
    "invalid graph",
    "invalid node",
    "unsupported graph",
    "unsupported operator",
    "unsupported attribute",
    "unsupported input",
    "unsupported data type",
    "unsupported dynamic shape",
    "unsupported shape",
    "refit failed",
];

/// Words of the libraries that are worth a word of advice, in lower case.
const ADVICE: &[(&str, &str)] = &[
    (
        "has no runners",
        "this operator cannot run in this build of TensorRT: export the model without it \
         (non-maximum suppression is then done outside of the graph)",
    ),
    ("no optimization profile", "give every dynamic input a range of shapes"),
    (
        "serialization version",
        "the engine was built by another release: build it anew with this library",
    ),
    (
        "libnvinfer_builder_resource",
        "add the folder of TensorRT's libraries to LD_LIBRARY_PATH: this one is looked for by its name",
    ),
    ("version tag", "the engine was built by another release: build it anew with this library"),
    ("incompatible device", "the engine was built for another card: build it anew on this one"),
    ("different device", "the engine was built for another card: build it anew on this one"),
    ("magic tag", "the file is no engine, or is damaged: copy it again, or build it anew"),
    ("checksum", "the engine is damaged: copy it again, or build it anew"),
    (
        "deserialization failed",
        "copy the engine again, or build it anew on this card with this library",
    ),
];

const OUT_OF_MEMORY: &[&str] =
    &["out of memory", "outofmemory", "insufficient memory", "requested amount of gpu memory"];
const MEMORY_ADVICE: &str = "the card's memory does not suffice: use a smaller batch, model or \
                             workspace, or end the other processes on it";

impl Error {
    /// A step that failed, with what the library has said since.
    pub(super) fn said(step: &'static str, mark: journal::Mark) -> Self {
        Self::Step(Said { step, words: journal::since(mark) })
    }

    /// Whether a card's memory was full.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Card(error) => error.is_out_of_memory(),
            Self::Step(said) => said.is_out_of_memory(),
            Self::Parser(refused) => refused.faults.iter().any(|fault| fault.code == 2),
            Self::Unavailable(_) | Self::Cancelled | Self::Misuse(_) => false,
        }
    }
}

impl Said {
    fn is_out_of_memory(&self) -> bool {
        self.words.iter().any(|words| mentions(words, OUT_OF_MEMORY))
    }

    /// What usually helps.
    fn advice(&self) -> Option<&'static str> {
        if self.is_out_of_memory() {
            return Some(MEMORY_ADVICE);
        }
        let fits = |known: &str| self.words.iter().any(|words| mentions(words, &[known]));
        ADVICE.iter().find(|(known, _)| fits(known)).map(|(_, advice)| *advice)
    }
}

fn mentions(words: &str, known: &[&str]) -> bool {
    let words = words.to_lowercase();
    known.iter().any(|known| words.contains(known))
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.words.is_empty() {
            return write!(f, "{} failed and did not say why", self.step);
        }
        write!(f, "{}: {}", self.step, self.words.join("; "))?;
        self.advice().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the parser does not take {}: ", self.model)?;
        if self.faults.is_empty() {
            let said = self.words.join("; ");
            return f.write_str(if said.is_empty() { "it did not say why" } else { &said });
        }
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join("; "))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = self.node {
            write!(f, "node {node}")?;
            if !self.operator.is_empty() {
                write!(f, ", {}", self.operator)?;
            }
            if !self.name.is_empty() {
                write!(f, " {:?}", self.name)?;
            }
            f.write_str(": ")?;
        }
        let code = usize::try_from(self.code).ok().and_then(|code| CODES.get(code));
        write!(f, "{} ({}, code {})", self.words, code.unwrap_or(&"unknown"), self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> Error {
        let words = words.iter().map(|&words| words.to_owned()).collect();
        Error::Step(Said { step: "the builder", words })
    }

    #[test]
    fn a_failed_step_tells_the_library_s_words_in_order_and_what_helps() {
        let error = said(&["first", "node /nms has no runners"]);
        let text = error.to_string();
        assert!(text.starts_with("the builder: first; node /nms has no runners; "), "{text}");
        assert!(text.contains("export the model without it") && !error.is_out_of_memory());
        assert_eq!(said(&[]).to_string(), "the builder failed and did not say why");
        let full = said(&["Error Code 1: Cuda Runtime (out of memory)"]);
        assert!(full.is_out_of_memory() && full.to_string().contains("smaller batch"), "{full}");
    }

    #[test]
    fn a_refused_model_tells_node_operator_and_code() {
        let fault = Fault {
            code: 8,
            words: "no importer".into(),
            node: Some(3),
            name: "/head/nms".into(),
            operator: "NonZero".into(),
        };
        let about_file = Fault { node: None, code: 99, ..fault.clone() };
        let refused = |faults| Refused { model: "m.onnx".into(), faults, words: vec!["x".into()] };
        assert_eq!(
            Error::Parser(refused(vec![fault, about_file])).to_string(),
            "the parser does not take m.onnx: node 3, NonZero \"/head/nms\": no importer (unsupported \
             operator, code 8); no importer (unknown, code 99)"
        );
        assert_eq!(refused(vec![]).to_string(), "the parser does not take m.onnx: x");
    }
}
