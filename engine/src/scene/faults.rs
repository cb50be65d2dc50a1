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
    /// Nodes whose fault changed and whose behaviours have not looked yet.
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
        self.changed.push(node);
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

    /// Nodes whose fault changed since the last call.
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
