//! Locked clocks. The real ones are locked in the card, so that every process sees it; here they
//! are in a file beside the script.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

/// A clock that can be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    Graphics,
    Memory,
}

/// Lowest and highest MHz.
pub type Range = (u32, u32);

/// Ranges by card and clock.
type Held = BTreeMap<String, BTreeMap<Domain, Range>>;

/// The file of locked clocks.
#[derive(Debug)]
pub struct Locks(PathBuf);

impl Locks {
    /// That of the script with this path; there need be none yet.
    pub fn of(script: &Path) -> Self {
        let mut path = script.as_os_str().to_owned();
        path.push(".clocks");
        Self(path.into())
    }

    /// The range in which a clock of the card with this UUID is locked.
    pub fn get(&self, uuid: &str, domain: Domain) -> io::Result<Option<Range>> {
        if !self.0.exists() {
            return Ok(None);
        }
        let mut file = File::open(&self.0)?;
        file.lock_shared()?;
        Ok(read(&mut file)?.get(uuid).and_then(|card| card.get(&domain)).copied())
    }

    /// Locks a clock, or unlocks it; gives the range in which it was locked before.
    pub fn set(
        &self,
        uuid: &str,
        domain: Domain,
        range: Option<Range>,
    ) -> io::Result<Option<Range>> {
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(&self.0)?;
        file.lock()?;
        let mut held = read(&mut file)?;
        let card = held.entry(uuid.to_owned()).or_default();
        let before = match range {
            Some(range) => card.insert(domain, range),
            None => card.remove(&domain),
        };
        let text = serde_json::to_vec(&held)?;
        file.rewind()?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)?;
        Ok(before)
    }
}

fn read(file: &mut File) -> io::Result<Held> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if text.is_empty() { Ok(Held::new()) } else { Ok(serde_json::from_str(&text)?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_by_others_until_it_is_lifted() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.json");
        let (locks, other) = (Locks::of(&script), Locks::of(&script));
        assert_eq!(locks.get("a", Domain::Graphics).unwrap(), None);
        assert_eq!(locks.set("a", Domain::Graphics, Some((1000, 1005))).unwrap(), None);
        assert_eq!(other.get("a", Domain::Graphics).unwrap(), Some((1000, 1005)));
        assert_eq!(other.get("a", Domain::Memory).unwrap(), None);
        assert_eq!(other.get("b", Domain::Graphics).unwrap(), None);
        assert_eq!(other.set("a", Domain::Graphics, None).unwrap(), Some((1000, 1005)));
        assert_eq!(locks.get("a", Domain::Graphics).unwrap(), None);
    }
}
