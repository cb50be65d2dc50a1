//! Reasons and messages of the workload controllers, interned once.

use bevy_ecs::resource::Resource;
use wavetank_engine::names::{Names, Sym};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The texts. ECS resource.
        #[derive(Debug, Clone, Copy, Resource)]
        pub struct Texts { $(#[doc = concat!("`", $text, "`")] pub $name: Sym,)* }

        impl Texts {
            /// Interns the texts.
            pub fn new(names: &mut Names) -> Texts {
                Texts { $($name: names.sym($text),)* }
            }
        }
    };
}

texts! {
    replicaset_controller = "replicaset-controller",
    replication_controller = "replication-controller",
    successful_create = "SuccessfulCreate",
    failed_create = "FailedCreate",
    successful_delete = "SuccessfulDelete",
    failed_delete = "FailedDelete",
    created_pod = "Created pod: {}",
    error_creating = "Error creating: {}",
    deleted_pod = "Deleted pod: {}",
    error_deleting = "Error deleting: {}",
    deployment_controller = "deployment-controller",
    scaling_replica_set = "ScalingReplicaSet",
    scaled_up = "Scaled up replica set {} from {} to {}",
    scaled_down = "Scaled down replica set {} from {} to {}",
    new_replica_set_created = "NewReplicaSetCreated",
    found_new_replica_set = "FoundNewReplicaSet",
    replica_set_create_error = "ReplicaSetCreateError",
    replica_set_updated = "ReplicaSetUpdated",
    new_replica_set_available = "NewReplicaSetAvailable",
    progress_deadline_exceeded = "ProgressDeadlineExceeded",
    deployment_paused = "DeploymentPaused",
    deployment_resumed = "DeploymentResumed",
    minimum_replicas_available = "MinimumReplicasAvailable",
    minimum_replicas_unavailable = "MinimumReplicasUnavailable",
    has_minimum = "Deployment has minimum availability.",
    has_no_minimum = "Deployment does not have minimum availability.",
    text = "{}",
    revision_history = "deployment.kubernetes.io/revision-history",
    rollback_to = "deprecated.deployment.rollback.to",
    last_applied = "kubectl.kubernetes.io/last-applied-configuration",
}
