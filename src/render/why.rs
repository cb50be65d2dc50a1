//! A chain of causes as sentences, as JSON and as a Mermaid flowchart.

use serde_json::{Value, json};
use wavetank_engine::ids::Revision;
use wavetank_engine::record::causes::Origin;
use wavetank_engine::record::inputs::Input;
use wavetank_engine::record::journal::Line;
use wavetank_engine::record::why::{Recording, Step};
use wavetank_engine::scene::build::SCRIPT;
use wavetank_engine::time::SimTime;

/// An entry of the scene's script, as it is written.
pub struct Script {
    /// What it does.
    pub action: String,
    /// Where it is written.
    pub place: String,
}

/// A chain and what its sentences are made from.
pub struct Chain<'c> {
    /// The scene's path.
    pub scene: &'c str,
    /// The field of the first write that was asked about; empty: its most telling one.
    pub field: &'c str,
    /// The steps, the effect first.
    pub steps: &'c [Step],
    /// The run.
    pub recording: &'c Recording<'c>,
    /// The scene's script, in order of time.
    pub script: &'c [Script],
}

/// Time and sentence of each step.
pub(crate) fn told(chain: &Chain) -> Vec<(SimTime, String)> {
    let mut told: Vec<(SimTime, String)> = Vec::new();
    for (at, step) in chain.steps.iter().enumerate() {
        let last = told.last().map_or(SimTime::ZERO, |(at, _)| *at);
        told.push(match step {
            Step::Write(revision) => match telling(chain.recording.lines(*revision), if at == 0 { chain.field } else { "" }) {
                Some(line) => (line.at, clause(line) + &said(chain, at, *revision)),
                None => match chain.recording.entry(*revision) {
                    Some(entry) => (entry.at, format!("{} of {} changed", entry.changes.text(), chain.recording.object(entry.key))),
                    None => (last, "something changed that is forgotten".to_string()),
                },
            },
            Step::Timer { behaviour, object, set_at, times } => {
                let of = if object.is_empty() { String::new() } else { format!(" for {object}") };
                let often = match times {
                    1 => String::new(),
                    2 => " and set again once".to_string(),
                    times => format!(" and set again {} times", times - 1),
                };
                (last, format!("a timer of {}{of} was due, set at {}{often}", party(behaviour), set_at.clock()))
            }
            Step::Input(input) => (input.at, self::input(input)),
            Step::Origin(Origin::Scene) if matches!(chain.steps.get(at.wrapping_sub(1)), Some(Step::Input(_))) => {
                (SimTime::ZERO, "the scene says so".to_string())
            }
            Step::Origin(Origin::Scene) => (SimTime::ZERO, "the scene begins with it".to_string()),
            Step::Origin(Origin::Script { number, at }) => match chain.script.get(*number) {
                Some(script) => (*at, format!("the script says {} ({})", shorten(&script.action), script.place)),
                None => (*at, "the script says so".to_string()),
            },
            Step::Origin(Origin::Trace { number, at }) => (*at, format!("trace {} of the scene says so", number + 1)),
            Step::Origin(Origin::Resumed { at }) => {
                (*at, "the saved run had come so far; causes before it went on are not kept".to_string())
            }
            Step::Origin(Origin::Client { what, at, .. }) => (*at, format!("{what} goes on")),
            Step::Unknown => (last, "of an unknown cause (this is a bug)".to_string()),
        });
    }
    told
}

/// What an autoscaler saw. Unit of the figures: thousandths.
fn input(input: &Input) -> String {
    let figure = |milli: u64| {
        let text = format!("{}.{:03}", milli / 1000, milli % 1000);
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    };
    let (unit, now) = (if input.requests { " per second" } else { "" }, figure(input.now_milli));
    match input.before {
        None => format!("{} {} {now}{unit}", input.what, if input.requests { "are" } else { "is" }),
        // Just before a jump.
        Some((since, before)) if since.0 + 1 == input.at.0 => format!("{} went from {} to {now}{unit}", input.what, figure(before)),
        Some((since, before)) => format!("{} went from {} at {} to {now}{unit}", input.what, figure(before), since.clock()),
    }
}

