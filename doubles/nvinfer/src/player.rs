//! What this process plays: the script, its faults, its ledger and the release. What calls do is
//! in the files of the classes.

use crate::{driver, release::Release, slots::Layout};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use trtbench_double_script::{Entry, Faults, Library, Loaded, Play, Script, Writer, hang};

/// The script and what has come of it so far.
#[derive(Debug)]
struct Player {
    script: Script,
    ledger: Writer,
    faults: Mutex<Faults>,
    release: Release,
}

/// The player; none where there is no script.
fn player() -> Option<&'static Player> {
    static PLAYER: OnceLock<Option<Player>> = OnceLock::new();
    let load = || {
        let Loaded { script, ledger, .. } = Loaded::from_environment(Library::Nvinfer)?;
        let faults = Mutex::new(Faults::new(Library::Nvinfer, &script.faults));
        Some(Player { script, ledger, faults, release: Release::loaded() })
    };
    PLAYER.get_or_init(load).as_ref()
}

/// A lock that panics do not break: a panic in a C function ends the process.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The script; none where the environment names none, and then nothing can be created.
pub fn script() -> Option<&'static Script> {
    player().map(|player| &player.script)
}

/// The release that is played.
pub fn release() -> Release {
    player().map_or_else(Release::loaded, |player| player.release)
}

/// The virtual table of a class.
pub fn layout(class: &str) -> Arc<Layout> {
    static LAYOUTS: Mutex<BTreeMap<String, Arc<Layout>>> = Mutex::new(BTreeMap::new());
    let make = || Arc::new(Layout::of(class, release()));
    lock(&LAYOUTS).entry(class.to_owned()).or_insert_with(make).clone()
}

/// Writes to the ledger.
pub fn write(entry: Entry) {
    if let Some(player) = player() {
        player.ledger.write(entry);
    }
}

/// Writes to the ledger what a client should not have done or what cannot be played.
pub fn unexpected(what: &str) {
    write(Entry::Unexpected { what: what.to_owned() });
}

/// Writes a call of a C function to the ledger.
pub fn called(function: &str, arguments: Vec<String>) {
    let (class, method) = (String::new(), function.to_owned());
    write(Entry::Call { class, method, slot: None, arguments });
}

/// What the script makes of a call, with its code where it fails. Does not return from a call that
/// is to hang.
pub fn fault(call: &str) -> Option<i32> {
    let player = player()?;
    let on_cards = player
        .script
        .faults
        .iter()
        .any(|fault| fault.library == Library::Nvinfer && fault.card.is_some());
    let uuid = if on_cards { driver::card().map(|card| card.uuid.as_str()) } else { None };
    let play = lock(&player.faults).play(call, uuid, &player.ledger);
    match play {
        Play::Proceed => None,
        Play::Lost(code) | Play::Fail(code) => Some(code),
        Play::Hang => hang(),
    }
}
