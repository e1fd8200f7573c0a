//! What the libraries have said: the last warnings and errors of this process. A library takes the
//! logger of whoever loads it first for good, so that there is one journal, not one for each object.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most messages that are kept.
const KEPT: usize = 64;
/// Most characters of a message.
const LONGEST: usize = 4096;

/// How bad what a library says is, by TensorRT's `ILogger::Severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 0 and 1.
    Error,
    /// 2.
    Warning,
}

/// A message, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How many there were before it.
    number: u64,
    /// How bad it is.
    pub severity: Severity,
    /// Its words.
    pub words: String,
}

/// A place between two messages.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

#[derive(Debug)]
struct Journal {
    next: u64,
    messages: VecDeque<Message>,
}

static JOURNAL: Mutex<Journal> = Mutex::new(Journal { next: 0, messages: VecDeque::new() });

fn journal() -> MutexGuard<'static, Journal> {
    JOURNAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a message of that severity, if it is a warning or worse.
pub fn note(severity: i32, words: &str) {
    let severity = match severity {
        ..=1 => Severity::Error,
        2 => Severity::Warning,
        _ => return,
    };
    let words: String = trimmed(words).chars().take(LONGEST).collect();
    let mut journal = journal();
    let number = journal.next;
    journal.next += 1;
    if journal.messages.len() == KEPT {
        journal.messages.pop_front();
    }
    journal.messages.push_back(Message { number, severity, words });
}

/// The present end of the journal.
pub fn mark() -> Mark {
    Mark(journal().next)
}

/// What was said since, once each: errors, or warnings where there is none.
pub fn since(mark: Mark) -> Vec<String> {
    let journal = journal();
    let later = || journal.messages.iter().filter(|message| message.number >= mark.0);
    let worst = later().map(|message| message.severity).min();
    let mut words: Vec<String> = Vec::new();
    for message in later().filter(|message| Some(message.severity) == worst) {
        if !words.contains(&message.words) {
            words.push(message.words.clone());
        }
    }
    words
}

/// A message without the number and the place in NVIDIA's sources that it starts with.
fn trimmed(words: &str) -> &str {
    let words = words.trim();
    let (number, rest) = words.split_once(": ").unwrap_or_default();
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let words = if numbered { rest } else { words };
    let place = words.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    place.filter(|(place, _)| place.contains("::")).map_or(words, |(_, rest)| rest)
}
