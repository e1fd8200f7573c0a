//! `IHostMemory`: bytes that the client reads, such as an engine.

use crate::{
    class,
    client::Logger,
    object::{Owned, Ref},
};
use std::ffi::c_void;

/// Bytes.
#[derive(Debug)]
pub struct HostMemory(Vec<u8>);

impl HostMemory {
    /// Hands bytes to the client.
    pub fn give(logger: Logger, bytes: Vec<u8>) -> Ref<Self> {
        Owned::new(logger, Self(bytes)).hand_over()
    }
}

class! {
    HostMemory as "VHostMemory";
    fn data(this) -> *mut c_void => this.state().0.as_ptr().cast_mut().cast();
    fn size(this) -> usize => this.state().0.len();
    // `DataType::kINT8`: bytes.
    fn r#type(this) -> i32 => crate::element::Element::INT8.0;
}
