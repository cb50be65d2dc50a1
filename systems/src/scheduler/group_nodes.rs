//! Where the pods of small groups are, and which groups bear a label: what counts of a selector are made from without a walk over all
//! nodes and groups. With thousands of ReplicaSets, each with a selector of its own, such counts are made thousands of times.

use crate::scheduler::pods::{GroupId, Groups};
use crate::scheduler::spread::SpreadKey;
use smallvec::SmallVec;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::select::Operator;
use wavetank_engine::names::Sym;

/// A group whose pods were on more nodes than this at a time is not followed any more.
const NODES_MAX: usize = 64;

/// Pods of one group by number of the node; `None`: there were too many.
type Places = Option<SmallVec<[(u32, u32); 2]>>;

/// Places of small groups' pods, and groups by label.
#[derive(Debug, Default)]
pub struct GroupNodes {
    places: Vec<Places>,
    /// Groups of a namespace with a label and its value, as they came.
    labelled: LookupMap<(Sym, Sym, Sym), Vec<GroupId>>,
    /// How many groups are in `labelled`.
    seen: usize,
}

impl GroupNodes {
    /// Takes in that a pod of a group came to the node with a number, or left it.
    pub fn pod_counted(&mut self, group: GroupId, node: u32, add: bool) {
        let at = group.0 as usize;
        if self.places.len() <= at {
            self.places.resize(at + 1, Some(SmallVec::new()));
        }
        let Some(list) = &mut self.places[at] else { return };
        match list.iter().position(|place| place.0 == node) {
            Some(place) if add => list[place].1 += 1,
            Some(place) if list[place].1 > 1 => list[place].1 -= 1,
            Some(place) => {
                list.swap_remove(place);
            }
            None if add && list.len() == NODES_MAX => self.places[at] = None,
            None if add => list.push((node, 1)),
            None => {}
        }
    }

    /// Groups that may meet a key's selector: those with a label that it asks for, or all.
    pub fn candidates(&mut self, key: &SpreadKey, groups: &Groups, labels: &LabelSets) -> Vec<GroupId> {
        for number in self.seen..groups.len() {
            let id = GroupId(number as u32);
            let group = groups.get(id);
            for &(label, value) in labels.pairs(group.labels) {
                self.labelled.entry((group.namespace, label, value)).or_default().push(id);
            }
        }
        self.seen = groups.len();
        let asked = key.selector.iter().filter(|requirement| requirement.operator == Operator::In && requirement.values.len() == 1);
        let lists = asked.map(|requirement| self.labelled.get(&(key.namespace, requirement.key, requirement.values[0])));
        match lists.min_by_key(|list| list.map_or(0, Vec::len)) {
            Some(list) => list.cloned().unwrap_or_default(),
            None => (0..groups.len() as u32).map(GroupId).collect(),
        }
    }

    /// Number of a node and number of pods there, for all pods of some groups; `None` when one of them is not followed.
    pub fn places_of(&self, groups: &[GroupId]) -> Option<Vec<(u32, u32)>> {
        let mut all = Vec::new();
        for group in groups {
            if let Some(places) = self.places.get(group.0 as usize) {
                all.extend_from_slice(places.as_ref()?);
            }
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_followed_up_to_a_number_of_nodes() {
        let (mut nodes, group) = (GroupNodes::default(), GroupId(3));
        for node in [5, 7, 5] {
            nodes.pod_counted(group, node, true);
        }
        nodes.pod_counted(group, 7, false);
        assert_eq!(nodes.places_of(&[group, GroupId(9)]), Some(vec![(5, 2)]), "a group without pods has no places");
        (0..=NODES_MAX as u32).for_each(|node| nodes.pod_counted(group, 100 + node, true));
        assert_eq!(nodes.places_of(&[GroupId(1), group]), None);
    }
}
