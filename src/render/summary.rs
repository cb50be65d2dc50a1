//! The summary of a run for people: a dozen lines, the important ones first.

use wavetank_engine::record::summary::{AutoscalingReport, NodeGroupReport, Refused, Rollout, Summary, TrafficReport, WaitReason};
use wavetank_engine::scene::traces::{TraceReport, Trouble};

/// Rollouts listed before the rest is only counted.
const ROLLOUTS_MAX: usize = 8;

/// Reasons for unscheduled pods listed before the rest is only counted.
const REASONS_MAX: usize = 4;

/// The lines of the text form, each ending in a newline.
pub fn summary(summary: &Summary) -> String {
    let mut page = Page::default();
    page.line("scene", &format!("{}, seed {}", summary.scene, summary.seed));
    page.line("time", &speed(summary));
    page.line("nodes", &nodes(summary));
    page.line("pods", &pods(summary));
    for reason in summary.unschedulable.iter().take(REASONS_MAX) {
        page.more(&format!("{} unschedulable: {}", reason.pods, reason.message));
    }
    page.rest(summary.unschedulable.len(), REASONS_MAX, "reasons");
    for rollout in summary.at_end.rollouts.iter().take(ROLLOUTS_MAX) {
        page.line("rollout", &progress(rollout));
    }
    page.rest(summary.at_end.rollouts.len(), ROLLOUTS_MAX, "rollouts");
    let objects: Vec<String> = summary.at_end.objects.iter().map(|(kind, number)| count(*number, kind)).collect();
    page.line("objects", &objects.join(", "));
    for report in &summary.traces {
        page.line("trace", &trace(report));
        for (what, troubles) in [("unusable", &report.unusable), ("refused", &report.refused)] {
            for Trouble { reason, rows, first } in troubles.iter().take(REASONS_MAX) {
                page.more(&format!("{} {what}: {reason} (first {first})", grouped(*rows)));
            }
            page.rest(troubles.len(), REASONS_MAX, "reasons");
        }
    }
    for report in summary.traffic.iter().take(ROLLOUTS_MAX) {
        page.line("traffic", &requests(report));
    }
    page.rest(summary.traffic.len(), ROLLOUTS_MAX, "flows of requests");
    if let Some(report) = &summary.autoscaling {
        for group in report.groups.iter().take(ROLLOUTS_MAX) {
            page.line("node group", &node_group(group));
        }
        page.rest(report.groups.len(), ROLLOUTS_MAX, "node groups");
        page.line("node groups", &autoscaling(report));
    }
    page.line("troubles", &troubles(summary));
    for WaitReason { reason, pods } in summary.waited.reasons.iter().take(REASONS_MAX) {
        page.more(&format!("{} waited at first for: {reason}", grouped(*pods)));
    }
    page.rest(summary.waited.reasons.len(), REASONS_MAX, "reasons");
    for Refused { actor, message, times } in summary.at_end.refused.iter().take(REASONS_MAX) {
        let often = if *times > 1 { format!("{}× ", grouped(*times)) } else { String::new() };
        page.line("refused", &format!("{often}{actor}: {message}"));
    }
    page.rest(summary.at_end.refused.len(), REASONS_MAX, "refusals");
    page.line("not simulated", &summary.not_simulated.join(", "));
    page.line("created", &namespaces(summary));
    page.line("expected", &expected(summary));
    for missed in &summary.expectations.missed {
        page.more(&format!("missed: {missed}"));
    }
    page.line("digest", &summary.digest);
    page.text
}

/// Lines with a label in front; a label that repeats, and a line without one, is indented.
#[derive(Default)]
struct Page {
    text: String,
    last: &'static str,
}

impl Page {
    /// A labelled line; nothing when there is nothing to say.
    fn line(&mut self, label: &'static str, what: &str) {
        if !what.is_empty() {
            let shown = if label == self.last { "" } else { label };
            self.text.push_str(&format!("{shown:<14} {what}\n"));
            self.last = label;
        }
    }

