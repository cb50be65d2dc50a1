//! NodeResourcesFit: whether what is free suffices, and how much is left. Source: `spec/scheduler.md` §3 and §4, `plugins/noderesources`.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::facts::ClassFacts;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Happenings, MAX_SCORE, NodeEvent, Plugin, PodEvent, Reason, Refusal, Score};
use crate::scheduler::profile::Profile;
use serde_json::Value;
use smallvec::SmallVec;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED
    .or(Happenings::NODE_ALLOCATABLE)
    .or(Happenings::POD_GONE)
    .or(Happenings::POD_SCALED_DOWN)
    .or(Happenings::POD_ITSELF);

/// A pod that goes makes room; one that stays does if it requests less of something that the pod of the cycle requests.
/// Source: `plugins/noderesources/fit.go`, `isSchedulableAfterPodScaleDown`.
pub fn pod_hint(cycle: &Cycle, event: &PodEvent) -> bool {
    let (Some(before), Some(after)) = (event.before, event.after) else { return true };
    let wants = cycle.pod.resident.class.requests.pairs();
    wants.filter(|pair| pair.1 > 0).any(|(resource, _)| after.class.requests.get(resource) < before.class.requests.get(resource))
}

/// Highest score of a point of `requestedToCapacityRatio`.
const SHAPE_SCORE_MAX: i64 = 10;

/// How NodeResourcesFit scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategy {
    /// Its rule.
    pub kind: StrategyKind,
    /// Resources and their weights.
    pub resources: Vec<(Sym, i64)>,
}

/// The rule of a [`Strategy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StrategyKind {
    /// The emptier the better.
    LeastAllocated,
    /// The fuller the better.
    MostAllocated,
    /// A line through points of (utilisation in per cent, score from 0 to 100), by rising utilisation.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

impl Strategy {
    /// Reads a `scoringStrategy`, validated before.
    pub fn of_json(names: &mut Names, strategy: &Value) -> Strategy {
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let number =
            |value: &Value, field: &str, absent: i64| value.get(field).and_then(Value::as_i64).filter(|&n| n != 0).unwrap_or(absent);
        let resources = list(strategy.get("resources"));
        let resources: Vec<(Sym, i64)> = resources
            .iter()
            .filter_map(|resource| Some((names.sym(resource.get("name")?.as_str()?), number(resource, "weight", 1))))
            .collect();
        let points = list(strategy.pointer("/requestedToCapacityRatio/shape"));
        let kind = match strategy.get("type").and_then(Value::as_str) {
            Some("MostAllocated") => StrategyKind::MostAllocated,
            Some("RequestedToCapacityRatio") => StrategyKind::RequestedToCapacityRatio(
                points.iter().map(|p| (number(p, "utilization", 0), number(p, "score", 0) * MAX_SCORE / SHAPE_SCORE_MAX)).collect(),
            ),
            _ => StrategyKind::LeastAllocated,
        };
        let default = || vec![(words::CPU, 1), (words::MEMORY, 1)];
        Strategy { kind, resources: if resources.is_empty() { default() } else { resources } }
    }

    /// Score of one node.
    pub fn score(&self, facts: &ClassFacts, node: &NodeFacts) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for &(resource, weight) in &self.resources {
            let Some((capacity, used)) = capacity_and_use(resource, facts, node) else { continue };
            let score = match &self.kind {
                StrategyKind::LeastAllocated => least(capacity, used),
                StrategyKind::MostAllocated => used.min(capacity) * MAX_SCORE / capacity,
                StrategyKind::RequestedToCapacityRatio(shape) => on_line(shape, if used > capacity { 100 } else { used * 100 / capacity }),
            };
            if score > 0 || !matches!(self.kind, StrategyKind::RequestedToCapacityRatio(_)) {
                sum += score * weight;
                weights += weight;
            }
        }
        match (weights, &self.kind) {
            (0, _) => 0,
            // Half away from zero; sums are not negative.
            (_, StrategyKind::RequestedToCapacityRatio(_)) => (2 * sum + weights) / (2 * weights),
            (_, StrategyKind::LeastAllocated | StrategyKind::MostAllocated) => sum / weights,
        }
    }
}

