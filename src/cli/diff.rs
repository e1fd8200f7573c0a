//! `trtbench diff`: why one model's files are larger than another's.

use super::{End, common};
use crate::{
    model::{self, difference::difference},
    os::printable,
    report,
};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A model, with the files that belong to it
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Another
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let (first, second) = (model::inspect(&arguments.first)?, model::inspect(&arguments.second)?);
    let found = difference(&first, &second);
    let (first, second) = (printable(&arguments.first), printable(&arguments.second));
    if arguments.json {
        let mut value = json!({ "schema": 1, "first": first, "second": second });
        if let (Some(object), serde_json::Value::Object(rest)) =
            (value.as_object_mut(), json!(found))
        {
            object.extend(rest);
        }
        common::print_json(&value)?;
    } else {
        common::print(&report::model::difference(&first, &second, &found))?;
    }
    Ok(End::Complete)
}
