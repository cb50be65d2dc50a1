//! The RON reader. The extensions `implicit_some`, `unwrap_newtypes` and `unwrap_variant_newtypes` are always in force.

use super::DEPTH_MAX;
use super::error::{Problem, advice};
use super::lexer::{Cursor, Notation, is_name_char};
use super::sources::FileId;
use super::tree::{Entry, Key, Named, Span, Tree, TreeValue, repeated_key};

/// Extensions that `#![enable(...)]` may name; naming them or not changes nothing.
const EXTENSIONS: &[&str] = &["implicit_some", "unwrap_newtypes", "unwrap_variant_newtypes", "explicit_struct_names"];

/// Reads a whole file: attributes, then one value.
///
/// # Errors
/// The first mistake.
pub(super) fn read(text: &str, file: FileId) -> Result<Tree, Problem> {
    let mut reader = Reader { at: Cursor::new(text, file, 0, Notation::Ron), depth: 0 };
    reader.attributes()?;
    let tree = reader.value()?;
    reader.at.skip_blank()?;
    if !reader.at.rest().is_empty() {
        return Err(reader.at.unexpected("the end of the file"));
    }
    Ok(tree)
}

/// Reads the value that starts at byte `pos`; what follows it is not looked at.
///
/// # Errors
/// The first mistake.
pub(super) fn read_at(text: &str, file: FileId, pos: usize) -> Result<Tree, Problem> {
    Reader { at: Cursor::new(text, file, pos, Notation::Ron), depth: 0 }.value()
}

struct Reader<'t> {
    at: Cursor<'t>,
    depth: u32,
}

