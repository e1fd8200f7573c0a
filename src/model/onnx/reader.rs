//! ModelProto, GraphProto and NodeProto: the graph, its weights, and how many bytes are what.

use super::{
    Problem,
    parts::{constant, function, opset},
    signature::value_info,
    tensor::{self, entry},
};
use crate::model::{
    anatomy::{SectionKind, Weight},
    graph::{Attribute, Graph, Node, Value, ValueId},
    protobuf::{Fields, Malformed, Value as Field},
    skim::Skim,
};
use std::collections::{BTreeMap, HashMap};

/// Deepest nesting of graphs in graphs that is read. Models nest two or three.
const MAX_DEPTH: usize = 16;

/// What is in an ONNX file.
#[derive(Debug, Default)]
pub struct Contents {
    /// The network.
    pub graph: Graph,
    /// Initialisers and the tensors of constant operators, in the file's order.
    pub weights: Vec<Weight>,
    /// Files with weights: those that a [`crate::model::anatomy::Place`] calls 1, 2 and so on.
    pub external: Vec<External>,
    /// Version of each operator set, by domain; the default one is `ai.onnx`.
    pub opsets: BTreeMap<String, u64>,
    /// Version of the format.
    pub ir_version: Option<u64>,
    /// Program and version that wrote it.
    pub producer: Option<String>,
    /// Descriptive entries.
    pub metadata: BTreeMap<String, String>,
    /// Bytes of the file itself by heading; they sum to its size.
    pub sections: BTreeMap<SectionKind, u64>,
}

/// A file beside the model that holds weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Its name, relative to the model's folder. Comes from the model: not to be trusted.
    pub location: String,
    /// Bytes that it must have.
    pub needed: u64,
}

/// Reads the ONNX file in `skim`; of weights no more than where they lie.
///
/// # Errors
/// [`Problem`] when the bytes are truncated or no model.
pub fn read(skim: &Skim<'_>) -> Result<Contents, Problem> {
    let bytes = skim.all();
    let mut reader = Reader::new(skim);
    let mut contents = Contents::default();
    let (mut producer, mut version, mut found) = (String::new(), String::new(), false);
    let mut functions = Vec::new();
    for field in Fields::of(bytes) {
        match field? {
            (1, value) => contents.ir_version = Some(value.number()?),
            (2, value) => producer = reader.text(SectionKind::Metadata, value)?,
            (3, value) => version = reader.text(SectionKind::Metadata, value)?,
            (4, value) => drop(reader.text(SectionKind::Metadata, value)?),
            (6, value) => drop(reader.text(SectionKind::DocStrings, value)?),
            (7, value) => {
                contents.graph = reader.graph(value.message()?, 0)?;
                found = true;
            }
            (8, value) => contents.opsets.extend(opset(value.message()?)?),
            (14, value) => contents.metadata.extend(reader.metadata(value)?),
            (25, value) => functions.push(function(value.message()?)?),
            _ => {}
        }
    }
    contents.graph.functions = functions;
    if !found || contents.graph.outputs.is_empty() {
        return Err(Malformed::NoMessage.into());
    }
    let words = [producer, version].join(" ").trim().to_owned();
    contents.producer = Some(words).filter(|words| !words.is_empty());
    contents.weights = reader.weights;
    contents.external = reader.external;
    // What has no heading of its own holds the file together.
    let rest = (bytes.len() as u64).saturating_sub(reader.sections.values().sum());
    *reader.sections.entry(SectionKind::Structure).or_default() += rest;
    contents.sections = reader.sections;
    Ok(contents)
}

/// What is gathered while a file is walked over.
pub struct Reader<'a> {
    skim: &'a Skim<'a>,
    sections: BTreeMap<SectionKind, u64>,
    weights: Vec<Weight>,
    external: Vec<External>,
}

/// Names of a graph's values. Copies: to compare with what lies in the file would read it all again.
type Ids = HashMap<Box<[u8]>, ValueId>;

impl<'a> Reader<'a> {
    fn new(skim: &'a Skim<'a>) -> Self {
        Self { skim, sections: BTreeMap::new(), weights: Vec::new(), external: Vec::new() }
    }

    /// Notes a weight whose elements were passed over.
    pub fn weight(&mut self, weight: Weight) {
        self.skim.pass(weight.bytes);
        self.weights.push(weight);
    }

    /// Counts bytes under a heading.
    pub fn tally(&mut self, kind: SectionKind, bytes: usize) {
        *self.sections.entry(kind).or_default() += bytes as u64;
    }

