//! Jobs: one sync, back-off after failures, texts of indexes.

use crate::row::{Check, Functions};
use serde_json::{Map, Value, json};
use wavetank_engine::api::json_in::Tables;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::batch::JobStatus;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::ConditionStatus;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;
use wavetank_systems::workloads::job::assess::Snapshot;
use wavetank_systems::workloads::job::backoff::{BackoffRecord, remaining};
use wavetank_systems::workloads::job::indexes::Indexes;
use wavetank_systems::workloads::job::manage::{Action, NewPod, decide};
use wavetank_systems::workloads::job::pods::PodFacts;
use wavetank_systems::workloads::job::texts::JobTexts;
use wavetank_systems::workloads::job::track::{Outcome, track};

pub(crate) const FUNCTIONS: Functions = &[
    ("pod_failure_backoff_remaining", Check::Answer(backoff)),
    ("indexes_string", Check::Answer(indexes)),
    ("syncJob_once", Check::Answer(sync)),
];

const NOW: SimTime = SimTime::from_secs(1_000_000_000);

fn integer(value: &Value, name: &str) -> Result<i64, String> {
    value[name].as_i64().ok_or_else(|| format!("{name} is no integer"))
}

fn ago(value: &Value, name: &str) -> Result<SimTime, String> {
    Ok(SimTime::from_secs((1_000_000_000 - integer(value, name)?) as u64))
}

fn backoff(input: &Value) -> Result<Value, String> {
    let seconds = |name: &str| integer(input, name).map(|value| SimDuration::from_secs(value as u64));
    let failures = integer(input, "failures_since_last_success")? as u32;
    let left = remaining(failures, ago(input, "elapsed_since_last_failure_s")?, seconds("base_s")?, seconds("max_s")?, NOW);
    Ok(json!({"remaining_ms": left.as_millis()}))
}

fn indexes(input: &Value) -> Result<Value, String> {
    let text = input["indexes"].as_str().ok_or("no indexes")?;
    let parsed = Indexes::parse(text, integer(input, "completions")? as u32);
    let more = input["newly_done_sorted"].as_array().into_iter().flatten().filter_map(Value::as_u64).map(|index| index as u32);
    let merged = parsed.with(more);
    Ok(json!({
        "parsed": parsed.to_string(), "total": parsed.total(), "merged": merged.to_string(), "merged_total": merged.total(),
    }))
}

struct World {
    names: Names,
    labels: LabelSets,
    selectors: Selectors,
    classes: Classes,
    kinds: Kinds,
}

fn snapshot(world: &mut World, input: &Value) -> Result<Snapshot, String> {
    let fields = [
        ("backoff_limit", "backoffLimit"),
        ("backoff_limit_per_index", "backoffLimitPerIndex"),
        ("completion_mode", "completionMode"),
        ("completions", "completions"),
        ("max_failed_indexes", "maxFailedIndexes"),
        ("parallelism", "parallelism"),
        ("pod_failure_policy", "podFailurePolicy"),
        ("pod_replacement_policy", "podReplacementPolicy"),
        ("success_policy", "successPolicy"),
        ("suspend", "suspend"),
        ("active_deadline_s", "activeDeadlineSeconds"),
    ];
    let given = fields.iter().filter(|(name, _)| !input[*name].is_null());
    let mut spec: Map<String, Value> = given.map(|(name, field)| (field.to_string(), input[*name].clone())).collect();
    let pod = json!({"restartPolicy": input["restart_policy"], "containers": [{"name": "main", "image": "main"}]});
    spec.insert("template".into(), json!({"spec": pod}));
    let World { names, labels, selectors, classes, kinds } = world;
    let job = Tables { names, labels, selectors, classes, kinds, epoch_unix_s: 0 }.job(&Value::Object(spec));
    let pods = input["pods"].as_array().ok_or("no pods")?;
    let start_at = if input["start_age_s"].is_null() { None } else { Some(ago(input, "start_age_s")?) };
    let count = |name: &str| input[name].as_i64().unwrap_or(0) as i32;
    Ok(Snapshot {
        job,
        status: JobStatus { start_at, succeeded: count("status_succeeded"), failed: count("status_failed"), ..JobStatus::default() },
        namespace: world.names.sym("default"),
        deleting: false,
        on_failure: input["restart_policy"] == "OnFailure",
        satisfied: true,
        record: BackoffRecord::default(),
        pods: pods.iter().enumerate().map(|(at, pod)| facts(&mut world.names, at, pod)).collect::<Result<_, _>>()?,
    })
}

