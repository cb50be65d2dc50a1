//! Drawn pods on drawn nodes: whatever their programs, probes and hooks do, whatever befalls nodes, images and volumes, and whoever deletes
//! them when, no pod is ever in a state that the tables of `spec/kubelet.md` do not know, no container ends twice, and in the end every
//! address, port and resource is free again.

use proptest::prelude::*;
use std::collections::BTreeMap;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::{Kind, Revision, Uid};
use wavetank_engine::model::meta::{ConditionStatus, condition};
use wavetank_engine::model::pod::{ContainerState, ContainerStatus, Pod, PodPhase, PodStatus, Terminated};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::Names;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::source::MemoryFiles;
use wavetank_engine::words;
use wavetank_systems::install_all;
use wavetank_systems::kubelet::Kubelets;

const NODES: u8 = 2;
/// How long things happen, and how long the world has to come to rest after that. Unit: seconds.
const BUSY_S: u64 = 400;
const REST_S: u64 = 900;

/// Reasons of waiting containers. Source: `spec/kubelet.md` §7, §8, §9.
const WAITING: &[&str] = &[
    "ContainerCreating",
    "PodInitializing",
    "CreateContainerConfigError",
    "PostStartHookError",
    "CrashLoopBackOff",
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "RestartingAllContainers",
];
/// Reasons of containers that have ended. Source: `spec/kubelet.md` §5, §8.
const ENDED: &[&str] = &["Completed", "Error", "OOMKilled", "ContainerStatusUnknown", "Unknown", "RestartingAllContainers"];

/// A drawn pod: policy, init container, containers, features (bits), grace, run time.
type Drawn = (u8, u8, u8, u16, u8, u8);

fn bit(features: u16, at: u8) -> bool {
    features >> at & 1 == 1
}

