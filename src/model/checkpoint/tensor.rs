//! Tensors of torch and arrays of numpy, from what a pickle says of them: type, shape, and where
//! their elements lie. Reads no element.

use super::{
    dtype::{self, UNKNOWN},
    pickle::{Id, Object, Pickle, Value},
    storage::Storage,
};
use crate::{model::anatomy::Layout, tensor::DType};
use std::collections::HashMap;

/// Most dimensions; numpy and torch have 64.
const MAX_RANK: usize = 64;
/// Most wrappers around a tensor, such as that of a parameter.
const MAX_WRAPPERS: usize = 8;

/// A tensor that a pickle describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Element type.
    pub dtype: DType,
    /// Lengths of its dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Their product.
    pub elements: u64,
    /// How its elements lie.
    pub layout: Layout,
    /// Where: none where the file holds none of them or in another byte order.
    pub part: Option<Part>,
    /// Whether they can be read as they lie.
    pub readable: bool,
}

/// A part of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Index of the storage.
    pub storage: usize,
    /// First byte, from the begin of the storage.
    pub begin: u64,
    /// Bytes from the first element to the end of the last.
    pub extent: u64,
}

/// Finds tensors among the values of a pickle.
pub struct Tensors<'p, 'a> {
    /// The pickle.
    pub pickle: &'p Pickle<'a>,
    /// Where storages lie: those that are named by a key, then the arrays in the pickle.
    pub storages: Vec<Storage>,
    /// Storages by key.
    pub keys: HashMap<String, usize>,
    /// Whether elements are in the other byte order.
    pub swapped: bool,
    file: &'a [u8],
    arrays: HashMap<u64, usize>,
    known: HashMap<Id, Option<usize>>,
    found: Vec<Tensor>,
}

impl<'p, 'a> Tensors<'p, 'a> {
    /// Tensors of a pickle in `file` whose storages are these, by key.
    pub fn new(file: &'a [u8], pickle: &'p Pickle<'a>, stored: Vec<(String, Storage)>) -> Self {
        let (keys, storages): (Vec<_>, Vec<_>) = stored.into_iter().unzip();
        let keys = keys.into_iter().enumerate().map(|(index, key)| (key, index)).collect();
        let (arrays, known) = (HashMap::new(), HashMap::new());
        Self { pickle, storages, keys, swapped: false, file, arrays, known, found: Vec::new() }
    }

    /// The tensor of that index.
    pub fn get(&self, index: usize) -> &Tensor {
        &self.found[index]
    }

    /// Index of the tensor that the value describes, if it describes one.
    ///
    /// # Errors
    /// When it lies outside its storage, its storage is missing, or its shape is beyond all memory.
    pub fn at(&mut self, id: Id) -> Result<Option<usize>, String> {
        if let Some(&known) = self.known.get(&id) {
            return Ok(known);
        }
        let tensor = self.read(id)?;
        let index = tensor.map(|tensor| {
            self.found.push(tensor);
            self.found.len() - 1
        });
        self.known.insert(id, index);
        Ok(index)
    }

    fn read(&mut self, id: Id) -> Result<Option<Tensor>, String> {
        let pickle = self.pickle;
        let Some(object) = pickle.object(id) else { return Ok(None) };
        let (mut class, mut arguments, mut object) = (object.class, object.arguments, object);
        for _ in 0..MAX_WRAPPERS {
            let Some(name) = pickle.global(class) else { return Ok(None) };
            let items = pickle.items(arguments).unwrap_or_default();
            let inner = match (name, items) {
                ((_, "_rebuild_from_type_v2" | "_rebuild_from_type"), &[maker, _, inner, ..]) => {
                    (class, arguments) = (maker, inner);
                    continue;
                }
                ((_, "_rebuild_parameter" | "_rebuild_parameter_with_state"), &[inner, ..]) => {
                    inner
                }
                (("builtins" | "__builtin__", "tuple"), &[pair]) => match pickle.items(pair) {
                    // Paddle's way to write a tensor that has a name.
                    Some(&[name, inner]) if pickle.text(name).is_some() => inner,
                    _ => return Ok(None),
                },
                (("builtins" | "__builtin__", "eval"), _) => match pickle.evaluated(arguments) {
                    Some(inner) => inner,
                    None => return Ok(None),
                },
                _ => return self.made(name, items, object),
            };
            let Some(inner) = pickle.object(inner) else { return Ok(None) };
            (class, arguments, object) = (inner.class, inner.arguments, inner);
        }
        Ok(None)
    }

