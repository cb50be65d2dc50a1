//! Programs: what containers do, matched by image. Without one a container starts, becomes ready and runs for ever.

use crate::hash::LookupMap;
use crate::ids::Uid;
use crate::model::pod_class::{ClassId, PodClass, RestartPolicy};
use crate::names::Names;
use crate::scene::format::DurationText;
use crate::scene::logs::Says;
use crate::scene::targets::glob;
use crate::time::SimDuration;
use bevy_ecs::resource::Resource;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Init containers exit 0 after this unless a scene says otherwise. Source: `design.md` §5.
const INIT_RUNS_FOR: SimDuration = SimDuration::from_secs(1);
/// Containers of pods whose restartPolicy is not Always exit 0 after this unless a scene says otherwise.
const JOB_RUNS_FOR: SimDuration = SimDuration::from_secs(10);

/// A program as it is written: `(ready_after: "2s", on_term: ExitsAfter("1s"))`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramText {
    /// From the container's start until its endpoints answer.
    pub ready_after: DurationText,
    /// It exits by itself after this.
    pub runs_for: Option<DurationText>,
    /// Exit code of `runs_for`.
    pub exit_code: i32,
    /// Only the first so many starts of each container end by themselves; later ones run on.
    pub crashes: Option<u32>,
    /// Spans since the container's start in which the liveness endpoint does not answer well.
    pub liveness: Vec<AnswerText>,
    /// The same of the readiness endpoint.
    pub readiness: Vec<AnswerText>,
    /// The same of the startup endpoint.
    pub startup: Vec<AnswerText>,
    /// What it does when asked to end.
    pub on_term: OnTermText,
    /// How long its preStop hook takes.
    pub pre_stop: DurationText,
    /// How long its postStart hook takes.
    pub post_start: DurationText,
    /// Its preStop hook fails when it returns.
    pub pre_stop_fails: bool,
    /// The postStart hooks of the first so many starts of each container fail.
    pub post_start_failures: u32,
    /// CPU that it uses without requests. Unit: milli-cores.
    pub cpu_millicores: u64,
    /// CPU time of one request. Unit: microseconds.
    pub cpu_us_per_request: u64,
    /// Requests that wait in it at most while it serves as many as its CPU limit allows; without room they time out at once.
    pub queue: u64,
    /// Requests that it sends to Services for each that it serves: `{"service/cart": 2.0}`.
    pub calls: std::collections::BTreeMap<String, f64>,
    /// Memory that it uses. Unit: MiB.
    pub memory_mib: u64,
    /// Memory that it uses from these times since its start on: `[("1m", 300), ("2m", 600)]`. Unit: MiB.
    pub memory_over_time: Vec<(DurationText, u64)>,
    /// What it has written to its disk. Unit: MiB.
    pub disk_mib: u64,
    /// What it has written to its disk by these times since its start. Unit: MiB.
    pub disk_over_time: Vec<(DurationText, u64)>,
    /// The `emptyDir` volume to which it writes; its container's own disk unless given.
    pub disk_volume: Option<String>,
    /// Processes that it runs.
    pub processes: u64,
    /// Files that it has, each of which takes an inode.
    pub files: u64,
    /// What it says, for `wavetank logs`.
    pub says: Vec<Says>,
    /// Size of its image. Unit: MB (10^6 bytes).
    pub image_mb: u64,
    /// Pulls of its image fail.
    pub image_missing: bool,
}

impl Default for ProgramText {
    fn default() -> ProgramText {
        ProgramText {
            ready_after: DurationText(SimDuration::ZERO),
            runs_for: None,
            exit_code: 0,
            crashes: None,
            liveness: Vec::new(),
            readiness: Vec::new(),
            startup: Vec::new(),
            on_term: OnTermText::ExitsAfter(DurationText(SimDuration::ZERO)),
            pre_stop: DurationText(SimDuration::ZERO),
            post_start: DurationText(SimDuration::ZERO),
            pre_stop_fails: false,
            post_start_failures: 0,
            cpu_millicores: 0,
            cpu_us_per_request: 0,
            queue: 0,
            calls: Default::default(),
            memory_mib: 0,
            memory_over_time: Vec::new(),
            disk_mib: 0,
            disk_over_time: Vec::new(),
            disk_volume: None,
            processes: 0,
            files: 0,
            says: Vec::new(),
            image_mb: 100,
            image_missing: false,
        }
    }
}

