//! A tree as a Rust value, with every mistake collected.
//!
//! serde stops at the first mistake. So a value is decoded in rounds: the deepest part that fails is reported and left
//! out of the next round (a field counts as not written, a list element as not there), until the rest decodes. Fields
//! that a struct does not know are reported in any case, whatever the struct says about them.

mod access;
mod deserializer;
mod error;
mod spanned;

pub use spanned::Spanned;

use super::error::{Problem, Problems, Severity};
use super::tree::{Span, Tree};
use deserializer::TreeDeserializer;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Most rounds for one value, and so the most mistakes that are found in it.
const ROUNDS_MAX: usize = 50;

/// Decodes `tree`; `None` when there was any mistake. `path` names the tree in messages (`nodes[2]`); empty for the root.
pub fn decode<T: DeserializeOwned>(tree: &Tree, path: &str, problems: &mut Problems) -> Option<T> {
    decode_with(tree, path, Rules::Own, problems).map(|decoded| decoded.value)
}

/// Decodes each element of a list by itself; those with mistakes are missing from the answer.
///
/// A tree that is no list is a mistake; null is an empty list.
pub fn decode_each<T: DeserializeOwned>(tree: &Tree, path: &str, problems: &mut Problems) -> Vec<Spanned<T>> {
    let super::TreeValue::Seq(items) = &tree.value else {
        if !tree.is_null() {
            problems.error(tree.span, format!("{path}: found {}, expected a list", error::found(tree)));
        }
        return Vec::new();
    };
    let decode_item = |(nth, item): (usize, &Tree)| {
        let value = decode(item, &format!("{path}[{nth}]"), problems)?;
        Some(Spanned { value, span: item.span })
    };
    items.iter().enumerate().filter_map(decode_item).collect()
}

/// Whose types are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Ours.
    Own,
    /// Kubernetes' types: null text is empty text, as in Go; numbers may stand for quantities.
    Kubernetes,
}

/// A decoded value, with what decoding found out about the tree.
pub(super) struct Decoded<T> {
    pub(super) value: T,
    /// Values that the type takes as text though they are written as something else, by address, sorted.
    pub(super) texts: Vec<(usize, String)>,
}

/// [`decode`] under chosen rules.
pub(super) fn decode_with<T: DeserializeOwned>(tree: &Tree, path: &str, rules: Rules, problems: &mut Problems) -> Option<Decoded<T>> {
    let context = Context { prefix: path, rules, left_out: RefCell::default(), unknown: RefCell::default(), texts: RefCell::default() };
    let mut decoded = None;
    let found = context.rounds(tree, problems, &mut || {
        decoded = Some(T::deserialize(TreeDeserializer::new(tree, None, &context))?);
        Ok(())
    });
    let mut texts = context.texts.take();
    texts.sort_unstable_by_key(|&(address, _)| address);
    let usable = found == Found::Sound || found == Found::UnknownFields && rules == Rules::Kubernetes;
    decoded.filter(|_| usable).map(|value| Decoded { value, texts })
}

/// The worst mistakes of one decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// None.
    Sound,
    /// Fields that the type does not have. Kubernetes' types go on without them, so that validation tells its mistakes too.
    UnknownFields,
    /// Values that cannot be.
    Mistakes,
}

/// What all parts of one decoding share.
struct Context<'c> {
    prefix: &'c str,
    rules: Rules,
    /// Addresses of the trees that failed in an earlier round.
    left_out: RefCell<BTreeSet<usize>>,
    unknown: RefCell<Vec<Problem>>,
    texts: RefCell<Vec<(usize, String)>>,
}

impl Context<'_> {
    /// Repeats `attempt` until it succeeds or nothing more can be left out; what mistakes there were.
    fn rounds(&self, tree: &Tree, problems: &mut Problems, attempt: &mut dyn FnMut() -> Result<(), error::DecodeError>) -> Found {
        let mut found = Found::Sound;
        for _ in 0..ROUNDS_MAX {
            self.texts.borrow_mut().clear();
            let Err(error) = attempt() else { break };
            found = Found::Mistakes;
            let (span, failed) = error.place.unwrap_or((tree.span, address(tree)));
            if let Some(what) = error.what.filter(|_| !problems.has_error_at(span)) {
                problems.push(Severity::Error, Problem { span, what, help: error.help });
            }
            if failed == address(tree) || !self.left_out.borrow_mut().insert(failed) {
                break;
            }
        }
        for problem in self.unknown.take() {
            found = found.max(Found::UnknownFields);
            problems.push(Severity::Error, problem);
        }
        found
    }

    fn is_left_out(&self, tree: &Tree) -> bool {
        let left_out = self.left_out.borrow();
        !left_out.is_empty() && left_out.contains(&address(tree))
    }
}

/// What tells one part of a borrowed tree from another; nothing is ever read through it.
pub(super) fn address(tree: &Tree) -> usize {
    std::ptr::from_ref(tree) as usize
}

/// The way from the root to a value, for messages.
#[derive(Clone, Copy)]
struct Step<'p> {
    parent: Option<&'p Step<'p>>,
    part: Part<'p>,
}

#[derive(Clone, Copy)]
enum Part<'p> {
    Field(&'p str),
    Index(usize),
}

impl Context<'_> {
    /// `spec.containers[0].image`
    fn path(&self, step: Option<&Step<'_>>) -> String {
        let mut steps = Vec::new();
        let mut next = step;
        while let Some(step) = next {
            steps.push(step.part);
            next = step.parent;
        }
        let mut path = self.prefix.to_string();
        for part in steps.into_iter().rev() {
            match part {
                Part::Field(name) if path.is_empty() => path.push_str(name),
                Part::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Part::Index(nth) => path.push_str(&format!("[{nth}]")),
            }
        }
        path
    }
}

/// A mistake's place: the span to show, and the address to leave out.
type Place = (Span, usize);
