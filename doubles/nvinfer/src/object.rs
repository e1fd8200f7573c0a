//! Objects as TensorRT's clients see them: a public part whose second word leads to the object
//! that has the virtual table of the release. What the classes can do is in their files.
#![allow(unsafe_code, reason = "clients hold pointers and call through virtual tables")]

use crate::{
    call::Method,
    client::Logger,
    player::{self, lock},
    stub::STUBS,
};
use std::{
    collections::BTreeMap,
    ffi::c_void,
    marker::PhantomData,
    mem::offset_of,
    ops::Deref,
    ptr,
    sync::{Mutex, MutexGuard},
};
use trtbench_double_script::{Entry, Kind};

/// A kind of object.
pub trait Class: Sized + 'static {
    /// Its name in TensorRT's headers.
    const NAME: &'static str;
    /// Whether the client destroys its objects, not another object.
    const OWNED_BY_CLIENT: bool = true;
    /// Whether it has no public part: the client calls through the object's own table.
    const PLAIN: bool = false;
    /// What is virtual in its public part after the destructors, by major version.
    fn public(_major: u32) -> Vec<*const c_void> {
        Vec::new()
    }
    /// What it can do.
    const METHODS: &'static [Method];
}

/// The part of an object that clients hold.
#[repr(C)]
#[derive(Debug)]
struct Public {
    destructors: *const *const c_void,
    implementation: *mut c_void,
}

/// An object.
#[repr(C)]
#[derive(Debug)]
pub struct Object<T: Class> {
    table: *const *const c_void,
    public: Public,
    /// Where it says what happens.
    pub logger: Logger,
    /// Counts the objects of its class from 1.
    pub number: usize,
    value: Mutex<T>,
}

impl<T: Class> Object<T> {
    /// What the client gets of an object that stays with another.
    pub fn pointer(&self) -> Ref<T> {
        let this: *const c_void = ptr::from_ref(self).cast();
        let offset = if T::PLAIN { 0 } else { offset_of!(Self, public) };
        Ref(this.wrapping_byte_add(offset).cast_mut(), PhantomData)
    }

    /// What the object holds. Not to be kept while the client is called.
    pub fn state(&self) -> MutexGuard<'_, T> {
        lock(&self.value)
    }
}

/// An object that the client has not got to destroy. It stays where it is.
#[derive(Debug)]
pub struct Owned<T: Class>(Box<Object<T>>);

impl<T: Class> Owned<T> {
    /// A new object.
    pub fn new(logger: Logger, value: T) -> Self {
        let (table, destructors) = (table::<T>(), destructors::<T>());
        let public = Public { destructors, implementation: ptr::null_mut() };
        let number = next_number(T::NAME);
        let mut made = Box::new(Object { table, public, logger, number, value: Mutex::new(value) });
        made.public.implementation = ptr::from_mut(&mut *made).cast();
        let address = ptr::from_ref(&*made).expose_provenance();
        lock(&LIVE).insert(address, T::NAME);
        if T::OWNED_BY_CLIENT {
            player::write(Entry::Alloc { kind: Kind::Tensorrt, handle: address as u64, bytes: 0 });
        }
        Self(made)
    }

    /// Hands the object to the client, who destroys it.
    pub fn hand_over(self) -> Ref<T> {
        let pointer = self.pointer();
        let _ = Box::into_raw(self.0);
        pointer
    }
}

impl<T: Class> Deref for Owned<T> {
    type Target = Object<T>;

    fn deref(&self) -> &Object<T> {
        &self.0
    }
}

impl<T: Class> Drop for Object<T> {
    fn drop(&mut self) {
        let address = ptr::from_ref(self).expose_provenance();
        lock(&LIVE).remove(&address);
        if T::OWNED_BY_CLIENT {
            player::write(Entry::Free { kind: Kind::Tensorrt, handle: address as u64 });
        }
    }
}

/// A client's pointer to an object; may be null.
#[repr(transparent)]
#[derive(Debug)]
pub struct Ref<T>(*mut c_void, PhantomData<T>);

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<T> {}

impl<T: Class> Ref<T> {
    /// No object.
    pub fn null() -> Self {
        Self(ptr::null_mut(), PhantomData)
    }

