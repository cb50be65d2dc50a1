//! What the scheduler needs to know of a pod class, digested once.

use crate::scheduler::plugins::image_locality;
use crate::scheduler::plugins::inter_pod_affinity::Terms;
use crate::scheduler::plugins::pod_topology_spread::Constraint;
use crate::scheduler::volumes::SpecVolumes;
use serde_json::Value;
use std::sync::Arc;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::node::{Effect, NodeTaint};
use wavetank_engine::model::node_selector::{Term, node_terms, preferred_terms};
use wavetank_engine::model::pod_class::{PodClass, Toleration};
use wavetank_engine::model::resources::{Resources, amount_of};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// CPU that a container without a CPU request counts in scores. Unit: milli-cores. Source: `spec/scheduler.md` §3.
const DEFAULT_CPU_MILLICORES: i64 = 100;
/// Memory that a container without a memory request counts in scores. Unit: bytes.
const DEFAULT_MEMORY_BYTES: i64 = 200 << 20;

/// A pod class as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassFacts {
    /// True requests: filters and BalancedAllocation.
    pub requests: Resources,
    /// CPU that a pod on a node counts in NodeResourcesFit scores. Unit: milli-cores.
    pub scored_cpu_millicores: i64,
    /// Memory that a pod on a node counts in NodeResourcesFit scores. Unit: bytes.
    pub scored_memory_bytes: i64,
    /// CPU that the pod counts there while it is being scheduled: requests of the pod as a whole do not. Unit: milli-cores.
    pub asked_cpu_millicores: i64,
    /// Memory that the pod counts there while it is being scheduled. Unit: bytes.
    pub asked_memory_bytes: i64,
    /// `nodeSelector`: labels that a node must have.
    pub node_selector: Vec<(Sym, Sym)>,
    /// Required node affinity: one of the terms must match. `None`: no requirement.
    pub required: Option<Vec<Term>>,
    /// Preferred node affinity, with weights.
    pub preferred: Vec<(i64, Term)>,
    /// `tolerations`.
    pub tolerations: Vec<Toleration>,
    /// Host ports: address (empty: all), protocol, port.
    pub ports: Vec<HostPort>,
    /// `topologySpreadConstraints`.
    pub spread: Vec<Constraint>,
    /// `podAffinity` and `podAntiAffinity`.
    pub terms: Option<Arc<Terms>>,
    /// Volumes that matter to scheduling; `None` without any.
    pub volumes: Option<Arc<SpecVolumes>>,
    /// `schedulingGates`.
    pub gates: Vec<Sym>,
    /// Images of all containers, as nodes report them.
    pub images: Vec<Sym>,
    /// `priority`.
    pub priority: i32,
    /// `preemptionPolicy` is Never.
    pub never_preempts: bool,
    /// `schedulerName`.
    pub scheduler_name: Sym,
}

/// A host port in use or asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct HostPort {
    /// `hostIP`; empty and `0.0.0.0` are all addresses.
    pub ip: Sym,
    /// `protocol`.
    pub protocol: Sym,
    /// `hostPort`.
    pub port: u16,
}

impl ClassFacts {
    /// Digests a class.
    pub fn of(names: &mut Names, class: &PodClass) -> ClassFacts {
        let spec = class.raw.value();
        let (scored_cpu_millicores, scored_memory_bytes) = scored(spec, true);
        let (asked_cpu_millicores, asked_memory_bytes) = scored(spec, false);
        let node_affinity = spec.pointer("/affinity/nodeAffinity").unwrap_or(&Value::Null);
        let list = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
        let images = list("initContainers").chain(list("containers")).filter_map(|c| c.get("image").and_then(Value::as_str));
        let selector = spec.get("nodeSelector").and_then(Value::as_object).into_iter().flatten();
        let wildcard = names.sym("0.0.0.0");
        let with_ports = class.containers.iter().chain(class.init_containers.iter().filter(|container| container.sidecar()));
        let ports = with_ports.flat_map(|container| &container.ports).filter(|port| port.host_port > 0);
        ClassFacts {
            requests: class.requests.clone(),
            scored_cpu_millicores,
            scored_memory_bytes,
            asked_cpu_millicores,
            asked_memory_bytes,
            ports: ports
                .map(|port| HostPort {
                    ip: if port.host_ip == wildcard { Sym::EMPTY } else { port.host_ip },
                    protocol: port.protocol,
                    port: port.host_port,
                })
                .collect(),
            node_selector: selector.filter_map(|(k, v)| v.as_str().map(|v| (names.sym(k), names.sym(v)))).collect(),
            required: node_terms(names, node_affinity),
            preferred: preferred_terms(names, node_affinity),
            tolerations: class.tolerations.clone(),
            spread: list("topologySpreadConstraints").map(|constraint| Constraint::of_json(names, constraint)).collect(),
            terms: spec.get("affinity").and_then(|affinity| Terms::of_json(names, affinity)).map(Arc::new),
            volumes: SpecVolumes::of(names, spec),
            gates: list("schedulingGates").filter_map(|g| g.get("name").and_then(Value::as_str)).map(|g| names.sym(g)).collect(),
            images: images.map(|image| names.sym(&image_locality::normalized(image))).collect(),
            priority: class.priority,
            never_preempts: spec.get("preemptionPolicy").and_then(Value::as_str) == Some("Never"),
            scheduler_name: class.scheduler_name,
        }
    }

