//! Faults of nodes and volumes, as the script makes them.

use crate::names::Sym;
use crate::scene::targets::glob;
use crate::time::SimTime;
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Kubelet and containers have stopped.
    Failed,
    /// Kubelet and containers go on; the API server and they do not hear each other.
    CutOff,
}

/// Nodes with a fault, and since when. ECS resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Resource)]
pub struct NodeFaults {
    nodes: BTreeMap<Sym, (Fault, SimTime)>,
    /// Nodes that have been told to shut down and still run.
    shutting_down: BTreeSet<Sym>,
    /// Nodes on which everything takes so many times as long.
    slow: BTreeMap<Sym, u32>,
    /// What others than pods have on the disks of nodes: bytes, and files.
    filled: BTreeMap<Sym, (u64, u64)>,
    /// Nodes that went off by themselves, and whose behaviours have not looked yet.
    changed: Vec<Sym>,
}

impl NodeFaults {
    /// Sets or ends a node's fault.
    pub fn set(&mut self, node: Sym, fault: Option<Fault>, now: SimTime) {
        match fault {
            Some(fault) => {
                self.nodes.insert(node, (fault, now));
            }
            None => {
                self.nodes.remove(&node);
            }
        }
        self.shutting_down.remove(&node);
    }

    /// Tells a node to shut down.
    pub fn shut_down(&mut self, node: Sym) {
        self.shutting_down.insert(node);
    }

    /// The same where nobody else says so: its behaviours have to look at the node.
    pub fn notify_shut_down(&mut self, node: Sym) {
        self.shut_down(node);
        self.changed.push(node);
    }

    /// Whether a node has been told to shut down and still runs.
    pub fn shuts_down(&self, node: Sym) -> bool {
        !self.shutting_down.is_empty() && self.shutting_down.contains(&node)
    }

    /// Forgets a node whose machine is gone.
    pub fn forget(&mut self, node: Sym) {
        self.nodes.remove(&node);
        self.shutting_down.remove(&node);
        self.slow.remove(&node);
        self.filled.remove(&node);
    }

    /// Whether any node is shutting down.
    pub fn any_shutdown(&self) -> bool {
        !self.shutting_down.is_empty()
    }

    /// A node that was told to shut down is off.
    pub fn power_off(&mut self, node: Sym, now: SimTime) {
        self.set(node, Some(Fault::Failed), now);
        self.changed.push(node);
    }

    /// Has everything on a node take so many times as long; 1 ends that.
    pub fn slow_down(&mut self, node: Sym, times: u32) {
        if times > 1 {
            self.slow.insert(node, times);
        } else {
            self.slow.remove(&node);
        }
    }

    /// Has others than pods take so many bytes, or files, of a node's disk; nothing ends that.
    pub fn fill(&mut self, node: Sym, bytes: Option<u64>, files: Option<u64>) {
        let before = self.filled(node);
        let now = (bytes.unwrap_or(before.0), files.unwrap_or(before.1));
        if now == (0, 0) {
            self.filled.remove(&node);
        } else {
            self.filled.insert(node, now);
        }
    }

    /// What others than pods have on a node's disk: bytes, and files.
    pub fn filled(&self, node: Sym) -> (u64, u64) {
        if self.filled.is_empty() { (0, 0) } else { self.filled.get(&node).copied().unwrap_or_default() }
    }

    /// Whether that is more than nothing on any node.
    pub fn any_filled(&self) -> bool {
        !self.filled.is_empty()
    }

    /// How many times as long everything takes on a node.
    pub fn slowness(&self, node: Sym) -> u32 {
        if self.slow.is_empty() { 1 } else { self.slow.get(&node).copied().unwrap_or(1) }
    }

    /// A node's fault and its beginning.
    pub fn of(&self, node: Sym) -> Option<(Fault, SimTime)> {
        self.nodes.get(&node).copied()
    }

    /// Whether the node's kubelet cannot reach the API server.
    pub fn silent(&self, node: Sym) -> bool {
        self.nodes.contains_key(&node)
    }

    /// Whether any node has a fault.
    pub fn any(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Nodes that went off by themselves since the last call.
    pub fn take_changed(&mut self) -> Vec<Sym> {
        std::mem::take(&mut self.changed)
    }
}

/// Volumes that cannot be mounted and unmounted, by the names that pods give them; patterns with `*`. ECS resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Resource)]
pub struct BrokenVolumes(BTreeSet<String>);

impl BrokenVolumes {
    /// Breaks volumes, or mends them.
    pub fn set(&mut self, pattern: &str, broken: bool) {
        if broken {
            self.0.insert(pattern.to_string());
        } else {
            self.0.remove(pattern);
        }
    }

    /// Whether any volume is broken.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a volume with this name is broken.
    pub fn is_broken(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| glob(pattern, name))
    }
}
