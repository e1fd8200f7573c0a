//! The part of the difference that weights make: matched by name, then by shape, and what has no
//! match told apart by what it is.

use super::{Cause, Explanation, signed};
use crate::model::anatomy::{Anatomy, Role, Weight};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Prefixes that programs put before the names of a network's weights.
const PREFIXES: [&str; 6] = ["module.", "model.", "_orig_mod.", "ema.", "avg_model.", "student."];
/// Last part of the names of batch normalisation's running statistics, in PyTorch's and Paddle's words.
const STATISTICS: [&str; 5] =
    ["running_mean", "running_var", "num_batches_tracked", "_mean", "_variance"];
/// What Paddle calls such a layer where its parameters are numbered: `batch_norm2d_3.w_1`.
const NUMBERED: &str = "batch_norm";

/// What the weights' bytes differ by; sums to the difference of all weights' bytes.
pub fn explain(first: &Anatomy, second: &Anatomy) -> Vec<Explanation> {
    let mut explanations = network(&of_role(first, Role::Model), &of_role(second, Role::Model));
    for (role, cause, words) in [
        (
            Role::Optimizer,
            Cause::OptimizerState,
            "state of the optimizer, needed to resume training alone",
        ),
        (Role::Ema, Cause::EmaState, "moving average of the weights, kept beside them in training"),
        (Role::Scheduler, Cause::SchedulerState, "state of the learning-rate schedule"),
        (Role::Other, Cause::OtherState, "tensors that belong to none of those"),
    ] {
        let bytes =
            |anatomy| signed(of_role(anatomy, role).iter().map(|weight| weight.bytes).sum());
        explanations.push(Explanation {
            cause,
            words: words.to_owned(),
            bytes: bytes(second) - bytes(first),
        });
    }
    explanations
}

fn of_role(anatomy: &Anatomy, role: Role) -> Vec<&Weight> {
    anatomy.weights.iter().filter(|weight| weight.role == role).collect()
}

/// A weight of the first and one of the second that are the same.
type Pair<'a> = (&'a Weight, &'a Weight);

fn network(first: &[&Weight], second: &[&Weight]) -> Vec<Explanation> {
    let mut pairs = Vec::new();
    let by_name = |weight: &Weight| canonical(&weight.name).to_owned();
    let (mut first, mut second) = pair_by(first, second, by_name, &mut pairs);
    // Before shapes are compared: a layer's statistics have the shape of any bias.
    let mut folded = [Folded::take(&mut first), Folded::take(&mut second)];
    if folded.iter().all(|folded| !folded.layers.is_empty()) {
        // Neither has folded: they call them differently.
        first.append(&mut folded[0].layers);
        second.append(&mut folded[1].layers);
    }
    // Exporters rename: what has the same shape is taken for the same, in the files' order.
    let by_shape = |weight: &Weight| format!("{} {:?}", weight.dtype.is_float(), weight.shape);
    let (mut first, mut second) = pair_by(&first, &second, by_shape, &mut pairs);
    folded[0].take_biases(&mut second);
    folded[1].take_biases(&mut first);
    // Without a bias in its place a layer is not folded but absent.
    for (folded, own) in folded.iter_mut().zip([&mut first, &mut second]) {
        if folded.biases.is_empty() {
            own.append(&mut folded.layers);
        }
    }
    let mut explanations = of_matches(&pairs);
    explanations.push(folded[0].explained("second", -1));
    explanations.push(folded[1].explained("first", 1));
    explanations.push(alone(&first, "first", -1));
    explanations.push(alone(&second, "second", 1));
    explanations
}

