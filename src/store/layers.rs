//! The times of a model's layers as a table that any program reads, lossless. docs/RESULTS.md
//! explains the columns.

use crate::{engine::Layer, unit::Nanos};
use serde::{Deserialize, Serialize};

/// One layer; the fields are the columns, in this order.
#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
    operator: String,
    precision: Option<String>,
    place: Option<String>,
    /// One number for each run, with a space between.
    times_ns: String,
}

/// The layers as CSV, a row each, in the order of execution.
///
/// # Errors
/// When a row cannot be encoded.
pub fn encode(layers: &[Layer]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for layer in layers {
        let times: Vec<String> = layer.times.iter().map(|time| time.0.to_string()).collect();
        writer.serialize(Row {
            name: layer.name.clone(),
            operator: layer.operator.clone(),
            precision: layer.precision.clone(),
            place: layer.place.clone(),
            times_ns: times.join(" "),
        })?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// The layers of such a table.
///
/// # Errors
/// In words, when it is none.
pub fn decode(table: &[u8]) -> Result<Vec<Layer>, String> {
    csv::Reader::from_reader(table)
        .deserialize()
        .map(|row| layer(row.map_err(|error| error.to_string())?))
        .collect()
}

fn layer(Row { name, operator, precision, place, times_ns }: Row) -> Result<Layer, String> {
    let time = |text: &str| text.parse().map(Nanos).map_err(|_| format!("`{text}` is no time"));
    let times = times_ns.split_whitespace().map(time).collect::<Result<_, _>>()?;
    Ok(Layer { name, operator, precision, place, times })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layers() -> impl Strategy<Value = Vec<Layer>> {
        let told = proptest::option::of("(?s).{1,9}");
        let times = proptest::collection::vec(any::<u64>().prop_map(Nanos), 0..4);
        let layer = ("(?s).{0,9}", "(?s).{0,9}", told.clone(), told, times).prop_map(
            |(name, operator, precision, place, times)| Layer {
                name,
                operator,
                precision,
                place,
                times,
            },
        );
        proptest::collection::vec(layer, 0..4)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(layers in layers()) {
            prop_assert_eq!(decode(&encode(&layers).unwrap()).unwrap(), layers);
        }
    }

    #[test]
    fn what_is_no_table_of_times_is_refused() {
        assert!(decode(b"name,operator,precision,place,times_ns\na,b,,,1 x\n").is_err());
        assert!(decode(b"name,operator\na,b\n").is_err());
    }
}
