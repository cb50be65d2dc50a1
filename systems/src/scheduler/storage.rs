//! What the scheduler knows of storage: claims, volumes, classes, and what CSI drivers tell of nodes. With what it has assumed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::binding::{ClaimFacts, ClaimKey, Taken, VolumeFacts, VolumeIndex};
use wavetank_engine::model::quantity::Quantity;
use wavetank_engine::model::select::{Requirement, requirements_of};
use wavetank_engine::model::storage::StorageClass;
use wavetank_engine::names::{Names, Sym};

/// A storage class as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// `provisioner`.
    pub provisioner: Sym,
    /// Binds once a pod uses the claim.
    pub waits: bool,
    /// `allowedTopologies`: any term must match a node, by all its keys; empty: every node.
    pub topologies: Vec<Vec<(Sym, Vec<Sym>)>>,
}

impl Class {
    /// Digests a class.
    pub fn of(names: &mut Names, class: &StorageClass) -> Class {
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let mut requirement = |expression: &Value| {
            let key = names.sym(expression.get("key").and_then(Value::as_str).unwrap_or(""));
            (key, list(expression.get("values")).iter().filter_map(Value::as_str).map(|value| names.sym(value)).collect())
        };
        let terms = list(class.raw.at(&["allowedTopologies"]));
        let topologies = terms.iter().map(|term| list(term.get("matchLabelExpressions")).iter().map(&mut requirement).collect()).collect();
        Class { provisioner: class.provisioner, waits: class.waits, topologies }
    }
}

/// How much storage of a class there is within reach of some nodes: a CSIStorageCapacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Name of the class.
    pub class: Sym,
    /// Bytes of the largest volume: `maximumVolumeSize`, else `capacity`; `None` for nothing told.
    pub limit: Option<i64>,
    /// Labels of the nodes; `None`: no node.
    pub nodes: Option<Vec<Requirement>>,
}

impl Capacity {
    /// Digests the fields beside the metadata.
    pub fn of(names: &mut Names, body: &Value) -> Capacity {
        let size =
            |field: &str| body.get(field).and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok()).map(|size| size.value());
        Capacity {
            class: names.sym(body.get("storageClassName").and_then(Value::as_str).unwrap_or("")),
            limit: size("maximumVolumeSize").or_else(|| size("capacity")),
            nodes: body.get("nodeTopology").filter(|topology| !topology.is_null()).map(|topology| requirements_of(names, topology)),
        }
    }
}

/// Drivers on a node with the number of volumes that they can attach there: a CSINode's `spec`.
pub fn driver_limits(names: &mut Names, body: &Value) -> Vec<(Sym, i64)> {
    let drivers = body.pointer("/spec/drivers").and_then(Value::as_array).into_iter().flatten();
    let limit = |driver: &Value| {
        let count = driver.pointer("/allocatable/count").and_then(Value::as_i64)?;
        Some((names.sym(driver.get("name").and_then(Value::as_str)?), count))
    };
    drivers.filter_map(limit).collect()
}

/// Everything that volume plugins look up.
#[derive(Debug, Default)]
pub struct Storage {
    claims: LookupMap<ClaimKey, ClaimFacts>,
    volumes: VolumeIndex,
    classes: LookupMap<Sym, Class>,
    /// By name of the node.
    limits: LookupMap<Sym, Vec<(Sym, i64)>>,
    /// Drivers that tell their capacity.
    measured: LookupMap<Sym, bool>,
    capacities: BTreeMap<Uid, Capacity>,
    /// Claims of pods on nodes, with the number of those pods.
    users: LookupMap<ClaimKey, u32>,
    /// Volumes chosen for claims, until the store shows it.
    assumed_volumes: LookupMap<Uid, Taken>,
    /// Nodes chosen for claims, until the store shows it.
    assumed_nodes: LookupMap<ClaimKey, Sym>,
    /// Whether nothing says what storage there is: unbound claims then keep no pod from its node.
    pub any_claim_binds: bool,
}

impl Storage {
    /// Takes in a claim.
    pub fn put_claim(&mut self, claim: ClaimFacts) {
        self.claims.insert(claim.key, claim);
    }

    /// Takes out a claim, unless another has its name by now.
    pub fn remove_claim(&mut self, key: ClaimKey, object: ObjRef) {
        if self.claims.get(&key).is_some_and(|claim| claim.object == object) {
            self.claims.remove(&key);
        }
    }

    /// A claim; `None` when it is not there.
    pub fn claim(&self, key: ClaimKey) -> Option<&ClaimFacts> {
        self.claims.get(&key)
    }

