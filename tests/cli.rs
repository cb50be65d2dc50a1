//! The command line as a person uses it: what it prints, where, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{Ended, folder};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs `wavetank` with words between spaces, in the folder of the repository.
fn wavetank(words: &str) -> Ended {
    common::wavetank(Path::new(env!("CARGO_MANIFEST_DIR")), &words.split(' ').collect::<Vec<_>>(), "")
}

const SHOP: &str = r#"Scene(
    duration: "1m",
    nodes: [Pool(name: "n", count: 1, allocatable: {"cpu": "1", "memory": "1Gi"})],
    objects: [Pod(metadata: (name: "web"), spec: (containers: [(name: "c", image: "web:1")]))],
    expect: [At("30s", Phase("pod/web", EXPECTED))],
)"#;

#[test]
fn the_exit_code_says_how_it_went() {
    let folder = folder("exit_codes");
    let scene = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        format!("run {}", path.display())
    };
    let well = wavetank(&scene("well.ron", &SHOP.replace("EXPECTED", "Running")));
    assert_eq!((well.code, well.err.as_str()), (0, ""), "{}", well.out);
    let missed = wavetank(&scene("missed.ron", &SHOP.replace("EXPECTED", "Failed")));
    assert_eq!(missed.code, 1, "{}", missed.err);
    assert!(missed.out.contains("missed") && missed.out.contains("pod/web"), "{}", missed.out);
    let bad = wavetank(&scene("bad.ron", &SHOP.replace("EXPECTED", "Running").replace("containers", "containrs")));
    assert_eq!((bad.code, bad.out.as_str()), (2, ""));
    assert!(bad.err.contains("containrs") && bad.err.contains("did you mean"), "{}", bad.err);
    assert_eq!(wavetank("run nowhere.ron").code, 2);
    assert_eq!(wavetank("run scenes/hello.ron --journal - --summary json").code, 2);
    assert_eq!(wavetank("swim").code, 2);
}

#[test]
fn the_json_summary_is_one_line_with_every_field() {
    let ended = wavetank("run scenes/hello.ron --summary json");
    assert_eq!((ended.code, ended.out.matches('\n').count()), (0, 1), "{}", ended.err);
    let summary: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(summary["schema"], "wavetank.summary/1");
    let fields = "schema scene seed virtual_s digest nodes pods unschedulable waited evictions restarts bindings log_entries events agenda_fired \
                  expectations not_simulated read_cpu_s cpu_s wall_s peak_rss_bytes";
    let missing: Vec<&str> = fields.split_whitespace().filter(|field| summary.get(field).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let pods = ["total", "pending", "running", "ready", "succeeded", "failed", "created", "deleted"];
    assert!(pods.iter().all(|field| summary["pods"][field].is_u64()), "{}", summary["pods"]);
    let digest = summary["digest"].as_str().unwrap();
    assert!(digest.len() == 16 && digest.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{digest}");
    for flags in ["--quiet", "--check", "--journal /dev/null", "--dispatch schedule", "--every-tick"] {
        let other: Value = serde_json::from_str(&wavetank(&format!("run scenes/hello.ron --summary json {flags}")).out).unwrap();
        assert_eq!(other["digest"], digest, "{flags}");
    }
}

#[test]
fn load_balancers_hear_of_nodes() {
    let events = wavetank("get events -o json --at 4m --scene scenes/network/load_balancer_nodes.ron");
    let list: Value = serde_json::from_str(&events.out).unwrap();
    let told: Vec<(&str, u64)> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["source"]["component"] == "service-controller")
        .map(|event| (event["reason"].as_str().unwrap(), event["count"].as_u64().unwrap_or(1)))
        .collect();
    let want = [
        ("EnsuringLoadBalancer", 1),
        ("EnsuredLoadBalancer", 1),
        // When n2 came, when the cloud answered again, when n1 was let in again.
        ("UpdatedLoadBalancer", 3),
        ("UpdateLoadBalancerFailed", 2),
        ("UnAvailableLoadBalancer", 1),
    ];
    assert_eq!(told, want);
}

#[test]
fn logs_are_those_of_the_moment_and_of_the_run_before() {
    let at = "--scene scenes/pods/logs.ron --at 40s";
    let logs = wavetank(&format!("logs web {at}"));
    assert_eq!((logs.code, logs.out.as_str()), (0, "starting\nlistening on :80\nserved 100 requests\n"), "{}", logs.err);
    assert!(logs.err.contains("Defaulted container \"c\" out of: c, proxy"), "{}", logs.err);
    let previous = wavetank(&format!("logs pod/web -c c --previous --timestamps --tail 1 {at}"));
    assert_eq!(previous.out, "2026-01-01T00:00:25Z panic: out of luck\n");
    let none = wavetank(&format!("logs web -c proxy --previous {at}"));
    assert_eq!(none.code, 1);
    assert!(none.err.contains("previous terminated container \"proxy\" in pod \"web\" not found"), "{}", none.err);
    assert_eq!(wavetank(&format!("logs nobody {at}")).code, 1);
}

/// The lines of a trace, as seam, call and detail behind their times.
fn seams(words: &str) -> Vec<String> {
    let ended = wavetank(words);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    ended.out.lines().map(line).filter(|line| line.contains(" pod/")).collect()
}

#[test]
fn a_trace_shows_a_pod_at_the_seams_of_its_kubelet() {
    let lines = seams("run scenes/pods/deletion_with_pre_stop.ron --trace kubelet:web");
    let calls: Vec<String> = lines.iter().map(|line| line.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" ")).collect();
    let way = "kubelet HandlePodAdditions, kubelet SyncPod, cri RunPodSandbox, cni ADD, pleg ContainerStarted, cri PullImage, cri CreateContainer, \
               cri StartContainer, pleg ContainerStarted, status patch, kubelet SyncTerminatingPod, cri ExecSync, cri StopContainer, \
               pleg ContainerDied, cri StopPodSandbox, cni DEL, pleg ContainerDied, kubelet SyncTerminatedPod, status patch, \
               cri RemoveContainer, cri RemovePodSandbox";
    assert_eq!(calls.join(", "), way);
    let of = |part: &str| lines.iter().find(|line| line.contains(part)).map_or("", |line| line.as_str());
    assert_eq!(of("ExecSync"), "00:10.000 pod/web cri ExecSync web: preStop [drain]");
    assert_eq!(of("StopContainer"), "00:15.000 pod/web cri StopContainer web: grace 12s");
    let probes = seams("run scenes/probes/liveness_restarts.ron --trace kubelet");
    assert!(probes.iter().any(|line| line.starts_with("00:25.000 pod/web prober liveness web: HTTP probe failed")), "{probes:?}");
    assert_eq!(probes, seams("run scenes/probes/liveness_restarts.ron --trace kubelet:default/w* --every-tick"), "every tick, the same");
    assert_eq!(probes, seams("run scenes/probes/liveness_restarts.ron --trace kubelet:pod/web --dispatch schedule"));
}

