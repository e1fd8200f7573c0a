//! The state of a process's NVML: the script and how far each sensor has been read. Knows no C.

use crate::{
    code::{Answer, Code},
    locks::{Domain, Locks, Range},
};
use std::{collections::BTreeMap, io};
use trtbench_double_script::{
    Card, Faults, Kind, Library, Loaded, PciAddress, Play, Readings, Script, Series, Writer,
};

/// What a C caller knows a card by.
pub type Handle = u64;

/// What a call is about: it decides which faults strike, and what must be there.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The library, which need not be initialised.
    Library,
    /// The library, initialised.
    System,
    /// A card.
    Device(Handle),
}

/// NVML.
#[derive(Debug)]
pub struct Nvml {
    pub script: Script,
    ledger: Writer,
    locks: Locks,
    faults: Faults,
    /// How often it is initialised.
    initialised: u64,
    /// How often each sensor was read, by card and name.
    read: BTreeMap<(usize, &'static str), usize>,
}

/// A sensor: its name, and where its values are.
pub type Sensor<T> = (&'static str, fn(&Readings) -> &Series<T>);

impl Nvml {
    /// An NVML that has just been loaded.
    pub fn new(loaded: Loaded) -> Self {
        let Loaded { script, path, ledger } = loaded;
        Self {
            ledger,
            locks: Locks::of(&path),
            faults: Faults::new(Library::Nvml, &script.faults),
            initialised: 0,
            read: BTreeMap::new(),
            script,
        }
    }

    /// Initialises it once more.
    pub fn initialise(&mut self) {
        self.initialised += 1;
        self.ledger.alloc(Kind::Nvml, 0, 0);
    }

    /// Takes one initialisation back.
    pub fn shut_down(&mut self) {
        self.initialised -= 1;
        self.ledger.free(Kind::Nvml, 0);
    }

    /// Whether what a call needs is there.
    pub fn ready(&self, subject: Subject) -> Answer<()> {
        match subject {
            Subject::Library => Ok(()),
            _ if self.initialised == 0 => Err(Code::ERROR_UNINITIALIZED),
            Subject::System => Ok(()),
            Subject::Device(handle) => self.device(handle).map(drop),
        }
    }

    /// What the script makes of a call; written to the ledger if it fails.
    pub fn play(&mut self, call: &str, subject: Subject) -> Play {
        let card = match subject {
            Subject::Device(handle) => self.device(handle).ok(),
            Subject::Library | Subject::System => None,
        };
        let uuid = card.map(|card| self.script.cards[card].uuid.as_str());
        self.faults.play(call, uuid, &self.ledger)
    }

    /// Indices in the script of the cards in NVML's order.
    fn order(&self) -> Vec<usize> {
        let mut cards: Vec<usize> = (0..self.script.cards.len()).collect();
        cards.sort_by_key(|&card| self.script.cards[card].nvml_rank);
        cards
    }

    /// Handle of the card at this place in NVML's order.
    pub fn by_index(&self, index: u32) -> Answer<Handle> {
        let card = self.order().get(index as usize).copied();
        card.map(handle_of).ok_or(Code::ERROR_INVALID_ARGUMENT)
    }

    /// Handle of the card with this UUID.
    pub fn by_uuid(&self, uuid: &str) -> Answer<Handle> {
        self.by(|card| card.uuid == uuid)
    }

    /// Handle of the card at this place on the bus.
    pub fn by_pci(&self, pci: PciAddress) -> Answer<Handle> {
        self.by(|card| card.pci == pci)
    }

    fn by(&self, is_it: impl FnMut(&Card) -> bool) -> Answer<Handle> {
        self.script.cards.iter().position(is_it).map(handle_of).ok_or(Code::ERROR_NOT_FOUND)
    }

    /// Index in the script of the card with this handle.
    fn device(&self, handle: Handle) -> Answer<usize> {
        let all = 0..self.script.cards.len();
        all.into_iter().find(|&card| handle_of(card) == handle).ok_or(Code::ERROR_INVALID_ARGUMENT)
    }

    /// The card with this handle.
    pub fn card(&self, handle: Handle) -> Answer<&Card> {
        self.device(handle).map(|card| &self.script.cards[card])
    }

    /// A card's place in NVML's order.
    pub fn index(&self, handle: Handle) -> Answer<u32> {
        let card = self.device(handle)?;
        let place = self.order().iter().position(|&other| other == card);
        place.and_then(|place| place.try_into().ok()).ok_or(Code::ERROR_UNKNOWN)
    }

    /// What a sensor reads; the next reading gives the same.
    pub fn peek<T: Clone>(&self, handle: Handle, (name, series): Sensor<T>) -> Answer<T> {
        let card = self.device(handle)?;
        let reading = self.read.get(&(card, name)).copied().unwrap_or(0);
        series(&self.script.cards[card].readings).at(reading).ok_or(Code::ERROR_NOT_SUPPORTED)
    }

    /// What a sensor reads; the next reading gives its next value.
    pub fn read<T: Clone>(&mut self, handle: Handle, sensor: Sensor<T>) -> Answer<T> {
        let value = self.peek(handle, sensor)?;
        *self.read.entry((self.device(handle)?, sensor.0)).or_default() += 1;
        Ok(value)
    }

    /// What a clock reads: within the range in which it is locked.
    pub fn read_clock(
        &mut self,
        handle: Handle,
        sensor: Sensor<u32>,
        domain: Domain,
    ) -> Answer<u32> {
        let clock = self.read(handle, sensor)?;
        let range = self.locks.get(&self.card(handle)?.uuid, domain).map_err(in_file)?;
        Ok(range.map_or(clock, |(low, high)| clock.clamp(low, high)))
    }

    /// Locks a clock in a range, or unlocks it.
    pub fn lock_clock(
        &mut self,
        handle: Handle,
        domain: Domain,
        range: Option<Range>,
    ) -> Answer<()> {
        if range.is_some_and(|(low, high)| low > high) {
            return Err(Code::ERROR_INVALID_ARGUMENT);
        }
        let before = self.locks.set(&self.card(handle)?.uuid, domain, range).map_err(in_file)?;
        let lock = handle + domain as u64;
        match (before, range) {
            (None, Some(_)) => self.ledger.alloc(Kind::ClockLock, lock, 0),
            (Some(_), None) => self.ledger.free(Kind::ClockLock, lock),
            _ => {}
        }
        Ok(())
    }
}

/// A handle is no index, so that one that is taken for the other is known to be wrong.
fn handle_of(card: usize) -> Handle {
    0x4e00_0000 + 16 * card as Handle
}

fn in_file(_: io::Error) -> Code {
    Code::ERROR_OPERATING_SYSTEM
}
