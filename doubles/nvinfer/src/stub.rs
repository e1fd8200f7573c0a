//! What stands in a virtual table where nothing is played: it writes the call to the ledger and
//! returns zero.

use crate::{dims::Dims32, object, player};
use std::ffi::c_void;

/// Slots of every table; more than any class has, so that methods of later releases are told too.
pub const SLOTS: usize = 120;

type Stub = extern "C" fn(*mut c_void, *mut c_void) -> *mut c_void;

macro_rules! stubs {
    ($($tens:literal)*) => {
        [$(
            stub::<{ $tens * 10 }> as Stub, stub::<{ $tens * 10 + 1 }>, stub::<{ $tens * 10 + 2 }>,
            stub::<{ $tens * 10 + 3 }>, stub::<{ $tens * 10 + 4 }>, stub::<{ $tens * 10 + 5 }>,
            stub::<{ $tens * 10 + 6 }>, stub::<{ $tens * 10 + 7 }>, stub::<{ $tens * 10 + 8 }>,
            stub::<{ $tens * 10 + 9 }>,
        )*]
    };
}

/// A table in which nothing is played.
pub const STUBS: [Stub; SLOTS] = stubs!(0 1 2 3 4 5 6 7 8 9 10 11);

/// The object comes first, or second where the caller has made room for a structure.
extern "C" fn stub<const SLOT: usize>(first: *mut c_void, second: *mut c_void) -> *mut c_void {
    if let Some(class) = object::class_at(first) {
        player::unexpected(&describe(class, SLOT));
        return std::ptr::null_mut();
    }
    let class = object::class_at(second).unwrap_or("?");
    player::unexpected(&describe(class, SLOT));
    if class != "?" {
        Dims32::clear(first);
    }
    first
}

fn describe(class: &str, slot: usize) -> String {
    let layout = player::layout(class);
    format!("{class}::{} (slot {slot})", layout.name(slot).unwrap_or("?"))
}
