//! The machines of groups of nodes: how many there are, and what they have cost so far.

use super::{NodeGroup, NodeGroups};
use crate::ids::ObjRef;
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A machine that was ordered and not given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// When it was ordered: it costs from then on.
    pub ordered_at: SimTime,
    /// When it registers as a node; `None`: it has.
    pub boots_until: Option<SimTime>,
    /// When it is taken back, once that is known.
    pub reclaimed_at: Option<SimTime>,
}

/// The machines of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machines {
    /// How many there should be.
    pub target: u32,
    /// Those there are, by the number in their nodes' names.
    pub present: BTreeMap<u32, Machine>,
    /// The number of the next one.
    pub next: u32,
    /// Most at a time.
    pub peak: u32,
    /// Time of the machines that were given back. Unit: nanoseconds.
    pub past_ns: u64,
    /// Machines ordered by the autoscaler.
    pub added: u64,
    /// Machines that it gave back.
    pub removed: u64,
    /// Orders that failed.
    pub failed: u64,
}

impl Machines {
    /// Orders a machine; returns its number.
    pub fn order(&mut self, now: SimTime, boot_time: SimDuration) -> u32 {
        let number = self.next;
        self.next += 1;
        self.present.insert(number, Machine { ordered_at: now, boots_until: Some(now + boot_time), reclaimed_at: None });
        self.peak = self.peak.max(self.present.len() as u32);
        number
    }

    /// Gives a machine back.
    pub fn give_back(&mut self, number: u32, now: SimTime) {
        if let Some(machine) = self.present.remove(&number) {
            self.past_ns += now.since(machine.ordered_at).0;
        }
    }

    /// Time of all machines so far. Unit: nanoseconds.
    pub fn total_ns(&self, now: SimTime) -> u64 {
        self.past_ns + self.present.values().map(|machine| now.since(machine.ordered_at).0).sum::<u64>()
    }
}

/// All machines, by the place of their group. ECS resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Resource)]
pub struct Fleet {
    /// By the place of the group in [`NodeGroups`].
    pub groups: Vec<Machines>,
    /// Pods evicted from nodes that were to go.
    pub evictions: u64,
    /// Pods that nothing could take, each from when the scheduler said so, added up. Unit: nanoseconds.
    pub pending_ns: u64,
    /// Pods that wait so, and since when.
    pub pending: BTreeMap<ObjRef, SimTime>,
}

impl Fleet {
    /// The machines that groups begin with; their nodes are there from the beginning.
    pub fn of(groups: &NodeGroups) -> Fleet {
        let machine = Machine { ordered_at: SimTime::ZERO, boots_until: None, reclaimed_at: None };
        let one = |group: &NodeGroup| Machines {
            target: group.size,
            present: (1..=group.size).map(|number| (number, machine)).collect(),
            next: group.size + 1,
            peak: group.size,
            ..Machines::default()
        };
        Fleet { groups: groups.0.iter().map(one).collect(), ..Fleet::default() }
    }

    /// Time that pods waited so far. Unit: nanoseconds.
    pub fn pending_ns(&self, now: SimTime) -> u64 {
        self.pending_ns + self.pending.values().map(|&since| now.since(since).0).sum::<u64>()
    }
}
