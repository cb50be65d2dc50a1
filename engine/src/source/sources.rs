//! The texts that were read: their paths, and where a place lies in them.

use super::error::Problems;
use super::tree::Span;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Longest file that is read. Unit: bytes.
pub const FILE_BYTES_MAX: usize = 1 << 30;

/// A text of [`Sources`], in the order of adding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Who reads files: the command line does it for real, tests from memory.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Says why, in a few words (`no such file`); the path need not be repeated.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Paths of the files in a directory, each starting with `dir`, sorted by text.
    ///
    /// # Errors
    /// Says why, in a few words; also when `dir` is no directory.
    fn list(&self, dir: &str) -> Result<Vec<String>, String>;
}

/// Files in memory, by path; `/` separates directories.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(pub BTreeMap<String, Vec<u8>>);

impl MemoryFiles {
    /// Adds a file, or replaces it.
    pub fn with(mut self, path: &str, text: impl Into<Vec<u8>>) -> MemoryFiles {
        self.0.insert(path.to_string(), text.into());
        self
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_string())
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, String> {
        let prefix = format!("{}/", dir.trim_end_matches('/'));
        let inside = |path: &&String| path.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        let found: Vec<String> = self.0.keys().filter(inside).cloned().collect();
        if found.is_empty() { Err("no such directory".to_string()) } else { Ok(found) }
    }
}

/// Every text that was read, kept so that a place can be printed later.
#[derive(Debug, Default)]
pub struct Sources {
    texts: Vec<Text>,
}

#[derive(Debug)]
struct Text {
    path: String,
    text: Arc<str>,
    kind: TextKind,
    line_starts: OnceLock<Vec<u32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextKind {
    /// A file that was read.
    File,
    /// A command-line argument.
    Argument,
    /// A file that could not be read; mistakes in it have no line.
    Unreadable,
}

/// A place as people count: lines and columns from 1; columns in characters. Line 0: the text as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The path as it was given.
    pub path: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Sources {
    /// Adds a text that is known to be good. Its path is what messages show.
    pub fn add(&mut self, path: &str, text: impl Into<Arc<str>>) -> FileId {
        self.push(path, text.into(), TextKind::File)
    }

    /// Every file read so far: path and text.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().filter(|text| text.kind == TextKind::File).map(|text| (text.path.as_str(), &*text.text))
    }

    /// Adds a command-line argument (`--set`, `nodes=3`) so that mistakes in it have a place.
    pub fn add_argument(&mut self, option: &str, text: &str) -> FileId {
        self.push(&format!("{option} {text}"), text.into(), TextKind::Argument)
    }

    /// Reads a file through `files`; `None` when it cannot be read, is empty, or is no text: then the mistake is in
    /// `problems`, at `asked_by` (the place that names the file) or, without one, at the file.
    pub fn read(&mut self, files: &dyn Files, path: &str, asked_by: Option<Span>, problems: &mut Problems) -> Option<FileId> {
        let checked = files.read(path).map_err(|why| format!("cannot read {path:?}: {why}")).and_then(|bytes| check_text(path, bytes));
        match checked {
            Ok(text) => Some(self.push(path, text.into(), TextKind::File)),
            Err(what) => {
                let place = asked_by.unwrap_or_else(|| {
                    let file = self.push(path, "".into(), TextKind::Unreadable);
                    Span { file, start: 0, end: 0 }
                });
                problems.error(place, what);
                None
            }
        }
    }

    fn push(&mut self, path: &str, text: Arc<str>, kind: TextKind) -> FileId {
        let id = FileId(u32::try_from(self.texts.len()).expect("fewer than four billion files fit in memory"));
        self.texts.push(Text { path: path.to_string(), text, kind, line_starts: OnceLock::new() });
        id
    }

    /// The text of a file.
    pub fn text(&self, file: FileId) -> &Arc<str> {
        &self.texts[file.0 as usize].text
    }

    /// The path of a file as it was given.
    pub fn path(&self, file: FileId) -> &str {
        &self.texts[file.0 as usize].path
    }

    /// Whether the text is a command-line argument: paths in it are relative to the working directory.
    pub fn is_argument(&self, file: FileId) -> bool {
        self.texts[file.0 as usize].kind == TextKind::Argument
    }

    /// The text of a place; empty when the place lies outside.
    pub fn excerpt(&self, span: Span) -> &str {
        self.text(span.file).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Line and column of a place's start.
    pub fn locate(&self, span: Span) -> Location {
        let text = &self.texts[span.file.0 as usize];
        if text.kind != TextKind::File {
            return Location { path: text.path.clone(), line: 0, column: 0 };
        }
        let starts = text.line_starts.get_or_init(|| line_starts(&text.text));
        let line = starts.partition_point(|&start| start <= span.start).max(1);
        let before = text.text.get(starts[line - 1] as usize..span.start as usize).unwrap_or("");
        Location { path: text.path.clone(), line: line as u32, column: before.chars().count() as u32 + 1 }
    }
}

fn line_starts(text: &str) -> Vec<u32> {
    let after_breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at as u32 + 1);
    std::iter::once(0).chain(after_breaks).collect()
}

/// The bytes as text, without a byte order mark.
fn check_text(path: &str, bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("{path:?} is too large: {} bytes; the limit is {FILE_BYTES_MAX}", bytes.len()));
    }
    if path.ends_with(".sktrace") {
        return Err(format!("{path:?} is a SimKube trace; make a scene of it first: wavetank import {path} -o scene.ron"));
    }
    if bytes.contains(&0) {
        return Err(format!("{path:?} is not a text file: it contains a NUL byte"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("{path:?} is not a text file: byte {} is not UTF-8", error.utf8_error().valid_up_to()))?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    };
    if text.trim().is_empty() { Err(format!("{path:?} is empty")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("a.ron", "ab\nüx\n");
        for (start, line, column) in [(0, 1, 1), (1, 1, 2), (2, 1, 3), (3, 2, 1), (5, 2, 2), (7, 3, 1), (99, 3, 1)] {
            let place = sources.locate(Span { file, start, end: start });
            assert_eq!((place.line, place.column), (line, column), "byte {start}");
        }
    }

    #[test]
    fn unreadable_files_are_mistakes() {
        let files = MemoryFiles::default()
            .with("empty.yaml", " \n")
            .with("a.sktrace", "x")
            .with("nul.yaml", b"a\0b".to_vec())
            .with("latin.yaml", vec![b'a', 0xe9])
            .with("bom.yaml", "\u{feff}a: 1");
        for (path, message) in [
            ("none.yaml", "none.yaml: cannot read \"none.yaml\": no such file"),
            ("empty.yaml", "empty.yaml: \"empty.yaml\" is empty"),
            ("a.sktrace", "a.sktrace: \"a.sktrace\" is a SimKube trace; make a scene of it first: wavetank import a.sktrace -o scene.ron"),
            ("nul.yaml", "nul.yaml: \"nul.yaml\" is not a text file: it contains a NUL byte"),
            ("latin.yaml", "latin.yaml: \"latin.yaml\" is not a text file: byte 1 is not UTF-8"),
        ] {
            let (mut sources, mut problems) = (Sources::default(), Problems::default());
            assert_eq!(sources.read(&files, path, None, &mut problems), None);
            assert_eq!(problems.errors(&sources)[0].to_string(), message);
        }
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let file = sources.read(&files, "bom.yaml", None, &mut problems).unwrap();
        assert_eq!(&**sources.text(file), "a: 1");
    }
}
