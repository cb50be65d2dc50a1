//! The cloud: machines boot and register as nodes, come too late, are taken back and replaced.

use super::explain::NodeVerdict;
use super::{NodeId, Turn};
use crate::scheduler::what_if::Scheduling;
use wavetank_engine::api::request::Verb;
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::names::Names;
use wavetank_engine::record::events::{Arg, Report};
use wavetank_engine::scene::node_groups::{name_of, next_address};
use wavetank_engine::time::{SimDuration, SimTime};
use wavetank_engine::words;

impl Turn<'_, '_, '_, '_> {
    /// What is due of the machines of all groups.
    pub(super) fn machines(&mut self, scheduling: &mut Scheduling, names: &mut Names) {
        let mut address = None;
        for group in 0..self.reads.groups.0.len() as u32 {
            self.reclaim(group, names);
            self.replace(group);
            let limit = self.reads.settings.max_node_provision_time;
            let late = |ordered_at: SimTime, until: SimTime| until.since(ordered_at) > limit;
            let present = &self.fleet.groups[group as usize].present;
            let booting: Vec<(u32, SimTime, SimTime)> =
                present.iter().filter_map(|(&number, machine)| Some((number, machine.ordered_at, machine.boots_until?))).collect();
            let mut given_up = 0;
            for (number, ordered_at, until) in booting {
                if late(ordered_at, until) {
                    if ordered_at + limit <= self.now {
                        self.give_back((group, number));
                        given_up += 1;
                    }
                } else if until <= self.now {
                    self.register((group, number), scheduling, names, &mut address);
                }
            }
            if given_up > 0 {
                let text = format!("Nodes added to group {} failed to register within {}", self.group(group).name, go_text(limit));
                let reason = self.reads.texts.timed_out;
                self.tell_status(names, true, reason, &text);
                self.back_off(group);
            }
        }
    }

    /// A machine is given back for good: its group gets smaller.
    pub(super) fn give_back(&mut self, (group, number): NodeId) {
        let now = self.now;
        let machines = &mut self.fleet.groups[group as usize];
        machines.give_back(number, now);
        machines.target = machines.target.saturating_sub(1);
    }

    /// A machine has booted: its kubelet registers it.
    fn register(&mut self, (group, number): NodeId, scheduling: &mut Scheduling, names: &mut Names, address: &mut Option<u32>) {
        let mut new = self.reads.templates.0[group as usize].clone();
        let text = self.group(group).node_name(number);
        new.meta.name = name_of(names, self.group(group), number);
        let mut pairs = vec![(words::HOSTNAME_LABEL, names.sym(&text))];
        if let Some(zone) = self.group(group).zone(number) {
            pairs.push((words::ZONE_LABEL, names.sym(zone)));
        }
        new.meta.labels = scheduling.labelled(names, new.meta.labels, &pairs);
        let statuses = self.reads.listing.of_kind(Kind::Node).filter_map(|node| self.reads.node_statuses.get(node));
        let own = address.map_or_else(|| next_address(statuses.map(|status| status.address)), |last| last + 1);
        *address = Some(own);
        for state in &mut new.states {
            if let StateValue::NodeStatus(status) = state {
                status.heartbeat_from = Some(self.now);
                status.address = own;
            }
        }
        if let Some(machine) = self.fleet.groups[group as usize].present.get_mut(&number) {
            machine.boots_until = None;
        }
        self.work.tell(self.cause, Verb::Create(Box::new(new)));
    }

    /// Machines that the cloud takes back: the oldest of the group is told, and gone when its time has come.
    fn reclaim(&mut self, group: u32, names: &mut Names) {
        let settings = &self.reads.groups.0[group as usize];
        while let Some(&at) = settings.reclaims.get(self.state.reclaims.get(&group).copied().unwrap_or(0))
            && SimTime(at.0.saturating_sub(settings.notice.0)) <= self.now
        {
            *self.state.reclaims.entry(group).or_insert(0) += 1;
            let machines = &mut self.fleet.groups[group as usize];
            let oldest = machines.present.iter_mut().find(|(_, machine)| machine.reclaimed_at.is_none() && machine.boots_until.is_none());
            let Some((&number, machine)) = oldest else { continue };
            machine.reclaimed_at = Some(at);
            if self.reads.kubelet.shutdown.0 > 0 && at > self.now {
                let node = names.sym(&settings.node_name(number));
                self.faults.notify_shut_down(node);
            }
        }
        let present = &self.fleet.groups[group as usize].present;
        let gone: Vec<u32> = present
            .iter()
            .filter(|(_, machine)| machine.reclaimed_at.is_some_and(|at| at <= self.now))
            .map(|(&number, _)| number)
            .collect();
        for number in gone {
            let now = self.now;
            self.fleet.groups[group as usize].give_back(number, now);
            self.state.leaving.remove(&(group, number));
            self.state.unneeded.remove(&(group, number));
            self.find((group, number), || NodeVerdict::Reclaimed);
            if let Some(node) = self.node((group, number), names) {
                let text = names.sym(&settings.node_name(number));
                self.faults.power_off(text, now);
                self.tell_of_loss(node, text, names);
                self.work.tell(self.cause, Verb::Delete { object: node, grace_s: None, propagation: None });
            }
        }
    }

    fn tell_of_loss(&mut self, node: ObjRef, text: wavetank_engine::names::Sym, names: &mut Names) {
        let Some(about) = self.reads.listing.row(node).map(|row| row.key) else { return };
        let words = names.sym("Deleting node {} because it does not exist in the cloud provider");
        let (source, reason) = (self.reads.texts.cloud, self.reads.texts.deleting_node);
        let report = Report { about, uid: node.uid, source, warning: false, reason, words, args: &[Arg::Text(text)] };
        self.events.report(self.now, report);
    }

    /// The cloud keeps a group at its size, while it has machines for it.
    fn replace(&mut self, group: u32) {
        let settings = &self.reads.groups.0[group as usize];
        let machines = &mut self.fleet.groups[group as usize];
        while (machines.present.len() as u32) < machines.target && !settings.fails_at(self.now) {
            machines.order(self.now, settings.boot_time);
            self.state.changed = true;
        }
    }

    /// When the next of all that is due.
    pub(super) fn next_of_machines(&self) -> Option<SimTime> {
        let mut next: Option<SimTime> = None;
        let mut at = |moment: SimTime| {
            if moment > self.now {
                next = Some(next.map_or(moment, |known| known.min(moment)));
            }
        };
        let limit = self.reads.settings.max_node_provision_time;
        for (group, (settings, machines)) in (0..).zip(self.reads.groups.0.iter().zip(&self.fleet.groups)) {
            for machine in machines.present.values() {
                machine.boots_until.map(|until| until.min(machine.ordered_at + limit)).map(&mut at);
                machine.reclaimed_at.map(&mut at);
            }
            let begun = self.state.reclaims.get(&group).copied().unwrap_or(0);
            if let Some(reclaim) = settings.reclaims.get(begun) {
                at(SimTime(reclaim.0.saturating_sub(settings.notice.0)));
            }
            if (machines.present.len() as u32) < machines.target {
                settings.fails.iter().for_each(|outage| at(outage.until));
            }
        }
        next
    }
}

/// A span as Go prints it: `15m0s`.
fn go_text(span: SimDuration) -> String {
    let seconds = span.0 / 1_000_000_000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}
