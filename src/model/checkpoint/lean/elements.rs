//! The elements of one tensor, from where and how they lie to a file where they lie side by side.

use super::{convert::Conversion, plan::Entry};
use crate::model::anatomy::Layout;
use std::io::{self, Write};

/// Bytes that are converted at a time; a multiple of every element's.
const PIECE: usize = 1 << 20;

/// Why elements cannot be copied.
#[derive(Debug)]
pub enum Failure {
    /// They are not what the shape and the way they lie ask for.
    Damaged,
    /// They cannot be written.
    Write(io::Error),
}

impl Failure {
    /// What to say of the tensor of that name.
    pub fn of(self, name: &str) -> String {
        match self {
            Self::Damaged => format!(
                "the elements of {name:?} are not stored as its shape asks for; copy it again"
            ),
            Self::Write(error) => error.to_string(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Copies the elements in `stored`. How many of them the new type has no room for.
///
/// # Errors
/// [`Failure`].
pub fn write(entry: &Entry<'_>, stored: &[u8], file: &mut impl Write) -> Result<u64, Failure> {
    let width = entry.weight.dtype.bits().unwrap_or(8).div_ceil(8) as usize;
    let conversion = Conversion::new(entry.weight.dtype, entry.dtype);
    let out = Out { conversion, buffer: Vec::new(), lost: 0, written: 0, file };
    let (lost, written) = match &entry.weight.layout {
        Layout::RowMajor => plain(stored, out)?,
        Layout::Latin1 => latin(stored, out)?,
        Layout::Strided(strides) => strided(stored, (&entry.weight.shape, strides), width, out)?,
    };
    if written == entry.bytes { Ok(lost) } else { Err(Failure::Damaged) }
}

/// Where converted pieces go.
struct Out<'f, W> {
    conversion: Conversion,
    buffer: Vec<u8>,
    lost: u64,
    written: u64,
    file: &'f mut W,
}

impl<W: Write> Out<'_, W> {
    /// Converts and writes a piece of whole elements.
    fn piece(&mut self, elements: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        self.lost += self.conversion.run(elements, &mut self.buffer);
        self.written += self.buffer.len() as u64;
        self.file.write_all(&self.buffer)
    }

    fn end(self) -> (u64, u64) {
        (self.lost, self.written)
    }
}

fn plain<W: Write>(stored: &[u8], mut out: Out<'_, W>) -> Result<(u64, u64), Failure> {
    for piece in stored.chunks(PIECE) {
        out.piece(piece)?;
    }
    Ok(out.end())
}

/// Each character is a byte; those beyond ASCII are two bytes in UTF-8.
fn latin<W: Write>(stored: &[u8], mut out: Out<'_, W>) -> Result<(u64, u64), Failure> {
    let mut rest = stored;
    let mut piece = Vec::with_capacity(PIECE);
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after.split_first()) {
            (0..0x80, _) => piece.push(first),
            (0xc2 | 0xc3, Some((&second @ 0x80..0xc0, after))) => {
                rest = after;
                piece.push(first << 6 | second & 0x3f);
            }
            _ => return Err(Failure::Damaged),
        }
        if piece.len() == PIECE {
            out.piece(&piece)?;
            piece.clear();
        }
    }
    out.piece(&piece)?;
    Ok(out.end())
}

fn strided<W: Write>(
    stored: &[u8],
    (shape, strides): (&[u64], &[u64]),
    width: usize,
    mut out: Out<'_, W>,
) -> Result<(u64, u64), Failure> {
    if shape.contains(&0) {
        return Ok(out.end());
    }
    let mut index = vec![0; shape.len()];
    let mut piece = Vec::with_capacity(PIECE);
    let mut at = 0_u64;
    loop {
        let from = usize::try_from(at).ok().and_then(|at| at.checked_mul(width));
        let element = from.and_then(|from| stored.get(from..from.checked_add(width)?));
        piece.extend_from_slice(element.ok_or(Failure::Damaged)?);
        if piece.len() >= PIECE - PIECE % width {
            out.piece(&piece)?;
            piece.clear();
        }
        if !advance(&mut index, &mut at, shape, strides) {
            break;
        }
    }
    out.piece(&piece)?;
    Ok(out.end())
}

/// Steps to the next element in row-major order; false behind the last.
fn advance(index: &mut [u64], at: &mut u64, shape: &[u64], strides: &[u64]) -> bool {
    for axis in (0..shape.len()).rev() {
        index[axis] += 1;
        *at += strides[axis];
        if index[axis] < shape[axis] {
            return true;
        }
        *at -= index[axis] * strides[axis];
        index[axis] = 0;
    }
    false
}
