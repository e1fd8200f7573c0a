//! Products of matrices and their quantised and fused kin.

use super::{
    call::{Call, Outcome, Reason, agree, contradiction, shown},
    elementwise::broadcast,
    fact::{Fact, Length},
    operator::{Count, Operator, Work},
};
use crate::tensor::DType;
use std::collections::BTreeMap;

/// The operators of this group.
pub fn find(name: &str) -> Option<Operator> {
    match name {
        "Gemm" => Operator::new(gemm, Work::Counted(gemm_work)),
        "MatMul" => Operator::new(matmul, Work::Counted(matmul_work)),
        "MatMulInteger" => Operator::new(integer, Work::Counted(matmul_work)),
        "QLinearMatMul" => Operator::new(quantised, Work::Counted(matmul_work)),
        "Einsum" => Operator::new(einsum, Work::Counted(einsum_work)),
        _ => None,
    }
}

/// Fused operators of ONNX Runtime in this group.
pub fn fused(name: &str) -> Option<Operator> {
    match name {
        "FusedGemm" => find("Gemm"),
        "FusedMatMul" => Operator::new(fused_matmul, Work::Counted(fused_matmul_work)),
        _ => None,
    }
}

fn gemm(call: &Call<'_>) -> Outcome {
    let (&[a0, a1], &[b0, b1]) = (call.dims(0)?, call.dims(1)?) else {
        return contradiction("its operands are no matrices");
    };
    let (rows, inner) = if call.flag("transA", false) { (a1, a0) } else { (a0, a1) };
    let (other, columns) = if call.flag("transB", false) { (b1, b0) } else { (b0, b1) };
    if !agree(inner, other) {
        return misfit(call, 0, 1);
    }
    Ok(vec![Fact::new(call.dtype(0)?, vec![rows, columns])])
}

fn misfit<T>(call: &Call<'_>, a: usize, b: usize) -> Result<T, Reason> {
    let (a, b) = (shown(call.dims(a)?), shown(call.dims(b)?));
    contradiction(format!("matrices of {a} and {b} cannot be multiplied"))
}

fn gemm_work(call: &Call<'_>, results: &[&Fact]) -> Option<Count> {
    let inner = call.given(0)?.dims.as_ref()?.get(usize::from(!call.flag("transA", false)))?;
    let made = results.first()?.elements()?;
    let added = if call.given(2).is_some() { made } else { 0 };
    Some(Count { macs: made.saturating_mul((*inner)?), elementwise: added })
}

fn matmul(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(0)?, multiplied(call, 0, 1)?)])
}

fn integer(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(DType::I32, multiplied(call, 0, 1)?)])
}

fn quantised(call: &Call<'_>) -> Outcome {
    Ok(vec![Fact::new(call.dtype(7)?, multiplied(call, 0, 3)?)])
}

fn multiplied(call: &Call<'_>, a: usize, b: usize) -> Result<Vec<Length>, Reason> {
    product(call.dims(a)?, call.dims(b)?).unwrap_or_else(|| misfit(call, a, b))
}

/// The shape of a product as numpy's `matmul` has it: an operand with one dimension is a row on the
/// left and a column on the right, and that dimension is not in the result. None where the inner
/// lengths differ.
fn product(a: &[Length], b: &[Length]) -> Option<Result<Vec<Length>, Reason>> {
    let (batch_a, rows, inner) = match a {
        [] => return None,
        &[inner] => (&[][..], None, inner),
        [batch @ .., rows, inner] => (batch, Some(*rows), *inner),
    };
    let (batch_b, other, columns) = match b {
        [] => return None,
        &[inner] => (&[][..], inner, None),
        [batch @ .., inner, columns] => (batch, *inner, Some(*columns)),
    };
    agree(inner, other).then(|| {
        let mut dims = broadcast(batch_a, batch_b)?;
        dims.extend(rows);
        dims.extend(columns);
        Ok(dims)
    })
}