#[test]
fn a_trace_changes_nothing_and_says_whom_it_did_not_find() {
    let digest = |out: &str| out.lines().find(|line| line.starts_with("digest")).map(str::to_string);
    let (with, without) = (wavetank("run scenes/nodes/failure.ron --trace kubelet"), wavetank("run scenes/nodes/failure.ron"));
    assert!(digest(&with.out).is_some() && digest(&with.out) == digest(&without.out));
    let nobody = wavetank("run scenes/probes/liveness_restarts.ron --trace kubelet:shop/web --quiet");
    assert_eq!((nobody.code, nobody.out.as_str()), (0, ""));
    assert!(nobody.err.contains("--trace kubelet:shop/web: no pod of that name"), "{}", nobody.err);
    for wrong in ["--trace scheduler", "--trace kubelet:a/b/c", "--trace kubelet --journal -", "--trace kubelet --summary json"] {
        assert_eq!(wavetank(&format!("run scenes/probes/liveness_restarts.ron {wrong}")).code, 2, "{wrong}");
    }
}

#[test]
fn watching_needs_a_terminal_and_a_program_built_for_it() {
    let ended = wavetank("run scenes/hello.ron --watch");
    let missing = if cfg!(feature = "watch") { "--watch needs a terminal" } else { "cargo build --release --features watch" };
    assert!(ended.code == 2 && ended.out.is_empty() && ended.err.contains(missing), "{}", ended.err);
    for (words, want) in [
        ("--watch --journal -", "--journal can't go there too"),
        ("--watch --trace kubelet", "--trace can't go there too"),
        ("--watch --speed 0", "from 0.01 to 1000000"),
        ("--watch --speed NaN", "from 0.01 to 1000000"),
        ("--speed 2", "--watch"),
    ] {
        let ended = wavetank(&format!("run scenes/hello.ron {words}"));
        assert!(ended.code == 2 && ended.err.contains(want), "{words}: {}", ended.err);
    }
}

#[test]
fn describe_says_what_a_pod_in_terminating_waits_for() {
    let waits = |pod: &str, scene: &str| wavetank(&format!("describe pod {pod} --scene scenes/pods/{scene}.ron --at 1m")).out;
    for (pod, scene, why) in [
        ("patient", "long_terminating", "container c still runs: the grace is not over, it ends at 01:10.000"),
        ("unheard", "long_terminating", "the kubelet of node n-2 is cut off from the API server since 00:08.000"),
        ("held", "long_terminating", "finalizer example.com/hold"),
        ("writer", "volume_stays_mounted", "volume nfs is still mounted and cannot be unmounted; it is tried again at 01:23.500"),
    ] {
        let out = waits(pod, scene);
        assert!(out.lines().any(|line| line.starts_with("Waits For:") && line.ends_with(why)), "{pod}: {out}");
    }
    assert!(!waits("shop", "missing_configuration").contains("Waits For"), "a pod that nobody deletes");
}

#[test]
fn the_first_scene_of_the_readme_tells_its_story_on_one_screen() {
    let ended = wavetank("run scenes/hello.ron");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.lines().count() <= 60, "{} lines", ended.out.lines().count());
    for part in ["shop:1 -> shop:2", "FailNode", "NodeStatusUnknown", "taint-eviction-controller", "because", "5 of 5 met"] {
        assert!(ended.out.contains(part), "{part} is missing:\n{}", ended.out);
    }
}

