//! Phase of a pod from the states of its containers.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kubelet_pods.go`, `getPhase`; `spec/kubelet.md` §11.

use wavetank_engine::model::pod::{ContainerState, ContainerStatus, PodPhase};
use wavetank_engine::model::pod_class::RestartPolicy;

/// Facts about a pod beside its containers that its phase depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodFacts {
    /// `restartPolicy` of the pod.
    pub restart_policy: RestartPolicy,
    /// It is being finally terminated.
    pub terminal: bool,
    /// Some container of it other than an init container has run.
    pub initialized: bool,
}

/// What of one container the phase depends on. `status` is `None` while the kubelet knows no state.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// `restartPolicy` of the container's own.
    pub restart_policy: Option<RestartPolicy>,
    /// Its status.
    pub status: Option<ContainerStatus>,
}

#[derive(Default)]
struct Counts {
    unknown: u32,
    running: u32,
    waiting: u32,
    stopped: u32,
    succeeded: u32,
    not_restartable: u32,
    pending_init: u32,
    pending_sidecars: u32,
    failed_init: u32,
}

/// Whether a container that exited with a code is started again.
pub fn restarts(own: Option<RestartPolicy>, pod: RestartPolicy, exit_code: i32) -> bool {
    match own.unwrap_or(pod) {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => exit_code != 0,
        RestartPolicy::Never => false,
    }
}

/// The phase of a pod with these init and app containers.
pub fn phase(facts: PodFacts, init: impl Iterator<Item = Seen>, app: impl Iterator<Item = Seen>) -> PodPhase {
    let mut counts = Counts::default();
    for seen in init {
        if seen.restart_policy == Some(RestartPolicy::Always) {
            count_sidecar(&mut counts, seen);
        } else {
            count_init(&mut counts, facts, seen);
        }
    }
    for seen in app {
        count_app(&mut counts, facts, seen);
    }
    decide(facts, &counts)
}

fn count_init(counts: &mut Counts, facts: PodFacts, seen: Seen) {
    let ended = match seen.status {
        None => None,
        Some(status) => match status.state {
            ContainerState::Running { .. } => None,
            ContainerState::Terminated(end) => Some(end),
            ContainerState::Waiting { .. } => status.last,
        },
    };
    match ended {
        None => counts.pending_init += 1,
        // An init container knows Always and OnFailure alike: it is tried again until it ends well.
        Some(end) if end.exit_code != 0 && !restarts(seen.restart_policy, facts.restart_policy, end.exit_code) => counts.failed_init += 1,
        Some(_) => {}
    }
}

fn count_sidecar(counts: &mut Counts, seen: Seen) {
    let Some(status) = seen.status else {
        counts.unknown += 1;
        return;
    };
    match status.state {
        ContainerState::Running { .. } => {
            counts.running += 1;
            counts.pending_sidecars += u32::from(!status.started);
        }
        ContainerState::Terminated(_) => {}
        ContainerState::Waiting { .. } if status.last.is_some() => {}
        ContainerState::Waiting { .. } => {
            counts.pending_sidecars += 1;
            counts.waiting += 1;
        }
    }
}

fn count_app(counts: &mut Counts, facts: PodFacts, seen: Seen) {
    let Some(status) = seen.status else {
        counts.unknown += 1;
        return;
    };
    let stopped = match status.state {
        ContainerState::Running { .. } => {
            counts.running += 1;
            return;
        }
        ContainerState::Terminated(end) => {
            counts.succeeded += u32::from(end.exit_code == 0);
            end
        }
        ContainerState::Waiting { .. } => match status.last {
            Some(end) => end,
            None => {
                counts.waiting += 1;
                return;
            }
        },
    };
    counts.stopped += 1;
    counts.not_restartable += u32::from(!restarts(seen.restart_policy, facts.restart_policy, stopped.exit_code));
}

fn decide(facts: PodFacts, counts: &Counts) -> PodPhase {
    let ended = if counts.stopped == counts.succeeded { PodPhase::Succeeded } else { PodPhase::Failed };
    if counts.failed_init > 0 {
        PodPhase::Failed
    } else if counts.pending_init > 0 || counts.pending_sidecars > 0 && !facts.initialized || counts.waiting > 0 {
        PodPhase::Pending
    } else if counts.running > 0 && counts.unknown == 0 {
        PodPhase::Running
    } else if counts.running == 0 && counts.stopped > 0 && counts.unknown == 0 {
        if facts.terminal || counts.stopped == counts.not_restartable { ended } else { PodPhase::Running }
    } else {
        PodPhase::Pending
    }
}