impl Reader<'_> {
    fn attributes(&mut self) -> Result<(), Problem> {
        loop {
            self.at.skip_blank()?;
            if !self.at.eat("#!") {
                return Ok(());
            }
            self.token("[")?;
            self.token("enable")?;
            self.token("(")?;
            loop {
                self.at.skip_blank()?;
                if self.at.eat(")") {
                    break;
                }
                self.extension()?;
                self.at.skip_blank()?;
                if !self.at.eat(",") && !self.at.rest().starts_with(')') {
                    return Err(self.at.unexpected("`,` or `)`"));
                }
            }
            self.token("]")?;
        }
    }

    fn extension(&mut self) -> Result<(), Problem> {
        let start = self.at.pos;
        let name = self.at.take_while(is_name_char);
        if EXTENSIONS.contains(&name) {
            return Ok(());
        }
        let problem = Problem::new(self.at.span_from(start), format!("unknown RON extension {name:?}"));
        Err(Problem { help: advice(name, EXTENSIONS), ..problem })
    }

    fn token(&mut self, token: &str) -> Result<(), Problem> {
        self.at.skip_blank()?;
        if self.at.eat(token) { Ok(()) } else { Err(self.at.unexpected(&format!("`{token}`"))) }
    }

    fn value(&mut self) -> Result<Tree, Problem> {
        self.at.skip_blank()?;
        let start = self.at.pos;
        let value = match self.at.peek() {
            Some('"') => TreeValue::String(self.at.quoted()?),
            Some('\'') => TreeValue::String(self.character()?),
            Some('[') => self.nested(Reader::list)?,
            Some('{') => self.nested(Reader::map)?,
            Some('(') => self.nested(Reader::tuple_or_struct)?,
            Some('0'..='9' | '+' | '-' | '.') => return self.at.number(),
            Some('r') if self.raw_string_next() => TreeValue::String(self.raw_string()?),
            Some(c) if is_name_char(c) => return self.name(),
            _ => return Err(self.at.unexpected("a value")),
        };
        Ok(Tree::new(value, self.at.span_from(start)))
    }

    /// Reads what is inside a bracket, which comes next.
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

    /// Whether the bracket `close` ends a list here; else a comma must come, which may be the last thing before `close`.
    fn ends(&mut self, close: &str) -> Result<bool, Problem> {
        self.at.skip_blank()?;
        let comma = self.at.eat(",");
        self.at.skip_blank()?;
        if self.at.eat(close) {
            return Ok(true);
        }
        if comma { Ok(false) } else { Err(self.at.unexpected(&format!("`,` or `{close}`"))) }
    }

    fn list(&mut self) -> Result<TreeValue, Problem> {
        self.items("]").map(TreeValue::Seq)
    }

    fn items(&mut self, close: &str) -> Result<Vec<Tree>, Problem> {
        let mut items = Vec::new();
        if self.at.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(self.value()?);
            if self.ends(close)? {
                return Ok(items);
            }
        }
    }

    fn map(&mut self) -> Result<TreeValue, Problem> {
        let mut entries = Vec::new();
        if self.at.eat("}") {
            return Ok(TreeValue::Map(entries));
        }
        loop {
            let key = self.key()?;
            self.token(":")?;
            entries.push(Entry { key, value: self.value()? });
            if self.ends("}")? {
                return unique(entries, "key");
            }
        }
    }

    fn key(&mut self) -> Result<Key, Problem> {
        let tree = self.value()?;
        let text = match tree.value {
            TreeValue::String(text) => text,
            TreeValue::Bool(value) => value.to_string(),
            TreeValue::Int(value) => value.to_string(),
            TreeValue::Uint(value) => value.to_string(),
            TreeValue::Named(named) if named.args.is_null() => named.name,
            _ => return Err(Problem::new(tree.span, "a key must be a string, an integer or a name")),
        };
        Ok(Key { text, span: tree.span })
    }

    fn tuple_or_struct(&mut self) -> Result<TreeValue, Problem> {
        if self.at.eat(")") {
            return Ok(TreeValue::Map(Vec::new()));
        }
        if !self.field_next()? {
            return self.items(")").map(TreeValue::Seq);
        }
        let mut entries = Vec::new();
        loop {
            let start = self.at.pos;
            let name = self.identifier();
            if name.is_empty() {
                return Err(self.at.unexpected("a field name"));
            }
            let key = Key { text: name.to_string(), span: self.at.span_from(start) };
            self.token(":")?;
            entries.push(Entry { key, value: self.value()? });
            if self.ends(")")? {
                return unique(entries, "field");
            }
        }
    }

    /// A name, or an empty text when none comes next.
    fn identifier(&mut self) -> String {
        let raw = self.at.rest().strip_prefix("r#").is_some_and(|rest| rest.starts_with(is_name_char));
        if raw {
            self.at.pos += 2;
        }
        if self.at.peek().is_some_and(|c| c.is_ascii_digit()) {
            return String::new();
        }
        self.at.take_while(is_name_char).to_string()
    }

    /// Whether `name :` comes next: then the parentheses hold a struct.
    fn field_next(&mut self) -> Result<bool, Problem> {
        let start = self.at.pos;
        let named = !self.identifier().is_empty();
        self.at.skip_blank()?;
        let found = named && self.at.rest().starts_with(':');
        self.at.pos = start;
        Ok(found)
    }

    /// `true`, `None`, `Some(x)`, `Name`, `Name(...)`.
    fn name(&mut self) -> Result<Tree, Problem> {
        let start = self.at.pos;
        let name = self.identifier();
        let name_span = self.at.span_from(start);
        match name.as_str() {
            "true" => return Ok(Tree::new(TreeValue::Bool(true), name_span)),
            "false" => return Ok(Tree::new(TreeValue::Bool(false), name_span)),
            "None" => return Ok(Tree::new(TreeValue::Null, name_span)),
            "inf" | "NaN" => return Err(Problem::new(name_span, format!("{name} is not a finite number"))),
            "" => return Err(self.at.unexpected("a value")),
            _ => {}
        }
        let after_name = self.at.pos;
        self.at.skip_blank()?;
        if self.at.peek() != Some('(') {
            self.at.pos = after_name;
            let args = Tree::new(TreeValue::Null, name_span);
            return Ok(Tree::new(TreeValue::Named(Box::new(Named { name, name_span, args })), name_span));
        }
        let args_start = self.at.pos;
        let value = self.nested(Reader::tuple_or_struct)?;
        let args = Tree::new(value, self.at.span_from(args_start));
        if name == "Some" {
            return some(args, self.at.span_from(start));
        }
        Ok(Tree::new(TreeValue::Named(Box::new(Named { name, name_span, args })), self.at.span_from(start)))
    }

    fn character(&mut self) -> Result<String, Problem> {
        let start = self.at.pos;
        self.at.pos += 1;
        let mut out = String::new();
        match self.at.peek() {
            Some('\\') => self.at.escape(&mut out)?,
            Some(c) if c != '\'' => {
                out.push(c);
                self.at.bump();
            }
            _ => {}
        }
        if out.is_empty() || !self.at.eat("'") {
            return Err(Problem::new(self.at.span_from(start), "a character has the form 'x'; a string is written in double quotes"));
        }
        Ok(out)
    }

    fn raw_string_next(&self) -> bool {
        self.at.rest()[1..].trim_start_matches('#').starts_with('"')
    }

    fn raw_string(&mut self) -> Result<String, Problem> {
        let start = self.at.pos;
        self.at.pos += 1;
        let hashes = self.at.take_while(|c| c == '#').len();
        self.at.pos += 1;
        let close = format!("\"{}", "#".repeat(hashes));
        let Some(len) = self.at.rest().find(&close) else {
            return Err(Problem::new(self.at.span_from(start), format!("raw string without end: expected `{close}`")));
        };
        let text = self.at.rest()[..len].to_string();
        self.at.pos += len + close.len();
        Ok(text)
    }
}

fn some(args: Tree, span: Span) -> Result<Tree, Problem> {
    match args.value {
        TreeValue::Seq(mut items) if items.len() == 1 => Ok(items.remove(0)),
        TreeValue::Map(entries) => Ok(Tree::new(TreeValue::Map(entries), span)),
        _ => Err(Problem::new(span, "Some(...) holds one value")),
    }
}

fn unique(entries: Vec<Entry>, what: &str) -> Result<TreeValue, Problem> {
    match repeated_key(&entries) {
        Some((key, _)) => Err(Problem::new(key.span, format!("{what} {:?} is written twice", key.text))),
        None => Ok(TreeValue::Map(entries)),
    }
}
