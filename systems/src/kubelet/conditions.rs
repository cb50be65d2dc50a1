//! Conditions of a pod from the states of its containers, for pods whose containers are named by their place.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/status/generate.go`; `spec/kubelet.md` §12.

use crate::kubelet::phase::Seen;
use wavetank_engine::model::pod::{ContainerState, PodPhase};
use wavetank_engine::model::pod_class::RestartPolicy;

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

/// `containers with unknown status: [a b], containers with unready status: [c]`; `short` is `unready` or `incomplete`.
pub fn message<'n>(unknown: &[usize], unready: &[usize], short: &str, name: impl Fn(usize) -> &'n str) -> String {
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
