//! Whether a kubelet takes a pod that was bound to its node, past the scheduler perhaps.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/lifecycle/predicate.go`, `Admit`, `generalFilter`; `spec/kubelet.md` §6.

use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::meta::{Condition, ConditionStatus};
use wavetank_engine::model::node::{Effect, NodeTaint};
use wavetank_engine::model::node_selector::{Term, node_terms};
use wavetank_engine::model::pod_class::{PodClass, Qos, Toleration};
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// Pods of this priority or higher are critical. Source: `spec/kubelet.md` §6.
pub const CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// Conditions by which a node says that it is short of something.
pub const PRESSURES: [Sym; 3] = [words::MEMORY_PRESSURE, words::DISK_PRESSURE, words::PID_PRESSURE];

/// A host port that a pod asks for: protocol, address (empty: all), port.
pub type HostPort = (Sym, Sym, u16);

/// What of a pod its kubelet looks at.
#[derive(Debug, Clone, Copy)]
pub struct Wants<'a> {
    /// What it requests.
    pub requests: &'a Resources,
    /// It is critical: of a system priority, or static.
    pub critical: bool,
    /// Quality of service.
    pub qos: Qos,
    /// `tolerations`.
    pub tolerations: &'a [Toleration],
    /// Whether its node selector and required affinity match the node.
    pub matches: bool,
    /// Its host ports.
    pub ports: &'a [HostPort],
}

/// What of a node its kubelet looks at.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    /// `allocatable`.
    pub allocatable: &'a Resources,
    /// What the pods that it has taken and that have not ended request; `pods` is their number.
    pub used: &'a Resources,
    /// `taints`.
    pub taints: &'a [NodeTaint],
    /// `conditions`.
    pub conditions: &'a [Condition],
    /// Host ports of those pods.
    pub ports: &'a [HostPort],
    /// It is shutting down.
    pub shuts_down: bool,
}

/// Why a kubelet rejects a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Its node is under pressure; the conditions.
    Pressure(Vec<Sym>),
    /// Its node has too little of a resource.
    Short {
        /// The resource.
        resource: Sym,
        /// What the pod requests. Unit: of [`Resources`], as for the others.
        requested: i64,
        /// What others have.
        used: i64,
        /// What the node gives.
        capacity: i64,
    },
    /// A predicate of the scheduler's fails: its name and why.
    Predicate(&'static str, &'static str),
    /// Its node is shutting down.
    Shutdown,
    /// A critical pod has too little room, and there are too few pods that could make some; in the original's words.
    NoRoom(String),
}

impl Rejection {
    /// `reason` of the pod.
    pub fn reason(&self, names: &Names) -> String {
        match self {
            Rejection::Pressure(_) => "Evicted".to_string(),
            Rejection::Short { resource, .. } => format!("OutOf{}", names.text(*resource)),
            Rejection::Predicate(name, _) => (*name).to_string(),
            Rejection::Shutdown => "NodeShutdown".to_string(),
            Rejection::NoRoom(_) => "UnexpectedAdmissionError".to_string(),
        }
    }

    /// What the event says, and the pod's `message` behind `Pod was rejected: `.
    pub fn text(&self, names: &Names) -> String {
        match self {
            Rejection::Pressure(conditions) => {
                let list: Vec<&str> = conditions.iter().map(|&kind| names.text(kind)).collect();
                format!("The node had condition: [{}]. ", list.join(" "))
            }
            Rejection::Short { resource, requested, used, capacity } => {
                let resource = names.text(*resource);
                format!("Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}")
            }
            Rejection::Predicate(name, why) => format!("Predicate {name} failed: {why}"),
            Rejection::NoRoom(why) => format!("Unexpected error while attempting to recover from admission failure: {why}"),
            Rejection::Shutdown => "Pod was rejected as the node is shutting down.".to_string(),
        }
    }
}

