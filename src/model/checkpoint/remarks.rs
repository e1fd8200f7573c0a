//! What a checkpoint is good for, in whole sentences, from the roles and names of its weights.

use crate::{
    model::{
        anatomy::{Role, Weight},
        components::{Component, components},
    },
    unit::Bytes,
};

/// What a reader should know of these weights.
pub fn of(weights: &[Weight]) -> Vec<String> {
    let bytes = |role: Role| -> u64 {
        weights.iter().filter(|weight| weight.role == role).map(|weight| weight.bytes).sum()
    };
    let there = |role: Role| weights.iter().any(|weight| weight.role == role);
    let mut remarks = Vec::new();
    let network = match (there(Role::Model), there(Role::Ema)) {
        (true, _) => Role::Model,
        (false, true) => Role::Ema,
        (false, false) => {
            let what =
                if there(Role::Optimizer) { "Only the state of an optimizer" } else { "Nothing" };
            return vec![format!("{what}: no weights of a network are in the file.")];
        }
    };
    if network == Role::Ema {
        remarks.push(
            "There is no `model` beside the moving average (EMA): the average is the model, as \
             Ultralytics saves it."
                .to_owned(),
        );
    }
    let names = weights.iter().filter(|weight| weight.role == network);
    let names: Vec<&str> = names.map(|weight| weight.name.as_str()).collect();
    remarks.push(completeness(&names));
    remarks.extend(auxiliary(weights, network, &names));
    let both = network == Role::Model && there(Role::Ema);
    if both {
        remarks.push(format!(
            "Of the network and its moving average (EMA, {}) one is enough: several projects, Ultralytics \
             and RT-DETR among them, deploy the average where there is one; --role ema writes it.",
            Bytes(bytes(Role::Ema))
        ));
    }
    let training: Vec<_> = [Role::Optimizer, Role::Scheduler]
        .into_iter()
        .filter(|&role| role != network && there(role))
        .collect();
    if !training.is_empty() {
        let words: Vec<&str> = training.iter().map(|&role| word(role)).collect();
        let size = Bytes(training.iter().map(|&role| bytes(role)).sum());
        let (verb, what) = if words.len() > 1 {
            ("are", words.join(" and "))
        } else {
            ("is", words[0].to_owned())
        };
        remarks.push(format!("{} {verb} only needed to resume training ({size}).", capital(&what)));
    }
    remarks
}

fn completeness(names: &[&str]) -> String {
    let found = components(names);
    let has = |component| found.contains(&component);
    let (backbone, neck, head) =
        (has(Component::Backbone), has(Component::Neck), has(Component::Head));
    match (backbone, neck, head) {
        (true, true, true) => "Complete for inference, by the names of its tensors: backbone, neck and head are present.",
        (true, false, true) => {
            "Backbone and head are present; no tensor is named as a neck's, which most detectors have."
        }
        (true, _, false) => {
            "No tensor of a head: this is a backbone's weights, to be loaded into a detector."
        }
        (false, _, true) => "No tensor of a backbone: its weights have to come from another file.",
        (false, _, false) => {
            "Its names do not tell backbone from head: whether it is complete is unknown."
        }
    }
    .to_owned()
}

/// What serves training alone although it is part of the network.
fn auxiliary(weights: &[Weight], network: Role, names: &[&str]) -> Option<String> {
    let own = weights.iter().filter(|weight| weight.role == network);
    let found = components(names);
    let bytes: u64 = own
        .zip(found)
        .filter(|(_, component)| *component == Component::Auxiliary)
        .map(|(weight, _)| weight.bytes)
        .sum();
    (bytes > 0).then(|| {
        let size = Bytes(bytes);
        format!("Of the network {size} are auxiliary heads, which serve training alone; a lean file keeps them.")
    })
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Model => "the model",
        Role::Ema => "the moving average (EMA)",
        Role::Optimizer => "the optimizer's state",
        Role::Scheduler => "the scheduler's state",
        Role::Other => "the rest",
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
