//! Growing: pods that nothing can take are tried on nodes that groups might get.

use super::expander::{Bargain, Choice, best, price_score};
use super::explain::{GroupVerdict, PassedOver, ScaleUp};
use super::{NodeId, Turn};
use crate::scheduler::pods::Incoming;
use crate::scheduler::what_if::WhatIf;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::node::NodeTaint;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Arg;
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

/// What one group could do for the pods.
pub(super) struct Growth {
    pub(super) choice: Choice,
    pub(super) helped: Vec<ObjRef>,
    /// Pods that fit on a node of the group.
    fits: BTreeSet<ObjRef>,
    /// The others, and what refused them.
    pub(super) refused: Vec<(ObjRef, Refusal)>,
}

/// A plugin and its reasons.
pub(super) type Refusal = (&'static str, Vec<String>);

impl Turn<'_, '_, '_, '_> {
    /// Puts machines that are ordered, and nodes that are not ready yet, into the world as they will be.
    pub(super) fn come_to_be(&mut self, world: &mut WhatIf) {
        for group in 0..self.reads.groups.0.len() as u32 {
            let present: Vec<(u32, bool)> = self.fleet.groups[group as usize]
                .present
                .iter()
                .filter(|(_, machine)| machine.reclaimed_at.is_none())
                .map(|(&number, machine)| (number, machine.boots_until.is_some()))
                .collect();
            for (number, boots) in present {
                match self.node((group, number), world.names) {
                    None if boots => {
                        self.template((group, number), world);
                    }
                    None => {}
                    Some(node) => self.soon_ready(node, world),
                }
            }
        }
    }

    /// A young node that is not ready is thought of without the taints that say so.
    fn soon_ready(&self, object: ObjRef, world: &mut WhatIf) {
        let (Some(status), Some(node), Some(meta)) =
            (self.reads.node_statuses.get(object), self.reads.nodes.get(object), self.reads.metas.get(object))
        else {
            return;
        };
        if status.ready() || self.now.since(meta.created_at) > self.reads.settings.max_node_provision_time {
            return;
        }
        let name = world.names.render(meta.name);
        let Some(number) = world.names.find(&name).and_then(|name| world.number(name)) else { return };
        let taints: Vec<NodeTaint> = own_taints(&node.taints, world.names).collect();
        world.taint(number, taints.into());
    }

    /// Adds a node as its group makes them, with the pods of DaemonSets that it will have.
    fn template(&self, (group, number): NodeId, world: &mut WhatIf) -> u32 {
        let settings = self.group(group);
        let template = &self.reads.templates.0[group as usize];
        let name = world.names.sym(&settings.node_name(number));
        let mut pairs = vec![(words::HOSTNAME_LABEL, name)];
        if let Some(zone) = settings.zone(number) {
            pairs.push((words::ZONE_LABEL, world.names.sym(zone)));
        }
        let labels = world.labelled(template.meta.labels, &pairs);
        let (mut taints, mut allocatable) = (Arc::from([]), Arc::default());
        for state in &template.states {
            match state {
                StateValue::Node(node) => taints = node.taints.clone(),
                StateValue::NodeStatus(status) => allocatable = status.allocatable.clone(),
                _ => {}
            }
        }
        let node = world.add(name, labels, taints, allocatable);
        for set in self.reads.listing.of_kind(Kind::DaemonSet) {
            let (Some(spec), Some(meta)) = (self.reads.daemon_sets.get(set), self.reads.metas.get(set)) else { continue };
            let (class, labels) = {
                let template = world.classes().template(spec.template);
                (template.class, template.labels)
            };
            let pod = world.pod_of(meta.namespace, class, labels);
            if world.refusal(&pod, node).is_none() {
                world.count(&pod, node, true);
            }
        }
        node
    }

    /// Has one group grow for the pods that nothing can take. Whether one was asked to.
    pub(super) fn scale_up(&mut self, world: &mut WhatIf) -> bool {
        let mut telling = self.explanations.of_groups().then(|| ScaleUp::at(self.now));
        let left = self.left_over(world, telling.as_mut());
        if left.is_empty() || self.room_in_all() == 0 {
            telling.into_iter().for_each(|told| self.tell_of_none(told, &left, world.names));
            return false;
        }
        let mut options: Vec<Growth> = Vec::new();
        let mut reasons: BTreeMap<ObjRef, BTreeMap<String, u32>> = BTreeMap::new();
        for group in 0..self.reads.groups.0.len() as u32 {
            if let Some(verdict) = self.skipped(group) {
                left.iter().for_each(|(pod, _)| *reasons.entry(*pod).or_default().entry(verdict.words().into()).or_insert(0) += 1);
                telling.iter_mut().for_each(|told| told.groups.push(self.group_finding(group, verdict.clone())));
                continue;
            }
            let option = self.option(group, &left, world);
            for (pod, (_, texts)) in &option.refused {
                let known = reasons.entry(*pod).or_default();
                texts.iter().for_each(|text| *known.entry(text.clone()).or_insert(0) += 1);
            }
            telling.iter_mut().for_each(|told| told.groups.push(self.option_finding(&option, world.names)));
            options.extend((option.choice.nodes > 0).then_some(option));
        }
        // Those that fit, but beyond the maximum of every group, hear of it from the next scan.
        let helped = |pod: &ObjRef| !reasons.contains_key(pod) || options.iter().any(|option| option.helped.contains(pod));
        for (pod, _) in left.iter().filter(|(pod, _)| !helped(pod)) {
            let words: Vec<String> = reasons.get(pod).into_iter().flatten().map(|(reason, groups)| format!("{groups} {reason}")).collect();
            self.tell_why_not(*pod, words, world.names);
        }
        let choices: Vec<Choice> = options.iter().map(|option| option.choice.clone()).collect();
        let expanders = &self.reads.settings.expander;
        let nth = self.fleet.groups.iter().map(|machines| machines.added + machines.failed).sum();
        let chosen = best(expanders, &choices, self.reads.own.seed.0, nth);
        let orders = chosen.map(|place| self.grow(&options[place], &options, world.names));
        if let Some(told) = telling {
            let chosen = chosen.map(|place| &options[place]).zip(orders);
            self.tell_of_choice(told, &left, &choices, chosen, world.names);
        }
        chosen.is_some()
    }

    /// Why a group is not asked.
    fn skipped(&mut self, group: u32) -> Option<GroupVerdict> {
        if self.fleet.groups[group as usize].target >= self.group(group).max {
            return Some(GroupVerdict::AtMaximum);
        }
        let until = self.backs_off(group)?;
        self.look_again(until);
        Some(GroupVerdict::BacksOff { until })
    }

    /// Pods that fit on no node that there is or will be.
    fn left_over(&mut self, world: &mut WhatIf, mut told: Option<&mut ScaleUp>) -> Vec<(ObjRef, Incoming)> {
        let pending: Vec<ObjRef> = self.fleet.pending.keys().copied().collect();
        let mut left = Vec::new();
        for object in pending {
            let Some(pod) = world.pod(object) else { continue };
            let why = if pod.resident.class.priority < self.reads.settings.expendable_pods_priority_cutoff {
                PassedOver::Expendable
            } else if !pod.nominated_node.is_empty() {
                PassedOver::Nominated
            } else if let Some(node) = world.first_fit(&pod, None) {
                world.count(&pod, node, true);
                PassedOver::HasRoom
            } else if let Some(until) = self.young_until(object) {
                self.look_again(until);
                PassedOver::Young
            } else {
                left.push((object, pod));
                continue;
            };
            told.iter_mut().for_each(|told| told.pass_over(why, self.pod_text(object, world.names)));
        }
        left
    }

    /// Until when a pod is too young to have a group grow; `None`: it is not. Source: autoscaler, `core/static_autoscaler.go`,
    /// `filterOutYoungPods`.
    fn young_until(&self, pod: ObjRef) -> Option<SimTime> {
        let delay = self.reads.settings.new_pod_scale_up_delay;
        let created_at = self.reads.metas.get(pod)?.created_at;
        (delay > SimDuration::ZERO && self.now <= created_at + delay).then_some(SimTime((created_at + delay).0 + 1))
    }

    /// Nodes that may come before the limit of all is reached; those that are ordered count.
    fn room_in_all(&self) -> u32 {
        let most = self.reads.settings.max_nodes_total;
        if most == 0 {
            return u32::MAX;
        }
        let nodes = self.reads.listing.of_kind(Kind::Node).count();
        let booting = self.fleet.groups.iter().flat_map(|group| group.present.values()).filter(|machine| machine.boots_until.is_some());
        most.saturating_sub((nodes + booting.count()) as u32)
    }

    /// Groups that can be made larger in the place of one: nodes of the same kind, not at their maximum and not left alone.
    fn similar(&self, group: u32) -> Vec<u32> {
        if !self.reads.settings.balance_similar_node_groups {
            return Vec::new();
        }
        let may = |&other: &u32| {
            let grows = self.fleet.groups[other as usize].target < self.group(other).max && self.backs_off(other).is_none();
            other != group && grows && self.group(group).similar(self.group(other))
        };
        (0..self.reads.groups.0.len() as u32).filter(may).collect()
    }

    /// How many nodes of a group the pods need, the largest pods first.
    fn option(&self, group: u32, left: &[(ObjRef, Incoming)], world: &mut WhatIf) -> Growth {
        let kept = world.keep();
        let (settings, machines) = (self.group(group), &self.fleet.groups[group as usize]);
        let free = |group: u32| self.group(group).max - self.fleet.groups[group as usize].target;
        let limit = free(group) + self.similar(group).into_iter().map(free).sum::<u32>();
        let mut number = machines.next;
        let mut spare = Some(self.template((group, number), world));
        let first = spare.expect("it was just made");
        let empty = world.node(first).clone();
        let size = |pod: &Incoming| {
            let share = |asked: i64, all: i64| i128::from(asked) * 1_000_000 / i128::from(all.max(1));
            let requests = &pod.resident.class.requests;
            share(requests.cpu_millicores, empty.allocatable.cpu_millicores) + share(requests.memory_bytes, empty.allocatable.memory_bytes)
        };
        let (mut fitting, mut refused) = (Vec::new(), Vec::new());
        for (object, pod) in left {
            match world.refusal(pod, first) {
                None => fitting.push((*object, pod)),
                Some(refusal) => refused.push((*object, refusal)),
            }
        }
        let fits = fitting.iter().map(|(object, _)| *object).collect();
        fitting.sort_by_key(|(_, pod)| std::cmp::Reverse(size(pod)));
        let (mut used, mut helped) = (Vec::new(), Vec::new());
        for (object, pod) in fitting {
            let mut place = world.first_fit(pod, Some(&used));
            if place.is_none() && (used.len() as u32) < limit {
                let node = spare.take().unwrap_or_else(|| {
                    number += 1;
                    self.template((group, number), world)
                });
                match world.first_fit(pod, Some(&[node])) {
                    Some(_) => {
                        used.push(node);
                        place = Some(node);
                    }
                    None => spare = Some(node),
                }
            }
            if let Some(node) = place {
                world.count(pod, node, true);
                helped.push(object);
            }
        }
        let total = |of: &dyn Fn(u32) -> i64| used.iter().map(|&node| of(node)).sum::<i64>();
        let nodes = used.len() as u32;
        let choice = Choice {
            group,
            nodes,
            pods: helped.len() as u32,
            cpu: (
                total(&|node| world.node(node).allocatable.cpu_millicores),
                total(&|node| world.node(node).used.cpu_millicores - empty.used.cpu_millicores),
            ),
            memory: (
                total(&|node| world.node(node).allocatable.memory_bytes),
                total(&|node| world.node(node).used.memory_bytes - empty.used.memory_bytes),
            ),
            price_score: self.price_score(group, nodes, requests_of(left, &helped), empty.allocatable.cpu_millicores),
            priority: settings.priority,
        };
        world.restore(kept);
        Growth { choice, helped, fits, refused }
    }

    /// What the expander `price` thinks of so many nodes for these requests.
    fn price_score(&self, group: u32, nodes: u32, (cpu_millicores, memory_bytes): (i64, i64), own_millicores: i64) -> i128 {
        let (settings, group) = (&self.reads.settings, self.group(group));
        let worth = |cpu_millicores: i64, memory_bytes: i64| {
            let memory_gib = memory_bytes as f64 / f64::from(1 << 30);
            cpu_millicores as f64 / 1000.0 * settings.cpu_price_per_hour + memory_gib * settings.memory_price_per_hour
        };
        price_score(Bargain {
            nodes,
            price: group.price_micros as f64 / 1e6 * f64::from(nodes),
            pods_price: worth(cpu_millicores, memory_bytes),
            stabilization_price: worth(500, 500 << 20),
            cpu_millicores: own_millicores,
            gpus: group.has_gpus(),
            cluster: self.reads.listing.of_kind(Kind::Node).count(),
        })
    }

    /// Has the group of an option grow, and others of its kind with it where that is wanted. The groups with their sizes before and after,
    /// and the one that failed.
    fn grow(&mut self, option: &Growth, options: &[Growth], names: &mut Names) -> (Vec<(u32, u32, u32)>, Option<u32>) {
        let texts = *self.reads.texts;
        let (most, room) = (self.reads.settings.max_nodes_total, self.room_in_all());
        if option.choice.nodes > room {
            self.tell_status(names, true, texts.total_reached, &format!("Max total nodes in cluster reached: {most}"));
        }
        let group = option.choice.group;
        let takes = |other: &u32| options.iter().any(|one| one.choice.group == *other && option.fits.is_subset(&one.fits));
        let similar = self.similar(group).into_iter().filter(takes);
        let sizes: Vec<(u32, u32, u32)> = std::iter::once(group)
            .chain(similar)
            .map(|group| (group, self.fleet.groups[group as usize].target, self.group(group).max))
            .collect();
        let (mut grown, mut orders) = (Vec::new(), Vec::new());
        for (group, nodes) in balanced(&sizes, option.choice.nodes.min(room)) {
            let before = self.fleet.groups[group as usize].target;
            match self.grow_by(group, nodes, names) {
                Some(text) => grown.push(text),
                None => return (orders, Some(group)),
            }
            orders.push((group, before, before + nodes));
        }
        let text = names.sym(&format!("[{}]", grown.join(" ")));
        for &pod in &option.helped {
            self.state.told.remove(&pod);
            self.tell(pod, false, (texts.triggered, texts.triggered_words), &[Arg::Text(text)]);
        }
        (orders, None)
    }

    /// Orders machines; how that is told, or `None` where the cloud has none.
    fn grow_by(&mut self, group: u32, nodes: u32, names: &mut Names) -> Option<String> {
        let texts = *self.reads.texts;
        let settings = &self.reads.groups.0[group as usize];
        if settings.fails_at(self.now) {
            let text =
                format!("Scale-up failed for group {}: failed to increase node group size: the cloud has no machine for it", settings.name);
            self.tell_status(names, true, texts.failed_up, &text);
            self.back_off(group);
            return None;
        }
        let machines = &mut self.fleet.groups[group as usize];
        let (before, after) = (machines.target, machines.target + nodes);
        machines.target = after;
        machines.added += u64::from(nodes);
        for _ in 0..nodes {
            machines.order(self.now, settings.boot_time);
        }
        self.state.added_at = Some(self.now);
        let text = format!("Scale-up: setting group {} size to {after} instead of {before} (max: {})", settings.name, settings.max);
        self.tell_status(names, false, texts.scaled_up, &text);
        Some(format!("{{{} {before}->{after} (max: {})}}", settings.name, settings.max))
    }

    fn tell_why_not(&mut self, pod: ObjRef, mut words: Vec<String>, names: &mut Names) {
        words.sort();
        let text: Sym = names.sym(&words.join(", "));
        if self.state.told.insert(pod, text) != Some(text) {
            let texts = *self.reads.texts;
            self.tell(pod, false, (texts.not_triggered, texts.not_triggered_words), &[Arg::Text(text)]);
        }
    }
}

/// What pods ask for together. Units: milli-cores, bytes.
fn requests_of(pods: &[(ObjRef, Incoming)], of: &[ObjRef]) -> (i64, i64) {
    let chosen: BTreeSet<ObjRef> = of.iter().copied().collect();
    let requests = pods.iter().filter(|(object, _)| chosen.contains(object)).map(|(_, pod)| &pod.resident.class.requests);
    requests.fold((0, 0), |sum, requests| (sum.0 + requests.cpu_millicores, sum.1 + requests.memory_bytes))
}

/// How many nodes each group gets, given its size and its maximum: one after the other goes to the smallest, the earlier of equal ones.
/// Source: autoscaler, `processors/nodegroupset/balancing_processor.go`, `BalanceScaleUpBetweenGroups`.
fn balanced(sizes: &[(u32, u32, u32)], nodes: u32) -> Vec<(u32, u32)> {
    let mut more = vec![0; sizes.len()];
    for _ in 0..nodes {
        let free = (0..sizes.len()).filter(|&place| sizes[place].1 + more[place] < sizes[place].2);
        let Some(place) = free.min_by_key(|&place| (sizes[place].1 + more[place], place)) else { break };
        more[place] += 1;
    }
    sizes.iter().zip(more).map(|(size, more)| (size.0, more)).filter(|pair| pair.1 > 0).collect()
}

/// Taints of a node but for those that the control plane gives by the node's condition.
fn own_taints<'t>(taints: &'t [NodeTaint], names: &'t Names) -> impl Iterator<Item = NodeTaint> + 't {
    taints.iter().copied().filter(|taint| !names.text(taint.key).starts_with("node.kubernetes.io/"))
}

#[cfg(test)]
mod tests {
    use super::balanced;

    #[test]
    fn nodes_go_to_the_smallest_groups() {
        for (sizes, nodes, want) in [
            (vec![(4, 1, 9)], 3, vec![(4, 3)]),
            (vec![(4, 0, 9), (2, 0, 9)], 3, vec![(4, 2), (2, 1)]),
            (vec![(4, 5, 9), (2, 1, 9)], 3, vec![(2, 3)]),
            (vec![(4, 5, 9), (2, 1, 3), (3, 4, 9)], 6, vec![(4, 2), (2, 2), (3, 2)]),
            (vec![(4, 8, 9), (2, 9, 9)], 6, vec![(4, 1)]),
        ] {
            assert_eq!(balanced(&sizes, nodes), want, "{sizes:?}");
        }
    }
}
