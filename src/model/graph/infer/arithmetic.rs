//! Arithmetic on the few numbers that decide about shapes. Knows which functions there are, not
//! when they are worth computing.

use super::{
    call::Call,
    fact::Fact,
    fold::{flat, places, spread},
    reduce::reduced,
};
use crate::{
    model::graph::{Attribute, Numbers},
    tensor::DType,
};

/// What an operator computes from its operands' numbers.
pub fn computed(call: &Call<'_>, result: &Fact, dims: &[u64]) -> Option<Numbers> {
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
    let made = usize::try_from(result.elements()?).ok()?;
    let name = call.node.operator.as_str();
    match operand.numbers.as_deref()? {
        Numbers::Integers(numbers) => {
            let of = |a: i64, b: i64| match name {
                "ReduceSum" => a.checked_add(b),
                "ReduceProd" => a.checked_mul(b),
                "ReduceMax" => Some(a.max(b)),
                _ => Some(a.min(b)),
            };
            gathered(numbers, &to, made, of).map(Numbers::Integers)
        }
        Numbers::Floats(numbers) => {
            let of = |a: f64, b: f64| match name {
                "ReduceSum" => Some(a + b),
                "ReduceProd" => Some(a * b),
                "ReduceMax" => Some(a.max(b)),
                _ => Some(a.min(b)),
            };
            Some(settled(gathered(numbers, &to, made, of)?, result.dtype))
        }
    }
}

/// Draws numbers together at the places that `to` names; none where a place is left without.
fn gathered<T: Copy>(
    numbers: &[T],
    to: &[usize],
    made: usize,
    of: impl Fn(T, T) -> Option<T>,
) -> Option<Vec<T>> {
    let mut made = vec![None; made];
    for (&number, &at) in numbers.iter().zip(to) {
        let place = made.get_mut(at)?;
        *place = Some(match *place {
            Some(before) => of(before, number)?,
            None => number,
        });
    }
    made.into_iter().collect()
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
pub fn settled(numbers: Vec<f64>, dtype: DType) -> Numbers {
    match dtype {
        DType::Bool => {
            Numbers::Integers(numbers.into_iter().map(|n| i64::from(n != 0.0)).collect())
        }
        DType::F32 => Numbers::Floats(numbers.into_iter().map(|n| f64::from(n as f32)).collect()),
        _ => Numbers::Floats(numbers),
    }
}
