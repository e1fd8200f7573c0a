//! Memory of the cards, and memory of the host that is pinned for them.

use crate::{
    block::Block,
    code::{Answer, Code},
    driver::Driver,
    table::{Handle, Table},
};
use std::sync::Arc;
use trtbench_double_script::{Kind, Writer};

/// All memory that a process has from the driver.
#[derive(Debug)]
pub struct Memory {
    device: Table<Block>,
    host: Table<Block>,
    /// Bytes of registered ranges of the host's memory.
    registered: Table<usize>,
    /// Whether what others have allocated is taken for a card's.
    foreign: bool,
}

impl Memory {
    /// None yet.
    pub fn new(ledger: &Arc<Writer>, foreign: bool) -> Self {
        Self {
            foreign,
            device: Table::new(Kind::DeviceMemory, ledger),
            host: Table::new(Kind::HostMemory, ledger),
            registered: Table::new(Kind::HostRegistration, ledger),
        }
    }

    /// Whether a range is within one allocation of a card, or may be somebody else's.
    pub fn on_card(&self, address: u64, bytes: usize) -> bool {
        self.foreign && address != 0
            || self.device.at_or_below(address).is_some_and(|(start, held)| {
                let end = start + held.value.bytes() as u64;
                address.checked_add(bytes as u64).is_some_and(|last| last <= end)
            })
    }

    /// The card on which an allocation begins at this address.
    pub fn card_of(&self, address: u64) -> Option<usize> {
        self.device.get(address).map(|held| held.card)
    }

    /// Drops what belongs to a card's context.
    pub fn sweep(&mut self, card: usize) {
        self.device.sweep(card);
        self.host.sweep(card);
        self.registered.sweep(card);
    }

    /// Bytes of a card that are taken.
    fn taken(&self, card: usize) -> u64 {
        self.device.on(card).map(|(_, block)| block.bytes() as u64).sum()
    }

    /// Whether a range of the host's memory meets one that is pinned.
    fn meets_pinned(&self, address: u64, bytes: usize) -> bool {
        let last = address.saturating_add(bytes as u64 - 1);
        let reaches = |start: Handle, bytes: usize| start + bytes as u64 > address;
        let registered = self.registered.at_or_below(last);
        let host = self.host.at_or_below(last);
        registered.is_some_and(|(start, held)| reaches(start, held.value))
            || host.is_some_and(|(start, held)| reaches(start, held.value.bytes()))
    }
}

impl Driver {
    /// Free and all bytes of the current card.
    pub fn memory_info(&self) -> Answer<(usize, usize)> {
        let card = self.current_card()?;
        let total = self.card(card).memory_bytes;
        let free = total.saturating_sub(self.memory.taken(card));
        Ok((as_size(free), as_size(total)))
    }

    /// Takes memory of the current card.
    pub fn allocate(&mut self, bytes: usize) -> Answer<Handle> {
        let card = self.current_card()?;
        self.forbid_during_capture()?;
        if bytes == 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        if bytes > self.memory_info()?.0 {
            return Err(Code::ERROR_OUT_OF_MEMORY);
        }
        let block = Block::new(bytes).ok_or(Code::ERROR_OUT_OF_MEMORY)?;
        let address = block.address();
        self.memory.device.insert_at(address, card, bytes as u64, block);
        Ok(address)
    }

    /// Gives memory of a card back; nothing happens for a null pointer.
    pub fn free(&mut self, address: Handle) -> Answer<()> {
        self.forbid_during_capture()?;
        if address == 0 {
            return Ok(());
        }
        self.memory.device.remove(address).map(drop).ok_or(Code::ERROR_INVALID_VALUE)
    }

    /// Takes pinned memory of the host.
    pub fn allocate_host(&mut self, bytes: usize) -> Answer<Handle> {
        let card = self.current_card()?;
        self.forbid_during_capture()?;
        if bytes == 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        let block = Block::new(bytes).ok_or(Code::ERROR_OUT_OF_MEMORY)?;
        let address = block.address();
        self.memory.host.insert_at(address, card, bytes as u64, block);
        Ok(address)
    }

    /// Gives pinned memory of the host back; nothing happens for a null pointer.
    pub fn free_host(&mut self, address: Handle) -> Answer<()> {
        self.forbid_during_capture()?;
        if address == 0 {
            return Ok(());
        }
        self.memory.host.remove(address).map(drop).ok_or(Code::ERROR_INVALID_VALUE)
    }

    /// Pins memory that the caller has from elsewhere.
    pub fn register_host(&mut self, address: Handle, bytes: usize) -> Answer<()> {
        let card = self.current_card()?;
        self.forbid_during_capture()?;
        if address == 0 || bytes == 0 {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        if self.memory.meets_pinned(address, bytes) {
            return Err(Code::ERROR_HOST_MEMORY_ALREADY_REGISTERED);
        }
        self.memory.registered.insert_at(address, card, bytes as u64, bytes);
        Ok(())
    }

    /// Unpins memory that was pinned at this address.
    pub fn unregister_host(&mut self, address: Handle) -> Answer<()> {
        self.forbid_during_capture()?;
        let held = self.memory.registered.remove(address);
        held.map(drop).ok_or(Code::ERROR_HOST_MEMORY_NOT_REGISTERED)
    }
}

fn as_size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
