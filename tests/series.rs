//! Time series of a run, as a program that reads the table finds them.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{Ended, folder};
use serde_json::Value;
use std::path::Path;

/// Runs `wavetank` in the folder of the repository.
fn wavetank(words: &[&str]) -> Ended {
    common::wavetank(Path::new(env!("CARGO_MANIFEST_DIR")), words, "")
}

/// The rows of a table, without its head: time, series, labels, value.
fn rows(text: &str) -> Vec<[String; 4]> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("schema,time_s,series,labels,value"));
    let row = |line: &str| {
        let cells: Vec<String> = line.split(',').map(String::from).collect();
        assert_eq!(cells[0], "wavetank.series/1", "{line}");
        cells[1..].to_vec().try_into().unwrap_or_else(|_| panic!("five columns: {line}"))
    };
    lines.map(row).collect()
}

/// The values of one series in order of time.
fn values(rows: &[[String; 4]], series: &str, labels: &str) -> Vec<f64> {
    let found: Vec<f64> = rows.iter().filter(|row| row[1] == series && row[2] == labels).map(|row| row[3].parse().unwrap()).collect();
    assert!(!found.is_empty(), "no {series} of {labels:?}");
    found
}

/// Three pods of one CPU on a node of two; a second node comes at 40 s, and takes the third pod in that instant.
const SCENE: &str = r#"Scene(
    duration: "65s",
    nodes: [Pool(name: "n", count: 1, allocatable: {"cpu": "2", "memory": "4Gi"})],
    objects: [
        ReplicaSet(metadata: (name: "web"), spec: (replicas: 3, selector: (matchLabels: {"app": "web"}), template: (
            metadata: (labels: {"app": "web"}),
            spec: (containers: [(name: "c", image: "web:1", resources: (requests: {"cpu": "1", "memory": "1Gi"}))]),
        ))),
    ],
    script: [At("40s", AddNodes((name: "late", allocatable: {"cpu": "2", "memory": "4Gi"})))],
)"#;

