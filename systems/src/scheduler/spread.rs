//! Decisions under the system's default spread constraints, by change: what pods of ReplicaSets and behind Services get.
//!
//! What spreading adds to a node's own score depends on its zone and on the number of matching pods that it has. For each selector those
//! numbers are kept by place. The answer is that of [`crate::scheduler::cycle::decide`], which a property test holds it to.

use crate::scheduler::best::{Field, Kept, Soft};
use crate::scheduler::cells::{CELLS_MAX, Cells, Tops};
use crate::scheduler::cycle::{Decision, feasible_wanted};
use crate::scheduler::group_nodes::GroupNodes;
use crate::scheduler::nodes::NodeTable;
use crate::scheduler::pods::{Group, GroupId, Groups, meets};
use crate::scheduler::reach::Reach;
use crate::scheduler::tree::ClassTree;
use smallvec::SmallVec;
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::pod_class::ClassId;
use wavetank_engine::model::select::Requirement;
use wavetank_engine::names::Sym;

/// `maxSkew` of the system's constraints: hostname, zone.
const SKEWS: (i64, i64) = (3, 5);

/// What a set of counts is for: pods of a namespace that a selector matches, spread by pods of one class's tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpreadKey {
    /// Namespace.
    pub namespace: Sym,
    /// Selector; not empty.
    pub selector: Arc<[Requirement]>,
    /// The class whose tree scores.
    pub leader: ClassId,
}

impl SpreadKey {
    fn counts(&self, group: &Group, labels: &LabelSets) -> bool {
        group.namespace == self.namespace && !group.terminating && meets(&self.selector, labels, group.labels)
    }
}

/// Counts of matching pods for each key that was ever spread by.
#[derive(Debug, Default)]
pub struct SpreadCounts {
    list: Vec<Counts>,
    found: LookupMap<SpreadKey, u32>,
    /// The counts that pods of each group belong to.
    of_group: Vec<SmallVec<[u32; 2]>>,
    /// The table's epoch when the cells were made; 0 before.
    epoch: u64,
    /// Nodes by zone; `None`: there are too many zones.
    zones: Option<Cells>,
    /// Best nodes of the zones, by the class whose tree scores.
    tops: LookupMap<ClassId, Tops>,
    reach: Reach,
    /// Nodes that decisions looked at one by one.
    looked: u64,
}

#[derive(Debug)]
struct Counts {
    key: SpreadKey,
    /// Groups that count.
    groups: Vec<GroupId>,
    /// The table's epoch when they were made; 0 before.
    epoch: u64,
    /// Matching pods on the node at each place.
    on_node: Vec<u32>,
    /// Matching pods in each spreading zone.
    in_zone: Vec<i64>,
    kept: Kept,
}

impl SpreadCounts {
    /// The number of a key's counts, which are made if new.
    pub fn number(&mut self, key: &SpreadKey, groups: &Groups, nodes: &mut GroupNodes, labels: &LabelSets) -> u32 {
        if let Some(&number) = self.found.get(key) {
            return number;
        }
        let number = self.list.len() as u32;
        self.see_groups(groups, labels);
        let mut own = nodes.candidates(key, groups, labels);
        own.retain(|&id| key.counts(groups.get(id), labels));
        own.iter().for_each(|id| self.of_group[id.0 as usize].push(number));
        let (on_node, in_zone) = (Vec::new(), Vec::new());
        self.list.push(Counts { key: key.clone(), groups: own, epoch: 0, on_node, in_zone, kept: Kept::default() });
        self.found.insert(key.clone(), number);
        number
    }

    /// Number of sets of counts.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether a key has counts.
    pub fn knows(&self, key: &SpreadKey) -> bool {
        self.found.contains_key(key)
    }

    /// How many nodes were looked at one by one since it was asked last.
    pub(super) fn looked(&mut self) -> u64 {
        std::mem::take(&mut self.looked)
    }

