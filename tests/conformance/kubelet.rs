//! Probe workers, phases and conditions of pods, and the order of evictions.

use crate::row::{Check, Functions};
use serde_json::{Value, json};
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, Terminated};
use wavetank_engine::model::pod_class::{Handler, Probe, RestartPolicy};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::program::Failure;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_systems::kubelet::conditions::{Stand, stands};
use wavetank_systems::kubelet::eviction_rank::{Candidate, Shortage, rank};
use wavetank_systems::kubelet::phase::{PodFacts, Seen, phase};
use wavetank_systems::kubelet::probes::{Outcome, ProbeKind, Scope, Worker};

pub(crate) const FUNCTIONS: Functions = &[
    ("eviction_rank_disk", Check::Answer(|input| evict_order(Shortage::Disk, input))),
    ("eviction_rank_memory", Check::Answer(|input| evict_order(Shortage::Memory, input))),
    ("eviction_rank_pid", Check::Answer(|input| evict_order(Shortage::Pids, input))),
    ("phase_and_conditions", Check::Answer(phase_and_conditions)),
    ("probe_worker", Check::Answer(probe_worker)),
];

/// The containers' start in the rows of probes.
const STARTED_AT: SimTime = SimTime::from_secs(1000);

fn list<'v>(value: &'v Value, name: &str) -> Result<&'v [Value], String> {
    value[name].as_array().map(Vec::as_slice).ok_or_else(|| format!("{name} is no list"))
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, String> {
    value[name].as_str().ok_or_else(|| format!("{name} is no text"))
}

fn truth(value: &Value, name: &str) -> Result<bool, String> {
    value[name].as_bool().ok_or_else(|| format!("{name} is neither true nor false"))
}

fn count(value: &Value, name: &str) -> Result<u64, String> {
    value[name].as_u64().ok_or_else(|| format!("{name} is no count"))
}

fn small(value: &Value, name: &str) -> Result<u32, String> {
    u32::try_from(count(value, name)?).map_err(|error| format!("{name}: {error}"))
}

fn evict_order(shortage: Shortage, input: &Value) -> Result<Value, String> {
    let pods = list(input, "pods")?;
    let candidates = pods.iter().map(|pod| {
        let priority = pod["priority"].as_i64().and_then(|priority| i32::try_from(priority).ok()).ok_or("priority is no priority")?;
        let (request, usage) = match shortage {
            Shortage::Memory | Shortage::Disk => (count(pod, "request_mi")? << 20, count(pod, "usage_mi")? << 20),
            Shortage::Pids => (0, count(pod, "processes")?),
        };
        Ok(Candidate { priority, request, usage: truth(pod, "has_stats")?.then_some(usage) })
    });
    let candidates = candidates.collect::<Result<Vec<_>, String>>()?;
    let order: Vec<&Value> = rank(shortage, &candidates).into_iter().map(|at| &pods[at]["name"]).collect();
    Ok(json!({ "evict_order": order }))
}

fn probe_worker(input: &Value) -> Result<Value, String> {
    let probe = Probe {
        handler: Handler::Exec(Sym::EMPTY),
        initial_delay_s: small(input, "initial_delay_s")?,
        period_s: small(input, "period_s")?,
        timeout_s: 1,
        success_threshold: small(input, "success_threshold")?,
        failure_threshold: small(input, "failure_threshold")?,
        grace_s: None,
    };
    let kind = match text(input, "probe")? {
        "Startup" => ProbeKind::Startup,
        "Liveness" => ProbeKind::Liveness,
        "Readiness" => ProbeKind::Readiness,
        other => return Err(format!("no probe {other}")),
    };
    let scope = Scope { probe: &probe, anchor: STARTED_AT, started_at: STARTED_AT, outages: &[] };
    let mut worker = Worker::new(kind, STARTED_AT);
    worker.container_started(STARTED_AT);
    let steps = list(input, "steps")?.iter().map(|step| {
        let failure = match text(step, "raw")? {
            // Whoever gets no answer at all counts nothing.
            "error" => None,
            "success" | "warning" => Some(None),
            "failure" => Some(Some(Failure::Answer)),
            other => return Err(format!("no result {other}")),
        };
        let at = STARTED_AT + SimDuration::from_secs(count(step, "t_s")?);
        if kind.probes(truth(step, "container_started_status")?) && worker.asks(&scope, at) {
            failure.into_iter().for_each(|failure| {
                worker.take(&probe, failure);
            });
        }
        let result = match worker.outcome {
            Outcome::Unknown => "UNKNOWN",
            Outcome::Success => "Success",
            Outcome::Failure => "Failure",
        };
        // All rows are of containers that run: their workers go on.
        Ok(json!({ "keep_going": true, "on_hold": worker.on_hold, "result": result, "run_length": worker.run }))
    });
    Ok(json!({ "steps": steps.collect::<Result<Vec<_>, String>>()? }))
}

