//! ReplicationController controller: keeps the number of active pods at `spec.replicas`, and reports on them.
//!
//! | | |
//! |---|---|
//! | reads  | `ReplicaSet`, `ReplicaSetStatus` (of ReplicationControllers), `Meta`, `Pod`, `PodStatus`, `Objects`, `Log` |
//! | writes | `CreatePod`, `Delete`, `Put` of `Meta` and `ReplicaSetStatus`; `Events` |
//! | woken  | controller added, changed or gone; a pod of its own, or an orphan that it selects, added, changed or gone |
//! | source | kubernetes v1.36, `pkg/controller/replication/replication_controller.go`, `NewReplicationManager`; `spec/workloads.md` §2 |
//!
//! As in the original it is the ReplicaSet controller with another kind: what it decides stands in `replica_set`.

use super::replica_set::{POD_CHANGES, SET_CHANGES, Sets, install_for};
use super::texts::Texts;
use wavetank_engine::api::state::Changes;
use wavetank_engine::ids::Kind;
use wavetank_engine::names::Sym;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// The controller's work queue.
pub struct ReplicationControllerQueue;

/// What wakes the controller.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::ReplicationController, on: SET_CHANGES, whom: Whom::Itself },
    Wake { kind: Kind::Pod, on: POD_CHANGES, whom: Whom::Controller(Kind::ReplicationController) },
    Wake {
        kind: Kind::Pod,
        on: Changes::ADDED.or(Changes::LABELS).or(Changes::OWNERS),
        whom: Whom::SelectingOrphan(Kind::ReplicationController),
    },
];

impl Sets for ReplicationControllerQueue {
    const KIND: Kind = Kind::ReplicationController;
    const COUNTS_TERMINATING: bool = false;
    const WAITS_FOR_OWN_WRITES: bool = false;

    fn source(texts: &Texts) -> Sym {
        texts.replication_controller
    }
}

/// Registers the controller.
pub fn install(sim: &mut Simulation) {
    install_for::<ReplicationControllerQueue>(sim, "replication_controller", "replication-controller", WAKES);
}
