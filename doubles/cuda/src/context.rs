//! Primary contexts: one for each card, retained and released by count, and current in threads.

use crate::{
    code::{Answer, Code},
    driver::Driver,
    table::Handle,
};
use std::thread;
use trtbench_double_script::Kind;

/// A card's primary context, or what is known of it while there is none.
#[derive(Debug, Default)]
pub struct Context {
    /// 0 while it is not retained.
    handle: Handle,
    /// How often it is retained.
    retained: u64,
    flags: u32,
}

impl Driver {
    /// Retains the primary context of a card.
    pub fn retain(&mut self, card: usize) -> Handle {
        let context = self.contexts.entry(card).or_default();
        if context.retained == 0 {
            self.contexts_made += 1;
            context.handle = ((Kind::Context as u64 + 1) << 32) + 16 * self.contexts_made;
        }
        context.retained += 1;
        self.ledger.alloc(Kind::Context, context.handle, 0);
        context.handle
    }

    /// Releases the primary context of a card; with the last release goes what belongs to it.
    pub fn release(&mut self, card: usize) -> Answer<()> {
        let context = self.contexts.get_mut(&card).filter(|context| context.retained > 0);
        let context = context.ok_or(Code::ERROR_INVALID_CONTEXT)?;
        context.retained -= 1;
        self.ledger.free(Kind::Context, context.handle);
        if context.retained == 0 {
            context.handle = 0;
            self.sweep(card);
        }
        Ok(())
    }

    /// Sets the flags of a card's primary context.
    pub fn set_flags(&mut self, card: usize, flags: u32) {
        self.contexts.entry(card).or_default().flags = flags;
    }

    /// The flags of a card's primary context, and whether it is retained.
    pub fn context_state(&self, card: usize) -> (u32, bool) {
        self.contexts.get(&card).map_or((0, false), |context| (context.flags, context.retained > 0))
    }

    /// Makes a context the calling thread's; 0 for none.
    pub fn set_current(&mut self, handle: Handle) -> Answer<()> {
        let thread = thread::current().id();
        if handle == 0 {
            self.current.remove(&thread);
            return Ok(());
        }
        self.card_of_context(handle).ok_or(Code::ERROR_INVALID_CONTEXT)?;
        self.current.insert(thread, handle);
        Ok(())
    }

    /// The calling thread's context; 0 for none.
    pub fn current(&self) -> Handle {
        self.current.get(&thread::current().id()).copied().unwrap_or(0)
    }

    /// The card of the calling thread's context.
    pub fn current_card(&self) -> Answer<usize> {
        match self.current() {
            0 => Err(Code::ERROR_INVALID_CONTEXT),
            handle => self.card_of_context(handle).ok_or(Code::ERROR_CONTEXT_IS_DESTROYED),
        }
    }

    /// The card of a context that is retained.
    pub fn card_of_context(&self, handle: Handle) -> Option<usize> {
        let found = self.contexts.iter().find(|(_, context)| context.handle == handle);
        found.filter(|_| handle != 0).map(|(&card, _)| card)
    }

    /// Drops what belongs to a card's context.
    fn sweep(&mut self, card: usize) {
        self.captures.retain(|_, capture| capture.card != card);
        self.default_streams.remove(&card);
        self.memory.sweep(card);
        self.streams.sweep(card);
        self.events.sweep(card);
        self.modules.sweep(card);
        self.graphs.sweep(card);
        self.execs.sweep(card);
    }
}
