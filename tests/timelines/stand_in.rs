//! The stand-in kubelet: writes a pod's status as a recorded report says it.

use crate::inputs::Report;
use serde_json::Value;
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::meta::{Condition, ConditionStatus, condition};
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, PodPhase, PodStatus, Terminated};
use wavetank_engine::names::{Names, Sym};
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