fn facts(names: &mut Names, at: usize, pod: &Value) -> Result<PodFacts, String> {
    let flag = |name: &str| pod[name].as_bool() == Some(true);
    let main = names.sym("foo");
    let code = pod["exit_code"].as_i64().map(|code| (main, code as i32));
    let disrupted = flag("disruption_target").then_some((words::DISRUPTION_TARGET, ConditionStatus::True));
    let created_at = ago(pod, "created_age_s")?;
    let restarts = pod["restarts"].as_u64().unwrap_or(0) as u32;
    Ok(PodFacts {
        uid: Uid(at as u64 + 1),
        name: names.name(pod["name"].as_str().ok_or("no name")?),
        phase: match pod["phase"].as_str() {
            Some("Pending") => PodPhase::Pending,
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            other => return Err(format!("phase {other:?}")),
        },
        assigned: false,
        deleting: flag("deleting"),
        ready: flag("ready"),
        ready_at: SimTime::ZERO,
        tracked: true,
        index: pod["index"].as_u64().map(|index| index as u32),
        index_failures: (pod["index_failure_count_annotation"].as_u64().unwrap_or(0) as u32, 0),
        restarts,
        restarts_max: restarts,
        created_at,
        finished_at: match (&pod["finished_age_s"], flag("deleting")) {
            // The table does not say when deletion began; 2 to 9 s ago fits every row.
            (Value::Null, true) => SimTime::from_secs(999_999_995),
            (Value::Null, false) => created_at,
            _ => ago(pod, "finished_age_s")?,
        },
        exits: code.into_iter().collect(),
        conditions: disrupted.into_iter().collect(),
    })
}

/// One sync in which every request is granted and no pod changes.
fn sync(input: &Value) -> Result<Value, String> {
    let mut names = Names::new();
    let texts = JobTexts::new(&mut names);
    let (labels, selectors, classes, kinds) = (LabelSets::default(), Selectors::default(), Classes::default(), Kinds::default());
    let mut world = World { names, labels, selectors, classes, kinds };
    let snapshot = snapshot(&mut world, input)?;
    let found = snapshot.assess(&texts, &mut world.names, NOW);
    let (action, managed) = decide(&snapshot, &found, NOW);
    let nothing: (Vec<usize>, Vec<NewPod>, usize) = (Vec::new(), Vec::new(), 0);
    let (mut deleted, created, patched) = match &action {
        Action::Nothing | Action::Wait(_) => nothing,
        Action::End(pods) => (pods.clone(), Vec::new(), 0),
        Action::Delete(pods) => (pods.clone(), Vec::new(), pods.iter().filter(|&&at| snapshot.pods[at].tracked).count()),
        Action::Create(pods) => (Vec::new(), pods.clone(), 0),
    };
    let ready = deleted.iter().filter(|&&at| snapshot.pods[at].ready).count() as i32;
    let outcome = Outcome { removed: deleted.len() as i32, removed_ready: ready, created: created.len() as i32 };
    let mut books = track(&snapshot, &found, (&action, managed), outcome, &texts, NOW);
    let first = books.write.then(|| books.status.clone());
    let removed: Vec<Uid> = books.release.iter().map(|&at| snapshot.pods[at].uid).collect();
    let second = books.settle(&removed, first.is_some(), &texts, NOW).map(|(status, _)| status);
    let updates = usize::from(first.is_some()) + usize::from(second.is_some());
    let status = second.or(first).map_or(Value::Null, |status| status_json(&world.names, &status));
    deleted.sort_by_key(|&at| world.names.render(snapshot.pods[at].name));
    let mut indexes: Vec<u32> = created.iter().filter_map(|pod| pod.index).collect();
    indexes.sort_unstable();
    let failures = created.iter().filter_map(|pod| Some((pod.index?.to_string(), json!(pod.failures?.0.to_string()))));
    Ok(json!({
        "created": created.len(), "created_indexes_sorted": indexes, "created_index_failure_counts": failures.collect::<Map<_, _>>(),
        "deleted_sorted": deleted.iter().map(|&at| world.names.render(snapshot.pods[at].name)).collect::<Vec<_>>(),
        "finalizers_removed_count": removed.len() + patched, "status": status, "status_updates": updates, "error": null,
    }))
}

fn status_json(names: &Names, status: &JobStatus) -> Value {
    let text = |sym: Sym| names.text(sym);
    let conditions: Vec<Value> = status
        .conditions
        .iter()
        .map(|c| json!({"type": text(c.kind), "status": c.status.text(), "reason": text(c.reason), "message": text(c.message)}))
        .collect();
    json!({
        "active": status.active, "ready": status.ready, "terminating": status.terminating, "succeeded": status.succeeded,
        "failed": status.failed, "completed_indexes": status.completed_indexes, "failed_indexes": status.failed_indexes,
        "conditions": conditions, "has_start_time": status.start_at.is_some(), "has_completion_time": status.completed_at.is_some(),
    })
}