    fn more(&mut self, what: &str) {
        self.text.push_str(&format!("{:<14} {what}\n", ""));
    }

    fn rest(&mut self, all: usize, shown: usize, what: &str) {
        if all > shown {
            self.more(&format!("and {} more {what}", all - shown));
        }
    }
}

fn speed(summary: &Summary) -> String {
    let times = match summary.wall_s > 0.0 {
        true => format!(" ({}× real time)", grouped((summary.virtual_s / summary.wall_s).round() as u64)),
        false => String::new(),
    };
    format!("{} virtual in {:.3} s{times}", seconds(summary.virtual_s), summary.wall_s)
}

/// `service/web: 1,000 requests, 900 served, 100 refused`; outcomes that did not happen are left out.
fn requests(report: &TrafficReport) -> String {
    let from = report.from.as_ref().map_or(String::new(), |from| format!("{from} -> "));
    let parts = [(report.served, "served"), (report.refused, "refused"), (report.timed_out, "timed out"), (report.dropped, "dropped")];
    let parts = parts.into_iter().filter(|&(number, _)| number > 0).map(|(number, what)| format!(", {} {what}", grouped(number)));
    let wait = report.longest_wait_s.map_or(String::new(), |wait| format!(", waited {wait:.3} s at most"));
    format!("{from}{}: {} requests{}{wait}", report.to, grouped(report.sent), parts.collect::<String>())
}

/// `small: 3 nodes (most 5), 4 added, 1 removed, 12.5 node-hours, cost 1.25`; what did not happen is left out.
fn node_group(group: &NodeGroupReport) -> String {
    let NodeGroupReport { name, nodes, peak, added, removed, failed, node_hours, cost } = group;
    let parts = [(*added, "added"), (*removed, "removed"), (*failed, "times failed to grow")];
    let parts = parts.into_iter().filter(|&(number, _)| number > 0).map(|(number, what)| format!(", {} {what}", grouped(number)));
    format!(
        "{name}: {} (most {}){}, {node_hours:.2} node-hours, cost {cost:.2}",
        count(*nodes, "node"),
        grouped(*peak),
        parts.collect::<String>()
    )
}

fn autoscaling(report: &AutoscalingReport) -> String {
    let AutoscalingReport { cost, node_hours, pending_s, evictions, .. } = report;
    let evicted = if *evictions > 0 { format!("; {} to empty nodes", count(*evictions, "eviction")) } else { String::new() };
    format!("{node_hours:.2} node-hours, cost {cost:.2}; pods waited {} for nodes together{evicted}", seconds(*pending_s))
}

fn nodes(summary: &Summary) -> String {
    let mut line = match summary.nodes - summary.at_end.nodes_ready.min(summary.nodes) {
        0 => format!("{} ready", grouped(summary.nodes)),
        lost => format!("{}: {} ready, {} not", grouped(summary.nodes), grouped(summary.nodes - lost), grouped(lost)),
    };
    let used: Vec<String> = summary
        .at_end
        .requested_permille
        .iter()
        .filter(|&&(_, permille)| permille > 0)
        .map(|(resource, permille)| format!("{resource} {}.{} % requested", permille / 10, permille % 10))
        .collect();
    if !used.is_empty() {
        line.push_str(&format!("; {}", used.join(", ")));
    }
    line
}

fn pods(summary: &Summary) -> String {
    let pods = summary.pods;
    let states = [
        (pods.running, format!("{} running ({} ready)", grouped(pods.running), grouped(pods.ready))),
        (pods.pending, format!("{} pending", grouped(pods.pending))),
        (pods.succeeded, format!("{} succeeded", grouped(pods.succeeded))),
        (pods.failed, format!("{} failed", grouped(pods.failed))),
    ];
    let states: Vec<String> = states.into_iter().filter(|&(count, _)| count > 0).map(|(_, text)| text).collect();
    let states = if states.is_empty() { "none".to_string() } else { states.join(", ") };
    format!("{states}; {} created, {} deleted on the way", grouped(pods.created), grouped(pods.deleted))
}

