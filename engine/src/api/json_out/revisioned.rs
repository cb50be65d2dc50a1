//! Status of StatefulSets and DaemonSets.

use super::{Cx, put};
use crate::model::revisioned::{DaemonSetStatus, StatefulSetStatus};
use serde_json::{Map, Value};

impl Cx<'_> {
    pub(super) fn stateful_set_status(&self, status: &StatefulSetStatus) -> Value {
        let mut out = Map::new();
        if status.observed_generation > 0 {
            put(&mut out, "observedGeneration", status.observed_generation);
        }
        put(&mut out, "replicas", status.replicas);
        let counts = [("readyReplicas", status.ready), ("currentReplicas", status.current), ("updatedReplicas", status.updated)];
        for (field, count) in counts.into_iter().filter(|pair| pair.1 != 0) {
            put(&mut out, field, count);
        }
        for (field, revision) in [("currentRevision", status.current_revision), ("updateRevision", status.update_revision)] {
            if !revision.is_empty() {
                put(&mut out, field, self.text(revision));
            }
        }
        if let Some(count) = status.collision_count {
            put(&mut out, "collisionCount", count);
        }
        put(&mut out, "availableReplicas", status.available);
        Value::Object(out)
    }
}

pub(super) fn daemon_set_status(status: &DaemonSetStatus) -> Value {
    let mut out = Map::new();
    put(&mut out, "currentNumberScheduled", status.current);
    put(&mut out, "numberMisscheduled", status.misscheduled);
    put(&mut out, "desiredNumberScheduled", status.desired);
    put(&mut out, "numberReady", status.ready);
    if status.observed_generation > 0 {
        put(&mut out, "observedGeneration", status.observed_generation);
    }
    let counts =
        [("updatedNumberScheduled", status.updated), ("numberAvailable", status.available), ("numberUnavailable", status.unavailable)];
    for (field, count) in counts.into_iter().filter(|pair| pair.1 != 0) {
        put(&mut out, field, count);
    }
    if let Some(count) = status.collision_count {
        put(&mut out, "collisionCount", count);
    }
    Value::Object(out)
}
