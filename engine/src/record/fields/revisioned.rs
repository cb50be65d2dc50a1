//! StatefulSets and DaemonSets.

use super::{Cx, Fields, count, replicas};
use crate::model::revisioned::{DaemonSetStatus, StatefulSet, StatefulSetStatus};

pub(super) fn stateful_set(cx: &Cx, set: &StatefulSet) -> Fields {
    let mut fields = vec![replicas(set.replicas), ("spec.template.image".into(), cx.images(set.template))];
    if let Some(partition) = set.partition.filter(|&partition| partition > 0) {
        fields.push(("spec.partition".into(), partition.to_string()));
    }
    fields
}

pub(super) fn stateful_set_status(cx: &Cx, status: &StatefulSetStatus) -> Fields {
    let mut fields = vec![
        count("status.replicas", status.replicas),
        count("status.readyReplicas", status.ready),
        count("status.availableReplicas", status.available),
        count("status.currentReplicas", status.current),
        count("status.updatedReplicas", status.updated),
        ("status.currentRevision".into(), cx.names.text(status.current_revision).into()),
        ("status.updateRevision".into(), cx.names.text(status.update_revision).into()),
    ];
    fields.retain(|(_, value)| value != "0" && !value.is_empty());
    fields
}

pub(super) fn daemon_set_status(status: &DaemonSetStatus) -> Fields {
    let mut fields = vec![
        count("status.desiredNumberScheduled", status.desired),
        count("status.currentNumberScheduled", status.current),
        count("status.updatedNumberScheduled", status.updated),
        count("status.numberReady", status.ready),
        count("status.numberAvailable", status.available),
        count("status.numberUnavailable", status.unavailable),
        count("status.numberMisscheduled", status.misscheduled),
    ];
    fields.retain(|(_, value)| value != "0");
    fields
}
