//! Lists of lengths as the libraries lay them out in memory: 32 bit lengths in 8.x, 64 bit ones
//! since 10. Calls nothing.

mod sys;

pub use sys::ReturnedDims;

use super::{Abi, Error};

/// Most dimensions that a tensor has in TensorRT.
const MOST: usize = 8;

/// Room for the `Dims` of either interface: a count, then the lengths, of 36 or 72 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Dims([i32; 18]);

/// The `Dims` of 8.x, where it goes by value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NarrowDims {
    count: i32,
    lengths: [i32; MOST],
}

impl Dims {
    /// Lays lengths out; -1 is a length that is left open.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more than eight, or one that does not fit.
    pub fn new(abi: Abi, lengths: &[i64]) -> Result<Self, Error> {
        if lengths.len() > MOST {
            return Err(Error::Misuse(format!(
                "{lengths:?}: TensorRT has {MOST} dimensions at most"
            )));
        }
        let mut raw = [0; 18];
        raw[0] = lengths.len() as i32;
        for (at, &length) in lengths.iter().enumerate() {
            if abi == Abi::Eight {
                raw[1 + at] = i32::try_from(length)
                    .map_err(|_| Error::Misuse(format!("{lengths:?}: too long for TensorRT 8")))?;
            } else {
                // Low half first: the machines that TensorRT is made for are little-endian.
                [raw[2 + 2 * at], raw[3 + 2 * at]] = [length as i32, (length >> 32) as i32];
            }
        }
        Ok(Self(raw))
    }

    /// From the words of one that a library holds: nine of 32 bits in 8.x, else eighteen.
    pub fn from_words(words: &[i32]) -> Self {
        let mut raw = [0; 18];
        raw.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        Self(raw)
    }

    /// How many words of 32 bits one has.
    pub fn words(abi: Abi) -> usize {
        if abi == Abi::Eight { 9 } else { 18 }
    }

    /// The lengths; none where the library says that there is no such tensor.
    pub fn lengths(&self, abi: Abi) -> Option<Vec<i64>> {
        let count = usize::try_from(self.0[0]).ok().filter(|&count| count <= MOST)?;
        let wide = |at: usize| {
            let [low, high] = [self.0[2 + 2 * at], self.0[3 + 2 * at]];
            i64::from(high) << 32 | i64::from(low.cast_unsigned())
        };
        let narrow = |at: usize| i64::from(self.0[1 + at]);
        Some((0..count).map(|at| if abi == Abi::Eight { narrow(at) } else { wide(at) }).collect())
    }

    /// The same for a method of 8.x that takes them by value.
    pub fn narrow(&self) -> NarrowDims {
        let mut lengths = [0; MOST];
        lengths.copy_from_slice(&self.0[1..=MOST]);
        NarrowDims { count: self.0[0], lengths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn lengths_come_back_from_both_layouts() {
        for lengths in [vec![], vec![-1, 3, 640, 640], vec![1, 2, 3, 4, 5, 6, 7, 8]] {
            for abi in [Abi::Eight, Abi::Ten, Abi::Eleven] {
                let dims = Dims::new(abi, &lengths).unwrap();
                assert_eq!(dims.lengths(abi).as_ref(), Some(&lengths), "{abi:?}");
                let words = &dims.0[..Dims::words(abi)];
                assert_eq!(Dims::from_words(words).lengths(abi).as_ref(), Some(&lengths));
            }
        }
        let long = [i64::from(i32::MAX) + 1, -7];
        assert_eq!(Dims::new(Abi::Ten, &long).unwrap().lengths(Abi::Ten).unwrap(), long);
        assert!(Dims::new(Abi::Eight, &long).is_err() && Dims::new(Abi::Ten, &[1; 9]).is_err());
    }

    #[test]
    fn layouts_are_as_long_as_those_of_the_headers_and_no_tensor_has_none() {
        assert_eq!([size_of::<Dims>(), size_of::<NarrowDims>()], [72, 36]);
        assert_eq!(offset_of!(NarrowDims, lengths), 4);
        assert_eq!(Dims([-1; 18]).lengths(Abi::Ten), None);
        assert_eq!(Dims([9; 18]).lengths(Abi::Eight), None);
    }
}
