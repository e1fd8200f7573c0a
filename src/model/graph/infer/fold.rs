//! Computes the few numbers that decide about shapes: sizes, indices, scales. Never more than
//! [`MAX_NUMBERS`] at once, and of an operator that is not here nothing.

use super::{
    call::Call, fact::Fact, generate, layout::parts, layout::permutation, reduce::reduced,
    select::ranges,
};
use crate::{
    model::graph::{Attribute, MAX_NUMBERS, Numbers},
    tensor::DType,
};
use std::rc::Rc;

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
    let outer: u64 = call.given(0)?.shape()?[..axis].iter().product();
    let outer = usize::try_from(outer).ok().filter(|&outer| outer > 0)?;
    let mut all: Option<Numbers> = None;
    for block in 0..outer {
        for operand in call.operands.iter().flatten() {
            let numbers = operand.numbers.as_deref()?;
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

/// Arithmetic.
fn computed(call: &Call<'_>, result: &Fact, dims: &[u64]) -> Option<Numbers> {
    let operand = call.given(0)?;
    match call.node.operator.as_str() {
        "Cast" | "CastLike" => Some(converted(operand.numbers.as_deref()?, result.dtype)),
        "Where" => {
            let condition = spread(operand, dims)?;
            let (yes, no) = (spread(call.given(1)?, dims)?, spread(call.given(2)?, dims)?);
            let Numbers::Integers(condition) = condition else { return None };
            choose(&condition, yes, no)
        }
        "Clip" => clip(call, result, operand.numbers.as_deref()?),
        "ReduceSum" | "ReduceProd" | "ReduceMax" | "ReduceMin" => reduce(call, result, dims),
        name if name.starts_with("Reduce") => None,
        name => match (operand.numbers.as_deref()?, call.operands.len()) {
            (Numbers::Integers(numbers), 1) => {
                let of = integer_function(name)?;
                numbers.iter().map(|&n| of(n)).collect::<Option<_>>().map(Numbers::Integers)
            }
            (Numbers::Floats(numbers), 1) => {
                let of = function(name)?;
                Some(settled(numbers.iter().map(|&n| of(n)).collect(), result.dtype))
            }
            _ => together(call, result, dims),
        },
    }
}

/// Numbers within bounds, either of which may be left out; before ONNX 11 they were attributes.
fn clip(call: &Call<'_>, result: &Fact, numbers: &Numbers) -> Option<Numbers> {
    match numbers {
        Numbers::Integers(numbers) => {
            let bound = |index| call.given(index).map(|fact| fact.integers()?.first().copied());
            let (low, high) =
                (bound(1).unwrap_or(Some(i64::MIN))?, bound(2).unwrap_or(Some(i64::MAX))?);
            Some(Numbers::Integers(numbers.iter().map(|&n| n.max(low).min(high)).collect()))
        }
        Numbers::Floats(numbers) => {
            let bound = |index, name, open| match (call.given(index), call.node.attribute(name)) {
                (Some(fact), _) => fact.floats()?.first().copied(),
                (None, Some(&Attribute::Float(bound))) => Some(bound),
                _ => Some(open),
            };
            let low = bound(1, "min", f64::NEG_INFINITY)?;
            let high = bound(2, "max", f64::INFINITY)?;
            Some(settled(numbers.iter().map(|&n| n.max(low).min(high)).collect(), result.dtype))
        }
    }
}

fn choose(condition: &[i64], yes: Numbers, no: Numbers) -> Option<Numbers> {
    fn each<T: Copy>(condition: &[i64], yes: &[T], no: &[T]) -> Vec<T> {
        let one = |(&c, (&y, &n)): (&i64, (&T, &T))| if c != 0 { y } else { n };
        condition.iter().zip(yes.iter().zip(no)).map(one).collect()
    }
    Some(match (yes, no) {
        (Numbers::Integers(yes), Numbers::Integers(no)) => {
            Numbers::Integers(each(condition, &yes, &no))
        }
        (Numbers::Floats(yes), Numbers::Floats(no)) => Numbers::Floats(each(condition, &yes, &no)),
        _ => return None,
    })
}

/// Two or more operands, element by element.
fn together(call: &Call<'_>, result: &Fact, dims: &[u64]) -> Option<Numbers> {
    let (integers, floats) = operation(call)?;
    let mut operands = call.operands.iter().flatten();
    let mut all = spread(operands.next()?, dims)?;
    for operand in operands {
        all = match (all, spread(operand, dims)?) {
            (Numbers::Integers(a), Numbers::Integers(b)) => {
                let each = a.iter().zip(&b).map(|(&a, &b)| integers(a, b));
                Numbers::Integers(each.collect::<Option<_>>()?)
            }
            (Numbers::Floats(a), Numbers::Floats(b)) => {
                let each = a.iter().zip(&b).map(|(&a, &b)| floats(a, b));
                settled(each.collect(), result.dtype)
            }
            _ => return None,
        };
    }
    Some(all)
}

/// A function of two numbers, for whole ones and for those with a fraction.
type Operation = (fn(i64, i64) -> Option<i64>, fn(f64, f64) -> f64);

fn operation(call: &Call<'_>) -> Option<Operation> {
    Some(match call.node.operator.as_str() {
        "Add" | "Sum" => (i64::checked_add, |a, b| a + b),
        "Sub" => (i64::checked_sub, |a, b| a - b),
        "Mul" => (i64::checked_mul, |a, b| a * b),
        "Div" => (i64::checked_div, |a, b| a / b),
        "Mod" if call.flag("fmod", false) => (i64::checked_rem, |a, b| a % b),
        // The sign of the divisor, as Python has it.
        "Mod" => (
            |a, b| a.checked_rem(b)?.checked_add(b)?.checked_rem(b),
            |a, b| a - b * (a / b).floor(),
        ),
        "Pow" => (|a, b| a.checked_pow(u32::try_from(b).ok()?), f64::powf),
        "Min" => (|a, b| Some(a.min(b)), f64::min),
        "Max" => (|a, b| Some(a.max(b)), f64::max),
        "And" => (|a, b| Some(i64::from(a != 0 && b != 0)), |_, _| f64::NAN),
        "Or" => (|a, b| Some(i64::from(a != 0 || b != 0)), |_, _| f64::NAN),
        "Xor" => (|a, b| Some(i64::from((a != 0) != (b != 0))), |_, _| f64::NAN),
        "Equal" => (|a, b| Some(i64::from(a == b)), |a, b| f64::from(a == b)),
        "Less" => (|a, b| Some(i64::from(a < b)), |a, b| f64::from(a < b)),
        "LessOrEqual" => (|a, b| Some(i64::from(a <= b)), |a, b| f64::from(a <= b)),
        "Greater" => (|a, b| Some(i64::from(a > b)), |a, b| f64::from(a > b)),
        "GreaterOrEqual" => (|a, b| Some(i64::from(a >= b)), |a, b| f64::from(a >= b)),
        _ => return None,
    })
}

fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "Abs" => f64::abs,
        "Ceil" => f64::ceil,
        "Cos" => f64::cos,
        "Exp" => f64::exp,
        "Floor" => f64::floor,
        "Log" => f64::ln,
        "Neg" => |n| -n,
        "Reciprocal" => f64::recip,
        "Relu" => |n| n.max(0.0),
        "Round" => f64::round_ties_even,
        "Sigmoid" => |n| 1.0 / (1.0 + (-n).exp()),
        "Sign" => |n| if n == 0.0 { 0.0 } else { n.signum() },
        "Sin" => f64::sin,
        "Sqrt" => f64::sqrt,
        _ => return None,
    })
}

