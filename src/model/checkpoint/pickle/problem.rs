//! Why bytes are no usable pickle.

/// Why bytes are no usable pickle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its pickle is damaged at byte {at}: {what}")]
pub struct Problem {
    /// Where in the pickle the opcode is.
    pub at: usize,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with an opcode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The bytes end before it does.
    #[error("the file ends inside it: it is truncated")]
    Truncated,
    /// Not one of the opcodes.
    #[error("there is no opcode {0:#04x}")]
    Opcode(u8),
    /// It takes more values than there are.
    #[error("it takes a value where there is none")]
    Empty,
    /// It closes what nothing has opened.
    #[error("it closes a list that nothing opens")]
    Mark,
    /// It recalls what nothing has noted.
    #[error("it recalls value {0}, which nothing has noted")]
    Memo(u64),
    /// It needs another kind of value.
    #[error("it needs {0} and finds another value")]
    Kind(&'static str),
    /// Not a number.
    #[error("its number cannot be read")]
    Number,
    /// What only programs that agree on more than a file can use.
    #[error("it refers to what the file does not hold ({0}); no checkpoint does that")]
    Outside(&'static str),
    /// More than any checkpoint has.
    #[error("it has more than {0} {1}; no checkpoint does")]
    Limit(usize, &'static str),
}
