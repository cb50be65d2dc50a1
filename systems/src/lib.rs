//! The control-plane behaviours of Wavetank: one module each, one list of them all ([`ALL`]).
//!
//! Reading order: `workloads`, `scheduler`, `kubelet`, `nodes`, `network`, `autoscaling`, `storage`, `lifecycle`, `admission`. No module calls another:
//! they meet in the store.

pub mod admission;
pub mod autoscaling;
pub mod kubelet;
pub mod lifecycle;
pub mod network;
pub mod nodes;
pub mod scheduler;
pub mod series;
pub mod storage;
pub(crate) mod texts;
pub mod workloads;

use wavetank_engine::simulation::Simulation;

/// Puts a behaviour into a simulation.
pub type Install = fn(&mut Simulation);

/// All behaviours in the order in which a reader meets them, which is the order of their systems within a round.
#[rustfmt::skip]
pub const ALL: &[(&str, Install)] = &[
    ("taint_nodes_by_condition", admission::taint_nodes_by_condition::install),
    ("priority", admission::priority::install),
    ("default_toleration_seconds", admission::default_toleration_seconds::install),
    ("storage_in_use", admission::storage_in_use::install),
    ("default_storage_class", admission::default_storage_class::install),
    ("default_ingress_class", admission::default_ingress_class::install),
    ("service_addresses", network::service_addresses::install),
    ("deployment", workloads::deployment::install),
    ("replica_set", workloads::replica_set::install),
    ("replication_controller", workloads::replication_controller::install),
    ("stateful_set", workloads::stateful_set::install),
    ("daemon_set", workloads::daemon_set::install),
    ("cron_job", workloads::cron_job::install),
    ("job", workloads::job::install),
    ("scheduler", scheduler::install),
    ("kubelet", kubelet::install),
    ("heartbeat", nodes::heartbeat::install),
    ("node_lifecycle", nodes::lifecycle::install),
    ("taint_eviction", nodes::taint_eviction::install),
    ("endpoints", network::endpoints::install),
    ("endpoint_slices", network::endpoint_slices::install),
    ("endpoint_slice_mirroring", network::endpoint_slice_mirroring::install),
    ("load_balancers", network::load_balancers::install),
    ("connections", network::connect::install),
    ("traffic", network::traffic::install),
    ("horizontal_pod_autoscaler", autoscaling::horizontal::controller::install),
    ("cluster_autoscaler", autoscaling::cluster::install),
    ("volumes", storage::volumes::install),
    ("provisioner", storage::provisioner::install),
    ("ephemeral_claims", storage::ephemeral::install),
    ("claim_protection", storage::protection::install_of_claims),
    ("volume_protection", storage::protection::install_of_volumes),
    ("disruption", lifecycle::disruption::install),
    ("pod_gc", lifecycle::pod_gc::install),
    ("namespaces", lifecycle::namespaces::install),
    ("ttl_after_finished", lifecycle::ttl_after_finished::install),
    ("garbage", lifecycle::garbage::install),
];

/// Puts all behaviours into a simulation.
pub fn install_all(sim: &mut Simulation) {
    for (_, install) in ALL {
        install(sim);
    }
}
