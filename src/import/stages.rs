//! KWOK's Stages of pods: their delays become programs and latencies.
//!
//! Source: KWOK, "Stages", `kwok.x-k8s.io/v1alpha1`.

use super::{Draft, images, pod_spec, text_at};
use serde_json::Value;

/// Whether an object is a Stage.
pub fn is_stage(object: &Value) -> bool {
    text_at(object, "/kind") == "Stage" && text_at(object, "/apiVersion").starts_with("kwok.x-k8s.io/")
}

/// What a stage does to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Starts,
    Completes { jobs_alone: bool },
    Deletes,
}

/// Adds what the stages say to a draft that has its objects already.
pub fn add(stages: &[Value], draft: &mut Draft) {
    for stage in stages {
        let name = format!("stage/{}", text_at(stage, "/metadata/name"));
        match does(stage) {
            Err(why) => draft.left_out.note(why, name),
            Ok(does) => {
                let delay_ms = stage.pointer("/spec/delay/durationMilliseconds").and_then(Value::as_u64).unwrap_or(0);
                for (field, why) in [
                    ("durationFrom", "delays of stages from annotations; their plain delay is taken"),
                    ("jitterDurationMilliseconds", "jitter of stages; their plain delay is taken"),
                    ("jitterDurationFrom", "jitter of stages; their plain delay is taken"),
                ] {
                    if stage.pointer(&format!("/spec/delay/{field}")).is_some() {
                        draft.left_out.note(why, name.clone());
                    }
                }
                apply(does, delay_ms, draft);
            }
        }
    }
}

/// What a stage does; `Err`: why it is left out.
fn does(stage: &Value) -> Result<Does, &'static str> {
    if text_at(stage, "/spec/resourceRef/kind") != "Pod" {
        return Err("stages of other kinds than Pod; nodes have kubelets here");
    }
    let selector = stage.pointer("/spec/selector");
    let selects = |field: &str| selector.and_then(|selector| selector.get(field)).is_some_and(|value| !value.is_null());
    if selects("matchLabels") || selects("matchAnnotations") {
        return Err("stages of some pods by label or annotation; programs go by image");
    }
    if stage.pointer("/spec/next/delete").and_then(Value::as_bool) == Some(true) {
        return Ok(Does::Deletes);
    }
    let template = text_at(stage, "/spec/next/statusTemplate");
    let keys = selector.and_then(|selector| selector.get("matchExpressions")).and_then(Value::as_array).into_iter().flatten();
    let jobs_alone = keys.map(|expression| text_at(expression, "/key")).any(|key| key.contains("ownerReferences"));
    let phase = template.lines().filter_map(|line| line.trim().strip_prefix("phase:")).map(str::trim).next_back();
    match phase {
        Some("Running") => Ok(Does::Starts),
        Some("Succeeded") => Ok(Does::Completes { jobs_alone }),
        _ => Err("stages that do neither start, complete nor delete pods"),
    }
}

fn apply(does: Does, delay_ms: u64, draft: &mut Draft) {
    match does {
        Does::Starts => draft.start_ms = Some(draft.start_ms.unwrap_or(0) + delay_ms),
        Does::Completes { jobs_alone: true } => draft.job_runs_for_ms = Some(delay_ms),
        Does::Completes { jobs_alone: false } => {
            let images: Vec<String> = draft.objects.iter().flat_map(images).map(str::to_string).collect();
            images.into_iter().for_each(|image| draft.programs.entry(image).or_default().runs_for_ms = Some(delay_ms));
        }
        Does::Deletes => {
            let ends = |object: &Value| matches!(pod_spec(object).map(|spec| text_at(spec, "/restartPolicy")), Some("" | "Always"));
            let lasting: Vec<String> = draft.objects.iter().filter(|object| ends(object)).flat_map(images).map(str::to_string).collect();
            if delay_ms > 0 {
                lasting.into_iter().for_each(|image| draft.programs.entry(image).or_default().exits_after_ms = Some(delay_ms));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Program;
    use serde_json::json;

    fn stage(name: &str, kind: &str, delay: &Value, selector: &Value, next: &Value) -> Value {
        json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name},
            "spec": {"resourceRef": {"apiGroup": "v1", "kind": kind}, "selector": selector, "delay": delay, "next": next}})
    }

    #[test]
    fn delays_become_programs_and_latencies() {
        let pod = json!({"kind": "Pod", "spec": {"containers": [{"image": "web:1"}]}});
        let job = json!({"kind": "Job", "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"image": "work:1"}]}}}});
        let mut draft = Draft { objects: vec![pod, job], ..Draft::default() };
        let delay = |ms: u64| json!({"durationMilliseconds": ms});
        let owned = json!({"matchExpressions": [{"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]}]});
        let stages = [
            stage("ready", "Pod", &delay(1_000), &json!({}), &json!({"statusTemplate": "conditions: []\nphase: Running\n"})),
            stage("complete", "Pod", &delay(9_000), &owned, &json!({"statusTemplate": "phase: Succeeded\n"})),
            stage(
                "delete",
                "Pod",
                &json!({"durationMilliseconds": 2_000, "jitterDurationMilliseconds": 5}),
                &json!({}),
                &json!({"delete": true}),
            ),
            stage("node", "Node", &delay(1), &json!({}), &json!({})),
            stage("some", "Pod", &delay(1), &json!({"matchLabels": {"a": "b"}}), &json!({"delete": true})),
        ];
        assert!(stages.iter().all(is_stage));
        add(&stages, &mut draft);
        assert_eq!((draft.start_ms, draft.job_runs_for_ms), (Some(1_000), Some(9_000)));
        assert_eq!(draft.programs.get("web:1"), Some(&Program { runs_for_ms: None, exits_after_ms: Some(2_000) }));
        assert_eq!(draft.programs.get("work:1"), None);
        let left_out = draft.left_out.lines().join("\n");
        assert!(["jitter", "stage/node", "stage/some"].iter().all(|part| left_out.contains(part)), "{left_out}");
    }
}
