//! A world written out and imported is the world that it was.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{folder, wavetank};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use wavetank::files::Disk;
use wavetank::import::text::{Nodes, scene};
use wavetank::import::{Draft, clean};
use wavetank_engine::api::json_out::list_json;
use wavetank_engine::ids::Revision;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::scene::load::{Overrides, load};
use wavetank_engine::scene::run::{Run, RunOptions};
use wavetank_engine::source::{Files, MemoryFiles};
use wavetank_engine::time::SimTime;
use wavetank_systems::{install_all, scheduler::registry};

/// `like`: programs and latencies are those of this run, which no dump tells.
fn run(files: &dyn Files, path: &str, like: Option<&Run>) -> Run {
    let overrides = Overrides { check_policy: Some(registry::check), ..Overrides::default() };
    let mut loaded = load(files, &[path.to_string()], &overrides);
    let mut scene = loaded.scene.take().unwrap_or_else(|| panic!("{path}: {:?}", loaded.problems.errors(&loaded.sources)));
    if let Some(like) = like.map(Run::scene) {
        scene.programs = like.programs.clone();
        scene.latency = like.latency.clone();
    }
    Run::new(scene, &RunOptions { check: true, ..RunOptions::default() }, install_all).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Everything that the API server has, by kind, namespace and name.
fn dump(run: &Run) -> BTreeMap<(String, String, String), Value> {
    let kinds = run.sim.get::<Kinds>();
    let objects = run.sim.get::<wavetank_engine::api::objects::Objects>();
    let more = ["CSINode", "CSIDriver", "CSIStorageCapacity", "Widget"];
    let names: BTreeSet<&str> = wavetank::kinds::KINDS.iter().map(|known| known.kind).chain(more).collect();
    let listed = names.iter().filter_map(|kind| kinds.find(kind)).flat_map(|kind| {
        assert!(objects.of_kind(kind).all(|row| row.revision > Revision(0)));
        list_json(&run.sim, kind, None)
    });
    let text = |object: &Value, at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or("").to_string();
    listed.map(|object| ((text(&object, "/kind"), text(&object, "/metadata/namespace"), text(&object, "/metadata/name")), object)).collect()
}

/// Without versions, which count anew, and without heartbeats, which go on.
fn comparable(mut object: Value) -> Value {
    object["metadata"].as_object_mut().unwrap().shift_remove("resourceVersion");
    // Values of secrets are not taken over.
    for value in (object["kind"] == "Secret").then(|| object.get_mut("data")?.as_object_mut()).flatten().into_iter().flatten() {
        *value.1 = "".into();
    }
    // Templates have it; pods show it only when a manifest says it.
    if let (true, Some(spec)) = (object["kind"] == "Pod", object["spec"].as_object_mut()) {
        spec.shift_remove("enableServiceLinks");
    }
    if object["kind"] == "Node" {
        for condition in object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
            condition.as_object_mut().unwrap().shift_remove("lastHeartbeatTime");
        }
    }
    object
}

/// The paths at which two values differ.
fn differences(path: &str, before: &Value, after: &Value, out: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let part = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}.{key}"), &part(a), &part(b), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(at, (a, b))| differences(&format!("{path}[{at}]"), a, b, out));
        }
        _ if before == after => {}
        _ => out.push(format!("{path}: {before} -> {after}")),
    }
}

/// A world at one moment, imported again and run for no time.
fn round_trip(files: &dyn Files, path: &str, at: SimTime) -> (BTreeSet<String>, Vec<String>) {
    let mut first = run(files, path, None);
    first.run_until(at, &mut |_| {}).unwrap();
    let before = dump(&first);
    let mut draft = Draft::default();
    clean::add(before.values().cloned().collect(), &mut draft);
    draft.epoch_unix_s = Some(first.scene().epoch_unix_s + at.0 as i64 / 1_000_000_000);
    let left_out: Vec<String> = draft.left_out.lines().into_iter().filter(|line| !line.starts_with("values of secrets")).collect();
    assert_eq!(left_out, Vec::<String>::new(), "{path}");
    let text = scene(&draft, &Nodes { count: 1, size: Vec::new() }, None);
    let mut second = run(&MemoryFiles::default().with("s.ron", text), "s.ron", Some(&first));
    second.run_until(SimTime::ZERO, &mut |_| {}).unwrap();
    let after = dump(&second);
    let mut out = Vec::new();
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let part = |all: &BTreeMap<_, Value>| all.get(key).cloned().map_or(Value::Null, comparable);
        differences(&format!("{}/{}/{}", key.0, key.1, key.2), &part(&before), &part(&after), &mut out);
    }
    (before.into_keys().map(|key| key.0).collect(), out)
}

