//! What C callers hand over, as types that can be used safely: places to write to, texts and
//! buffers. All may be null.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char, c_uint},
    mem::MaybeUninit,
    ptr, slice,
};

/// Where a call writes a value; none for a null pointer.
#[repr(transparent)]
#[derive(Debug)]
pub struct Out<'a, T>(Option<&'a mut MaybeUninit<T>>);

impl<T> Out<'_, T> {
    /// Whether there is a place.
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// Writes the value; false for a null pointer.
    #[must_use]
    pub fn set(self, value: T) -> bool {
        self.0.map(|place| place.write(value)).is_some()
    }
}

impl<'a, T> From<&'a mut T> for Out<'a, T> {
    fn from(place: &'a mut T) -> Self {
        // SAFETY: `MaybeUninit<T>` has the layout of `T`, and nothing but a whole `T` is written.
        Self(Some(unsafe { &mut *ptr::from_mut(place).cast() }))
    }
}

/// A text that ends with a zero byte.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Text(*const c_char);

impl Text {
    /// The text; none for a null pointer and for what is not UTF-8.
    ///
    /// # Safety
    /// A pointer that is not null points to bytes that end with a zero and stay for `'a`.
    pub unsafe fn read<'a>(self) -> Option<&'a str> {
        // SAFETY: the caller vouches for the bytes.
        let text = (!self.0.is_null()).then(|| unsafe { CStr::from_ptr(self.0) });
        text.and_then(|text| text.to_str().ok())
    }
}

/// The beginning of a buffer whose length comes in another argument.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Buffer<T>(*mut T);

impl<T: Copy> Buffer<T> {
    /// Writes the values to the buffer, which has room for `length`; false for a null pointer and
    /// where they do not fit.
    ///
    /// # Safety
    /// A pointer that is not null points to room for `length` values.
    #[must_use]
    pub unsafe fn fill(self, length: usize, values: &[T]) -> bool {
        if self.0.is_null() || values.len() > length {
            return false;
        }
        // SAFETY: the caller vouches for the room, and the values fit. They are not in the buffer,
        // since nothing else may use it during the call.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), self.0, values.len()) };
        true
    }
}

impl Buffer<c_char> {
    /// Writes a text and a zero byte to the buffer; false for a null pointer and where they do not
    /// fit.
    ///
    /// # Safety
    /// A pointer that is not null points to room for `length` bytes.
    #[must_use]
    pub unsafe fn write(self, length: c_uint, text: &str) -> bool {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        // SAFETY: `c_char` has the layout of `u8`.
        let bytes = unsafe { slice::from_raw_parts(bytes.as_ptr().cast::<c_char>(), bytes.len()) };
        // SAFETY: the caller vouches for the room.
        unsafe { self.fill(length as usize, bytes) }
    }
}
