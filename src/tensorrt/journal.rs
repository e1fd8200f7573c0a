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

/// A message without the number that it starts with, and without places in NVIDIA's sources.
fn trimmed(words: &str) -> String {
    let words = words.trim();
    let (number, rest) = words.split_once(": ").unwrap_or_default();
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let words = if numbered { rest } else { words };
    let place = words.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let words = place.filter(|(place, _)| place.contains("::")).map_or(words, |(_, rest)| rest);
    without_place(words)
}

/// Cuts out all of the kind of ` In validate at /_src/network.cpp:3810`, which 10 and 11 put at the end of
/// a sentence.
fn without_place(words: &str) -> String {
    let place = |at: usize| {
        let rest = &words[at + " In ".len()..];
        let (function, source) = rest.split_once(" at /")?;
        let end = source.find([')', ' ', '\n']).unwrap_or(source.len());
        let (file, line) = source[..end].rsplit_once(':')?;
        let named = !function.contains(' ') && file.contains('.');
        let counted = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        (named && counted).then(|| at + " In ".len() + function.len() + " at /".len() + end)
    };
    let found = words.match_indices(" In ").find_map(|(at, _)| Some((at, place(at)?)));
    let Some((at, end)) = found else { return words.to_owned() };
    without_place(&format!("{}{}", &words[..at], &words[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_in_the_sources_are_cut_off_and_nothing_else() {
        let eight = "4: [network.cpp::validate::3062] Error Code 4: Internal Error (no profile)";
        assert_eq!(trimmed(eight), "Error Code 4: Internal Error (no profile)");
        let eleven =
            "f: Error Code 9: API Usage Error (no output. In validate at /_src/a/b.cpp:38)";
        assert_eq!(trimmed(eleven), "f: Error Code 9: API Usage Error (no output.)");
        for kept in
            ["[1, 2] are lengths", "In a word: no", "it is In between at /home", "8 In x at /a"]
        {
            assert_eq!(trimmed(kept), kept);
        }
    }

    #[test]
    fn errors_go_before_warnings_and_only_what_came_later_is_told_once() {
        // The journal is the process's; no other unit test writes to it.
        note(1, "earlier");
        let mark = mark();
        assert!(since(mark).is_empty());
        note(2, "a warning");
        note(3, "some talk");
        assert_eq!(since(mark), ["a warning"]);
        for words in ["first", "second", "first"] {
            note(1, words);
        }
        assert_eq!(since(mark), ["first", "second"]);
        (0..2 * KEPT).for_each(|n| note(0, &format!("{n}{}", "long".repeat(LONGEST))));
        let kept = since(mark);
        assert_eq!(kept.len(), KEPT);
        assert!(kept[0].starts_with(&KEPT.to_string()) && kept[0].len() == LONGEST);
    }
}
