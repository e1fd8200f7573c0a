//! Finds every tensor among the values of a pickle and gives it the name and role that its place
//! tells. Follows each value once, however often it is referred to, and never by recursion.

use super::{
    pickle::{Id, Object, Pickle},
    role,
    tensor::Tensors,
};
use crate::model::anatomy::Role;
use std::{borrow::Cow, collections::HashSet};

/// Bytes of names that are made for each byte of the file, and those that any file gets: names that
/// a stranger nests in one another would otherwise grow with the square of the file.
const NAME_BYTES: (usize, usize) = (8, 1 << 16);

/// A tensor under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name, as a state dictionary has it.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// Its index among the tensors.
    pub tensor: usize,
}

/// Part of a path, with what it is a part in.
struct Step<'a> {
    above: Option<usize>,
    word: Cow<'a, str>,
    /// A key such as `state_dict`, which is no part of a name.
    wrapper: bool,
}

#[derive(Clone, Copy)]
struct Visit {
    id: Id,
    path: Option<usize>,
    /// Known from a key above.
    role: Option<Role>,
    /// Whether nothing but wrappers is above.
    outermost: bool,
}

struct Walk<'w, 'p, 'a> {
    tensors: &'w mut Tensors<'p, 'a>,
    steps: Vec<Step<'p>>,
    /// Of each value, as bits, the roles under which it was looked at.
    seen: Vec<u8>,
    /// What is to be looked at next, last first.
    ahead: Vec<Visit>,
    /// What is looked at when nothing else is left: attributes of modules, which may lead to what
    /// has a better name elsewhere.
    aside: Vec<Visit>,
    found: Vec<(Visit, usize)>,
    budget: usize,
}

/// Names and roles of all tensors in the pickle, roles in their order.
///
/// # Errors
/// Those of [`Tensors::at`], and names that no file of this size needs.
pub fn named(tensors: &mut Tensors<'_, '_>, file_bytes: usize) -> Result<Vec<Named>, String> {
    let budget = file_bytes.saturating_mul(NAME_BYTES.0).saturating_add(NAME_BYTES.1);
    let seen = vec![0; tensors.pickle.len()];
    let root = Visit { id: tensors.pickle.root, path: None, role: None, outermost: true };
    let (steps, aside, found) = (Vec::new(), Vec::new(), Vec::new());
    let mut walk = Walk { tensors, steps, seen, ahead: vec![root], aside, found, budget };
    while let Some(visit) = walk.ahead.pop().or_else(|| walk.aside.pop()) {
        walk.visit(visit)?;
    }
    walk.names()
}

impl<'p> Walk<'_, 'p, '_> {
    fn visit(&mut self, visit: Visit) -> Result<(), String> {
        if let Some(tensor) = self.tensors.at(visit.id)? {
            self.found.push((visit, tensor));
            return Ok(());
        }
        if !self.first(visit.id, visit.role) {
            return Ok(());
        }
        let from = self.ahead.len();
        let pickle = self.tensors.pickle;
        if let Some(entries) = pickle.entries(visit.id) {
            self.mapping(visit, entries);
        } else if let Some(items) = pickle.items(visit.id) {
            self.list(visit, items);
        }
        if let Some(object) = pickle.object(visit.id) {
            self.object(visit, object);
        }
        // The file's order, though the last is taken first.
        self.ahead[from..].reverse();
        Ok(())
    }

    /// Whether a value is to be looked at: for the first time, or for the first time as the network
    /// or its average, which may be one and the same.
    fn first(&mut self, id: Id, role: Option<Role>) -> bool {
        let seen = &mut self.seen[id.index()];
        let (bit, known) = match role {
            Some(Role::Model) => (1, *seen & 1),
            Some(Role::Ema) => (2, *seen & 2),
            _ => (4, *seen),
        };
        *seen |= bit;
        known == 0
    }

    fn list(&mut self, visit: Visit, items: &[Id]) {
        for (index, &id) in items.iter().enumerate() {
            if !self.leads_on(id) {
                continue;
            }
            let path = self.step(visit.path, index.to_string().into(), false);
            self.ahead.push(Visit { id, path, outermost: false, ..visit });
        }
    }

    fn mapping(&mut self, visit: Visit, entries: &[(Id, Id)]) {
        let pickle = self.tensors.pickle;
        let has = |key: &str| pickle.entry(visit.id, key).is_some();
        let role = match visit.role {
            None if has("state") && has("param_groups") => Some(Role::Optimizer),
            known => known,
        };
        for &(key, id) in entries {
            if self.leads_on(id) {
                let child = self.keyed(Visit { role, ..visit }, key, id);
                self.ahead.push(child);
            }
        }
    }

    /// What a dictionary holds under a key.
    fn keyed(&mut self, visit: Visit, key: Id, id: Id) -> Visit {
        let pickle = self.tensors.pickle;
        let word = match (pickle.text(key), pickle.int(key)) {
            (Some(text), _) => text,
            (None, Some(number)) => number.to_string().into(),
            (None, None) => "?".into(),
        };
        let tensor = self.tensors.pickle.object(id).is_some_and(|object| self.is_leaf(object));
        let told = if tensor { None } else { role::of_key(&word) };
        let weights = |role| matches!(role, Role::Model | Role::Ema);
        let wrapper =
            visit.outermost && told.is_some_and(weights) && visit.role.is_none_or(weights);
        let path = self.step(visit.path, word, wrapper);
        Visit { id, path, role: visit.role.or(told), outermost: wrapper }
    }