fn integer_function(name: &str) -> Option<fn(i64) -> Option<i64>> {
    Some(match name {
        "Abs" => i64::checked_abs,
        "Neg" => i64::checked_neg,
        "Not" => |n| Some(i64::from(n == 0)),
        "Relu" => |n| Some(n.max(0)),
        "Sign" => |n| Some(n.signum()),
        _ => return None,
    })
}

fn reduce(call: &Call<'_>, result: &Fact, dims: &[u64]) -> Option<Numbers> {
    let operand = call.given(0)?;
    let source = operand.shape()?;
    let axes = reduced(call, source.len()).ok()?;
    let keep = call.flag("keepdims", true);
    let to = places(&source, |index| {
        let kept = index.iter().enumerate().filter_map(|(at, &n)| match axes.contains(&at) {
            false => Some(n),
            true => keep.then_some(0),
        });
        Some(flat(&kept.collect::<Vec<_>>(), dims))
    })?;
    let made = usize::try_from(dims.iter().product::<u64>()).ok()?;
    let name = call.node.operator.as_str();
    match operand.numbers.as_deref()? {
        Numbers::Integers(numbers) => {
            let (first, of): (Option<i64>, fn(i64, i64) -> Option<i64>) = match name {
                "ReduceSum" => (Some(0), i64::checked_add),
                "ReduceProd" => (Some(1), i64::checked_mul),
                "ReduceMax" => (None, |a, b| Some(a.max(b))),
                _ => (None, |a, b| Some(a.min(b))),
            };
            gathered(numbers, &to, vec![first; made], of).map(Numbers::Integers)
        }
        Numbers::Floats(numbers) => {
            let (first, of): (Option<f64>, fn(f64, f64) -> Option<f64>) = match name {
                "ReduceSum" => (Some(0.0), |a, b| Some(a + b)),
                "ReduceProd" => (Some(1.0), |a, b| Some(a * b)),
                "ReduceMax" => (None, |a, b| Some(a.max(b))),
                _ => (None, |a, b| Some(a.min(b))),
            };
            Some(settled(gathered(numbers, &to, vec![first; made], of)?, result.dtype))
        }
    }
}

