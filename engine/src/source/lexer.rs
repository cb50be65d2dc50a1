//! What the RON and JSON readers share: a position in a text, strings and numbers.

use super::error::Problem;
use super::sources::FileId;
use super::tree::{Span, Tree, TreeValue};

/// The two notations differ in escapes, comments and forms of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    Ron,
    Json,
}

/// A position in a text.
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) file: FileId,
    pub(super) pos: usize,
    notation: Notation,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str, file: FileId, pos: usize, notation: Notation) -> Cursor<'t> {
        Cursor { text, file, pos, notation }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.pos..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.pos += next.len_utf8();
        Some(next)
    }

    /// Moves past `token` when it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.pos += token.len();
        }
        found
    }

    /// Moves past all characters that satisfy `wanted`, and returns them.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.pos += len;
        &rest[..len]
    }

    pub(super) fn span_from(&self, start: usize) -> Span {
        Span::new(self.file, start, self.pos)
    }

    /// The place of the next character.
    pub(super) fn here(&self) -> Span {
        Span::new(self.file, self.pos, self.pos + self.peek().map_or(0, char::len_utf8))
    }

    /// A mistake at the next token: what was expected there, and what is there.
    pub(super) fn unexpected(&self, expected: &str) -> Problem {
        let rest = self.rest();
        let word_len = rest.find(|c: char| !is_name_char(c)).unwrap_or(rest.len());
        let found_len = if word_len > 0 { word_len } else { rest.chars().next().map_or(0, char::len_utf8) };
        let found = match &rest[..found_len] {
            "" => "the end of the file".to_string(),
            token => format!("`{token}`"),
        };
        Problem::new(Span::new(self.file, self.pos, self.pos + found_len), format!("found {found}, expected {expected}"))
    }

    /// Moves past white space and, in RON, comments.
    pub(super) fn skip_blank(&mut self) -> Result<(), Problem> {
        loop {
            self.take_while(char::is_whitespace);
            if self.notation == Notation::Json || !self.rest().starts_with('/') {
                return Ok(());
            }
            let start = self.pos;
            if self.eat("//") {
                self.take_while(|c| c != '\n');
            } else if self.eat("/*") {
                self.skip_block_comment(start)?;
            } else {
                return Ok(());
            }
        }
    }

    fn skip_block_comment(&mut self, start: usize) -> Result<(), Problem> {
        let mut open = 1u32;
        while open > 0 {
            if self.eat("/*") {
                open += 1;
            } else if self.eat("*/") {
                open -= 1;
            } else if self.bump().is_none() {
                return Err(Problem::new(Span::new(self.file, start, start + 2), "comment without end: expected `*/`"));
            }
        }
        Ok(())
    }

    /// A string in double quotes, which come next.
    pub(super) fn quoted(&mut self) -> Result<String, Problem> {
        let start = self.pos;
        self.pos += 1;
        let mut out = String::from(self.take_while(|c| c != '"' && c != '\\'));
        loop {
            match self.peek() {
                Some('"') => {
                    self.pos += 1;
                    return Ok(out);
                }
                Some('\\') => self.escape(&mut out)?,
                Some(_) => out.push_str(self.take_while(|c| c != '"' && c != '\\')),
                None => return Err(Problem::new(Span::new(self.file, start, start + 1), "string without end: expected `\"`")),
            }
        }
    }

    /// One escape, whose backslash comes next; pushes what it stands for.
    pub(super) fn escape(&mut self, out: &mut String) -> Result<(), Problem> {
        let start = self.pos;
        self.pos += 1;
        let ron = self.notation == Notation::Ron;
        let plain = match self.bump() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('\'') if ron => '\'',
            Some('0') if ron => '\0',
            Some('\n') if ron => {
                self.take_while(char::is_whitespace);
                return Ok(());
            }
            Some('x') if ron => self.hex_char(start, 2)?,
            Some('u') if ron && self.rest().starts_with('{') => self.braced_char(start)?,
            Some('u') => self.utf16_char(start)?,
            _ => return Err(Problem::new(self.span_from(start), "unknown escape in a string; a backslash is written `\\\\`")),
        };
        out.push(plain);
        Ok(())
    }

    fn hex_char(&mut self, start: usize, digits: usize) -> Result<char, Problem> {
        let unit = self.hex_digits(start, digits)?;
        char::from_u32(unit).ok_or_else(|| self.bad_char(start))
    }

    fn hex_digits(&mut self, start: usize, digits: usize) -> Result<u32, Problem> {
        let hex = self.rest().get(..digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(hex) = hex else { return Err(self.bad_char(start)) };
        self.pos += digits;
        u32::from_str_radix(hex, 16).map_err(|_| self.bad_char(start))
    }

    fn braced_char(&mut self, start: usize) -> Result<char, Problem> {
        self.pos += 1;
        let hex = self.take_while(|c| c.is_ascii_hexdigit());
        let value = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
        match value {
            Some(value) if self.eat("}") => Ok(value),
            _ => Err(self.bad_char(start)),
        }
    }

    /// `\uD83D\uDE00`: one unit, or a pair of surrogates.
    fn utf16_char(&mut self, start: usize) -> Result<char, Problem> {
        let first = self.hex_digits(start, 4)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.bad_char(start));
        }
        if !self.eat("\\u") {
            return Err(self.bad_char(start));
        }
        let second = self.hex_digits(start, 4)?;
        let pair = char::decode_utf16([first as u16, second as u16]).next();
        pair.and_then(Result::ok).ok_or_else(|| self.bad_char(start))
    }

    fn bad_char(&self, start: usize) -> Problem {
        Problem::new(self.span_from(start), "this escape names no character")
    }

    /// A number, which comes next.
    pub(super) fn number(&mut self) -> Result<Tree, Problem> {
        let start = self.pos;
        self.take_while(|c| c == '+' || c == '-');
        let mut before = ' ';
        while let Some(c) = self.peek() {
            let sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
            if !(is_name_char(c) || c == '.' || sign) {
                break;
            }
            before = c;
            self.pos += c.len_utf8();
        }
        let span = self.span_from(start);
        let text = &self.text[start..self.pos];
        let value = match self.notation {
            Notation::Ron => ron_number(text),
            Notation::Json => json_number(text),
        };
        value.map(|value| Tree::new(value, span)).map_err(|what| Problem::new(span, what))
    }
}

