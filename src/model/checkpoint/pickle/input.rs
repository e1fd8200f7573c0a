//! The operands of opcodes: bytes, numbers, lines. Knows no opcode.

use super::problem::What;
use std::borrow::Cow;

/// What is left of a pickle.
pub struct Input<'a> {
    bytes: &'a [u8],
    /// How far it was read.
    pub at: usize,
}

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// That many bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], What> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(What::Truncated)?;
        self.at += length;
        Ok(taken)
    }

    /// An array of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], What> {
        self.take(N)?.try_into().map_err(|_| What::Truncated)
    }

    /// A length of that many bytes, little-endian.
    pub fn length(&mut self, width: usize) -> Result<usize, What> {
        let word = self.take(width)?.iter().rev().fold(0, |word, &b| word << 8 | u64::from(b));
        usize::try_from(word).map_err(|_| What::Truncated)
    }

    /// The rest of the line, without its end.
    pub fn line(&mut self) -> Result<&'a [u8], What> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(What::Truncated)?;
        self.at += length + 1;
        let line = &rest[..length];
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// The text, with what is no UTF-8 replaced.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The number that the digits are.
pub fn parse<T: std::str::FromStr>(digits: &[u8]) -> Result<T, What> {
    let text = std::str::from_utf8(digits).map_err(|_| What::Number)?;
    text.trim().parse().map_err(|_| What::Number)
}

/// What stands between the quotes of a text of protocol 0.
pub fn unquoted(line: &[u8]) -> &[u8] {
    match line {
        [open @ (b'\'' | b'"'), inside @ .., close] if open == close => inside,
        other => other,
    }
}

/// The number in little-endian two's complement, where it has at most 64 bits.
pub fn little_endian(digits: &[u8]) -> Option<i64> {
    let negative = digits.last().is_some_and(|&byte| byte >= 0x80);
    let mut word = [if negative { 0xff } else { 0 }; 8];
    word.get_mut(..digits.len())?.copy_from_slice(digits);
    Some(i64::from_le_bytes(word))
}
