//! Reads the text form of a selector.

use super::{Operator, Requirement, SelectorError};
use crate::model::label_syntax;
use crate::model::quote::quote;
use std::collections::BTreeSet;

/// A piece of the text. Words are keys, values, `in` and `notin`; what they are depends on their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'a str),
    End,
}

impl<'a> Token<'a> {
    /// The token as a message quotes it.
    fn text(self) -> &'a str {
        match self {
            Token::Word(text) | Token::Symbol(text) => text,
            Token::End => "",
        }
    }
}

/// The text that is still to be read.
struct Reader<'a> {
    rest: &'a str,
}

/// Source: kubernetes v1.36, `apimachinery/pkg/labels/selector.go`, `parse`. In the order of the text.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut reader = Reader { rest: text };
    let mut requirements = Vec::new();
    loop {
        match reader.peek() {
            Token::Word(_) | Token::Symbol("!") => {}
            Token::End => return Ok(requirements),
            Token::Symbol(symbol) => return Err(SelectorError(format!("found '{symbol}', expected: !, identifier, or 'end of string'"))),
        }
        let requirement = reader.requirement().map_err(|why| SelectorError(format!("unable to parse requirement: {why}")))?;
        requirements.push(requirement);
        match reader.next() {
            Token::End => return Ok(requirements),
            Token::Symbol(",") => match reader.peek() {
                Token::Word(_) | Token::Symbol("!") => {}
                other => return Err(SelectorError(format!("found '{}', expected: identifier after ','", other.text()))),
            },
            other => return Err(SelectorError(format!("found '{}', expected: ',' or 'end of string'", other.text()))),
        }
    }
}

fn is_symbol(letter: char) -> bool {
    "=!(),><".contains(letter)
}

fn is_blank(letter: char) -> bool {
    " \t\r\n".contains(letter)
}

impl<'a> Reader<'a> {
    /// The next token, which is then behind the reader.
    fn next(&mut self) -> Token<'a> {
        self.rest = self.rest.trim_start_matches(is_blank);
        let Some(first) = self.rest.chars().next().filter(|&first| first != '\0') else { return Token::End };
        if is_symbol(first) {
            let length = if self.rest.starts_with("==") || self.rest.starts_with("!=") { 2 } else { 1 };
            return Token::Symbol(self.take(length));
        }
        let length = self.rest.find(|letter| is_symbol(letter) || is_blank(letter) || letter == '\0').unwrap_or(self.rest.len());
        Token::Word(self.take(length))
    }

    fn peek(&self) -> Token<'a> {
        Reader { rest: self.rest }.next()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        // The original's zero byte stands for the end: behind a token it is swallowed, alone it ends the text.
        self.rest = rest.strip_prefix('\0').unwrap_or(rest);
        taken
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.peek() == Token::Symbol("!");
        if absent {
            self.next();
        }
        let key = self.word("found '{}', expected: identifier")?;
        let problems = label_syntax::key_problems(key);
        if !problems.is_empty() {
            return Err(SelectorError(format!("<nil>: Invalid value: {}: {}", quote(key), problems.join("; "))));
        }
        if absent {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => BTreeSet::from([self.value()?]),
        };
        Requirement::new(key, operator, values.into_iter().map(str::to_owned).collect())
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        match self.next() {
            Token::Word("in") => Ok(Operator::In),
            Token::Word("notin") => Ok(Operator::NotIn),
            Token::Symbol("=") => Ok(Operator::Equals),
            Token::Symbol("==") => Ok(Operator::DoubleEquals),
            Token::Symbol("!=") => Ok(Operator::NotEquals),
            Token::Symbol(">") => Ok(Operator::GreaterThan),
            Token::Symbol("<") => Ok(Operator::LessThan),
            other => Err(SelectorError(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", other.text()))),
        }
    }

    /// The value of an equality or comparison; missing is empty.
    fn value(&mut self) -> Result<&'a str, SelectorError> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(""),
            _ => self.word("found '{}', expected: identifier"),
        }
    }

    /// A set in parentheses: `(a,b)`. Two commas in a row, or one at an end, stand for the empty value.
    fn values(&mut self) -> Result<BTreeSet<&'a str>, SelectorError> {
        match self.next() {
            Token::Symbol("(") => {}
            other => return Err(SelectorError(format!("found '{}' expected: '('", other.text()))),
        }
        match self.peek() {
            Token::Word(_) | Token::Symbol(",") => self.list(),
            Token::Symbol(")") => {
                self.next();
                Ok(BTreeSet::from([""]))
            }
            other => Err(SelectorError(format!("found '{}', expected: ',', ')' or identifier", other.text()))),
        }
    }

    fn list(&mut self) -> Result<BTreeSet<&'a str>, SelectorError> {
        let mut values = BTreeSet::new();
        loop {
            match self.next() {
                Token::Word(word) => {
                    values.insert(word);
                    match self.peek() {
                        Token::Symbol(",") => {}
                        Token::Symbol(")") => break,
                        other => return Err(SelectorError(format!("found '{}', expected: ',' or ')'", other.text()))),
                    }
                }
                Token::Symbol(",") => {
                    if values.is_empty() {
                        values.insert("");
                    }
                    match self.peek() {
                        Token::Symbol(")") => {
                            values.insert("");
                            break;
                        }
                        Token::Symbol(",") => {
                            self.next();
                            values.insert("");
                        }
                        Token::Word(_) | Token::Symbol(_) | Token::End => {}
                    }
                }
                other => return Err(SelectorError(format!("found '{}', expected: ',', or identifier", other.text()))),
            }
        }
        self.next();
        Ok(values)
    }

    /// The next token, which must be a word; `{}` in the message stands for what is there instead.
    fn word(&mut self, message: &str) -> Result<&'a str, SelectorError> {
        match self.next() {
            Token::Word(word) => Ok(word),
            other => Err(SelectorError(message.replace("{}", other.text()))),
        }
    }
}
