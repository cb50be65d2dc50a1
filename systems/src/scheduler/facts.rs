//! What the scheduler needs to know of a pod class, digested once.

use serde_json::Value;
use wavetank_engine::model::node::{Effect, NodeTaint};
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
    /// CPU for NodeResourcesFit scores. Unit: milli-cores.
    pub scored_cpu_millicores: i64,
    /// Memory for NodeResourcesFit scores. Unit: bytes.
    pub scored_memory_bytes: i64,
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
    /// `priority`.
    pub priority: i32,
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

/// A node selector term: all its expressions and fields must match. One without any matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// `matchExpressions` over labels.
    pub expressions: Vec<Expression>,
    /// `matchFields` over `metadata.name`.
    pub names: Vec<Expression>,
}

/// One requirement of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The label's key.
    pub key: Sym,
    /// What is required.
    pub operator: NodeOperator,
}

/// Operator of a node selector requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum NodeOperator {
    In(Vec<Sym>),
    NotIn(Vec<Sym>),
    Exists,
    DoesNotExist,
    Gt(i64),
    Lt(i64),
    /// A number was expected and not found: matches nothing.
    Never,
}

impl ClassFacts {
    /// Digests a class.
    pub fn of(names: &mut Names, class: &PodClass) -> ClassFacts {
        let spec = class.raw.value();
        let (scored_cpu_millicores, scored_memory_bytes) = scored(spec);
        let affinity = spec.get("affinity").and_then(|affinity| affinity.get("nodeAffinity"));
        let required =
            affinity.and_then(|a| a.get("requiredDuringSchedulingIgnoredDuringExecution")).and_then(|r| r.get("nodeSelectorTerms"));
        let preferred = affinity.and_then(|a| a.get("preferredDuringSchedulingIgnoredDuringExecution")).and_then(Value::as_array);
        let selector = spec.get("nodeSelector").and_then(Value::as_object).into_iter().flatten();
        let wildcard = names.sym("0.0.0.0");
        let with_ports = class.containers.iter().chain(class.init_containers.iter().filter(|container| container.sidecar()));
        let ports = with_ports.flat_map(|container| &container.ports).filter(|port| port.host_port > 0);
        ClassFacts {
            requests: class.requests.clone(),
            scored_cpu_millicores,
            scored_memory_bytes,
            ports: ports
                .map(|port| HostPort {
                    ip: if port.host_ip == wildcard { Sym::EMPTY } else { port.host_ip },
                    protocol: port.protocol,
                    port: port.host_port,
                })
                .collect(),
            node_selector: selector.filter_map(|(k, v)| v.as_str().map(|v| (names.sym(k), names.sym(v)))).collect(),
            required: required.and_then(Value::as_array).map(|terms| terms.iter().map(|t| term(names, t)).collect()),
            preferred: preferred
                .into_iter()
                .flatten()
                .map(|p| (p.get("weight").and_then(Value::as_i64).unwrap_or(1), term(names, p.get("preference").unwrap_or(&Value::Null))))
                .collect(),
            tolerations: class.tolerations.clone(),
            priority: class.priority,
            scheduler_name: class.scheduler_name,
        }
    }

    /// Whether every node answers both classes alike: they differ at most in what only the queue reads.
    pub fn answered_like(&self, other: &ClassFacts) -> bool {
        *self == ClassFacts { priority: self.priority, scheduler_name: self.scheduler_name, ..other.clone() }
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

/// Requests for scores, where each container without one counts a default; init rule as for true requests.
fn scored(spec: &Value) -> (i64, i64) {
    let of = |container: &Value| {
        let request = |key: &str| container.pointer(&format!("/resources/requests/{key}")).and_then(|value| amount_of(key, value));
        (request("cpu").unwrap_or(DEFAULT_CPU_MILLICORES), request("memory").unwrap_or(DEFAULT_MEMORY_BYTES))
    };
    let list = |field: &str| spec.get(field).and_then(Value::as_array).into_iter().flatten();
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
    let cpu = level("resources/requests", "cpu").unwrap_or(total.0) + level("overhead", "cpu").unwrap_or(0);
    let memory = level("resources/requests", "memory").unwrap_or(total.1) + level("overhead", "memory").unwrap_or(0);
    (cpu, memory)
}

fn term(names: &mut Names, term: &Value) -> Term {
    let mut expressions = |field: &str| -> Vec<Expression> {
        let list = term.get(field).and_then(Value::as_array).into_iter().flatten();
        list.map(|expression| self::expression(names, expression)).collect()
    };
    Term { expressions: expressions("matchExpressions"), names: expressions("matchFields") }
}

fn expression(names: &mut Names, expression: &Value) -> Expression {
    let values: Vec<&str> = expression.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let number = || values.first().and_then(|text| text.parse::<i64>().ok());
    let operator = match expression.get("operator").and_then(Value::as_str) {
        Some("In") => NodeOperator::In(values.iter().map(|value| names.sym(value)).collect()),
        Some("NotIn") => NodeOperator::NotIn(values.iter().map(|value| names.sym(value)).collect()),
        Some("Exists") => NodeOperator::Exists,
        Some("DoesNotExist") => NodeOperator::DoesNotExist,
        Some("Gt") => number().map_or(NodeOperator::Never, NodeOperator::Gt),
        Some("Lt") => number().map_or(NodeOperator::Never, NodeOperator::Lt),
        _ => NodeOperator::Never,
    };
    Expression { key: names.sym(expression.get("key").and_then(Value::as_str).unwrap_or("")), operator }
}

impl Expression {
    /// Whether a label's value meets the requirement.
    pub fn matches(&self, names: &Names, value: Option<Sym>) -> bool {
        let number = || value.and_then(|value| names.text(value).parse::<i64>().ok());
        match &self.operator {
            NodeOperator::In(values) => value.is_some_and(|value| values.contains(&value)),
            NodeOperator::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
            NodeOperator::Exists => value.is_some(),
            NodeOperator::DoesNotExist => value.is_none(),
            NodeOperator::Gt(bound) => number().is_some_and(|number| number > *bound),
            NodeOperator::Lt(bound) => number().is_some_and(|number| number < *bound),
            NodeOperator::Never => false,
        }
    }
}