    /// Takes in a volume.
    pub fn put_volume(&mut self, volume: VolumeFacts) {
        self.volumes.put(volume);
    }

    /// Takes out a volume.
    pub fn remove_volume(&mut self, object: ObjRef) {
        self.volumes.remove(object);
    }

    /// The volume with a name.
    pub fn volume(&self, name: Sym) -> Option<&VolumeFacts> {
        self.volumes.named(name)
    }

    /// A volume; `None` when it is not there.
    pub fn volume_of(&self, object: ObjRef) -> Option<&VolumeFacts> {
        self.volumes.get(object)
    }

    /// Volumes of a class, in order of creation, each with what the scheduler has assumed of it.
    pub fn volumes_of(&self, class: Sym) -> Vec<VolumeFacts> {
        let assumed = |volume: &VolumeFacts| {
            let taken = self.assumed_volumes.get(&volume.object.uid).copied().or(volume.taken);
            VolumeFacts { taken, ..volume.clone() }
        };
        self.volumes.of_class(class).map(assumed).collect()
    }

    /// Takes in a class, or takes it out.
    pub fn put_class(&mut self, name: Sym, class: Option<Class>) {
        match class {
            Some(class) => self.classes.insert(name, class),
            None => self.classes.remove(&name),
        };
    }

    /// A class; `None` when it is not there.
    pub fn class(&self, name: Sym) -> Option<&Class> {
        self.classes.get(&name)
    }

    /// Takes in what drivers on a node can attach; `None`: nobody tells any more.
    pub fn put_limits(&mut self, node: Sym, limits: Option<Vec<(Sym, i64)>>) {
        match limits {
            Some(limits) => self.limits.insert(node, limits),
            None => self.limits.remove(&node),
        };
    }

    /// Drivers on a node that have a limit, with it.
    pub fn limits(&self, node: Sym) -> &[(Sym, i64)] {
        self.limits.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Takes in whether a driver tells how much storage there is.
    pub fn put_driver(&mut self, driver: Sym, measured: bool) {
        self.measured.insert(driver, measured);
    }

    /// Whether a driver tells how much storage there is.
    pub fn is_measured(&self, driver: Sym) -> bool {
        self.measured.get(&driver).copied().unwrap_or(false)
    }

    /// Takes in a capacity, or takes it out.
    pub fn put_capacity(&mut self, object: ObjRef, capacity: Option<Capacity>) {
        match capacity {
            Some(capacity) => self.capacities.insert(object.uid, capacity),
            None => self.capacities.remove(&object.uid),
        };
    }

    /// All capacities, in order of creation.
    pub fn capacities(&self) -> impl Iterator<Item = &Capacity> {
        self.capacities.values()
    }

    /// Counts a pod on a node among the users of its claims, or takes it off.
    pub fn count_users(&mut self, claims: impl Iterator<Item = ClaimKey>, add: bool) {
        for claim in claims {
            let count = self.users.entry(claim).or_insert(0);
            *count = if add { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.users.remove(&claim);
            }
        }
    }

    /// Whether a pod on a node uses a claim.
    pub fn is_used(&self, claim: ClaimKey) -> bool {
        self.users.contains_key(&claim)
    }

    /// The node that the scheduler chose for an unbound claim; empty for none.
    pub fn selected_node(&self, claim: &ClaimFacts) -> Sym {
        self.assumed_nodes.get(&claim.key).copied().unwrap_or(claim.selected_node)
    }

    /// Assumes what was chosen for a pod's claims on a node, or takes that back.
    pub fn assume(&mut self, chosen: &Chosen, node: Sym, yes: bool) {
        for &(volume, taken) in &chosen.volumes {
            if yes {
                self.assumed_volumes.insert(volume.uid, taken);
            } else {
                self.assumed_volumes.remove(&volume.uid);
            }
        }
        for &(_, key) in &chosen.to_provision {
            if yes {
                self.assumed_nodes.insert(key, node);
            } else {
                self.assumed_nodes.remove(&key);
            }
        }
    }
}

/// What VolumeBinding chose for the unbound claims of a pod on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Volumes, each with the claim that it is for.
    pub volumes: Vec<(ObjRef, Taken)>,
    /// Claims for which volumes are to be made.
    pub to_provision: Vec<(ObjRef, ClaimKey)>,
}

impl Chosen {
    /// The claims.
    pub fn claims(&self) -> impl Iterator<Item = ClaimKey> + '_ {
        self.volumes.iter().map(|(_, taken)| taken.key).chain(self.to_provision.iter().map(|(_, key)| *key))
    }

    /// Whether there is nothing to bind.
    pub fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.to_provision.is_empty()
    }
}