fn scenes(folder: &Path, out: &mut Vec<String>) {
    let mut inside: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inside.sort();
    for path in inside {
        if path.is_dir() && !path.ends_with("bench") {
            scenes(&path, out);
        } else if path.extension().is_some_and(|end| end == "ron") {
            out.push(path.to_string_lossy().into_owned());
        }
    }
}

/// Every kind that is simulated and has objects of its own.
const SIMULATED: &[&str] = &[
    "ConfigMap",
    "ControllerRevision",
    "CronJob",
    "CSIDriver",
    "CSINode",
    "DaemonSet",
    "Deployment",
    "EndpointSlice",
    "Endpoints",
    "HorizontalPodAutoscaler",
    "Job",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "PriorityClass",
    "ReplicaSet",
    "ReplicationController",
    "Service",
    "StatefulSet",
    "StorageClass",
];

/// What no scene of the repository has.
const REST: &str = r#"Scene(
    duration: "1m",
    nodes: [Pool(name: "n", count: 2, allocatable: {"cpu": "4", "memory": "8Gi"})],
    objects: [
        CSIDriver(metadata: (name: "disk.example.com"), spec: (attachRequired: true)),
        PriorityClass(metadata: (name: "high"), value: 1000),
        Namespace(metadata: (name: "shop", labels: {"team": "a"}, annotations: {"note": "kept $${HOME}"})),
        ServiceAccount(metadata: (name: "robot", namespace: "shop")),
        ConfigMap(metadata: (name: "settings", namespace: "shop"), data: {"a": "\"quoted\" \\ $${x}\n"}),
        {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}, "spec": {"size": 3}},
        Pod(
            metadata: (name: "sidecar", namespace: "shop"),
            spec: (
                priorityClassName: "high",
                initContainers: [(name: "i", image: "init:1"), (name: "s", image: "side:1", restartPolicy: "Always")],
                containers: [(name: "c", image: "web:1", readinessProbe: (httpGet: (port: 80)), startupProbe: (tcpSocket: (port: 80)))],
            ),
        ),
        Pod(metadata: (name: "crashes"), spec: (containers: [(name: "c", image: "crash:1")])),
        Pod(metadata: (name: "no-image"), spec: (containers: [(name: "c", image: "gone:1")])),
        Pod(metadata: (name: "too-big"), spec: (containers: [(name: "c", image: "web:1", resources: (requests: {"cpu": "9"}))])),
        Pod(metadata: (name: "done"), spec: (restartPolicy: "Never", containers: [(name: "c", image: "task:1")])),
        Pod(metadata: (name: "leaves"), spec: (terminationGracePeriodSeconds: 300, containers: [(name: "c", image: "slow:1")])),
    ],
    programs: {"crash:1": (runs_for: "1s", exit_code: 2), "gone:1": (image_missing: true), "slow:1": (on_term: Ignores)},
    script: [At("15s", Delete("pod/leaves"))],
)"#;

/// Moments at which a controller waits for something that it has in its memory alone; when it begins anew it goes on at once, as the
/// original does after a restart.
const WAITS: &[(&str, u64)] = &[
    ("job_gives_up.ron", 60),          // back-off before the next pod
    ("job_suspend.ron", 20),           // updates of pods are gathered for a second
    ("spot_node_reclaimed.ron", 1000), // back-off of a waiting pod
    ("class_comes_later.ron", 20),     // the binder looks at all claims every 15 s
    ("smallest_volume.ron", 20),
    ("claim_not_bound.ron", 40),
    // That a volume cannot be unmounted is no field of an object.
    ("volume_stays_mounted.ron", 60),
    ("volume_stays_mounted.ron", 120),
    ("resized.ron", 120), // a limit of memory that could not be lowered yet
];