#[test]
fn get_and_describe_look_as_kubectl_does() {
    let at = "--scene scenes/hello.ron --at 15s";
    let pods = wavetank(&format!("get po {at}"));
    let heads: Vec<&str> = pods.out.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(pods.out.lines().filter(|line| line.contains("1/1     Running   0")).count(), 3, "{}", pods.out);
    let both = wavetank(&format!("get deploy,svc {at}"));
    assert!(both.out.contains("deployment.apps/shop   3/3"), "{}", both.out);
    assert!(both.out.contains("\n\nNAME") && both.out.contains("service/shop"), "{}", both.out);
    let list: Value = serde_json::from_str(&wavetank(&format!("get deploy,svc -o json {at}")).out).unwrap();
    assert_eq!((list["kind"].as_str(), list["items"].as_array().map(Vec::len)), (Some("List"), Some(2)));
    let one = wavetank(&format!("get deploy shop -o yaml {at}"));
    assert!(one.out.starts_with("apiVersion: apps/v1\nkind: Deployment\n"), "{}", one.out);
    let described = wavetank(&format!("describe deploy/shop {at}"));
    assert!(described.out.contains("StrategyType:           RollingUpdate"), "{}", described.out);
    let missing = wavetank(&format!("get pod nobody {at}"));
    assert_eq!((missing.code, missing.err.trim()), (1, "Error from server (NotFound): pods \"nobody\" not found"));
    let unknown = wavetank(&format!("get pots {at}"));
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("did you mean"), "{}", unknown.err);
}

#[test]
fn rollouts_are_shown_in_the_words_of_kubectl() {
    let at = |moment: &str| format!("--scene scenes/workloads/rolled_back.ron --at {moment}");
    for (what, code, out, err) in [
        (format!("rollout status deploy/web {}", at("20s")), 0, "deployment \"web\" successfully rolled out\n", ""),
        (
            format!("rollout status deploy web {}", at("40s")),
            0,
            "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...\n",
            "",
        ),
        (format!("rollout status deploy/web {}", at("90s")), 1, "", "error: deployment \"web\" exceeded its progress deadline\n"),
        (
            format!("rollout history deploy/web {}", at("150s")),
            0,
            "deployment.apps/web \nREVISION  CHANGE-CAUSE\n2         <none>\n3         <none>\n\n",
            "",
        ),
        (format!("rollout status deploy/nobody {}", at("20s")), 1, "", "Error from server (NotFound): deployments \"nobody\" not found\n"),
    ] {
        let ended = wavetank(&what);
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (code, out, err), "{what}");
    }
}

#[test]
fn nodes_of_equal_score_are_chosen_as_the_user_wants() {
    let node = |options: &str| {
        let ended = wavetank(format!("get pod web -o wide --scene scenes/scheduling/ties_by_name.ron --at 5s {options}").trim());
        let row = ended.out.lines().nth(1).unwrap_or_else(|| panic!("{}{}", ended.out, ended.err)).to_string();
        ["alpha", "zulu"].into_iter().find(|name| row.contains(name)).unwrap()
    };
    assert_eq!((node(""), node("--ties heap"), node("--ties lowest-name")), ("alpha", "zulu", "alpha"));
    let drawn: std::collections::BTreeSet<&str> = (1..=8).map(|seed| node(&format!("--ties random --seed {seed}"))).collect();
    assert_eq!(drawn.len(), 2, "eight seeds reach both nodes");
    assert_eq!(node("--ties random --seed 3"), node("--ties random --seed 3"));
}

#[test]
fn a_scheduler_configuration_of_the_command_line_takes_the_place_of_the_scenes() {
    let nodes = |options: &str| {
        let ended = wavetank(format!("get pods -o wide --scene scenes/scheduling/bin_packing.ron --at 5s {options}").trim());
        let node = |row: &str| row.split_whitespace().find(|word| word.starts_with("node-")).map(str::to_string);
        let found: Vec<String> = ended.out.lines().skip(1).filter_map(node).collect();
        assert_eq!(found.len(), 4, "{}{}", ended.out, ended.err);
        found.join(" ")
    };
    let folder = folder("scheduler");
    let (spread, bad) = (folder.join("spread.yaml"), folder.join("bad.yaml"));
    let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
    std::fs::write(&spread, head).unwrap();
    std::fs::write(&bad, format!("{head}percentageOfNodesToScore: 500\n")).unwrap();
    let (spread, bad) = (spread.display(), bad.display());
    assert_eq!(nodes(""), "node-1 node-1 node-1 node-2");
    assert_eq!(nodes(&format!("--scheduler-config {spread}")), "node-1 node-2 node-3 node-1");
    for command in ["run scenes/hello.ron", "bench SchedulingBasic --nodes 10 --pods 5", "get pods --scene scenes/hello.ron"] {
        let ended = wavetank(&format!("{command} --scheduler-config {bad}"));
        assert_eq!(ended.code, 2, "{command}");
        let what = "percentageOfNodesToScore: Invalid value: 500: not in valid range [0-100]";
        assert!(ended.err.contains(what) && ended.err.contains("bad.yaml:3:"), "{command}: {}", ended.err);
    }
    // A saved run keeps its configuration, even when the file has gone.
    let (file, gone) = (folder.join("half.run"), folder.join("gone.yaml"));
    std::fs::copy("scenes/scheduling/bin_packing.yaml", &gone).unwrap();
    let scene = format!("run scenes/scheduling/node_joins.ron --scheduler-config {} --summary json", gone.display());
    let whole: Value = serde_json::from_str(&wavetank(&scene).out).unwrap();
    assert_eq!(wavetank(&format!("{scene} --save {} --at 1s", file.display())).code, 0);
    std::fs::remove_file(&gone).unwrap();
    let resumed: Value = serde_json::from_str(&wavetank(&format!("run --resume {} --summary json", file.display())).out).unwrap();
    assert_eq!(resumed["digest"], whole["digest"]);
    let benched = wavetank(&format!("bench SchedulingBasic --nodes 10 --pods 5 --json - --scheduler-config {spread}"));
    assert!(benched.out.contains("\"profile\":\"default-scheduler\""), "{}{}", benched.out, benched.err);
}

