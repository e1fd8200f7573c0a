//! Between this project's tensors and ONNX Runtime's, without copying.

use super::sys;
use crate::{
    engine::card::Output,
    tensor::{
        DType, Data, Dim, Elements, MAX_RANK, ModelIo, Shape, Tensor, TensorInfo, TensorView,
    },
};
use ort::{
    session::{Session, SessionInputValue},
    value::{
        DynTensor, DynValue, Outlet, PrimitiveTensorElementType, TensorElementType, TensorRef,
        ValueType,
    },
};
use std::fmt::Debug;

/// Inputs and outputs of a loaded model; initialisers that may be overridden are no inputs.
pub fn describe(session: &Session) -> ModelIo {
    let all = |outlets: &[Outlet]| outlets.iter().map(tensor_info).collect();
    ModelIo { inputs: all(session.inputs()), outputs: all(session.outputs()) }
}

fn tensor_info(outlet: &Outlet) -> TensorInfo {
    let dtype = outlet.dtype().tensor_type().map_or(DType::Other(0), dtype);
    TensorInfo { name: outlet.name().into(), dtype, dims: dims(outlet.dtype()) }
}

/// ONNX Runtime tells a scalar and a shape that the model does not declare in the same way; the
/// latter is what detection models have.
fn dims(declared: &ValueType) -> Option<Vec<Dim>> {
    let ValueType::Tensor { shape, dimension_symbols, .. } = declared else { return None };
    let dims = shape.iter().enumerate().map(|(axis, &n)| match usize::try_from(n) {
        Ok(n) => Dim::Fixed(n),
        Err(_) => Dim::Dynamic(dimension_symbols.get(axis).cloned().unwrap_or_default()),
    });
    (!shape.is_empty()).then(|| dims.collect())
}

/// Types beyond [`DType`]'s own by their number in ONNX's `TensorProto.DataType`.
fn dtype(seen: TensorElementType) -> DType {
    match seen {
        TensorElementType::Float32 => DType::F32,
        TensorElementType::Float16 => DType::F16,
        TensorElementType::Bfloat16 => DType::BF16,
        TensorElementType::Float64 => DType::F64,
        TensorElementType::Int8 => DType::I8,
        TensorElementType::Uint8 => DType::U8,
        TensorElementType::Int32 => DType::I32,
        TensorElementType::Int64 => DType::I64,
        TensorElementType::Bool => DType::Bool,
        TensorElementType::Uint16 => DType::Other(4),
        TensorElementType::Int16 => DType::Other(5),
        TensorElementType::String => DType::Other(8),
        TensorElementType::Uint32 => DType::Other(12),
        TensorElementType::Uint64 => DType::Other(13),
        _ => DType::Other(0),
    }
}

/// A tensor as an input of a run, borrowed.
pub fn feed(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    match &tensor.data {
        Data::F32(data) => borrow(&tensor.shape, data),
        Data::I32(data) => borrow(&tensor.shape, data),
        Data::I64(data) => borrow(&tensor.shape, data),
    }
}

fn borrow<'a, T: PrimitiveTensorElementType + Clone + Debug + 'static>(
    shape: &Shape,
    data: &'a [T],
) -> ort::Result<SessionInputValue<'a>> {
    // ONNX Runtime counts in signed numbers; no tensor in memory comes near their end.
    let dims: ort::value::Shape = shape.dims().iter().map(|&n| n as i64).collect::<Vec<_>>().into();
    Ok(TensorRef::from_array_view((dims, data))?.into())
}

/// Where an output lies on a card; `None` if it is of a type that is not known here.
pub fn place(tensor: &DynTensor) -> Option<Output<'_>> {
    let dtype = dtype(*tensor.data_type());
    let dims = tensor.shape().iter().map(|&n| usize::try_from(n).ok());
    let shape = Shape::new(&dims.collect::<Option<Vec<_>>>()?)?;
    matches!(dtype, DType::F32 | DType::I32 | DType::I64).then(|| Output {
        memory: sys::memory_of(tensor),
        shape,
        dtype,
    })
}

/// Borrows an output; `None` for a type that is none of [`Elements`].
pub fn view(value: &DynValue) -> Option<TensorView<'_>> {
    match value.dtype().tensor_type()? {
        TensorElementType::Float32 => extract(value, Elements::F32),
        TensorElementType::Int32 => extract(value, Elements::I32),
        TensorElementType::Int64 => extract(value, Elements::I64),
        _ => None,
    }
}

fn extract<'a, T: PrimitiveTensorElementType + 'a>(
    value: &'a DynValue,
    elements: impl FnOnce(&'a [T]) -> Elements<'a>,
) -> Option<TensorView<'a>> {
    let (dims, data) = value.try_extract_tensor::<T>().ok()?;
    let mut lengths = [0; MAX_RANK];
    let lengths = lengths.get_mut(..dims.len())?;
    for (length, &dim) in lengths.iter_mut().zip(dims.iter()) {
        *length = usize::try_from(dim).ok()?;
    }
    Some(TensorView { shape: Shape::new(lengths)?, elements: elements(data) })
}
