//! Any kind without a description of its own: its fields as they stand, in words.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `genericDescriber`, `smartLabelFor`.

use super::{Events, Page};
use serde_json::{Map, Value};

/// Fields of the metadata that the head of the description has shown, or that nobody wants to see.
const SHOWN: [&str; 5] = ["managedFields", "name", "namespace", "labels", "annotations"];

pub(super) fn write(page: &mut Page, object: &Value) -> Events {
    page.name(object);
    page.labels_and_annotations(object);
    let mut rest = object.clone();
    if let Some(metadata) = rest.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !SHOWN.contains(&field.as_str()));
    }
    page.content(0, &rest);
    Events::Shown
}

impl Page {
    /// The fields of an object in alphabetical order, nested ones below their names.
    pub(super) fn content(&mut self, level: usize, object: &Value) {
        let empty = Map::new();
        let mut fields: Vec<(&String, &Value)> = object.as_object().unwrap_or(&empty).iter().collect();
        fields.sort_by_key(|&(field, _)| field);
        for (field, value) in fields {
            match value {
                Value::Object(_) => {
                    self.line(level, format_args!("{}:", label(field)));
                    self.content(level + 1, value);
                }
                Value::Array(items) => {
                    self.line(level, format_args!("{}:", label(field)));
                    for item in items {
                        match item {
                            Value::Object(_) => self.content(level + 1, item),
                            other => self.line(level + 1, plain(other)),
                        }
                    }
                }
                other => self.field(level, &label(field), plain(other)),
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_string(),
        other => other.to_string(),
    }
}

/// A field's name in words: `creationTimestamp` is `Creation Timestamp`, `apiVersion` is `API Version`. Names with anything
/// but letters and dashes stay as they are.
fn label(field: &str) -> String {
    if field.contains(|character: char| !character.is_alphabetic() && character != '-') {
        return field.to_string();
    }
    let mut words: Vec<String> = Vec::new();
    for word in split(field) {
        let acronym_before = words.last().is_some_and(|last| last.chars().count() >= 2 && last.chars().all(|c| !c.is_lowercase()));
        match words.last_mut() {
            // `CIDRs` is split as `CID`, `Rs`: one word.
            Some(last) if acronym_before && word.starts_with(char::is_uppercase) => last.push_str(&word),
            _ => words.push(word),
        }
    }
    let words: Vec<String> = words
        .into_iter()
        .map(|word| match word.to_uppercase() {
            upper if ["API", "URL", "UID", "GUID"].contains(&upper.as_str()) => upper,
            _ if word.chars().any(char::is_uppercase) => word,
            _ => word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect(),
        })
        .collect();
    words.join(" ")
}

/// Runs of lower-case, upper-case and other characters; the last of several capitals begins the word that follows.
fn split(field: &str) -> Vec<String> {
    let class = |character: char| (character.is_lowercase(), character.is_uppercase());
    let mut runs: Vec<String> = Vec::new();
    for character in field.chars() {
        match runs.last_mut() {
            Some(run) if run.chars().next_back().is_some_and(|last| class(last) == class(character)) => run.push(character),
            _ => runs.push(character.to_string()),
        }
    }
    for nth in 1..runs.len() {
        let lower = runs[nth].starts_with(char::is_lowercase);
        if lower && runs[nth - 1].ends_with(char::is_uppercase) {
            let capital = runs[nth - 1].pop().expect("a run has at least one character");
            runs[nth].insert(0, capital);
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_words() {
        for (field, want) in [
            ("creationTimestamp", "Creation Timestamp"),
            ("apiVersion", "API Version"),
            ("uid", "UID"),
            ("podCIDRs", "Pod CIDRs"),
            ("spec", "Spec"),
            ("externalURL", "External URL"),
            ("app.kubernetes.io/name", "app.kubernetes.io/name"),
            ("HTTPGet", "HTTPGet"),
        ] {
            assert_eq!(label(field), want);
        }
    }

    #[test]
    fn fields_are_nested_and_sorted() {
        let object = json!({
            "kind": "Widget",
            "metadata": {"name": "w", "namespace": "n", "uid": "u"},
            "spec": {"size": 3, "parts": [{"name": "a"}, "b"], "none": null},
        });
        let mut page = Page::default();
        write(&mut page, &object);
        let want = "Name:\tw\nNamespace:\tn\nLabels:\t<none>\nAnnotations:\t<none>\nKind:\tWidget\nMetadata:\n  UID:\tu\nSpec:\n  None:\t<nil>\n  Parts:\n    Name:\ta\n    b\n  Size:\t3\n";
        assert_eq!(page.text, want);
    }
}