/// What the writer of a step said of it, when it acted on what it saw and not on a change.
fn said(chain: &Chain, at: usize, write: Revision) -> String {
    let Some(Step::Timer { object, .. }) = chain.steps.get(at + 1) else { return String::new() };
    chain.recording.said(write, object).map_or(String::new(), |said| format!(": \"{said}\""))
}

/// Longest step of the script shown whole. Unit: characters.
const ACTION_MAX: usize = 100;

fn shorten(action: &str) -> String {
    match action.char_indices().nth(ACTION_MAX) {
        None => action.to_string(),
        Some((cut, _)) => format!("{}…", &action[..cut]),
    }
}

/// The line of a write that says most, or that of a field.
fn telling<'l>(lines: &'l [Line], field: &str) -> Option<&'l Line> {
    let rank = |line: &Line| match line.field.as_str() {
        asked if asked == field => 0,
        "deletion" if line.old == "-" => 1,
        "object" => 2,
        "spec.nodeName" => 3,
        spec if spec.starts_with("spec.") => 4,
        "deletion" => 5,
        "status.phase" => 6,
        "conditions.Ready" => 7,
        state if state.ends_with(".state") => 8,
        condition if condition.starts_with("conditions.") => 9,
        _ => 10,
    };
    lines.iter().min_by_key(|line| rank(line))
}

fn clause(line: &Line) -> String {
    let Line { object, old, new, .. } = line;
    let by = format!("by {}", party(&line.actor));
    match line.field.as_str() {
        "object" if new == "gone" => format!("{object} was removed {by}"),
        "object" => format!("{object} was created {by}"),
        "deletion" if old == "-" => format!("{object} was deleted {by} ({new})"),
        "deletion" => format!("the deletion of {object} was hurried {by} ({old} -> {new})"),
        "spec.replicas" | "spec.parallelism" => format!("{object} was scaled {old} -> {new} {by}"),
        "spec.nodeName" => format!("{object} was bound to node/{new} {by}"),
        "spec.template.image" | "spec.image" => format!("{object} got the image {new} {by}"),
        "spec.taints" if new == "-" => format!("{object} lost the taints {old} {by}"),
        "spec.taints" => format!("{object} got the taints {new} {by}"),
        "spec.unschedulable" => format!("{object} was {} {by}", if new == "true" { "cordoned" } else { "uncordoned" }),
        "conditions.Ready" if new == "True" || new.starts_with("True ") => format!("{object} became ready, {by}"),
        "status.phase" => format!("{object} became {new}, {by}"),
        field => {
            let what = field.strip_prefix("conditions.").map_or(field.to_string(), |condition| format!("the condition {condition}"));
            format!("{what} of {object} went from {old} to {new}, {by}")
        }
    }
}

/// A party of the control plane in words, from the name under which it asks or that of its behaviour.
fn party(name: &str) -> String {
    const PARTIES: &[(&str, &str, &str)] = &[
        ("deployment-controller", "deployment", "the Deployment controller"),
        ("replicaset-controller", "replica_set", "the ReplicaSet controller"),
        ("replication-controller", "replication_controller", "the ReplicationController manager"),
        ("statefulset-controller", "stateful_set", "the StatefulSet controller"),
        ("daemonset-controller", "daemon_set", "the DaemonSet controller"),
        ("job-controller", "job", "the Job controller"),
        ("cronjob-controller", "cron_job", "the CronJob controller"),
        ("default-scheduler", "scheduler", "the scheduler"),
        ("kubelet", "heartbeat", "the kubelet"),
        ("taint-eviction-controller", "taint_eviction", "the taint eviction controller"),
        ("node-controller", "node_lifecycle", "the node lifecycle controller"),
        ("endpointslice-controller", "endpoint_slices", "the EndpointSlice controller"),
        ("endpoint-controller", "endpoints", "the Endpoints controller"),
        ("persistentvolume-controller", "volumes", "the PersistentVolume controller"),
        ("pvc-protection-controller", "claim_protection", "the protection of claims in use"),
        ("pv-protection-controller", "volume_protection", "the protection of volumes in use"),
        ("ephemeral-volume-controller", "ephemeral_claims", "the ephemeral volume controller"),
        ("external-provisioner", "provisioner", "the provisioner"),
        ("horizontal-pod-autoscaler", "horizontal_pod_autoscaler", "the HorizontalPodAutoscaler"),
        ("generic-garbage-collector", "garbage", "the garbage collector"),
        ("ttl-after-finished-controller", "ttl_after_finished", "the TTL-after-finished controller"),
        ("pod-garbage-collector", "pod_gc", "the pod garbage collector"),
        ("disruption-controller", "disruption", "the disruption controller"),
        ("namespace-controller", "namespaces", "the namespace controller"),
        ("kube-apiserver", "service_addresses", "the API server"),
        (SCRIPT, SCRIPT, "the script"),
    ];
    let found = PARTIES.iter().find(|(actor, behaviour, _)| [*actor, *behaviour].contains(&name));
    found.map_or(name.to_string(), |(.., words)| words.to_string())
}