    /// What a function of torch or numpy makes of its arguments.
    fn made(
        &mut self,
        (module, name): (&str, &str),
        items: &[Id],
        object: &Object,
    ) -> Result<Option<Tensor>, String> {
        match (name, items) {
            ("_rebuild_tensor_v2" | "_rebuild_tensor" | "_rebuild_qtensor", &[s, o, n, t, ..]) => {
                self.torch([s, o, n, t], None).map(Some)
            }
            ("_rebuild_tensor_v3", &[s, o, n, t, _, _, dtype, ..]) => {
                self.torch([s, o, n, t], Some(dtype)).map(Some)
            }
            ("_rebuild_meta_tensor_no_storage", &[dtype, shape, ..]) => {
                let dtype = self.pickle.global(dtype).map_or(UNKNOWN, |(_, n)| dtype::of_torch(n));
                let shape = self.shape(shape)?;
                let elements = product(&shape)?;
                let layout = Layout::RowMajor;
                Ok(Some(Tensor { dtype, shape, elements, layout, part: None, readable: false }))
            }
            ("_reconstruct", _) if module.ends_with("multiarray") => {
                let state = object.state.and_then(|state| self.pickle.items(state));
                match state {
                    Some(&[_, shape, dtype, order, data, ..]) => {
                        let fortran = self.pickle.value(order) == &Value::Bool(true);
                        self.array(shape, dtype, fortran, data)
                    }
                    _ => Ok(None),
                }
            }
            ("_frombuffer", &[data, dtype, shape, order]) if module.starts_with("numpy") => {
                let fortran = self.pickle.text(order).is_some_and(|order| order == "F");
                self.array(shape, dtype, fortran, data)
            }
            _ => Ok(None),
        }
    }

    /// A tensor of torch: storage, offset in elements, shape and strides.
    fn torch(&mut self, parts: [Id; 4], declared: Option<Id>) -> Result<Tensor, String> {
        let [storage, offset, shape, strides] = parts;
        let (mut dtype, storage, viewed) = self.storage(storage)?;
        if let Some((_, name)) = declared.and_then(|declared| self.pickle.global(declared)) {
            dtype = dtype::of_torch(name);
        }
        let (shape, strides) = (self.shape(shape)?, self.shape(strides)?);
        let elements = product(&shape)?;
        let offset = self.pickle.count(offset).and_then(|offset| offset.checked_add(viewed));
        let held = &self.storages[storage];
        let beyond = || {
            format!(
                "a tensor of the shape {} reaches beyond its storage {:?} of {} bytes; copy the \
                 file again",
                shown(&shape),
                held.name,
                held.bytes
            )
        };
        let span = span(&shape, &strides).ok_or_else(beyond)?;
        let (begin, extent) = match dtype.bits() {
            Some(bits) => {
                let bytes = |count: u64| count.checked_mul(bits / 8);
                (offset.and_then(bytes).ok_or_else(beyond)?, bytes(span).ok_or_else(beyond)?)
            }
            None => (0, held.bytes),
        };
        if begin.checked_add(extent).is_none_or(|end| end > held.bytes) {
            return Err(beyond());
        }
        let plain = is_row_major(&shape, &strides);
        let layout = if plain { Layout::RowMajor } else { Layout::Strided(strides) };
        let part = Some(Part { storage, begin, extent });
        let readable = dtype.bits().is_some() && (!self.swapped || dtype.bits() == Some(8));
        Ok(Tensor { dtype, shape, elements, layout, part, readable })
    }

    /// Type and index of the storage that a persistent id names, and where in it a view of it
    /// begins, in elements.
    fn storage(&self, id: Id) -> Result<(DType, usize, u64), String> {
        let strange = || "a tensor has no storage of torch; save it again".to_owned();
        let Value::Persistent(id) = *self.pickle.value(id) else { return Err(strange()) };
        let parts = self.pickle.items(id).ok_or_else(strange)?;
        let &[_, class, key, _, count, ref view @ ..] = parts else { return Err(strange()) };
        let (_, class) = self.pickle.global(class).ok_or_else(strange)?;
        let dtype = dtype::of_storage(class);
        let key = match self.pickle.text(key) {
            Some(key) => key.into_owned(),
            None => self.pickle.int(key).ok_or_else(strange)?.to_string(),
        };
        let shown: String = key.chars().take(80).collect();
        let index = *self.keys.get(&key).ok_or_else(|| {
            format!("the file holds no storage {shown:?}, which a tensor needs; copy it again")
        })?;
        let held = self.storages[index].bytes;
        let width = dtype.and_then(DType::bits).unwrap_or(8) / 8;
        let needed = self.pickle.count(count).and_then(|count| count.checked_mul(width));
        if needed.is_none_or(|needed| needed > held) {
            return Err(format!(
                "the storage {shown:?} is cut off: it has {held} bytes, {} are needed; copy the \
                 file again",
                needed.map_or("more".to_owned(), |needed| needed.to_string())
            ));
        }
        let begin = view.first().and_then(|&view| self.pickle.items(view)?.get(1).copied());
        let begin = begin.and_then(|begin| self.pickle.count(begin)).unwrap_or(0);
        Ok((dtype.unwrap_or(DType::U8), index, begin))
    }

