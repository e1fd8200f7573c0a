//! Methods as virtual tables hold them: a C function with its name and number of arguments, which
//! asks the script and tells the ledger before it does its work.
#![allow(unsafe_code, reason = "arguments come from C callers")]

use crate::{
    dims::{Dims32, Dims64},
    object::{Class, Object, Ref},
    player,
};
use std::{
    ffi::{c_char, c_void},
    ops::Range,
    ptr,
};
use trtbench_double_script::{Entry, Text};

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Its name in TensorRT's headers.
    pub name: &'static str,
    /// Without the object.
    pub arguments: usize,
    /// The major versions for which the function has the right arguments.
    pub majors: Range<u32>,
    /// The function.
    pub function: *const c_void,
}

/// Every major version.
pub const ALL: Range<u32> = 0..u32::MAX;
/// Those with dimensions of 32 bits.
pub const NARROW: Range<u32> = 0..10;
/// Those with dimensions of 64 bits.
pub const WIDE: Range<u32> = 10..u32::MAX;

/// Makes a type a class: `Type as "VName"` with constants of the trait, then its methods. A
/// function after `with` gives what is virtual in its public part. A method with `[D]` is there for
/// dimensions of both widths.
#[macro_export]
macro_rules! class {
    (
        $type:ty as $class:literal $({ $($constant:ident = $value:expr;)* })? $(with $public:path)?;
        $(
            fn $name:ident $([$dims:ident])? ($this:ident $(, $argument:ident: $kind:ty)* $(,)?)
                -> $answer:ty => $work:expr;
        )*
    ) => {
        impl $crate::object::Class for $type {
            const NAME: &'static str = $class;
            $($(const $constant: bool = $value;)*)?
            $(fn public(major: u32) -> Vec<*const std::ffi::c_void> {
                $public(major)
            })?
            const METHODS: &'static [$crate::call::Method] = &[$(
                $crate::method!(
                    narrow $type, $name, [$($dims)?], $this, ($($argument: $kind),*), $answer, $work
                ),
                $crate::method!(
                    wide $type, $name, [$($dims)?], $this, ($($argument: $kind),*), $answer, $work
                ),
            )*];
        }
    };
}

/// One method of [`class!`], for one width of dimensions.
#[macro_export]
macro_rules! method {
    (narrow $type:ty, $name:ident, [], $this:ident, $list:tt, $answer:ty, $work:expr) => {
        $crate::method!(@function $type, $name, $this, $list, $answer, $crate::call::ALL, $work)
    };
    (wide $type:ty, $name:ident, [], $this:ident, $list:tt, $answer:ty, $work:expr) => {
        $crate::call::NONE
    };
    (narrow $type:ty, $name:ident, [$dims:ident], $this:ident, $list:tt, $answer:ty, $work:expr) => {{
        type $dims = $crate::dims::Dims32;
        $crate::method!(@function $type, $name, $this, $list, $answer, $crate::call::NARROW, $work)
    }};
    (wide $type:ty, $name:ident, [$dims:ident], $this:ident, $list:tt, $answer:ty, $work:expr) => {{
        type $dims = $crate::dims::Dims64;
        $crate::method!(@function $type, $name, $this, $list, $answer, $crate::call::WIDE, $work)
    }};
    (
        @function $type:ty, $name:ident, $this:ident, ($($argument:ident: $kind:ty),*),
        $answer:ty, $majors:expr, $work:expr
    ) => {{
        #[allow(non_snake_case, clippy::too_many_arguments, reason = "TensorRT's interface")]
        extern "C" fn $name(
            $this: &$crate::object::Object<$type>,
            $($argument: $kind),*
        ) -> $answer {
            let arguments = || vec![$($crate::call::Shown::shown(&$argument)),*];
            if !$crate::call::enter($this, stringify!($name), &arguments) {
                return $crate::call::Answer::none();
            }
            $work
        }
        $crate::call::Method {
            name: stringify!($name),
            arguments: <[&str]>::len(&[$(stringify!($argument)),*]),
            majors: $majors,
            function: $name as *const std::ffi::c_void,
        }
    }};
}

