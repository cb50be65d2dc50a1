//! Labels, annotations, taints, tolerations and conditions, one a line.

use super::Page;
use crate::render::age::rfc1123;
use crate::render::look::{list, pairs, scalar, text};
use serde_json::Value;

/// Longest annotation shown on the line of its key. Unit: bytes, key included.
const ANNOTATION_MAX: usize = 140;

/// The annotation that `kubectl apply` keeps for itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Page {
    /// A text-to-text map as `key=value` lines, sorted by key.
    pub(super) fn labels(&mut self, level: usize, title: &str, object: &Value, pointer: &str) {
        let lines: Vec<String> = pairs(object, pointer).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        self.column(level, title, &lines);
    }

    /// Annotations as `key: value` lines; long ones on lines of their own.
    pub(super) fn annotations(&mut self, level: usize, title: &str, object: &Value, pointer: &str) {
        let mut lines = Vec::new();
        for (key, value) in pairs(object, pointer).into_iter().filter(|&(key, _)| key != LAST_APPLIED) {
            let value = value.strip_suffix('\n').unwrap_or(value);
            if key.len() + value.len() + 2 > ANNOTATION_MAX || value.contains('\n') {
                lines.push(format!("{key}:"));
                lines.extend(value.split('\n').map(|line| format!("  {}", shorten(line, ANNOTATION_MAX - 2))));
            } else {
                lines.push(format!("{key}: {value}"));
            }
        }
        self.column(level, title, &lines);
    }

    /// Labels and annotations of the object itself.
    pub(super) fn labels_and_annotations(&mut self, object: &Value) {
        self.labels(0, "Labels", object, "/metadata/labels");
        self.annotations(0, "Annotations", object, "/metadata/annotations");
    }

    /// Taints as `key=value:Effect`, by effect and key.
    pub(super) fn taints(&mut self, node: &Value) {
        let mut taints: Vec<&Value> = list(node, "/spec/taints").iter().collect();
        taints.sort_by_key(|taint| format!("{},{}", text(taint, "/effect"), text(taint, "/key")));
        let lines: Vec<String> = taints.into_iter().map(taint).collect();
        self.column(0, "Taints", &lines);
    }

    /// Tolerations as `key=value:Effect op=Exists for 300s`, by key.
    pub(super) fn tolerations(&mut self, level: usize, spec: &Value) {
        let mut tolerations: Vec<&Value> = list(spec, "/tolerations").iter().collect();
        tolerations.sort_by_key(|toleration| text(toleration, "/key"));
        let lines: Vec<String> = tolerations.into_iter().map(toleration).collect();
        self.column(level, "Tolerations", &lines);
    }

    /// Conditions as a table of the fields named, headings underlined if `ruled`; nothing when there is none. The cells of
    /// the first `spaced` columns end in a space, as some of kubectl's formats have it.
    pub(super) fn conditions(&mut self, object: &Value, columns: &[(&str, &str)], ruled: bool, spaced: usize) {
        let conditions = list(object, "/status/conditions");
        if conditions.is_empty() {
            return;
        }
        self.line(0, "Conditions:");
        let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
        self.line(1, heads.join("\t"));
        if ruled {
            self.line(1, heads.iter().map(|head| "-".repeat(head.len())).collect::<Vec<_>>().join("\t"));
        }
        for condition in conditions {
            let cells: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(nth, (_, pointer))| {
                    let cell = if pointer.ends_with("Time") { rfc1123(condition, pointer) } else { scalar(condition, pointer) };
                    if nth < spaced { cell + " " } else { cell }
                })
                .collect();
            self.line(1, cells.join("\t"));
        }
    }
}

fn shorten(line: &str, bytes_max: usize) -> String {
    match line.len() > bytes_max {
        false => line.to_string(),
        true => {
            let cut = (0..=bytes_max).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
            format!("{}...", &line[..cut])
        }
    }
}

fn taint(taint: &Value) -> String {
    match (text(taint, "/key"), text(taint, "/value"), text(taint, "/effect")) {
        (key, "", "") => key.to_string(),
        (key, value, "") => format!("{key}={value}:"),
        (key, "", effect) => format!("{key}:{effect}"),
        (key, value, effect) => format!("{key}={value}:{effect}"),
    }
}

fn toleration(toleration: &Value) -> String {
    let (key, value, effect) = (text(toleration, "/key"), text(toleration, "/value"), text(toleration, "/effect"));
    let mut line = key.to_string();
    if !value.is_empty() {
        line.push_str(&format!("={value}"));
    }
    if !effect.is_empty() {
        line.push_str(&format!(":{effect}"));
    }
    if text(toleration, "/operator") == "Exists" && value.is_empty() {
        line.push_str(if line.is_empty() { "op=Exists" } else { " op=Exists" });
    }
    if let Some(seconds) = toleration.pointer("/tolerationSeconds").and_then(Value::as_i64) {
        line.push_str(&format!(" for {seconds}s"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn taints_and_tolerations() {
        let spec = json!({"taints": [{"key": "b", "effect": "NoSchedule"}, {"key": "a", "value": "v", "effect": "NoExecute"}]});
        let mut page = Page::default();
        page.taints(&json!({"spec": spec}));
        assert_eq!(page.text, "Taints:\ta=v:NoExecute\n\tb:NoSchedule\n");
        for (given, want) in [
            (json!({"operator": "Exists"}), "op=Exists"),
            (json!({"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}), "k:NoExecute op=Exists for 300s"),
            (json!({"key": "k", "value": "v"}), "k=v"),
        ] {
            assert_eq!(toleration(&given), want);
        }
    }

    #[test]
    fn long_annotations_take_lines_of_their_own() {
        let mut page = Page::default();
        let long = "x".repeat(150);
        page.annotations(0, "Annotations", &json!({"a": "1", "l": long, "m": "two\nlines\n", LAST_APPLIED: "{}"}), "");
        let cut = "x".repeat(138);
        assert_eq!(page.text, format!("Annotations:\ta: 1\n\tl:\n\t  {cut}...\n\tm:\n\t  two\n\t  lines\n"));
        let mut page = Page::default();
        page.annotations(1, "Annotations", &json!({}), "");
        assert_eq!(page.text, "  Annotations:\t<none>\n");
    }
}
