//! What the kubelet reports of a pod: phase, conditions, container statuses. Source: `spec/kubelet.md` §11, §12.

use crate::kubelet::container::{ContainerRun, State, restarts};
use crate::kubelet::pod_run::PodRun;
use wavetank_engine::model::meta::{Condition, ConditionStatus, set_condition};
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, PodPhase, PodStatus, Terminated};
use wavetank_engine::model::pod_class::{Container, PodClass, RestartPolicy};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// The status that the kubelet reports now, over what the API has: conditions of others stay.
pub fn report(run: &PodRun, class: &PodClass, present: &PodStatus, now: SimTime, names: &mut Names) -> PodStatus {
    let mut status = present.clone();
    status.start_at = present.start_at.or(Some(run.start_at));
    status.pod_ip = run.ip;
    let sandbox = now >= run.sandbox_at;
    let starting = if class.init_containers.is_empty() { words::CONTAINER_CREATING } else { words::POD_INITIALIZING };
    status.init_containers = run.init.iter().zip(&class.init_containers).map(|(one, spec)| init_status(one, spec, starting)).collect();
    status.containers = run.apps.iter().zip(&class.containers).map(|(one, spec)| container_status(one, spec, starting)).collect();
    let phase = phase(run, class);
    status.phase = if present.phase.terminal() { present.phase } else { phase };
    let over = status.phase.terminal();
    let ended = if status.phase == PodPhase::Succeeded { words::POD_COMPLETED } else { words::POD_FAILED };
    let set = |status: &mut PodStatus, kind, holds: bool, reason: Sym, message: Sym| {
        let word = if holds { ConditionStatus::True } else { ConditionStatus::False };
        set_condition(&mut status.conditions, Condition { kind, status: word, reason, message, transition_at: now, update_at: now });
    };
    set(&mut status, words::POD_READY_TO_START_CONTAINERS, sandbox && !run.done, Sym::EMPTY, Sym::EMPTY);
    let initialized = initialized(run, class);
    let (reason, message) = match (initialized, status.phase) {
        (_, PodPhase::Succeeded) => (words::POD_COMPLETED, Sym::EMPTY),
        (true, _) => (Sym::EMPTY, Sym::EMPTY),
        (false, _) => {
            let open = run.init.iter().zip(&class.init_containers).filter(|(one, spec)| !init_done(one, spec));
            (words::CONTAINERS_NOT_INITIALIZED, listed(names, "containers with incomplete status: ", open.map(|(_, spec)| spec.name)))
        }
    };
    let initialized = initialized || status.phase == PodPhase::Succeeded;
    set(&mut status, words::INITIALIZED, initialized, reason, message);
    let sidecars = run.init.iter().zip(&class.init_containers).filter(|(_, spec)| spec.sidecar());
    let unready: Vec<Sym> =
        run.apps.iter().zip(&class.containers).chain(sidecars).filter(|(one, spec)| !one.ready(spec)).map(|(_, spec)| spec.name).collect();
    let ready = unready.is_empty() && !over;
    let (reason, message) = match (ready, over) {
        (true, _) => (Sym::EMPTY, Sym::EMPTY),
        (false, true) => (ended, Sym::EMPTY),
        (false, false) => (words::CONTAINERS_NOT_READY, listed(names, "containers with unready status: ", unready.into_iter())),
    };
    set(&mut status, words::CONTAINERS_READY, ready, reason, message);
    set(&mut status, words::READY, ready, reason, message);
    status
}

fn listed(names: &mut Names, prefix: &str, containers: impl Iterator<Item = Sym>) -> Sym {
    let list: Vec<&str> = containers.map(|name| names.text(name)).collect();
    let text = format!("{prefix}[{}]", list.join(" "));
    names.sym(&text)
}

fn init_done(run: &ContainerRun, spec: &Container) -> bool {
    if spec.sidecar() { run.started() } else { matches!(run.state, State::Exited(end) if end.exit_code == 0) }
}

