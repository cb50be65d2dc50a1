//! The YAML reader, on the events of `saphyr-parser`.
//!
//! Anchors, aliases and merge keys (`<<`) are expanded; a key written twice is a mistake; documents are split at `---`
//! before anything else, as kubectl does, so that a mistake in one leaves the others readable.

use super::DEPTH_MAX;
use super::error::Problem;
use super::sources::FileId;
use super::tree::{Entry, Key, Span, Tree, TreeValue, repeated_key};
use super::yaml_scalar::resolve;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Most values that the aliases of one document may expand to.
pub(super) const ALIAS_VALUES_MAX: u64 = 100_000;

/// Where the document that starts at byte `start` ends: before the next line that begins with `---`.
pub(super) fn segment_end(text: &str, start: usize) -> usize {
    let mut search = start;
    while let Some(found) = text[search..].find("\n---") {
        let marker = search + found + 1;
        let after = text.as_bytes().get(marker + 3);
        if after.is_none_or(u8::is_ascii_whitespace) && !only_directives(&text[start..marker]) {
            return marker;
        }
        search = marker;
    }
    text.len()
}

/// Whether the lines hold a directive (`%YAML 1.1`) and no content: then the marker after them belongs to their document.
fn only_directives(lines: &str) -> bool {
    lines.contains('%')
        && lines.lines().any(|line| line.starts_with('%'))
        && lines.lines().all(|line| line.starts_with('%') || line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// Reads the documents of one segment, which begins at byte `base` of its file, into `out` (a segment has more than one
/// when `...` separates them). Those before a mistake are still handed out.
///
/// # Errors
/// The first mistake.
pub(super) fn read_segment(segment: &str, file: FileId, base: usize, out: &mut VecDeque<Tree>) -> Result<(), Problem> {
    let mut builder =
        Builder { places: Places::new(segment, file, base), stack: Vec::new(), anchors: BTreeMap::new(), alias_values: 0, root: None };
    let mut parser = Parser::new_from_str(segment);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((Event::DocumentEnd, _)) => out.extend(builder.root.take()),
            Ok((event, span)) => builder.event(event, span.start, span.end)?,
            Err(error) => {
                let place = builder.places.span(*error.marker(), *error.marker());
                // The parser looks ahead over brackets and has a limit of its own there.
                return Err(match error.info() {
                    "recursion limit exceeded" => Problem::new(place, format!("nested more than {DEPTH_MAX} levels deep")),
                    info => Problem::new(place, info),
                });
            }
        }
    }
    Ok(())
}

/// Bytes of the characters that the parser counts.
struct Places<'t> {
    segment: &'t str,
    file: FileId,
    base: usize,
    /// Byte of every `STRIDE`th character; empty for ASCII text.
    marks: Vec<u32>,
}

const STRIDE: usize = 128;

