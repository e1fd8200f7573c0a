//! Reads of an ONNX file what an engine needs to look like it: inputs, outputs and nodes. Weights
//! and attributes are passed over.

/// A model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Of the graph.
    pub name: String,
    /// Without those that are initialised.
    pub inputs: Vec<Value>,
    pub outputs: Vec<Value>,
    pub nodes: Vec<Node>,
    /// The `TensorProto.DataType` of each weight.
    pub weights: Vec<u64>,
}

/// An input or output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    pub name: String,
    /// A `TensorProto.DataType`.
    pub element: u64,
    /// None where the rank is not known.
    pub shape: Option<Vec<Length>>,
}

/// A length of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Length {
    Fixed(i64),
    /// Not known, but the same wherever it has this name.
    Named(String),
    Unknown,
    /// Depends on the inputs' values.
    Found,
}

impl Length {
    /// As TensorRT writes it: -1 where it is not known.
    pub fn number(&self) -> i64 {
        if let Self::Fixed(length) = self { *length } else { -1 }
    }
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub operator: String,
    /// Names of what it gives.
    pub outputs: Vec<String>,
    /// Empty for ONNX's own operators.
    pub domain: String,
}

/// Operators of which the shape of the output depends on the values of the input.
const FINDERS: [&str; 4] = ["NonZero", "NonMaxSuppression", "Unique", "Compress"];

impl Model {
    /// Reads a model; none where the bytes are not one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut graph = None;
        let mut version = None;
        for field in fields(bytes)? {
            match field {
                (1, Wire::Number(number)) => version = Some(number),
                (7, Wire::Bytes(bytes)) => graph = Some(read_graph(bytes)?),
                _ => {}
            }
        }
        version.and(graph)
    }

    /// The lengths of an output. What files say of those that depend on values is not believed.
    pub fn output_shape(&self, output: &Value) -> Vec<Length> {
        let shape = output.shape.clone().unwrap_or(vec![Length::Found]);
        let gives = |node: &&Node| node.outputs.contains(&output.name);
        let finds = |node: &Node| FINDERS.contains(&node.operator.as_str());
        if !self.nodes.iter().find(gives).is_some_and(finds) {
            return shape;
        }
        let found = |length| if let Length::Fixed(_) = length { length } else { Length::Found };
        shape.into_iter().map(found).collect()
    }

    /// Whether it has nodes that quantise.
    pub fn is_quantised(&self) -> bool {
        self.nodes.iter().any(|node| node.operator == "QuantizeLinear")
    }

    /// Whether it was exported in 16 bit floats: it has such weights.
    pub fn is_half(&self) -> bool {
        const FLOAT16: u64 = 10;
        self.weights.contains(&FLOAT16)
    }
}

fn read_graph(bytes: &[u8]) -> Option<Model> {
    let mut model = Model::default();
    let mut initialised = Vec::new();
    for field in fields(bytes)? {
        match field {
            (1, Wire::Bytes(bytes)) => model.nodes.push(read_node(bytes)?),
            (2, Wire::Bytes(bytes)) => model.name = text(bytes)?,
            (5, Wire::Bytes(bytes)) => {
                initialised.extend(first_text(bytes, 8)?);
                model.weights.extend(first_number(bytes, 2)?);
            }
            (11, Wire::Bytes(bytes)) => model.inputs.push(read_value(bytes)?),
            (12, Wire::Bytes(bytes)) => model.outputs.push(read_value(bytes)?),
            _ => {}
        }
    }
    model.inputs.retain(|input| !initialised.contains(&input.name));
    Some(model)
}

fn read_node(bytes: &[u8]) -> Option<Node> {
    let part = |number| Some(first_text(bytes, number)?.unwrap_or_default());
    let texts = fields(bytes)?.into_iter().filter_map(|field| match field {
        (2, Wire::Bytes(bytes)) => Some(text(bytes)),
        _ => None,
    });
    let outputs = texts.collect::<Option<_>>()?;
    Some(Node { name: part(3)?, operator: part(4)?, domain: part(7)?, outputs })
}

fn read_value(bytes: &[u8]) -> Option<Value> {
    let name = first_text(bytes, 1)?.unwrap_or_default();
    let mut value = Value { name, ..Value::default() };
    let tensor = first_bytes(bytes, 2)?.map_or(Some(None), |kind| first_bytes(kind, 1))?;
    for field in fields(tensor.unwrap_or_default())? {
        match field {
            (1, Wire::Number(element)) => value.element = element,
            (2, Wire::Bytes(shape)) => value.shape = Some(read_shape(shape)?),
            _ => {}
        }
    }
    Some(value)
}

fn read_shape(bytes: &[u8]) -> Option<Vec<Length>> {
    let lengths = fields(bytes)?.into_iter().filter_map(|field| match field {
        (1, Wire::Bytes(bytes)) => Some(read_length(bytes)),
        _ => None,
    });
    lengths.collect()
}

fn read_length(bytes: &[u8]) -> Option<Length> {
    let length = fields(bytes)?.into_iter().find_map(|field| match field {
        (1, Wire::Number(number)) => i64::try_from(number).ok().map(Length::Fixed),
        (2, Wire::Bytes(bytes)) => text(bytes).filter(|name| !name.is_empty()).map(Length::Named),
        _ => None,
    });
    Some(length.unwrap_or(Length::Unknown))
}

fn first_bytes(bytes: &[u8], number: u64) -> Option<Option<&[u8]>> {
    let found = fields(bytes)?.into_iter().find_map(|field| match field {
        (found, Wire::Bytes(bytes)) if found == number => Some(bytes),
        _ => None,
    });
    Some(found)
}

fn first_number(bytes: &[u8], number: u64) -> Option<Option<u64>> {
    let found = fields(bytes)?.into_iter().find_map(|field| match field {
        (found, Wire::Number(value)) if found == number => Some(value),
        _ => None,
    });
    Some(found)
}

fn first_text(bytes: &[u8], number: u64) -> Option<Option<String>> {
    match first_bytes(bytes, number)? {
        Some(bytes) => text(bytes).map(Some),
        None => Some(None),
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// What a field of a message holds.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A number of fixed width, which nothing here needs.
    Other,
}

/// All fields of a message; none where the bytes are none.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = take_number(&mut bytes)?;
        let wire = match key & 7 {
            0 => Wire::Number(take_number(&mut bytes)?),
            1 => take(&mut bytes, 8).map(|_| Wire::Other)?,
            2 => {
                let length = usize::try_from(take_number(&mut bytes)?).ok()?;
                Wire::Bytes(take(&mut bytes, length)?)
            }
            5 => take(&mut bytes, 4).map(|_| Wire::Other)?,
            _ => return None,
        };
        fields.push((key >> 3, wire));
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