/// A MAC for each element of the result and each of the inner dimension.
fn matmul_work(call: &Call<'_>, results: &[&Fact]) -> Option<Count> {
    let inner = (*call.given(0)?.dims.as_ref()?.last()?)?;
    Some(Count { macs: results.first()?.elements()?.saturating_mul(inner), elementwise: 0 })
}

/// Operands of `FusedMatMul` as it multiplies them.
fn turned(call: &Call<'_>) -> Result<(Vec<Length>, Vec<Length>), Reason> {
    if call.flag("transBatchA", false) || call.flag("transBatchB", false) {
        return Err(Reason::Operator);
    }
    let turn = |index, name| {
        let mut dims = call.dims(index)?.to_vec();
        let rank = dims.len();
        if call.flag(name, false) && rank > 1 {
            dims.swap(rank - 2, rank - 1);
        }
        Ok(dims)
    };
    Ok((turn(0, "transA")?, turn(1, "transB")?))
}

fn fused_matmul(call: &Call<'_>) -> Outcome {
    let (a, b) = turned(call)?;
    let dims = product(&a, &b).unwrap_or_else(|| misfit(call, 0, 1))?;
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

fn fused_matmul_work(call: &Call<'_>, results: &[&Fact]) -> Option<Count> {
    let inner = (*turned(call).ok()?.0.last()?)?;
    Some(Count { macs: results.first()?.elements()?.saturating_mul(inner), elementwise: 0 })
}

/// Letters of an equation with the lengths that the operands give them, and the letters of the
/// result.
fn letters(call: &Call<'_>) -> Result<(BTreeMap<char, Length>, Vec<char>), Reason> {
    let equation: String =
        call.node.text("equation").unwrap_or_default().split_whitespace().collect();
    if equation.contains('.') {
        return Err(Reason::Operator);
    }
    let (left, right) = equation.split_once("->").map_or((&*equation, None), |(l, r)| (l, Some(r)));
    let (mut lengths, mut often) = (BTreeMap::new(), BTreeMap::<char, usize>::new());
    for (index, term) in left.split(',').enumerate() {
        let dims = call.dims(index)?;
        if term.chars().count() != dims.len() {
            return contradiction(format!("{term:?} does not name {} dimensions", dims.len()));
        }
        for (letter, &length) in term.chars().zip(dims) {
            *often.entry(letter).or_default() += 1;
            let known = lengths.entry(letter).or_insert(length);
            match (*known, length) {
                (None | Some(1), _) => *known = length,
                (Some(a), Some(b)) if a != b && b != 1 => {
                    return contradiction(format!("{letter:?} is {a} and {b} long"));
                }
                _ => {}
            }
        }
    }
    // Without a right side: what occurs once, in the alphabet's order.
    let once = || often.iter().filter(|&(_, &n)| n == 1).map(|(&letter, _)| letter).collect();
    Ok((lengths, right.map_or_else(once, |right| right.chars().collect())))
}

fn einsum(call: &Call<'_>) -> Outcome {
    let (lengths, result) = letters(call)?;
    let length = |letter| {
        let unknown = || Reason::Contradiction(format!("{letter:?} is in the result alone"));
        lengths.get(letter).copied().ok_or_else(unknown)
    };
    let dims = result.iter().map(length).collect::<Result<_, _>>()?;
    Ok(vec![Fact::new(call.dtype(0)?, dims)])
}

/// A contraction of two operands is a product of matrices: a MAC for each combination of letters.
/// Anything else is an operation for each.
fn einsum_work(call: &Call<'_>, _: &[&Fact]) -> Option<Count> {
    let (lengths, result) = letters(call).ok()?;
    let all = lengths.values().try_fold(1_u64, |all, &n| Some(all.saturating_mul(n?)))?;
    let contracts = lengths.keys().any(|letter| !result.contains(letter));
    let factors = u64::try_from(call.operands.len()).ok()?;
    Some(match factors {
        2.. if contracts => Count { macs: all.saturating_mul(factors - 1), elementwise: 0 },
        _ => Count { macs: 0, elementwise: all },
    })
}
