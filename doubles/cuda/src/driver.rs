//! The state of a process's driver: script, cards, and everything the process holds. Knows no C;
//! what it can do is in the files beside.

use crate::{
    capture::{Capture, Graph},
    clock::Clock,
    code::{Answer, Code},
    context::Context,
    event::Event,
    kernels::Kernels,
    memory::Memory,
    module::Module,
    stream::Stream,
    table::{Handle, Table},
    visible::visible,
    work::Work,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    thread::ThreadId,
    time::Instant,
};
use trtbench_double_script::{Card, Faults, Kind, Library, Play, Script, Writer};

/// What a call is about: it decides which faults strike, and what must be there.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The library, which need not be initialised.
    Library,
    /// The library, initialised.
    System,
    /// A device, by its number.
    Device(i32),
    /// A context.
    Context(Handle),
    /// The calling thread's context.
    Current,
    /// A stream, with a current context.
    Stream(Handle),
    /// An event, with a current context.
    Event(Handle),
    /// Memory of a card, with a current context.
    Memory(Handle),
}

/// The driver.
#[derive(Debug)]
pub struct Driver {
    pub script: Script,
    pub ledger: Arc<Writer>,
    faults: Faults,
    pub clock: Clock,
    /// Indices of the visible cards in the script; none before the driver is initialised.
    visible: Option<Vec<usize>>,
    /// By index of the card in the script.
    pub contexts: BTreeMap<usize, Context>,
    pub contexts_made: u64,
    /// The context of each thread that has one.
    pub current: HashMap<ThreadId, Handle>,
    pub memory: Memory,
    pub streams: Table<Stream>,
    /// End of the default stream's work, by index of the card.
    pub default_streams: BTreeMap<usize, u64>,
    pub events: Table<Event>,
    pub modules: Table<Module>,
    pub functions_made: u64,
    /// Kernels that compute.
    pub kernels: Option<Kernels>,
    pub graphs: Table<Graph>,
    pub execs: Table<Vec<Work>>,
    /// Captures that go on, by their numbers.
    pub captures: BTreeMap<u64, Capture>,
    pub captures_made: u64,
    /// What the present call must wait for.
    pub pause: Option<Instant>,
}

impl Driver {
    /// A driver that has just been loaded.
    pub fn new(script: Script, ledger: Writer) -> Self {
        let ledger = Arc::new(ledger);
        Self {
            faults: Faults::new(Library::Cuda, &script.faults),
            clock: Clock::new(script.pace),
            visible: None,
            contexts: BTreeMap::new(),
            contexts_made: 0,
            current: HashMap::new(),
            memory: Memory::new(&ledger, script.foreign_memory),
            streams: Table::new(Kind::Stream, &ledger),
            default_streams: BTreeMap::new(),
            events: Table::new(Kind::Event, &ledger),
            modules: Table::new(Kind::Module, &ledger),
            functions_made: 0,
            kernels: script.kernels.as_deref().map(Kernels::load),
            graphs: Table::new(Kind::Graph, &ledger),
            execs: Table::new(Kind::GraphExec, &ledger),
            captures: BTreeMap::new(),
            captures_made: 0,
            pause: None,
            ledger,
            script,
        }
    }

    /// Finds the visible cards, the first time; `order` and `list` are the environment's
    /// `CUDA_DEVICE_ORDER` and `CUDA_VISIBLE_DEVICES`.
    pub fn initialise(&mut self, order: Option<&str>, list: Option<&str>) -> Answer<()> {
        if self.visible.is_none() {
            let found = visible(&self.script.cards, order, list);
            if found.is_empty() {
                return Err(Code::ERROR_NO_DEVICE);
            }
            self.visible = Some(found);
        }
        Ok(())
    }

    /// The cards that a process sees.
    pub fn count(&self) -> i32 {
        self.visible.as_ref().map_or(0, |cards| i32::try_from(cards.len()).unwrap_or(i32::MAX))
    }

    /// The index in the script of the card that is the device with this number.
    pub fn device(&self, ordinal: i32) -> Answer<usize> {
        let place = usize::try_from(ordinal).ok();
        let card = place.and_then(|place| self.visible.as_ref()?.get(place));
        card.copied().ok_or(Code::ERROR_INVALID_DEVICE)
    }

    /// The number of the device that is the calling thread's.
    pub fn current_device(&self) -> Answer<i32> {
        let card = self.current_card()?;
        let place = self.visible.iter().flatten().position(|&visible| visible == card);
        place.and_then(|place| i32::try_from(place).ok()).ok_or(Code::ERROR_INVALID_DEVICE)
    }

    /// The card with this index in the script.
    pub fn card(&self, card: usize) -> &Card {
        &self.script.cards[card]
    }

    /// Whether what a call needs is there.
    pub fn ready(&self, subject: Subject) -> Answer<()> {
        match subject {
            Subject::Library => Ok(()),
            _ if self.visible.is_none() => Err(Code::ERROR_NOT_INITIALIZED),
            Subject::System | Subject::Context(_) => Ok(()),
            Subject::Device(ordinal) => self.device(ordinal).map(drop),
            Subject::Current | Subject::Stream(_) | Subject::Event(_) | Subject::Memory(_) => {
                self.current_card().map(drop)
            }
        }
    }

    /// What the script makes of a call; written to the ledger if it fails.
    pub fn play(&mut self, call: &str, subject: Subject) -> Play {
        let uuid = self.card_of(subject).map(|card| self.script.cards[card].uuid.clone());
        self.faults.play(call, uuid.as_deref(), &self.ledger)
    }

    /// Makes every later call on a card fail.
    pub fn lose(&mut self, card: usize, code: Code) -> Code {
        self.faults.lose(&self.script.cards[card].uuid, code.0);
        code
    }

    /// Waits until a time on the virtual clock.
    pub fn wait_until(&mut self, time: u64) {
        self.pause = self.pause.max(self.clock.reach(time));
    }

    /// The card that a call is on, as far as it is on one.
    fn card_of(&self, subject: Subject) -> Option<usize> {
        let current = || self.current_card().ok();
        match subject {
            Subject::Library | Subject::System => None,
            Subject::Device(ordinal) => self.device(ordinal).ok(),
            Subject::Context(handle) => self.card_of_context(handle),
            Subject::Current => current(),
            Subject::Stream(stream) => {
                self.streams.get(stream).map(|held| held.card).or_else(current)
            }
            Subject::Event(event) => self.events.get(event).map(|held| held.card).or_else(current),
            Subject::Memory(address) => self.memory.card_of(address).or_else(current),
        }
    }
}
