//! Which shapes a graph's inputs have: as its user says, as the file fixes them, or assumed.

use super::Error;
use crate::{
    model::graph::{Graph, infer::Fact},
    tensor::{DType, Dim, TensorInfo},
};
use std::collections::BTreeMap;

/// Shapes that the user gives, by the input's name.
pub type GivenInputs = BTreeMap<String, Vec<u64>>;

/// The shape that an input was given or is taken to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputShape {
    /// Its name.
    pub name: String,
    /// Type of its elements.
    pub dtype: DType,
    /// Lengths of its dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Those dimensions whose lengths neither the file nor the user says.
    pub assumed: Vec<usize>,
}

/// Height and width of an image where nothing says another: what detection models are measured at.
const IMAGE_SIDE: u64 = 640;

/// Inputs of detection models that hold two numbers for each image: Paddle's size and scale, and
/// RT-DETR's size of the original.
const PAIRS: [&str; 3] = ["im_shape", "scale_factor", "orig_target_sizes"];

/// Reads `NAME=1x3x640x640`.
///
/// # Errors
/// When it is written in another way or a length is 0.
pub fn given(text: &str) -> Result<(String, Vec<u64>), Error> {
    let wrong = || Error::Notation(text.to_owned());
    let (name, shape) = text.rsplit_once('=').ok_or_else(wrong)?;
    let length = |part: &str| part.trim().parse().ok().filter(|&length: &u64| length > 0);
    let shape: Option<Vec<u64>> = match shape.trim() {
        "" => Some(Vec::new()),
        shape => shape.split(['x', '×']).map(length).collect(),
    };
    match shape {
        Some(shape) if !name.is_empty() => Ok((name.to_owned(), shape)),
        _ => Err(wrong()),
    }
}

/// The shape of every input of `graph`.
///
/// # Errors
/// When an input is given that there is not, or a shape that contradicts the file; when the file
/// does not say how many dimensions an input has.
pub fn shapes(graph: &Graph, given: &GivenInputs) -> Result<Vec<InputShape>, Error> {
    let infos = || graph.inputs.iter().filter_map(|id| graph.values.get(id.0 as usize));
    let infos: Vec<&TensorInfo> = infos().map(|value| &value.info).collect();
    if let Some(name) = given.keys().find(|&name| infos.iter().all(|info| info.name != *name)) {
        let known = infos.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(Error::Name { name: name.clone(), known });
    }
    let mut lengths = Lengths::default();
    for info in &infos {
        if let Some(shape) = given.get(&info.name) {
            lengths.learn(info, shape)?;
        }
    }
    infos.into_iter().map(|info| lengths.shape(info, given.get(&info.name))).collect()
}

/// What given shapes tell of the inputs that are not given.
#[derive(Default)]
struct Lengths {
    /// Of dimensions with a name.
    named: BTreeMap<String, u64>,
    /// Of the outermost dimension, where the file leaves it open.
    batch: Option<u64>,
}

impl Lengths {
    fn learn(&mut self, info: &TensorInfo, shape: &[u64]) -> Result<(), Error> {
        let Some(dims) = &info.dims else { return Ok(()) };
        if dims.len() != shape.len() {
            return Err(Error::Rank { input: info.to_string(), given: shape.to_vec() });
        }
        for (axis, (dim, &length)) in dims.iter().zip(shape).enumerate() {
            match dim {
                Dim::Fixed(fixed) if *fixed as u64 != length => {
                    let input = info.to_string();
                    return Err(Error::Length { input, axis, fixed: *fixed as u64, given: length });
                }
                Dim::Fixed(_) => {}
                Dim::Dynamic(name) => {
                    if axis == 0 {
                        self.batch = Some(length);
                    }
                    if !name.is_empty() {
                        self.named.insert(name.clone(), length);
                    }
                }
            }
        }
        Ok(())
    }

    fn shape(&self, info: &TensorInfo, given: Option<&Vec<u64>>) -> Result<InputShape, Error> {
        let (name, dtype) = (info.name.clone(), info.dtype);
        if let Some(shape) = given {
            return Ok(InputShape { name, dtype, shape: shape.clone(), assumed: Vec::new() });
        }
        let Some(dims) = &info.dims else { return Err(Error::Undeclared(name)) };
        let (mut shape, mut assumed) = (Vec::new(), Vec::new());
        for (axis, dim) in dims.iter().enumerate() {
            shape.push(match dim {
                Dim::Fixed(length) => *length as u64,
                Dim::Dynamic(dim) => {
                    assumed.push(axis);
                    let usual = || self.usual(info, dims, axis);
                    self.named.get(dim).copied().unwrap_or_else(usual)
                }
            });
        }
        Ok(InputShape { name, dtype, shape, assumed })
    }

    fn usual(&self, info: &TensorInfo, dims: &[Dim], axis: usize) -> u64 {
        match axis {
            0 => self.batch.unwrap_or(1),
            1 if dims.len() == 2 && PAIRS.contains(&info.name.as_str()) => 2,
            _ if sides(dims).contains(&axis) => IMAGE_SIDE,
            _ => 1,
        }
    }
}

/// Where an image's height and width are: before the channels only where the last dimension, and it
/// alone, is as long as colours are.
fn sides(dims: &[Dim]) -> std::ops::Range<usize> {
    let colours = |dim: &Dim| matches!(dim, Dim::Fixed(1 | 3 | 4));
    match dims {
        [_, second, _, last] if colours(last) && !colours(second) => 1..3,
        [_, _, _, _] => 2..4,
        _ => 0..0,
    }
}

impl InputShape {
    /// What is known of the input before anything has run.
    pub fn fact(&self) -> Fact {
        Fact::shaped(self.dtype, &self.shape)
    }
}