/// Sentences: the change first, each further line why the one above it came.
pub fn text(chain: &Chain) -> String {
    let line = |(number, (at, sentence)): (usize, (SimTime, String))| {
        let because = if number == 0 { "" } else { "  because " };
        format!("{}  {because}{sentence}\n", at.clock())
    };
    told(chain).into_iter().enumerate().map(line).collect()
}

/// The chain as JSON, `wavetank.why/1`: `chain` has the change first, each further step is why the one before it came. Times in
/// nanoseconds since the epoch.
pub fn json(chain: &Chain) -> Value {
    let steps = chain.steps.iter().zip(told(chain));
    let steps: Vec<Value> = steps
        .map(|(step, (at, text))| {
            let mut value = match step {
                Step::Write(revision) => {
                    let lines = chain.recording.lines(*revision);
                    let changes = lines.iter().map(|line| json!({"field": line.field, "old": line.old, "new": line.new}));
                    let entry = chain.recording.entry(*revision);
                    let object = entry.map(|entry| chain.recording.object(entry.key));
                    let actor = lines.first().map(|line| line.actor.as_str());
                    let changes: Vec<Value> = changes.collect();
                    json!({"kind": "write", "revision": revision.0, "object": object, "actor": actor, "changes": changes})
                }
                Step::Timer { behaviour, object, set_at, times } => {
                    json!({"kind": "timer", "behaviour": behaviour, "object": object, "set_at_ns": set_at.0, "times_set": times})
                }
                Step::Input(input) => {
                    let (since, before) = input.before.unzip();
                    json!({"kind": "input", "what": input.what, "milli": input.now_milli, "before_milli": before, "before_at_ns": since.map(|at| at.0)})
                }
                Step::Origin(Origin::Scene) => json!({"kind": "scene"}),
                Step::Origin(Origin::Script { number, .. }) => {
                    let script = chain.script.get(*number);
                    json!({"kind": "script", "number": number, "action": script.map(|s| &s.action), "place": script.map(|s| &s.place)})
                }
                Step::Origin(Origin::Trace { number, .. }) => json!({"kind": "trace", "number": number}),
                Step::Origin(Origin::Resumed { .. }) => json!({"kind": "resumed"}),
                Step::Origin(Origin::Client { what, .. }) => json!({"kind": "client", "what": what}),
                Step::Unknown => json!({"kind": "unknown"}),
            };
            value["at_ns"] = at.0.into();
            value["text"] = text.into();
            value
        })
        .collect();
    json!({"schema": "wavetank.why/1", "scene": chain.scene, "chain": steps})
}

/// The chain as a Mermaid flowchart, causes above their effects.
pub fn mermaid(chain: &Chain) -> String {
    let told = told(chain);
    let quoted = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    let mut lines = vec!["flowchart TD".to_string()];
    for (number, (at, sentence)) in told.iter().enumerate().rev() {
        lines.push(format!("    step{number}[\"{} {}\"]", at.clock(), quoted(sentence)));
        if number + 1 < told.len() {
            lines.push(format!("    step{} --> step{number}", number + 1));
        }
    }
    lines.join("\n") + "\n"
}
