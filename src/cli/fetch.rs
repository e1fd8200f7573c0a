//! `trtbench fetch`: fills the cache from the package registry.

use super::{End, common};
use crate::fetch;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to bring
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// The ONNX Runtime library that engine `ort` loads
    Runtime,
    /// Trained models that scenarios name with `fetch = "…"`
    Models,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let cache = fetch::cache_dir()?;
    let mut say = common::tell;
    let paths = match arguments.what {
        What::Runtime => vec![fetch::runtime(&cache, &mut say)?],
        What::Models => fetch::models(&cache, &mut say)?,
    };
    for path in paths {
        common::print(&path.display().to_string())?;
    }
    Ok(End::Complete)
}
