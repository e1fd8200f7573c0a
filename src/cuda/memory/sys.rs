//! Calls of the driver API about memory. What is allocated here is freed when its handle is dropped.
#![allow(unsafe_code)]

use crate::cuda::{
    Context, Error,
    driver::{Primary, check},
};
use cudarc::driver::sys;
use std::{ffi::c_void, marker::PhantomData, ops::Range, ptr::NonNull, rc::Rc};

/// Memory of a card.
#[derive(Debug)]
pub struct DeviceMemory {
    address: u64,
    bytes: usize,
    _primary: Rc<Primary>,
}

/// A borrowed piece of a card's memory.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSlice<'a> {
    address: u64,
    bytes: usize,
    owner: PhantomData<&'a DeviceMemory>,
}

/// Page-locked memory of the host, which a card reads and writes directly. Aligned for any type,
/// and zero at first.
#[derive(Debug)]
pub struct HostMemory {
    start: NonNull<u8>,
    bytes: usize,
    _primary: Rc<Primary>,
}

/// Pages of the host, allocated elsewhere, that are locked for as long as this lives.
#[derive(Debug)]
pub struct Registration {
    start: usize,
    _primary: Rc<Primary>,
}

impl DeviceMemory {
    /// Allocates memory on the card; at least one byte.
    ///
    /// # Errors
    /// The driver's word, if the card has not that much.
    pub fn new(context: &Context, bytes: usize) -> Result<Self, Error> {
        let mut address = 0;
        // SAFETY: writes one integer.
        let result = unsafe { sys::cuMemAlloc_v2(&raw mut address, bytes.max(1)) };
        check("cuMemAlloc_v2", result)?;
        Ok(Self { address, bytes, _primary: Rc::clone(&context.0) })
    }

    /// All of it.
    pub fn slice(&self) -> DeviceSlice<'_> {
        DeviceSlice { address: self.address, bytes: self.bytes, owner: PhantomData }
    }

    /// Its size.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl DeviceSlice<'_> {
    /// A piece of a card's memory that somebody else has allocated.
    ///
    /// # Safety
    /// There are `bytes` bytes at `address` on the card of the present context, and they stay
    /// allocated for as long as the slice lives.
    pub unsafe fn from_raw(address: u64, bytes: usize) -> Self {
        Self { address, bytes, owner: PhantomData }
    }

    /// A piece of it.
    ///
    /// # Errors
    /// [`Error::Misuse`] if it does not lie inside.
    pub fn part(self, range: Range<usize>) -> Result<Self, Error> {
        if range.start > range.end || range.end > self.bytes {
            let words = format!("bytes {range:?} do not lie in a place of {}", self.bytes);
            return Err(Error::Misuse(words));
        }
        Ok(Self { address: self.address + range.start as u64, bytes: range.len(), ..self })
    }

    /// Where it begins, in the card's address space.
    pub fn address(self) -> u64 {
        self.address
    }

    /// Its size.
    pub fn bytes(self) -> usize {
        self.bytes
    }
}

impl HostMemory {
    /// Allocates page-locked memory; at least one byte.
    ///
    /// # Errors
    /// The driver's word, if there is not that much.
    pub fn new(context: &Context, bytes: usize) -> Result<Self, Error> {
        let mut start = std::ptr::null_mut();
        // Flags 0: not write-combined, as the host reads it.
        // SAFETY: writes one pointer.
        let result = unsafe { sys::cuMemHostAlloc(&raw mut start, bytes.max(1), 0) };
        check("cuMemHostAlloc", result)?;
        let start = NonNull::new(start.cast::<u8>())
            .ok_or_else(|| Error::Misuse("cuMemHostAlloc gave no memory".to_owned()))?;
        // SAFETY: that many bytes were just allocated and belong to nobody else.
        unsafe { start.as_ptr().write_bytes(0, bytes.max(1)) };
        Ok(Self { start, bytes, _primary: Rc::clone(&context.0) })
    }

    /// What it holds.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: allocated, initialised, and borrowed as `self` is.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    /// What it holds, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` is the only borrow.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Registration {
    /// Locks the pages from address `start` on; see [`super::LockedPages`].
    ///
    /// # Errors
    /// The driver's word, for pages that are not there or locked already.
    pub fn new(context: &Context, start: usize, bytes: usize) -> Result<Self, Error> {
        // SAFETY: the driver only looks the pages up; it refuses those that are not mapped.
        let result = unsafe {
            sys::cuMemHostRegister_v2(std::ptr::without_provenance_mut::<c_void>(start), bytes, 0)
        };
        check("cuMemHostRegister_v2", result)?;
        Ok(Self { start, _primary: Rc::clone(&context.0) })
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and freed once. Nothing can be done about a lost card.
        let _ = unsafe { sys::cuMemFree_v2(self.address) };
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and freed once.
        let _ = unsafe { sys::cuMemFreeHost(self.start.as_ptr().cast()) };
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: only the address is looked up; it was registered once.
        let _ = unsafe { sys::cuMemHostUnregister(std::ptr::without_provenance_mut(self.start)) };
    }
}
