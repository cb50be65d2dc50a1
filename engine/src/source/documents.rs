//! A file as a sequence of documents, read one at a time.

use super::error::Problem;
use super::sources::{FileId, Sources};
use super::tree::{Span, Tree};
use super::{json, ron, yaml};
use std::collections::VecDeque;
use std::sync::Arc;

/// The notation of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RON: one value a file.
    Ron,
    /// YAML: documents separated by `---`.
    Yaml,
    /// JSON: values one after the other.
    Json,
}

impl Format {
    /// The notation by the ending of the path (`.ron`, `.yaml`, `.yml`, `.json`), or `None`.
    pub fn of_path(path: &str) -> Option<Format> {
        let ending = path.rsplit_once('.')?.1;
        match ending.to_ascii_lowercase().as_str() {
            "ron" => Some(Format::Ron),
            "yaml" | "yml" => Some(Format::Yaml),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// The documents of a file, in order. After a mistake the next YAML document is still read; RON and JSON end.
///
/// YAML documents without content (only comments) are left out, as kubectl does.
#[derive(Debug)]
pub struct Documents {
    format: Format,
    file: FileId,
    text: Arc<str>,
    pos: usize,
    ready: VecDeque<Tree>,
    failed: Option<Problem>,
    done: bool,
}

impl Documents {
    /// The documents of `file`, read as `format`.
    pub fn new(sources: &Sources, file: FileId, format: Format) -> Documents {
        let text = sources.text(file).clone();
        Documents { format, file, text, pos: 0, ready: VecDeque::new(), failed: None, done: false }
    }

    fn read_yaml(&mut self) -> Option<Result<Tree, Problem>> {
        loop {
            if let Some(tree) = self.ready.pop_front() {
                if !tree.is_null() {
                    return Some(Ok(tree));
                }
            } else if let Some(problem) = self.failed.take() {
                return Some(Err(problem));
            } else if self.pos >= self.text.len() {
                return None;
            } else {
                let end = yaml::segment_end(&self.text, self.pos);
                self.failed = yaml::read_segment(&self.text[self.pos..end], self.file, self.pos, &mut self.ready).err();
                self.pos = end;
            }
        }
    }

    fn read_json(&mut self) -> Option<Result<Tree, Problem>> {
        match json::next_value(&self.text, self.file, self.pos) {
            Ok(Some((tree, end))) => {
                self.pos = end;
                Some(Ok(tree))
            }
            Ok(None) => None,
            Err(problem) => {
                self.pos = self.text.len();
                Some(Err(problem))
            }
        }
    }
}

impl Iterator for Documents {
    type Item = Result<Tree, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.format {
            Format::Yaml => self.read_yaml(),
            Format::Json => self.read_json(),
            Format::Ron if self.done => None,
            Format::Ron => {
                self.done = true;
                Some(ron::read(&self.text, self.file))
            }
        }
    }
}

/// The place of the value at `path` inside the value written at `span`, found by reading that part of the text again.
///
/// For mistakes that show only after the tree is gone. Falls back to `span` itself where nothing is found.
pub fn span_inside(sources: &Sources, format: Format, span: Span, path: &[&str]) -> Span {
    let text = sources.text(span.file);
    let (start, end) = (span.start as usize, span.end as usize);
    let tree = match format {
        Format::Ron => ron::read_at(text, span.file, start).ok(),
        Format::Json => json::next_value(text, span.file, start).ok().flatten().map(|(tree, _)| tree),
        Format::Yaml => {
            // The value may begin in the middle of its line, while its later lines keep their indentation.
            let column = start - text[..start].rfind('\n').map_or(0, |at| at + 1);
            let padded = format!("{}{}", " ".repeat(column), text.get(start..end).unwrap_or(""));
            let mut documents = VecDeque::new();
            yaml::read_segment(&padded, span.file, start - column, &mut documents).ok().and_then(|()| documents.pop_front())
        }
    };
    tree.map_or(span, |tree| tree.span_of(path))
}
