//! What default constraints select by: Services that select the pod, and its controller. Source: `plugins/helper/spread.go`,
//! `DefaultSelector`.

use crate::scheduler::pods::meets;
use std::sync::Arc;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::select::Requirement;

/// The selector of a pod with these labels. `services`: selectors of its namespace's Services that have one. `controller`: the selector
/// of its ReplicationController, ReplicaSet or StatefulSet. Empty when nothing selects the pod: default constraints do not act then.
pub fn default_selector<'s>(
    services: impl Iterator<Item = &'s [Requirement]>,
    controller: Option<&'s [Requirement]>,
    labels: &LabelSets,
    set: LabelSetId,
) -> Arc<[Requirement]> {
    let services = services.filter(|selector| meets(selector, labels, set));
    let mut merged: Vec<Requirement> = Vec::new();
    for requirement in services.chain(controller).flatten() {
        if !merged.contains(requirement) {
            merged.push(requirement.clone());
        }
    }
    merged.into()
}
