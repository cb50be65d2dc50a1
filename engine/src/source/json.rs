//! The JSON reader.

use super::DEPTH_MAX;
use super::error::Problem;
use super::lexer::{Cursor, Notation};
use super::sources::FileId;
use super::tree::{Entry, Key, Tree, TreeValue, repeated_key};

/// Reads the next of several values, from byte `pos`; returns it with the position after it, or `None` at the end.
///
/// # Errors
/// The first mistake.
pub(super) fn next_value(text: &str, file: FileId, pos: usize) -> Result<Option<(Tree, usize)>, Problem> {
    let mut reader = Reader { at: Cursor::new(text, file, pos, Notation::Json), depth: 0 };
    reader.at.skip_blank()?;
    if reader.at.rest().is_empty() {
        return Ok(None);
    }
    let tree = reader.value()?;
    Ok(Some((tree, reader.at.pos)))
}

struct Reader<'t> {
    at: Cursor<'t>,
    depth: u32,
}

impl Reader<'_> {
    /// A value, which comes next without blanks before it.
    fn value(&mut self) -> Result<Tree, Problem> {
        let start = self.at.pos;
        let value = match self.at.peek() {
            Some('"') => TreeValue::String(self.at.quoted()?),
            Some('[') => self.nested(Reader::list)?,
            Some('{') => self.nested(Reader::object)?,
            Some('-' | '0'..='9') => return self.at.number(),
            _ => match self.at.rest() {
                rest if rest.starts_with("true") => self.word("true", TreeValue::Bool(true)),
                rest if rest.starts_with("false") => self.word("false", TreeValue::Bool(false)),
                rest if rest.starts_with("null") => self.word("null", TreeValue::Null),
                _ => return Err(self.at.unexpected("a value")),
            },
        };
        Ok(Tree::new(value, self.at.span_from(start)))
    }

    fn word(&mut self, word: &str, value: TreeValue) -> TreeValue {
        self.at.pos += word.len();
        value
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<TreeValue, Problem>) -> Result<TreeValue, Problem> {
        if self.depth == DEPTH_MAX {
            return Err(Problem::new(self.at.here(), format!("nested more than {DEPTH_MAX} levels deep")));
        }
        self.depth += 1;
        self.at.pos += 1;
        self.at.skip_blank()?;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<TreeValue, Problem> {
        let mut items = Vec::new();
        if self.at.eat("]") {
            return Ok(TreeValue::Seq(items));
        }
        loop {
            items.push(self.value()?);
            self.at.skip_blank()?;
            if self.at.eat("]") {
                return Ok(TreeValue::Seq(items));
            }
            self.comma("`,` or `]`")?;
        }
    }

    fn object(&mut self) -> Result<TreeValue, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        if self.at.eat("}") {
            return Ok(TreeValue::Map(entries));
        }
        loop {
            if self.at.peek() != Some('"') {
                return Err(self.at.unexpected("a key in double quotes"));
            }
            let start = self.at.pos;
            let key = Key { text: self.at.quoted()?, span: self.at.span_from(start) };
            self.at.skip_blank()?;
            if !self.at.eat(":") {
                return Err(self.at.unexpected("`:`"));
            }
            self.at.skip_blank()?;
            entries.push(Entry { key, value: self.value()? });
            self.at.skip_blank()?;
            if self.at.eat("}") {
                return match repeated_key(&entries) {
                    Some((key, _)) => Err(Problem::new(key.span, format!("key {:?} is written twice", key.text))),
                    None => Ok(TreeValue::Map(entries)),
                };
            }
            self.comma("`,` or `}`")?;
        }
    }

    fn comma(&mut self, expected: &str) -> Result<(), Problem> {
        if !self.at.eat(",") {
            return Err(self.at.unexpected(expected));
        }
        self.at.skip_blank()
    }
}