    /// Reads a text and counts its bytes.
    pub fn text(&mut self, kind: SectionKind, value: Field<'_>) -> Result<String, Malformed> {
        self.tally(kind, value.bytes()?.len());
        value.text()
    }

    /// Where in the file a part of it begins.
    pub fn offset(&self, part: &[u8]) -> u64 {
        (part.as_ptr().addr() - self.skim.all().as_ptr().addr()) as u64
    }

    /// Index of an external file, which must have `needed` bytes.
    pub fn external(&mut self, location: String, needed: u64) -> usize {
        let known = self.external.iter().position(|file| file.location == location);
        let index = known.unwrap_or_else(|| {
            self.external.push(External { location, needed: 0 });
            self.external.len() - 1
        });
        let file = &mut self.external[index];
        file.needed = file.needed.max(needed);
        index + 1
    }

    fn metadata(&mut self, value: Field<'_>) -> Result<Option<(String, String)>, Malformed> {
        self.tally(SectionKind::Metadata, value.bytes()?.len());
        entry(value.message()?).map(Some)
    }

    fn graph(&mut self, fields: Fields<'a>, depth: usize) -> Result<Graph, Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::Depth(MAX_DEPTH));
        }
        let (mut graph, mut ids) = (Graph::default(), Ids::new());
        for field in fields {
            match field? {
                (1, value) => {
                    let held = self.held();
                    let mut node = self.node(value.message()?, &mut graph, &mut ids, depth)?;
                    let bytes = value.bytes()?.len() as u64;
                    node.bytes = bytes.saturating_sub(self.held() - held);
                    graph.nodes.push(node);
                }
                (2, value) => graph.name = self.text(SectionKind::Names, value)?,
                (5, value) => self.initialiser(value, &mut graph, &mut ids)?,
                (10, value) => drop(self.text(SectionKind::DocStrings, value)?),
                (number @ (11..=13), value) => {
                    let id = self.declared(value, &mut graph, &mut ids)?;
                    match number {
                        11 => graph.inputs.push(id),
                        12 => graph.outputs.push(id),
                        _ => {}
                    }
                }
                (15, value) => {
                    // SparseTensorProto: values and indices are tensors.
                    for field in value.message()? {
                        if let (1 | 2, value) = field? {
                            tensor::read(self, value.message()?, "a sparse tensor")?;
                        }
                    }
                }
                (16, value) => drop(self.metadata(value)?),
                _ => {}
            }
        }
        // Up to IR version 3 every initialiser is listed as an input too.
        let Graph { inputs, values, .. } = &mut graph;
        inputs.retain(|id| values[id.0 as usize].constant.is_none());
        Ok(graph)
    }

    fn initialiser(
        &mut self,
        value: Field<'a>,
        graph: &mut Graph,
        ids: &mut Ids,
    ) -> Result<(), Problem> {
        let constant = tensor::read(self, value.message()?, "an initialiser without a name")?;
        // Its name once more, borrowed from the file.
        for field in value.message()? {
            if let (8, name) = field? {
                let id = find(graph, ids, name.bytes()?);
                let value = &mut graph.values[id.0 as usize];
                value.info.dtype = constant.dtype;
                value.constant = Some(constant.clone());
            }
        }
        Ok(())
    }

    /// Takes what a ValueInfoProto declares.
    fn declared(
        &mut self,
        value: Field<'a>,
        graph: &mut Graph,
        ids: &mut Ids,
    ) -> Result<ValueId, Problem> {
        let mut name: &[u8] = b"";
        for field in value.message()? {
            match field? {
                (1, value) => name = value.bytes()?,
                (3, value) => drop(self.text(SectionKind::DocStrings, value)?),
                _ => {}
            }
        }
        let payload = value.bytes()?.len();
        self.tally(SectionKind::Types, payload.saturating_sub(name.len()));
        self.tally(SectionKind::Names, name.len());
        let id = find(graph, ids, name);
        graph.values[id.0 as usize].info = value_info(value.message()?)?;
        Ok(id)
    }

    fn node(
        &mut self,
        fields: Fields<'a>,
        graph: &mut Graph,
        ids: &mut Ids,
        depth: usize,
    ) -> Result<Node, Problem> {
        let mut node = Node::default();
        let mut attributes = Vec::new();
        for field in fields {
            match field? {
                (1, value) => {
                    let id = self.edge(value, graph, ids)?;
                    node.inputs.push(id);
                }
                (2, value) => {
                    let id = self.edge(value, graph, ids)?;
                    node.outputs.push(id);
                }
                (3, value) => node.name = self.text(SectionKind::Names, value)?,
                (4, value) => node.operator = value.text()?,
                (5, value) => attributes.push(value),
                (6, value) => drop(self.text(SectionKind::DocStrings, value)?),
                (7, value) => node.domain = value.text()?,
                (9, value) => drop(self.metadata(value)?),
                _ => {}
            }
        }
        // After the outputs: a constant is called by the value that it becomes.
        let named =
            node.outputs.first().copied().flatten().map(|id| graph.value(id).info.name.clone());
        let named = named.unwrap_or_else(|| node.name.clone());
        for value in attributes {
            let before = self.heading_bytes();
            let attribute = self.attribute(value.message()?, &named, depth)?;
            let inside = self.heading_bytes() - before;
            let own = (value.bytes()?.len() as u64).saturating_sub(inside);
            if !matches!(attribute.1, Attribute::Graph(_)) {
                node.attribute_bytes += own;
                *self.sections.entry(SectionKind::Attributes).or_default() += own;
            }
            node.attributes.push(attribute);
        }
        if node.operator == "Constant" && node.domain.is_empty() {
            constant(&node, graph);
        }
        if node.domain == "ai.onnx" {
            node.domain.clear();
        }
        Ok(node)
    }

    /// Bytes of weights so far.
    fn held(&self) -> u64 {
        self.sections.get(&SectionKind::Weights).copied().unwrap_or(0)
    }

    /// All bytes that have a heading.
    fn heading_bytes(&self) -> u64 {
        self.sections.values().sum()
    }

    fn edge(
        &mut self,
        value: Field<'a>,
        graph: &mut Graph,
        ids: &mut Ids,
    ) -> Result<Option<ValueId>, Problem> {
        let name = value.bytes()?;
        self.tally(SectionKind::Names, name.len());
        Ok((!name.is_empty()).then(|| find(graph, ids, name)))
    }

    fn attribute(
        &mut self,
        fields: Fields<'a>,
        named: &str,
        depth: usize,
    ) -> Result<(String, Attribute), Problem> {
        let (mut name, mut found) = (String::new(), None);
        let (mut ints, mut floats, mut texts) = (Vec::<u64>::new(), Vec::new(), Vec::new());
        let mut kind = 0;
        for field in fields {
            match field? {
                (1, value) => name = value.text()?,
                (2, Field::Fixed32(bits)) => {
                    found = Some(Attribute::Float(f64::from(f32::from_bits(bits))));
                }
                (3, value) => found = Some(Attribute::Int(value.number()? as i64)),
                (4, value) => found = Some(Attribute::Text(value.text()?)),
                (5, value) => {
                    found = Some(Attribute::Tensor(tensor::read(self, value.message()?, named)?));
                }
                (6, value) => {
                    let body = self.graph(value.message()?, depth + 1)?;
                    found = Some(Attribute::Graph(Box::new(body)));
                }
                (7, Field::Fixed32(bits)) => floats.push(f64::from(f32::from_bits(bits))),
                (7, Field::Bytes(packed)) => floats.extend(
                    packed
                        .chunks_exact(4)
                        .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
                ),
                (8, value) => value.numbers(&mut ints)?,
                (9, value) => texts.push(value.text()?),
                (13, value) => drop(self.text(SectionKind::DocStrings, value)?),
                (20, value) => kind = value.number()?,
                _ => {}
            }
        }
        // AttributeProto.AttributeType: 6 floats, 7 ints, 8 strings; an empty list has no other sign.
        let attribute = found.unwrap_or_else(|| match kind {
            6 => Attribute::Floats(floats),
            7 => Attribute::Ints(ints.into_iter().map(|n| n as i64).collect()),
            8 => Attribute::Texts(texts),
            _ if !ints.is_empty() => Attribute::Ints(ints.into_iter().map(|n| n as i64).collect()),
            _ if !floats.is_empty() => Attribute::Floats(floats),
            _ if !texts.is_empty() => Attribute::Texts(texts),
            // Writers leave out what is zero.
            1 => Attribute::Float(0.0),
            2 => Attribute::Int(0),
            3 => Attribute::Text(String::new()),
            _ => Attribute::Other,
        });
        Ok((name, attribute))
    }
}

/// The value of that name, added if it is new.
fn find(graph: &mut Graph, ids: &mut Ids, name: &[u8]) -> ValueId {
    if let Some(&id) = ids.get(name) {
        return id;
    }
    let id = graph.add(Value::named(String::from_utf8_lossy(name)));
    ids.insert(name.into(), id);
    id
}
