//! The kubelet's report on its node: Ready when it starts or comes back. Leases and heartbeats that change nothing are not written.
//!
//! | | |
//! |---|---|
//! | reads  | `NodeStatus`, `NodeFaults` |
//! | writes | `NodeStatus` |
//! | woken  | node added; its fault changed |
//! | source | kubernetes v1.36, `pkg/kubelet/kubelet_node_status.go`, `syncNodeStatus`; `spec/kubelet.md` §2 |

use bevy_ecs::prelude::{Res, ResMut};
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::Kind;
use wavetank_engine::model::meta::{Condition, ConditionStatus, set_condition};
use wavetank_engine::model::node::NodeStatus;
use wavetank_engine::names::Names;
use wavetank_engine::scene::faults::NodeFaults;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};
use wavetank_engine::words;

/// The reports' work queue: nodes.
pub struct Heartbeat;

/// What wakes a report.
pub const WAKES: &[Wake] = &[Wake { kind: Kind::Node, on: Changes::ADDED, whom: Whom::Itself }];

/// Registers the reports.
pub fn install(sim: &mut Simulation) {
    sim.behaviour::<Heartbeat, _, _>("heartbeat", "kubelet", WAKES, sync);
    sim.wake_on_faults::<Heartbeat>();
}

fn sync(
    mut work: Work<Heartbeat>,
    statuses: View<Heartbeat, NodeStatus>,
    listing: Listing<Heartbeat>,
    faults: Res<NodeFaults>,
    mut names: ResMut<Names>,
) {
    while let Some(item) = work.pop() {
        let (Some(status), Some(row)) = (statuses.get(item.object), listing.row(item.object)) else { continue };
        let text = names.render(row.key.name);
        let name = names.sym(&text);
        // A node without heartbeats was made by hand: nobody runs there.
        if faults.silent(name) || status.heartbeat_from.is_none() {
            continue;
        }
        let now = work.now();
        let good = [
            (words::MEMORY_PRESSURE, false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            (words::DISK_PRESSURE, false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            (words::PID_PRESSURE, false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            (words::READY, true, "KubeletReady", "kubelet is posting ready status"),
        ];
        let mut fresh = status.clone();
        for (kind, holds, reason, message) in good {
            let (reason, message) = (names.sym(reason), names.sym(message));
            let word = if holds { ConditionStatus::True } else { ConditionStatus::False };
            let known = fresh.conditions.iter().any(|c| c.kind == kind && c.status == word);
            if !known {
                set_condition(&mut fresh.conditions, Condition { kind, status: word, reason, message, transition_at: now, update_at: now });
            }
        }
        if fresh != *status {
            fresh.heartbeat_from = Some(now);
            work.tell(item.cause, Verb::Put { object: item.object, expect: None, value: fresh.into() });
        }
    }
}
