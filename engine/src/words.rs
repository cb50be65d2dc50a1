//! Words that every part of the control plane uses, interned first and in this order, so that they are constants.

use crate::names::{Names, Sym};

macro_rules! words {
    ($($name:ident = $text:literal,)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, dead_code)]
        #[repr(u32)]
        enum Number { EMPTY, $($name,)* }
        $(#[doc = concat!("`", $text, "`")] pub const $name: Sym = Sym(Number::$name as u32);)*
        const TEXTS: &[&str] = &[$($text,)*];
    };
}

words! {
    DEFAULT = "default",
    // Condition types.
    READY = "Ready", AVAILABLE = "Available", PROGRESSING = "Progressing", REPLICA_FAILURE = "ReplicaFailure",
    POD_SCHEDULED = "PodScheduled", POD_READY_TO_START_CONTAINERS = "PodReadyToStartContainers", INITIALIZED = "Initialized",
    CONTAINERS_READY = "ContainersReady", DISRUPTION_TARGET = "DisruptionTarget",
    ALL_CONTAINERS_RESTARTING = "AllContainersRestarting", POD_RESIZE_PENDING = "PodResizePending", POD_RESIZE_IN_PROGRESS = "PodResizeInProgress",
    MEMORY_PRESSURE = "MemoryPressure", DISK_PRESSURE = "DiskPressure", PID_PRESSURE = "PIDPressure", NETWORK_UNAVAILABLE = "NetworkUnavailable",
    ABLE_TO_SCALE = "AbleToScale", SCALING_ACTIVE = "ScalingActive", SCALING_LIMITED = "ScalingLimited",
    // Reasons of conditions, container states and pods.
    UNSCHEDULABLE = "Unschedulable", SCHEDULING_GATED = "SchedulingGated", DEFERRED = "Deferred",
    CONTAINERS_NOT_INITIALIZED = "ContainersNotInitialized", CONTAINERS_NOT_READY = "ContainersNotReady",
    POD_COMPLETED = "PodCompleted", POD_FAILED = "PodFailed",
    READINESS_GATES_NOT_READY = "ReadinessGatesNotReady",
    CONTAINER_CREATING = "ContainerCreating", POD_INITIALIZING = "PodInitializing", CRASH_LOOP_BACK_OFF = "CrashLoopBackOff",
    ERR_IMAGE_PULL = "ErrImagePull", IMAGE_PULL_BACK_OFF = "ImagePullBackOff", COMPLETED = "Completed", ERROR = "Error", OOM_KILLED = "OOMKilled",
    KUBELET_READY = "KubeletReady", NODE_STATUS_UNKNOWN = "NodeStatusUnknown",
    // Label and annotation keys.
    HOSTNAME_LABEL = "kubernetes.io/hostname", ZONE_LABEL = "topology.kubernetes.io/zone", REGION_LABEL = "topology.kubernetes.io/region",
    NAMESPACE_LABEL = "kubernetes.io/metadata.name", POD_TEMPLATE_HASH = "pod-template-hash",
    REVISION = "deployment.kubernetes.io/revision", DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas",
    MAX_REPLICAS = "deployment.kubernetes.io/max-replicas", POD_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost",
    // Of claims and volumes.
    BETA_CLASS = "volume.beta.kubernetes.io/storage-class", BIND_COMPLETED = "pv.kubernetes.io/bind-completed",
    BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller", SELECTED_NODE = "volume.kubernetes.io/selected-node", YES = "yes",
    PROVISIONED_BY = "pv.kubernetes.io/provisioned-by", STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner",
    BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner",
    PVC_PROTECTION = "kubernetes.io/pvc-protection", PV_PROTECTION = "kubernetes.io/pv-protection",
    DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class",
    BETA_ZONE_LABEL = "failure-domain.beta.kubernetes.io/zone", BETA_REGION_LABEL = "failure-domain.beta.kubernetes.io/region",
    // Taint keys.
    TAINT_NOT_READY = "node.kubernetes.io/not-ready", TAINT_UNREACHABLE = "node.kubernetes.io/unreachable",
    TAINT_UNSCHEDULABLE = "node.kubernetes.io/unschedulable",
    EXCLUDE_DISRUPTION_LABEL = "node.kubernetes.io/exclude-disruption",
    TAINT_MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure", TAINT_DISK_PRESSURE = "node.kubernetes.io/disk-pressure",
    TAINT_PID_PRESSURE = "node.kubernetes.io/pid-pressure", TAINT_NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable",
    // Resources.
    CPU = "cpu", MEMORY = "memory", PODS = "pods", EPHEMERAL_STORAGE = "ephemeral-storage",
    // Finalizers.
    FOREGROUND_DELETION = "foregroundDeletion", ORPHAN = "orphan",
}

/// Interns all words; the first thing done with a new table.
pub(crate) fn intern_all(names: &mut Names) {
    for (number, text) in TEXTS.iter().enumerate() {
        let sym = names.sym(text);
        assert_eq!(sym.0 as usize, number + 1, "words are distinct and interned first: {text}");
    }
}
