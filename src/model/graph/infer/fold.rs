//! Computes the few numbers that decide about shapes: sizes, indices, scales. Never more than
//! [`MAX_NUMBERS`] at once, and of an operator that is not here nothing.

use super::{
    arithmetic::{computed, settled},
    call::Call,
    fact::Fact,
    generate,
    layout::{parts, permutation},
    select::ranges,
};
use crate::model::graph::{MAX_NUMBERS, Numbers};
use std::rc::Rc;

const MOST: usize = MAX_NUMBERS as usize;

/// The numbers of an operator's results, in their order; empty where they are not known, too many,
/// or of an operator that decides about no shape.
pub fn fold(call: &Call<'_>, results: &[Fact]) -> Vec<Rc<Numbers>> {
    let few = |fact: &Fact| fact.elements().is_some_and(|count| count <= MAX_NUMBERS);
    let known = |fact: &&Fact| fact.numbers.is_some();
    let tells = matches!(call.node.operator.as_str(), "Shape" | "Size");
    if !results.iter().all(few) || !(tells || call.operands.iter().flatten().all(known)) {
        return Vec::new();
    }
    let Some(result) = results.first() else { return Vec::new() };
    let Some(dims) = result.shape() else { return Vec::new() };
    if call.node.operator == "Split" {
        return split(call, results).unwrap_or_default();
    }
    let numbers = told(call)
        .or_else(|| moved(call, &dims))
        .or_else(|| made(call, result, &dims).map(Rc::new))
        .or_else(|| computed(call, result, &dims).map(Rc::new));
    numbers.into_iter().collect()
}

/// What is known of the operand without its elements, and what has the same elements.
fn told(call: &Call<'_>) -> Option<Rc<Numbers>> {
    let operand = call.given(0)?;
    match call.node.operator.as_str() {
        "Shape" => {
            let dims = operand.dims.as_ref()?;
            let told = dims[generate::told(call, dims.len())].iter();
            let lengths: Option<Vec<i64>> = told.map(|&n| i64::try_from(n?).ok()).collect();
            Some(Rc::new(Numbers::Integers(lengths?)))
        }
        "Size" => {
            let count = i64::try_from(operand.elements()?).ok()?;
            Some(Rc::new(Numbers::Integers(vec![count])))
        }
        "Identity" | "Dropout" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            operand.numbers.clone()
        }
        _ => None,
    }
}

/// Elements in another order.
fn moved(call: &Call<'_>, dims: &[u64]) -> Option<Rc<Numbers>> {
    if call.node.operator == "Concat" {
        return concat(call).map(Rc::new);
    }
    let operand = call.given(0)?;
    let source = operand.shape()?;
    let rank = source.len();
    let places = match call.node.operator.as_str() {
        "Expand" => return spread(operand, dims).map(Rc::new),
        "Transpose" => {
            let order = permutation(call, rank).ok()?;
            places(dims, |index| {
                let mut from = vec![0; rank];
                order.iter().zip(index).for_each(|(&at, &n)| from[at] = n);
                Some(flat(&from, &source))
            })
        }
        "Tile" => places(dims, |index| {
            let from: Option<Vec<u64>> =
                index.iter().zip(&source).map(|(&n, &length)| n.checked_rem(length)).collect();
            Some(flat(&from?, &source))
        }),
        "Slice" => {
            let ranges = ranges(call, operand.dims.as_ref()?).ok()?;
            places(dims, |index| {
                let from: Option<Vec<u64>> = (index.iter().zip(&ranges))
                    .map(|(&n, range)| {
                        let Some(range) = range else { return Some(n) };
                        let by = i128::from(n) * i128::from(range.step);
                        u64::try_from(i128::from(range.start) + by).ok()
                    })
                    .collect();
                Some(flat(&from?, &source))
            })
        }
        "Gather" => gather(call, dims, &source),
        _ => return None,
    };
    pick(operand.numbers.as_deref()?, &places?).map(Rc::new)
}

fn gather(call: &Call<'_>, dims: &[u64], source: &[u64]) -> Option<Vec<usize>> {
    let axis = call.axis("axis", 0, source.len()).ok()?;
    let indices = call.given(1)?;
    let (asked, shape) = (indices.integers()?, indices.shape()?);
    places(dims, |index| {
        let (before, rest) = index.split_at(axis);
        let (at, after) = rest.split_at(shape.len());
        let asked = *asked.get(usize::try_from(flat(at, &shape)).ok()?)?;
        let length = i64::try_from(source[axis]).ok()?;
        let asked = u64::try_from(if asked < 0 { asked.checked_add(length)? } else { asked });
        let from = [before, &[asked.ok().filter(|&n| n < source[axis])?], after].concat();
        Some(flat(&from, source))
    })
}

/// Operands one after the other, in blocks of what lies within the axis.
fn concat(call: &Call<'_>) -> Option<Numbers> {
    let rank = call.given(0)?.dims.as_ref()?.len();
    let axis = call.axis("axis", 1, rank).ok()?;
    let outer = &call.given(0)?.shape()?[..axis];
    let outer = outer.iter().try_fold(1_u64, |product, &n| product.checked_mul(n))?;
    let outer = usize::try_from(outer).ok().filter(|outer| (1..=MOST).contains(outer))?;
    // Operands without elements would cost time for nothing.
    let operands = call.operands.iter().flatten().filter_map(|fact| fact.numbers.as_deref());
    let operands: Vec<&Numbers> = operands.filter(|numbers| count(numbers) > 0).collect();
    let mut all: Option<Numbers> = None;
    for block in 0..outer {
        for numbers in &operands {
            let length = count(numbers) / outer;
            let part = (block * length..(block + 1) * length).collect::<Vec<_>>();
            append(&mut all, pick(numbers, &part)?)?;
        }
    }
    all
}