/// Capacity of a resource and its use with the pod, where CPU and memory of containers without a request count a default. `None` when
/// the node has none of it, or when it is an extended resource that the pod does not ask for.
fn capacity_and_use(resource: Sym, facts: &ClassFacts, node: &NodeFacts) -> Option<(i64, i64)> {
    let capacity = node.allocatable.get(resource);
    let asked = facts.requests.get(resource);
    let used = match resource {
        words::CPU => node.scored_cpu_millicores + facts.asked_cpu_millicores,
        words::MEMORY => node.scored_memory_bytes + facts.asked_memory_bytes,
        words::EPHEMERAL_STORAGE => node.used.ephemeral_storage_bytes + asked,
        _ if asked == 0 => return None,
        _ => node.used.get(resource) + asked,
    };
    (capacity > 0).then_some((capacity, used))
}

fn least(capacity: i64, used: i64) -> i64 {
    if used > capacity { 0 } else { (capacity - used) * MAX_SCORE / capacity }
}

/// The value of a broken line, with truncating division.
fn on_line(shape: &[(i64, i64)], at: i64) -> i64 {
    let Some(next) = shape.iter().position(|point| at <= point.0) else { return shape.last().map_or(0, |point| point.1) };
    let (x, y) = shape[next];
    match next.checked_sub(1).map(|before| shape[before]) {
        Some((x0, y0)) => y0 + (y - y0) * (at - x0) / (x - x0),
        None => y,
    }
}

/// LeastAllocated over CPU and memory, weight 1 each: the default strategy.
pub fn least_allocated(facts: &ClassFacts, node: &NodeFacts) -> i64 {
    let pairs = [
        (node.allocatable.cpu_millicores, node.scored_cpu_millicores + facts.asked_cpu_millicores),
        (node.allocatable.memory_bytes, node.scored_memory_bytes + facts.asked_memory_bytes),
    ];
    let (mut sum, mut weights) = (0, 0);
    for (capacity, used) in pairs.into_iter().filter(|pair| pair.0 > 0) {
        sum += least(capacity, used);
        weights += 1;
    }
    if weights == 0 { 0 } else { sum / weights }
}

/// Why the node can't run the pod. Beyond the node's whole allocatable no preemption helps.
pub fn refusal(facts: &ClassFacts, profile: &Profile, node: &NodeFacts, names: &Names) -> Option<Refusal> {
    let mut short: SmallVec<[Reason; 1]> = SmallVec::new();
    let mut beyond = false;
    if node.pods + 1 > node.allocatable.pods {
        short.push(Reason::Short(words::PODS));
    }
    for (resource, asked) in facts.requests.pairs() {
        let allocatable = node.allocatable.get(resource);
        if asked > allocatable - node.used.get(resource) && !ignored(profile, resource, names) {
            short.push(Reason::Short(resource));
            beyond |= asked > allocatable;
        }
    }
    if short.is_empty() { None } else { Some(Refusal { plugin: Plugin::NodeResourcesFit, resolvable: !beyond, reasons: short }) }
}

/// Whether the profile leaves an extended resource out of the check.
fn ignored(profile: &Profile, resource: Sym, names: &Names) -> bool {
    if profile.ignored_resources.is_empty() && profile.ignored_groups.is_empty() {
        return false;
    }
    let text = names.text(resource);
    let Some((group, _)) = text.split_once('/').filter(|(group, _)| !group.ends_with("kubernetes.io")) else { return false };
    profile.ignored_resources.contains(&resource) || profile.ignored_groups.iter().any(|ignored| ignored == group)
}

/// The score plugin.
pub struct NodeResourcesFit;

impl Score for NodeResourcesFit {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesFit
    }

    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>> {
        let facts = &cycle.pod.resident.class;
        Some(feasible.iter().map(|&number| cycle.profile.strategy.score(facts, cycle.nodes.get(number))).collect())
    }
}

/// A node helps that could hold the pod if it were empty, and that is new or has more of something that the pod asks for.
/// Source: `isSchedulableAfterNodeChange`.
pub fn node_hint(cycle: &Cycle, event: &NodeEvent) -> bool {
    let Some(after) = event.after else { return false };
    let facts = &cycle.pod.resident.class;
    let empty = NodeFacts::empty(after.uid, after.name, after.labels, after.allocatable.clone());
    if refusal(facts, cycle.profile, &empty, cycle.names).is_some() {
        return false;
    }
    let Some(before) = event.before else { return true };
    let more = |resource: Sym| after.allocatable.get(resource) > before.allocatable.get(resource);
    more(words::PODS) || facts.requests.pairs().any(|(resource, amount)| amount > 0 && more(resource))
}