/// Whether `c` may stand inside a name or a number.
pub(super) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn ron_number(text: &str) -> Result<TreeValue, String> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => ("-", &text[1..]),
        [b'+', ..] => ("", &text[1..]),
        _ => ("", text),
    };
    let radix = match digits.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => 10,
    };
    let body = if radix == 10 { digits } else { &digits[2..] };
    let plain: String = body.chars().filter(|&c| c != '_').collect();
    if radix == 10 && plain.contains(['.', 'e', 'E']) {
        return float(&format!("{sign}{plain}"), text);
    }
    integer(sign, &plain, radix, text)
}

fn json_number(text: &str) -> Result<TreeValue, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let starts_well = digits.starts_with(|c: char| c.is_ascii_digit())
        && !(digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit()));
    if !starts_well || digits.contains("._") || digits.ends_with('.') || digits.contains(".e") || digits.contains(".E") {
        return Err(not_a_number(text));
    }
    if digits.contains(['.', 'e', 'E']) {
        return float(text, text);
    }
    integer(sign, digits, 10, text).or_else(|why| if digits.bytes().all(|b| b.is_ascii_digit()) { float(text, text) } else { Err(why) })
}

fn integer(sign: &str, digits: &str, radix: u32, text: &str) -> Result<TreeValue, String> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(not_a_number(text));
    }
    match i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        Ok(value) => Ok(TreeValue::Int(value)),
        Err(_) if sign.is_empty() => u64::from_str_radix(digits, radix).map(TreeValue::Uint).map_err(|_| too_large(text)),
        Err(_) => Err(too_large(text)),
    }
}

fn float(digits: &str, text: &str) -> Result<TreeValue, String> {
    if digits.contains(|c: char| !matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-')) {
        return Err(not_a_number(text));
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(TreeValue::Float(value)),
        Ok(_) => Err(too_large(text)),
        Err(_) => Err(not_a_number(text)),
    }
}

fn not_a_number(text: &str) -> String {
    format!("`{text}` is not a number")
}

fn too_large(text: &str) -> String {
    format!("the number {text} is too large")
}
