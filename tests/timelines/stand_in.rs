//! The stand-in kubelet: writes a pod's status as a recorded report says it.

use crate::inputs::Report;
use serde_json::{Map, Value};
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition, set_condition};
use wavetank_engine::model::node::NodeStatus;
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, PodPhase, PodStatus, Terminated};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::faults::{Fault, NodeFaults};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::words;

/// Addresses of pods follow this one. Recorded is only whether a pod has one.
const POD_IPS: u32 = 0x0a00_0000;

/// The request by which the kubelet reports; `None` for a pod without a status.
pub(crate) fn report(sim: &mut Simulation, pod: ObjRef, report: &Report) -> Option<Verb> {
    let mut status = sim.state::<PodStatus>(pod)?.clone();
    let now = sim.now();
    let fact = |name: &str| report.facts.get(name).unwrap_or(&Value::Null);
    status.phase = match fact("phase").as_str() {
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        _ => PodPhase::Pending,
    };
    status.start_at = status.start_at.or(Some(now));
    status.pod_ip = if fact("podIP") == true { POD_IPS + pod.uid.0 as u32 } else { 0 };
    let kept = |kind: Sym| kind == words::POD_SCHEDULED || kind == words::DISRUPTION_TARGET;
    let before = std::mem::take(&mut status.conditions);
    for (kind, text) in &report.conditions {
        let text = text.as_str().unwrap_or_default();
        let mut new = parse_condition(&mut sim.get_mut::<Names>(), kind, text);
        let unchanged = condition(&before, new.kind).filter(|old| old.status == new.status);
        new.transition_at = unchanged.map_or(now, |old| old.transition_at);
        new.update_at = now;
        status.conditions.push(new);
    }
    status.conditions.extend(before.iter().filter(|condition| kept(condition.kind)));
    let ready = fact("ready") == true;
    let restarts = fact("restartCount").as_u64().unwrap_or(0) as u32;
    let started_at = status.start_at.unwrap_or(now);
    let state = match fact("exitCode").as_i64() {
        Some(code) => {
            let reason = if code == 0 { words::COMPLETED } else { words::ERROR };
            ContainerState::Terminated(Terminated { exit_code: code as i32, reason, started_at, finished_at: now })
        }
        None => ContainerState::Running { since: started_at },
    };
    if !fact("restartCount").is_null() {
        status.containers = vec![ContainerStatus { state, last: None, restarts, ready, started: true }];
    }
    Some(Verb::Put { object: pod, expect: None, value: status.into() })
}

/// The request by which a kubelet reports its node's conditions; `None` when there is no such node.
pub(crate) fn report_node(sim: &mut Simulation, node: &str, conditions: &Map<String, Value>) -> Option<Verb> {
    let name = sim.get_mut::<Names>().name(node);
    let object = sim.get::<Objects>().by_key(ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name })?;
    let mut status = sim.state::<NodeStatus>(object)?.clone();
    let now = sim.now();
    for (kind, text) in conditions {
        let mut new = parse_condition(&mut sim.get_mut::<Names>(), kind, text.as_str().unwrap_or_default());
        (new.transition_at, new.update_at) = (now, now);
        set_condition(&mut status.conditions, new);
    }
    // With the first report it begins to renew its lease.
    status.heartbeat_from = status.heartbeat_from.or(Some(now));
    Some(Verb::Put { object, expect: None, value: status.into() })
}

/// Annotation of a node by which its stand-in kubelet is told to fall silent, and to go on.
const HEARTBEAT: &str = "oracle/heartbeat";

/// Makes the stand-in kubelet of a node silent, or heard again, when a patch of the node tells it to.
pub(crate) fn heed(sim: &mut Simulation, deed: &Value) {
    let Some(word) = deed["body"]["metadata"]["annotations"][HEARTBEAT].as_str().filter(|_| deed["kind"] == "Node") else { return };
    let text = deed["name"].as_str().unwrap_or_default();
    let (name, sym) = (sim.get_mut::<Names>().name(text), sim.get_mut::<Names>().sym(text));
    let now = sim.now();
    let Some(object) = sim.get::<Objects>().by_key(ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name }) else { return };
    sim.get_mut::<NodeFaults>().set(sym, (word == "off").then_some(Fault::CutOff), now);
    sim.wake_for_fault(object);
}

/// Reads `False/ContainersNotReady: message`.
fn parse_condition(names: &mut Names, kind: &str, text: &str) -> Condition {
    let (head, message) = text.split_once(": ").unwrap_or((text, ""));
    let (status, reason) = head.split_once('/').unwrap_or((head, ""));
    Condition {
        kind: names.sym(kind),
        status: match status {
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        },
        reason: names.sym(reason),
        message: names.sym(message),
        transition_at: Default::default(),
        update_at: Default::default(),
    }
}