/// A span in which an endpoint does not answer well: `Fails("10s", "25s")`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub enum AnswerText {
    /// From the first time to the second, counted from the container's start, it answers with a failure.
    Fails(DurationText, DurationText),
    /// It answers, but too late.
    TimesOut(DurationText, DurationText),
    /// Nobody listens.
    Refuses(DurationText, DurationText),
    /// The probe cannot be made: it neither succeeds nor fails.
    Errors(DurationText, DurationText),
    /// From this time on it answers with a failure.
    FailsFrom(DurationText),
}

/// Reaction to TERM, as written.
#[derive(Debug, Clone, Copy, Deserialize)]
pub enum OnTermText {
    /// It exits with 0 after this.
    ExitsAfter(DurationText),
    /// It exits with this code after this.
    ExitsWith(DurationText, i32),
    /// It does not react; only KILL ends it.
    Ignores,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// From the container's start until its endpoints answer.
    pub ready_after: SimDuration,
    /// It exits by itself after this, with this code.
    pub exits: Option<(SimDuration, i32)>,
    /// Only the first so many starts end so; later ones as `exits_later` says.
    pub crashes: Option<u32>,
    /// How starts after those end by themselves; `None`: they run on.
    pub exits_later: Option<(SimDuration, i32)>,
    /// When the liveness endpoint does not answer well, since the container's start; sorted, apart.
    pub liveness: Vec<Outage>,
    /// The same of the readiness endpoint; the time before `ready_after` is among them.
    pub readiness: Vec<Outage>,
    /// The same of the startup endpoint; the time before `ready_after` is among them.
    pub startup: Vec<Outage>,
    /// Reaction to TERM: exits after this with this code; `None`: it ignores TERM.
    pub on_term: Option<(SimDuration, i32)>,
    /// How long its preStop hook takes.
    pub pre_stop: SimDuration,
    /// How long its postStart hook takes.
    pub post_start: SimDuration,
    /// The preStop hook fails when it returns.
    pub pre_stop_fails: bool,
    /// The postStart hooks of the first so many starts fail.
    pub post_start_failures: u32,
    /// CPU used without requests. Unit: milli-cores.
    pub cpu_millicores: u64,
    /// CPU time of one request. Unit: microseconds.
    pub cpu_us_per_request: u64,
    /// Requests that wait at most.
    pub queue: u64,
    /// Memory used, by time since the start. Unit: bytes.
    pub memory_bytes: Levels,
    /// Disk used. Unit: bytes.
    pub disk_bytes: Levels,
    /// The volume to which it writes; `None`: its container's own disk.
    pub disk_volume: Option<String>,
    /// Processes.
    pub processes: u64,
    /// Files that it has, each of which takes an inode.
    pub files: u64,
    /// What it says.
    pub says: Vec<Says>,
    /// Size of the image. Unit: bytes.
    pub image_bytes: u64,
    /// Pulls of the image fail.
    pub image_missing: bool,
}

/// An amount that changes at times since a container's start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Levels(Vec<(SimDuration, u64)>);

impl Levels {
    fn of_mib(first: u64, later: &[(DurationText, u64)]) -> Levels {
        let mut levels: Vec<(SimDuration, u64)> = later.iter().map(|(at, mib)| (at.0, mib.saturating_mul(1 << 20))).collect();
        levels.sort_by_key(|level| level.0);
        if first > 0 {
            levels.insert(0, (SimDuration::ZERO, first.saturating_mul(1 << 20)));
        }
        Levels(levels)
    }

    /// Whether it is ever more than nothing.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The amount at an age.
    pub fn at(&self, age: SimDuration) -> u64 {
        self.0.iter().rev().find(|level| level.0 <= age).map_or(0, |level| level.1)
    }

    /// When it changes next.
    pub fn next(&self, age: SimDuration) -> Option<SimDuration> {
        self.0.iter().map(|level| level.0).find(|&at| at > age)
    }

    /// When it is first more than a limit, from an age on.
    pub fn exceeds(&self, limit: u64, from: SimDuration) -> Option<SimDuration> {
        if self.at(from) > limit {
            return Some(from);
        }
        self.0.iter().find(|level| level.0 > from && level.1 > limit).map(|level| level.0)
    }
}

/// A span in which an endpoint does not answer well. `until` is `None` for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Beginning, since the container's start.
    pub from: SimDuration,
    /// End, since the container's start.
    pub until: Option<SimDuration>,
    /// How it fails.
    pub how: Failure,
}

/// How an endpoint fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It answers with a failure (HTTP 500, exit code 1, NOT_SERVING).
    Answer,
    /// It answers too late.
    Timeout,
    /// The connection is refused.
    Refused,
    /// The probe cannot be made: its result is Unknown, and does not count.
    Error,
}

