//! One mistake in an object, in the words of the API server.
//!
//! Source: kubernetes v1.36, `staging/src/k8s.io/apimachinery/pkg/util/validation/field/errors.go`, `Error`,
//! and `pkg/api/errors/errors.go`, `NewInvalid`.

pub(super) use crate::model::quote::quote as quoted;
use serde_json::Value;
use std::fmt;

/// What is wrong with a field, in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The field names something that is not there.
    NotFound,
    /// The field is missing or empty.
    Required,
    /// The value occurs twice where it must be unique.
    Duplicate,
    /// The value is malformed or out of range.
    Invalid,
    /// The value is none of the allowed words.
    NotSupported,
    /// The field may not be set here.
    Forbidden,
    /// The text or list is too long; the value is not shown.
    TooLong,
    /// The list has too many items.
    TooMany,
    /// The check itself failed.
    Internal,
}

impl ErrorKind {
    /// The machine-readable word of a status cause, as in `FieldValueInvalid`.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "FieldValueNotFound",
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::Internal => "InternalError",
        }
    }

    /// The words that a person reads.
    fn words(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "Not found",
            ErrorKind::Required => "Required value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Invalid => "Invalid value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooMany => "Too many",
            ErrorKind::Internal => "Internal error",
        }
    }

    /// Whether the message repeats the offending value.
    fn shows_value(self) -> bool {
        match self {
            ErrorKind::NotFound | ErrorKind::Duplicate | ErrorKind::Invalid | ErrorKind::NotSupported | ErrorKind::TooMany => true,
            ErrorKind::Required | ErrorKind::Forbidden | ErrorKind::TooLong | ErrorKind::Internal => false,
        }
    }
}

/// One mistake in one field. `Display` gives the text that `kubectl` users know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// What is wrong, in general.
    pub kind: ErrorKind,
    /// The path, as in `spec.containers[0].name`.
    pub field: String,
    /// The offending value as it is printed: text in quotes, numbers bare, anything else as JSON.
    /// Empty when the kind does not show it.
    pub bad_value: String,
    /// What is wrong, in particular; may be empty.
    pub detail: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.body())
    }
}

impl FieldError {
    /// The text without the path, as a status cause carries it.
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_owned();
        if self.kind.shows_value() && !self.bad_value.is_empty() {
            text.push_str(": ");
            text.push_str(&self.bad_value);
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

/// The message of a 422 answer: `Deployment.apps "web" is invalid: ...`.
///
/// `group` is empty for the core group. Equal texts are said once; several stand in brackets.
pub fn invalid_message(kind: &str, group: &str, name: &str, errors: &[FieldError]) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    let head = format!("{kind}{dot}{group} {} is invalid", quoted(name));
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => head,
        [only] => format!("{head}: {only}"),
        several => format!("{head}: [{}]", several.join(", ")),
    }
}

/// A value as Go's JSON encoder writes it: no spaces, `<`, `>` and `&` escaped, members in the given order.
pub(super) fn go_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind, bad_value: &str, detail: &str) -> FieldError {
        FieldError { kind, field: "spec.a".to_owned(), bad_value: bad_value.to_owned(), detail: detail.to_owned() }
    }

    #[test]
    fn text_table() {
        let rows = [
            (error(ErrorKind::Required, "", ""), "spec.a: Required value"),
            (error(ErrorKind::Invalid, "-1", "too small"), "spec.a: Invalid value: -1: too small"),
            (error(ErrorKind::NotFound, "\"x\"", ""), "spec.a: Not found: \"x\""),
            (error(ErrorKind::TooLong, "ignored", "may not be more than 3 bytes"), "spec.a: Too long: may not be more than 3 bytes"),
        ];
        for (error, want) in rows {
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn message_of_none_one_and_several() {
        let (one, two) = (error(ErrorKind::Required, "", ""), error(ErrorKind::Forbidden, "", "no"));
        assert_eq!(invalid_message("Pod", "", "p", &[]), "Pod \"p\" is invalid");
        assert_eq!(invalid_message("Pod", "", "p", &[one.clone(), one.clone()]), "Pod \"p\" is invalid: spec.a: Required value");
        let want = "Deployment.apps \"web\" is invalid: [spec.a: Required value, spec.a: Forbidden: no]";
        assert_eq!(invalid_message("Deployment", "apps", "web", &[one, two]), want);
    }

    #[test]
    fn json_is_go_json() {
        assert_eq!(go_json(&serde_json::json!({"a": "<&>"})), "{\"a\":\"\\u003c\\u0026\\u003e\"}");
    }
}
