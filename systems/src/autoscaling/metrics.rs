//! The resource metrics API: what metrics-server would tell of a pod, computed when somebody asks.
//!
//! Every 15 s metrics-server scrapes each kubelet and keeps the last two points of each container; CPU is what was used between them.
//! Nothing is scraped here: the two points of a container follow from its start and end, and the use between them from the requests that
//! its pod got ([`Arrivals`]).
//!
//! Source: `spec/autoscaling.md` §8; kubernetes-sigs/metrics-server, `pkg/storage/pod.go`.

use bevy_ecs::prelude::{Res, ResMut};
use bevy_ecs::system::SystemParam;
use smallvec::SmallVec;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, Pod, PodStatus};
use wavetank_engine::model::pod_class::{Classes, PodClass};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::arrivals::{Arrivals, Flows, Load};
use wavetank_engine::scene::faults::NodeFaults;
use wavetank_engine::scene::program::{Program, Programs};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::time::{SimDuration, SimTime};

/// How often metrics-server scrapes (`--metric-resolution`), counted from the epoch.
///
/// Choice: a scrape takes no time, and a container's point carries the moment of the scrape; the original's kubelet samples on its own,
/// about each 10 s.
pub const RESOLUTION: SimDuration = SimDuration::from_secs(15);
/// A container at least this old at its first scrape has a metric at once: its start stands in for the point before.
const FRESH_AGE_MIN: SimDuration = SimDuration::from_secs(10);

/// What a pod uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodMetrics {
    /// The end of the time over which it was measured.
    pub at: SimTime,
    /// The length of that time.
    pub window: SimDuration,
    /// The containers that ran at the scrape, in the order of the spec, sidecars and init containers behind the others.
    pub containers: SmallVec<[ContainerMetrics; 2]>,
}

/// What a container uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerMetrics {
    /// Its name.
    pub name: Sym,
    /// Mean CPU over the window. Unit: nano-cores.
    pub cpu_nanocores: u64,
    /// Working set at the end of the window. Unit: bytes.
    pub memory_bytes: u64,
}

/// What a scrape knows of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// It did not run.
    Absent,
    /// It has no point before this one.
    First,
    /// Its point before this one, or its start.
    Since(SimTime),
}

/// The last scrape at or before a moment.
pub fn last_scrape(now: SimTime) -> SimTime {
    SimTime(now.0 - now.0 % RESOLUTION.0)
}

/// What the metrics are made from.
#[derive(SystemParam)]
pub struct MetricsApi<'w> {
    flows: Res<'w, Flows>,
    arrivals: Res<'w, Arrivals>,
    faults: Res<'w, NodeFaults>,
    classes: Res<'w, Classes>,
    programs: ResMut<'w, Programs>,
}

impl MetricsApi<'_> {
    /// The metrics of a pod as they can be read now; `None` when metrics-server knows none of it.
    pub fn of(&mut self, names: &Names, uid: Uid, pod: &Pod, status: &PodStatus, now: SimTime) -> Option<PodMetrics> {
        let (flows, arrivals, faults, classes) = (&*self.flows, &*self.arrivals, &*self.faults, &*self.classes);
        Sources { flows, arrivals, faults, classes, programs: &mut self.programs }.metrics(names, uid, pod, status, now)
    }

    /// The shared specs of pods.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }
}

/// The same, borrowed.
pub(super) struct Sources<'s> {
    flows: &'s Flows,
    arrivals: &'s Arrivals,
    faults: &'s NodeFaults,
    classes: &'s Classes,
    programs: &'s mut Programs,
}

impl<'s> Sources<'s> {
    /// What a simulation holds; the programs are the caller's, since looking them up is remembered.
    pub(super) fn of(sim: &'s Simulation, programs: &'s mut Programs) -> Sources<'s> {
        Sources { flows: sim.get(), arrivals: sim.get(), faults: sim.get(), classes: sim.get(), programs }
    }

    /// See [`MetricsApi::of`].
    pub(super) fn metrics(&mut self, names: &Names, uid: Uid, pod: &Pod, status: &PodStatus, now: SimTime) -> Option<PodMetrics> {
        let scrape = last_scrape(now);
        let unheard = self.faults.any() && self.faults.of(pod.node).is_some_and(|(_, since)| since <= scrape);
        if unheard || pod.node.is_empty() {
            return None;
        }
        let class = self.classes.get(pod.class);
        let mut metrics = PodMetrics { at: scrape, window: SimDuration::ZERO, containers: SmallVec::new() };
        for (init, list) in [(false, &status.containers), (true, &status.init_containers)] {
            for (at, container) in list.iter().enumerate() {
                let from = match point(container, scrape) {
                    Point::Absent => continue,
                    Point::First => return None,
                    Point::Since(from) => from,
                };
                if metrics.containers.is_empty() {
                    metrics.window = scrape.since(from);
                }
                let (name, load, program) = load(names, self.programs, class, pod, init, at)?;
                let cpu_nanocores = self.arrivals.cpu_nanocores(self.flows, uid, load, from, scrape);
                metrics.containers.push(ContainerMetrics {
                    name,
                    cpu_nanocores,
                    memory_bytes: program.memory_bytes.at(age(container, scrape)),
                });
            }
        }
        Some(metrics).filter(|metrics| !metrics.containers.is_empty())
    }
}

