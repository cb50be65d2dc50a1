//! Claims and volumes.

use super::{Cx, Fields};
use crate::model::storage::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeStatus};

pub(super) fn claim(cx: &Cx, claim: &PersistentVolumeClaim) -> Fields {
    let class = claim.class.map_or(String::new(), |class| cx.text(class));
    vec![("spec.storageClassName".into(), class), ("spec.volumeName".into(), cx.text(claim.volume))]
}

pub(super) fn claim_status(cx: &Cx, status: &PersistentVolumeClaimStatus) -> Fields {
    vec![("status.phase".into(), status.phase.text().into()), ("status.capacity.storage".into(), cx.text(status.capacity))]
}

pub(super) fn volume(cx: &Cx, volume: &PersistentVolume) -> Fields {
    let claim = volume.claim.map(|claim| format!("{}/{}", cx.text(claim.namespace), cx.names.render(claim.name)));
    vec![("spec.claimRef".into(), claim.unwrap_or_default())]
}

pub(super) fn volume_status(status: &PersistentVolumeStatus) -> Fields {
    vec![("status.phase".into(), status.phase.text().into())]
}
