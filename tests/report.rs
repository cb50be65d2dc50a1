//! Reports as a person asks for them: what the page holds, and that a browser draws it.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{Ended, folder};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn wavetank(words: &[&str]) -> Ended {
    common::wavetank(Path::new(ROOT), words, "")
}

fn page(scene: &str) -> String {
    let ended = wavetank(&["report", "--scene", scene, "-o", "-"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{scene}");
    ended.out
}

/// The data of a page, unpacked.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("<script id=\"data\" type=\"application/gzip+base64\">").unwrap();
    let (text, _) = rest.split_once("</script>").unwrap();
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no letter of base64"),
    };
    let mut bytes = Vec::new();
    for group in text.trim().trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, &letter| bits << 6 | u32::from(value(letter))) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    let mut json = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut json).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

/// The last row of a series.
fn last(series: &Value) -> Vec<i64> {
    series["v"].as_array().unwrap().iter().map(|column| *numbers(column).last().unwrap()).collect()
}

fn texts<'d>(data: &'d Value, numbers: &[i64]) -> Vec<&'d str> {
    numbers.iter().map(|&number| data["texts"][number as usize].as_str().unwrap()).collect()
}

#[test]
fn a_page_needs_nothing_else_and_is_the_same_twice() {
    let text = page("scenes/hello.ron");
    assert_eq!(text, page("scenes/hello.ron"), "the same scene and seed give the same bytes");
    let (head, rest) = text.split_once("<script id=\"data\"").unwrap();
    let own = head.to_string() + rest.split_once("</script>").unwrap().1;
    for outside in ["src=", "href=\"http", "@import", "url(", "fetch(", "XMLHttpRequest", "<link", "{{"] {
        assert!(!own.contains(outside), "{outside}");
    }
    assert!(own.contains("Permission is hereby granted, free of charge"), "the licence of uPlot travels along");
}

#[test]
fn the_data_agree_with_the_run() {
    for scene in ["scenes/hello.ron", "scenes/batch/job_indexed.ron", "scenes/pods/crash_loop.ron", "scenes/nodes/memory_pressure.ron"] {
        let data = data(&page(scene));
        let run = wavetank(&["run", scene, "--summary", "json"]);
        let summary: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(data["schema"], "wavetank.report/1");
        assert_eq!(data["summary"]["digest"], summary["digest"], "{scene}: being watched changes nothing");
        let at_end: i64 = last(&data["pods"]["series"]).iter().sum();
        assert_eq!(at_end, summary["pods"]["total"].as_i64().unwrap(), "{scene}");
        assert_eq!(last(&data["pods"]["series"])[0], summary["pods"]["ready"].as_i64().unwrap(), "{scene}");
        assert_eq!(data["pods"]["names"].as_array().unwrap().len() as u64, summary["pods"]["created"].as_u64().unwrap(), "{scene}");
        assert_eq!(last(&data["nodes"]["series"])[0], summary["nodes"].as_i64().unwrap(), "{scene}");
        let steps = &data["pods"]["steps"];
        let gone = numbers(&steps["state"]).iter().filter(|&&state| state == 8).count() as u64;
        assert_eq!(gone, summary["pods"]["deleted"].as_u64().unwrap(), "{scene}");
        let written: i64 = data["events"]["written"].as_array().unwrap().iter().flat_map(numbers).sum();
        assert_eq!(written as u64, summary["events"].as_u64().unwrap(), "{scene}");
        assert_eq!(data["left_out"], Value::Array(Vec::new()), "{scene}: a small run is there whole");
    }
}

#[test]
fn the_deletion_of_a_pod_leads_back_to_the_script() {
    let data = data(&page("scenes/hello.ron"));
    let chains = data["why"].as_array().unwrap();
    assert_eq!(chains.len(), data["pods"]["names"].as_array().unwrap().len());
    let mut told = Vec::new();
    for chain in chains.iter().flat_map(|pod| pod.as_array().unwrap()).filter(|chain| chain["what"] == "deleted") {
        let steps: Vec<i64> = chain["steps"].as_array().unwrap().iter().map(|step| step[1].as_i64().unwrap()).collect();
        told.push(texts(&data, &steps).last().unwrap().to_string());
    }
    assert_eq!(told.len(), 4, "{told:?}");
    for action in ["SetImage", "FailNode"] {
        assert!(told.iter().any(|last| last.starts_with(&format!("the script says {action}"))), "{action}: {told:?}");
    }
}

