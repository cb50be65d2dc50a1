//! Objects as scripts and expectations name them: `kind/name`, `kind/namespace/name`, with one `*` in the name.

use crate::api::objects::{Objects, Row};
use crate::ids::{Kind, ObjRef, Revision};
use crate::model::kinds::Kinds;
use crate::model::labels::LabelSets;
use crate::model::meta::Meta;
use crate::model::network::{Endpoint, EndpointSlice, Service};
use crate::model::node::NodeStatus;
use crate::model::zone_hints;
use crate::names::{Names, Sym};
use crate::scene::format::Step;
use crate::scene::model::SceneObject;
use crate::simulation::Simulation;
use crate::source::{BrokenObject, Problem, Problems, Severity, Span};
use crate::words;
use std::collections::{BTreeMap, BTreeSet};

/// A target, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Kind, as written.
    pub kind: String,
    /// Namespace; `default` unless written.
    pub namespace: String,
    /// Name, perhaps with one `*`.
    pub name: String,
}

impl Target {
    /// Reads a target; `None` when it has no kind or no name.
    pub fn parse(text: &str) -> Option<Target> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, "default", name),
            [kind, namespace, name] => (kind, namespace, name),
            _ => return None,
        };
        if kind.is_empty() || name.is_empty() || namespace.is_empty() {
            return None;
        }
        Some(Target { kind: kind.into(), namespace: namespace.into(), name: name.into() })
    }

    /// The targets that a step names.
    pub fn of_step(step: &Step) -> Vec<String> {
        let node = |name: &String| vec![format!("node/{}", name.strip_prefix("node/").unwrap_or(name))];
        match step {
            Step::Scale(target, _)
            | Step::SetImage(target, ..)
            | Step::Delete(target)
            | Step::Label(target, ..)
            | Step::Unlabel(target, ..)
            | Step::SetContainerImage(target, ..)
            | Step::Pause(target)
            | Step::Resume(target)
            | Step::Undo(target)
            | Step::Resize(target, _)
            | Step::UndoTo(target, _) => {
                vec![target.clone()]
            }
            Step::DeleteWith { target, .. } | Step::RollingUpdate { target, .. } => vec![target.clone()],
            Step::Cordon(name)
            | Step::Uncordon(name)
            | Step::Drain(name)
            | Step::DrainWith { node: name, .. }
            | Step::FailNode(name)
            | Step::CutOffNode(name)
            | Step::ShutDownNode(name)
            | Step::SlowNode(name, _)
            | Step::RestoreNode(name) => node(name),
            Step::Taint(name, _)
            | Step::Untaint(name, _)
            | Step::RemoveManifest(name, _)
            | Step::FillDisk(name, _)
            | Step::FillInodes(name, _) => node(name),
            Step::BreakImage(_) | Step::FixImage(_) | Step::BreakVolume(_) | Step::FixVolume(_) | Step::AddNodes(_) => Vec::new(),
        }
    }

    /// Living objects that the target names, sorted by name.
    pub fn find(&self, sim: &Simulation) -> Vec<ObjRef> {
        let kinds = sim.get::<Kinds>();
        let names = sim.get::<Names>();
        let Some(kind) = kinds.find(&self.kind) else { return Vec::new() };
        let namespace = if kinds.namespaced(kind) { names.find(&self.namespace) } else { Some(crate::names::Sym::EMPTY) };
        let Some(namespace) = namespace else { return Vec::new() };
        let objects = sim.get::<Objects>();
        if !self.name.contains('*') {
            let key = names.find_name(&self.name).map(|name| crate::ids::ObjectKey { kind, namespace, name });
            return key.and_then(|key| objects.by_key(key)).into_iter().collect();
        }
        let living = objects.in_namespace(kind, namespace).filter(|row| row.gone == Revision::HEAD);
        let mut found: Vec<_> = living.filter(|row| glob(&self.name, &names.render(row.key.name))).collect();
        found.sort_by(|a, b| names.cmp_names(a.key.name, b.key.name));
        found.iter().map(|row| row.object).collect()
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// The living EndpointSlices of a Service: its own, those mirrored from Endpoints of its name, and those that only name it.
pub fn slices_of(sim: &Simulation, service: ObjRef) -> Vec<ObjRef> {
    let objects = sim.get::<Objects>();
    let Some(row) = objects.row(service) else { return Vec::new() };
    let living = |row: &&Row| row.gone == Revision::HEAD && row.key.kind == Kind::EndpointSlice;
    let mut found: Vec<ObjRef> = objects.controlled(service.uid).filter(living).map(|row| row.object).collect();
    if sim.state::<Service>(service).is_some_and(|service| service.selector.is_none()) {
        let (names, labels) = (sim.get::<Names>(), sim.get::<LabelSets>());
        let label = names.find("kubernetes.io/service-name");
        let (Some(label), Some(name)) = (label, names.find(&names.render(row.key.name))) else { return found };
        let slices = objects.in_namespace(Kind::EndpointSlice, row.key.namespace).filter(living);
        found.extend(slices.filter(|slice| labels.get(slice.labels, label) == Some(name)).map(|row| row.object));
        found.sort_unstable();
        found.dedup();
    }
    found
}

/// Zones for whose clients the endpoints of a Service are, by their addresses; none without the annotation for it.
pub fn zone_hints_of(sim: &Simulation, service: ObjRef) -> BTreeMap<u32, Sym> {
    let (objects, names, labels) = (sim.get::<Objects>(), sim.get::<Names>(), sim.get::<LabelSets>());
    let value = |set, key: &str| names.find(key).and_then(|key| labels.get(set, key)).map(|value| names.text(value));
    let asks = |meta: &Meta| zone_hints::ANNOTATIONS.iter().any(|key| value(meta.annotations, key).is_some_and(zone_hints::wanted));
    if !sim.state::<Meta>(service).is_some_and(asks) {
        return BTreeMap::new();
    }
    let nodes = objects.of_kind(Kind::Node).filter(|row| row.gone == Revision::HEAD);
    let counts = |row: &&Row| zone_hints::EXCLUDED.iter().all(|label| value(row.labels, label).is_none());
    let nodes = nodes.filter(counts).filter_map(|row| {
        let status = sim.state::<NodeStatus>(row.object).filter(|status| status.ready())?;
        Some((labels.get(row.labels, words::ZONE_LABEL).map(|zone| names.text(zone)), status.allocatable.cpu_millicores))
    });
    let slices = slices_of(sim, service);
    let endpoints: Vec<&Endpoint> =
        slices.into_iter().filter_map(|slice| sim.state::<EndpointSlice>(slice)).flat_map(|slice| &slice.endpoints).collect();
    let Some(cpu) = zone_hints::cpu_by_zone(nodes) else { return BTreeMap::new() };
    let list: Vec<(&str, bool)> = endpoints.iter().map(|endpoint| (names.text(endpoint.zone), endpoint.ready)).collect();
    let hints = zone_hints::hints(&list, &cpu);
    endpoints.iter().zip(hints).filter_map(|(endpoint, zone)| Some((endpoint.ip, names.find(zone?)?))).collect()
}

/// Objects that a scene defines, for checking targets.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// (kind in lower case, namespace, name).
    objects: BTreeSet<(String, String, String)>,
    /// Whether pods may come that are not known yet.
    any_pod: bool,
    /// Names of groups of nodes: `spot-3` may come.
    groups: Vec<String>,
}