impl Program {
    /// What a program as it is written does.
    pub fn of(text: &ProgramText) -> Program {
        let starting = (text.ready_after.0 > SimDuration::ZERO).then_some(Outage {
            from: SimDuration::ZERO,
            until: Some(text.ready_after.0),
            how: Failure::Refused,
        });
        let outages = |list: &[AnswerText], starting: Option<Outage>| {
            let mut all: Vec<Outage> = starting.into_iter().chain(list.iter().map(outage)).collect();
            all.sort_by_key(|outage| outage.from);
            all
        };
        Program {
            ready_after: text.ready_after.0,
            exits: text.runs_for.map(|after| (after.0, text.exit_code)),
            crashes: text.crashes,
            exits_later: None,
            liveness: outages(&text.liveness, None),
            readiness: outages(&text.readiness, starting),
            startup: outages(&text.startup, starting),
            on_term: match text.on_term {
                OnTermText::ExitsAfter(after) => Some((after.0, 0)),
                OnTermText::ExitsWith(after, code) => Some((after.0, code)),
                OnTermText::Ignores => None,
            },
            pre_stop: text.pre_stop.0,
            post_start: text.post_start.0,
            pre_stop_fails: text.pre_stop_fails,
            post_start_failures: text.post_start_failures,
            cpu_millicores: text.cpu_millicores,
            cpu_us_per_request: text.cpu_us_per_request,
            queue: text.queue,
            memory_bytes: Levels::of_mib(text.memory_mib, &text.memory_over_time),
            disk_bytes: Levels::of_mib(text.disk_mib, &text.disk_over_time),
            disk_volume: text.disk_volume.clone(),
            processes: text.processes,
            files: text.files,
            says: text.says.clone(),
            image_bytes: text.image_mb * 1_000_000,
            image_missing: text.image_missing,
        }
    }
}

impl Program {
    /// How many times as long it takes under a limit of CPU, as a fraction; (1, 1): it is not throttled. `limit` 0: none.
    pub fn slowdown(&self, limit_millicores: u64) -> (u64, u64) {
        if limit_millicores > 0 && self.cpu_millicores > limit_millicores { (self.cpu_millicores, limit_millicores) } else { (1, 1) }
    }

    /// The same under a limit of CPU below what it would use: it takes as many times as long to start, to run its hooks, to finish and to
    /// react to TERM.
    fn slowed(&self, limit_millicores: u64) -> Program {
        let slowdown = self.slowdown(limit_millicores);
        let slow = |span: SimDuration| stretched(span, slowdown);
        let starting = Outage { from: SimDuration::ZERO, until: Some(self.ready_after), how: Failure::Refused };
        let outages = |list: &[Outage]| {
            let one =
                |outage: &Outage| if *outage == starting { Outage { until: Some(slow(self.ready_after)), ..starting } } else { *outage };
            list.iter().map(one).collect()
        };
        Program {
            ready_after: slow(self.ready_after),
            exits: self.exits.map(|(after, code)| (slow(after), code)),
            readiness: outages(&self.readiness),
            startup: outages(&self.startup),
            on_term: self.on_term.map(|(after, code)| (slow(after), code)),
            pre_stop: slow(self.pre_stop),
            post_start: slow(self.post_start),
            ..self.clone()
        }
    }
}

/// A span that takes so many times as long.
pub fn stretched(span: SimDuration, (times, of): (u64, u64)) -> SimDuration {
    SimDuration(u64::try_from(u128::from(span.0) * u128::from(times) / u128::from(of.max(1))).unwrap_or(u64::MAX))
}

fn outage(text: &AnswerText) -> Outage {
    match text {
        AnswerText::Fails(from, until) => Outage { from: from.0, until: Some(until.0), how: Failure::Answer },
        AnswerText::TimesOut(from, until) => Outage { from: from.0, until: Some(until.0), how: Failure::Timeout },
        AnswerText::Refuses(from, until) => Outage { from: from.0, until: Some(until.0), how: Failure::Refused },
        AnswerText::Errors(from, until) => Outage { from: from.0, until: Some(until.0), how: Failure::Error },
        AnswerText::FailsFrom(from) => Outage { from: from.0, until: None, how: Failure::Answer },
    }
}

/// The programs of a scene. ECS resource.
#[derive(Debug, Clone, Resource)]
pub struct Programs {
    by_image: Vec<(String, Arc<Program>)>,
    init_runs_for: SimDuration,
    job_runs_for: SimDuration,
    /// Images whose pulls fail because the script broke them.
    broken: BTreeSet<String>,
    cache: LookupMap<(ClassId, bool, u32), Arc<Program>>,
}

