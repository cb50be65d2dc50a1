//! Files, folders and standard input as documents.

use super::Draft;
use super::trace::{self, Trace};
use crate::files::Disk;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use wavetank_engine::scene::tree_json::json_of;
use wavetank_engine::source::{Documents, Files, Format, MemoryFiles, Problems, Severity, Sources};

/// What the sources hold.
#[derive(Debug, Default)]
pub struct Found {
    /// Documents of manifests and dumps, items of lists apart.
    pub documents: Vec<Value>,
    /// Traces of SimKube.
    pub traces: Vec<Trace>,
    /// The texts, for printing places.
    pub sources: Sources,
    /// Mistakes.
    pub problems: Problems,
}

/// Reads files, folders with all that is in them, and `-` for standard input.
///
/// # Errors
/// A sentence for what cannot be read at all; mistakes inside of texts are in [`Found::problems`].
pub fn read(paths: &[String], draft: &mut Draft) -> Result<Found, String> {
    let mut found = Found::default();
    for path in paths {
        draft.sources.push(if path == "-" { "standard input".to_string() } else { path.clone() });
        if path == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
            let json = text.trim_start().starts_with(['{', '[']);
            let files = MemoryFiles::default().with("standard input", text);
            manifest(&files, "standard input", if json { Format::Json } else { Format::Yaml }, &mut found, draft);
        } else if Path::new(path).is_dir() {
            let before = (found.documents.len(), found.traces.len(), found.problems.errors_found());
            folder(Path::new(path), &mut found, draft)?;
            if before == (found.documents.len(), found.traces.len(), found.problems.errors_found()) {
                return Err(format!("{path}: no .yaml, .yml, .json or .sktrace file with anything in it"));
            }
        } else if path.ends_with(".csv") {
            return Err(format!("{path}: a table is no manifest; a scene names it in its traces, as scenes/bench/openb.ron does"));
        } else {
            file(path, &mut found, draft)?;
        }
    }
    Ok(found)
}

/// A folder of rendered charts has folders inside.
fn folder(path: &Path, found: &mut Found, draft: &mut Draft) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        inside.push(entry.map_err(wrong)?.path());
    }
    inside.sort();
    for entry in inside {
        let ending = entry.extension().and_then(|end| end.to_str()).unwrap_or("");
        if entry.is_dir() {
            folder(&entry, found, draft)?;
        } else if matches!(ending, "yaml" | "yml" | "json" | "sktrace") {
            file(&entry.to_string_lossy(), found, draft)?;
        } else {
            draft.left_out.note("files that are no YAML, JSON or .sktrace", entry.to_string_lossy());
        }
    }
    Ok(())
}

fn file(path: &str, found: &mut Found, draft: &mut Draft) -> Result<(), String> {
    if path.ends_with(".sktrace") {
        let bytes = Disk.read(path).map_err(|error| format!("cannot read {path:?}: {error}"))?;
        found.traces.push(trace::decode(&bytes).map_err(|error| format!("{path}: {error}"))?);
        return Ok(());
    }
    if Format::of_path(path) == Some(Format::Ron) {
        return Err(format!("{path}: this is a scene already; run it with `wavetank run {path}`"));
    }
    manifest(&Disk, path, Format::of_path(path).unwrap_or(Format::Yaml), found, draft);
    Ok(())
}

fn manifest(files: &dyn Files, path: &str, format: Format, found: &mut Found, draft: &mut Draft) {
    let Some(file) = found.sources.read(files, path, None, &mut found.problems) else { return };
    let documents: Vec<_> = Documents::new(&found.sources, file, format).collect();
    for document in documents {
        match document {
            Ok(tree) => take(json_of(&tree), path, found, draft),
            Err(problem) => {
                let template = found.sources.text(file).contains("{{");
                let problem = if template && problem.help.is_none() {
                    problem.with_help("this looks like a template: import what `helm template` prints")
                } else {
                    problem
                };
                found.problems.push(Severity::Error, problem);
            }
        }
    }
}

/// An object, or the objects of a list, whatever list it is.
fn take(document: Value, path: &str, found: &mut Found, draft: &mut Draft) {
    match document {
        Value::Array(items) => items.into_iter().for_each(|item| take(item, path, found, draft)),
        Value::Object(mut fields) => {
            let kind = fields.get("kind").and_then(Value::as_str).unwrap_or("").to_string();
            let version = fields.get("apiVersion").and_then(Value::as_str).unwrap_or("").to_string();
            let of_items = kind.strip_suffix("List").filter(|_| fields.get("items").is_some_and(Value::is_array));
            let Some(of_items) = of_items else {
                if kind.is_empty() || version.is_empty() {
                    draft.left_out.note("documents without kind or apiVersion", path);
                } else {
                    found.documents.push(Value::Object(fields));
                }
                return;
            };
            let Some(Value::Array(items)) = fields.shift_remove("items") else { return };
            for mut item in items {
                if let Some(fields) = item.as_object_mut().filter(|_| !of_items.is_empty()) {
                    fields.entry("kind").or_insert_with(|| of_items.into());
                    fields.entry("apiVersion").or_insert_with(|| version.as_str().into());
                }
                take(item, path, found, draft);
            }
        }
        _ => draft.left_out.note("documents without kind or apiVersion", path),
    }
}