#[test]
fn bench_measures_and_changes_nothing() {
    let ended = wavetank("bench SchedulingBasic --nodes 40 --pods 30 --json -");
    assert_eq!((ended.code, ended.out.matches('\n').count(), ended.err.as_str()), (0, 1, ""));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let fields = "schema name nodes pods profile tie percentage_of_nodes_to_score decisions bound measured_cpu_s measured_wall_s pods_per_s \
                  p50_ns p99_ns peak_rss_bytes work digest";
    let found: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, fields.split_whitespace().collect::<Vec<_>>());
    assert_eq!((report["schema"].as_str(), report["name"].as_str()), (Some("wavetank.bench/1"), Some("SchedulingBasic")));
    let counts = ["nodes", "pods", "decisions", "bound"].map(|field| report[field].as_u64().unwrap());
    assert_eq!(counts, [40, 30, 30, 30]);
    assert_eq!((report["tie"].as_str(), report["percentage_of_nodes_to_score"].as_u64()), (Some("heap"), Some(0)));
    let (wall, speed) = (report["measured_wall_s"].as_f64().unwrap(), report["pods_per_s"].as_f64().unwrap());
    assert!(wall > 0.0 && (speed * wall - 30.0).abs() < 0.01, "{wall} {speed}");
    assert!(report["p50_ns"].as_u64() > Some(0) && report["p99_ns"].as_u64() >= report["p50_ns"].as_u64());
    assert_eq!(report["work"]["rescored"].as_u64(), Some(30));
    let run = wavetank("run scenes/bench/SchedulingBasic.ron --set nodes=40 --set pods=30 --set init=8 --summary json");
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(summary["digest"], report["digest"], "measuring changes nothing");
    let shown = wavetank("bench SchedulingDaemonset --nodes 5 --pods 10 --ties lowest-name --percentage 100");
    assert!(shown.out.contains("6 nodes, 10 of 10 pods bound") && shown.out.contains("pods/s"), "{}", shown.out);
    let unknown = wavetank("bench SchedulngBasic");
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert!(unknown.err.contains("did you mean \"SchedulingBasic\"?"), "{}", unknown.err);
    let undeclared = wavetank("bench SchedulingBasic --set node=3");
    assert_eq!(undeclared.code, 2);
    assert!(
        undeclared.err.contains("declares no parameter \"node\"") && undeclared.err.contains("did you mean \"nodes\"?"),
        "{}",
        undeclared.err
    );
    assert_eq!(wavetank("bench SchedulingBasic --percentage 101").code, 2);
}

#[test]
fn check_shows_every_mistake_with_its_place() {
    let path = folder("check").join("bad.ron");
    let text = SHOP.replace("EXPECTED", "Runing").replace("duration: \"1m\"", "duration: \"1 fortnight\"").replace("image:", "imag:");
    std::fs::write(&path, text).unwrap();
    let ended = wavetank(&format!("check {}", path.display()));
    assert_eq!(ended.code, 2);
    for part in ["fortnight", "imag", "Runing", "^", "bad.ron:2"] {
        assert!(ended.err.contains(part), "{part} is missing:\n{}", ended.err);
    }
    assert_eq!(wavetank("check scenes/hello.ron").code, 0);
}

#[test]
fn a_changed_scene_fails_its_golden_and_junit_says_so() {
    let folder = folder("golden");
    let (scenes, report) = (folder.join("scenes"), folder.join("report.xml"));
    std::fs::create_dir_all(&scenes).unwrap();
    std::fs::write(scenes.join("web.ron"), SHOP.replace("EXPECTED", "Running")).unwrap();
    let run = |flags: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
        command.arg("test").args(flags.split_whitespace()).current_dir(&folder).output().unwrap()
    };
    assert_ne!(run("").status.code(), Some(0), "a scene without a golden has not passed");
    assert_eq!(run("--bless").status.code(), Some(0));
    assert_eq!(run("").status.code(), Some(0));
    std::fs::write(scenes.join("web.ron"), SHOP.replace("EXPECTED", "Running").replace("web:1", "web:2")).unwrap();
    let failed = run(&format!("--junit {}", report.display()));
    let said = String::from_utf8([failed.stdout, failed.stderr].concat()).unwrap();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("web:1") && said.contains("web:2"), "the first difference is shown:\n{said}");
    let junit = std::fs::read_to_string(report).unwrap();
    assert!(junit.contains("<failure") && junit.contains("failures=\"1\""), "{junit}");
}

