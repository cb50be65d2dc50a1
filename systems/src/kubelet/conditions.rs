//! Conditions of a pod from the states of its containers, for pods whose containers are named by their place.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/status/generate.go`; `spec/kubelet.md` §12.

use crate::kubelet::phase::Seen;
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::model::pod::{ContainerState, PodPhase};
use wavetank_engine::model::pod_class::RestartPolicy;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

/// Why a condition is False.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// `PodCompleted`.
    Completed,
    /// `PodFailed`.
    Failed,
    /// Some containers fall short, by place among init containers (sidecars, for readiness) followed by app containers.
    Containers {
        /// Containers whose status nobody knows.
        unknown: Vec<usize>,
        /// Containers that are not ready, or not initialized.
        unready: Vec<usize>,
    },
}

/// Whether all containers that count are ready. `Err`: why not.
pub fn containers_ready(phase: PodPhase, init: &[Seen], app: &[Seen]) -> Result<(), Lack> {
    let (mut unknown, mut unready) = (Vec::new(), Vec::new());
    for (at, seen) in init.iter().chain(app).enumerate() {
        if at < init.len() && seen.restart_policy != Some(RestartPolicy::Always) {
            continue;
        }
        match seen.status {
            None => unknown.push(at),
            Some(status) if !status.ready => unready.push(at),
            Some(_) => {}
        }
    }
    if phase == PodPhase::Succeeded && unknown.is_empty() {
        return Err(Lack::Completed);
    }
    if phase == PodPhase::Failed {
        return Err(Lack::Failed);
    }
    if unknown.is_empty() && unready.is_empty() { Ok(()) } else { Err(Lack::Containers { unknown, unready }) }
}

/// Whether the pod is initialized; `Ok(true)` when because it has completed. `Err`: the init containers that fall short.
pub fn initialized(phase: PodPhase, init: &[Seen], app: &[Seen]) -> Result<bool, Lack> {
    let (mut unknown, mut incomplete) = (Vec::new(), Vec::new());
    for (at, seen) in init.iter().enumerate() {
        let sidecar = seen.restart_policy == Some(RestartPolicy::Always);
        match seen.status {
            None => unknown.push(at),
            Some(status) if sidecar && !status.started || !sidecar && !status.ready => incomplete.push(at),
            Some(_) => {}
        }
    }
    if phase == PodPhase::Succeeded && unknown.is_empty() {
        return Ok(true);
    }
    let any_app_ran = app.iter().filter_map(|seen| seen.status).any(|status| !matches!(status.state, ContainerState::Waiting { .. }));
    if any_app_ran || unknown.is_empty() && incomplete.is_empty() {
        return Ok(false);
    }
    Err(Lack::Containers { unknown, unready: incomplete })
}

/// How a condition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// Whether it is True.
    pub holds: bool,
    /// `reason`, or empty.
    pub reason: Sym,
    /// `message`, or empty.
    pub message: String,
}

impl Stand {
    /// It is True, for no special reason.
    pub const TRUE: Stand = Stand { holds: true, reason: Sym::EMPTY, message: String::new() };

    fn falls_short<'n>(lack: &Lack, (reason, short): (Sym, &str), name: impl Fn(usize) -> &'n str) -> Stand {
        let (reason, message) = match lack {
            Lack::Completed => (words::POD_COMPLETED, String::new()),
            Lack::Failed => (words::POD_FAILED, String::new()),
            Lack::Containers { unknown, unready } => (reason, message(unknown, unready, short, name)),
        };
        Stand { holds: false, reason, message }
    }
}

/// The conditions of a pod that follow from its containers and readiness gates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    /// `Initialized`.
    pub initialized: Stand,
    /// `ContainersReady`.
    pub containers_ready: Stand,
    /// `Ready`; `None`: as `ContainersReady`.
    pub ready: Option<Stand>,
}

/// How the conditions of a pod stand. `gates`: name and present status of the condition that each readiness gate asks for. `name`: of a
/// container by its place among init containers followed by app containers.
pub fn stands<'n>(
    phase: PodPhase,
    (init, app): (&[Seen], &[Seen]),
    gates: impl Iterator<Item = (&'n str, Option<ConditionStatus>)>,
    name: impl Fn(usize) -> &'n str,
) -> Stands {
    let initialized = match initialized(phase, init, app) {
        Ok(true) => Stand { reason: words::POD_COMPLETED, ..Stand::TRUE },
        Ok(false) => Stand::TRUE,
        Err(lack) => Stand::falls_short(&lack, (words::CONTAINERS_NOT_INITIALIZED, "incomplete"), &name),
    };
    match containers_ready(phase, init, app) {
        Ok(()) => Stands { initialized, containers_ready: Stand::TRUE, ready: closed_gates(gates) },
        Err(lack) => {
            let containers_ready = Stand::falls_short(&lack, (words::CONTAINERS_NOT_READY, "unready"), &name);
            Stands { initialized, containers_ready, ready: None }
        }
    }
}

/// Readiness gates that are not True; `None` when all are.
fn closed_gates<'n>(gates: impl Iterator<Item = (&'n str, Option<ConditionStatus>)>) -> Option<Stand> {
    let wrong = gates.filter_map(|(name, status)| match status {
        None => Some(format!("corresponding condition of pod readiness gate {name:?} does not exist.")),
        Some(ConditionStatus::True) => None,
        Some(status) => Some(format!("the status of pod readiness gate {name:?} is not \"True\", but {}", status.text())),
    });
    let wrong: Vec<String> = wrong.collect();
    (!wrong.is_empty()).then(|| Stand { holds: false, reason: words::READINESS_GATES_NOT_READY, message: wrong.join(", ") })
}

/// `containers with unknown status: [a b], containers with unready status: [c]`; `short` is `unready` or `incomplete`.
fn message<'n>(unknown: &[usize], unready: &[usize], short: &str, name: impl Fn(usize) -> &'n str) -> String {
    let list = |places: &[usize]| places.iter().map(|&at| name(at)).collect::<Vec<_>>().join(" ");
    let mut parts = Vec::new();
    if !unknown.is_empty() {
        parts.push(format!("containers with unknown status: [{}]", list(unknown)));
    }
    if !unready.is_empty() {
        parts.push(format!("containers with {short} status: [{}]", list(unready)));
    }
    parts.join(", ")
}
