//! Versions of libraries and drivers, and compute capabilities of cards. Knows none of them.

use serde::{Deserialize, Serialize, Serializer};
use std::{cmp::Ordering, fmt, str::FromStr};

/// A version: numbers, the most significant first, shown as they were written (450.80.02). Two
/// versions can be ordered as such; a table's `8.6`, which means all of 8.6, is compared with by
/// [`Version::against`].
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Version {
    numbers: Vec<u32>,
    text: String,
}

impl Version {
    /// The numbers that `text` starts with, up to what is neither a number nor a single dot:
    /// `1.32.0-dev` is 1.32.0. None if it starts with no number, or with one beyond 32 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = Vec::new();
        for part in text.trim().split('.') {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            words.extend(Some(&part[..digits]).filter(|word| !word.is_empty()));
            if digits == 0 || digits < part.len() {
                break;
            }
        }
        let numbers: Vec<u32> =
            words.iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        (!numbers.is_empty()).then(|| Self { numbers, text: words.join(".") })
    }

    /// The first number.
    pub fn major(&self) -> u32 {
        self.numbers.first().copied().unwrap_or_default()
    }

    /// Compares as many parts as both have: 8.6.1 against 8.6 is equal.
    pub fn against(&self, bound: &Self) -> Ordering {
        let mut pairs =
            self.numbers.iter().zip(&bound.numbers).map(|(ours, other)| ours.cmp(other));
        pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Whether it is `floor` or later. None if it has too few parts to tell: 525 for 525.60.13.
    pub fn at_least(&self, floor: &Self) -> Option<bool> {
        match self.against(floor) {
            Ordering::Less => Some(false),
            Ordering::Greater => Some(true),
            Ordering::Equal => {
                let rest = floor.numbers.get(self.numbers.len()..).unwrap_or_default();
                rest.iter().all(|&part| part == 0).then_some(true)
            }
        }
    }

    /// The first two parts, by which releases are called.
    pub fn release(&self) -> Self {
        let words: Vec<&str> = self.text.split('.').take(2).collect();
        Self { numbers: self.numbers.iter().take(2).copied().collect(), text: words.join(".") }
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Version {
    type Err = String;

    /// As [`Version::parse`], but the whole text has to be a version.
    fn from_str(text: &str) -> Result<Self, String> {
        let version = Self::parse(text).filter(|version| version.text == text);
        version.ok_or_else(|| format!("`{text}` is no version"))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn what_follows_the_numbers_is_left_out() {
        let shown = |text: &str| Version::parse(text).map(|version| version.to_string());
        assert_eq!(shown("10.3.0.26").as_deref(), Some("10.3.0.26"));
        assert_eq!(shown(" 1.32.0-dev.2026\n").as_deref(), Some("1.32.0"));
        assert_eq!(shown("8.6rc1.2").as_deref(), Some("8.6"));
        assert_eq!(shown("8..6").as_deref(), Some("8"));
        assert_eq!(shown("450.80.02").as_deref(), Some("450.80.02"));
        assert_eq!(version("450.80.02"), version("450.80.2"));
        for none in ["", ".", "v8", "-1", "unknown", "99999999999.1"] {
            assert_eq!(shown(none), None, "{none}");
        }
        assert!("8.6rc1".parse::<Version>().is_err());
    }

    #[test]
    fn a_prefix_is_equal_to_all_that_start_with_it() {
        let against = |a, b| version(a).against(&version(b));
        assert_eq!(against("8.6.1", "8.6"), Ordering::Equal);
        assert_eq!(against("8.6", "8.6.1"), Ordering::Equal);
        assert_eq!(against("8.10", "8.6"), Ordering::Greater);
        assert_eq!(against("8.5.3", "8.6"), Ordering::Less);
        assert!(version("8.6") < version("8.6.1") && version("8.9") < version("8.10"));
    }

    #[test]
    fn a_version_that_is_too_short_is_not_taken_for_one_above_the_floor() {
        let at_least = |a, b| version(a).at_least(&version(b));
        assert_eq!(at_least("525", "525.60.13"), None);
        assert_eq!(at_least("525.60", "525.60.0"), Some(true));
        assert_eq!(at_least("525.60.13", "525.60.13"), Some(true));
        assert_eq!(at_least("525.60.12", "525.60.13"), Some(false));
        assert_eq!(at_least("580.65.06", "580"), Some(true));
    }
}
