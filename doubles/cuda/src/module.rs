//! Modules and their kernels: names in a text of PTX, or whatever name is asked for in a binary
//! image, which is not looked into.

use crate::{
    code::{Answer, Code},
    driver::Driver,
    kernels::Arguments,
    stream::StreamAt,
    table::Handle,
    work::Work,
};
use std::collections::BTreeMap;

/// A loaded module.
#[derive(Debug)]
pub struct Module {
    image: Image,
    /// Names of the kernels that were asked for, by their handles.
    functions: BTreeMap<Handle, String>,
}

/// What a module was loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// A text of PTX.
    Ptx(String),
    /// A cubin or fat binary.
    Binary,
}

/// How a kernel is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks along each axis.
    pub blocks: [u32; 3],
    /// Threads of a block along each axis.
    pub threads: [u32; 3],
}

/// Of a block, on every card.
pub const MAX_THREADS: i32 = 1024;

impl Image {
    /// Whether the image has a kernel of this name, as far as can be told.
    fn has(&self, name: &str) -> bool {
        let Self::Ptx(text) = self else { return true };
        let names = text.split(".entry").skip(1).map(|rest| {
            let rest = rest.trim_start();
            let end =
                rest.find(|char: char| !char.is_ascii_alphanumeric() && !"_$%".contains(char));
            &rest[..end.unwrap_or(rest.len())]
        });
        names.into_iter().any(|found| found == name)
    }
}

impl Grid {
    fn is_possible(self) -> bool {
        let threads = self.threads.iter().map(|&count| u64::from(count)).product();
        !self.blocks.contains(&0) && (1..=MAX_THREADS as u64).contains(&threads)
    }
}

impl Driver {
    /// Loads a module on the current card.
    pub fn load_module(&mut self, image: Image) -> Answer<Handle> {
        let card = self.current_card()?;
        self.forbid_during_capture()?;
        Ok(self.modules.insert(card, Module { image, functions: BTreeMap::new() }))
    }

    /// Ends a module and its kernels.
    pub fn unload_module(&mut self, handle: Handle) -> Answer<()> {
        self.modules.remove(handle).map(drop).ok_or(Code::ERROR_INVALID_HANDLE)
    }

    /// Finds a kernel by its name.
    pub fn function(&mut self, module: Handle, name: &str) -> Answer<Handle> {
        let held = self.modules.get_mut(module).ok_or(Code::ERROR_INVALID_HANDLE)?;
        if !held.value.image.has(name) {
            return Err(Code::ERROR_NOT_FOUND);
        }
        self.functions_made += 1;
        // Beyond the handles of all kinds.
        let handle = (0xff << 32) + 16 * self.functions_made;
        held.value.functions.insert(handle, name.to_owned());
        Ok(handle)
    }

    /// Runs a kernel in a stream of the card on which its module is; its arguments are copied, as far as
    /// it is known how many there are.
    pub fn launch(
        &mut self,
        function: Handle,
        grid: Grid,
        arguments: Arguments,
        stream: StreamAt,
    ) -> Answer<()> {
        let mut on_card = self.modules.on(stream.card);
        let name = on_card.find_map(|(_, module)| module.functions.get(&function)).cloned();
        drop(on_card);
        let name = name.ok_or(Code::ERROR_INVALID_HANDLE)?;
        if !grid.is_possible() {
            return Err(Code::ERROR_INVALID_VALUE);
        }
        let code = match &self.kernels {
            Some(kernels) => kernels.call(&name, grid, arguments),
            None => None,
        };
        self.submit(stream, Work::Kernel { name, code })
    }
}
