//! Between this project's tensors and `rten`'s, without copying where both know the type.

use super::Error;
use crate::{
    engine::foreign::chain,
    tensor::{DType, Data, Dim, Elements, ModelIo, Shape, Tensor, TensorInfo, TensorView},
};
use rten::{DataType, Dimension, Model, NodeId, Value, ValueOrView, ValueType, ValueView};
use rten_tensor::{AsView, Layout};

/// Inputs and outputs with the types that `rten` sees: 64 bit integers and truth values are 32
/// bit integers to it, and all floats are of 32 bits.
pub fn describe(model: &Model) -> ModelIo {
    let all = |ids: &[NodeId]| ids.iter().map(|&id| tensor_info(model, id)).collect();
    ModelIo { inputs: all(model.input_ids()), outputs: all(model.output_ids()) }
}

fn tensor_info(model: &Model, id: NodeId) -> TensorInfo {
    let node = model.node_info(id);
    let name = node.as_ref().and_then(|node| node.name()).unwrap_or_default();
    TensorInfo {
        name: name.into(),
        dtype: dtype(node.as_ref().and_then(|node| node.dtype())),
        dims: node.and_then(|node| node.shape()).map(|dims| dims.into_iter().map(dim).collect()),
    }
}

fn dtype(seen: Option<ValueType>) -> DType {
    match seen {
        Some(ValueType::Tensor(DataType::Float)) => DType::F32,
        Some(ValueType::Tensor(DataType::Int32)) => DType::I32,
        Some(ValueType::Tensor(DataType::Int8)) => DType::I8,
        Some(ValueType::Tensor(DataType::UInt8)) => DType::U8,
        // ONNX's number for "undefined".
        _ => DType::Other(0),
    }
}

fn dim(dimension: Dimension) -> Dim {
    match dimension {
        Dimension::Fixed(n) => Dim::Fixed(n),
        Dimension::Symbolic(name) => Dim::Dynamic(name),
    }
}

/// A tensor as an input of a run. Only 64 bit integers are copied: `rten` has none.
pub fn feed(tensor: &Tensor) -> Result<ValueOrView<'_>, Error> {
    let dims = tensor.shape.dims();
    let failed = |words: String| Error::Failed(format!("input `{}`: {words}", tensor.name));
    match &tensor.data {
        Data::F32(data) => {
            ValueView::from_shape(dims, data).map(Into::into).map_err(|e| failed(chain(&e)))
        }
        Data::I32(data) => {
            ValueView::from_shape(dims, data).map(Into::into).map_err(|e| failed(chain(&e)))
        }
        Data::I64(data) => {
            let narrow = data.iter().map(|&n| i32::try_from(n)).collect::<Result<Vec<_>, _>>();
            let narrow = narrow.map_err(|_| failed("a value exceeds rten's 32 bits".into()))?;
            Value::from_shape(dims, narrow).map(Into::into).map_err(|e| failed(chain(&e)))
        }
    }
}

/// Lays an output's elements out in order; free where they already are.
pub fn straighten(value: &mut Value) {
    match value {
        Value::FloatTensor(tensor) => tensor.make_contiguous(),
        Value::Int32Tensor(tensor) => tensor.make_contiguous(),
        _ => {}
    }
}

/// Borrows an output; `None` for a type that is none of [`Elements`].
pub fn view(value: &Value) -> Option<TensorView<'_>> {
    match value {
        Value::FloatTensor(tensor) => borrow(tensor, Elements::F32),
        Value::Int32Tensor(tensor) => borrow(tensor, Elements::I32),
        _ => None,
    }
}

fn borrow<'a, T>(
    tensor: &'a rten_tensor::Tensor<T>,
    elements: impl FnOnce(&'a [T]) -> Elements<'a>,
) -> Option<TensorView<'a>> {
    Some(TensorView { shape: Shape::new(tensor.shape())?, elements: elements(tensor.data()?) })
}