fn pod(number: usize, drawn: &Drawn) -> (String, String) {
    let &(policy, init, containers, features, grace_s, runs_s) = drawn;
    let policy = ["Always", "OnFailure", "Never"][policy as usize % 3];
    let init = match init % 5 {
        0 => format!(r#"initContainers: [(name: "i", image: "init-{number}:1")],"#),
        1 => format!(
            r#"initContainers: [(name: "i", image: "proxy-{number}:1", restartPolicy: "Always"), (name: "j", image: "init-{number}:1")],"#
        ),
        _ => String::new(),
    };
    let probe = |name: &str, on: bool| {
        if on { format!("{name}: (httpGet: (port: 80), periodSeconds: 3, failureThreshold: 2),") } else { String::new() }
    };
    let probes =
        probe("livenessProbe", bit(features, 0)) + &probe("readinessProbe", bit(features, 1)) + &probe("startupProbe", bit(features, 2));
    let hooks = format!(
        "lifecycle: ({} {}),",
        if bit(features, 3) { r#"postStart: (exec: (command: ["a"])),"# } else { "" },
        if bit(features, 4) { r#"preStop: (exec: (command: ["b"])),"# } else { "" }
    );
    let environment = if bit(features, 5) { r#"envFrom: [(configMapRef: (name: "settings"))],"# } else { "" };
    let mounts = if bit(features, 6) { r#"volumeMounts: [(name: "data", mountPath: "/data")],"# } else { "" };
    let volumes = if bit(features, 6) { r#"volumes: [(name: "data", emptyDir: (sizeLimit: "50Mi"))],"# } else { "" };
    let ports = |at: u8| if bit(features, 7) && at == 0 { "ports: [(containerPort: 80, hostPort: 8080)]," } else { "" };
    let limits = if bit(features, 8) {
        let restarts = bit(features, 3) && policy != "Never";
        let policy = if restarts { r#"resizePolicy: [(resourceName: "cpu", restartPolicy: "RestartContainer")],"# } else { "" };
        format!(r#"resources: (requests: {{"cpu": "100m"}}, limits: {{"memory": "64Mi"}}), {policy}"#)
    } else {
        String::new()
    };
    let list: String = (0..containers % 3 + 1)
        .map(|at| {
            let ports = ports(at);
            let rules = match containers >> 5 {
                1 => r#"restartPolicy: "Never", restartPolicyRules: [(action: "Restart", exitCodes: (operator: "In", values: [1]))],"#,
                2 => r#"restartPolicy: "OnFailure", restartPolicyRules: [(action: "RestartAllContainers", exitCodes: (operator: "NotIn", values: [0]))],"#,
                3 => r#"restartPolicy: "Always","#,
                _ => "",
            };
            format!(r#"(name: "c{at}", image: "app-{number}:1", {probes} {hooks} {environment} {mounts} {ports} {limits} {rules}),"#)
        })
        .collect();
    let place = if bit(features, 9) { format!(r#"nodeName: "node-{}","#, runs_s % NODES + 1) } else { String::new() };
    let text = format!(
        r#"Pod(metadata: (name: "pod-{number}"), spec: (
            {place} restartPolicy: "{policy}", terminationGracePeriodSeconds: {grace_s}, {init} containers: [{list}], {volumes}
        )),"#
    );
    let ends =
        if bit(features, 10) { format!(r#"runs_for: "{runs_s}s", exit_code: {},"#, u8::from(bit(features, 11))) } else { String::new() };
    let term = ["Ignores", r#"ExitsAfter("3s")"#, r#"ExitsWith("0s", 143)"#][runs_s as usize % 3];
    let answers = r#"liveness: [Fails("20s", "60s")], readiness: [Refuses("0s", "4s"), TimesOut("30s", "50s"), Errors("60s", "70s")], startup: [Fails("0s", "7s")],"#;
    let grows = if bit(features, 12) {
        r#"memory_over_time: [("0s", 10), ("35s", 400)], disk_over_time: [("50s", 60)], disk_volume: "data","#
    } else {
        ""
    };
    let programs = format!(
        r#""app-{number}": ({ends} on_term: {term}, {answers} {grows} post_start: "1s", post_start_failures: {}, pre_stop: "{}s", pre_stop_fails: {}),
           "init-{number}": (runs_for: "2s", exit_code: {}, crashes: 2), "proxy-{number}": (on_term: {term}),"#,
        u8::from(bit(features, 13)),
        runs_s % 12,
        bit(features, 14),
        u8::from(bit(features, 15)),
    );
    (text, programs)
}

/// A script step, from a number of its kind and of what it is done to.
fn step(kind: u8, whom: u8, pods: usize) -> String {
    let pod = format!("pod/pod-{}", whom as usize % pods);
    let (app, node) = (whom as usize % pods, whom % NODES + 1);
    match kind % 22 {
        0 => format!(r#"Delete("{pod}")"#),
        1 => format!(r#"DeleteWith(target: "{pod}", grace_s: {})"#, whom % 7),
        2 => format!(r#"FailNode("node-{node}")"#),
        3 => format!(r#"CutOffNode("node-{node}")"#),
        4..=6 => format!(r#"RestoreNode("node-{node}")"#),
        7 => format!(r#"ShutDownNode("node-{node}")"#),
        8 => format!(r#"SlowNode("node-{node}", {})"#, whom % 9),
        9 => format!(r#"BreakImage("app-{app}*")"#),
        10 => format!(r#"FixImage("app-{app}*")"#),
        11 => r#"BreakVolume("data")"#.to_string(),
        12 => r#"FixVolume("data")"#.to_string(),
        13 => format!(r#"SetContainerImage("{pod}", "c0", "app-{app}:{}")"#, whom),
        14 => r#"Apply(ConfigMap(metadata: (name: "settings"), data: {"a": "b"}))"#.to_string(),
        15 => format!(r#"Taint("node-{node}", "drawn=1:NoExecute")"#),
        18 => format!(
            r#"AddManifest("node-{node}", Pod(metadata: (name: "static"), spec: (containers: [(name: "c", image: "app-{app}:{whom}", resources: (requests: {{"cpu": "{}m"}}))])))"#,
            u32::from(whom) * 8
        ),
        20 | 21 => format!(
            r#"Resize("{pod}", {{"c0": (requests: {{"cpu": "{}m"}}, limits: {{"memory": "{}Mi"}})}})"#,
            u32::from(whom) * 8 + 1,
            u32::from(whom) + 20
        ),
        19 => format!(r#"RemoveManifest("node-{node}", "static")"#),
        16 => format!(r#"Untaint("node-{node}", "drawn")"#),
        _ => r#"Delete("configmap/settings")"#.to_string(),
    }
}

fn scene(seed: u64, latency: &str, pods: &[Drawn], steps: &[(u16, u8, u8)]) -> Scene {
    let (objects, programs): (Vec<String>, Vec<String>) = pods.iter().enumerate().map(|(number, drawn)| pod(number, drawn)).unzip();
    let mut script: Vec<(u64, String)> =
        steps.iter().map(|&(at, kind, whom)| (u64::from(at) % BUSY_S, step(kind, whom, pods.len()))).collect();
    for node in 1..=NODES {
        script.push((BUSY_S, format!(r#"RestoreNode("node-{node}")"#)));
        script.push((BUSY_S, format!(r#"Untaint("node-{node}", "drawn")"#)));
        script.push((BUSY_S + 60, format!(r#"RemoveManifest("node-{node}", "static")"#)));
    }
    script.push((BUSY_S, r#"FixVolume("data")"#.into()));
    script.extend((0..pods.len()).map(|number| (BUSY_S + 30, format!(r#"Delete("pod/pod-{number}")"#))));
    let script: String = script.iter().map(|(at, step)| format!(r#"At("{at}s", {step}),"#)).collect();
    let (objects, programs) = (objects.concat(), programs.concat());
    let text = format!(
        r#"Scene(seed: {seed}, duration: "{}s", latency: {latency}, kubelet: (shutdownGracePeriod: "20s"),
            nodes: [Pool(name: "node", count: {NODES}, allocatable: {{"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi"}})],
            objects: [ConfigMap(metadata: (name: "settings"), data: {{"a": "b"}}), {objects}], programs: {{{programs}}}, script: [{script}])"#,
        BUSY_S + REST_S
    );
    let files = MemoryFiles::default().with("drawn.ron", text.clone());
    let loaded = load(&files, &["drawn.ron".to_string()], &Overrides::default());
    loaded.scene.unwrap_or_else(|| panic!("{:?}\n{text}", loaded.problems.errors(&loaded.sources)))
}

/// What was seen of a pod before.
#[derive(Default)]
struct Before {
    phase: Option<PodPhase>,
    /// Of each container: restarts, and how it ended with so many.
    containers: Vec<(u32, Option<Terminated>)>,
}

#[derive(Default)]
struct Watcher {
    before: BTreeMap<Uid, Before>,
    wrong: Vec<String>,
}

impl Watcher {
    fn look(&mut self, sim: &Simulation) {
        if !self.wrong.is_empty() {
            return;
        }
        let (objects, names) = (sim.get::<Objects>(), sim.get::<Names>());
        let mut addresses: BTreeMap<u32, String> = BTreeMap::new();
        let mut wrong = Vec::new();
        for row in objects.of_kind(Kind::Pod).filter(|row| row.gone == Revision::HEAD) {
            let (Some(pod), Some(status)) = (sim.state::<Pod>(row.object), sim.state::<PodStatus>(row.object)) else { continue };
            let name = names.render(row.key.name);
            let before = self.before.entry(row.object.uid).or_default();
            let class = sim.get::<Classes>().get(pod.class);
            let mut say = |what: String| wrong.push(format!("{name} at {}: {what}", sim.now()));
            // A static pod that had ended begins anew with its node; its mirror pod is another then.
            if let Some(phase) = before.phase.filter(|phase| phase.terminal() && *phase != status.phase) {
                say(format!("{:?} after {phase:?}", status.phase));
            }
            before.phase = Some(status.phase);
            let all: Vec<&ContainerStatus> = status.init_containers.iter().chain(&status.containers).collect();
            before.containers.resize(all.len(), (0, None));
            for (container, seen) in all.iter().zip(&mut before.containers) {
                ended_once(container, seen, &mut say);
                known_state(container, names, &mut say);
            }
            phase_fits(status, class.containers.len(), &mut say);
            if status.pod_ip != 0 && !status.phase.terminal() && !class.host_network && row.node == pod.node {
                let silent = sim.get::<wavetank_engine::scene::faults::NodeFaults>().silent(pod.node);
                let other = if silent { None } else { addresses.insert(status.pod_ip, name.clone()) };
                if let Some(other) = other {
                    say(format!("has the address of {other}"));
                }
            }
        }
        self.wrong.extend(wrong);
    }
}

/// A container that has ended ends no other way until it is started again.
fn ended_once(container: &ContainerStatus, seen: &mut (u32, Option<Terminated>), say: &mut impl FnMut(String)) {
    let ended = match container.state {
        ContainerState::Terminated(end) => Some(end),
        ContainerState::Running { .. } | ContainerState::Waiting { .. } => None,
    };
    if container.restarts < seen.0 {
        say(format!("{} restarts after {}", container.restarts, seen.0));
    } else if container.restarts == seen.0 {
        match (seen.1, container.state) {
            (Some(before), ContainerState::Terminated(now))
                if before.finished_at != now.finished_at || before.exit_code != now.exit_code =>
            {
                say(format!("a container ended twice: {before:?}, then {now:?}"));
            }
            (Some(before), ContainerState::Running { since }) if since <= before.started_at => {
                say(format!("a container that ended runs again: {before:?}"));
            }
            _ => {}
        }
    }
    let kept = if container.restarts == seen.0 { seen.1 } else { None };
    *seen = (container.restarts, ended.or(kept));
}

/// Its state is one of the tables.
fn known_state(container: &ContainerStatus, names: &Names, say: &mut impl FnMut(String)) {
    match container.state {
        ContainerState::Waiting { reason, .. } => {
            if !WAITING.contains(&names.text(reason)) || container.ready || container.started {
                say(format!("a container waits like this: {container:?} {}", names.text(reason)));
            }
        }
        ContainerState::Terminated(end) => {
            let known = ENDED.contains(&names.text(end.reason)) && (end.reason == words::COMPLETED) == (end.exit_code == 0);
            if !known || end.finished_at < end.started_at {
                say(format!("a container ended like this: {end:?} {}", names.text(end.reason)));
            }
        }
        ContainerState::Running { .. } if container.ready && !container.started => say("ready before it has started".to_string()),
        ContainerState::Running { .. } => {}
    }
}

/// Phase and conditions agree with the containers. Source: `spec/kubelet.md` §11, §12.
fn phase_fits(status: &PodStatus, containers: usize, say: &mut impl FnMut(String)) {
    let runs = |container: &&ContainerStatus| matches!(container.state, ContainerState::Running { .. });
    let good = |container: &ContainerStatus| matches!(container.state, ContainerState::Terminated(end) if end.exit_code == 0);
    let all = || status.init_containers.iter().chain(&status.containers);
    let ready = condition(&status.conditions, words::READY).is_some_and(|ready| ready.status == ConditionStatus::True);
    match status.phase {
        PodPhase::Succeeded if !status.containers.iter().all(good) || status.containers.len() != containers => {
            say(format!("succeeded with {:?}", status.containers));
        }
        phase if phase.terminal() && (all().any(|container| runs(&container)) || ready) => say(format!("{phase:?}, and something runs")),
        PodPhase::Running if status.containers.is_empty() => say("runs without containers".to_string()),
        PodPhase::Pending if ready => say("pending and ready".to_string()),
        _ => {}
    }
    if ready && !status.containers.iter().all(|container| container.ready) {
        say("ready with a container that is not".to_string());
    }
}

fn ends_well(seed: u64, latency: &str, pods: &[Drawn], steps: &[(u16, u8, u8)]) -> Result<(), TestCaseError> {
    let options = RunOptions { check: true, ..RunOptions::default() };
    let mut run = Run::new(scene(seed, latency, pods, steps), &options, install_all).expect("the API server takes drawn objects");
    let mut watcher = Watcher::default();
    let outcome = run.run_until(run.end(), &mut |sim| watcher.look(sim));
    prop_assert!(outcome.is_ok(), "{outcome:?}");
    prop_assert!(watcher.wrong.is_empty(), "{:#?}", watcher.wrong);
    let sim = &run.sim;
    let left = sim.get::<Objects>().of_kind(Kind::Pod).filter(|row| row.gone == Revision::HEAD);
    let left: Vec<String> = left.map(|row| sim.get::<Names>().render(row.key.name)).collect();
    prop_assert!(left.is_empty(), "never gone: {left:?}");
    let leaks = sim.get::<Kubelets>().leaks(sim.get::<Names>(), sim.get::<Classes>());
    prop_assert!(leaks.is_empty(), "{leaks:?}");
    Ok(())
}

/// Every run of the tests draws the same worlds. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` draw others, and more.
fn drawn() -> ProptestConfig {
    let given = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { 24 };
    ProptestConfig { cases, max_shrink_iters: 300, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(drawn())]
    #[test]
    fn pods_stay_within_the_tables_and_leave_nothing_behind(
        seed in any::<u64>(),
        latency in prop::sample::select(vec!["Ideal", "Typical"]),
        pods in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>(), 0u8..40, 1u8..90), 1..5),
        steps in prop::collection::vec((any::<u16>(), any::<u8>(), any::<u8>()), 0..12),
    ) {
        ends_well(seed, latency, &pods, &steps)?;
    }
}
