//! The operands of opcodes: bytes, numbers, lines. Knows no opcode.

use super::{Word, problem::What};
use std::{
    borrow::Cow,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// Bytes that are read at a time.
const WINDOW: usize = 4096;
/// Longest text that is kept as a copy.
const COPIED: usize = 512;

/// What is left of a pickle. Where it lies in a file, opcodes and short texts are read from that
/// instead of its mapped bytes: between arrays of megabytes each look at a mapped file brings in
/// the pages around it, 64 kB at a time.
pub struct Input<'a> {
    bytes: &'a [u8],
    /// How far it was read.
    pub at: usize,
    /// The file, and where in it the bytes begin.
    file: Option<(File, u64)>,
    /// A copy of the bytes from `window_at` on.
    window: Vec<u8>,
    window_at: usize,
}

impl<'a> Input<'a> {
    /// All of `bytes`, which begin in the file where that says.
    pub fn of(bytes: &'a [u8], file: Option<(File, u64)>) -> Self {
        Self { bytes, at: 0, file, window: Vec::new(), window_at: 0 }
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next bytes, at most a window of them.
    fn peek(&mut self, length: usize) -> Result<&[u8], What> {
        if length > self.left() || length > WINDOW {
            return Err(What::Truncated);
        }
        let Some((file, begin)) = &mut self.file else {
            return Ok(&self.bytes[self.at..self.at + length]);
        };
        let known = self.at.checked_sub(self.window_at);
        if known.is_none_or(|known| known + length > self.window.len()) {
            self.window.resize(WINDOW.min(self.bytes.len() - self.at), 0);
            self.window_at = self.at;
            let read = file
                .seek(SeekFrom::Start(*begin + self.at as u64))
                .and_then(|_| file.read_exact(&mut self.window));
            read.map_err(|_| What::Truncated)?;
        }
        let from = self.at - self.window_at;
        Ok(&self.window[from..from + length])
    }

    /// That many bytes, not looked at.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], What> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(What::Truncated)?;
        self.at += length;
        Ok(taken)
    }

    /// A text of that many bytes.
    pub fn word(&mut self, length: usize) -> Result<Word<'a>, What> {
        let copied = self.file.is_some() && length <= COPIED;
        let copy = if copied { Some(self.peek(length)?.into()) } else { None };
        Ok(Word { stored: self.take(length)?, copy })
    }

    /// An array of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], What> {
        let array = self.peek(N)?.try_into().map_err(|_| What::Truncated)?;
        self.at += N;
        Ok(array)
    }

    /// A length of that many bytes, little-endian.
    pub fn length(&mut self, width: usize) -> Result<usize, What> {
        let bytes = self.peek(width)?;
        let word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        self.at += width;
        usize::try_from(word).map_err(|_| What::Truncated)
    }

    /// The rest of the line, without its end.
    pub fn line(&mut self) -> Result<Word<'a>, What> {
        let end = |bytes: &[u8]| bytes.iter().position(|&byte| byte == b'\n');
        let near = self.left().min(COPIED);
        let near = end(self.peek(near)?);
        let length = near.or_else(|| end(self.bytes.get(self.at..)?)).ok_or(What::Truncated)?;
        let line = self.word(length)?;
        self.at += 1;
        Ok(line)
    }
}

/// The text, with what is no UTF-8 replaced.
pub fn lossy<'a>(word: &Word<'a>) -> Cow<'a, str> {
    match &word.copy {
        Some(copy) => String::from_utf8_lossy(copy).into_owned().into(),
        None => String::from_utf8_lossy(word.stored),
    }
}

/// The number that the digits are.
pub fn parse<T: std::str::FromStr>(digits: &[u8]) -> Result<T, What> {
    let text = std::str::from_utf8(digits).map_err(|_| What::Number)?;
    text.trim().parse().map_err(|_| What::Number)
}

/// What stands between the quotes of a text of protocol 0.
pub fn unquoted(line: &[u8]) -> &[u8] {
    match line.trim_ascii_end() {
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
