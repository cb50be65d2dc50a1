//! The components that hold what the API shows of an object, their list, and what changes of them mean to watchers.

use crate::api::store::Obj;
use crate::hash::{FixedState, LookupMap};
use crate::model::autoscaling::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus};
use crate::model::batch::{CronJob, CronJobStatus, Job, JobStatus};
use crate::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use crate::model::meta::Meta;
use crate::model::network::{EndpointSlice, Endpoints, Service, ServiceStatus};
use crate::model::node::{Node, NodeStatus};
use crate::model::opaque::{Namespace, Opaque};
use crate::model::pod::{Pod, PodAllocation, PodStatus};
use crate::model::revisioned::{ControllerRevision, DaemonSet, DaemonSetStatus, StatefulSet, StatefulSetStatus};
use crate::model::storage::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeStatus, StorageClass};
use crate::model::workload::{Deployment, DeploymentStatus, ReplicaSet, ReplicaSetStatus};
use crate::record::tally::Counted;
use crate::words;
use bevy_ecs::archetype::ArchetypeId;
use bevy_ecs::component::ComponentId;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::{EntityRef, World};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::hash::{BuildHasher, Hash};

/// What changed in a write, as watchers care: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Changes(pub u32);

impl Changes {
    /// The object came to be.
    pub const ADDED: Changes = Changes(1);
    /// The object is gone.
    pub const GONE: Changes = Changes(1 << 1);
    /// `spec` changed.
    pub const SPEC: Changes = Changes(1 << 2);
    /// `status` changed.
    pub const STATUS: Changes = Changes(1 << 3);
    /// `labels` changed.
    pub const LABELS: Changes = Changes(1 << 4);
    /// `annotations` changed.
    pub const ANNOTATIONS: Changes = Changes(1 << 5);
    /// `ownerReferences` changed.
    pub const OWNERS: Changes = Changes(1 << 6);
    /// Deletion was asked for, or its time moved.
    pub const DELETION: Changes = Changes(1 << 7);
    /// `finalizers` changed.
    pub const FINALIZERS: Changes = Changes(1 << 8);
    /// Pod: bound to a node. Node: `unschedulable`.
    pub const PLACEMENT: Changes = Changes(1 << 9);
    /// Pod: phase changed.
    pub const PHASE: Changes = Changes(1 << 10);
    /// The Ready condition of a pod or node changed its status.
    pub const READY: Changes = Changes(1 << 11);
    /// Pod: its IP came or went.
    pub const ADDRESS: Changes = Changes(1 << 12);
    /// Node: taints changed.
    pub const TAINTS: Changes = Changes(1 << 13);
    /// Node: allocatable changed. Pod: what counts as requested by it.
    pub const ALLOCATABLE: Changes = Changes(1 << 14);
    /// Node: status of some condition changed. Pod: of one that is not its kubelet's own.
    pub const CONDITIONS: Changes = Changes(1 << 15);
    /// Pod: nominated to another node, or to none.
    pub const NOMINATION: Changes = Changes(1 << 16);
    /// Pod: it came or went, and its volumes have claims.
    pub const CLAIMS: Changes = Changes(1 << 17);
    /// Any change.
    pub const ANY: Changes = Changes(u32::MAX);

    /// Both sets together.
    pub const fn or(self, other: Changes) -> Changes {
        Changes(self.0 | other.0)
    }

    /// Whether the sets have a bit in common.
    pub const fn meets(self, other: Changes) -> bool {
        self.0 & other.0 != 0
    }

    /// The changed parts in words: `spec, labels`.
    pub fn text(self) -> String {
        const WORDS: [(Changes, &str); 11] = [
            (Changes::ADDED, "the whole object"),
            (Changes::GONE, "its existence"),
            (Changes::SPEC, "spec"),
            (Changes::STATUS, "status"),
            (Changes::LABELS, "labels"),
            (Changes::ANNOTATIONS, "annotations"),
            (Changes::OWNERS, "ownerReferences"),
            (Changes::DELETION, "deletionTimestamp"),
            (Changes::FINALIZERS, "finalizers"),
            (Changes::PLACEMENT, "placement"),
            (Changes::TAINTS, "taints"),
        ];
        let words: Vec<&str> = WORDS.iter().filter(|(bit, _)| self.meets(*bit)).map(|&(_, word)| word).collect();
        words.join(", ")
    }

