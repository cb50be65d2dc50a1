//! Which of the fast ways decides on a pod, or whether the plain look must.

use super::{COUNTERS_MAX, PodKind, SPREADS_MAX, SchedulerCache, TREES_MAX, profile_in, selected_by};
use crate::scheduler::Reads;
use crate::scheduler::counters::Counters;
use crate::scheduler::cycle::{self, Decision};
use crate::scheduler::plugin::Plugin;
use crate::scheduler::plugins::node_affinity;
use crate::scheduler::pods::Incoming;
use crate::scheduler::spread::{SpreadCounts, SpreadKey};
use wavetank_engine::ids::Uid;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod_class::ClassId;
use wavetank_engine::names::Names;
use wavetank_engine::scene::model::Ties;

impl SchedulerCache {
    /// Decides by the class's tree, or by the plain look where the pod or the nodes need it.
    pub(in crate::scheduler) fn decide(
        &mut self,
        pod: &Incoming,
        kind: PodKind,
        meta: &Meta,
        start: usize,
        reads: &Reads,
        names: &Names,
    ) -> Decision {
        let nodes = self.table.order(&reads.labels).len();
        // Class trees know nothing of volumes.
        let start = if nodes == 0 { 0 } else { start % nodes };
        if nodes > 0
            && pod.resident.volumes.is_none()
            && profile_in(&self.served, pod.resident.class.scheduler_name).ties.0 == Ties::Heap
            && self.knows_scores(pod)
            && let Some(decision) = self.decide_by_change(pod, kind, meta, start, reads, names)
        {
            if reads.checking.0 {
                let plain = cycle::decide(&self.cycle(pod, reads, names), start);
                assert_eq!(decision, plain, "the fast and the plain look decide alike");
            }
            return decision;
        }
        let (decision, looked) = cycle::look(&self.cycle(pod, reads, names), start);
        self.work.filtered += looked.filtered;
        self.work.scored += looked.scored;
        decision
    }

    /// `None` when no node is feasible, or when the plain look must decide.
    fn decide_by_change(
        &mut self,
        pod: &Incoming,
        kind: PodKind,
        meta: &Meta,
        start: usize,
        reads: &Reads,
        names: &Names,
    ) -> Option<Decision> {
        let (leader, facts) = (self.leader(kind.class), &pod.resident.class);
        if self.trees.len() >= TREES_MAX && !self.trees.contains_key(&leader) {
            return None;
        }
        let tree = self.trees.entry(leader).or_default();
        let profile = profile_in(&self.served, facts.scheduler_name);
        self.work.rescored += tree.catch_up(facts, profile, &self.table, &reads.labels, names);
        let percentage = profile.percentage_of_nodes_to_score;
        let every_node = facts.node_selector.is_empty() && facts.required.is_none();
        if !facts.spread.is_empty() || facts.terms.is_some() || self.touched(kind, reads) {
            return self.decide_by_counters(pod, (kind, meta.controller_uid().unwrap_or_default()), leader, start, reads, names);
        }
        let tree = self.trees.get(&leader)?;
        if pod.default_selector.is_empty() {
            return tree.decide(&self.table, percentage, start);
        }
        if !every_node || !self.spread.tells_zones(&self.table) {
            return None;
        }
        let selected = (selected_by(meta), leader);
        let number = match self.spread_numbers.get(&selected) {
            Some(&number) => number,
            None => {
                let key = SpreadKey { namespace: pod.namespace, selector: pod.default_selector.clone(), leader };
                if self.spread.len() >= SPREADS_MAX && !self.spread.knows(&key) {
                    self.spread = SpreadCounts::default();
                    self.spread_numbers.clear();
                }
                let number = self.spread.number(&key, &self.groups, &mut self.group_nodes, &reads.labels);
                self.spread_numbers.insert(selected, number);
                number
            }
        };
        let decision = self.spread.decide(number, tree, &self.table, &self.group_nodes, percentage, start);
        self.work.scored += self.spread.looked();
        decision
    }

    fn decide_by_counters(
        &mut self,
        pod: &Incoming,
        key: (PodKind, Uid),
        leader: ClassId,
        start: usize,
        reads: &Reads,
        names: &Names,
    ) -> Option<Decision> {
        let number = match self.counter_numbers.get(&key) {
            Some(&number) => number as usize,
            None => {
                if self.counters.len() == COUNTERS_MAX {
                    self.forget_counters();
                }
                self.counters.push(Counters::default());
                self.counter_numbers.insert(key, self.counters.len() as u32 - 1);
                self.counters.len() - 1
            }
        };
        let mut counters = std::mem::take(&mut self.counters[number]);
        let cycle = self.cycle(pod, reads, names);
        let tree = self.trees.get(&leader).filter(|_| counters.catch_up(&cycle));
        let decision = tree.and_then(|tree| counters.decide(&cycle, tree, start));
        let looked = counters.looked();
        self.counters[number] = counters;
        self.work.filtered += looked.filtered;
        self.work.scored += looked.scored;
        decision
    }

    /// Whether every refusal of the pod follows from it and one node alone, and preemption is asked as by default: such refusals stand until
    /// nodes change.
    pub(in crate::scheduler) fn refused_by_node(&mut self, pod: &Incoming, kind: PodKind, reads: &Reads) -> bool {
        let facts = &pod.resident.class;
        let profile = profile_in(&self.served, facts.scheduler_name);
        pod.resident.volumes.is_none()
            && facts.spread.is_empty()
            && facts.terms.is_none()
            && !facts.never_preempts
            && pod.nominated_node.is_empty()
            && profile.post_filters == [Plugin::DynamicResources, Plugin::DefaultPreemption]
            && (profile.default_constraints.iter().all(|constraint| !constraint.hard) || pod.default_selector.is_empty())
            && self.own.refuse_by_node()
            && !self.touched(kind, reads)
    }

    /// Whether class trees know the scores of the pod, spreading and affinity apart.
    fn knows_scores(&self, pod: &Incoming) -> bool {
        let facts = &pod.resident.class;
        facts.preferred.is_empty()
            && pod.nominated_node.is_empty()
            && self.nominations.is_empty()
            && !self.table.any_soft_taint()
            && !self.table.any_image()
            && profile_in(&self.served, facts.scheduler_name).is_default()
            && matches!(node_affinity::narrowed(facts), Ok(None))
    }
}