impl Default for Programs {
    fn default() -> Programs {
        Programs {
            by_image: Vec::new(),
            init_runs_for: INIT_RUNS_FOR,
            job_runs_for: JOB_RUNS_FOR,
            broken: BTreeSet::new(),
            cache: LookupMap::default(),
        }
    }
}

impl Programs {
    /// Sets what containers do without a program.
    pub fn set_defaults(&mut self, init_runs_for: Option<SimDuration>, job_runs_for: Option<SimDuration>) {
        self.init_runs_for = init_runs_for.unwrap_or(INIT_RUNS_FOR);
        self.job_runs_for = job_runs_for.unwrap_or(JOB_RUNS_FOR);
    }

    /// Adds a program for the images that match a pattern with `*`; the first that matches counts.
    pub fn add(&mut self, pattern: &str, text: ProgramText) {
        self.by_image.push((pattern.to_string(), Arc::new(Program::of(&text))));
    }

    /// Whether some program writes to its disk.
    pub fn write(&self) -> bool {
        self.by_image.iter().any(|(_, program)| program.disk_bytes.any())
    }

    /// Makes pulls of an image fail, or succeed again.
    pub fn set_broken(&mut self, image: &str, broken: bool) {
        if broken {
            self.broken.insert(image.to_string());
        } else {
            self.broken.remove(image);
        }
    }

    /// Whether pulls of an image fail because the script broke it; patterns with `*` may have been given.
    pub fn is_broken(&self, image: &str) -> bool {
        self.broken.iter().any(|pattern| image_matches(pattern, image))
    }

    /// Images that the script broke, for a checkpoint.
    pub(crate) fn broken(&self) -> &BTreeSet<String> {
        &self.broken
    }

    /// Puts back the images that the script broke.
    pub(crate) fn restore_broken(&mut self, broken: BTreeSet<String>) {
        self.broken = broken;
    }

    /// The program of a container of a class: `init` tells which list, `index` which place.
    pub fn of(&mut self, names: &Names, id: ClassId, class: &PodClass, init: bool, index: usize) -> Arc<Program> {
        if let Some(found) = self.cache.get(&(id, init, index as u32)) {
            return found.clone();
        }
        let container = if init { &class.init_containers[index] } else { &class.containers[index] };
        let image = names.text(container.image);
        let found = self.by_image.iter().find(|(pattern, _)| image_matches(pattern, image)).map(|(_, program)| program.clone());
        let ends = if init && !container.sidecar() {
            Some((self.init_runs_for, 0))
        } else {
            (!init && class.restart_policy != RestartPolicy::Always).then_some((self.job_runs_for, 0))
        };
        let program = match (found, ends) {
            (None, ends) => Arc::new(Program { exits: ends, ..Program::of(&ProgramText::default()) }),
            (Some(found), Some(ends)) if found.crashes.is_some() => Arc::new(Program { exits_later: Some(ends), ..(*found).clone() }),
            (Some(found), _) => found,
        };
        let limit = u64::try_from(container.limits.cpu_millicores).unwrap_or(0);
        let program = if program.slowdown(limit) > (1, 1) { Arc::new(program.slowed(limit)) } else { program };
        self.cache.insert((id, init, index as u32), program.clone());
        program
    }
}

/// How long the containers of single pods run before they exit with 0, whatever their programs say: what a trace tells of its pods. A
/// kubelet drops a pod's entry with the pod. ECS resource.
#[derive(Debug, Clone, Default, serde::Serialize, Deserialize, Resource)]
pub struct RunTimes {
    by_pod: LookupMap<Uid, SimDuration>,
}

impl RunTimes {
    /// Sets how long a pod's containers run.
    pub fn set(&mut self, pod: Uid, span: SimDuration) {
        self.by_pod.insert(pod, span);
    }

    /// How long a pod's containers run; `None` leaves it to their programs.
    pub fn of(&self, pod: Uid) -> Option<SimDuration> {
        if self.by_pod.is_empty() { None } else { self.by_pod.get(&pod).copied() }
    }

    /// Drops the entry of a pod that is gone.
    pub fn forget(&mut self, pod: Uid) {
        self.by_pod.remove(&pod);
    }
}

/// Whether an image matches a pattern: with `*`, or without a tag for every tag.
pub fn image_matches(pattern: &str, image: &str) -> bool {
    glob(pattern, image) || image.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(':') || rest.starts_with('@'))
}