#[test]
fn autoscalers_and_requests_are_followed() {
    let data = data(&page("scenes/autoscaling/up_and_down.ron"));
    let autoscaler = &data["autoscalers"][0];
    assert_eq!((&autoscaler["target"], &autoscaler["metrics"][0]["target"]), (&"deployment/shop".into(), &50.into()));
    let desired = numbers(&autoscaler["series"]["v"][1]);
    assert!(desired.contains(&4) && desired.last() == Some(&1), "{desired:?}");
    assert!(numbers(&autoscaler["series"]["v"][4]).iter().any(|&percent| percent > 100), "the rise is seen");
    let served = numbers(&data["traffic"][0]["sums"][0]);
    assert_eq!(*served.last().unwrap() as u64, data["summary"]["traffic"][0]["served"].as_u64().unwrap());
    let wanted = numbers(&data["workloads"][0]["series"]["v"][0]);
    assert!(wanted.contains(&4) && wanted.last() == Some(&1), "{wanted:?}");
}

#[test]
fn latencies_are_followed() {
    let data = data(&page("scenes/network/queueing.ron"));
    let p99 = numbers(&data["traffic"][0]["latency_us"][1]);
    assert_eq!(p99.len(), data["columns"].as_array().unwrap().len());
    assert!(p99.iter().any(|&micros| micros > 3_000_000), "requests wait in the spikes: {p99:?}");
    assert!(data["traffic"][1]["latency_us"][1].as_array().unwrap().iter().all(|micros| micros == 10_000), "none wait there");
}

#[test]
fn a_missed_expectation_is_told_and_the_report_is_there() {
    let folder = folder("report_missed");
    let scene = r#"Scene(
        duration: "10s",
        nodes: [Pool(name: "n", count: 1, allocatable: {"cpu": "1"})],
        objects: [Pod(metadata: (name: "big"), spec: (containers: [(name: "c", image: "i", resources: (requests: {"cpu": "2"}))]))],
        expect: [At("5s", Ready("pod/big", 1))],
    )"#;
    std::fs::write(folder.join("a<b>.ron"), scene).unwrap();
    let ended = common::wavetank(&folder, &["report", "--scene", "a<b>.ron"], "");
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (1, "", "wrote report.html; open it in a browser\n"));
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("<title>a&lt;b&gt;.ron"), "names are no markup");
    let data = data(&page);
    assert_eq!(data["summary"]["expectations"]["missed"].as_array().unwrap().len(), 1);
    let notes = texts(&data, &numbers(&data["pods"]["steps"]["note"]));
    assert!(notes.iter().any(|note| note.contains("Insufficient cpu")), "why it waits: {notes:?}");
}

#[test]
fn a_page_says_how_to_ask_for_more() {
    let ended = wavetank(&[
        "report",
        "--scene",
        "scenes/bench/SchedulingBasic.ron",
        "--set",
        "nodes=3",
        "--seed",
        "5",
        "--until",
        "90s",
        "-o",
        "-",
    ]);
    let data = data(&ended.out);
    assert_eq!(data["why"], Value::Null, "too many pods for their causes to be kept");
    let ask = data["ask"].as_str().unwrap();
    assert_eq!(ask, "--scene scenes/bench/SchedulingBasic.ron --seed 5 --set nodes=3");
    let pod = format!("pod/{}", data["pods"]["names"][0].as_str().unwrap());
    let words: Vec<&str> = ["why", &pod].into_iter().chain(ask.split(' ')).chain(["--at", "1000ms"]).collect();
    assert_eq!(wavetank(&words).code, 0, "{words:?}");
}

#[test]
fn run_writes_the_same_report_beside_its_summary() {
    let folder = folder("report_run");
    let path = folder.join("r.html").display().to_string();
    let ended = wavetank(&["run", "scenes/hello.ron", "--report", &path]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let told = |out: &str| out.lines().filter(|line| !line.starts_with("time ")).map(str::to_string).collect::<Vec<_>>();
    assert_eq!(told(&ended.out), told(&wavetank(&["run", "scenes/hello.ron"]).out), "the story stays");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page("scenes/hello.ron"));
}

