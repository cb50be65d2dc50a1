//! A place in an object: the path that messages name, and the value found there.

use super::field_error::{ErrorKind, FieldError, go_json, quoted};
use serde_json::{Map, Value};

/// What a check adds its findings to; their order is part of the answer.
pub(super) type Errors = Vec<FieldError>;

/// A place in an object. The value may be absent; nulls count as absent.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    value: Option<&'a Value>,
    path: String,
}

impl<'a> Field<'a> {
    /// The object itself; its fields have paths of one word.
    pub(super) fn root(object: &'a Value) -> Self {
        Field { value: Some(object), path: String::new() }
    }

    /// The field `name` of this object.
    pub(super) fn child(&self, name: &str) -> Field<'a> {
        let value = self.value.and_then(|value| value.get(name)).filter(|value| !value.is_null());
        Field { value, path: join(&self.path, name) }
    }

    /// The same value under another path: some messages name a place where the value is not.
    pub(super) fn at_path(&self, path: impl Into<String>) -> Field<'a> {
        Field { value: self.value, path: path.into() }
    }

    /// The same value, a level further down in the path only.
    pub(super) fn under(&self, name: &str) -> Field<'a> {
        self.at_path(join(&self.path, name))
    }

    /// The same place with another value, as if the object said so.
    pub(super) fn with_value(&self, value: &'a Value) -> Field<'a> {
        Field { value: Some(value), path: self.path.clone() }
    }

    /// The member `key` of this map, written in brackets.
    pub(super) fn key(&self, key: &str) -> Field<'a> {
        let value = self.value.and_then(|value| value.get(key)).filter(|value| !value.is_null());
        Field { value, path: format!("{}[{key}]", self.path) }
    }

    /// The item `index` of this list; absent past the end.
    pub(super) fn index(&self, index: usize) -> Field<'a> {
        Field { value: self.value.and_then(|value| value.get(index)), path: format!("{}[{index}]", self.path) }
    }

    /// The items of this list, in order; none when it is absent or no list.
    pub(super) fn items(&self) -> Vec<Field<'a>> {
        (0..self.len()).map(|index| self.index(index)).collect()
    }

    /// The members of this map sorted by key: the original walks them in random order.
    /// Each place has this map's own path.
    pub(super) fn entries(&self) -> Vec<(&'a str, Field<'a>)> {
        let members = self.value.and_then(Value::as_object);
        let mut entries: Vec<(&str, Field<'a>)> =
            members.into_iter().flatten().map(|(key, value)| (key.as_str(), self.with_value(value))).collect();
        entries.sort_by_key(|entry| entry.0);
        entries
    }

    /// The path of this place.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The value, if present.
    pub(super) fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// The members, if this is a map.
    pub(super) fn object(&self) -> Option<&'a Map<String, Value>> {
        self.value.and_then(Value::as_object)
    }

    /// Whether the field is there (and not null).
    pub(super) fn is_set(&self) -> bool {
        self.value.is_some()
    }

    /// Number of items or members; 0 for anything else.
    pub(super) fn len(&self) -> usize {
        match self.value {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(members)) => members.len(),
            _ => 0,
        }
    }

    /// Whether there are no items or members.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text; empty when absent or of another type.
    pub(super) fn text(&self) -> &'a str {
        self.value.and_then(Value::as_str).unwrap_or_default()
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Vec<&'a str> {
        self.value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The whole number, if there is one.
    pub(super) fn int(&self) -> Option<i64> {
        self.value.and_then(Value::as_i64)
    }

    /// The whole number; 0 when absent.
    pub(super) fn int_or_zero(&self) -> i64 {
        self.int().unwrap_or_default()
    }

    /// Whether the value is `true`.
    pub(super) fn is_true(&self) -> bool {
        self.value == Some(&Value::Bool(true))
    }

    /// Whether two places hold the same value, absent ones included.
    pub(super) fn same_as(&self, other: &Field<'_>) -> bool {
        self.value == other.value
    }

    /// The value as messages show it: text in quotes, numbers bare, anything else as JSON.
    pub(super) fn shown(&self) -> String {
        match self.value {
            None => quoted(""),
            Some(Value::String(text)) => quoted(text),
            Some(other) => go_json(other),
        }
    }

    /// The value as messages show a word of a fixed set, or a pointer: always as JSON, `""` when absent.
    pub(super) fn shown_word(&self) -> String {
        go_json(&self.text().into())
    }

    /// An error here that shows `bad_value`, already printed.
    pub(super) fn error(&self, kind: ErrorKind, bad_value: impl Into<String>, detail: impl Into<String>) -> FieldError {
        FieldError { kind, field: self.path.clone(), bad_value: bad_value.into(), detail: detail.into() }
    }

    /// The value is malformed.
    pub(super) fn invalid(&self, detail: impl Into<String>) -> FieldError {
        self.error(ErrorKind::Invalid, self.shown(), detail)
    }

    /// The number is out of range; an absent one shows as 0.
    pub(super) fn invalid_int(&self, detail: impl Into<String>) -> FieldError {
        self.error(ErrorKind::Invalid, self.int_or_zero().to_string(), detail)
    }

    /// The value is malformed; shows `bad_value`, already printed, instead of what is here.
    pub(super) fn invalid_as(&self, bad_value: impl Into<String>, detail: impl Into<String>) -> FieldError {
        self.error(ErrorKind::Invalid, bad_value, detail)
    }

    /// The field is missing.
    pub(super) fn required(&self, detail: impl Into<String>) -> FieldError {
        self.error(ErrorKind::Required, "", detail)
    }

    /// The field may not be set.
    pub(super) fn forbidden(&self, detail: impl Into<String>) -> FieldError {
        self.error(ErrorKind::Forbidden, "", detail)
    }

    /// The value occurs before in its list.
    pub(super) fn duplicate(&self) -> FieldError {
        self.error(ErrorKind::Duplicate, self.shown(), "")
    }

    /// The value names nothing.
    pub(super) fn not_found(&self) -> FieldError {
        self.error(ErrorKind::NotFound, self.shown(), "")
    }

    /// The word is none of `words`, which are listed as given.
    pub(super) fn not_supported(&self, words: &[&str]) -> FieldError {
        self.not_supported_as(self.shown_word(), words)
    }

    /// The value, printed as `bad_value`, is none of `words`.
    pub(super) fn not_supported_as(&self, bad_value: impl Into<String>, words: &[&str]) -> FieldError {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        self.error(ErrorKind::NotSupported, bad_value, format!("supported values: {}", words.join(", ")))
    }

    /// The text is longer than `bytes_max`.
    pub(super) fn too_long(&self, bytes_max: usize) -> FieldError {
        let unit = if bytes_max == 1 { "byte" } else { "bytes" };
        self.error(ErrorKind::TooLong, "", format!("may not be more than {bytes_max} {unit}"))
    }

    /// The list has more than `items_max` items.
    pub(super) fn too_many(&self, items_max: usize) -> FieldError {
        let unit = if items_max == 1 { "item" } else { "items" };
        self.error(ErrorKind::TooMany, self.len().to_string(), format!("must have at most {items_max} {unit}"))
    }

    /// Adds one error for each message about the value here.
    pub(super) fn refuse(&self, messages: Vec<String>, errors: &mut Errors) {
        errors.extend(messages.into_iter().map(|message| self.invalid(message)));
    }

    /// The number may not be negative.
    pub(super) fn check_not_negative(&self, errors: &mut Errors) {
        if self.int_or_zero() < 0 {
            errors.push(self.invalid_int("must be greater than or equal to 0"));
        }
    }

    /// The word must be there and be one of `words`; the message lists them as given.
    pub(super) fn check_word(&self, words: &[&str], errors: &mut Errors) {
        if self.text().is_empty() {
            errors.push(self.required(""));
        } else if !words.contains(&self.text()) {
            errors.push(self.not_supported(words));
        }
    }

    /// The value may not differ from the stored one.
    pub(super) fn check_unchanged(&self, old: &Field<'_>, errors: &mut Errors) {
        if !self.same_as(old) {
            let shown = if self.is_set() { self.shown() } else { "null".to_owned() };
            errors.push(self.invalid_as(shown, "field is immutable"));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