#[test]
fn values_are_what_can_be_reckoned_by_hand() {
    let folder = folder("series_values");
    let (scene, table) = (folder.join("s.ron"), folder.join("s.csv"));
    std::fs::write(&scene, SCENE).unwrap();
    let ended = wavetank(&["run", scene.to_str().unwrap(), "--series", table.to_str().unwrap(), "--series-every", "20s", "-q"]);
    assert_eq!((ended.code, ended.err.as_str(), ended.out.as_str()), (0, "", ""));
    let rows = rows(&std::fs::read_to_string(&table).unwrap());
    let mut times: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    times.dedup();
    assert_eq!(times, ["0", "20", "40", "60", "65"], "each period, and the end");
    assert_eq!(values(&rows, "nodes", ""), [1.0, 1.0, 2.0, 2.0, 2.0]);
    assert_eq!(values(&rows, "pods", "phase=Pending"), [1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(values(&rows, "pods_without_node", ""), [1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(values(&rows, "scheduler_queue_pods", "queue=unschedulable"), [1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(values(&rows, "requested", "resource=cpu"), [2.0, 2.0, 3.0, 3.0, 3.0]);
    assert_eq!(values(&rows, "requested_percent", "resource=cpu"), [100.0, 100.0, 75.0, 75.0, 75.0]);
    assert_eq!(values(&rows, "workload_pods_wanted", "workload=replicaset/web"), [3.0; 5]);
    assert_eq!(values(&rows, "workload_pods_ready", "workload=replicaset/web").last(), Some(&3.0));
}

#[test]
fn an_autoscaler_and_its_traffic_are_told() {
    let ended = wavetank(&["run", "scenes/autoscaling/up_and_down.ron", "--series", "-"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let rows = rows(&ended.out);
    let (metric, hpa) = ("hpa=horizontalpodautoscaler/shop;metric=cpu;number=0", "hpa=horizontalpodautoscaler/shop");
    assert!(values(&rows, "hpa_target_percent", metric).iter().all(|&target| target == 50.0));
    let desired = values(&rows, "hpa_replicas_desired", hpa);
    let most = desired.iter().copied().fold(0.0, f64::max);
    assert!(most > 1.0 && desired.last() == Some(&1.0), "up and down: {desired:?}");
    assert!(values(&rows, "hpa_metric_percent", metric).iter().any(|&percent| percent > 50.0));
    assert!(values(&rows, "used", "resource=cpu").iter().any(|&cores| cores > 0.0));
    let sent = values(&rows, "requests_total", "to=service/shop;outcome=sent");
    assert!(sent.is_sorted() && sent.last() > Some(&0.0));
    let rates = values(&rows, "requests_per_s", "to=service/shop;outcome=sent");
    assert_eq!((rates.iter().sum::<f64>() * 10.0).round(), sent.last().unwrap() - sent[0], "rates are of ten seconds each");
}

#[test]
fn latencies_and_errors_are_told() {
    let ended = wavetank(&["run", "scenes/network/queueing.ron", "--series", "-", "--series-every", "30s"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let rows = rows(&ended.out);
    let p50 = values(&rows, "request_latency_ms", "to=service/patient;measure=p50");
    // The queue is full at the end of the first spike, and what came then waits six seconds; with a second pod it is not.
    assert_eq!([p50[1], p50[3], p50[5]].map(f64::round), [10.0, 10.0 + 6000.0, 10.0]);
    let p99 = values(&rows, "request_latency_ms", "to=service/patient;measure=p99");
    assert!(p99.iter().zip(&p50).all(|(p99, p50)| p99 >= p50), "{p99:?} {p50:?}");
    let errors = values(&rows, "request_errors_percent", "to=service/curt");
    assert_eq!([errors[1], errors[2], errors[3]], [0.0, 37.5, 0.0], "60 of 160 a second");
    assert_eq!(values(&rows, "request_errors_percent", "to=service/patient")[2], 25.0, "1,200 of 4,800");
}

#[test]
fn latencies_of_callers_hold_those_of_their_calls() {
    let ended = wavetank(&["run", "scenes/network/call_graph.ron", "--series", "-", "--series-every", "30s"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let rows = rows(&ended.out);
    // The frontend's own time is not known; it asks the cart twice, and each takes 10 ms on half a core.
    assert_eq!(values(&rows, "request_latency_ms", "to=service/cart;measure=mean")[1], 10.0);
    assert_eq!(values(&rows, "request_latency_ms", "to=service/frontend;measure=with calls")[1], 20.0);
    let told = |labels: &str| rows.iter().any(|row| row[1] == "request_latency_ms" && row[2] == labels);
    assert!(!told("to=service/frontend;measure=mean") && !told("to=service/catalogue;measure=with calls"));
}

#[test]
fn sampling_changes_nothing_and_gives_the_same_bytes() {
    let folder = folder("series_bytes");
    let digest = |words: &[&str]| {
        let ended = wavetank(&[&["run", "scenes/hello.ron", "--summary", "json"], words].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        serde_json::from_str::<Value>(&ended.out).unwrap()["digest"].clone()
    };
    let plain = digest(&[]);
    let table = |name: &str, words: &[&str]| {
        let path = folder.join(name);
        assert_eq!(digest(&[&["--series", path.to_str().unwrap(), "--series-every", "700ms"], words].concat()), plain, "{name}");
        std::fs::read_to_string(path).unwrap()
    };
    let one = table("one.csv", &[]);
    assert_eq!(one, table("other.csv", &["--dispatch", "schedule"]));
    let saved = folder.join("half.run");
    let saved = saved.to_str().unwrap();
    assert_eq!(one, table("saved.csv", &["--save", saved, "--at", "61s"]), "a stop to save changes nothing");
    let rest = folder.join("rest.csv");
    let ended = wavetank(&["run", "--resume", saved, "--series", rest.to_str().unwrap(), "--series-every", "700ms", "-q"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let of = |text: &str, from: f64| {
        let kept = rows(text).into_iter().filter(|row| row[0].parse::<f64>().unwrap() >= from);
        kept.map(|row| row.join(",")).collect::<Vec<_>>()
    };
    assert_eq!(of(&std::fs::read_to_string(rest).unwrap(), 0.0), of(&one, 61.0), "a resumed run goes on with the next sample");
}

/// The rows of a Parquet file as those of the CSV form, numbers as numbers.
#[cfg(feature = "parquet")]
fn parquet_rows(path: &Path) -> Vec<(f64, String, String, f64)> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let columns: Vec<&str> = reader.metadata().file_metadata().schema().get_fields().iter().map(|field| field.name()).collect();
    assert_eq!(columns, ["schema", "time_s", "series", "labels", "value"]);
    let row = |row: parquet::record::Row| {
        assert_eq!(row.get_string(0).unwrap(), "wavetank.series/1");
        let text = |column| row.get_string(column).unwrap().clone();
        (row.get_double(1).unwrap(), text(2), text(3), row.get_double(4).unwrap())
    };
    reader.get_row_iter(None).unwrap().map(|found| row(found.unwrap())).collect()
}

#[cfg(feature = "parquet")]
#[test]
fn a_parquet_file_has_the_rows_of_the_table() {
    let folder = folder("series_parquet");
    let (csv, one, other) = (folder.join("t.csv"), folder.join("t.parquet"), folder.join("u.parquet"));
    for path in [&csv, &one, &other] {
        let words = ["run", "scenes/autoscaling/up_and_down.ron", "--series", path.to_str().unwrap(), "--series-every", "700ms", "-q"];
        let ended = wavetank(&words);
        assert_eq!((ended.code, ended.err.as_str(), ended.out.as_str()), (0, "", ""));
    }
    let number = |text: &str| text.parse::<f64>().unwrap();
    let want: Vec<_> = rows(&std::fs::read_to_string(&csv).unwrap())
        .into_iter()
        .map(|[time, series, labels, value]| (number(&time), series, labels, number(&value)))
        .collect();
    assert!(want.len() > 10_000, "{} rows", want.len());
    assert!(parquet_rows(&one) == want, "the two forms differ");
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    assert!(bytes(&one) == bytes(&other), "the same run gives the same bytes");
    assert!(bytes(&one).len() * 10 < bytes(&csv).len(), "repeated texts cost next to nothing");
}

#[test]
fn what_can_not_be_written_is_said() {
    let wrong = |words: &[&str]| {
        let ended = wavetank(&[&["run", "scenes/hello.ron"], words].concat());
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{words:?}");
        ended.err
    };
    if cfg!(not(feature = "parquet")) {
        assert!(wrong(&["--series", "x.parquet"]).contains("cargo build --release --features parquet"));
    }
    assert!(wrong(&["--series", "no/such/folder/x.parquet"]).contains("no/such/folder/x.parquet"));
    assert!(wrong(&["--series", "no/such/folder/x.csv"]).contains("no/such/folder/x.csv"));
    assert!(wrong(&["--series", "-", "--journal", "-"]).contains("can't both go to standard output"));
    assert!(wrong(&["--series", "-", "--summary", "json"]).contains("--series FILE"));
    assert!(wrong(&["--series", "x.csv", "--series-every", "0s"]).contains("longer than nothing"));
    assert!(wrong(&["--series-every", "5s"]).contains("--series"));
}
