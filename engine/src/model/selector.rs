//! Label selectors: requirements on labels, read from text or from a structured `LabelSelector`.
//!
//! Source: kubernetes v1.36, `apimachinery/pkg/labels/selector.go` and `apimachinery/pkg/apis/meta/v1/helpers.go`.

mod parse;

use crate::model::label_syntax;
use crate::model::quote::quote;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What a requirement asks of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// `a=1`: there, with this value.
    Equals,
    /// `a==1`: the same as `Equals`, written otherwise.
    DoubleEquals,
    /// `a!=1`: not there, or with another value.
    NotEquals,
    /// `a in (1,2)`: there, with one of the values.
    In,
    /// `a notin (1,2)`: not there, or with none of the values.
    NotIn,
    /// `a`: there.
    Exists,
    /// `!a`: not there.
    DoesNotExist,
    /// `a>1`: there, a whole number, and greater.
    GreaterThan,
    /// `a<1`: there, a whole number, and less.
    LessThan,
}

/// One requirement on one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Requirement {
    key: String,
    operator: Operator,
    /// Sorted.
    values: Vec<String>,
}

/// A set of requirements that labels must all meet, sorted by key; or the selector that nothing meets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Selector {
    /// `None` matches nothing, an empty list everything.
    requirements: Option<Vec<Requirement>>,
}

/// A selector that cannot be; the message is the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl Requirement {
    /// A requirement, or all that is wrong with its key and values.
    pub fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Result<Requirement, SelectorError> {
        let mut problems = Vec::new();
        let invalid_key = label_syntax::key_problems(key);
        if !invalid_key.is_empty() {
            problems.push(format!("key: Invalid value: {}: {}", quote(key), invalid_key.join("; ")));
        }
        check_number_of_values(operator, &values, &mut problems);
        for (index, value) in values.iter().enumerate() {
            let invalid = label_syntax::value_problems(value);
            if !invalid.is_empty() {
                problems.push(format!("values[{index}][{key}]: Invalid value: {}: {}", quote(value), invalid.join("; ")));
            }
        }
        if !problems.is_empty() {
            return Err(SelectorError::of(problems));
        }
        values.sort();
        Ok(Requirement { key: key.to_owned(), operator, values })
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is asked of the label.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values of the requirement, sorted; none for `Exists` and `DoesNotExist`, one for all but `In` and `NotIn`.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether a label with this value, or the lack of it, meets the requirement.
    pub fn matches(&self, label: Option<&str>) -> bool {
        let listed = |label: &str| self.values.iter().any(|value| value == label);
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => label.is_some_and(listed),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => self.compared(label).is_some_and(|(label, value)| label > value),
            Operator::LessThan => self.compared(label).is_some_and(|(label, value)| label < value),
        }
    }

    /// The label and the only value as whole numbers, where they are.
    fn compared(&self, label: Option<&str>) -> Option<(i64, i64)> {
        Some((label?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

fn check_number_of_values(operator: Operator, values: &[String], problems: &mut Vec<String>) {
    let detail = match operator {
        Operator::In | Operator::NotIn if values.is_empty() => "for 'in', 'notin' operators, values set can't be empty",
        Operator::Equals | Operator::DoubleEquals | Operator::NotEquals if values.len() != 1 => {
            "exact-match compatibility requires one single value"
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => "values set must be empty for exists and does not exist",
        Operator::GreaterThan | Operator::LessThan if values.len() != 1 => "for 'Gt', 'Lt' operators, exactly one value is required",
        _ => "",
    };
    if !detail.is_empty() {
        problems.push(format!("values: Invalid value: {}: {detail}", json_list(values)));
    }
    if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
        for (index, value) in values.iter().enumerate().filter(|(_, value)| value.parse::<i64>().is_err()) {
            let value = quote(value);
            problems.push(format!("values[{index}]: Invalid value: {value}: for 'Gt', 'Lt' operators, the value must be an integer"));
        }
    }
}

/// A list as the original's JSON shows it: no values are `null`, and what could be HTML is escaped.
fn json_list(values: &[String]) -> String {
    if values.is_empty() {
        return "null".to_owned();
    }
    let list = Value::from(values).to_string();
    list.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

impl Selector {
    /// The selector that all labels meet.
    pub fn everything() -> Selector {
        Selector { requirements: Some(Vec::new()) }
    }

    /// The selector that no labels meet.
    pub fn nothing() -> Selector {
        Selector { requirements: None }
    }

    /// Reads the text form: `app=web,tier in (a,b),!old`. The empty text matches everything.
    pub fn parse(text: &str) -> Result<Selector, SelectorError> {
        parse::parse(text).map(Selector::of)
    }

    /// The selector that asks for exactly these labels; they are not validated, as for the selector of a Service.
    pub fn of_equalities<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Selector {
        let equal =
            |(key, value): (&str, &str)| Requirement { key: key.to_owned(), operator: Operator::Equals, values: vec![value.to_owned()] };
        Selector::of(labels.into_iter().map(equal).collect())
    }

    /// Reads a structured selector: none matches nothing, one without requirements everything.
    pub fn of_label_selector(selector: Option<&LabelSelector>) -> Result<Selector, SelectorError> {
        let Some(selector) = selector else { return Ok(Selector::nothing()) };
        let labels = selector.match_labels.iter().flatten();
        // Choice: the original tells of the first bad label in the order of a Go map; this is the order of the keys.
        let labels = labels.map(|(key, value)| Requirement::new(key, Operator::Equals, vec![value.clone()]));
        let expressions = selector.match_expressions.iter().flatten();
        let expressions = expressions.map(|expression| {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                word => return Err(SelectorError(format!("{} is not a valid label selector operator", quote(word)))),
            };
            Requirement::new(&expression.key, operator, expression.values.clone().unwrap_or_default())
        });
        labels.chain(expressions).collect::<Result<_, _>>().map(Selector::of)
    }

    /// Reads a structured selector from JSON; null is none.
    pub fn of_json(selector: &Value) -> Result<Selector, SelectorError> {
        let selector = Option::<LabelSelector>::deserialize(selector).map_err(|error| SelectorError(error.to_string()))?;
        Selector::of_label_selector(selector.as_ref())
    }

    /// The requirements, sorted by key; `None` for the selector that nothing meets.
    pub fn requirements(&self) -> Option<&[Requirement]> {
        self.requirements.as_deref()
    }

    /// Whether all labels meet it.
    pub fn is_everything(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether labels meet every requirement; `label` gives the value of a key, or `None` where there is no such label.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.as_ref().is_some_and(|all| all.iter().all(|requirement| requirement.matches(label(&requirement.key))))
    }

    fn of(mut requirements: Vec<Requirement>) -> Selector {
        requirements.sort_by(|left, right| left.key.cmp(&right.key));
        Selector { requirements: Some(requirements) }
    }
}

impl SelectorError {
    /// Several messages as one, each once: alone as it is, more in brackets.
    fn of(messages: Vec<String>) -> SelectorError {
        let mut once: Vec<String> = Vec::with_capacity(messages.len());
        for message in messages {
            if !once.contains(&message) {
                once.push(message);
            }
        }
        SelectorError(if once.len() == 1 { once.swap_remove(0) } else { format!("[{}]", once.join(", ")) })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

impl fmt::Display for Selector {
    /// The text form; empty for everything, and for nothing too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().flatten().enumerate() {
            write!(f, "{}{requirement}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