    /// Whether an object may be a tensor: then its key is its own name.
    fn is_leaf(&self, object: &Object) -> bool {
        let name = self.tensors.pickle.global(object.class);
        name.is_some_and(|(_, name)| name.starts_with("_rebuild") || name == "_reconstruct")
    }

    fn object(&mut self, visit: Visit, object: &Object) {
        let pickle = self.tensors.pickle;
        self.list(visit, &object.items);
        // The arguments as a value of their own: a stranger may give the same ones to thousands.
        self.ahead.push(Visit { id: object.arguments, outermost: false, ..visit });
        let Some(state) = object.state.and_then(|state| attributes(pickle, state)) else { return };
        if self.first(state, visit.role) {
            if ["_modules", "_parameters"].iter().any(|key| pickle.entry(state, key).is_some()) {
                self.module(visit, state);
            } else {
                self.mapping(visit, pickle.entries(state).unwrap_or_default());
            }
        }
    }

    /// A module of torch: its own tensors and modules first, whatever else it has at the end.
    fn module(&mut self, visit: Visit, state: Id) {
        let pickle = self.tensors.pickle;
        let passing = pickle.entry(state, "_non_persistent_buffers_set");
        let passing = passing.filter(|&set| self.first(set, visit.role));
        let passing = passing.map(|set| passing_names(pickle, set)).unwrap_or_default();
        for &(group, members) in pickle.entries(state).unwrap_or_default() {
            let group = pickle.text(group).unwrap_or_default();
            let own = matches!(&*group, "_parameters" | "_buffers" | "_modules");
            if !own {
                let path = self.step(visit.path, group, false);
                let role = Some(visit.role.map_or(Role::Other, |role| match role {
                    Role::Model | Role::Ema => Role::Other,
                    other => other,
                }));
                self.aside.push(Visit { id: members, path, role, outermost: false });
                continue;
            }
            if !self.first(members, visit.role) {
                continue;
            }
            for &(name, id) in pickle.entries(members).unwrap_or_default() {
                let Some(word) = pickle.text(name) else { continue };
                let kept = group != "_buffers" || !passing.contains(&*word);
                let role = if kept { visit.role } else { Some(Role::Other) };
                let path = self.step(visit.path, word, false);
                self.ahead.push(Visit { id, path, role, outermost: false });
            }
        }
    }

    /// Whether there may be a tensor behind a value.
    fn leads_on(&self, id: Id) -> bool {
        let pickle = self.tensors.pickle;
        pickle.object(id).is_some() || pickle.entries(id).is_some() || pickle.items(id).is_some()
    }

    fn step(&mut self, above: Option<usize>, word: Cow<'p, str>, wrapper: bool) -> Option<usize> {
        self.steps.push(Step { above, word, wrapper });
        Some(self.steps.len() - 1)
    }

    fn names(mut self) -> Result<Vec<Named>, String> {
        let decided = |visit: &Visit| matches!(visit.role, Some(Role::Model | Role::Ema));
        let beside = self.found.iter().any(|(visit, _)| decided(visit));
        let mut taken = HashSet::new();
        let mut named = Vec::with_capacity(self.found.len());
        for (visit, tensor) in std::mem::take(&mut self.found) {
            let mut name = self.name(visit.path, false)?;
            let role = match visit.role {
                None if beside => Role::Other,
                None | Some(Role::Model) => role::of_name(&name),
                Some(role) => role,
            };
            if !taken.insert((role, name.clone())) {
                name = self.name(visit.path, true)?;
            }
            named.push(Named { name, role, tensor });
        }
        // Who comes first is the one that a shared storage is counted for.
        named.sort_by_key(|named| named.role);
        Ok(named)
    }

    /// The words of a path with points between them, with the wrappers or without.
    fn name(&mut self, path: Option<usize>, whole: bool) -> Result<String, String> {
        let (mut words, mut next) = (Vec::new(), path);
        while let Some(step) = next.map(|index| &self.steps[index]) {
            let left = self.budget.checked_sub(step.word.len() + 1);
            self.budget = left.ok_or_else(|| {
                "the names of its tensors are longer than the whole file; no checkpoint's are"
                    .to_owned()
            })?;
            if whole || !step.wrapper {
                words.push(&*step.word);
            }
            next = step.above;
        }
        words.reverse();
        Ok(words.join("."))
    }
}

/// The dictionary of an object's attributes: its state, or the first or second part of it.
fn attributes(pickle: &Pickle<'_>, state: Id) -> Option<Id> {
    if pickle.entries(state).is_some() {
        return Some(state);
    }
    let parts = pickle.items(state)?;
    parts.iter().take(2).copied().find(|&part| pickle.entries(part).is_some())
}

/// Names of buffers that a module does not save.
fn passing_names<'p>(pickle: &'p Pickle<'_>, set: Id) -> HashSet<Cow<'p, str>> {
    // Protocol 2 writes a set as a call with a list.
    let list = match (pickle.items(set), pickle.object(set)) {
        (Some(items), _) => items,
        (None, Some(object)) => match pickle.items(object.arguments) {
            Some(&[list]) => pickle.items(list).unwrap_or_default(),
            _ => &[],
        },
        (None, None) => &[],
    };
    list.iter().filter_map(|&name| pickle.text(name)).collect()
}