fn trace(report: &TraceReport) -> String {
    let bad = |list: &[Trouble]| list.iter().map(|trouble| trouble.rows).sum::<u64>();
    let parts =
        [(report.left, "left"), (report.to_come, "still to come"), (bad(&report.unusable), "unusable"), (bad(&report.refused), "refused")];
    let parts: String = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {} {what}", grouped(*count))).collect();
    format!("{}: {}, {} arrived{parts}", report.file, count(report.rows, "row"), grouped(report.arrived))
}

fn progress(rollout: &Rollout) -> String {
    let Rollout { name, wanted, updated, ready, note } = rollout;
    let state = match (ready == wanted, updated == wanted) {
        (true, true) => format!("complete, {wanted} ready"),
        _ => format!("{ready} of {wanted} ready, {updated} updated"),
    };
    let note = if note.is_empty() { String::new() } else { format!("; {note}") };
    format!("{name}  {state}{note}")
}

fn troubles(summary: &Summary) -> String {
    let mut parts = Vec::new();
    if summary.waited.pods > 0 {
        let longest = seconds(summary.waited.virtual_s_max);
        parts.push(format!("{} waited for a node (longest {longest})", count(summary.waited.pods, "pod")));
    }
    if summary.evictions > 0 {
        parts.push(count(summary.evictions, "eviction"));
    }
    if summary.restarts > 0 {
        parts.push(count(summary.restarts, "container restart"));
    }
    parts.join(", ")
}

fn namespaces(summary: &Summary) -> String {
    match summary.at_end.namespaces_added.as_slice() {
        [] => String::new(),
        [one] => format!("namespace {one}, which is used but not defined"),
        many => format!("namespaces {}, which are used but not defined", many.join(", ")),
    }
}

fn expected(summary: &Summary) -> String {
    match (summary.expectations.met, summary.expectations.missed.len()) {
        (0, 0) => String::new(),
        (met, 0) => format!("{met} of {met} met"),
        (met, missed) => format!("{met} of {} met", met + missed as u64),
    }
}

/// `1 pod`, `2,000 pods`.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = match (number, what.as_bytes()) {
        (1, _) | (_, [.., b's']) => "",
        (_, _) => "s",
    };
    format!("{} {what}{plural}", grouped(number))
}

