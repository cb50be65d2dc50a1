//! Scale-ups in the words of an explanation.

use super::Turn;
use super::expander::{Choice, rounds};
use super::explain::{GroupFinding, GroupVerdict, Grown, Order, PassedOver, Pods, Refused, ScaleUp};
use super::up::Growth;
use crate::scheduler::pods::Incoming;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::names::Names;

/// Groups with their sizes before and after, and one that failed.
type Orders = (Vec<(u32, u32, u32)>, Option<u32>);

impl Turn<'_, '_, '_, '_> {
    pub(super) fn group_finding(&self, group: u32, verdict: GroupVerdict) -> GroupFinding {
        let settings = self.group(group);
        GroupFinding { group: settings.name.clone(), size: self.fleet.groups[group as usize].target, max: settings.max, verdict }
    }

    pub(super) fn option_finding(&self, option: &Growth, names: &Names) -> GroupFinding {
        let mut refused: Vec<Refused> = Vec::new();
        for (pod, (plugin, reasons)) in &option.refused {
            let pod = self.pod_text(*pod, names);
            match refused.iter_mut().find(|known| known.plugin == *plugin && known.reasons == *reasons) {
                Some(known) => known.pods.add(pod),
                None => refused.push(Refused { plugin, reasons: reasons.clone(), pods: Pods::of(std::iter::once(pod)) }),
            }
        }
        let choice = &option.choice;
        let price_micros = self.group(choice.group).price_micros * u64::from(choice.nodes);
        let verdict = GroupVerdict::Option {
            nodes: choice.nodes,
            pods: option.helped.len(),
            cpu_millicores: choice.cpu,
            memory_bytes: choice.memory,
            price_micros,
            refused,
        };
        self.group_finding(choice.group, verdict)
    }

    /// Says why no group is asked.
    pub(super) fn tell_of_none(&mut self, mut told: ScaleUp, left: &[(ObjRef, Incoming)], names: &Names) {
        if left.is_empty() && told.passed_over.is_empty() {
            return;
        }
        let because = if left.is_empty() {
            "every pod that waits has room or has to wait for something else".to_string()
        } else {
            format!("all groups together may have no more nodes: max_nodes_total is {}", self.reads.settings.max_nodes_total)
        };
        told.pods = self.pods_left(left, names);
        told.outcome = Grown::Nothing { because };
        self.explanations.grows(told);
    }

    /// Says what the expander chose, and what was ordered.
    pub(super) fn tell_of_choice(
        &mut self,
        mut told: ScaleUp,
        left: &[(ObjRef, Incoming)],
        choices: &[Choice],
        chosen: Option<(&Growth, Orders)>,
        names: &Names,
    ) {
        told.pods = self.pods_left(left, names);
        let name = |group: u32| self.group(group).name.clone();
        told.outcome = match chosen {
            None => Grown::Nothing { because: "no group can grow for any of them".to_string() },
            Some((option, (orders, failed))) => {
                told.rounds = rounds(&self.reads.settings.expander, choices, &name);
                let order = |(group, before, after)| Order { group: name(group), before, after, max: self.group(group).max };
                Grown::Chosen {
                    chosen: name(option.choice.group),
                    drawn: told.rounds.last().is_some_and(|round| round.best.len() > 1),
                    needed: option.choice.nodes,
                    orders: orders.into_iter().map(order).collect(),
                    failed: failed.map(name),
                    pods: Pods::of(option.helped.iter().map(|&pod| self.pod_text(pod, names))),
                }
            }
        };
        self.explanations.grows(told);
    }

    /// Says that nothing is looked at.
    pub(super) fn nothing_grows(&mut self, because: String, names: &Names) {
        let mut told = ScaleUp::at(self.now);
        for &pod in self.fleet.pending.keys() {
            told.pass_over(PassedOver::NotLookedAt, self.pod_text(pod, names));
        }
        told.outcome = Grown::Nothing { because };
        self.explanations.grows(told);
    }

    fn pods_left(&self, left: &[(ObjRef, Incoming)], names: &Names) -> Pods {
        Pods::of(left.iter().map(|(pod, _)| self.pod_text(*pod, names)))
    }
}
