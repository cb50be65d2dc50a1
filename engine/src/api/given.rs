//! What objects were before the run began: the identities that another cluster gave them, and times before the epoch, which virtual time
//! cannot say. Kept beside the store, for those objects alone that have such a past.

use crate::ids::Uid;
use crate::model::raw::Raw;
use crate::time::unix_seconds;
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The past of objects. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Resource)]
pub struct Given {
    by_uid: BTreeMap<Uid, Past>,
}

/// The past of one object.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Past {
    /// `metadata.uid`; empty when none was given.
    uid: String,
    /// The parts of `metadata`, `spec` and `status` that hold times before the epoch, and what tells entries of lists apart.
    early: Raw,
}

impl Given {
    /// Notes what an object brings with it.
    pub(crate) fn note(&mut self, object: Uid, metadata: &Value, body: &Value, epoch_unix_s: i64) {
        let mut early = Map::new();
        let parts = [("metadata", Some(metadata)), ("spec", body.get("spec")), ("status", body.get("status"))];
        for (field, part) in parts {
            if let Some(part) = part.and_then(|part| early_times(part, epoch_unix_s)) {
                early.insert(field.to_string(), part);
            }
        }
        let uid = metadata.get("uid").and_then(Value::as_str).unwrap_or("").to_string();
        if !uid.is_empty() || !early.is_empty() {
            self.by_uid.insert(object, Past { uid, early: Raw::new(Value::Object(early)) });
        }
    }

    /// The identity that an object had elsewhere.
    pub fn uid(&self, object: Uid) -> Option<&str> {
        self.by_uid.get(&object).map(|past| past.uid.as_str()).filter(|uid| !uid.is_empty())
    }

    /// Shows the times before the epoch where the object still has time zero in their place.
    pub(crate) fn overlay(&self, object: Uid, shown: &mut Value, epoch: &str) {
        if let Some(past) = self.by_uid.get(&object) {
            put_times(shown, past.early.value(), epoch);
        }
    }
}

/// What tells the entries of a list apart; an entry in which any of them has changed has another past.
const IDENTITY: &[&str] = &["type", "name", "key", "effect", "status", "restartCount", "reason", "exitCode"];

/// The part of a value that holds times before the epoch; `None`: there are none.
fn early_times(value: &Value, epoch_unix_s: i64) -> Option<Value> {
    match value {
        Value::String(text) => unix_seconds(text).filter(|&at| at < epoch_unix_s).map(|_| value.clone()),
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(|item| early_times(item, epoch_unix_s)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "annotations" | "labels" | "template" | "jobTemplate"));
            let mut times: Map<String, Value> =
                kept.filter_map(|(key, part)| Some((key.clone(), early_times(part, epoch_unix_s)?))).collect();
            if times.is_empty() {
                return None;
            }
            for field in IDENTITY {
                if let Some(part) = fields.get(*field).filter(|part| !part.is_object() && !part.is_array()) {
                    times.insert((*field).to_string(), part.clone());
                }
            }
            Some(Value::Object(times))
        }
        _ => None,
    }
}

fn put_times(shown: &mut Value, early: &Value, epoch: &str) {
    match (shown, early) {
        (Value::String(text), Value::String(time)) if text == epoch => text.clone_from(time),
        (Value::Array(items), Value::Array(past)) => {
            for item in items {
                let same = |past: &&Value| IDENTITY.iter().all(|field| past.get(*field).is_none_or(|part| item.get(*field) == Some(part)));
                if let Some(past) = past.iter().find(same) {
                    put_times(item, past, epoch);
                }
            }
        }
        (Value::Object(fields), Value::Object(past)) => {
            for (key, past) in past {
                if let Some(part) = fields.get_mut(key) {
                    put_times(part, past, epoch);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EPOCH: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn times_before_the_epoch_are_shown_until_they_change() {
        let condition = |kind: &str, status: &str, at: &str| json!({"type": kind, "status": status, "lastTransitionTime": at});
        let early = "2025-12-30T10:00:00Z";
        let metadata = json!({"name": "web", "uid": "u-1", "creationTimestamp": early, "annotations": {"at": early}});
        let body =
            json!({"status": {"startTime": early, "conditions": [condition("Ready", "True", early), condition("Old", "True", early)]}});
        let mut given = Given::default();
        given.note(Uid(3), &metadata, &body, unix_seconds(EPOCH).unwrap());
        assert_eq!((given.uid(Uid(3)), given.uid(Uid(4))), (Some("u-1"), None));
        let mut shown = json!({"metadata": {"creationTimestamp": EPOCH, "annotations": {"at": EPOCH}}, "status": {
            "startTime": "2026-01-01T00:00:05Z",
            "conditions": [condition("Old", "False", EPOCH), condition("Ready", "True", EPOCH)],
        }});
        given.overlay(Uid(3), &mut shown, EPOCH);
        let want = json!({"metadata": {"creationTimestamp": early, "annotations": {"at": EPOCH}}, "status": {
            "startTime": "2026-01-01T00:00:05Z",
            "conditions": [condition("Old", "False", EPOCH), condition("Ready", "True", early)],
        }});
        assert_eq!(shown, want);
        given.note(Uid(5), &json!({"name": "new", "creationTimestamp": EPOCH}), &json!({}), unix_seconds(EPOCH).unwrap());
        assert!(!given.by_uid.contains_key(&Uid(5)));
    }
}
