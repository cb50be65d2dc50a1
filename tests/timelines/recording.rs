//! Recordings of a real control plane: the JSON they are kept in, and how they are found and read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// One recorded scenario.
///
/// `objects` are the manifests, `actions` what was done and answered, `timeline` every change that a watch on all
/// kinds saw. `ids` maps stable ids (`pod#3`, by order of appearance of the kind) to the recorded names.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// The moment from which all times of the recording count, in RFC 3339 with microseconds.
    pub(crate) t0: String,
    pub(crate) duration_s: f64,
    /// Manifests, plain Kubernetes JSON.
    pub(crate) objects: Vec<Value>,
    pub(crate) actions: Vec<Action>,
    pub(crate) timeline: Vec<Entry>,
}

/// Something that was done, and the answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Action {
    /// Seconds since just before the first action.
    pub(crate) at_s: f64,
    /// `verb`, `kind`, `name` and what the verb needs; or `kubectl` with its arguments.
    #[serde(rename = "do")]
    pub(crate) deed: Value,
    /// HTTP status code of the answer.
    #[serde(default)]
    pub(crate) code: Option<u16>,
    /// `message` of the answer, where it was a refusal.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// Exit code of kubectl, and what it printed.
    #[serde(default)]
    pub(crate) rc: i64,
    #[serde(default)]
    pub(crate) stdout: String,
    #[serde(default)]
    pub(crate) stderr: String,
}

/// What happened to an object: the three types of a watch event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verb {
    Added,
    Modified,
    Deleted,
}

/// One visible change. Entries whose facts did not change are left out of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Seconds since just before the first action.
    pub(crate) t_s: f64,
    #[serde(rename = "type")]
    pub(crate) verb: Verb,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Absent for Events alone.
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) facts: Map<String, Value>,
}

impl Entry {
    /// The moment in microseconds, which all comparisons use.
    pub(crate) fn at(&self) -> i64 {
        (self.t_s * 1e6).round() as i64
    }

    /// A fact as a whole number; absent and null count as 0.
    pub(crate) fn number(&self, fact: &str) -> i64 {
        self.facts.get(fact).and_then(Value::as_i64).unwrap_or(0)
    }

    /// A fact as text; empty when it is absent or no text.
    pub(crate) fn text(&self, fact: &str) -> &str {
        self.facts.get(fact).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether a fact is present and true.
    pub(crate) fn is(&self, fact: &str) -> bool {
        self.facts.get(fact).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The id (or `Kind/name`) of the controlling owner.
    pub(crate) fn owner(&self) -> Option<&str> {
        let owners = self.facts.get("owners")?.as_array()?;
        let owner = owners.iter().find(|owner| owner["controller"] == true)?;
        owner["owner"].as_str()
    }
}

impl Recording {
    /// The letter (or word) before the first `_` of the name: what `families` lists.
    pub(crate) fn family(&self) -> &str {
        self.name.split('_').next().unwrap_or(&self.name)
    }
}

/// Every recording file (`.json`, `.json.gz`) of a directory, by name. An unreadable directory is an error.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let listing = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files = Vec::new();
    for file in listing {
        let path = file.map_err(|error| format!("{}: {error}", directory.display()))?.path();
        if !title(&path).is_empty() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The file's name without its ending; empty when it is no recording by its ending.
pub(crate) fn title(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let title = name.strip_suffix(".json.gz").or_else(|| name.strip_suffix(".json"));
    title.unwrap_or_default().to_owned()
}

/// Reads one file; the error says what is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Recording, String> {
    let file = File::open(path).map_err(|error| format!("unreadable: {error}"))?;
    let mut text = String::new();
    let outcome = if path.extension().is_some_and(|ending| ending == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text)
    } else {
        let mut file = file;
        file.read_to_string(&mut text)
    };
    outcome.map_err(|error| format!("unreadable: {error}"))?;
    let recording: Recording = serde_json::from_str(&text).map_err(|error| format!("unreadable: {error}"))?;
    if recording.timeline.is_empty() {
        return Err("unreadable: its timeline is empty".to_owned());
    }
    Ok(recording)
}