#[test]
fn saved_runs_go_on_and_damaged_ones_are_refused() {
    let file = folder("resume").join("half.run");
    let whole: Value = serde_json::from_str(&wavetank("run scenes/hello.ron --summary json").out).unwrap();
    let saved = wavetank(&format!("run scenes/hello.ron --summary json --save {} --at 100s", file.display()));
    assert_eq!(saved.code, 0, "{}", saved.err);
    let resumed: Value = serde_json::from_str(&wavetank(&format!("run --resume {} --summary json", file.display())).out).unwrap();
    assert_eq!(resumed["digest"], whole["digest"]);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let damaged = wavetank(&format!("run --resume {}", file.display()));
    assert_eq!(damaged.code, 2);
    assert!(damaged.err.contains("cut or damaged"), "{}", damaged.err);
}

#[test]
fn completions_and_the_schedule_are_printed() {
    assert!(wavetank("completions bash").out.contains("_wavetank"));
    let schedule = wavetank("schedule").out;
    for part in ["Decide   scheduler", "sees    Meta, Node", "woken   Pod"] {
        assert!(schedule.contains(part), "{part} is missing:\n{schedule}");
    }
}

#[test]
fn policies_are_chosen_by_name() {
    let unknown = wavetank("run scenes/hello.ron --policy Fgd");
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    assert!(
        unknown.err.contains("there is no policy \"Fgd\"; did you mean \"FGD\"? known are BestFit, ") && unknown.err.contains("FGD"),
        "{}",
        unknown.err
    );
    let needs = wavetank("run scenes/hello.ron --policy CheckServiceAffinity");
    assert!(needs.code == 2 && needs.err.contains("args: labels is missing"), "{}", needs.err);
    assert_eq!(wavetank("run scenes/hello.ron --policy FGD --policy FGD").code, 2);
    let folder = folder("policies");
    let path = folder.join("scene.ron");
    for (policies, what) in [
        (r#"["BestFit", "Nothing"]"#, "there is no policy \"Nothing\""),
        (r#"[Policy(name: "CheckNodeLabelPresence", args: {"label": "x"})]"#, "it takes labels, presence"),
        (r#"[("FGD", -1)]"#, "the weight is a whole number"),
        (r#"["FGD", "FGD"]"#, "FGD is there twice"),
        (r#"[7]"#, "this is no policy"),
    ] {
        let text = SHOP.replace("EXPECTED", "Running").replace("duration", &format!("policies: {policies},\n    duration"));
        std::fs::write(&path, text).unwrap();
        let ended = wavetank(&format!("check {}", path.display()));
        assert!(ended.code == 2 && ended.err.contains(what) && ended.err.contains("scene.ron:2:"), "{policies}: {}", ended.err);
    }
    for words in ["--policy FGD", "--policy FGD=3 --policy Default", "--policy BestFit", "--policy GpuShare"] {
        let ended = wavetank(&format!("run scenes/hello.ron --summary json {words}"));
        let summary: Value = serde_json::from_str(&ended.out).unwrap();
        // Other places may miss what the scene expects of its nodes.
        assert!(ended.code < 2 && summary["unschedulable"].as_array().is_some_and(Vec::is_empty), "{words}: {}", ended.err);
    }
}

#[test]
fn a_saved_run_keeps_its_policies_and_what_pods_were_allotted() {
    let folder = folder("saved_policies");
    let saved = folder.join("half.wtk");
    let digest = |text: &str| serde_json::from_str::<Value>(text).unwrap()["digest"].clone();
    let words = "run scenes/scheduling/gpu_shares.ron --policy GpuPacking --summary json";
    let whole = wavetank(&format!("{words} --save {} --at 40s", saved.display()));
    let resumed = wavetank(&format!("run --resume {} --summary json", saved.display()));
    assert_eq!((whole.code, resumed.code), (0, 0), "{} {}", whole.err, resumed.err);
    assert_eq!(digest(&resumed.out), digest(&whole.out));
}

#[test]
fn an_explanation_names_the_policy_that_refuses() {
    let scene = folder("refusing_policy").join("scene.ron");
    let policy = r#"Policy(name: "CheckNodeLabelPresence", args: {"labels": ["ssd"], "presence": true})"#;
    let pod = r#"Pod(metadata: (name: "p"), spec: (containers: [(name: "c", image: "c:1")]))"#;
    let node = r#"Pool(name: "n", count: 1, allocatable: {"cpu": "4", "memory": "8Gi"})"#;
    std::fs::write(&scene, format!(r#"Scene(duration: "1m", policies: [{policy}], nodes: [{node}], objects: [{pod}])"#)).unwrap();
    let told = wavetank(&format!("explain pod/p --scene {}", scene.display()));
    assert!(told.out.contains("n: CheckNodeLabelPresence: node(s) didn't have the requested labels\n"), "{}{}", told.out, told.err);
}

#[test]
fn a_saved_run_keeps_what_policies_learnt() {
    let folder = folder("saved_learning");
    let (scene, saved) = (folder.join("scene.ron"), folder.join("half.wtk"));
    let pod = |name: &str, share: u32, node: &str| {
        let amounts = format!(r#"{{"cpu": "1", "alibabacloud.com/gpu-milli": "{share}"}}"#);
        let annotations = format!(r#"{{"alibabacloud.com/gpu-count": "1", "alibabacloud.com/gpu-milli": "{share}"}}"#);
        format!(
            r#"Pod(metadata: (name: "{name}", annotations: {annotations}), spec: ({node}containers: [(name: "c", image: "g:1", resources: (requests: {amounts}, limits: {amounts}))]))"#
        )
    };
    let pool = |name: &str| {
        let gpus = r#""alibabacloud.com/gpu-count": "1", "alibabacloud.com/gpu-milli": "1000""#;
        format!(r#"Pool(name: "{name}", count: 1, allocatable: {{"cpu": "8", "memory": "8Gi", "pods": "9", {gpus}}})"#)
    };
    // What is left on the second node is of no use to pods like the first: who remembers it puts the second there.
    let text = format!(
        r#"Scene(duration: "1m", seed: 1, policies: ["FGD"], nodes: [{}, {}], objects: [{}], script: [At("30s", Apply({}))], expect: [At("50s", OnNode("pod/web", "used"))])"#,
        pool("first"),
        pool("used"),
        pod("before", 600, r#"nodeName: "used", "#),
        pod("web", 400, "")
    );
    std::fs::write(&scene, text).unwrap();
    let whole = wavetank(&format!("run {} --save {} --at 20s", scene.display(), saved.display()));
    let resumed = wavetank(&format!("run --resume {}", saved.display()));
    assert_eq!((whole.code, resumed.code), (0, 0), "{}{} {}{}", whole.out, whole.err, resumed.out, resumed.err);
}

#[test]
fn why_tells_the_causes_back_to_the_script() {
    let evicted = "pod/shop-cc54f86f-j5blq --scene scenes/hello.ron";
    let told = wavetank(&format!("why {evicted} --field deletion"));
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&told.out), "the README shows what is told: {}", told.out);
    let latest = wavetank(&format!("why {evicted} --at 30s"));
    assert!(latest.out.starts_with("00:25.000  pod/shop-cc54f86f-j5blq became ready, by the kubelet\n"), "{}", latest.out);
    let json: Value = serde_json::from_str(&wavetank(&format!("why {evicted} --field deletionTimestamp -o json")).out).unwrap();
    assert_eq!((&json["schema"], &json["scene"]), (&"wavetank.why/1".into(), &"scenes/hello.ron".into()));
    let chain = json["chain"].as_array().unwrap();
    let kinds: Vec<&str> = chain.iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["write", "timer", "write", "write", "timer", "script"]);
    assert_eq!(chain[0]["changes"][0], serde_json::json!({"field": "deletion", "old": "-", "new": "grace 30s"}));
    assert_eq!((&chain[5]["action"], &chain[5]["at_ns"]), (&"FailNode(\"node-1\")".into(), &40_000_000_000_u64.into()));
    let chart = wavetank(&format!("why {evicted} --field deletion -o mermaid")).out;
    assert!(chart.starts_with("flowchart TD\n") && chart.contains("    step1 --> step0\n"), "{chart}");
    assert!(chart.contains("FailNode(&quot;node-1&quot;)"), "{chart}");
}

#[test]
fn why_says_what_is_not_there_and_what_may_be_meant() {
    for (words, code, what) in [
        ("why pod/shop-cc54f86f-j5bl --scene scenes/hello.ron", 1, "did you mean pod/shop-cc54f86f-j5blq?"),
        ("why pod/shop-cc54f86f-j5blq --scene scenes/hello.ron --at 10s", 1, "no pod/shop-cc54f86f-j5blq until 00:10.000"),
        ("why deploy/shop --scene scenes/hello.ron --field spec.replica", 1, "did you mean spec.replicas?"),
        ("why deploy/shop --scene scenes/hello.ron --field x", 1, "fields that did: "),
        ("why deploments/shop --scene scenes/hello.ron", 2, "did you mean"),
        ("why deploy/shop --scene scenes/hello.ron --at 10h", 2, "the run ends at"),
        ("why deploy/shop --scene nowhere.ron", 2, "nowhere.ron"),
    ] {
        let ended = wavetank(words);
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{words}: {}", ended.err);
        assert!(ended.err.contains(what), "{words}: {}", ended.err);
    }
}

#[test]
fn explain_shows_the_decisions_on_a_pod() {
    let preemption = "pod/urgent --scene scenes/scheduling/preemption_budget.ron";
    let told = wavetank(&format!("explain {preemption}"));
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    for line in [
        "00:20.000  pod/urgent, attempt 1: 0/2 nodes are available: 2 Insufficient cpu.",
        "    n1: NodeResourcesFit: Insufficient cpu (cpu: asks for 1, 0 of 1 free)",
        "  It makes room on node n2 (fewest disruption budgets violated):",
        "    n2: without pod/free (priority 0, started 00:00.000)",
        "    n1: without pod/guarded (priority 0, started 00:00.000); a disruption budget does not allow one of them",
        "    1 cpu less in use on node n1",
        "00:20.000  pod/urgent, attempt 2: node n2: the pod's nominated node, which is tried before all others",
    ] {
        assert!(told.out.lines().any(|told| told == line), "{line}\n{}", told.out);
    }
    let scored = wavetank("explain pod/shop-cc54f86f-7g6jn --scene scenes/hello.ron").out;
    let rows: Vec<Vec<&str>> = scored.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[1].first(), rows[1].last()), (Some(&"NODE"), Some(&"TOTAL")), "{scored}");
    assert_eq!(rows[2], ["node-2", "100", "81", "100", "0", "73", "0", "654"], "{scored}");
    let json: Value = serde_json::from_str(&wavetank(&format!("explain {preemption} -o json")).out).unwrap();
    assert_eq!((&json["schema"], json["attempts"].as_array().unwrap().len()), (&"wavetank.explain/1".into(), 2));
    assert_eq!(json["attempts"][0]["outcome"]["preemption"]["chosen"], "n2");
    assert_eq!(json["attempts"][1]["nodes"][0], serde_json::json!({"node": "n2", "verdict": "fits", "scores": [], "total": 0}));
}

#[test]
fn explain_says_why_there_is_nothing_to_explain() {
    for (words, code, what) in [
        ("explain pod/gated --scene scenes/scheduling/gates.ron --at 10s", 0, "it waits for scheduling gates"),
        ("explain pod/nobody --scene scenes/hello.ron", 1, "no pod \"nobody\""),
        ("explain pod/shop-cc54f86f-7g6j --scene scenes/hello.ron", 1, "did you mean \"shop-cc54f86f-7g6jn\"?"),
        ("explain deploy/shop --scene scenes/hello.ron", 2, "write explain pod/NAME"),
        ("explain pood/shop --scene scenes/hello.ron", 2, "did you mean"),
    ] {
        let ended = wavetank(words);
        assert_eq!(ended.code, code, "{words}: {}", ended.err);
        assert!((ended.out + &ended.err).contains(what), "{words}: {}", ended.err);
    }
}

#[test]
fn rules_names_and_connections_are_told_as_they_are_at_a_moment() {
    let rules =
        |scene: &str, mode: &str| wavetank(&format!("get rules --node n1 --at 5s --scene scenes/network/{scene}.ron --proxy-mode {mode}"));
    let iptables = rules("external_policy", "iptables");
    for line in [
        // A node port with the policy Local goes to this node's endpoints, but for pods.
        "-A KUBE-EXT-3ENVKKDUT2EZ6WIE -m comment --comment \"pod traffic for default/local:http external destinations\" -s 10.244.0.0/16 -j KUBE-SVC-3ENVKKDUT2EZ6WIE",
        "-A KUBE-EXT-3ENVKKDUT2EZ6WIE -j KUBE-SVL-3ENVKKDUT2EZ6WIE",
        "-A KUBE-SEP-EBCAOPM2AISKI5WF -m comment --comment default/local:http -m tcp -p tcp -j DNAT --to-destination 10.244.0.2:8080",
        "# 28 rules in 17 chains (iptables on n1)",
    ] {
        assert!(iptables.out.lines().any(|found| found == line), "{line}\n{}", iptables.out);
    }
    for (mode, line) in [
        ("ipvs", "-a -t 172.16.0.1:30080 -r 10.244.0.2:8080 -m -w 1"),
        ("ipvs", "add KUBE-NODE-PORT-LOCAL-TCP 30080"),
        ("nftables", "add element ip kube-proxy service-nodeports { tcp . 30080 : goto external-"),
        ("nftables", "ip saddr 10.244.0.0/16 goto service-"),
        (
            "userspace",
            "-A KUBE-NODEPORT-HOST -p tcp -m comment --comment default/local:http -m tcp --dport 30080 -j DNAT --to-destination 172.16.0.1:40001",
        ),
    ] {
        let ended = rules("external_policy", mode);
        assert!(ended.code == 0 && ended.out.contains(line), "{mode} {line}\n{}", ended.out);
    }
    let sticky = rules("session_affinity", "iptables").out;
    assert!(sticky.contains("--rcheck --seconds 10800 --reap -j KUBE-SEP-"), "{sticky}");
    assert!(sticky.contains("-m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-"), "{sticky}");
    let json: Value =
        serde_json::from_str(&wavetank("get rules --node n1 --scene scenes/network/no_endpoints.ron --at 5s -o json").out).unwrap();
    assert_eq!((json["schema"].as_str(), json["count"].as_u64()), (Some("wavetank.rules/1"), Some(10)), "{json}");
    assert!(json["tables"][0]["rules"].to_string().contains("has no endpoints"), "{json}");
    assert_eq!(wavetank("get rules --node n9 --scene scenes/network/no_endpoints.ron").code, 1);

    let dns =
        |at: &str, name: &str| wavetank(&format!("get dns {name} --from pod/client --scene scenes/network/headless_dns.ron --at {at}"));
    let all = dns("29s", "db").out;
    assert!(all.contains("db.default.svc.cluster.local.\t30\tIN\tA\t10.244.0.3\n"), "{all}");
    assert!(all.contains("\tA\t10.244.0.4\n"), "{all}");
    assert!(!dns("31s", "db").out.contains("10.244.0.4"), "a pod that leaves has no record");
    let ports = dns("29s", "_sql._tcp.db.default.svc.cluster.local").out;
    assert!(ports.contains("\tSRV\t0 50 5432 db-0.db.default.svc.cluster.local."), "{ports}");
    assert!(dns("29s", "3.0.244.10.in-addr.arpa").out.contains("\tPTR\tdb-0.db.default.svc.cluster.local."));
    assert_eq!(dns("29s", "nobody").code, 1);

    // Who keeps the answer of before the rollout goes to addresses that nobody has any more.
    let connect =
        |more: &str| wavetank(&format!("connect pod/client db-0.db:5432 --scene scenes/network/headless_dns.ron --at 1m30s {more}-o json"));
    let (fresh, stale) = (connect(""), connect("--resolved-at 29s "));
    let outcome = |ended: &Ended| serde_json::from_str::<Value>(&ended.out).unwrap()["outcome"].as_str().unwrap().to_string();
    assert_eq!((outcome(&fresh), fresh.code), ("connected".into(), 0), "{}", fresh.out);
    assert_eq!((outcome(&stale), stale.code), ("timed out".into(), 1), "{}", stale.out);
    let denied = wavetank("connect pod/back db:80 --scene scenes/network/network_policy.ron --at 10s").out;
    assert!(
        denied.contains("ingress denied: no rule of default/db allows it") && denied.ends_with("outcome        timed out\n"),
        "{denied}"
    );
    assert_eq!(wavetank("connect pod/nobody db:80 --scene scenes/network/network_policy.ron").code, 2);
}

#[test]
fn explain_shows_the_decisions_of_the_cluster_autoscaler() {
    let price = "--scene scenes/autoscaling/nodes_by_price.ron";
    for (words, lines) in [
        (
            format!("explain nodegroup/small {price} --at 1m10s"),
            vec![
                "nodegroup/small: 2 nodes at 01:10.000, 1 to 20 allowed",
                "01:10.000  small grows 1 -> 2 for pod web-864444c48-rn7xd",
                "    expander price (price for what the pods are worth, the smallest is best): small 3.4664, large 186.5197, spot 25.5413 -> small",
            ],
        ),
        (
            "explain node/small-1 --scene scenes/autoscaling/nodes_kept_by_a_budget.ron".to_string(),
            vec![
                "node/small-1 of nodegroup/small",
                "00:10.000  stays because of pod/web-78744ccdb-4t6d9: the disruption budget web lets no more pods go; 15% of its CPU and 12.5% of its memory asked for, the threshold is 50%",
            ],
        ),
        (
            "explain pod/giant-54c7f5d9cf-h47wm --scene scenes/autoscaling/nodes_at_maximum.ron".to_string(),
            vec![
                "00:10.000  cluster autoscaler: small grows 1 -> 2 for pods web-55547b6789-b7zkd, web-55547b6789-drrcm, not for it: small: NodeResourcesFit: Insufficient cpu",
            ],
        ),
        (
            "explain node node-1 --scene scenes/hello.ron".to_string(),
            vec!["node/node-1 is of no node group: the cluster autoscaler leaves it alone"],
        ),
    ] {
        let told = wavetank(&words);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{words}");
        for line in lines {
            assert!(told.out.lines().any(|told| told == line), "{words}: {line}\n{}", told.out);
        }
    }
    let json: Value = serde_json::from_str(&wavetank(&format!("explain nodegroup/small {price} -o json")).out).unwrap();
    assert_eq!((&json["schema"], &json["scans"][0]["outcome"]["chosen"]), (&"wavetank.explain/1".into(), &"small".into()));
    for (words, what) in [
        (format!("explain nodegroup/smal {price}"), "did you mean \"small\"?"),
        ("explain nodegroup/small --scene scenes/hello.ron".to_string(), "the scene has no node_groups"),
        (format!("explain node/small-9 {price}"), "did you mean \"small-1\"?"),
    ] {
        let ended = wavetank(&words);
        assert!(ended.code == 1 && ended.err.contains(what), "{words}: {}", ended.err);
    }
}

#[test]
fn get_all_shows_the_kinds_that_kubectl_calls_so() {
    let told = wavetank("get all --scene scenes/autoscaling/up_and_down.ron --at 3m");
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let names: Vec<&str> = told.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for object in ["service/shop", "deployment.apps/shop", "horizontalpodautoscaler.autoscaling/shop"] {
        assert!(names.contains(&object), "{object}: {}", told.out);
    }
    assert!(
        names.iter().any(|name| name.starts_with("pod/shop-")) && !names.iter().any(|name| name.starts_with("endpoints/")),
        "{names:?}"
    );
    let named = wavetank("get all shop --scene scenes/autoscaling/up_and_down.ron");
    assert!(named.code == 2 && named.err.contains("takes no name"), "{}", named.err);
}