    /// An array of numpy; none of Python objects.
    fn array(
        &mut self,
        shape: Id,
        dtype: Id,
        fortran: bool,
        data: Id,
    ) -> Result<Option<Tensor>, String> {
        let Some((dtype, swapped)) = self.numpy_type(dtype) else { return Ok(None) };
        let Some((bytes, latin)) = self.data(data) else { return Ok(None) };
        let shape = self.shape(shape)?;
        let elements = product(&shape)?;
        let needed = elements.checked_mul(dtype.bits().unwrap_or(8) / 8);
        let found = bytes.len() as u64;
        // A byte beyond ASCII takes two in a text.
        let fits = needed.is_some_and(|needed| {
            found == needed || latin && found > needed && found / 2 <= needed
        });
        if !fits {
            return Err(format!(
                "an array of the shape {} of {dtype} has {found} bytes; save it again",
                shown(&shape)
            ));
        }
        let layout = match (latin, fortran && shape.len() > 1) {
            (true, false) => Layout::Latin1,
            (true, true) | (false, false) => Layout::RowMajor,
            (false, true) => Layout::Strided(column_major(&shape)),
        };
        let readable = !(swapped && dtype.bits() != Some(8) || latin && fortran && shape.len() > 1);
        let offset = (bytes.as_ptr().addr() - self.file.as_ptr().addr()) as u64;
        let storage = *self.arrays.entry(offset).or_insert_with(|| {
            self.storages.push(Storage::new("of an array", offset, found));
            self.storages.len() - 1
        });
        let part = Some(Part { storage, begin: 0, extent: found });
        Ok(Some(Tensor { dtype, shape, elements, layout, part, readable }))
    }

    /// Type of an array, and whether it is in the other byte order.
    fn numpy_type(&self, id: Id) -> Option<(DType, bool)> {
        let object = self.pickle.object(id)?;
        let (_, "dtype") = self.pickle.global(object.class)? else { return None };
        let name = self.pickle.text(*self.pickle.items(object.arguments)?.first()?)?;
        let order = object.state.and_then(|state| self.pickle.items(state)?.get(1).copied());
        let order = order.and_then(|order| self.pickle.text(order));
        let swapped = order.is_some_and(|order| order == ">") || name.starts_with('>');
        Some((dtype::of_numpy(&name)?, swapped))
    }

    /// Bytes of an array, and whether they are a text: Python 3 has no other way to write bytes in
    /// protocol 2.
    fn data(&self, id: Id) -> Option<(&'a [u8], bool)> {
        match *self.pickle.value(id) {
            Value::Bytes(bytes) => Some((bytes, false)),
            Value::Object(ref object) => {
                let (_, "encode") = self.pickle.global(object.class)? else { return None };
                match *self.pickle.value(*self.pickle.items(object.arguments)?.first()?) {
                    Value::Text(ref word) => Some((word.stored, true)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn shape(&self, id: Id) -> Result<Vec<u64>, String> {
        let strange = || "a tensor's shape is no list of lengths; save it again".to_owned();
        let items = self.pickle.items(id).ok_or_else(strange)?;
        if items.len() > MAX_RANK {
            return Err(format!("a tensor has {} dimensions; none has that many", items.len()));
        }
        items.iter().map(|&item| self.pickle.count(item).ok_or_else(strange)).collect()
    }
}

fn product(shape: &[u64]) -> Result<u64, String> {
    let product = shape.iter().try_fold(1_u64, |product, &length| product.checked_mul(length));
    product.ok_or_else(|| format!("a tensor has the shape {}, which no memory holds", shown(shape)))
}

/// Elements from the first to the last, both included.
fn span(shape: &[u64], strides: &[u64]) -> Option<u64> {
    if shape.len() != strides.len() {
        return None;
    }
    if shape.contains(&0) {
        return Some(0);
    }
    let steps =
        shape.iter().zip(strides).map(|(&length, &stride)| (length - 1).checked_mul(stride));
    steps.into_iter().try_fold(1_u64, |span, step| span.checked_add(step?))
}

/// Whether elements lie without gaps, those of the last dimension side by side. The stride of a
/// dimension of one element means nothing.
fn is_row_major(shape: &[u64], strides: &[u64]) -> bool {
    let mut expected = 1_u64;
    let mut dimensions = shape.iter().zip(strides).rev().filter(|&(&length, _)| length != 1);
    shape.contains(&0)
        || dimensions.all(|(&length, &stride)| {
            let fits = stride == expected;
            expected = expected.saturating_mul(length);
            fits
        })
}

/// Strides of a tensor without gaps whose first dimension is innermost, in elements.
fn column_major(shape: &[u64]) -> Vec<u64> {
    let strides = shape.iter().scan(1_u64, |stride, &length| {
        let here = *stride;
        *stride = stride.saturating_mul(length);
        Some(here)
    });
    strides.collect()
}

fn shown(shape: &[u64]) -> String {
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    format!("[{}]", lengths.join(", "))
}
