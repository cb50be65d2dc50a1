//! Node facts by node number, and the order in which nodes are looked at.

use crate::scheduler::facts::HostPort;
use crate::scheduler::plugin::Happenings;
use crate::scheduler::pods::{GroupId, Resident};
use crate::scheduler::volumes::PodVolumes;
use smallvec::SmallVec;
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::node::{Effect, NodeTaint};
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::Sym;
use wavetank_engine::words;

/// Nodes put into the order one by one at most; where more come at once it is made anew.
const INSERTIONS_MAX: usize = 8;
/// Changes remembered at most.
const CHANGES_MAX: usize = 16_000_000;

/// One node as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct NodeFacts {
    /// Identity of the Node object.
    pub uid: Uid,
    /// Name.
    pub name: Sym,
    /// Labels.
    pub labels: LabelSetId,
    /// Taints.
    pub taints: Arc<[NodeTaint]>,
    /// Cordoned.
    pub unschedulable: bool,
    /// What pods may use.
    pub allocatable: Arc<Resources>,
    /// True requests of its pods.
    pub used: Resources,
    /// CPU of its pods for scores. Unit: milli-cores.
    pub scored_cpu_millicores: i64,
    /// Memory of its pods for scores. Unit: bytes.
    pub scored_memory_bytes: i64,
    /// Number of its pods.
    pub pods: i64,
    /// Host ports in use, each once: of two pods with one port (which only pods bound past the scheduler have) the first to go frees it, as
    /// in the original.
    pub ports: Vec<HostPort>,
    /// Volumes of its pods that have any.
    pub volumes: Vec<Arc<PodVolumes>>,
    /// Its pods by group, with their numbers.
    pub groups: SmallVec<[(GroupId, u32); 4]>,
    /// Images that it reports, with their sizes in bytes.
    pub images: Arc<[(Sym, i64)]>,
    /// Whether it is there.
    pub alive: bool,
}

impl NodeFacts {
    /// A node without taints, images and pods.
    pub fn empty(uid: Uid, name: Sym, labels: LabelSetId, allocatable: Arc<Resources>) -> NodeFacts {
        NodeFacts {
            uid,
            name,
            labels,
            taints: Arc::from([]),
            unschedulable: false,
            allocatable,
            used: Resources::default(),
            scored_cpu_millicores: 0,
            scored_memory_bytes: 0,
            pods: 0,
            ports: Vec::new(),
            volumes: Vec::new(),
            groups: SmallVec::new(),
            images: Arc::from([]),
            alive: true,
        }
    }

    /// Adds a pod, or takes it off.
    pub fn count(&mut self, pod: &Resident, add: bool) {
        let facts = &pod.class;
        let sign = if add { 1 } else { -1 };
        if add {
            self.used.add(&facts.requests);
            for port in &facts.ports {
                if !self.ports.contains(port) {
                    self.ports.push(*port);
                }
            }
        } else {
            self.used.sub(&facts.requests);
            for port in &facts.ports {
                if let Some(at) = self.ports.iter().position(|used| used == port) {
                    self.ports.swap_remove(at);
                }
            }
        }
        if let Some(volumes) = &pod.volumes {
            if add {
                self.volumes.push(volumes.clone());
            } else if let Some(at) = self.volumes.iter().position(|known| known == volumes) {
                self.volumes.swap_remove(at);
            }
        }
        self.pods += sign;
        self.scored_cpu_millicores += sign * facts.scored_cpu_millicores;
        self.scored_memory_bytes += sign * facts.scored_memory_bytes;
        self.count_group(pod.group, add);
    }

    fn count_group(&mut self, group: GroupId, add: bool) {
        match self.groups.iter().position(|entry| entry.0 == group) {
            Some(at) if add => self.groups[at].1 += 1,
            Some(at) if self.groups[at].1 > 1 => self.groups[at].1 -= 1,
            Some(at) => {
                self.groups.swap_remove(at);
            }
            None if add => self.groups.push((group, 1)),
            None => {}
        }
    }

