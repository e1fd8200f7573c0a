//! Objects of the libraries: their virtual tables after the Itanium C++ ABI ("Virtual Table Layout"),
//! and who frees them. Knows no method; [`class`] gives those their types.
#![allow(unsafe_code)]

use std::{
    any::Any,
    ffi::{CStr, c_char, c_void},
    marker::PhantomData,
    ptr::NonNull,
    rc::Rc,
};

/// Anything of the libraries'.
pub type Pointer = *mut c_void;
/// A null-terminated string of the libraries'.
pub type Text = *const c_char;
/// Objects that must not be freed before another one.
pub type Keeps = Vec<Rc<dyn Any>>;

/// Where the virtual table with a class's methods hangs.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// On the object that this one has a pointer to, behind its own table's: the classes of libnvinfer
    /// are thin shells.
    Behind,
    /// On the object itself: the parser's classes.
    Own,
}

/// An object of class `C`. A copy of a pointer: whoever makes one sees to it that it is used only as
/// long as the object lives.
#[derive(Debug)]
pub struct Handle<C>(NonNull<c_void>, PhantomData<C>);

/// An object that is freed when this is dropped, and only then what it keeps.
#[derive(Debug)]
pub struct Owned<C> {
    handle: Handle<C>,
    destructor: usize,
    _keeps: Keeps,
}

/// No object lies below this address. Without a driver some libraries answer with a small number in
/// place of a pointer.
const LOWEST: usize = 1 << 16;

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Handle<C> {}

impl<C> Handle<C> {
    /// Takes what a library gave; none where that is no object.
    ///
    /// # Safety
    /// The pointer is null, or to an object of class `C` that outlives the handle's use.
    pub unsafe fn new(pointer: Pointer) -> Option<Self> {
        NonNull::new(pointer)
            .filter(|found| found.addr().get() >= LOWEST)
            .map(|p| Self(p, PhantomData))
    }

    /// Its address.
    pub fn pointer(self) -> Pointer {
        self.0.as_ptr()
    }

    /// What a method is called on, and the function in that slot of the table there.
    ///
    /// # Safety
    /// The object lives, its table is at that place, and has that slot.
    pub unsafe fn method(self, place: Place, slot: usize) -> (Pointer, *const c_void) {
        // SAFETY: as the caller promises; an object starts with the address of its table, and the
        // shells of libnvinfer have one more pointer after it.
        unsafe {
            let this = match place {
                Place::Own => self.pointer(),
                Place::Behind => *self.pointer().cast::<Pointer>().add(1),
            };
            let table = *this.cast::<*const *const c_void>();
            (this, *table.add(slot))
        }
    }
}

impl<C> Owned<C> {
    /// Takes over what a library gave; none where that is no object. Everything in `keeps` is let go
    /// after it.
    ///
    /// # Safety
    /// The pointer is null, or to an object of class `C` that belongs to the caller, and `destructor`
    /// is the slot in its own table of the destructor that also frees.
    pub unsafe fn new(pointer: Pointer, destructor: usize, keeps: Keeps) -> Option<Self> {
        // SAFETY: as the caller promises; it lives until this is dropped.
        let handle = unsafe { Handle::new(pointer) }?;
        Some(Self { handle, destructor, _keeps: keeps })
    }

    /// The object, to be used no longer than `self` lives.
    pub fn handle(&self) -> Handle<C> {
        self.handle
    }
}

impl<C> Drop for Owned<C> {
    fn drop(&mut self) {
        // SAFETY: it belongs to `self`, and this is the destructor that frees it, called once.
        unsafe {
            let (this, function) = self.handle.method(Place::Own, self.destructor);
            let destroy: unsafe extern "C" fn(Pointer) = std::mem::transmute(function);
            destroy(this);
        }
    }
}

/// A copy of a string of the libraries'; empty where there is none.
///
/// # Safety
/// Null, or null-terminated and readable.
pub unsafe fn text(string: Text) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

/// Gives the methods of a class their types. `always` are those without which a release is refused;
/// `sometimes` are missing in some, and give `None` there.
macro_rules! class {
    (
        $(#[$meta:meta])*
        $class:ident = $title:literal, $place:ident
        always { $($a:ident = $found:literal($($an:ident: $at:ty),*) $(-> $ar:ty)?;)* }
        sometimes { $($s:ident = $maybe:literal($($sn:ident: $st:ty),*) $(-> $sr:ty)?;)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $class { $($a: usize,)* $($s: Option<usize>,)* }

        impl $class {
            /// Looks all slots up.
            ///
            /// # Errors
            /// The name of one that is missing.
            pub fn find(table: &$crate::tensorrt::slots::Table) -> Result<Self, String> {
                Ok(Self {
                    $($a: table.slot($title, $found, class!(@count $($an)*))?,)*
                    $($s: table.slot($title, $maybe, class!(@count $($sn)*)).ok(),)*
                })
            }

            $(
                #[doc = concat!("`", $title, "::", $found, "`")]
                ///
                /// # Safety
                /// The object lives and is of the release that the slots are of; the arguments are
                /// what the method takes, pointers in them readable or writable as it needs.
                pub unsafe fn $a(
                    &self,
                    object: $crate::tensorrt::object::Handle<Self>
                    $(, $an: $at)*
                ) $(-> $ar)? {
                    // SAFETY: as the caller promises.
                    unsafe {
                        let (this, function) =
                            object.method($crate::tensorrt::object::Place::$place, self.$a);
                        let call: unsafe extern "C" fn(
                            $crate::tensorrt::object::Pointer $(, $at)*
                        ) $(-> $ar)? = std::mem::transmute(function);
                        call(this $(, $an)*)
                    }
                }
            )*

            $(
                #[doc = concat!("`", $title, "::", $maybe, "`; none where the release lacks it")]
                ///
                /// # Safety
                /// As of the others.
                pub unsafe fn $s(
                    &self,
                    object: $crate::tensorrt::object::Handle<Self>
                    $(, $sn: $st)*
                ) -> Option<class!(@returned $($sr)?)> {
                    let slot = self.$s?;
                    // SAFETY: as the caller promises.
                    Some(unsafe {
                        let (this, function) =
                            object.method($crate::tensorrt::object::Place::$place, slot);
                        let call: unsafe extern "C" fn(
                            $crate::tensorrt::object::Pointer $(, $st)*
                        ) $(-> $sr)? = std::mem::transmute(function);
                        call(this $(, $sn)*)
                    })
                }
            )*
        }
    };
    (@count) => { 0 };
    (@count $head:ident $($tail:ident)*) => { 1 + class!(@count $($tail)*) };
    (@returned) => { () };
    (@returned $type:ty) => { $type };
}
pub(in crate::tensorrt) use class;