/// Seconds with as many decimals as they need, at most three: `60 s`, `1.5 s`.
fn seconds(value: f64) -> String {
    let text = format!("{value:.3}");
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A number with commas between groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::record::summary::{AtEnd, Expectations, PodCounts, SCHEMA, Unschedulable, Waited};

    fn quiet() -> Summary {
        Summary {
            schema: SCHEMA,
            scene: "scenes/hello.ron".to_string(),
            seed: 7,
            virtual_s: 600.0,
            digest: "00000000000000ab".to_string(),
            nodes: 3,
            pods: PodCounts { total: 3, running: 3, ready: 3, created: 3, ..PodCounts::default() },
            unschedulable: vec![],
            waited: Waited::default(),
            traces: vec![],
            traffic: vec![],
            autoscaling: None,
            evictions: 0,
            restarts: 0,
            bindings: 3,
            log_entries: 40,
            events: 9,
            agenda_fired: 12,
            expectations: Expectations { met: 2, missed: vec![] },
            not_simulated: vec![],
            read_cpu_s: 0.0,
            cpu_s: 0.01,
            wall_s: 0.012,
            peak_rss_bytes: 1,
            at_end: AtEnd { nodes_ready: 3, ..AtEnd::default() },
        }
    }

    #[test]
    fn a_quiet_run() {
        let want = "\
scene          scenes/hello.ron, seed 7
time           600 s virtual in 0.012 s (50,000× real time)
nodes          3 ready
pods           3 running (3 ready); 3 created, 0 deleted on the way
expected       2 of 2 met
digest         00000000000000ab
";
        assert_eq!(summary(&quiet()), want);
    }

    #[test]
    fn a_run_with_troubles() {
        let rollout =
            |name: &str, ready, note: &str| Rollout { name: name.to_string(), wanted: 3, updated: 3, ready, note: note.to_string() };
        let trouble = |rows, reason: &str, first: &str| Trouble { reason: reason.to_string(), rows, first: first.to_string() };
        let troubled = Summary {
            virtual_s: 90.25,
            pods: PodCounts { total: 9, pending: 2, running: 5, ready: 4, succeeded: 1, failed: 1, created: 1200, deleted: 1191 },
            unschedulable: vec![Unschedulable { message: "0/3 nodes are available: 3 Insufficient cpu.".to_string(), pods: 2 }],
            waited: Waited { pods: 2, virtual_s_max: 88.5, reasons: vec![WaitReason { reason: "Insufficient cpu".to_string(), pods: 2 }] },
            evictions: 1,
            restarts: 4,
            traces: vec![TraceReport {
                file: "pods.csv".to_string(),
                rows: 1300,
                arrived: 1200,
                left: 90,
                to_come: 97,
                unusable: vec![trouble(2, "cpu_milli: expected a whole number", "pods.csv:7: found \"x\"")],
                refused: vec![trouble(1, "AlreadyExists", "pods.csv:9: pods \"a\" already exists")],
            }],
            expectations: Expectations { met: 1, missed: vec!["at 59s: 3 ready in deployment/web, found 2".to_string()] },
            not_simulated: vec!["StatefulSet".to_string(), "Pod.spec.volumes".to_string()],
            wall_s: 0.0,
            at_end: AtEnd {
                refused: vec![Refused { actor: "script".into(), message: "pods \"web\" not found".into(), times: 2 }],
                nodes_ready: 2,
                objects: vec![("Deployment".to_string(), 2), ("Endpoints".to_string(), 3), ("Service".to_string(), 1)],
                rollouts: vec![rollout("deployment/web", 2, "progress deadline exceeded"), rollout("deployment/api", 3, "")],
                requested_permille: vec![("cpu".to_string(), 455), ("memory".to_string(), 90)],
                namespaces_added: vec!["shop".to_string()],
            },
            ..quiet()
        };
        let want = "\
scene          scenes/hello.ron, seed 7
time           90.25 s virtual in 0.000 s
nodes          3: 2 ready, 1 not; cpu 45.5 % requested, memory 9.0 % requested
pods           5 running (4 ready), 2 pending, 1 succeeded, 1 failed; 1,200 created, 1,191 deleted on the way
               2 unschedulable: 0/3 nodes are available: 3 Insufficient cpu.
rollout        deployment/web  2 of 3 ready, 3 updated; progress deadline exceeded
               deployment/api  complete, 3 ready
objects        2 Deployments, 3 Endpoints, 1 Service
trace          pods.csv: 1,300 rows, 1,200 arrived, 90 left, 97 still to come, 2 unusable, 1 refused
               2 unusable: cpu_milli: expected a whole number (first pods.csv:7: found \"x\")
               1 refused: AlreadyExists (first pods.csv:9: pods \"a\" already exists)
troubles       2 pods waited for a node (longest 88.5 s), 1 eviction, 4 container restarts
               2 waited at first for: Insufficient cpu
refused        2× script: pods \"web\" not found
not simulated  StatefulSet, Pod.spec.volumes
created        namespace shop, which is used but not defined
expected       1 of 2 met
               missed: at 59s: 3 ready in deployment/web, found 2
digest         00000000000000ab
";
        assert_eq!(summary(&troubled), want);
    }

    #[test]
    fn long_lists_are_cut() {
        let mut many = quiet();
        many.at_end.rollouts =
            (0..20).map(|n| Rollout { name: format!("deployment/{n}"), wanted: 1, updated: 1, ready: 1, note: String::new() }).collect();
        let text = summary(&many);
        assert!(text.contains("and 12 more rollouts"), "{text}");
        assert!(text.lines().count() < 20, "{text}");
    }
}