    /// Moves a pod to another group.
    pub fn regroup(&mut self, from: GroupId, to: GroupId) {
        self.count_group(from, false);
        self.count_group(to, true);
    }
}

/// Region and zone of a node; empty for none.
fn zone_key(node: &NodeFacts, labels: &LabelSets) -> (Sym, Sym) {
    let value = |key| labels.get(node.labels, key).unwrap_or(Sym::EMPTY);
    (value(words::REGION_LABEL), value(words::ZONE_LABEL))
}

/// All nodes.
#[derive(Debug, Default, Clone)]
pub struct NodeTable {
    nodes: Vec<NodeFacts>,
    by_uid: LookupMap<Uid, u32>,
    by_name: LookupMap<Sym, u32>,
    /// Node numbers in the order in which they are looked at.
    order: Vec<u32>,
    /// Place of each node in `order`; `u32::MAX` for none.
    places: Vec<u32>,
    /// Spreading zone of the node at each place.
    zone_at: Vec<u32>,
    /// Values of the zone label, by number of the spreading zone, in the order of places; `None`: nodes without one.
    zone_values: Vec<Option<Sym>>,
    /// Zones of the order, by region and zone, with their numbers of nodes, as they first appeared.
    zone_sizes: Vec<((Sym, Sym), usize)>,
    /// Whether the order must be made anew.
    stale: bool,
    /// Nodes that have come since it was made.
    came: Vec<u32>,
    /// Nodes that were put into the order since it was made anew: the epoch from then on, and the place.
    insertions: Vec<(u64, usize)>,
    /// Raised when the order or the set of nodes changes.
    pub epoch: u64,
    /// Numbers of changed nodes, since the beginning.
    pub changes: Vec<u32>,
    /// PreferNoSchedule taints on living nodes.
    soft_taints: usize,
    /// Images on living nodes: size and number of nodes.
    images: LookupMap<Sym, (i64, u32)>,
}

impl NodeTable {
    /// The same nodes, without the history of their changes.
    pub fn copy(&self) -> NodeTable {
        NodeTable {
            nodes: self.nodes.clone(),
            by_uid: self.by_uid.clone(),
            by_name: self.by_name.clone(),
            order: self.order.clone(),
            places: self.places.clone(),
            zone_at: self.zone_at.clone(),
            zone_values: self.zone_values.clone(),
            zone_sizes: self.zone_sizes.clone(),
            stale: self.stale,
            came: self.came.clone(),
            insertions: Vec::new(),
            epoch: self.epoch,
            changes: Vec::new(),
            soft_taints: self.soft_taints,
            images: self.images.clone(),
        }
    }

    /// Facts of a node.
    pub fn get(&self, number: u32) -> &NodeFacts {
        &self.nodes[number as usize]
    }

    /// Number of the node with a name.
    pub fn by_name(&self, name: Sym) -> Option<u32> {
        self.by_name.get(&name).copied()
    }

    /// Whether a living node has this identity.
    pub fn knows(&self, uid: Uid) -> bool {
        self.by_uid.contains_key(&uid)
    }

    /// A living node.
    pub fn facts_of(&self, uid: Uid) -> Option<&NodeFacts> {
        self.by_uid.get(&uid).map(|&number| self.get(number))
    }

    /// Name of a living node.
    pub fn name_of(&self, uid: Uid) -> Option<Sym> {
        self.by_uid.get(&uid).map(|&number| self.get(number).name)
    }

    /// Number of living nodes.
    pub fn len(&self) -> usize {
        self.by_uid.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.by_uid.is_empty()
    }

    /// Whether any living node has a PreferNoSchedule taint.
    pub fn any_soft_taint(&self) -> bool {
        self.soft_taints > 0
    }