    pub(crate) fn when(self, condition: bool) -> Changes {
        if condition { self } else { Changes(0) }
    }
}

/// A component that holds a part of an object's API-visible state.
pub trait State: Clone + PartialEq + Hash + Serialize + DeserializeOwned + Into<StateValue> + Send + Sync + 'static {
    /// What a change from `old` to `self` means to watchers.
    fn changes(&self, old: &Self) -> Changes;

    /// What it means to watchers when an object gets this part after its creation; `None`: objects have it from the beginning or never.
    fn comes_later() -> Option<Changes> {
        None
    }

    /// What a change from `old` to `self` adds to the run's counts.
    fn tally(&self, old: &Self) -> Counted {
        let _ = old;
        Counted::default()
    }
}

macro_rules! state_values {
    ($($name:ident,)*) => {
        /// A value of any state component.
        #[derive(Debug, Clone, PartialEq, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum StateValue { $($name(Box<$name>),)* }

        /// The same where it is.
        #[derive(Hash)]
        enum StatePart<'p> { $($name(&'p $name),)* }

        /// For each kind of part, its component and the hash of an entity's.
        fn part_hashes(world: &World) -> Vec<(ComponentId, HashPart)> {
            let mut list: Vec<(ComponentId, HashPart)> = Vec::new();
            $(if let Some(id) = world.component_id::<Obj<$name>>() {
                let hash = |entity: EntityRef| entity.get::<Obj<$name>>().map(|cell| FixedState.hash_one(StatePart::$name(cell.value())));
                list.push((id, hash));
            })*
            list
        }

        $(impl From<$name> for StateValue {
            fn from(value: $name) -> StateValue {
                StateValue::$name(Box::new(value))
            }
        })*
    };
}
for_each_state!(state_values);

/// The hash of one part of an entity, equal to that of its [`StateValue`].
type HashPart = fn(EntityRef) -> Option<u64>;

/// Hashes of the parts of entities, without a copy of them.
pub(crate) struct PartHashes<'w> {
    world: &'w World,
    all: Vec<(ComponentId, HashPart)>,
    /// Those that entities of an archetype have, in order.
    of_archetype: LookupMap<ArchetypeId, Vec<HashPart>>,
}