impl Known {
    /// Adds groups whose nodes come and go.
    pub(crate) fn add_groups<'g>(&mut self, names: impl Iterator<Item = &'g str>) {
        self.groups.extend(names.map(str::to_string));
    }

    /// Whether a group may have a node with this name, in which there may be a `*`.
    fn of_group(&self, kind: &str, name: &str) -> bool {
        let stem = name.split('*').next().unwrap_or("");
        let numbered = |group: &String| name.strip_prefix(group.as_str()).and_then(|rest| rest.strip_prefix('-'));
        let one = |group: &String| {
            numbered(group).is_some_and(|number| number.contains('*') || number.parse::<u32>().is_ok_and(|number| number > 0))
                || name.contains('*') && group.starts_with(stem)
        };
        kind == "node" && self.groups.iter().any(one)
    }

    /// Lets every pod through: a trace may bring it.
    pub(crate) fn any_pod(&mut self) {
        self.any_pod = true;
    }

    pub(crate) fn of(objects: &[SceneObject]) -> Known {
        let mut known = Known::default();
        known.add(objects);
        known
    }

    /// Adds objects that were left out for their mistakes: those are told, not what follows from them.
    pub(crate) fn add_broken(&mut self, objects: &[BrokenObject]) {
        for object in objects {
            let namespace = object.namespace.as_deref().unwrap_or("default").to_string();
            self.objects.insert((object.kind.to_ascii_lowercase(), namespace, object.name.clone()));
        }
    }

    pub(crate) fn add(&mut self, objects: &[SceneObject]) {
        for object in objects {
            let namespace = object.namespace().unwrap_or("default").to_string();
            self.objects.insert((object.kind().to_ascii_lowercase(), namespace, object.name().to_string()));
        }
    }

    /// Adds the controller that a rolling update by kubectl makes beside its target.
    pub(crate) fn add_successor(&mut self, target: &str, name: Option<&str>) {
        if let (Some(target), Some(name)) = (Target::parse(target), name) {
            self.objects.insert(("replicationcontroller".into(), target.namespace, name.into()));
        }
    }

    /// Kind of a target, in lower case and without short names.
    fn kind(&self, kind: &str) -> Option<String> {
        let mut kinds = Kinds::default();
        // StatefulSets make claims, whether or not the scene has one of its own.
        kinds.kind_of("v1", "PersistentVolumeClaim");
        for (word, ..) in &self.objects {
            if kinds.find(word).is_none() {
                kinds.kind_of("", word);
            }
        }
        kinds.find(kind).map(|found| kinds.word(found))
    }

    /// Reports a target of an unknown kind.
    pub(crate) fn check_kind(&self, text: &str, span: Span, problems: &mut Problems) {
        match Target::parse(text) {
            None => problems.error(span, format!("found {text:?}, expected kind/name or kind/namespace/name, such as \"deployment/web\"")),
            Some(target) if self.kind(&target.kind).is_none() => {
                let known = [
                    "pod",
                    "node",
                    "deployment",
                    "replicaset",
                    "replicationcontroller",
                    "service",
                    "endpoints",
                    "endpointslice",
                    "horizontalpodautoscaler",
                    "job",
                    "cronjob",
                    "poddisruptionbudget",
                    "statefulset",
                    "daemonset",
                    "persistentvolumeclaim",
                    "namespace",
                ];
                let mut problem = Problem::new(span, format!("{text:?}: there is no kind {:?}", target.kind));
                problem.help = crate::source::error::advice(&target.kind.to_ascii_lowercase(), &known);
                problems.push(Severity::Error, problem);
            }
            Some(_) => {}
        }
    }

    /// Reports a target that is not one Service of the scene.
    pub(crate) fn check_service(&self, text: &str, span: Span, problems: &mut Problems) {
        let service = |target: &Target| self.kind(&target.kind).as_deref() == Some("service") && !target.name.contains('*');
        if Target::parse(text).as_ref().is_some_and(service) {
            self.check(text, span, problems);
        } else {
            problems.error(
                span,
                format!("found {text:?}, expected service/name, service/namespace/name or http://host/path: requests go to one Service"),
            );
        }
    }

    /// Reports a target that is no pod that the scene can have.
    pub(crate) fn check_pod(&self, text: &str, span: Span, problems: &mut Problems) {
        match Target::parse(text) {
            Some(target) if self.kind(&target.kind).as_deref() == Some("pod") => self.check(text, span, problems),
            _ => problems.error(span, format!("found {text:?}, expected a pod, such as \"pod/client\" or \"pod/web-*\"")),
        }
    }

    /// Reports a target that can never exist. Pods, and what controllers make, are let through when their owner is there.
    pub(crate) fn check(&self, text: &str, span: Span, problems: &mut Problems) {
        let Some(target) = Target::parse(text) else {
            self.check_kind(text, span, problems);
            return;
        };
        let Some(kind) = self.kind(&target.kind) else {
            self.check_kind(text, span, problems);
            return;
        };
        let matches = |object: &(String, String, String)| {
            object.0 == kind && (kind == "node" || kind == "namespace" || object.1 == target.namespace) && glob(&target.name, &object.2)
        };
        let made = matches!(
            kind.as_str(),
            "pod" | "replicaset" | "replicationcontroller" | "job" | "endpoints" | "endpointslice" | "controllerrevision"
        );
        let stem = target.name.split('*').next().unwrap_or("");
        let owned = |object: &(String, String, String)| {
            made && object.1 == target.namespace
                && matches!(
                    object.0.as_str(),
                    "deployment" | "replicaset" | "replicationcontroller" | "service" | "statefulset" | "daemonset" | "job" | "cronjob"
                )
                && (target.name.starts_with(&object.2) || object.2.starts_with(stem))
        };
        let claimed = |object: &(String, String, String)| {
            let of_pod = || object.0 == "pod" && target.name.strip_prefix(&object.2).is_some_and(|rest| rest.starts_with('-'));
            let of_set = object.0 == "statefulset" && target.name.contains(&object.2);
            kind == "persistentvolumeclaim" && object.1 == target.namespace && (of_set || of_pod())
        };
        if kind == "namespace"
            || kind == "pod" && self.any_pod
            || self.of_group(&kind, &target.name)
            || self.objects.iter().any(claimed)
            || self.objects.iter().any(|object| matches(object) || owned(object))
        {
            return;
        }
        let names: Vec<&str> = self.objects.iter().filter(|object| object.0 == kind).map(|object| object.2.as_str()).collect();
        let mut problem = Problem::new(span, format!("{text:?}: the scene never has such an object"));
        problem.help = crate::source::error::advice(&target.name, &names);
        problems.push(Severity::Error, problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_stands_for_any_text() {
        for (pattern, text, want) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web-*", "web-1", true),
            ("web-*", "web", false),
            ("*-1", "web-1", true),
            ("w*1", "web-1", true),
            ("w*1", "w1", true),
            ("ww*w", "ww", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }
}