    /// Adds a node or takes in its changes; usage is kept. Returns what happened.
    pub fn put(&mut self, fresh: NodeFacts) -> Happenings {
        let soft = |facts: &NodeFacts| facts.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule).count();
        self.soft_taints += soft(&fresh);
        self.count_images(&fresh.images, true);
        let Some(number) = self.by_uid.get(&fresh.uid).copied() else {
            let number = self.nodes.len() as u32;
            self.by_uid.insert(fresh.uid, number);
            self.by_name.insert(fresh.name, number);
            self.nodes.push(fresh);
            self.places.push(u32::MAX);
            self.came.push(number);
            self.changes.push(number);
            return Happenings::NODE_ADDED;
        };
        let before = &self.nodes[number as usize];
        let happened = Happenings::NODE_LABELS
            .when(before.labels != fresh.labels)
            .or(Happenings::NODE_TAINTS.when(before.taints != fresh.taints || before.unschedulable != fresh.unschedulable))
            .or(Happenings::NODE_ALLOCATABLE.when(before.allocatable != fresh.allocatable));
        self.soft_taints -= soft(before);
        self.stale |= before.labels != fresh.labels;
        let images = before.images.clone();
        self.count_images(&images, false);
        let node = &mut self.nodes[number as usize];
        node.labels = fresh.labels;
        node.taints = fresh.taints;
        node.unschedulable = fresh.unschedulable;
        node.allocatable = fresh.allocatable;
        node.images = fresh.images;
        self.changes.push(number);
        happened
    }

    /// Takes a node out.
    pub fn remove(&mut self, uid: Uid) {
        let Some(number) = self.by_uid.remove(&uid) else { return };
        let node = &mut self.nodes[number as usize];
        node.alive = false;
        let images = std::mem::replace(&mut node.images, Arc::from([]));
        self.soft_taints -= node.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule).count();
        let name = node.name;
        self.count_images(&images, false);
        if self.by_name.get(&name) == Some(&number) {
            self.by_name.remove(&name);
        }
        self.stale = true;
    }

    /// Adds a pod to a node, or takes it off.
    pub fn account(&mut self, number: u32, pod: &Resident, add: bool) {
        self.nodes[number as usize].count(pod, add);
        self.changes.push(number);
    }

    /// Moves a pod on a node to another group.
    pub fn regroup(&mut self, number: u32, from: GroupId, to: GroupId) {
        self.nodes[number as usize].regroup(from, to);
    }

    /// Size of an image in bytes, as the first node reported it, and the number of nodes that have it.
    pub fn image(&self, image: Sym) -> (i64, u32) {
        self.images.get(&image).copied().unwrap_or((0, 0))
    }

    /// Whether any living node reports images.
    pub fn any_image(&self) -> bool {
        !self.images.is_empty()
    }

    fn count_images(&mut self, images: &[(Sym, i64)], add: bool) {
        for &(image, size) in images {
            let entry = self.images.entry(image).or_insert((size, 0));
            entry.1 = if add { entry.1 + 1 } else { entry.1.saturating_sub(1) };
            if entry.1 == 0 {
                self.images.remove(&image);
            }
        }
    }

    /// Forgets old changes once there are many; trees are then built anew.
    pub fn trim_changes(&mut self) {
        if self.changes.len() > CHANGES_MAX {
            self.changes.clear();
            self.epoch += 1;
        }
    }

    /// The order in which nodes are looked at: zones in turn, in the order in which zones first appeared.
    /// Source: `spec/scheduler.md` §2, `pkg/scheduler/backend/cache/node_tree.go`.
    pub fn order(&mut self, labels: &LabelSets) -> &[u32] {
        if self.stale || self.came.len() > INSERTIONS_MAX {
            self.order_anew(labels);
        }
        for number in std::mem::take(&mut self.came) {
            self.insert(number, labels);
        }
        &self.order
    }

    fn order_anew(&mut self, labels: &LabelSets) {
        self.stale = false;
        self.epoch += 1;
        self.came.clear();
        self.insertions.clear();
        let mut zones: Vec<Vec<u32>> = Vec::new();
        let mut zone_numbers: LookupMap<(Sym, Sym), usize> = LookupMap::default();
        self.zone_sizes.clear();
        for (number, node) in (0..).zip(&self.nodes).filter(|(_, node)| node.alive) {
            let key = zone_key(node, labels);
            let zone = *zone_numbers.entry(key).or_insert_with(|| {
                zones.push(Vec::new());
                self.zone_sizes.push((key, 0));
                zones.len() - 1
            });
            zones[zone].push(number);
        }
        self.zone_sizes.iter_mut().zip(&zones).for_each(|(size, zone)| size.1 = zone.len());
        self.order.clear();
        let longest = zones.iter().map(Vec::len).max().unwrap_or(0);
        for nth in 0..longest {
            self.order.extend(zones.iter().filter_map(|zone| zone.get(nth)));
        }
        self.number_zones(labels);
        self.places.fill(u32::MAX);
        for (place, &number) in self.order.iter().enumerate() {
            self.places[number as usize] = place as u32;
        }
    }

    /// Puts a node that has just come, the last of its zone, into the order.
    fn insert(&mut self, number: u32, labels: &LabelSets) {
        let node = &self.nodes[number as usize];
        let (key, value) = (zone_key(node, labels), labels.get(node.labels, words::ZONE_LABEL));
        let zone = self.zone_sizes.iter().position(|zone| zone.0 == key).unwrap_or_else(|| {
            self.zone_sizes.push((key, 0));
            self.zone_sizes.len() - 1
        });
        let row = self.zone_sizes[zone].1;
        let above: usize = self.zone_sizes.iter().map(|zone| zone.1.min(row)).sum();
        let place = above + self.zone_sizes[..zone].iter().filter(|zone| zone.1 > row).count();
        self.zone_sizes[zone].1 += 1;
        let spreading = self.zone_values.iter().position(|known| *known == value).unwrap_or_else(|| {
            self.zone_values.push(value);
            self.zone_values.len() - 1
        });
        self.order.insert(place, number);
        self.zone_at.insert(place, spreading as u32);
        for (place, &number) in self.order.iter().enumerate().skip(place) {
            self.places[number as usize] = place as u32;
        }
        self.epoch += 1;
        self.insertions.push((self.epoch, place));
    }

    /// Where nodes were put into the order since an epoch, one after the other; `None` when more than that has happened.
    pub(super) fn insertions_since(&self, epoch: u64) -> Option<&[(u64, usize)]> {
        let from = self.insertions.partition_point(|insertion| insertion.0 <= epoch);
        let list = &self.insertions[from..];
        (list.first().is_none_or(|first| first.0 == epoch + 1) && self.epoch - epoch == list.len() as u64).then_some(list)
    }

    fn number_zones(&mut self, labels: &LabelSets) {
        let mut numbers: LookupMap<Option<Sym>, u32> = LookupMap::default();
        self.zone_values.clear();
        self.zone_at.clear();
        for &number in &self.order {
            let value = labels.get(self.nodes[number as usize].labels, words::ZONE_LABEL);
            let zone = *numbers.entry(value).or_insert_with(|| {
                self.zone_values.push(value);
                self.zone_values.len() as u32 - 1
            });
            self.zone_at.push(zone);
        }
    }

    /// Number of spreading zones: values of the zone label, and one for nodes without it if there are any.
    pub fn zones(&self) -> usize {
        self.zone_values.len()
    }

    /// Spreading zone of the node at a place.
    pub fn zone_at(&self, place: usize) -> usize {
        self.zone_at[place] as usize
    }

    /// Spreading zone of the node at each place.
    pub(super) fn zone_numbers(&self) -> &[u32] {
        &self.zone_at
    }

    /// Value of the zone label of a spreading zone.
    pub fn zone_value(&self, zone: usize) -> Option<Sym> {
        self.zone_values[zone]
    }

    /// The order as it was last made.
    pub fn ordered(&self) -> &[u32] {
        &self.order
    }

    /// Place of a node in the order; `None` when it is gone.
    pub fn place(&self, number: u32) -> Option<usize> {
        let place = *self.places.get(number as usize)?;
        (place != u32::MAX).then_some(place as usize)
    }
}
