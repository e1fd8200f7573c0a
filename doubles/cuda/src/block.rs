//! Memory that stands for a card's or for pinned memory of the host: zeroed, and given back when it
//! is dropped. Also the only places where bytes are moved.
#![allow(unsafe_code)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr,
};

/// A block of memory.
#[derive(Debug)]
pub struct Block {
    address: usize,
    layout: Layout,
}

impl Block {
    /// The alignment that the driver promises.
    const ALIGNMENT: usize = 256;

    /// A block of so many bytes; none for zero bytes or where the host has not enough memory.
    pub fn new(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes, Self::ALIGNMENT).ok()?;
        if bytes == 0 {
            return None;
        }
        // SAFETY: the layout is not empty.
        let address = unsafe { alloc_zeroed(layout) }.expose_provenance();
        (address != 0).then_some(Self { address, layout })
    }

    /// Where it begins.
    pub fn address(&self) -> u64 {
        self.address as u64
    }

    /// Its size.
    pub fn bytes(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the address came from the allocator with this layout and is given back once.
        unsafe { dealloc(ptr::with_exposed_provenance_mut(self.address), self.layout) };
    }
}

/// Copies bytes; the places may overlap.
///
/// # Safety
/// So many bytes may be read at `from` and written at `to`.
pub unsafe fn copy(to: u64, from: u64, bytes: usize) {
    let from = ptr::with_exposed_provenance::<u8>(from as usize);
    let to = ptr::with_exposed_provenance_mut::<u8>(to as usize);
    // SAFETY: the caller vouches for both places.
    unsafe { ptr::copy(from, to, bytes) };
}

/// Sets bytes.
///
/// # Safety
/// So many bytes may be written at `to`.
pub unsafe fn fill(to: u64, value: u8, bytes: usize) {
    let to = ptr::with_exposed_provenance_mut::<u8>(to as usize);
    // SAFETY: the caller vouches for the place.
    unsafe { ptr::write_bytes(to, value, bytes) };
}
