//! Drawn worlds: whatever happens in them, the invariants hold after every instant, the scheduler's fast decisions are the plain ones,
//! every run can be repeated, and a run saved anywhere goes on as if it had not been.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use wavetank_engine::record::checkpoint;
use wavetank_engine::record::digest::digest;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::model::Scene;
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::source::MemoryFiles;
use wavetank_engine::time::SimTime;
use wavetank_systems::install_all;

const NODES: u32 = 3;
const MINUTES: u64 = 12;

/// A workload: its kind, replicas, CPU request in tenths of a core, whether it has probes, whether its containers end by themselves, grace.
type Workload = (u8, u8, u8, bool, bool, u8);

/// The kinds that are drawn.
const KINDS: [&str; 6] = ["Deployment", "Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicationController"];

fn kind_of(workload: &Workload) -> &'static str {
    KINDS[workload.0 as usize % KINDS.len()]
}

fn objects(workloads: &[Workload]) -> (String, String) {
    let (mut objects, mut programs) = (String::new(), String::new());
    for (number, workload) in workloads.iter().enumerate() {
        let (_, replicas, tenths, probed, ends, grace_s) = workload;
        let kind = kind_of(workload);
        let probes = if *probed {
            "readinessProbe: (httpGet: (port: 80), periodSeconds: 3), livenessProbe: (httpGet: (port: 80), failureThreshold: 1),"
        } else {
            ""
        };
        let selector = format!(r#"selector: (matchLabels: {{"app": "{number}"}}),"#);
        let (fields, policy) = match kind {
            "Deployment" => (format!("replicas: {replicas}, {selector}"), "Always"),
            "StatefulSet" => (format!(r#"replicas: {replicas}, serviceName: "app-{number}", {selector}"#), "Always"),
            "DaemonSet" => (selector, "Always"),
            "Job" => (format!("completions: {replicas}, parallelism: 2, backoffLimit: 3,"), "Never"),
            _ => (format!("replicas: {replicas},"), "Always"),
        };
        objects.push_str(&format!(
            r#"{kind}(metadata: (name: "app-{number}"), spec: (
                {fields}
                template: (metadata: (labels: {{"app": "{number}"}}), spec: (terminationGracePeriodSeconds: {grace_s}, restartPolicy: "{policy}", containers: [(
                    name: "c", image: "app-{number}:1", {probes} resources: (requests: {{"cpu": "{tenths}00m"}}, limits: {{"cpu": "{tenths}00m"}}),
                )])),
            )),
            Service(metadata: (name: "app-{number}"), spec: (selector: {{"app": "{number}"}}, ports: [(port: 80)])),"#
        ));
        // Each calls the next; some let requests wait.
        let calls = if number + 1 < workloads.len() { format!(r#"calls: {{"service/app-{}": 1.5}},"#, number + 1) } else { String::new() };
        let ends = if *ends { r#"runs_for: "40s", exit_code: 1,"# } else { "" };
        let queue = u64::from(*grace_s) * 50;
        programs.push_str(&format!(r#""app-{number}:*": ({ends} {calls} cpu_us_per_request: 7000, queue: {queue}),"#));
    }
    (objects, programs)
}

/// A script step, from a number of its kind, of what it is done to, and how much.
fn step(kind: u8, whom: u8, amount: u8, workloads: &[Workload]) -> String {
    let app = whom as usize % workloads.len();
    let of = kind_of(&workloads[app]);
    let target = format!("{}/app-{app}", of.to_ascii_lowercase());
    let node = u32::from(whom) % NODES + 1;
    match kind % 18 {
        0 | 1 if !matches!(of, "DaemonSet" | "Job") => format!(r#"Scale("{target}", {})"#, amount % 8),
        2 | 3 if of != "Job" => format!(r#"SetImage("{target}", "app-{app}:{amount}")"#),
        4 => format!(r#"Cordon("node-{node}")"#),
        5 => format!(r#"Uncordon("node-{node}")"#),
        6 => format!(r#"FailNode("node-{node}")"#),
        7 => format!(r#"RestoreNode("node-{node}")"#),
        8 => format!(r#"Taint("node-{node}", "drawn={amount}:NoExecute")"#),
        9 => format!(r#"CutOffNode("node-{node}")"#),
        10 => format!(r#"DrainWith(node: "node-{node}", options: (ignore_daemonsets: true))"#),
        11 => format!(r#"Untaint("node-{node}", "drawn")"#),
        14 | 15 => format!(r#"Resize("pod/app-{app}-*", {{"c": (requests: {{"cpu": "{}m"}})}})"#, u32::from(amount) * 9 + 1),
        16 => format!(
            r#"AddManifest("node-{node}", Pod(metadata: (name: "own"), spec: (containers: [(
                name: "c", image: "own:{amount}", resources: (requests: {{"cpu": "{}m"}}),
            )])))"#,
            u32::from(amount) * 9
        ),
        17 => format!(r#"RemoveManifest("node-{node}", "own")"#),
        12 if amount.is_multiple_of(4) => format!(r#"Delete("{target}")"#),
        _ => format!(r#"Delete("pod/app-{app}-*")"#),
    }
}

fn scene(seed: u64, latency: &str, workloads: &[Workload], steps: &[(u16, u8, u8, u8)]) -> Scene {
    let (objects, programs) = objects(workloads);
    let mut times: Vec<(u64, String)> =
        steps.iter().map(|&(at, kind, whom, amount)| (u64::from(at) % (MINUTES * 60), step(kind, whom, amount, workloads))).collect();
    times.sort_by_key(|pair| pair.0);
    let script: String = times.iter().map(|(at, step)| format!(r#"At("{at}s", {step}),"#)).collect();
    let (ttl, policy) = (seed % 100, if seed.is_multiple_of(2) { "Local" } else { "Cluster" });
    let text = format!(
        r#"Scene(seed: {seed}, duration: "{MINUTES}m", latency: {latency},
            nodes: [Pool(name: "node", count: {NODES}, zones: ["a", "b"], allocatable: {{"cpu": "2", "memory": "4Gi"}})],
            network: (dns_ttl: "{ttl}s"),
            objects: [{objects} Service(metadata: (name: "entry"), spec: (
                type: "NodePort", externalTrafficPolicy: "{policy}", selector: {{"app": "0"}}, ports: [(port: 80)],
            )), Service(metadata: (name: "peers"), spec: (clusterIP: "None", selector: {{"app": "0"}}, ports: [(port: 80)]))],
            programs: {{{programs}}}, script: [{script}],
            traffic: [Traffic(to: "service/app-0", rate: Sine(mean: 120, amplitude: 110, period: "3m")), Traffic(to: "service/entry", rate: Constant(33)), Traffic(from: "pod/app-0-*", to: "service/peers", rate: Constant(20))])"#
    );
    let files = MemoryFiles::default().with("drawn.ron", text.clone());
    let loaded = load(&files, &["drawn.ron".to_string()], &Overrides::default());
    loaded.scene.unwrap_or_else(|| panic!("{:?}\n{text}", loaded.problems.errors(&loaded.sources)))
}

/// Every run of the tests draws the same worlds. `PROPTEST_RNG_SEED` and `PROPTEST_CASES` draw others, and more.
fn drawn() -> ProptestConfig {
    let given = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { 24 };
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        seed => seed,
    };
    ProptestConfig { cases, rng_seed, max_shrink_iters: 60, failure_persistence: None, ..given }
}

proptest! {
    #![proptest_config(drawn())]
    #[test]
    fn hold_together_and_can_be_repeated_and_resumed(
        seed in any::<u64>(),
        latency in prop::sample::select(vec!["Ideal", "Typical"]),
        workloads in prop::collection::vec((0u8..6, 0u8..7, 1u8..9, any::<bool>(), any::<bool>(), 0u8..40), 1..4),
        steps in prop::collection::vec((any::<u16>(), any::<u8>(), any::<u8>(), any::<u8>()), 0..8),
        saved_at in 0u64..MINUTES * 60,
    ) {
        holds_together(seed, latency, &workloads, &steps, saved_at)?;
    }
}

fn holds_together(
    seed: u64,
    latency: &str,
    workloads: &[Workload],
    steps: &[(u16, u8, u8, u8)],
    saved_at_s: u64,
) -> Result<(), TestCaseError> {
    let options = RunOptions { check: true, ..RunOptions::default() };
    let drawn = || scene(seed, latency, workloads, steps);
    let begin = || Run::new(drawn(), &options, install_all).expect("the API server takes drawn objects");
    let mut run = begin();
    let end = run.end();
    let outcome = run.run_until(end, &mut |_| {});
    prop_assert!(outcome.is_ok(), "{outcome:?}");
    let whole = digest(&run.sim);
    let mut again = begin();
    prop_assert!(again.run_until(SimTime::from_secs(saved_at_s), &mut |_| {}).is_ok(), "it ran before");
    let saved = checkpoint::save(&again).expect("a run can be saved at any moment");
    prop_assert!(again.run_until(end, &mut |_| {}).is_ok(), "it ran before");
    prop_assert_eq!(digest(&again.sim), whole, "a second run");
    let mut resumed = checkpoint::resume(drawn(), &options, install_all, &saved).expect("what was saved can be resumed");
    prop_assert!(resumed.run_until(end, &mut |_| {}).is_ok(), "it ran before");
    prop_assert_eq!(digest(&resumed.sim), whole, "resumed at {} s", saved_at_s);
    Ok(())
}

/// A pod's end is asked for while its worker starts a container that is up before the worker turns to the end.
#[test]
fn a_pod_deleted_in_the_middle_of_a_start_comes_to_its_end() {
    let steps = [(34637, 7, 145, 53), (64774, 1, 113, 63), (25041, 1, 122, 5), (64547, 2, 69, 162), (27860, 9, 185, 48)];
    holds_together(13527999132628968625, "Typical", &[(0, 6, 1, false, true, 15)], &steps, 53).expect("a world like any other");
}