/// What no release has.
pub const NONE: Method = Method { name: "", arguments: 0, majors: 0..0, function: ptr::null() };

/// Begins a call: writes it to the ledger and says whether it is to be made. A call that the script
/// lets fail is logged as TensorRT logs it.
pub fn enter<T: Class>(
    object: &Object<T>,
    name: &str,
    arguments: &dyn Fn() -> Vec<String>,
) -> bool {
    if player::script().is_some_and(|script| script.calls) {
        record(T::NAME, name, arguments());
    }
    let class = T::NAME.strip_prefix('V').map_or(T::NAME.to_owned(), |rest| format!("I{rest}"));
    let Some(code) = player::fault(&format!("{class}::{name}")) else { return true };
    object.logger.error(&match code {
        2 => format!(
            "{class}::{name}: Error Code 2: OutOfMemory (Requested size was 1073741824 bytes.)"
        ),
        other => {
            format!("{class}::{name}: Error Code {other}: Internal Error (the script says so)")
        }
    });
    false
}

fn record(class: &str, method: &str, arguments: Vec<String>) {
    let slot = player::layout(class).find(method, arguments.len());
    let slot = slot.and_then(|slot| u32::try_from(slot).ok());
    let method = method.trim_start_matches("r#").to_owned();
    let class = class.to_owned();
    player::write(Entry::Call { class, method, slot, arguments });
}

/// What a method answers.
pub trait Answer {
    /// When it fails.
    fn none() -> Self;
}

/// An argument of a method.
pub trait Shown {
    /// For the ledger.
    fn shown(&self) -> String;
}

macro_rules! plain {
    ($($type:ty = $none:expr),*) => {$(
        impl Answer for $type {
            fn none() -> Self {
                $none
            }
        }

        impl Shown for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

plain!(i32 = 0, u32 = 0, i64 = 0, u64 = 0, usize = 0, f32 = 0.0, bool = false);

impl Answer for () {
    fn none() -> Self {}
}

impl Answer for *const c_char {
    fn none() -> Self {
        ptr::null()
    }
}

impl<T: Class> Answer for Ref<T> {
    fn none() -> Self {
        Self::null()
    }
}

impl<T: Class> Shown for Ref<T> {
    fn shown(&self) -> String {
        self.object().map_or("null".to_owned(), |object| format!("{} {}", T::NAME, object.number))
    }
}

impl Answer for *mut c_void {
    fn none() -> Self {
        ptr::null_mut()
    }
}

impl Shown for *mut c_void {
    fn shown(&self) -> String {
        if self.is_null() { "null".to_owned() } else { format!("{:p}", *self) }
    }
}

impl Shown for *mut *const c_char {
    fn shown(&self) -> String {
        if self.is_null() { "null".to_owned() } else { "place".to_owned() }
    }
}

impl Shown for &mut i64 {
    fn shown(&self) -> String {
        "place".to_owned()
    }
}

impl Shown for Text {
    fn shown(&self) -> String {
        text(*self).unwrap_or("null").to_owned()
    }
}

impl Shown for Dims32 {
    fn shown(&self) -> String {
        format!("{:?}", self.lengths())
    }
}

impl Shown for Dims64 {
    fn shown(&self) -> String {
        format!("{:?}", self.lengths())
    }
}

impl<T: Shown> Shown for &T {
    fn shown(&self) -> String {
        (*self).shown()
    }
}

impl Answer for Dims32 {
    fn none() -> Self {
        Self::new(None)
    }
}

impl Answer for Dims64 {
    fn none() -> Self {
        Self::new(None)
    }
}

/// The text that a client handed over; it stays during the call.
pub fn text<'a>(text: Text) -> Option<&'a str> {
    // SAFETY: clients hand over texts that end with a zero.
    unsafe { text.read() }
}

/// The bytes that a client handed over; they stay during the call.
pub fn bytes<'a>(data: *mut c_void, size: usize) -> Option<&'a [u8]> {
    if data.is_null() {
        return None;
    }
    // SAFETY: clients hand over as many bytes as they say.
    Some(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) })
}