#[test]
fn a_resumed_run_says_what_its_report_lacks() {
    let folder = folder("report_resumed");
    let (saved, path) = (folder.join("half").display().to_string(), folder.join("r.html").display().to_string());
    assert_eq!(wavetank(&["run", "scenes/hello.ron", "--quiet", "--save", &saved, "--at", "1m"]).code, 0);
    assert_eq!(wavetank(&["run", "--resume", &saved, "--quiet", "--report", &path]).code, 0);
    let data = data(&std::fs::read_to_string(&path).unwrap());
    assert_eq!(data["from_ms"], 60_000);
    let lacks = data["left_out"].to_string();
    assert!(lacks.contains("what was before 01:00.000"), "{lacks}");
    let chains = data["why"].as_array().unwrap().iter().flat_map(|pod| pod.as_array().unwrap());
    let ends: Vec<&str> =
        chains.map(|chain| texts(&data, &[chain["steps"].as_array().unwrap().last().unwrap()[1].as_i64().unwrap()])[0]).collect();
    let before = "the saved run had come so far; causes before it went on are not kept";
    assert!(!ends.is_empty() && ends.iter().all(|end| *end == before), "{ends:?}");
}

#[test]
fn what_can_t_be_written_is_said_before_the_run() {
    let folder = folder("report_bad");
    std::fs::write(folder.join("old.html"), "old").unwrap();
    std::fs::write(folder.join("bad.ron"), "Scene(").unwrap();
    for (scene, output, what) in [
        ("scenes/hello.ron", "no/such/folder/r.html", "no/such/folder/r.html: No such file or directory"),
        ("scenes/hello.ron", ".", "report .: Is a directory"),
        ("nothing.ron", "old.html", "nothing.ron"),
        ("bad.ron", "old.html", "bad.ron"),
    ] {
        let scene = if scene.starts_with("scenes") { format!("{ROOT}/{scene}") } else { scene.to_string() };
        let ended = common::wavetank(&folder, &["report", "--scene", &scene, "-o", output], "");
        assert_eq!(ended.code, 2, "{output}");
        assert!(ended.err.contains(what), "{output}: {}", ended.err);
    }
    assert_eq!(std::fs::read_to_string(folder.join("old.html")).unwrap(), "old", "an older report stays when there is no new one");
}

/// A Chromium on the PATH.
fn chromium() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

/// Before everything else: keeps what goes wrong, and what links would download.
const FIRST: &str = r#"<head><script>
const wrong = [], blobs = [];
addEventListener("error", (event) => wrong.push(event.message));
addEventListener("unhandledrejection", (event) => wrong.push(String(event.reason)));
for (const name of ["error", "warn"]) { const before = console[name]; console[name] = (...words) => { wrong.push(words.join(" ")); before(...words); }; }
const created = URL.createObjectURL;
URL.createObjectURL = (blob) => { blobs.push(blob); return created.call(URL, blob); };
addEventListener("click", (event) => { if (event.target.download) event.preventDefault(); });
</script>"#;

/// After everything else: does what a person would, and writes what came of it into the page.
const LAST: &str = r#"<script>
async function use() {
  const said = { state: document.body.dataset.state, clocks: [], counts: [] }, slider = document.getElementById("slider");
  const slide = (ms) => {
    slider.value = ms;
    slider.dispatchEvent(new Event("input"));
    said.clocks.push(document.getElementById("clock").textContent);
    said.counts.push(document.getElementById("now").textContent);
  };
  slide(0); slide(30000);
  document.querySelector(".rows .pod")?.click();
  said.panel = document.getElementById("panel").innerText;
  slide(+slider.max);
  said.later = document.getElementById("panel").innerText;
  said.charts = document.querySelectorAll(".chart canvas").length;
  for (const link of document.querySelectorAll("a[download]")) link.click();
  said.files = await Promise.all(blobs.map((blob) => blob.text()));
  const backs = [];
  for (let n = 0; n < 3; n++) { document.getElementById("theme").click(); backs.push(getComputedStyle(document.body).backgroundColor); }
  said.themes = new Set(backs).size;
  said.shown = document.getElementById("marks").childElementCount;
  for (const control of document.querySelectorAll("main select")) {
    for (const option of control.options) { control.value = option.value; control.dispatchEvent(new Event("change")); }
  }
  const canvas = document.querySelector("canvas.heat"), box = canvas && canvas.getBoundingClientRect();
  for (const kind of canvas ? ["mousemove", "click"] : []) canvas.dispatchEvent(new MouseEvent(kind, { clientX: box.left + 5, clientY: box.top + 5 }));
  said.node = document.getElementById("panel").innerText;
  return said;
}
const waiting = setInterval(async () => {
  if (document.body.dataset.state === "loading") return;
  clearInterval(waiting);
  const said = await use().catch((error) => ({ failed: String(error) }));
  said.wrong = wrong;
  const hex = Array.from(new TextEncoder().encode(JSON.stringify(said)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  document.body.append(Object.assign(document.createElement("pre"), { id: "said", textContent: hex }));
}, 20);
</script></body>"#;

/// Opens a page in a browser and does what a person would.
fn used(browser: &Path, name: &str, page: &str) -> Value {
    let folder = folder(name);
    let file = folder.join("page.html");
    std::fs::write(&file, page.replacen("<head>", FIRST, 1).replace("</body>", LAST)).unwrap();
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr", "--window-size=1280,1000"]);
    command.args(["--virtual-time-budget=20000", "--timeout=60000", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display())).arg(format!("file://{}", file.display()));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert_eq!(console, Vec::<&str>::new(), "{name}: nothing is logged");
    let hex = dom.split_once("<pre id=\"said\">").unwrap_or_else(|| panic!("{name}: the page said nothing\n{log}")).1;
    let hex = hex.split_once('<').unwrap().0;
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let said: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&said["state"], &said["failed"], &said["wrong"]), (&"ready".into(), &Value::Null, &Value::Array(Vec::new())), "{name}");
    said
}

