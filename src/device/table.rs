//! Tables that are part of the program: CSV text with comment lines. Knows no column.

use crate::unit::Ratio;
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};
use std::{fmt, str::FromStr};

/// All rows of `text`. A column that `T` does not have is an error.
///
/// # Panics
/// When a row does not parse: the text is part of the program, and a test reads every table.
pub fn rows<T: DeserializeOwned>(name: &str, text: &'static str) -> Vec<T> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let rows: Result<_, csv::Error> = reader.deserialize().collect();
    rows.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A cell that holds any number of words.
pub fn list<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    cell: D,
) -> Result<Vec<T>, D::Error> {
    let text = String::deserialize(cell)?;
    text.split_whitespace()
        .map(|word| word.parse().map_err(|error| D::Error::custom(format!("{word}: {error}"))))
        .collect()
}

/// A ratio as tables write it: `2` or `1/64`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate {
    over: u32,
    under: u32,
}

impl Rate {
    /// As a number.
    pub fn ratio(self) -> Ratio {
        Ratio(f64::from(self.over) / f64::from(self.under))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.under {
            1 => write!(f, "{}", self.over),
            under => write!(f, "{}/{under}", self.over),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (over, under) = text.split_once('/').unwrap_or((&text, "1"));
        match (over.parse(), under.parse()) {
            (Ok(over), Ok(under)) if over > 0 && under > 0 => Ok(Self { over, under }),
            _ => Err(format!("`{text}` is no rate (such as 2 or 1/64)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_fractions() {
        let rate = |text: &str| Rate::try_from(text.to_owned());
        assert_eq!(rate("1/64").unwrap().ratio(), Ratio(1.0 / 64.0));
        assert_eq!(rate("2").unwrap().to_string(), "2");
        assert!(rate("1/0").is_err() && rate("half").is_err());
    }
}