#[test]
fn a_world_imported_is_the_world_that_it_was() {
    let mut paths = Vec::new();
    scenes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes"), &mut paths);
    paths.push("rest.ron".to_string());
    let rest = MemoryFiles::default().with("rest.ron", REST);
    let (mut kinds, mut wrong) = (BTreeSet::new(), Vec::new());
    for path in &paths {
        let files: &dyn Files = if path == "rest.ron" { &rest } else { &Disk };
        let end = run(files, path, None).end();
        for at in [SimTime(end.0 / 3_000_000_000 * 1_000_000_000), SimTime(end.0 * 2 / 3_000_000_000 * 1_000_000_000), end] {
            let (seen, differences) = round_trip(files, path, at);
            kinds.extend(seen);
            let name = path.rsplit('/').next().unwrap();
            if WAITS.contains(&(name, at.0 / 1_000_000_000)) {
                assert!(!differences.is_empty(), "{name} {at} waits for nothing any more");
            } else {
                wrong.extend(differences.into_iter().map(|difference| format!("{name} {at} {difference}")));
            }
        }
    }
    for kind in SIMULATED {
        assert!(kinds.contains(*kind), "no scene has a {kind} at the moments looked at");
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: 'web:1'}]}\n";

#[test]
fn a_dump_becomes_a_scene_in_every_form_of_output() {
    let folder = folder("import_forms");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kinds = "nodes,pods,deploy,rs,svc,events";
    let dump = wavetank(repository, &["get", kinds, "-A", "-o", "yaml", "--scene", "scenes/hello.ron", "--at", "50s"], "");
    let pods = |scene: &[&str]| {
        let ended = wavetank(&folder, &[&["get", "pods", "-o", "wide", "-A", "--at", "0s", "--scene"], scene].concat(), "");
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|line| line.contains("Running")).count()
    };
    let piped = wavetank(&folder, &["import", "-"], &dump.out);
    assert_eq!(piped.code, 0, "{}", piped.err);
    assert!(piped.err.contains("left out: events are made by the run: event/default/"), "{}", piped.err);
    std::fs::write(folder.join("piped.ron"), &piped.out).unwrap();
    std::fs::write(folder.join("dump.yaml"), &dump.out).unwrap();
    for words in [["import", "dump.yaml", "-o", "one.ron"], ["import", "dump.yaml", "-o", "many"]] {
        let ended = wavetank(&folder, &words, "");
        assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.err);
    }
    assert_eq!([pods(&["piped.ron"]), pods(&["one.ron"]), pods(&["many/scene.ron"])], [3, 3, 3]);
    assert_eq!(std::fs::read_to_string(folder.join("one.ron")).unwrap().replace("dump.yaml", "standard input"), piped.out);
    // In a quiet cluster nothing comes, goes or moves.
    let run = wavetank(&folder, &["run", "one.ron", "--until", "10m", "--summary", "json"], "");
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(
        (&summary["pods"]["running"], &summary["pods"]["deleted"], &summary["bindings"]),
        (&3.into(), &0.into(), &0.into()),
        "{summary}"
    );
}

