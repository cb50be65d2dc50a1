//! A draft as the text of a scene.

use super::{Draft, Happening};
use serde_json::Value;
use wavetank_engine::time::SimTime;

/// Nodes for objects that bring none.
#[derive(Debug, Clone)]
pub struct Nodes {
    /// How many.
    pub count: u32,
    /// Allocatable resources by name.
    pub size: Vec<(String, String)>,
}

/// The text of the scene. `nodes` are added where the draft has none; `include` names the file beside it that holds the objects,
/// `None`: they stand in the scene itself.
pub fn scene(draft: &Draft, nodes: &Nodes, include: Option<&str>) -> String {
    let mut out = format!("// Imported from {}.\n", one_line(&draft.sources.join(", ")));
    let left_out = draft.left_out.lines();
    if !left_out.is_empty() {
        out.push_str("// Left out:\n");
        left_out.iter().for_each(|line| out.push_str(&format!("//   {}\n", one_line(line))));
    }
    out.push_str("Scene(\n");
    if let Some(epoch) = draft.epoch_unix_s {
        out.push_str(&format!("    epoch: {},\n", text(&SimTime::ZERO.rfc3339(epoch))));
    }
    out.push_str(&format!("    duration: \"{}s\",\n", draft.duration_s));
    if let Some(start_ms) = draft.start_ms {
        out.push_str(&format!(
            "    latency: Typical(api_write: \"0s\", watch: \"0s\", scheduling_attempt: \"0s\", binding: \"0s\", kubelet_sync: \"0s\", \
             sandbox: \"{start_ms}ms\", container_start: \"0s\", pull: \"0s\", pull_bytes_per_s: {}),\n",
            1_u64 << 60
        ));
    }
    if !draft.objects.iter().any(|object| object.get("kind").and_then(Value::as_str) == Some("Node")) {
        let size: Vec<String> = nodes.size.iter().map(|(name, amount)| format!("{}: {}", text(name), text(amount))).collect();
        out.push_str(&format!("    nodes: [Pool(name: \"node\", count: {}, allocatable: {{{}}})],\n", nodes.count, size.join(", ")));
    }
    out.push_str("    objects: [\n");
    match include {
        Some(path) => out.push_str(&format!("        Include({}),\n", text(path))),
        None => draft.objects.iter().for_each(|object| item(&mut out, object, 2)),
    }
    out.push_str("    ],\n");
    programs(&mut out, draft);
    script(&mut out, draft);
    out.push_str(")\n");
    out
}

fn programs(out: &mut String, draft: &Draft) {
    if let Some(ms) = draft.job_runs_for_ms {
        out.push_str(&format!("    program_defaults: (job_runs_for: \"{ms}ms\"),\n"));
    }
    if draft.programs.is_empty() {
        return;
    }
    out.push_str("    programs: {\n");
    for (image, program) in &draft.programs {
        let mut fields = Vec::new();
        fields.extend(program.runs_for_ms.map(|ms| format!("runs_for: \"{ms}ms\"")));
        fields.extend(program.exits_after_ms.map(|ms| format!("on_term: ExitsAfter(\"{ms}ms\")")));
        out.push_str(&format!("        {}: ({}),\n", text(image), fields.join(", ")));
    }
    out.push_str("    },\n");
}

fn script(out: &mut String, draft: &Draft) {
    if draft.script.is_empty() {
        return;
    }
    out.push_str("    script: [\n");
    for (at, happening) in &draft.script {
        match happening {
            Happening::Apply(objects) => {
                out.push_str(&format!("        At(\"{at}s\", Apply([\n"));
                objects.iter().for_each(|object| item(out, object, 3));
                out.push_str("        ])),\n");
            }
            Happening::Delete(target) => out.push_str(&format!("        At(\"{at}s\", Delete({})),\n", text(target))),
        }
    }
    out.push_str("    ],\n");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn item(out: &mut String, value: &Value, depth: usize) {
    out.push_str(&"    ".repeat(depth));
    write(out, value, depth);
    out.push_str(",\n");
}

/// Values of one line stay on it as long as they are short.
const SHORT: usize = 100;

fn write(out: &mut String, value: &Value, depth: usize) {
    let start = out.len();
    plain(out, value);
    if out.len() - start <= SHORT || !matches!(value, Value::Object(_) | Value::Array(_)) {
        return;
    }
    out.truncate(start);
    let inside = "    ".repeat(depth + 1);
    match value {
        Value::Object(fields) => {
            out.push_str("{\n");
            for (key, part) in fields {
                out.push_str(&format!("{inside}{}: ", text(key)));
                write(out, part, depth + 1);
                out.push_str(",\n");
            }
            out.push_str(&"    ".repeat(depth));
            out.push('}');
        }
        Value::Array(items) => {
            out.push_str("[\n");
            items.iter().for_each(|part| item(out, part, depth + 1));
            out.push_str(&"    ".repeat(depth));
            out.push(']');
        }
        _ => {}
    }
}

fn plain(out: &mut String, value: &Value) {
    let list = |out: &mut String, (open, close): (char, char), parts: &mut dyn FnMut(&mut String)| {
        out.push(open);
        parts(out);
        out.push(close);
    };
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(words) => out.push_str(&text(words)),
        Value::Array(items) => list(out, ('[', ']'), &mut |out| {
            for (nth, part) in items.iter().enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                plain(out, part);
            }
        }),
        Value::Object(fields) => list(out, ('{', '}'), &mut |out| {
            for (nth, (key, part)) in fields.iter().enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                out.push_str(&format!("{}: ", text(key)));
                plain(out, part);
            }
        }),
    }
}

/// Text between quotes; what would be a parameter stays as it is.
fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len() + 2);
    out.push('"');
    for c in words.replace("${", "$${").chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wavetank_engine::scene::load::{Overrides, load};
    use wavetank_engine::source::MemoryFiles;

    #[test]
    fn texts_come_back_as_they_were() {
        let words = "a \"b\" \\ ${HOME} $${x} \u{1}\n\tü";
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"},
            "data": {"words": words, "long": "x".repeat(200)}});
        let draft = Draft { objects: vec![map.clone()], duration_s: 5, sources: vec!["a\nb".to_string()], ..Draft::default() };
        let nodes = Nodes { count: 2, size: vec![("cpu".into(), "1".into()), ("memory".into(), "1Gi".into())] };
        let written = scene(&draft, &nodes, None);
        let loaded = load(&MemoryFiles::default().with("s.ron", written.clone()), &["s.ron".to_string()], &Overrides::default());
        let read = loaded.scene.unwrap_or_else(|| panic!("{:?}\n{written}", loaded.problems.errors(&loaded.sources)));
        assert_eq!(read.objects.len(), 3);
        assert_eq!(read.objects[2].body["data"], map["data"]);
    }
}