    /// Whether nothing was ever spread.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn see_groups(&mut self, groups: &Groups, labels: &LabelSets) {
        for number in self.of_group.len()..groups.len() {
            let id = GroupId(number as u32);
            let group = groups.get(id);
            let mut counting = SmallVec::new();
            for (at, counts) in self.list.iter_mut().enumerate().filter(|(_, counts)| counts.key.counts(group, labels)) {
                counts.groups.push(id);
                counting.push(at as u32);
            }
            self.of_group.push(counting);
        }
    }

    /// Takes in that a pod of a group came to the node with a number, or left it.
    pub fn pod_counted(&mut self, group: GroupId, node: u32, add: bool, groups: &Groups, table: &NodeTable, labels: &LabelSets) {
        if self.list.is_empty() {
            return;
        }
        self.see_groups(groups, labels);
        let Some(place) = table.place(node) else { return };
        for &number in &self.of_group[group.0 as usize] {
            let counts = &mut self.list[number as usize];
            if counts.epoch == table.epoch {
                counts.on_node[place] = if add { counts.on_node[place] + 1 } else { counts.on_node[place].saturating_sub(1) };
                counts.in_zone[table.zone_at(place)] += if add { 1 } else { -1 };
                match &self.zones {
                    Some(cells) if add && self.epoch == table.epoch => {
                        counts.kept.spans.one_more(place, cells.at(place), counts.on_node[place]);
                    }
                    _ => counts.kept.spans.spoil(place),
                }
            }
        }
    }

    /// Whether the nodes are in few enough zones for decisions by change.
    pub fn tells_zones(&mut self, table: &NodeTable) -> bool {
        if self.epoch != table.epoch {
            self.epoch = table.epoch;
            self.zones = Cells::of(&[table.zone_numbers()], table.ordered().len());
            self.tops.clear();
        }
        self.zones.is_some()
    }

    /// Decides by the tree of the key's class, which is up to date; `None` when no node is feasible, when there are too many zones, or too
    /// many pods on a node.
    pub fn decide(
        &mut self,
        number: u32,
        tree: &ClassTree,
        table: &NodeTable,
        nodes: &GroupNodes,
        percentage: u32,
        start: usize,
    ) -> Option<Decision> {
        if !self.tells_zones(table) {
            return None;
        }
        let (counts, cells, reach) = (&mut self.list[number as usize], self.zones.as_ref()?, &mut self.reach);
        if counts.epoch != table.epoch {
            counts.build(table, nodes);
        }
        let places = table.ordered().len();
        reach.fill(places, start, feasible_wanted(places, percentage), |block| tree.open(block));
        if reach.len == 0 {
            return None;
        }
        let of_cell = |cell: usize| {
            let zone = cells.domains(cell)[0];
            (zone, table.zone_value(zone as usize).map(|_| counts.in_zone[zone as usize]))
        };
        let soft = [Soft::Node(SKEWS.0), Soft::Cells(SKEWS.1, (0..cells.len()).map(of_cell).collect())];
        let field = Field { tree, cells, reach, soft: &soft, counted: &counts.on_node, allowed: [true; CELLS_MAX] };
        let tops = self.tops.entry(counts.key.leader).or_default();
        let (place, looked) = field.best(&mut counts.kept, tops, |block| tree.open(block))?;
        self.looked += looked;
        Some(Decision::Node { node: table.ordered()[place], next_start: (start + reach.examined) % places, nominated: false })
    }
}

impl Counts {
    fn build(&mut self, table: &NodeTable, nodes: &GroupNodes) {
        self.in_zone = vec![0; table.zones()];
        self.on_node.clear();
        self.on_node.resize(table.ordered().len(), 0);
        match nodes.places_of(&self.groups) {
            Some(places) => places.into_iter().for_each(|(node, pods)| self.put(table, node, pods)),
            None => {
                for &node in table.ordered() {
                    let counting = table.get(node).groups.iter().filter(|(group, _)| self.groups.contains(group));
                    let pods = counting.map(|(_, pods)| *pods).sum();
                    self.put(table, node, pods);
                }
            }
        }
        self.kept.spans.clear();
        self.epoch = table.epoch;
    }

    fn put(&mut self, table: &NodeTable, node: u32, pods: u32) {
        if let Some(place) = table.place(node) {
            self.on_node[place] += pods;
            self.in_zone[table.zone_at(place)] += i64::from(pods);
        }
    }
}
