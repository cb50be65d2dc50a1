//! What serde reports, put into our words.

use super::{Context, Place, Step, address};
use crate::model::quantity::QuantityError;
use crate::source::error::advice;
use crate::source::tree::{Tree, TreeValue};
use serde::de::{Error, Expected, Unexpected};
use std::fmt;

/// The failure of one round. Without `what` it has been reported before.
#[derive(Debug)]
pub(super) struct DecodeError {
    pub(super) what: Option<String>,
    pub(super) help: Option<String>,
    pub(super) place: Option<Place>,
    missing: Option<&'static str>,
    /// Whether `what` stands for itself, without the path before it.
    whole: bool,
}

impl DecodeError {
    fn new(what: String, help: Option<String>) -> DecodeError {
        DecodeError { what: Some(what), help, place: None, missing: None, whole: false }
    }

    /// A text that is no quantity.
    pub(super) fn quantity(text: &str, error: QuantityError) -> DecodeError {
        let units = "units: n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei";
        DecodeError::new(format!("{:?} is no quantity: {error}", shorten(text)), Some(units.into()))
    }

    /// A failure that an earlier round has reported: only `tree` is to be left out too.
    pub(super) fn silent(tree: &Tree) -> DecodeError {
        DecodeError { what: None, help: None, place: Some((tree.span, address(tree))), missing: None, whole: true }
    }

    /// Gives the failure the place `tree`, unless a deeper one has been given.
    pub(super) fn at(mut self, tree: &Tree, step: Option<&Step<'_>>, context: &Context<'_>) -> DecodeError {
        if self.place.is_some() {
            return self;
        }
        let reported = self.missing.is_some_and(|name| tree.get(name).is_some_and(|value| context.is_left_out(value)));
        if reported {
            return DecodeError::silent(tree);
        }
        self.place = Some((tree.span, address(tree)));
        let path = context.path(step);
        if let Some(what) = self.what.as_mut().filter(|_| !self.whole && !path.is_empty()) {
            *what = format!("{path}: {what}");
        }
        if self.help.is_none() {
            self.help = quoting_help(self.what.as_deref().unwrap_or(""), tree);
        }
        self
    }

    /// After `tree` failed inside something of fixed shape, the whole of that must be left out.
    pub(super) fn widen(mut self, whole: &Tree) -> DecodeError {
        if let Some((span, _)) = self.place {
            self.place = Some((span, address(whole)));
        }
        self
    }
}

/// Advice where text was expected and a plain value found.
fn quoting_help(what: &str, tree: &Tree) -> Option<String> {
    let plain = match &tree.value {
        TreeValue::Named(named) => named.args.is_null(),
        _ => scalar_text(tree).is_some(),
    };
    (plain && what.ends_with("expected a string")).then(|| "put it in quotes".to_string())
}

/// A number or boolean as it prints.
pub(super) fn scalar_text(tree: &Tree) -> Option<String> {
    match &tree.value {
        TreeValue::Bool(value) => Some(value.to_string()),
        TreeValue::Int(value) => Some(value.to_string()),
        TreeValue::Uint(value) => Some(value.to_string()),
        TreeValue::Float(value) => Some(value.to_string()),
        _ => None,
    }
}

/// `string "three"`, `a list`, `Scale(...)`: what stands there, for messages.
pub(super) fn found(tree: &Tree) -> String {
    match &tree.value {
        TreeValue::Null => "nothing".into(),
        TreeValue::Bool(value) => format!("boolean {value}"),
        TreeValue::Int(value) => format!("integer {value}"),
        TreeValue::Uint(value) => format!("integer {value}"),
        TreeValue::Float(value) => format!("number {value}"),
        TreeValue::String(text) => format!("string {:?}", shorten(text)),
        TreeValue::Seq(_) => "a list".into(),
        TreeValue::Map(_) => "a map".into(),
        TreeValue::Named(named) if named.args.is_null() => format!("the name {}", named.name),
        TreeValue::Named(named) => format!("{}(...)", named.name),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}

fn unexpected(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("boolean {value}"),
        Unexpected::Unsigned(value) => format!("integer {value}"),
        Unexpected::Signed(value) => format!("integer {value}"),
        Unexpected::Float(value) => format!("number {value}"),
        Unexpected::Char(value) => format!("string {:?}", value.to_string()),
        Unexpected::Str(text) => format!("string {:?}", shorten(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a map".into(),
        other => other.to_string(),
    }
}

/// serde's and k8s-openapi's words for what a type takes, in ours.
fn expected(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    let range = |low: i128, high: i128| format!("an integer from {low} to {high}");
    match wanted.as_str() {
        "i8" => range(i8::MIN.into(), i8::MAX.into()),
        "i16" => range(i16::MIN.into(), i16::MAX.into()),
        "i32" | "i64" | "isize" | "a 32-bit integer" => "an integer".into(),
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "usize" => "an integer that is not negative".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "Quantity" => "a quantity such as \"500m\" or \"2Gi\"".into(),
        "IntOrString" => "an integer or a string".into(),
        "unit" => "nothing".into(),
        other => match other.strip_prefix("struct ").or_else(|| other.strip_prefix("enum ")) {
            Some(name) => name.to_string(),
            None => other.to_string(),
        },
    }
}

impl Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> DecodeError {
        DecodeError::new(message.to_string(), None)
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> DecodeError {
        let found = unexpected(found);
        let wanted = match expected(wanted) {
            range if range.starts_with("an integer from") || range.starts_with("an integer that") => "an integer".to_string(),
            other => other,
        };
        DecodeError::new(format!("found {found}, expected {wanted}"), None)
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> DecodeError {
        let found = unexpected(found);
        let wanted = match wanted.to_string().as_str() {
            "i32" | "a 32-bit integer" => format!("an integer from {} to {}", i32::MIN, i32::MAX),
            "i64" => format!("an integer from {} to {}", i64::MIN, i64::MAX),
            _ => expected(wanted),
        };
        DecodeError::new(format!("found {found}, expected {wanted}"), None)
    }

    fn invalid_length(len: usize, wanted: &dyn Expected) -> DecodeError {
        DecodeError::new(format!("found {len} values, expected {}", expected(wanted)), None)
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> DecodeError {
        DecodeError::new(format!("unknown name {:?}", shorten(variant)), advice(variant, known))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> DecodeError {
        DecodeError::new(format!("unknown field {:?}", shorten(field)), advice(field, known))
    }

    fn missing_field(field: &'static str) -> DecodeError {
        DecodeError { missing: Some(field), ..DecodeError::new(format!("field {field:?} is missing"), None) }
    }

    fn duplicate_field(field: &'static str) -> DecodeError {
        DecodeError::new(format!("field {field:?} is written twice"), None)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what.as_deref().unwrap_or("reported before"))
    }
}

impl std::error::Error for DecodeError {}