impl<'w> PartHashes<'w> {
    /// Of the entities of a world.
    pub(crate) fn new(world: &'w World) -> PartHashes<'w> {
        PartHashes { world, all: part_hashes(world), of_archetype: LookupMap::default() }
    }

    /// Those of one entity, in order of the parts.
    pub(crate) fn of(&mut self, entity: Entity) -> impl Iterator<Item = u64> {
        let (entity, all) = (self.world.entity(entity), &self.all);
        let archetype = entity.archetype();
        let present = || all.iter().filter(|(id, _)| archetype.contains(*id)).map(|(_, hash)| *hash).collect();
        let list = self.of_archetype.entry(archetype.id()).or_insert_with(present);
        list.iter().filter_map(move |hash| hash(entity))
    }
}

impl StateValue {
    /// Whether the part is written through the status subresource alone.
    pub fn is_status(&self) -> bool {
        matches!(
            self,
            StateValue::PodStatus(_)
                | StateValue::PodAllocation(_)
                | StateValue::NodeStatus(_)
                | StateValue::ReplicaSetStatus(_)
                | StateValue::DeploymentStatus(_)
                | StateValue::HorizontalPodAutoscalerStatus(_)
                | StateValue::JobStatus(_)
                | StateValue::CronJobStatus(_)
                | StateValue::PodDisruptionBudgetStatus(_)
                | StateValue::StatefulSetStatus(_)
                | StateValue::DaemonSetStatus(_)
                | StateValue::PersistentVolumeClaimStatus(_)
                | StateValue::PersistentVolumeStatus(_)
                | StateValue::ServiceStatus(_)
                | StateValue::Namespace(_)
        )
    }
}

impl State for Meta {
    fn changes(&self, old: &Meta) -> Changes {
        Changes::LABELS
            .when(self.labels != old.labels)
            .or(Changes::ANNOTATIONS.when(self.annotations != old.annotations))
            .or(Changes::OWNERS.when(self.owners != old.owners))
            .or(Changes::FINALIZERS.when(self.finalizers != old.finalizers))
            .or(Changes::DELETION.when(self.deletion != old.deletion))
    }
}

impl State for Pod {
    fn changes(&self, old: &Pod) -> Changes {
        Changes::PLACEMENT.when(self.node != old.node).or(Changes::SPEC.when(self.class != old.class))
    }
}

impl State for PodStatus {
    fn changes(&self, old: &PodStatus) -> Changes {
        Changes::STATUS
            .or(Changes::PHASE.when(self.phase != old.phase))
            .or(Changes::READY.when(self.ready() != old.ready()))
            .or(Changes::ADDRESS.when(self.pod_ip != old.pod_ip))
            .or(Changes::NOMINATION.when(self.nominated_node != old.nominated_node))
            .or(Changes::CONDITIONS.when(foreign_conditions_differ(self, old)))
    }
    fn tally(&self, old: &PodStatus) -> Counted {
        Counted::of(old, self)
    }
}

/// Whether conditions that a pod's kubelet does not own differ, readiness gates among them.
fn foreign_conditions_differ(new: &PodStatus, old: &PodStatus) -> bool {
    const KUBELETS: [crate::names::Sym; 8] = [
        words::ALL_CONTAINERS_RESTARTING,
        words::READY,
        words::CONTAINERS_READY,
        words::INITIALIZED,
        words::POD_READY_TO_START_CONTAINERS,
        words::POD_SCHEDULED,
        words::POD_RESIZE_PENDING,
        words::POD_RESIZE_IN_PROGRESS,
    ];
    let foreign = |status: &PodStatus| status.conditions.iter().filter(|c| !KUBELETS.contains(&c.kind)).count();
    let (in_new, in_old) = (foreign(new), foreign(old));
    in_new != in_old
        || in_new > 0
            && new
                .conditions
                .iter()
                .filter(|c| !KUBELETS.contains(&c.kind))
                .any(|c| crate::model::meta::condition(&old.conditions, c.kind).is_none_or(|old| old.status != c.status))
}

impl State for PodAllocation {
    fn changes(&self, old: &PodAllocation) -> Changes {
        Changes::STATUS.or(Changes::ALLOCATABLE.when(self.counted != old.counted))
    }
    fn comes_later() -> Option<Changes> {
        Some(Changes::STATUS.or(Changes::ALLOCATABLE))
    }
}

impl State for Node {
    fn changes(&self, old: &Node) -> Changes {
        Changes::SPEC
            .or(Changes::PLACEMENT.when(self.unschedulable != old.unschedulable))
            .or(Changes::TAINTS.when(self.taints != old.taints))
    }
}

impl State for NodeStatus {
    fn changes(&self, old: &NodeStatus) -> Changes {
        let statuses = |status: &NodeStatus| status.conditions.iter().map(|c| (c.kind, c.status)).collect::<Vec<_>>();
        Changes::STATUS
            .or(Changes::READY.when(self.ready() != old.ready()))
            .or(Changes::ALLOCATABLE.when(self.allocatable != old.allocatable))
            .or(Changes::CONDITIONS.when(statuses(self) != statuses(old)))
    }
}

macro_rules! plain_states {
    ($($name:ident => $changes:ident),* $(,)?) => {
        $(impl State for $name {
            fn changes(&self, _old: &$name) -> Changes {
                Changes::$changes
            }
        })*
    };
}

plain_states! {
    ReplicaSet => SPEC, ReplicaSetStatus => STATUS, Deployment => SPEC, DeploymentStatus => STATUS, Service => SPEC, ServiceStatus => STATUS,
    Endpoints => SPEC, EndpointSlice => SPEC, HorizontalPodAutoscaler => SPEC, HorizontalPodAutoscalerStatus => STATUS,
    Job => SPEC, JobStatus => STATUS, CronJob => SPEC, CronJobStatus => STATUS,
    PodDisruptionBudget => SPEC, PodDisruptionBudgetStatus => STATUS,
    StatefulSet => SPEC, StatefulSetStatus => STATUS, DaemonSet => SPEC, DaemonSetStatus => STATUS, ControllerRevision => SPEC,
    PersistentVolumeClaim => SPEC, PersistentVolumeClaimStatus => STATUS, PersistentVolume => SPEC, PersistentVolumeStatus => STATUS,
    StorageClass => SPEC,
    Namespace => STATUS, Opaque => SPEC,
}
