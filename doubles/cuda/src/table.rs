//! What a process holds of one kind, by handle. Whatever comes and goes is written to the ledger. A
//! handle is never given twice, so that one that is used after its end is known to be wrong.

use std::{collections::BTreeMap, sync::Arc};
use trtbench_double_script::{Entry, Kind, Writer};

/// What a C caller knows an object by; 0 is none.
pub type Handle = u64;

/// The objects of one kind.
#[derive(Debug)]
pub struct Table<T> {
    kind: Kind,
    ledger: Arc<Writer>,
    entries: BTreeMap<Handle, Held<T>>,
    /// How many handles were made.
    made: u64,
}

/// An object and the card on which it is.
#[derive(Debug)]
pub struct Held<T> {
    /// Its index in the script.
    pub card: usize,
    /// The object.
    pub value: T,
}

impl<T> Table<T> {
    /// An empty table.
    pub fn new(kind: Kind, ledger: &Arc<Writer>) -> Self {
        Self { kind, ledger: Arc::clone(ledger), entries: BTreeMap::new(), made: 0 }
    }

    /// Adds an object under a new handle, which no other kind has.
    pub fn insert(&mut self, card: usize, value: T) -> Handle {
        self.made += 1;
        let handle = ((self.kind as u64 + 1) << 32) + 16 * self.made;
        self.insert_at(handle, card, 0, value);
        handle
    }

    /// Adds an object of so many bytes under its address.
    pub fn insert_at(&mut self, address: Handle, card: usize, bytes: u64, value: T) {
        self.ledger.alloc(self.kind, address, bytes);
        self.entries.insert(address, Held { card, value });
    }

    /// Takes an object out.
    pub fn remove(&mut self, handle: Handle) -> Option<Held<T>> {
        let held = self.entries.remove(&handle)?;
        self.ledger.free(self.kind, handle);
        Some(held)
    }

    /// Drops all objects on a card, whose context is gone.
    pub fn sweep(&mut self, card: usize) {
        let gone: Vec<Handle> = self.on(card).map(|(handle, _)| handle).collect();
        for handle in gone {
            self.entries.remove(&handle);
            self.ledger.write(Entry::Sweep { kind: self.kind, handle });
        }
    }

    /// The object with this handle.
    pub fn get(&self, handle: Handle) -> Option<&Held<T>> {
        self.entries.get(&handle)
    }

    /// The object with this handle.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut Held<T>> {
        self.entries.get_mut(&handle)
    }

    /// The object with the greatest address that is not above this one, and its address.
    pub fn at_or_below(&self, address: Handle) -> Option<(Handle, &Held<T>)> {
        self.entries.range(..=address).next_back().map(|(&start, held)| (start, held))
    }

    /// All objects on a card.
    pub fn on(&self, card: usize) -> impl Iterator<Item = (Handle, &T)> {
        let on_card = move |(_, held): &(&Handle, &Held<T>)| held.card == card;
        self.entries.iter().filter(on_card).map(|(&handle, held)| (handle, &held.value))
    }

    /// All objects.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.values_mut().map(|held| &mut held.value)
    }
}