/// Why a node's kubelet rejects a pod; the first reason in the order of the original. `None`: it takes it. Critical pods are rejected for
/// want of room only when there is no other reason: room may be made for them.
pub fn rejection(pod: Wants, node: Room) -> Option<Rejection> {
    under_pressure(pod, node)
        .or_else(|| short(pod, node).filter(|_| !pod.critical))
        .or_else(|| (!pod.matches).then_some(Rejection::Predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")))
        .or_else(|| {
            let taken = pod.ports.iter().any(|&asked| node.ports.iter().any(|&used| conflict(asked, used)));
            taken.then_some(Rejection::Predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports"))
        })
        .or_else(|| {
            let mut hard = node.taints.iter().filter(|taint| taint.effect == Effect::NoExecute);
            let untolerated = hard.any(|taint| !pod.tolerations.iter().any(|toleration| toleration.tolerates(taint)));
            untolerated.then_some(Rejection::Predicate("TaintToleration", "node(s) had untolerated taint(s)"))
        })
        .or_else(|| node.shuts_down.then_some(Rejection::Shutdown))
        .or_else(|| short(pod, node).filter(|_| pod.critical))
}

fn under_pressure(pod: Wants, node: Room) -> Option<Rejection> {
    let holds = |kind: &Sym| node.conditions.iter().any(|c| c.kind == *kind && c.status == ConditionStatus::True);
    let pressures: Vec<Sym> = PRESSURES.into_iter().filter(holds).collect();
    if pressures.is_empty() || pod.critical {
        return None;
    }
    if pressures == [words::MEMORY_PRESSURE] {
        let taint = NodeTaint { key: words::TAINT_MEMORY_PRESSURE, value: Sym::EMPTY, effect: Effect::NoSchedule, added_at: None };
        if pod.qos != Qos::BestEffort || pod.tolerations.iter().any(|toleration| toleration.tolerates(&taint)) {
            return None;
        }
    }
    Some(Rejection::Pressure(pressures))
}

/// A resource of which a node has too little. Units: of [`Resources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Short {
    pub resource: Sym,
    pub requested: i64,
    pub used: i64,
    pub capacity: i64,
}

fn short(pod: Wants, node: Room) -> Option<Rejection> {
    let first = shortages(pod.requests, node.allocatable, node.used).into_iter().next()?;
    let Short { resource, requested, used, capacity } = first;
    Some(Rejection::Short { resource, requested, used, capacity })
}

/// All resources of which a node has too little for a pod.
pub fn shortages(requests: &Resources, allocatable: &Resources, used: &Resources) -> Vec<Short> {
    let lacks = |resource: Sym, requested: i64| {
        let (used, capacity) = (used.get(resource), allocatable.get(resource));
        (requested > capacity - used).then_some(Short { resource, requested, used, capacity })
    };
    // An extended resource that the node does not know is no concern of its kubelet's.
    let known = |resource: Sym| match resource {
        words::CPU | words::MEMORY | words::EPHEMERAL_STORAGE => true,
        _ => allocatable.extended.iter().any(|pair| pair.0 == resource),
    };
    let others = requests.pairs().filter(|&(resource, amount)| amount > 0 && known(resource));
    lacks(words::PODS, 1).into_iter().chain(others.filter_map(|(resource, amount)| lacks(resource, amount))).collect()
}

fn conflict(a: HostPort, b: HostPort) -> bool {
    a.0 == b.0 && a.2 == b.2 && (a.1 == b.1 || a.1.is_empty() || b.1.is_empty())
}

/// What of a pod's spec says where it may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    selector: Vec<(Sym, Sym)>,
    required: Option<Vec<Term>>,
    /// Its host ports.
    pub ports: Vec<HostPort>,
}

impl Placement {
    /// Reads it from a spec.
    pub fn of(names: &mut Names, class: &PodClass) -> Placement {
        let spec = class.raw.value();
        let selector = spec.get("nodeSelector").and_then(|selector| selector.as_object()).into_iter().flatten();
        let selector = selector.filter_map(|(key, value)| Some((names.sym(key), names.sym(value.as_str()?)))).collect();
        let required = spec.pointer("/affinity/nodeAffinity").and_then(|affinity| node_terms(names, affinity));
        let wildcard = names.sym("0.0.0.0");
        let with_ports = class.containers.iter().chain(class.init_containers.iter().filter(|container| container.sidecar()));
        let ports = with_ports.flat_map(|container| &container.ports).filter(|port| port.host_port > 0);
        let ports = ports.map(|port| (port.protocol, if port.host_ip == wildcard { Sym::EMPTY } else { port.host_ip }, port.host_port));
        Placement { selector, required, ports: ports.collect() }
    }

    /// Whether a node with these labels and this name is one where the pod may run.
    pub fn matches(&self, labels: &LabelSets, names: &Names, node_labels: LabelSetId, node: Sym) -> bool {
        self.selector.iter().all(|&(key, value)| labels.get(node_labels, key) == Some(value))
            && self.required.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(labels, names, node_labels, node)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(cpu: i64, memory: i64, pods: i64) -> Resources {
        Resources { cpu_millicores: cpu, memory_bytes: memory, pods, ..Resources::default() }
    }

    #[test]
    fn the_first_reason_counts() {
        let (allocatable, used) = (amounts(4_000, 100, 3), amounts(3_500, 40, 2));
        let taint = [NodeTaint { key: Sym(900), value: Sym::EMPTY, effect: Effect::NoExecute, added_at: None }];
        let tcp = [(Sym(901), Sym::EMPTY, 80)];
        let room = Room { allocatable: &allocatable, used: &used, taints: &[], conditions: &[], ports: &tcp, shuts_down: false };
        let wants = |requests| Wants { requests, critical: false, qos: Qos::Burstable, tolerations: &[], matches: true, ports: &[] };
        let (fits, cpu, memory) = (amounts(500, 60, 0), amounts(501, 61, 0), amounts(0, 61, 0));
        let short = |resource, requested, used, capacity| Some(Rejection::Short { resource, requested, used, capacity });
        let full = amounts(0, 0, 3);
        let predicate = |got: Option<Rejection>| match got {
            Some(Rejection::Predicate(name, _)) => name,
            _ => "",
        };
        assert_eq!(rejection(wants(&fits), room), None);
        assert_eq!(rejection(wants(&cpu), room), short(words::CPU, 501, 3_500, 4_000));
        assert_eq!(rejection(wants(&memory), room), short(words::MEMORY, 61, 40, 100));
        assert_eq!(rejection(wants(&cpu), Room { used: &full, ..room }), short(words::PODS, 1, 3, 3));
        assert_eq!(predicate(rejection(Wants { matches: false, ports: &tcp, ..wants(&fits) }, room)), "NodeAffinity");
        assert_eq!(predicate(rejection(Wants { ports: &tcp, ..wants(&fits) }, room)), "NodePorts");
        assert_eq!(predicate(rejection(wants(&fits), Room { taints: &taint, ..room })), "TaintToleration");
        assert_eq!(rejection(wants(&fits), Room { shuts_down: true, ..room }), Some(Rejection::Shutdown));
    }

    #[test]
    fn memory_pressure_keeps_only_best_effort_pods_out_and_critical_ones_never() {
        let pressed = |kind| Condition {
            kind,
            status: ConditionStatus::True,
            reason: Sym::EMPTY,
            message: Sym::EMPTY,
            transition_at: Default::default(),
            update_at: Default::default(),
        };
        let (memory, disk) = ([pressed(words::MEMORY_PRESSURE)], [pressed(words::DISK_PRESSURE)]);
        let (requests, allocatable) = (Resources::default(), amounts(1, 1, 1));
        for (conditions, qos, critical, want) in [
            (&memory, Qos::BestEffort, false, true),
            (&memory, Qos::Burstable, false, false),
            (&memory, Qos::BestEffort, true, false),
            (&disk, Qos::Guaranteed, false, true),
        ] {
            let pod = Wants { requests: &requests, critical, qos, tolerations: &[], matches: true, ports: &[] };
            let node = Room { allocatable: &allocatable, used: &requests, taints: &[], conditions, ports: &[], shuts_down: false };
            assert_eq!(rejection(pod, node).is_some(), want, "{conditions:?} {qos:?} {critical}");
        }
    }
}