#[test]
fn charts_and_stages_and_traces_run_at_once() {
    let folder = folder("import_sources");
    let chart = folder.join("shop/charts/db/templates");
    std::fs::create_dir_all(&chart).unwrap();
    std::fs::write(chart.join("pod.yaml"), POD).unwrap();
    std::fs::write(folder.join("shop/values.yaml"), "replicas: 3\n").unwrap();
    std::fs::write(folder.join("shop/README.md"), "# Shop\n").unwrap();
    let ended = wavetank(&folder, &["import", "shop", "--run", "--nodes", "2"], "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("1 running (1 ready)") && ended.out.contains("2 ready"), "{}", ended.out);
    assert!(ended.err.contains("values.yaml") && ended.err.contains("README.md"), "{}", ended.err);
    let stage = "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: {name: ready}\nspec:\n  resourceRef: {apiGroup: v1, kind: Pod}\n  \
                 delay: {durationMilliseconds: 7000}\n  next: {statusTemplate: 'phase: Running'}\n";
    let ended = wavetank(&folder, &["import", "-"], &format!("{POD}---\n{stage}"));
    std::fs::write(folder.join("staged.ron"), &ended.out).unwrap();
    let phase = |at: &str| wavetank(&folder, &["get", "pods", "--scene", "staged.ron", "--at", at], "").out;
    assert!(phase("6s").contains("ContainerCreating") && phase("8s").contains("Running"), "{}{}", phase("6s"), phase("8s"));
    let event = |ts: u64, pods: Value| serde_json::json!({"ts": ts, "applied_objs": pods, "deleted_objs": []});
    let pod = |name: &str| {
        serde_json::json!([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "late"},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busy:1"}]}}])
    };
    let trace = serde_json::json!({"version": 2, "events": [event(100, pod("a")), event(160, pod("b"))]});
    std::fs::write(folder.join("t.sktrace"), rmp_serde::to_vec_named(&trace).unwrap()).unwrap();
    let ended = wavetank(&folder, &["import", "t.sktrace", "--run"], "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("360 s virtual") && ended.out.contains("2 succeeded"), "{}", ended.out);
}

#[test]
fn what_cannot_be_imported_is_told() {
    let folder = folder("import_bad");
    std::fs::create_dir_all(folder.join("empty")).unwrap();
    for (file, text) in [
        ("scene.ron", "Scene()"),
        ("template.yaml", "kind: {{ .Values.kind }}\n  x: [\n"),
        ("short.sktrace", "no trace"),
        ("values.yaml", "a: 1\n"),
        ("half.yaml", &format!("{POD}---\n{}", POD.replace("web", "bad").replace("image", "imag"))),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    for (source, message) in [
        ("nowhere.yaml", "no such file"),
        ("nowhere.sktrace", "no such file"),
        ("empty", "no .yaml, .yml, .json or .sktrace file"),
        ("scene.ron", "this is a scene already"),
        ("template.yaml", "helm template"),
        ("short.sktrace", "this is no trace of SimKube"),
        ("values.yaml", "there is no object for a scene"),
    ] {
        let ended = wavetank(&folder, &["import", source], "");
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{source}: {}", ended.err);
        assert!(ended.err.contains(message), "{source}: {}", ended.err);
    }
    let ended = wavetank(&folder, &["import", "half.yaml", "--run"], "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.err.contains("refused: ") && ended.err.contains("pod/bad") && ended.out.contains("1 running"),
        "{}{}",
        ended.err,
        ended.out
    );
}

#[test]
fn a_dump_of_a_real_cluster_stays_as_it_was() {
    let folder = folder("import_cluster");
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/cluster.yaml");
    let ended = wavetank(&folder, &["import", dump.to_str().unwrap(), "-o", "s.ron"], "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    let lost = "status.conditions.observedGeneration, status.containerStatuses.containerID";
    assert!(
        ended.err.contains(lost) && ended.err.contains("PersistentVolume that nothing here simulates: status.lastPhaseTransitionTime"),
        "{}",
        ended.err
    );
    // Every field that is shown is as it was; those that are not shown were told, or are written by a server again.
    let kinds = "nodes,pods,deploy,rs,sts,ds,jobs,hpa,pdb,svc,pvc,pv,sc";
    let shown = wavetank(&folder, &["get", kinds, "-A", "-o", "json", "--scene", "s.ron", "--at", "0s"], "");
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let given = wavetank(&folder, &["import", dump.to_str().unwrap(), "-o", "many", "--quiet"], "");
    assert_eq!((given.code, given.err.as_str()), (0, ""));
    let mut draft = Draft::default();
    let found = wavetank::import::read::read(&[dump.to_string_lossy().into_owned()], &mut draft).unwrap();
    assert!(!found.problems.has_errors() && found.documents.len() == 18, "{}", found.documents.len());
    let mut wrong = Vec::new();
    for object in found.documents {
        let is =
            |other: &&Value| ["/kind", "/metadata/name", "/metadata/namespace"].iter().all(|at| other.pointer(at) == object.pointer(at));
        let shown = shown["items"].as_array().unwrap().iter().find(is).unwrap_or_else(|| panic!("{object} is not shown"));
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        let mut all = Vec::new();
        differences(&name, &comparable(object), &comparable(shown.clone()), &mut all);
        // A container runtime writes the whole name of an image.
        let told =
            |difference: &String| difference.ends_with("-> null") || difference.contains(": null ->") || difference.contains(".image: ");
        wrong.extend(all.into_iter().filter(|difference| !told(difference)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // In ten minutes nothing comes, goes or moves.
    let run = wavetank(&folder, &["run", "s.ron", "--until", "10m", "--summary", "json"], "");
    let summary: Value = serde_json::from_str(&run.out).unwrap();
    let counts = ["deleted", "created", "running", "ready"].map(|field| summary["pods"][field].as_u64().unwrap());
    assert_eq!((counts, &summary["bindings"], &summary["restarts"]), ([0, 5, 5, 5], &0.into(), &0.into()), "{summary}");
}
