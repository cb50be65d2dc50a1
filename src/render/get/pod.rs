//! Pods: the READY, STATUS and RESTARTS columns.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `printPod`.

use super::{Printer, always, name, wide};
use crate::render::age::{age, human_duration, moment};
use crate::render::look::{condition_true, flag, has, int, list, scalar_or, text};
use serde_json::Value;

pub(super) const POD: Printer = Printer {
    columns: &[
        always("NAME"),
        always("READY"),
        always("STATUS"),
        always("RESTARTS"),
        always("AGE"),
        wide("IP"),
        wide("NODE"),
        wide("NOMINATED NODE"),
        wide("READINESS GATES"),
    ],
    row,
};

fn row(pod: &Value, now: i64) -> Vec<String> {
    let seen = Seen::of(pod);
    let restarts = match (seen.restarts, seen.last_restart_at) {
        (count @ 1.., Some(at)) => format!("{count} ({} ago)", human_duration(now - at)),
        (count, _) => count.to_string(),
    };
    vec![
        name(pod),
        format!("{}/{}", seen.ready, seen.containers),
        seen.status,
        restarts,
        age(pod, now),
        scalar_or(pod, "/status/podIPs/0/ip", "<none>"),
        scalar_or(pod, "/spec/nodeName", "<none>"),
        scalar_or(pod, "/status/nominatedNodeName", "<none>"),
        readiness_gates(pod),
    ]
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list(pod, "/spec/readinessGates");
    let open = gates.iter().filter(|gate| condition_true(pod, text(gate, "/conditionType"))).count();
    if gates.is_empty() { "<none>".to_string() } else { format!("{open}/{}", gates.len()) }
}

/// What the columns say of a pod's containers.
struct Seen {
    status: String,
    ready: usize,
    containers: usize,
    restarts: i64,
    /// End of the last run that was followed by a restart. Unit: Unix seconds.
    last_restart_at: Option<i64>,
}

/// Restarts of a list of containers and when the last of them was.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last_at: Option<i64>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += int(container, "/restartCount");
        self.last_at = self.last_at.max(moment(container, "/lastState/terminated/finishedAt"));
    }
}

impl Seen {
    fn of(pod: &Value) -> Seen {
        let sidecars = list(pod, "/spec/initContainers").iter().filter(|container| is_sidecar(container)).count();
        let init = Init::of(pod);
        let mut seen = Seen {
            status: init.status.clone().unwrap_or_else(|| base_status(pod)),
            ready: init.ready,
            containers: list(pod, "/spec/containers").len() + sidecars,
            restarts: init.all.count,
            last_restart_at: init.all.last_at,
        };
        if init.status.is_none() || condition_true(pod, "Initialized") {
            seen.look_at_containers(pod, init.sidecars);
        }
        let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
        match has(pod, "/metadata/deletionTimestamp") {
            true if text(pod, "/status/reason") == "NodeLost" => seen.status = "Unknown".to_string(),
            true if !ended => seen.status = "Terminating".to_string(),
            _ => {}
        }
        seen
    }

    /// The containers proper, last first, so that the first one with something to say has the last word.
    fn look_at_containers(&mut self, pod: &Value, mut restarts: Restarts) {
        let (mut running, mut failure) = (false, None);
        for container in list(pod, "/status/containerStatuses").iter().rev() {
            restarts.add(container);
            let waiting = text(container, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.status = waiting.to_string();
            } else if has(container, "/state/terminated") {
                self.status = termination(container);
                if int(container, "/state/terminated/exitCode") != 0 {
                    failure = Some(self.status.clone());
                }
            } else if flag(container, "/ready") && has(container, "/state/running") {
                running = true;
                self.ready += 1;
            }
        }
        (self.restarts, self.last_restart_at) = (restarts.count, restarts.last_at);
        // One container is done; the pod as a whole may not be.
        if self.status == "Completed" {
            if running && condition_true(pod, "Ready") {
                self.status = "Running".to_string();
            } else if let Some(failure) = failure {
                self.status = failure;
            } else if running {
                self.status = "NotReady".to_string();
            }
        }
    }
}

/// What the init containers say.
#[derive(Default)]
struct Init {
    /// `Init:…` while one of them is still in the way.
    status: Option<String>,
    ready: usize,
    all: Restarts,
    sidecars: Restarts,
}

impl Init {
    fn of(pod: &Value) -> Init {
        let specs = list(pod, "/spec/initContainers");
        let mut init = Init::default();
        for (nth, container) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
            let sidecar = specs.iter().any(|spec| text(spec, "/name") == text(container, "/name") && is_sidecar(spec));
            init.all.add(container);
            if sidecar {
                init.sidecars.add(container);
            }
            let ended = has(container, "/state/terminated");
            if ended && int(container, "/state/terminated/exitCode") == 0 {
                continue;
            }
            if sidecar && flag(container, "/started") {
                init.ready += usize::from(flag(container, "/ready"));
                continue;
            }
            let waiting = text(container, "/state/waiting/reason");
            init.status = Some(match (ended, waiting) {
                (true, _) => format!("Init:{}", termination(container)),
                (false, "" | "PodInitializing") => format!("Init:{nth}/{}", specs.len()),
                (false, reason) => format!("Init:{reason}"),
            });
            break;
        }
        init
    }
}

/// The status before any container has a say.
fn base_status(pod: &Value) -> String {
    let gated = list(pod, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == "PodScheduled" && text(condition, "/reason") == "SchedulingGated");
    match text(pod, "/status/reason") {
        _ if gated => "SchedulingGated".to_string(),
        "" => text(pod, "/status/phase").to_string(),
        reason => reason.to_string(),
    }
}

/// Why an ended container ended: its reason, or its signal, or its exit code.
fn termination(container: &Value) -> String {
    let (reason, signal) = (text(container, "/state/terminated/reason"), int(container, "/state/terminated/signal"));
    match (reason, signal) {
        ("", 0) => format!("ExitCode:{}", int(container, "/state/terminated/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_string(),
    }
}

/// An init container that keeps running beside the others.
fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

#[cfg(test)]
mod tests;
