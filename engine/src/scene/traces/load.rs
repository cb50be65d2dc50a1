//! Loading of a trace: its nodes become objects of the scene, its pods wait in their file.

use super::rows::{Layout, NodeRow, Shape};
use super::table::{Header, Table, each_row};
use super::{Found, Pods, Text, Trace, TraceText};
use crate::hash::LookupMap;
use crate::scene::model::{Action, Metadata, SceneObject, ScriptEntry};
use crate::scene::objects::{ObjectLoader, beside};
use crate::source::{Files, Format, Problem, Problems, Severity, Sources, Span, Tree, TreeValue, decode};
use crate::time::SimTime;
use serde_json::Value;
use std::sync::Arc;

/// What a trace brings into its scene beside itself.
#[derive(Default)]
pub(crate) struct Brought {
    /// Nodes that are there at time zero.
    pub(crate) nodes: Vec<SceneObject>,
    /// Nodes that join later.
    pub(crate) joining: Vec<ScriptEntry>,
}

/// Reads one entry of `traces`; `base` is the path of the scene. `None` after a mistake.
pub(crate) fn read_trace(
    files: &dyn Files,
    sources: &mut Sources,
    item: &Tree,
    base: &str,
    objects: &mut ObjectLoader,
    problems: &mut Problems,
    brought: &mut Brought,
) -> Option<Trace> {
    if !matches!(&item.value, TreeValue::Named(named) if ["Openb", "Csv", "Yaml"].contains(&named.name.as_str())) {
        let help = "write Csv(nodes: \"nodes.csv\", pods: \"pods.csv\"), Openb(...), or Yaml(nodes: ..., pods: ..., at: \"100s\", runs_for: \"60s\")";
        problems.push(Severity::Error, Problem::new(item.span, "this is no trace").with_help(help));
        return None;
    }
    let text: TraceText = decode(item, "traces", problems)?;
    let mut loading = Loading { files, sources, item, base, problems };
    match text {
        TraceText::Openb { nodes, pods, stay } => {
            let mut trace = loading.tables(Layout::Openb, nodes.as_deref(), &pods, brought)?;
            trace.stay = stay;
            Some(trace)
        }
        TraceText::Csv { nodes, pods } => loading.tables(Layout::Plain, nodes.as_deref(), &pods, brought),
        TraceText::Yaml { nodes, pods, at, runs_for } => {
            if let Some(nodes) = nodes {
                let (path, span) = loading.path("nodes", &nodes);
                objects.include(loading.sources, &path, Some(span), loading.problems, &mut brought.nodes);
            }
            let (path, file) = loading.read("pods", &pods)?;
            let pods = Pods::Manifests { file, at: SimTime(at.0.0), runs_for: runs_for.map(|span| span.0) };
            Some(Trace { path, pods, found: Found::default(), nodes: None, stay: false })
        }
    }
}

struct Loading<'a> {
    files: &'a dyn Files,
    sources: &'a mut Sources,
    item: &'a Tree,
    base: &'a str,
    problems: &'a mut Problems,
}

impl Loading<'_> {
    /// The path that a field names, and where it is written.
    fn path(&self, field: &str, written: &str) -> (String, Span) {
        let args = match &self.item.value {
            TreeValue::Named(named) => &named.args,
            _ => self.item,
        };
        let span = args.span_of(&[field]);
        let path = if self.sources.is_argument(span.file) { written.to_string() } else { beside(self.base, written) };
        (path, span)
    }

    fn read(&mut self, field: &str, written: &str) -> Option<(String, Text)> {
        let (path, span) = self.path(field, written);
        let file = self.sources.read(self.files, &path, Some(span), self.problems)?;
        let text = self.sources.text(file).clone();
        Some((path, Text { text, file }))
    }

    fn tables(&mut self, layout: Layout, nodes: Option<&str>, pods: &str, brought: &mut Brought) -> Option<Trace> {
        let nodes = nodes.map(|nodes| self.nodes(layout, nodes, brought));
        let (path, file) = self.read("pods", pods)?;
        let (table, found) = Table::read(file, &path, layout, self.problems)?;
        let nodes = match nodes {
            None => None,
            Some(read) => Some(read?),
        };
        Some(Trace { path, pods: Pods::Table(Arc::new(table)), found, nodes, stay: false })
    }

    fn nodes(&mut self, layout: Layout, written: &str, brought: &mut Brought) -> Option<(String, Found)> {
        let (path, file) = self.read("nodes", written)?;
        let (header, start) = Header::read(&file, layout.columns(true), self.problems)?;
        let mut found = Found::default();
        let mut bodies: LookupMap<Vec<(&'static str, String)>, Arc<Value>> = LookupMap::default();
        each_row(
            &file,
            &path,
            (&header, start),
            &mut found,
            |row| layout.node(row),
            |span, row: NodeRow| {
                let body = bodies.entry(row.amounts.clone()).or_insert_with(|| Arc::new(row.body())).clone();
                let node = SceneObject { metadata: Metadata::Written(row.metadata), body, span };
                if row.at == SimTime::ZERO {
                    brought.nodes.push(node);
                } else {
                    brought.joining.push(ScriptEntry { at: row.at, action: Action::Apply(vec![node]), span });
                }
            },
        );
        Some((path, found))
    }
}

impl Trace {
    /// Whether its pods may have any image: they are only read when they arrive.
    pub(crate) fn brings_any_image(&self) -> bool {
        matches!(self.pods, Pods::Manifests { .. })
    }

    /// Gives the shape of every pod of a table to `each`; manifests are read only when their time comes.
    pub(crate) fn each_shape(&self, mut each: impl FnMut(&Shape)) {
        if let Pods::Table(table) = &self.pods {
            table.arrivals(table.beginning(), SimTime(u64::MAX), |_, row| each(&row.shape));
        }
    }

    /// Pods that the trace may bring; of manifests a guess by their text.
    pub(crate) fn pods_at_most(&self) -> u64 {
        match &self.pods {
            Pods::Table(table) => table.usable,
            Pods::Manifests { file, .. } => match Format::of_path(&self.path) {
                Some(Format::Json) => (file.text.len() / 200) as u64,
                _ => file.text.matches("\n---").count() as u64 + 1,
            },
        }
    }
}