#[test]
fn a_browser_draws_it() {
    let Some(browser) = chromium() else {
        // Written past the harness, which keeps what tests print: that nothing was looked at must be seen.
        writeln!(std::io::stdout(), "skipped: a_browser_draws_it needs a Chromium on the PATH").unwrap();
        return;
    };
    let said = used(&browser, "report_hello", &page("scenes/hello.ron"));
    assert_eq!(said["clocks"], serde_json::json!(["00:00.000", "00:30.000", "07:00.000"]), "the slider moves");
    assert_ne!(said["counts"][0], said["counts"][1], "and the counts with it");
    let text = |field: &str| said[field].as_str().unwrap().to_string();
    for part in [
        "pod/shop-7656f77d54-",
        "deployment/shop",
        "Running, not ready",
        "Why it was deleted",
        "because the script says SetImage",
        "Successfully assigned",
    ] {
        assert!(text("panel").contains(part), "{part}: {}", text("panel"));
    }
    assert!(text("panel").contains("at 00:30.000") && text("later").contains("at 07:00.000"), "the panel follows the slider");
    assert!(said["charts"].as_u64().unwrap() >= 5 && said["themes"] == 2 && said["shown"] == 2, "{said}");
    let files: Vec<&str> = said["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    for head in
        ["time_s,Ready,", "pod,owner,time_s,state", "time_s,nodes,", "workload,time_s,", "first_s,last_s,type", "time_s,action,place"]
    {
        assert!(files.iter().any(|file| file.starts_with(head) && file.lines().count() > 2), "{head}");
    }
    assert!(text("node").contains("node/node-1"), "{}", text("node"));
    let scaled = used(&browser, "report_scaled", &page("scenes/autoscaling/up_and_down.ron"));
    for head in ["autoscaler,time_s,what", "flow,from_s,served_per_s"] {
        assert!(scaled["files"].as_array().unwrap().iter().any(|file| file.as_str().unwrap().starts_with(head)), "{head}");
    }
}

#[test]
fn a_browser_draws_a_run_of_nothing() {
    let Some(browser) = chromium() else {
        writeln!(std::io::stdout(), "skipped: a_browser_draws_a_run_of_nothing needs a Chromium on the PATH").unwrap();
        return;
    };
    let folder = folder("report_nothing");
    std::fs::write(folder.join("a.ron"), "Scene(duration: \"10s\")").unwrap();
    let ended = common::wavetank(&folder, &["report", "--scene", "a.ron", "-o", "-"], "");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(used(&browser, "report_nothing_drawn", &ended.out)["charts"], 0);
}

#[test]
fn pods_that_waited_or_had_to_leave_are_explained() {
    let data = data(&page("scenes/scheduling/preemption_budget.ron"));
    let names: Vec<&str> = data["pods"]["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let of = |name: &str| {
        let place = names.iter().position(|known| *known == name).unwrap();
        data["explained"][place.to_string()].as_str()
    };
    let urgent = of("urgent").unwrap();
    assert!(urgent.contains("It makes room on node n2") && urgent.contains("attempt 2: node n2: the pod's nominated node"), "{urgent}");
    assert!(of("free").is_some(), "the victim");
    assert_eq!(of("guarded"), None, "it neither waited nor left");
}
