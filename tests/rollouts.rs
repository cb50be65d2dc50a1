//! Drawn rollouts under drawn failures: bounds that hold at every instant, sets that come to rest at their size, and a control plane
//! that finds nothing to do when it looks again.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeSet;
use wavetank_engine::api::log::{Entry, Log};
use wavetank_engine::api::objects::{Objects, Row};
use wavetank_engine::ids::{Kind, ObjRef, Revision};
use wavetank_engine::model::batch::{Job, JobStatus};
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::PodStatus;
use wavetank_engine::model::revisioned::{DaemonSetStatus, StatefulSet};
use wavetank_engine::model::workload::{DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use wavetank_engine::names::Names;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::source::MemoryFiles;
use wavetank_systems::install_all;

const NODES: u32 = 4;

/// Every run of the tests draws the same worlds. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` draw others, and more.
fn drawn(cases: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { cases };
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { given.rng_seed };
    ProptestConfig { cases, rng_seed, max_shrink_iters: 60, failure_persistence: None, ..given }
}

fn scene(seed: u64, minutes: u64, objects: &str, programs: &str, steps: &[(u64, String)]) -> Scene {
    let mut steps: Vec<&(u64, String)> = steps.iter().collect();
    steps.sort_by_key(|step| step.0);
    let script: String = steps.iter().map(|(at, step)| format!(r#"At("{at}s", {step}),"#)).collect();
    let text = format!(
        r#"Scene(seed: {seed}, duration: "{minutes}m",
            nodes: [Pool(name: "node", count: {NODES}, zones: ["a", "b"], allocatable: {{"cpu": "8", "memory": "16Gi"}})],
            objects: [{objects}], programs: {{{programs}}}, script: [{script}])"#
    );
    let files = MemoryFiles::default().with("drawn.ron", text.clone());
    let loaded = load(&files, &["drawn.ron".to_string()], &Overrides::default());
    loaded.scene.unwrap_or_else(|| panic!("{:?}\n{text}", loaded.problems.errors(&loaded.sources)))
}

fn run(scene: Scene, each: &mut dyn FnMut(&Simulation)) -> Result<Run, TestCaseError> {
    let options = RunOptions { check: true, ..RunOptions::default() };
    let mut run = Run::new(scene, &options, install_all).expect("the API server takes drawn objects");
    let end = run.end();
    let outcome = run.run_until(end, each);
    prop_assert!(outcome.is_ok(), "{outcome:?}");
    Ok(run)
}

fn living(sim: &Simulation, kind: Kind) -> impl Iterator<Item = &Row> {
    sim.get::<Objects>().of_kind(kind).filter(|row| row.gone == Revision::HEAD)
}

/// Active pods that an object controls.
fn active(sim: &Simulation, owner: ObjRef) -> impl Iterator<Item = ObjRef> {
    let pods = sim.get::<Objects>().controlled(owner.uid).filter(|row| row.key.kind == Kind::Pod && row.gone == Revision::HEAD);
    pods.map(|row| row.object).filter(|pod| {
        let ended = sim.state::<PodStatus>(*pod).is_none_or(|status| status.phase.terminal());
        !ended && !sim.state::<Meta>(*pod).is_some_and(Meta::terminating)
    })
}

fn sets(sim: &Simulation, deployment: ObjRef) -> impl Iterator<Item = ObjRef> {
    let rows = sim.get::<Objects>().controlled(deployment.uid);
    rows.filter(|row| row.key.kind == Kind::ReplicaSet && row.gone == Revision::HEAD).map(|row| row.object)
}

fn is_ready(sim: &Simulation, pod: ObjRef) -> bool {
    sim.state::<PodStatus>(pod).is_some_and(PodStatus::ready)
}

/// The one Deployment of the world, from instant to instant.
#[derive(Default)]
struct Watched {
    available: BTreeSet<ObjRef>,
    broken: Option<String>,
}

impl Watched {
    /// What the controller takes down itself leaves as many available as the bound wants, or as there were; and never are there more
    /// pods than the other bound allows. Source: `spec/workloads.md` §3.3.
    fn look(&mut self, sim: &Simulation, (replicas, surge, unavailable): (usize, usize, usize)) {
        let Some(deployment) = living(sim, Kind::Deployment).next().map(|row| row.object) else { return };
        let pods: BTreeSet<ObjRef> = sets(sim, deployment).flat_map(|set| active(sim, set).collect::<Vec<_>>()).collect();
        let available: BTreeSet<ObjRef> = pods.iter().copied().filter(|&pod| is_ready(sim, pod)).collect();
        let taken = self.available.difference(&pods).count();
        let failed = self.available.intersection(&pods).filter(|&&pod| !is_ready(sim, pod)).count();
        let bound = replicas.saturating_sub(unavailable).min(self.available.len());
        if taken > 0 && available.len() + failed < bound {
            let text = format!("{} at {}: {taken} taken, {failed} failed, {} left of {bound}", replicas, sim.now(), available.len());
            self.broken.get_or_insert(text);
        }
        if pods.len() > replicas + surge {
            self.broken.get_or_insert(format!("at {}: {} pods, {replicas} wanted, {surge} more allowed", sim.now(), pods.len()));
        }
        self.available = available;
    }
}

proptest! {
    #![proptest_config(drawn(24))]

    #[test]
    fn rollouts_keep_their_bounds_under_failures(
        seed in any::<u64>(),
        (replicas, surge, unavailable) in (1usize..9, 0usize..4, 0usize..4),
        (ready_s, term_s, probed) in (0u64..8, 0u64..20, any::<bool>()),
        steps in prop::collection::vec((20u64..500, 0u8..8, 0u32..6), 1..12),
    ) {
        let (surge, unavailable) = if surge + unavailable == 0 { (0, 1) } else { (surge, unavailable) };
        let probe = if probed { ", readinessProbe: (tcpSocket: (port: 80), periodSeconds: 1)" } else { "" };
        let objects = format!(r#"Deployment(metadata: (name: "web"), spec: (
            replicas: {replicas}, progressDeadlineSeconds: 60, selector: (matchLabels: {{"app": "web"}}),
            strategy: (rollingUpdate: (maxSurge: {surge}, maxUnavailable: {unavailable})),
            template: (metadata: (labels: {{"app": "web"}}), spec: (containers: [(name: "c", image: "web:0"{probe})])),
        ))"#);
        let programs = format!(
            r#""web:5": (runs_for: "30s", exit_code: 1), "web:*": (ready_after: "{ready_s}s", on_term: ExitsAfter("{term_s}s"))"#
        );
        let step = |&(at, kind, which): &(u64, u8, u32)| {
            let node = which % NODES + 1;
            let step = match kind {
                0..=2 => format!(r#"SetImage("deployment/web", "web:{which}")"#),
                3 => format!(r#"BreakImage("web:{which}")"#),
                4 => format!(r#"FixImage("web:{which}")"#),
                5 => format!(r#"FailNode("node-{node}")"#),
                6 => format!(r#"RestoreNode("node-{node}")"#),
                _ => format!(r#"CutOffNode("node-{node}")"#),
            };
            (at, step)
        };
        let mut steps: Vec<(u64, String)> = steps.iter().map(step).collect();
        steps.extend((1..=NODES).map(|node| (600, format!(r#"RestoreNode("node-{node}")"#))));
        steps.extend((0..6).map(|image| (600, format!(r#"FixImage("web:{image}")"#))));
        steps.push((601, r#"SetImage("deployment/web", "web:9")"#.into()));
        let mut watched = Watched::default();
        let run = run(scene(seed, 30, &objects, &programs, &steps), &mut |sim| watched.look(sim, (replicas, surge, unavailable)))?;
        prop_assert_eq!(watched.broken, None);
        let sim = &run.sim;
        let deployment = living(sim, Kind::Deployment).next().expect("nobody deletes it").object;
        let status = sim.state::<DeploymentStatus>(deployment).expect("it has one");
        let counts = (status.replicas, status.updated, status.ready, status.available);
        let wanted = replicas as i32;
        prop_assert_eq!(counts, (wanted, wanted, wanted, wanted), "once all is repaired");
    }

    #[test]
    fn sets_come_to_rest_at_their_size(
        seed in any::<u64>(),
        sizes in (0u32..6, 0u32..6, 0u32..6, 1u32..6),
        (parallel, term_s) in (any::<bool>(), 0u64..20),
        steps in prop::collection::vec((20u64..400, 0u8..14, 0u32..4, 0u32..7), 0..12),
    ) {
        let mut steps: Vec<(u64, String)> = steps.iter().map(|&drawn| (drawn.0, step(drawn))).collect();
        // Nodes come back at the end, cordons and taints do not.
        steps.extend((1..=NODES).map(|node| (600, format!(r#"RestoreNode("node-{node}")"#))));
        let programs = format!(r#""job:*": (runs_for: "30s"), "*": (ready_after: "1s", on_term: ExitsAfter("{term_s}s"))"#);
        let mut run = run(scene(seed, 30, &kinds(sizes, parallel), &programs, &steps), &mut |_| {})?;
        rests(&run.sim)?;
        let head = run.sim.get::<Objects>().head();
        run.sim.relist();
        prop_assert!(run.sim.settle().is_ok());
        // The scheduler tries waiting pods again when it sees a node anew, and may find other words for why they wait.
        let written = run.sim.get::<Log>().since(head).into_iter().flatten().map(|entry| shown(&run.sim, entry));
        let written: Vec<String> = written.filter(|write| !write.contains("by default-scheduler")).collect();
        prop_assert_eq!(written, Vec::<String>::new(), "a second look at a world at rest wrote something");
    }
}

/// A write, for a message.
fn shown(sim: &Simulation, entry: &Entry) -> String {
    let names = sim.get::<Names>();
    format!("{:?} {} by {}: {:?}", entry.key.kind, names.render(entry.key.name), names.text(entry.actor), entry.changes)
}

/// One workload of each kind.
fn kinds((sets, controllers, ordered, tasks): (u32, u32, u32, u32), parallel: bool) -> String {
    let policy = if parallel { "Parallel" } else { "OrderedReady" };
    let template = |app: &str, more: &str| {
        format!(r#"template: (metadata: (labels: {{"app": "{app}"}}), spec: ({more}containers: [(name: "c", image: "{app}:0")]))"#)
    };
    let selector = |app: &str| format!(r#"selector: (matchLabels: {{"app": "{app}"}})"#);
    format!(
        r#"ReplicaSet(metadata: (name: "set"), spec: (replicas: {sets}, {}, {})),
        ReplicationController(metadata: (name: "rc"), spec: (replicas: {controllers}, {})),
        Deployment(metadata: (name: "web"), spec: (replicas: {controllers}, {}, {})),
        StatefulSet(metadata: (name: "db"), spec: (
            replicas: {ordered}, serviceName: "db", podManagementPolicy: "{policy}", {}, {},
        )),
        DaemonSet(metadata: (name: "agent"), spec: ({}, {})),
        Job(metadata: (name: "job"), spec: (completions: {tasks}, parallelism: 2, backoffLimit: 100, {})),"#,
        selector("set"),
        template("set", ""),
        template("rc", ""),
        selector("web"),
        template("web", ""),
        selector("db"),
        template("db", ""),
        selector("agent"),
        template("agent", ""),
        template("job", r#"restartPolicy: "Never", "#),
    )
}

fn step((_, kind, whom, amount): (u64, u8, u32, u32)) -> String {
    let node = whom % NODES + 1;
    let set = ["replicaset/set", "rc/rc", "statefulset/db", "deployment/web"][whom as usize];
    let pods = ["set", "rc", "db", "agent"][whom as usize];
    match kind {
        0..=2 => format!(r#"Scale("{set}", {amount})"#),
        3 => format!(r#"SetImage("{set}", "{pods}:{amount}")"#),
        4 => format!(r#"SetImage("daemonset/agent", "agent:{amount}")"#),
        5 => format!(r#"Delete("pod/{pods}-*")"#),
        6 => format!(r#"DrainWith(node: "node-{node}", options: (ignore_daemonsets: true, force: true))"#),
        7 => format!(r#"Uncordon("node-{node}")"#),
        8 => format!(r#"FailNode("node-{node}")"#),
        9 => format!(r#"CutOffNode("node-{node}")"#),
        10 => format!(r#"RestoreNode("node-{node}")"#),
        11 => format!(r#"Taint("node-{node}", "drawn={amount}:NoExecute")"#),
        12 => format!(r#"Untaint("node-{node}", "drawn")"#),
        // A pod that a StatefulSet has released keeps its name, and so keeps the set from ever making that pod again.
        _ if pods == "db" => r#"Label("pod/set-*", "app", "nobody")"#.into(),
        _ => format!(r#"Label("pod/{pods}-*", "app", "nobody")"#),
    }
}

/// Every set has as many active pods as it wants, and says so.
fn rests(sim: &Simulation) -> Result<(), TestCaseError> {
    for row in living(sim, Kind::ReplicaSet).chain(living(sim, Kind::ReplicationController)) {
        let (set, status) = (sim.state::<ReplicaSet>(row.object), sim.state::<ReplicaSetStatus>(row.object));
        let pods = active(sim, row.object).count() as i32;
        prop_assert_eq!((Some(pods), Some(pods)), (set.map(|set| set.replicas), status.map(|status| status.replicas)), "{:?}", row.key);
    }
    for row in living(sim, Kind::StatefulSet) {
        let pods: Vec<ObjRef> = active(sim, row.object).collect();
        let wanted = sim.state::<StatefulSet>(row.object).map(|set| set.replicas);
        let all_ready = pods.iter().all(|&pod| is_ready(sim, pod));
        prop_assert!(!all_ready || Some(pods.len() as i32) == wanted, "{} of {wanted:?}", pods.len());
    }
    for row in living(sim, Kind::DaemonSet) {
        let status = sim.state::<DaemonSetStatus>(row.object).expect("it has one");
        prop_assert_eq!(active(sim, row.object).count() as i32, status.desired, "one on each node that is meant");
        prop_assert_eq!((status.current, status.misscheduled), (status.desired, 0));
    }
    for row in living(sim, Kind::Job) {
        let (job, status) = (sim.state::<Job>(row.object).expect("it is one"), sim.state::<JobStatus>(row.object).expect("it has one"));
        let left = active(sim, row.object).count() as i32;
        prop_assert_eq!(left, status.active, "a job says how many pods it has");
        prop_assert!(left <= job.parallelism, "{left} pods");
    }
    Ok(())
}
