//! `trtbench compare`: two runs side by side.

use super::{End, common};
use crate::{analysis, report, store::Run};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of the earlier run
    base: PathBuf,
    /// Folder of the later run
    new: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let (base, new) = (Run::read(&arguments.base)?, Run::read(&arguments.new)?);
    let comparison = analysis::compare(&base, &new);
    let text = if arguments.json {
        format!("{:#}", report::json::comparison(&base.info, &new.info, &comparison))
    } else {
        report::table::comparison(&comparison)
    };
    common::print(&text)?;
    Ok(End::Complete)
}