    /// Its address.
    pub fn address(self) -> usize {
        self.0.expose_provenance()
    }

    /// The object, as long as the client has not destroyed it.
    pub fn object<'a>(self) -> Option<&'a Object<T>> {
        if self.0.is_null() {
            return None;
        }
        let offset = if T::PLAIN { 0 } else { offset_of!(Object<T>, public) };
        let this = self.0.wrapping_byte_sub(offset).cast::<Object<T>>();
        // SAFETY: clients hand over only what they have from here, while it is there.
        Some(unsafe { &*this })
    }
}

/// Addresses of all objects, and their classes.
static LIVE: Mutex<BTreeMap<usize, &'static str>> = Mutex::new(BTreeMap::new());

/// The class of the object at an address.
pub fn class_at(address: *mut c_void) -> Option<&'static str> {
    lock(&LIVE).get(&address.expose_provenance()).copied()
}

fn next_number(class: &'static str) -> usize {
    static MADE: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());
    let mut made = lock(&MADE);
    let number = made.entry(class).or_default();
    *number += 1;
    *number
}

/// Tables that were made, by class. Clients hold them until the process ends.
type Tables = Mutex<BTreeMap<&'static str, &'static [usize]>>;

/// The virtual table of a class in the release that is played.
fn table<T: Class>() -> *const *const c_void {
    static TABLES: Tables = Mutex::new(BTreeMap::new());
    keep::<T>(&TABLES, fill::<T>)
}

fn fill<T: Class>() -> Vec<*const c_void> {
    let mut slots: Vec<*const c_void> = STUBS.iter().map(|stub| *stub as *const c_void).collect();
    let (layout, release) = (player::layout(T::NAME), player::release());
    for method in T::METHODS.iter().filter(|method| method.majors.contains(&release.major)) {
        if let Some(slot) = layout.find(method.name, method.arguments) {
            slots[slot] = method.function;
        }
    }
    if T::PLAIN {
        slots[layout.destructors.1] = destroy::<T> as *const c_void;
    }
    slots
}

/// The table of an object's public part. Only the deleting destructor is ever called.
fn destructors<T: Class>() -> *const *const c_void {
    static TABLES: Tables = Mutex::new(BTreeMap::new());
    let first = [STUBS[0] as *const c_void, destroy::<T> as *const c_void];
    keep::<T>(&TABLES, || [first.to_vec(), T::public(player::release().major)].concat())
}

/// The table of a class, made if it is not there. As C++ lays out tables, what clients ask for the
/// type of an object comes before the functions: how far it is into the whole, and its type.
fn keep<T: Class>(tables: &Tables, make: impl Fn() -> Vec<*const c_void>) -> *const *const c_void {
    let make = || {
        let head = [ptr::null(), type_information::<T>()];
        let all = head.into_iter().chain(make()).map(<*const c_void>::expose_provenance);
        &*Vec::leak(all.collect())
    };
    lock(tables).entry(T::NAME).or_insert_with(make)[2..].as_ptr().cast()
}

/// A `std::type_info` with the name of the class; of its functions clients need none.
fn type_information<T: Class>() -> *const c_void {
    let (space, class) = match T::NAME.strip_prefix('V') {
        Some(rest) => ("nvinfer1", format!("I{rest}")),
        None if T::NAME.contains("Parser") => ("nvonnxparser", T::NAME.to_owned()),
        None => ("nvinfer1", T::NAME.to_owned()),
    };
    let name = format!("N{}{space}{}{class}E\0", space.len(), class.len());
    let name = Vec::leak(name.into_bytes()).as_ptr().expose_provenance();
    Vec::leak(vec![0, name]).as_ptr().cast()
}

/// Destroys an object for its client.
pub extern "C" fn destroy<T: Class>(this: Ref<T>) {
    let Some(object) = this.object() else { return };
    if !T::OWNED_BY_CLIENT {
        player::unexpected(&format!("{} was destroyed, which belongs to another object", T::NAME));
        return;
    }
    // SAFETY: it was made as a box and handed over once, and the client may not use it again.
    drop(unsafe { Box::from_raw(ptr::from_ref(object).cast_mut()) });
}
