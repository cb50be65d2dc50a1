//! The API server and its store: what it fills in, what it refuses, what it keeps, and who hears of it.

/// Calls a macro with the list of all state components: the one place where a part of an object is registered.
macro_rules! for_each_state {
    ($then:ident) => {
        $then! {
            Meta,
            Pod,
            PodStatus,
            PodAllocation,
            Node,
            NodeStatus,
            ReplicaSet,
            ReplicaSetStatus,
            Deployment,
            DeploymentStatus,
            Service,
            ServiceStatus,
            Endpoints,
            EndpointSlice,
            HorizontalPodAutoscaler,
            HorizontalPodAutoscalerStatus,
            Job,
            JobStatus,
            CronJob,
            CronJobStatus,
            PodDisruptionBudget,
            PodDisruptionBudgetStatus,
            StatefulSet,
            StatefulSetStatus,
            DaemonSet,
            DaemonSetStatus,
            ControllerRevision,
            PersistentVolumeClaim,
            PersistentVolumeClaimStatus,
            PersistentVolume,
            PersistentVolumeStatus,
            StorageClass,
            Namespace,
            Opaque,
        }
    };
}

pub mod admit;
pub mod commit;
pub mod create;
pub mod defaults;
pub(crate) mod eviction;
pub mod given;
pub(crate) mod job_strategy;
pub mod json_in;
pub mod json_out;
pub mod links;
pub mod log;
pub(crate) mod namespace;
pub mod objects;
pub mod queue;
pub mod request;
pub mod scale;
pub mod state;
pub mod store;
pub mod validation;
pub mod watch;