    /// The class for pods with these labels, where `matchLabelKeys` or `mismatchLabelKeys` make it differ: the API server writes such
    /// keys into the selectors when it creates the pod.
    pub fn for_labels(&self, labels: &LabelSets, set: LabelSetId) -> Option<ClassFacts> {
        let by_terms = self.terms.as_ref().is_some_and(|t| t.each().any(|t| !t.label_keys.is_empty() || !t.unlike_label_keys.is_empty()));
        if !by_terms && self.spread.iter().all(|constraint| constraint.label_keys.is_empty()) {
            return None;
        }
        let mut facts = self.clone();
        facts.spread.iter_mut().for_each(|constraint| constraint.merge_label_keys(labels, set));
        if let Some(terms) = &mut facts.terms {
            Arc::make_mut(terms).each_mut().for_each(|term| term.merge_label_keys(labels, set));
        }
        Some(facts)
    }

    /// Whether every node answers both classes alike, as far as class trees know answers: images and what only the queue reads aside.
    pub fn answered_like(&self, other: &ClassFacts) -> bool {
        self.requests == other.requests
            && self.asked_cpu_millicores == other.asked_cpu_millicores
            && self.asked_memory_bytes == other.asked_memory_bytes
            && self.node_selector == other.node_selector
            && self.required == other.required
            && self.preferred == other.preferred
            && self.tolerations == other.tolerations
            && self.ports == other.ports
    }

    /// Whether the class tolerates the cordon's own taint. Source: `spec/scheduler.md` §5.
    pub fn tolerates_cordon(&self) -> bool {
        let cordon = NodeTaint { key: words::TAINT_UNSCHEDULABLE, value: Sym::EMPTY, effect: Effect::NoSchedule, added_at: None };
        self.tolerations.iter().any(|toleration| toleration.tolerates(&cordon))
    }

    /// Whether any toleration covers a taint.
    pub fn tolerates(&self, taint: &NodeTaint) -> bool {
        self.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    }
}

/// Requests for scores, where each container without one counts a default; init rule as for true requests. `whole_pod`: requests of the
/// pod as a whole replace those sums.
fn scored(spec: &Value, whole_pod: bool) -> (i64, i64) {
    let request = |of: &Value, key: &str| of.pointer(&format!("/resources/requests/{key}")).and_then(|value| amount_of(key, value));
    let list = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
    // A pod that requests something as a whole counts no default for what any part of it requests.
    let as_whole = whole_pod && spec.pointer("/resources/requests").and_then(Value::as_object).is_some_and(|own| !own.is_empty());
    let asked = |key| list("containers").chain(list("initContainers")).chain([spec]).any(|part| request(part, key).is_some());
    let default = |key, amount| if as_whole && asked(key) { 0 } else { amount };
    let (cpu, memory) = (default("cpu", DEFAULT_CPU_MILLICORES), default("memory", DEFAULT_MEMORY_BYTES));
    let of = |container: &Value| (request(container, "cpu").unwrap_or(cpu), request(container, "memory").unwrap_or(memory));
    let mut total = list("containers").map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let (mut sidecars, mut peak) = ((0, 0), (0, 0));
    for container in list("initContainers") {
        let one = of(container);
        let with = (sidecars.0 + one.0, sidecars.1 + one.1);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            sidecars = with;
        }
        peak = (peak.0.max(with.0), peak.1.max(with.1));
    }
    total = ((total.0 + sidecars.0).max(peak.0), (total.1 + sidecars.1).max(peak.1));
    let level = |list: &str, key: &str| spec.pointer(&format!("/{list}/{key}")).and_then(|value| amount_of(key, value));
    let pod = |key| level("resources/requests", key).filter(|_| whole_pod);
    let cpu = pod("cpu").unwrap_or(total.0) + level("overhead", "cpu").unwrap_or(0);
    let memory = pod("memory").unwrap_or(total.1) + level("overhead", "memory").unwrap_or(0);
    (cpu, memory)
}