fn initialized(run: &PodRun, class: &PodClass) -> bool {
    let active = run
        .apps
        .iter()
        .any(|app| app.restarts > 0 || matches!(app.state, State::Running { .. } | State::Exited(_) | State::CrashLoop { .. }));
    active || run.init.iter().zip(&class.init_containers).all(|(one, spec)| init_done(one, spec))
}

fn waiting(reason: Sym) -> ContainerState {
    ContainerState::Waiting { reason, message: Sym::EMPTY }
}

fn container_status(run: &ContainerRun, spec: &Container, starting: Sym) -> ContainerStatus {
    let (state, last) = match run.state {
        State::Running { since, .. } => (ContainerState::Running { since }, run.last),
        State::Exited(end) => (ContainerState::Terminated(end), run.last),
        State::CrashLoop { end, .. } => (waiting(words::CRASH_LOOP_BACK_OFF), Some(end)),
        State::ImageBackOff { fresh, .. } => (waiting(if fresh { words::ERR_IMAGE_PULL } else { words::IMAGE_PULL_BACK_OFF }), run.last),
        State::Idle | State::Pulling { .. } | State::Starting { .. } => (waiting(starting), run.last),
    };
    ContainerStatus { state, last, restarts: run.restarts, ready: run.ready(spec), started: run.started() }
}

fn init_status(run: &ContainerRun, spec: &Container, starting: Sym) -> ContainerStatus {
    let mut status = container_status(run, spec, starting);
    if !spec.sidecar() {
        status.ready = matches!(run.state, State::Exited(end) if end.exit_code == 0);
        status.started = matches!(run.state, State::Running { .. });
    }
    status
}

/// The phase table, from top to bottom. Source: `spec/kubelet.md` §11.
fn phase(run: &PodRun, class: &PodClass) -> PodPhase {
    let end_of = |one: &ContainerRun| match one.state {
        State::Exited(end) | State::CrashLoop { end, .. } => Some(end),
        State::Idle | State::Pulling { .. } | State::ImageBackOff { .. } | State::Starting { .. } => one.last,
        State::Running { .. } => None,
    };
    let regular = || run.init.iter().zip(&class.init_containers).filter(|(_, spec)| !spec.sidecar());
    let failed = |(one, _): &(&ContainerRun, &Container)| end_of(one).is_some_and(|end: Terminated| end.exit_code != 0);
    if class.restart_policy == RestartPolicy::Never && regular().any(|pair| failed(&pair)) {
        return PodPhase::Failed;
    }
    let stopped = |one: &ContainerRun| end_of(one).is_some();
    let waiting = |one: &ContainerRun| !matches!(one.state, State::Running { .. }) && !stopped(one);
    let active = run.apps.iter().any(|one| !waiting(one));
    let pending_init = regular().any(|(one, _)| !matches!(one.state, State::Exited(end) if end.exit_code == 0));
    let pending_sidecar = run.init.iter().zip(&class.init_containers).any(|(one, spec)| spec.sidecar() && !one.started());
    if !run.done && (pending_init || pending_sidecar && !active) || !run.done && run.apps.iter().any(waiting) {
        return PodPhase::Pending;
    }
    if run.apps.iter().any(|one| matches!(one.state, State::Running { .. })) {
        return PodPhase::Running;
    }
    let good = run.apps.iter().all(|one| matches!(one.state, State::Exited(end) if end.exit_code == 0));
    let again = run.apps.iter().zip(&class.containers).any(|(one, spec)| {
        let policy = spec.restart_policy.unwrap_or(class.restart_policy);
        end_of(one).is_some_and(|end| restarts(policy, end.exit_code))
    });
    match (run.done, again, good) {
        (false, true, _) => PodPhase::Running,
        (_, _, true) => PodPhase::Succeeded,
        _ => PodPhase::Failed,
    }
}