/// Draws numbers together at the places that `to` names.
fn gathered<T: Copy>(
    numbers: &[T],
    to: &[usize],
    mut made: Vec<Option<T>>,
    of: fn(T, T) -> Option<T>,
) -> Option<Vec<T>> {
    for (&number, &at) in numbers.iter().zip(to) {
        let place = made.get_mut(at)?;
        *place = Some(match *place {
            Some(before) => of(before, number)?,
            None => number,
        });
    }
    made.into_iter().collect()
}

/// Elements in a larger shape, repeated along dimensions of length 1.
fn spread(fact: &Fact, dims: &[u64]) -> Option<Numbers> {
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
fn places(dims: &[u64], mut from: impl FnMut(&[u64]) -> Option<u64>) -> Option<Vec<usize>> {
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
fn flat(index: &[u64], dims: &[u64]) -> u64 {
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

/// Numbers as that type holds them.
fn converted(numbers: &Numbers, dtype: DType) -> Numbers {
    let whole = |n: i64| match dtype {
        DType::I32 => i64::from(n as i32),
        DType::U8 => i64::from(n as u8),
        DType::I8 => i64::from(n as i8),
        DType::Bool => i64::from(n != 0),
        _ => n,
    };
    match numbers {
        Numbers::Integers(numbers) if dtype.is_float() => {
            settled(numbers.iter().map(|&n| n as f64).collect(), dtype)
        }
        Numbers::Integers(numbers) => {
            Numbers::Integers(numbers.iter().map(|&n| whole(n)).collect())
        }
        Numbers::Floats(numbers) if dtype.is_float() => settled(numbers.clone(), dtype),
        Numbers::Floats(numbers) if dtype == DType::Bool => settled(numbers.clone(), dtype),
        Numbers::Floats(numbers) => {
            Numbers::Integers(numbers.iter().map(|&n| whole(n as i64)).collect())
        }
    }
}

/// Results of arithmetic, rounded as their type rounds.
fn settled(numbers: Vec<f64>, dtype: DType) -> Numbers {
    match dtype {
        DType::Bool => {
            Numbers::Integers(numbers.into_iter().map(|n| i64::from(n != 0.0)).collect())
        }
        DType::F32 => Numbers::Floats(numbers.into_iter().map(|n| f64::from(n as f32)).collect()),
        _ => Numbers::Floats(numbers),
    }
}
