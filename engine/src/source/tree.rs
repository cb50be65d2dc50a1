//! The one tree that RON, YAML and JSON become: values with the place of each in its file.

use super::sources::FileId;
use std::hash::Hasher;

/// A range of one file's text. Unit: bytes, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`; texts are at most [`super::sources::FILE_BYTES_MAX`] long, so `u32` holds.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        let cut = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file, start: cut(start), end: cut(end) }
    }

    /// From the start of `self` to the end of `last`.
    pub fn to(self, last: Span) -> Span {
        Span { end: last.end.max(self.start), ..self }
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The value.
    pub value: TreeValue,
    /// Where it is written; for an expanded YAML alias, where its anchor is written.
    pub span: Span,
}

/// A value of any of the formats.
#[derive(Debug, Clone)]
pub enum TreeValue {
    /// YAML and JSON `null`, RON `None`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// Any other number; always finite.
    Float(f64),
    /// Text; RON characters are text of one character.
    String(String),
    /// A list, or a RON tuple.
    Seq(Vec<Tree>),
    /// A map, a RON struct without name, or RON's unit `()` (as an empty map); keys are unique.
    Map(Vec<Entry>),
    /// A RON name, with or without arguments.
    Named(Box<Named>),
}

/// One key of a map with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Tree,
}

/// A key of a map: always text (numbers and booleans as they print), as in JSON.
#[derive(Debug, Clone)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Where it is written.
    pub span: Span,
}

/// `Name`, `Name(a, b)` or `Name(x: a)` of RON.
#[derive(Debug, Clone)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Where the name is written.
    pub name_span: Span,
    /// Null without parentheses, a list for `Name(a, b)`, a map for `Name(x: a)` and `Name()`.
    pub args: Tree,
}

impl Tree {
    /// A value at a place.
    pub fn new(value: TreeValue, span: Span) -> Tree {
        Tree { value, span }
    }

    /// Whether nothing is written: null.
    pub fn is_null(&self) -> bool {
        matches!(self.value, TreeValue::Null)
    }

    /// The entries of a map, a named struct included; nothing for other values.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            TreeValue::Map(entries) => entries,
            TreeValue::Named(named) => match &named.args.value {
                TreeValue::Map(entries) => entries,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// The elements of a list; nothing for other values.
    pub fn items(&self) -> &[Tree] {
        match &self.value {
            TreeValue::Seq(items) => items,
            _ => &[],
        }
    }

    /// The value under `key`, or `None` when this is no map or lacks it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, or `None` when this is no map or lacks it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    /// The text of a string, or `None` for other values.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            TreeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value at a path of keys and list positions (`["spec", "containers", "0", "image"]`), or `None`.
    pub fn at(&self, path: &[&str]) -> Option<&Tree> {
        path.iter().try_fold(self, |tree, step| tree.step(step))
    }

    /// The place of the value at `path`, or of its nearest ancestor that is written.
    pub fn span_of(&self, path: &[&str]) -> Span {
        self.innermost(path).span
    }

    /// The tree at a path, or the innermost that is there.
    pub fn innermost(&self, path: &[&str]) -> &Tree {
        let mut tree = self;
        for step in path {
            match tree.step(step) {
                Some(child) => tree = child,
                None => break,
            }
        }
        tree
    }

    fn step(&self, step: &str) -> Option<&Tree> {
        match &self.value {
            TreeValue::Seq(items) => items.get(step.parse::<usize>().ok()?),
            _ => self.get(step),
        }
    }

    /// How many values this tree holds, itself included.
    pub fn size(&self) -> u64 {
        1 + match &self.value {
            TreeValue::Seq(items) => items.iter().map(Tree::size).sum(),
            TreeValue::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
            TreeValue::Named(named) => named.args.size(),
            _ => 0,
        }
    }

    /// Whether both say the same, places apart; the order of keys counts.
    pub fn same(&self, other: &Tree) -> bool {
        use TreeValue::*;
        match (&self.value, &other.value) {
            (Null, Null) => true,
            (Bool(a), Bool(b)) => a == b,
            (Int(a), Int(b)) => a == b,
            (Uint(a), Uint(b)) => a == b,
            (Float(a), Float(b)) => a.to_bits() == b.to_bits(),
            (String(a), String(b)) => a == b,
            (Seq(a), Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Map(a), Map(b)) => same_entries(a, b),
            (Named(a), Named(b)) => a.name == b.name && a.args.same(&b.args),
            _ => false,
        }
    }

    /// Feeds what [`Tree::same`] compares into `hasher`.
    pub fn hash_into(&self, hasher: &mut impl Hasher) {
        let mut text = |kind: u8, text: &str| {
            hasher.write_u8(kind);
            hasher.write_usize(text.len());
            hasher.write(text.as_bytes());
        };
        match &self.value {
            TreeValue::Null => hasher.write_u8(0),
            TreeValue::Bool(value) => hasher.write_u8(1 + u8::from(*value)),
            TreeValue::Int(value) => {
                hasher.write_u8(3);
                hasher.write_i64(*value);
            }
            TreeValue::Uint(value) => {
                hasher.write_u8(4);
                hasher.write_u64(*value);
            }
            TreeValue::Float(value) => {
                hasher.write_u8(5);
                hasher.write_u64(value.to_bits());
            }
            TreeValue::String(value) => text(6, value),
            TreeValue::Seq(items) => {
                hasher.write_u8(7);
                hasher.write_usize(items.len());
                items.iter().for_each(|item| item.hash_into(hasher));
            }
            TreeValue::Map(entries) => {
                hasher.write_u8(8);
                hash_entries(entries, hasher);
            }
            TreeValue::Named(named) => {
                text(9, &named.name);
                named.args.hash_into(hasher);
            }
        }
    }
}

/// [`Tree::same`] of two maps.
pub fn same_entries(a: &[Entry], b: &[Entry]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key.text == b.key.text && a.value.same(&b.value))
}

/// [`Tree::hash_into`] of a map.
pub fn hash_entries(entries: &[Entry], hasher: &mut impl Hasher) {
    hasher.write_usize(entries.len());
    for entry in entries {
        hasher.write_usize(entry.key.text.len());
        hasher.write(entry.key.text.as_bytes());
        entry.value.hash_into(hasher);
    }
}

/// The place of the first key written twice, with the place of its first writing; `None` when all differ.
pub(super) fn repeated_key(entries: &[Entry]) -> Option<(&Key, Span)> {
    if entries.len() <= 16 {
        return entries.iter().enumerate().find_map(|(nth, entry)| {
            let first = entries[..nth].iter().find(|earlier| earlier.key.text == entry.key.text)?;
            Some((&entry.key, first.key.span))
        });
    }
    let mut seen = std::collections::BTreeMap::new();
    entries.iter().find_map(|entry| seen.insert(entry.key.text.as_str(), entry.key.span).map(|first| (&entry.key, first)))
}