fn of_matches(pairs: &[Pair<'_>]) -> Vec<Explanation> {
    let mut explanations = Vec::new();
    let mut precisions: BTreeMap<(String, String), (u64, i64)> = BTreeMap::new();
    let (mut shapes, mut absent) = (Vec::new(), [Vec::new(), Vec::new()]);
    let mut reshaped = 0;
    for &(a, b) in pairs {
        let whole = signed(b.bytes) - signed(a.bytes);
        match (a.place.is_some(), b.place.is_some()) {
            (true, false) if b.bytes == 0 => absent[1].push((a, b)),
            (false, true) if a.bytes == 0 => absent[0].push((a, b)),
            _ => {
                // At the first's width: what is left is the other type's.
                let shape = if a.shape == b.shape { 0 } else { resized(a, b).unwrap_or(whole) };
                if a.dtype != b.dtype {
                    let key = (a.dtype.to_string(), b.dtype.to_string());
                    let sum = precisions.entry(key).or_default();
                    *sum = (sum.0 + 1, sum.1 + whole - shape);
                    reshaped += shape;
                    shapes.extend((shape != 0).then_some(a));
                } else if whole != 0 {
                    reshaped += whole;
                    shapes.push(a);
                }
            }
        }
    }
    for ((from, to), (count, bytes)) in precisions {
        let words = format!("{count} tensors of {from} are {to}");
        explanations.push(Explanation { cause: Cause::Precision, words, bytes });
    }
    let named = listed(shapes.iter().map(|weight| weight.name.as_str()));
    let words = format!("{} tensors of another shape or storage: {named}", shapes.len());
    explanations.push(Explanation { cause: Cause::Shapes, words, bytes: reshaped });
    for (pairs, which) in absent.iter().zip(["first", "second"]) {
        let words = format!(
            "{} tensors that the {which} declares but does not store: the file with its weights is not \
             beside it",
            pairs.len()
        );
        explanations.push(of_pairs(Cause::Weights, words, pairs));
    }
    explanations
}

/// Bytes that another shape is worth, in the first's type.
fn resized(first: &Weight, second: &Weight) -> Option<i64> {
    let bits = i64::try_from(first.dtype.bits()?).ok()?;
    let more = signed(second.elements).checked_sub(signed(first.elements))?;
    Some(more.checked_mul(bits)? / 8)
}

fn of_pairs(cause: Cause, words: String, pairs: &[Pair<'_>]) -> Explanation {
    let bytes = pairs.iter().map(|(a, b)| signed(b.bytes) - signed(a.bytes)).sum();
    Explanation { cause, words, bytes }
}

/// What has no match and is no batch normalisation.
fn alone(weights: &[&Weight], which: &str, sign: i64) -> Explanation {
    let mut largest = weights.to_vec();
    largest.sort_by_key(|weight| std::cmp::Reverse(weight.bytes));
    let named = listed(largest.iter().map(|weight| weight.name.as_str()));
    Explanation {
        cause: Cause::Weights,
        words: format!("{} tensors that only the {which} has: {named}", weights.len()),
        bytes: sign * total(weights),
    }
}

fn total(weights: &[&Weight]) -> i64 {
    signed(weights.iter().map(|weight| weight.bytes).sum())
}

/// Batch normalisation that one side has and the other has folded into convolutions, as far as it
/// has no match by name.
#[derive(Default)]
struct Folded<'a> {
    layers: Vec<&'a Weight>,
    /// What the other side has in its place: a bias for each layer.
    biases: Vec<&'a Weight>,
}

impl<'a> Folded<'a> {
    /// Takes the layers out of `from`.
    fn take(from: &mut Vec<&'a Weight>) -> Self {
        let names = normalisations(from);
        let (layers, rest) = from.drain(..).partition(|weight| belongs(weight, &names));
        *from = rest;
        Self { layers, biases: Vec::new() }
    }

    /// Takes a bias for each layer out of `from`: a vector with as many numbers as the layer has
    /// channels.
    fn take_biases(&mut self, from: &mut Vec<&'a Weight>) {
        let mut wanted: HashMap<u64, usize> = HashMap::new();
        let variances = self.layers.iter().filter(|weight| {
            ["var", "variance", "w_2"].iter().any(|end| weight.name.ends_with(end))
        });
        for variance in variances {
            *wanted.entry(variance.shape.first().copied().unwrap_or(0)).or_default() += 1;
        }
        let fits = |weight: &&Weight| match weight.shape.as_slice() {
            [channels] => wanted.get_mut(channels).filter(|left| **left > 0).is_some_and(|left| {
                *left -= 1;
                true
            }),
            _ => false,
        };
        let (biases, rest) = from.drain(..).partition(fits);
        self.biases = biases;
        *from = rest;
    }

    /// What it is worth where `which` has folded it.
    fn explained(&self, which: &str, sign: i64) -> Explanation {
        Explanation {
            cause: Cause::BatchNormalisation,
            words: format!(
                "{} tensors of batch normalisation that the {which} has folded into {} biases of its \
                 convolutions",
                self.layers.len(),
                self.biases.len()
            ),
            bytes: sign * (total(&self.layers) - total(&self.biases)),
        }
    }
}

/// Layers whose names say that they keep running statistics.
fn normalisations(weights: &[&Weight]) -> BTreeSet<String> {
    let layer = |weight: &&Weight| {
        let (layer, part) = weight.name.rsplit_once('.')?;
        let known = STATISTICS.contains(&part) || layer.starts_with(NUMBERED);
        known.then(|| layer.to_owned())
    };
    weights.iter().filter_map(layer).collect()
}

fn belongs(weight: &Weight, layers: &BTreeSet<String>) -> bool {
    weight.name.rsplit_once('.').is_some_and(|(layer, _)| layers.contains(layer))
}

/// A name without what programs put before it.
fn canonical(name: &str) -> &str {
    let mut rest = name;
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    rest
}

/// Pairs those of the same key, in order, and returns the rest.
fn pair_by<'a>(
    first: &[&'a Weight],
    second: &[&'a Weight],
    key: impl Fn(&Weight) -> String,
    pairs: &mut Vec<Pair<'a>>,
) -> (Vec<&'a Weight>, Vec<&'a Weight>) {
    let mut waiting: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, weight) in second.iter().enumerate().rev() {
        waiting.entry(key(weight)).or_default().push(index);
    }
    let mut taken = vec![false; second.len()];
    let mut left = Vec::new();
    for weight in first {
        match waiting.get_mut(&key(weight)).and_then(Vec::pop) {
            Some(index) => {
                taken[index] = true;
                pairs.push((weight, second[index]));
            }
            None => left.push(*weight),
        }
    }
    let rest = second.iter().zip(&taken).filter(|(_, taken)| !**taken);
    (left, rest.map(|(weight, _)| *weight).collect())
}

/// The first few of names.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 3;
    let all: Vec<&str> = names.collect();
    let more = if all.len() > MOST { ", …" } else { "" };
    format!("{}{more}", all.iter().take(MOST).copied().collect::<Vec<_>>().join(", "))
}