fn restart_policy(of: &Value) -> Result<Option<RestartPolicy>, String> {
    match of["restartPolicy"].as_str() {
        None => Ok(None),
        Some("Always") => Ok(Some(RestartPolicy::Always)),
        Some("OnFailure") => Ok(Some(RestartPolicy::OnFailure)),
        Some("Never") => Ok(Some(RestartPolicy::Never)),
        Some(other) => Err(format!("no restart policy {other}")),
    }
}

fn terminated(state: &Value) -> Result<Option<Terminated>, String> {
    let Some(end) = state.get("terminated") else { return Ok(None) };
    let exit_code = end["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()).ok_or("exitCode is no exit code")?;
    Ok(Some(Terminated { exit_code, reason: Sym::EMPTY, started_at: SimTime::ZERO, finished_at: SimTime::ZERO }))
}

fn status(of: &Value) -> Result<ContainerStatus, String> {
    let state = &of["state"];
    let state = match terminated(state)? {
        Some(end) => ContainerState::Terminated(end),
        None if state.get("running").is_some() => ContainerState::Running { since: SimTime::ZERO },
        None if state.get("waiting").is_some() => ContainerState::Waiting { reason: Sym::EMPTY, message: Sym::EMPTY },
        None => return Err(format!("no state {state}")),
    };
    Ok(ContainerStatus {
        state,
        last: terminated(&of["lastState"])?,
        restarts: small(of, "restartCount")?,
        ready: truth(of, "ready")?,
        started: of["started"].as_bool().unwrap_or(false),
    })
}

/// Containers in the order of the specification, each with its status as far as there is one.
fn seen(containers: &[Value], statuses: &[Value]) -> Result<Vec<Seen>, String> {
    let each = containers.iter().map(|container| {
        let found = statuses.iter().find(|status| status["name"] == container["name"]);
        Ok(Seen { restart_policy: restart_policy(container)?, status: found.map(status).transpose()? })
    });
    each.collect()
}

fn phase_and_conditions(input: &Value) -> Result<Value, String> {
    let spec = &input["pod_spec"];
    let init_containers = spec["initContainers"].as_array().map_or(&[][..], Vec::as_slice);
    let containers = list(spec, "containers")?;
    let init = seen(init_containers, list(input, "init_container_statuses")?)?;
    let app = seen(containers, list(input, "container_statuses")?)?;
    let facts = PodFacts {
        restart_policy: restart_policy(spec)?.ok_or("no restartPolicy")?,
        terminal: truth(input, "pod_is_terminal")?,
        initialized: truth(input, "pod_has_initialized")?,
    };
    let phase = phase(facts, init.iter().copied(), app.iter().copied());
    let gate = match text(input, "readiness_gate_condition_status")? {
        "absent" => None,
        "True" => Some(ConditionStatus::True),
        "False" => Some(ConditionStatus::False),
        other => return Err(format!("no status {other}")),
    };
    let gates = spec["readinessGates"].as_array().into_iter().flatten();
    let gates = gates.map(|gate| text(gate, "conditionType")).collect::<Result<Vec<_>, String>>()?;
    let names = init_containers.iter().chain(containers).map(|container| text(container, "name")).collect::<Result<Vec<_>, String>>()?;
    let stands = stands(phase, (&init, &app), gates.into_iter().map(|name| (name, gate)), |at| names[at]);
    let ready = stands.ready.as_ref().unwrap_or(&stands.containers_ready);
    Ok(json!({
        "ContainersReady": shown(&stands.containers_ready),
        "Initialized": shown(&stands.initialized),
        "Ready": shown(ready),
        "phase": phase.text(),
    }))
}

fn shown(stand: &Stand) -> Value {
    let names = Names::new();
    json!({ "message": stand.message, "reason": names.text(stand.reason), "status": if stand.holds { "True" } else { "False" } })
}
