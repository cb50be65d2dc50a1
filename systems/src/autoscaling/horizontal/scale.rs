//! The `scale` subresource of an autoscaler's target, as read.

use bevy_ecs::system::SystemParam;
use wavetank_engine::api::request::Refusal;
use wavetank_engine::api::scale::no_scale;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::revisioned::{StatefulSet, StatefulSetStatus};
use wavetank_engine::model::select::{Operator, Requirement, SelectorId};
use wavetank_engine::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use wavetank_engine::names::Names;

/// A target's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// The target.
    pub object: ObjRef,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// `status.selector`; `None` when it is empty.
    pub selector: Option<SelectorId>,
}

/// The workloads that can be scaled. `Q` is the party's queue.
#[derive(SystemParam)]
pub struct Targets<'w, 's, Q: Send + Sync + 'static> {
    deployments: View<'w, 's, Q, Deployment>,
    deployment_statuses: View<'w, 's, Q, DeploymentStatus>,
    sets: View<'w, 's, Q, ReplicaSet>,
    set_statuses: View<'w, 's, Q, ReplicaSetStatus>,
    stateful_sets: View<'w, 's, Q, StatefulSet>,
    stateful_set_statuses: View<'w, 's, Q, StatefulSetStatus>,
    kinds: bevy_ecs::prelude::Res<'w, Kinds>,
}

impl<Q: Send + Sync + 'static> Targets<'_, '_, Q> {
    /// Reads the scale of an object.
    ///
    /// # Errors
    /// What the API server would say: no such kind, no such object, or a kind that cannot be scaled.
    pub fn scale(
        &self,
        listing: &Listing<Q>,
        names: &mut Names,
        key: ObjectKey,
        (api_version, kind): (&str, &str),
    ) -> Result<Scale, String> {
        let object = listing.by_key(key);
        if matches!(key.kind, Kind::Other(_)) && object.is_none() {
            let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
            return Err(format!("no matches for kind \"{kind}\" in group \"{group}\""));
        }
        let missing = || Refusal::not_found(&self.kinds.resource(key.kind), &names.render(key.name)).message;
        let read = match key.kind {
            Kind::Deployment => Targets::deployment,
            Kind::ReplicaSet | Kind::ReplicationController => Targets::set,
            Kind::StatefulSet => Targets::stateful_set,
            _ => return Err(no_scale().message),
        };
        let read = read(self, object.ok_or_else(missing)?);
        read.ok_or_else(|| no_scale().message)
    }

    fn deployment(&self, object: ObjRef) -> Option<Scale> {
        let (spec, status) = (self.deployments.get(object)?, self.deployment_statuses.get(object)?);
        Some(Scale { object, replicas: spec.replicas, status_replicas: status.replicas, selector: Some(spec.selector) })
    }

    fn set(&self, object: ObjRef) -> Option<Scale> {
        let (spec, status) = (self.sets.get(object)?, self.set_statuses.get(object)?);
        Some(Scale { object, replicas: spec.replicas, status_replicas: status.replicas, selector: Some(spec.selector) })
    }

    fn stateful_set(&self, object: ObjRef) -> Option<Scale> {
        let (spec, status) = (self.stateful_sets.get(object)?, self.stateful_set_statuses.get(object)?);
        Some(Scale { object, replicas: spec.replicas, status_replicas: status.replicas, selector: Some(spec.selector) })
    }
}

/// A selector as `status.selector` shows it: requirements in order of their keys.
pub fn selector_text(names: &Names, requirements: &[Requirement]) -> String {
    let mut texts: Vec<(&str, String)> = requirements
        .iter()
        .map(|requirement| {
            let key = names.text(requirement.key);
            let mut values: Vec<&str> = requirement.values.iter().map(|&value| names.text(value)).collect();
            values.sort_unstable();
            let text = match (requirement.operator, values.as_slice()) {
                (Operator::In, [value]) => format!("{key}={value}"),
                (Operator::In, _) => format!("{key} in ({})", values.join(",")),
                (Operator::NotIn, _) => format!("{key} notin ({})", values.join(",")),
                (Operator::Exists, _) => key.to_string(),
                (Operator::DoesNotExist, _) => format!("!{key}"),
            };
            (key, text)
        })
        .collect();
    texts.sort_unstable();
    texts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}