impl<'t> Places<'t> {
    fn new(segment: &'t str, file: FileId, base: usize) -> Places<'t> {
        let marks = match segment.is_ascii() {
            true => Vec::new(),
            false => segment.char_indices().step_by(STRIDE).map(|(at, _)| at as u32).collect(),
        };
        Places { segment, file, base, marks }
    }

    fn byte(&self, chars: usize) -> usize {
        let Some(&mark) = self.marks.get(chars / STRIDE) else {
            return chars.min(self.segment.len());
        };
        let tail = &self.segment[mark as usize..];
        mark as usize + tail.char_indices().nth(chars % STRIDE).map_or(tail.len(), |(at, _)| at)
    }

    fn span(&self, start: Marker, end: Marker) -> Span {
        let Range { start, end } = self.byte(start.index())..self.byte(end.index());
        Span::new(self.file, self.base + start, self.base + end.max(start))
    }
}

/// A list or map that is being read.
struct Open {
    content: Content,
    anchor: usize,
    span: Span,
}

enum Content {
    Seq(Vec<Tree>),
    Map { entries: Vec<Entry>, merged: Vec<Tree>, key: Option<OpenKey> },
}

enum OpenKey {
    Plain(Key),
    /// `<<`
    Merge,
}

struct Builder<'t> {
    places: Places<'t>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Tree>,
    alias_values: u64,
    root: Option<Tree>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, start: Marker, end: Marker) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.alias_values = 0;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let span = self.places.span(start, end);
                if style == ScalarStyle::Plain && text == "<<" && tag.is_none() && self.merge_key() {
                    return Ok(());
                }
                let value = resolve(&text, style, tag.as_deref()).map_err(|what| Problem::new(span, what))?;
                self.finish(Tree::new(value, span), anchor)?;
            }
            Event::Alias(anchor) => {
                let span = self.places.span(start, end);
                let tree = self.alias(anchor, span)?;
                self.finish(tree, 0)?;
            }
            Event::SequenceStart(anchor, tag) => self.open(Content::Seq(Vec::new()), anchor, tag.as_deref(), "seq", start, end)?,
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), merged: Vec::new(), key: None };
                self.open(content, anchor, tag.as_deref(), "map", start, end)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(start, end)?,
        }
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, tag: Option<&Tag>, kind: &str, start: Marker, end: Marker) -> Result<(), Problem> {
        let span = self.places.span(start, end);
        if self.stack.len() >= DEPTH_MAX as usize {
            return Err(Problem::new(span, format!("nested more than {DEPTH_MAX} levels deep")));
        }
        if let Some(tag) = tag.filter(|tag| !(tag.suffix.is_empty() || tag.is_yaml_core_schema() && tag.suffix == kind)) {
            return Err(Problem::new(span, format!("unknown YAML tag {tag}")));
        }
        self.stack.push(Open { content, anchor, span });
        Ok(())
    }

    fn close(&mut self, start: Marker, end: Marker) -> Result<(), Problem> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let (value, last) = match open.content {
            Content::Seq(items) => {
                let last = items.last().map(|item| item.span);
                (TreeValue::Seq(items), last)
            }
            Content::Map { entries, merged, .. } => {
                if let Some((key, _)) = repeated_key(&entries) {
                    return Err(Problem::new(key.span, format!("key {:?} is written twice", key.text)));
                }
                let last = entries.last().map(|entry| if entry.value.is_null() { entry.key.span } else { entry.value.span });
                (TreeValue::Map(merge(entries, merged)?), last)
            }
        };
        // A block ends with its last value; the parser's own end lies after the blank lines that follow.
        let flow = end.index() > start.index();
        let span = match last {
            Some(last) if !flow && last.start >= open.span.start => open.span.to(last),
            _ => open.span.to(self.places.span(start, end)),
        };
        self.finish(Tree::new(value, span), open.anchor)
    }

    /// Adds a complete value to the list or map around it.
    fn finish(&mut self, tree: Tree, anchor: usize) -> Result<(), Problem> {
        if anchor > 0 {
            self.anchors.insert(anchor, tree.clone());
        }
        match self.stack.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(tree),
            Some(Content::Seq(items)) => items.push(tree),
            Some(Content::Map { entries, merged, key }) => match key.take() {
                None => *key = Some(OpenKey::Plain(key_of(tree)?)),
                Some(OpenKey::Plain(key)) => entries.push(Entry { key, value: tree }),
                Some(OpenKey::Merge) => merged.push(tree),
            },
        }
        Ok(())
    }

    /// Takes `<<` as a merge key when a key is expected here.
    fn merge_key(&mut self) -> bool {
        match self.stack.last_mut().map(|open| &mut open.content) {
            Some(Content::Map { key: key @ None, .. }) => {
                *key = Some(OpenKey::Merge);
                true
            }
            _ => false,
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Tree, Problem> {
        let Some(tree) = self.anchors.get(&anchor) else {
            return Err(Problem::new(span, "this alias stands inside the value that it names"));
        };
        self.alias_values += tree.size();
        if self.alias_values > ALIAS_VALUES_MAX {
            return Err(Problem::new(span, format!("the aliases of this document expand to more than {ALIAS_VALUES_MAX} values")));
        }
        if self.stack.len() + height(tree) > DEPTH_MAX as usize {
            return Err(Problem::new(span, format!("nested more than {DEPTH_MAX} levels deep")));
        }
        Ok(tree.clone())
    }
}

/// Levels of lists and maps in a value.
fn height(tree: &Tree) -> usize {
    match &tree.value {
        TreeValue::Seq(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        TreeValue::Map(entries) => 1 + entries.iter().map(|entry| height(&entry.value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// A key as JSON has it: text.
fn key_of(tree: Tree) -> Result<Key, Problem> {
    let text = match tree.value {
        TreeValue::String(text) => text,
        TreeValue::Bool(value) => value.to_string(),
        TreeValue::Int(value) => value.to_string(),
        TreeValue::Uint(value) => value.to_string(),
        TreeValue::Float(value) => value.to_string(),
        _ => return Err(Problem::new(tree.span, "a key must be a string, a number or a boolean")),
    };
    Ok(Key { text, span: tree.span })
}

/// The entries with those of the merged maps that they lack; of two merged maps the first counts.
fn merge(mut entries: Vec<Entry>, merged: Vec<Tree>) -> Result<Vec<Entry>, Problem> {
    let mut maps = Vec::new();
    for tree in merged {
        match tree.value {
            TreeValue::Seq(items) => maps.extend(items),
            _ => maps.push(tree),
        }
    }
    if maps.is_empty() {
        return Ok(entries);
    }
    let mut known: std::collections::BTreeSet<String> = entries.iter().map(|entry| entry.key.text.clone()).collect();
    for map in maps {
        let TreeValue::Map(new) = map.value else {
            return Err(Problem::new(map.span, "the merge key << takes a map or a list of maps"));
        };
        entries.extend(new.into_iter().filter(|entry| known.insert(entry.key.text.clone())));
    }
    Ok(entries)
}
