//! Why no node can run a pod, and how the message says it. Source: `spec/scheduler.md` §7, `framework/types.go`, `FitError`.

use crate::scheduler::plugin::{Plugin, Plugins, Refusal};
use std::borrow::Cow;
use std::collections::BTreeMap;
use wavetank_engine::names::Names;

/// What the first stage of PostFilter says when a pod has no resource claims.
pub const NO_CLAIMS: &str = "no new claims to deallocate";

/// Bytes of an event's message at most.
const EVENT_BYTES_MAX: usize = 1024;
/// How a cut message ends.
const CUT: &str = " ...";

/// A message as its event says it: cut where it is too long. The pod's condition says it whole.
/// Source: `schedule_one.go`, `truncateMessage`.
pub fn event_text(message: &str) -> Cow<'_, str> {
    if message.len() <= EVENT_BYTES_MAX {
        return Cow::Borrowed(message);
    }
    let end = message.floor_char_boundary(EVENT_BYTES_MAX - CUT.len());
    Cow::Owned(format!("{}{CUT}", &message[..end]))
}

/// The refusals of a cycle.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Failure {
    /// Number of nodes.
    pub nodes: usize,
    /// Different refusals, each with its number of nodes.
    pub kinds: Vec<(Refusal, usize)>,
    /// Nodes that were looked at and refused, each with the place of its refusal in `kinds`.
    pub verdicts: Vec<(u32, u32)>,
    /// Nodes that plugins left out before anyone looked at them, and those plugins.
    pub left_out: (Plugins, usize),
    /// A plugin refused all nodes before anyone looked at them.
    pub before_nodes: bool,
}

impl Failure {
    /// Nothing refused yet of `nodes` nodes.
    pub fn new(nodes: usize) -> Failure {
        Failure { nodes, ..Failure::default() }
    }

    /// Notes the refusal of a node.
    pub fn add(&mut self, number: u32, refusal: Refusal) {
        let kind = match self.kinds.iter().position(|kind| kind.0 == refusal) {
            Some(at) => {
                self.kinds[at].1 += 1;
                at
            }
            None => {
                self.kinds.push((refusal, 1));
                self.kinds.len() - 1
            }
        };
        self.verdicts.push((number, kind as u32));
    }

    /// Notes that a plugin refused all nodes at once.
    pub fn refuse_all(&mut self, refusal: Refusal, order: &[u32]) {
        self.before_nodes = true;
        self.kinds.push((refusal, order.len()));
        self.verdicts = order.iter().map(|&number| (number, 0)).collect();
    }

    /// Notes nodes that plugins left out.
    pub fn leave_out(&mut self, plugins: Plugins, nodes: usize) {
        self.left_out = (plugins, nodes);
    }

    /// The refusal of a node that was looked at.
    pub fn refusal(&self, number: u32) -> Option<&Refusal> {
        self.verdicts.iter().find(|verdict| verdict.0 == number).map(|verdict| &self.kinds[verdict.1 as usize].0)
    }

    /// Plugins that refused: events of theirs bring the pod back.
    pub fn plugins(&self) -> Plugins {
        self.kinds.iter().fold(self.left_out.0, |set, kind| set.or(Plugins::one(kind.0.plugin)))
    }

    /// Nodes on which preemption may help.
    pub fn resolvable(&self) -> impl Iterator<Item = u32> + '_ {
        self.verdicts.iter().filter(|verdict| self.kinds[verdict.1 as usize].0.resolvable).map(|verdict| verdict.0)
    }

    /// Notes the refusal of all nodes that were not looked at.
    pub fn add_unseen(&mut self, refusal: Refusal) {
        let unseen = self.nodes - self.verdicts.len();
        if unseen > 0 {
            self.kinds.push((refusal, unseen));
        }
    }

    /// The whole message; `post_filter` is what preemption had to say, empty for nothing.
    pub fn message(&self, names: &Names, post_filter: &str) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let reasons = if self.before_nodes { self.texts(names).join(", ") } else { self.histogram(names) };
        let space = if post_filter.is_empty() { "" } else { " " };
        format!("0/{} nodes are available: {reasons}.{space}{post_filter}", self.nodes)
    }

    fn texts(&self, names: &Names) -> Vec<String> {
        self.kinds.iter().flat_map(|kind| kind.0.texts(names)).collect()
    }

    /// "count reason", sorted as texts. Reasons of one node count once each.
    fn histogram(&self, names: &Names) -> String {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for (refusal, count) in &self.kinds {
            for reason in refusal.texts(names) {
                *reasons.entry(reason).or_insert(0) += count;
            }
        }
        if self.left_out.1 > 0 {
            let plugins: Vec<&str> = self.left_out.0.iter().map(Plugin::name).collect();
            *reasons.entry(format!("node(s) didn't satisfy plugin(s) [{}]", plugins.join(" "))).or_insert(0) += self.left_out.1;
        }
        sorted(reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect())
    }
}

fn sorted(mut parts: Vec<String>) -> String {
    parts.sort();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_say_at_most_1024_bytes() {
        for (letters, want) in [(10, 10), (1024, 1024), (1025, 1024), (5000, 1024)] {
            let message = "x".repeat(letters);
            let text = event_text(&message);
            assert_eq!((text.len(), text.ends_with(CUT)), (want, letters > 1024), "{letters}");
        }
    }
}