fn append(all: &mut Option<Numbers>, more: Numbers) -> Option<()> {
    match (all.as_mut(), more) {
        (None, more) => *all = Some(more),
        (Some(Numbers::Integers(all)), Numbers::Integers(more)) => all.extend(more),
        (Some(Numbers::Floats(all)), Numbers::Floats(more)) => all.extend(more),
        _ => return None,
    }
    Some(())
}

fn split(call: &Call<'_>, results: &[Fact]) -> Option<Vec<Rc<Numbers>>> {
    let operand = call.given(0)?;
    let source = operand.shape()?;
    let axis = call.axis("axis", 0, source.len()).ok()?;
    let parts = parts(call, Some(source[axis])).ok()?;
    let mut before = 0;
    let mut all = Vec::new();
    for (result, part) in results.iter().zip(parts) {
        let places = places(&result.shape()?, |index| {
            let mut from = index.to_vec();
            from[axis] += before;
            Some(flat(&from, &source))
        })?;
        all.push(Rc::new(pick(operand.numbers.as_deref()?, &places)?));
        before += part?;
    }
    Some(all)
}

/// New elements.
fn made(call: &Call<'_>, result: &Fact, dims: &[u64]) -> Option<Numbers> {
    let count = usize::try_from(result.elements()?).ok()?;
    match call.node.operator.as_str() {
        "ConstantOfShape" => match generate::filling(call).map(|constant| &constant.numbers) {
            None => Some(Numbers::Floats(vec![0.0; count])),
            Some(Some(Numbers::Integers(n))) => Some(Numbers::Integers(vec![*n.first()?; count])),
            Some(Some(Numbers::Floats(n))) => Some(Numbers::Floats(vec![*n.first()?; count])),
            Some(None) => None,
        },
        "Range" => match (call.given(0)?.integers(), call.given(2)?.integers()) {
            (Some(&[start, ..]), Some(&[delta, ..])) => {
                let at = |n: usize| start.checked_add(delta.checked_mul(i64::try_from(n).ok()?)?);
                (0..count).map(at).collect::<Option<_>>().map(Numbers::Integers)
            }
            _ => {
                let (start, delta) = (call.given(0)?.floats()?, call.given(2)?.floats()?);
                let (&start, &delta) = (start.first()?, delta.first()?);
                let at = |n| start + delta * n as f64;
                Some(settled((0..count).map(at).collect(), result.dtype))
            }
        },
        "NonZero" => {
            let operand = call.given(0)?;
            let (numbers, shape) = (operand.floats()?, operand.shape()?);
            let mut found = vec![Vec::new(); shape.len()];
            let mut from = 0;
            places(&shape, |index| {
                if numbers.get(from).is_some_and(|&number| number != 0.0) {
                    found.iter_mut().zip(index).for_each(|(found, &n)| found.push(n as i64));
                }
                from += 1;
                Some(0)
            })?;
            let found = found.concat();
            (found.len() as u64 == dims.iter().product::<u64>()).then_some(Numbers::Integers(found))
        }
        _ => None,
    }
}

/// Elements in a larger shape, repeated along dimensions of length 1.
pub fn spread(fact: &Fact, dims: &[u64]) -> Option<Numbers> {
    let source = fact.shape()?;
    let missing = dims.len().checked_sub(source.len())?;
    let places = places(dims, |index| {
        let from = index[missing..].iter().zip(&source);
        let from: Vec<u64> = from.map(|(&n, &length)| if length == 1 { 0 } else { n }).collect();
        Some(flat(&from, &source))
    });
    pick(fact.numbers.as_deref()?, &places?)
}

/// For every element of a shape, in row-major order, where it comes from.
pub fn places(dims: &[u64], mut from: impl FnMut(&[u64]) -> Option<u64>) -> Option<Vec<usize>> {
    let count: u64 = dims.iter().try_fold(1_u64, |product, &n| product.checked_mul(n))?;
    let mut index = vec![0; dims.len()];
    let mut places = Vec::new();
    for _ in 0..count.min(MAX_NUMBERS) {
        places.push(usize::try_from(from(&index)?).ok()?);
        for (n, &length) in index.iter_mut().zip(dims).rev() {
            *n += 1;
            if *n < length {
                break;
            }
            *n = 0;
        }
    }
    Some(places)
}

/// Place of an element in row-major order.
pub fn flat(index: &[u64], dims: &[u64]) -> u64 {
    let step = |at: u64, (&n, &length): (&u64, &u64)| at.saturating_mul(length).saturating_add(n);
    index.iter().zip(dims).fold(0, step)
}

fn pick(numbers: &Numbers, places: &[usize]) -> Option<Numbers> {
    Some(match numbers {
        Numbers::Integers(all) => {
            Numbers::Integers(places.iter().map(|&at| all.get(at).copied()).collect::<Option<_>>()?)
        }
        Numbers::Floats(all) => {
            Numbers::Floats(places.iter().map(|&at| all.get(at).copied()).collect::<Option<_>>()?)
        }
    })
}

fn count(numbers: &Numbers) -> usize {
    match numbers {
        Numbers::Integers(numbers) => numbers.len(),
        Numbers::Floats(numbers) => numbers.len(),
    }
}