/// How long a container has run at a moment.
fn age(container: &ContainerStatus, at: SimTime) -> SimDuration {
    match container.state {
        ContainerState::Running { since } => at.since(since),
        ContainerState::Waiting { .. } | ContainerState::Terminated(_) => SimDuration::ZERO,
    }
}

/// Name, load and program of a container; `None` when its pod's spec has no such place.
fn load(
    names: &Names,
    programs: &mut Programs,
    class: &PodClass,
    pod: &Pod,
    init: bool,
    at: usize,
) -> Option<(Sym, Load, std::sync::Arc<Program>)> {
    let container = if init { class.init_containers.get(at) } else { class.containers.get(at) }?;
    let program = programs.of(names, pod.class, class, init, at);
    let limit = u64::try_from(container.limits.cpu_millicores).unwrap_or(0);
    let load = Load {
        base_millicores: program.cpu_millicores,
        us_per_request: program.cpu_us_per_request,
        limit_millicores: (limit > 0).then_some(limit),
    };
    Some((container.name, load, program))
}

/// What a scrape found of a container, from its present run and the one before.
fn point(container: &ContainerStatus, scrape: SimTime) -> Point {
    let present = match container.state {
        ContainerState::Running { since } => Some((since, None)),
        ContainerState::Terminated(end) => Some((end.started_at, Some(end.finished_at))),
        ContainerState::Waiting { .. } => None,
    };
    let before = container.last.map(|end| (end.started_at, Some(end.finished_at)));
    let ran = |run: &(SimTime, Option<SimTime>)| run.0 <= scrape && run.1.is_none_or(|end| end > scrape);
    let Some((start, _)) = present.into_iter().chain(before).find(ran) else { return Point::Absent };
    let previous = scrape.0.checked_sub(RESOLUTION.0).map(SimTime);
    match previous.filter(|&previous| start <= previous) {
        Some(previous) => Point::Since(previous),
        None if scrape.since(start) >= FRESH_AGE_MIN => Point::Since(start),
        None => Point::First,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::model::pod::Terminated;

    fn run(text: &str) -> (u64, Option<u64>) {
        let (start, end) = text.split_once('-').unwrap();
        (start.parse().unwrap(), end.parse().ok())
    }

    #[test]
    fn points_of_a_scrape() {
        let table = "
            now  scrape  before  present  -> point
            15   15      .       0-       -> since 0
            15   15      .       5-       -> since 5
            15   15      .       6-       -> first
            44   30      .       6-       -> since 15
            30   30      .       15-      -> since 15
            30   30      .       16-      -> since 16
            30   30      .       31-      -> absent
            30   30      0-29    .        -> absent
            44   30      0-31    32-      -> since 15
            44   30      0-31    .        -> since 15
            45   45      0-31    32-      -> since 32
            45   45      .       20-45    -> absent
            46   45      .       20-46    -> since 30
            60   60      0-31    55-      -> first
        ";
        for row in table.lines().map(str::trim).filter(|row| !row.is_empty()).skip(1) {
            let words: Vec<&str> = row.split_whitespace().collect();
            let s = |text: &str| SimTime::from_secs(text.parse().unwrap());
            assert_eq!(last_scrape(s(words[0])), s(words[1]), "{row}");
            let ended = |(start, end): (u64, Option<u64>)| Terminated {
                exit_code: 0,
                reason: Sym::EMPTY,
                started_at: SimTime::from_secs(start),
                finished_at: SimTime::from_secs(end.unwrap_or(start)),
            };
            let state = match words[3] {
                "." => ContainerState::Waiting { reason: Sym::EMPTY, message: Sym::EMPTY },
                text => match run(text) {
                    (since, None) => ContainerState::Running { since: SimTime::from_secs(since) },
                    whole => ContainerState::Terminated(ended(whole)),
                },
            };
            let last = (words[2] != ".").then(|| ended(run(words[2])));
            let status = ContainerStatus { state, last, restarts: 0, ready: true, started: true };
            let got = match point(&status, s(words[1])) {
                Point::Absent => "absent".to_string(),
                Point::First => "first".to_string(),
                Point::Since(from) => format!("since {}", from.0 / 1_000_000_000),
            };
            assert_eq!(got, words[5..].join(" "), "{row}");
        }
    }
}
