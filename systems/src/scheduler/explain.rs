//! A decision in detail: what each node was found to be, how scores add up, what preemption looked at, and what would have to change for
//! a pod that fits nowhere. Computed by the plain look at the nodes, beside the decision itself, and only for those who ask.

mod changes;
mod model;

pub use changes::Change;
pub use model::{Candidate, Decided, Explanation, Finding, NodeVerdict, Preemption, Score, Victim};

use super::cache::SchedulerCache;
use super::cycle::{self, Cycle, Decision, Examined};
use super::facts::ClassFacts;
use super::nodes::NodeFacts;
use super::plugin::{Plugin, Refusal};
use super::plugins::node_resources_fit;
use super::preemption::{Outcome, deciding_rule};
use super::queue::Waiting;
use super::{Reads, SchedulerState, refused};
use std::borrow::Cow;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::node::Effect;
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::resources::amount_text;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::model::Ties;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// Whose decisions are explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichPods {
    /// Those of every pod.
    All,
    /// Of every pod the last, the last that found no node, and those that made room for it.
    Latest,
    /// Those of one pod.
    One {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Explanations as they come.
#[derive(Debug)]
pub(super) struct Explaining {
    whom: WhichPods,
    list: Vec<Explanation>,
}

impl Explaining {
    pub(super) fn of(whom: WhichPods) -> Explaining {
        Explaining { whom, list: Vec::new() }
    }

    pub(super) fn list(&self) -> &[Explanation] {
        &self.list
    }

    fn add(&mut self, explanation: Explanation) {
        let makes_room = |one: &Explanation| matches!(&one.outcome, Decided::Nowhere { preemption: Preemption::Room { .. }, .. });
        if self.whom == WhichPods::Latest
            && let Some(place) = self.list.iter().rposition(|known| known.pod == explanation.pod)
            && !makes_room(&self.list[place])
            && !matches!((&self.list[place].outcome, &explanation.outcome), (Decided::Nowhere { .. }, Decided::Chosen { .. }))
        {
            self.list.remove(place);
        }
        self.list.push(explanation);
    }

    fn wants(&self, meta: &Meta, names: &Names) -> bool {
        match &self.whom {
            WhichPods::All | WhichPods::Latest => true,
            WhichPods::One { namespace, name } => names.text(meta.namespace) == namespace && names.render(meta.name) == *name,
        }
    }
}

/// Explains what is about to be decided on a pod, if anybody asks.
pub(super) fn explain(
    waiting: Waiting,
    state: &SchedulerState,
    cache: &mut SchedulerCache,
    reads: &Reads,
    names: &mut Names,
    now: SimTime,
) {
    let Some(explaining) = &cache.explaining else { return };
    let pod = waiting.pod;
    let asked = reads.metas.get(pod).is_some_and(|meta| explaining.wants(meta, names) && !meta.terminating());
    if !asked || reads.pods.get(pod).is_none_or(|spec| !spec.node.is_empty()) {
        return;
    }
    let Some((mut incoming, _)) = cache.incoming(pod, reads, names) else { return };
    if let Some(&node) = state.nominated.get(&pod.uid) {
        incoming.nominated_node = node;
    }
    let words = cache.words(pod, reads, names);
    cache.know_all(state, reads, names);
    let nodes = cache.table.order(&reads.labels).len();
    let start = if nodes == 0 { 0 } else { state.start % nodes };
    let seen: &SchedulerCache = cache;
    let cycle = seen.cycle(&incoming, reads, names);
    let found = cycle::examine(&cycle, start);
    let outcome = match cycle::chosen(&cycle, found.clone()) {
        Decision::Node { node, nominated, .. } => chosen(&cycle, &found, node, nominated),
        Decision::None(failure) => {
            let room = refused::room(&incoming, waiting.failures, &failure, &mut (), state, seen, reads, names, words, now);
            let message = failure.message(names, room.message());
            Decided::Nowhere { message, preemption: preemption(&cycle, room, reads), would_fit: changes::changes(&cycle) }
        }
    };
    let meta = reads.metas.get(pod).expect("it was just read");
    let explanation = Explanation {
        at: now,
        pod,
        namespace: names.text(meta.namespace).to_string(),
        name: names.render(meta.name),
        priority: incoming.resident.class.priority,
        attempt: waiting.failures + 1,
        nodes: verdicts(&cycle, &found, start),
        outcome,
    };
    cache.explaining.iter_mut().for_each(|explaining| explaining.add(explanation.clone()));
}

/// Why the scheduler has not tried a pod at all.
pub fn untried(sim: &Simulation, pod: ObjRef) -> String {
    let (Some(spec), Some(meta)) = (sim.state::<Pod>(pod), sim.state::<Meta>(pod)) else { return "it is gone".into() };
    let (names, class) = (sim.get::<Names>(), sim.get::<Classes>().get(spec.class));
    let gates = class.raw.value().get("schedulingGates").and_then(|gates| gates.as_array()).into_iter().flatten();
    let gates: Vec<&str> = gates.filter_map(|gate| gate.get("name").and_then(|name| name.as_str())).collect();
    if !spec.node.is_empty() {
        format!("it was on node {} before the scheduler had to do with it", names.text(spec.node))
    } else if sim.get::<SchedulerCache>().profile(class.scheduler_name).is_none() {
        format!("no profile of the scheduler has its schedulerName {:?}", names.text(class.scheduler_name))
    } else if !gates.is_empty() {
        format!("it waits for scheduling gates: {}", gates.join(", "))
    } else if meta.terminating() {
        "its deletion was asked for".into()
    } else {
        "its turn has not come yet".into()
    }
}

fn name_of(cycle: &Cycle, number: u32) -> String {
    cycle.names.text(cycle.nodes.get(number).name).to_string()
}

fn chosen(cycle: &Cycle, found: &Examined, node: u32, nominated: bool) -> Decided {
    let best = match found.feasible[..] {
        [one] => vec![one],
        _ => {
            let totals = cycle::scores(cycle, &found.feasible).totals;
            let best = totals.iter().max();
            found.feasible.iter().zip(&totals).filter(|(_, total)| Some(*total) == best).map(|(&node, _)| node).collect()
        }
    };
    let how = match (nominated, found.feasible.len(), best.len(), cycle.profile.ties.0) {
        (true, ..) => "the pod's nominated node, which is tried before all others",
        (_, 1, ..) => "the only node that fits",
        (.., 1, _) => "the best score",
        (.., Ties::Heap) => "the first of the tied in the scheduler's heap",
        (.., Ties::LowestName) => "the first name of the tied",
        (.., Ties::Random) => "one of the tied, drawn from the seed",
    };
    Decided::Chosen { node: name_of(cycle, node), tied: best.iter().map(|&number| name_of(cycle, number)).collect(), how }
}

/// What each node was found to be.
fn verdicts(cycle: &Cycle, found: &Examined, start: usize) -> Vec<NodeVerdict> {
    let columns = if found.feasible.len() > 1 { columns(cycle, &found.feasible) } else { Vec::new() };
    let order = cycle.nodes.ordered();
    let (mut seen, mut unseen) = (Vec::new(), Vec::new());
    for step in 0..order.len() {
        let number = order[(start + step) % order.len()];
        let finding = if let Some(at) = found.feasible.iter().position(|&fits| fits == number) {
            let one =
                |(plugin, weight, column): &(String, i64, Vec<i64>)| Score { plugin: plugin.clone(), weight: *weight, score: column[at] };
            let scores: Vec<Score> = columns.iter().map(one).collect();
            Finding::Fits { total: scores.iter().map(|score| score.weight * score.score).sum(), scores }
        } else if let Some(refusal) = found.failure.refusal(number) {
            refused_by(cycle, refusal, number)
        } else if found.failure.left_out.1 > 0 && !found.nominated {
            Finding::LeftOut { plugins: found.failure.left_out.0.iter().map(Plugin::name).collect() }
        } else {
            Finding::NotLookedAt
        };
        let list = if matches!(finding, Finding::NotLookedAt) { &mut unseen } else { &mut seen };
        list.push(NodeVerdict { node: name_of(cycle, number), finding });
    }
    seen.append(&mut unseen);
    seen
}

fn columns(cycle: &Cycle, feasible: &[u32]) -> Vec<(String, i64, Vec<i64>)> {
    let columns = cycle::scores(cycle, feasible).columns;
    let own = columns.iter().filter(|column| column.0 == Plugin::Own).count();
    let policies = cycle.own.map_or(Vec::new(), |own| own.chosen.iter().filter(|chosen| chosen.scores && chosen.weight > 0).collect());
    let mut policies = policies.into_iter().map(|chosen| chosen.name.clone()).collect::<Vec<_>>().into_iter();
    // Where a policy has nothing to say its column is missing, and the others cannot be told apart.
    let known = policies.len() == own;
    let mut name = |plugin: Plugin| match plugin {
        Plugin::Own => policies.next().filter(|_| known).unwrap_or_else(|| "policy".to_string()),
        plugin => plugin.name().to_string(),
    };
    columns.into_iter().map(|(plugin, weight, column)| (name(plugin), weight, column)).collect()
}

fn refused_by(cycle: &Cycle, refusal: &Refusal, number: u32) -> Finding {
    let (facts, node) = (&*cycle.pod.resident.class, cycle.nodes.get(number));
    let detail = match refusal.plugin {
        Plugin::NodeResourcesFit => match short_of(cycle, facts, node) {
            short if short.is_empty() => vec!["pods that are nominated to it count too".to_string()],
            short => short.iter().map(|short| short.text(cycle.names)).collect(),
        },
        Plugin::TaintToleration => untolerated(facts, node).map(|taint| taint_text(cycle.names, taint)).collect(),
        _ => Vec::new(),
    };
    let policy = cycle.own.filter(|_| refusal.plugin == Plugin::Own).and_then(|own| own.who_refuses(cycle, number));
    let plugin = policy.map_or(Cow::Borrowed(refusal.plugin.name()), |name| Cow::Owned(name.to_string()));
    Finding::Refused { plugin, reasons: refusal.texts(cycle.names), detail, preemption_may_help: refusal.resolvable }
}

/// A resource of which a node has too little left.
pub(super) struct Short {
    pub(super) resource: Sym,
    pub(super) asked: i64,
    pub(super) free: i64,
    pub(super) allocatable: i64,
}

impl Short {
    fn text(&self, names: &Names) -> String {
        let amount = |amount| amount_text(self.resource, amount);
        let (asked, free, all) = (amount(self.asked), amount(self.free.max(0)), amount(self.allocatable));
        format!("{}: asks for {asked}, {free} of {all} free", names.text(self.resource))
    }

    /// How much is missing.
    pub(super) fn missing(&self) -> i64 {
        self.asked - self.free
    }
}

/// What the node has too little of, as the filter sees it.
fn short_of(cycle: &Cycle, facts: &ClassFacts, node: &NodeFacts) -> Vec<Short> {
    let Some(refusal) = node_resources_fit::refusal(facts, cycle.profile, node, cycle.names) else { return Vec::new() };
    let one = |reason: &super::plugin::Reason| match *reason {
        super::plugin::Reason::Short(resource) => {
            let (asked, used) =
                if resource == words::PODS { (1, node.pods) } else { (facts.requests.get(resource), node.used.get(resource)) };
            let allocatable = node.allocatable.get(resource);
            Some(Short { resource, asked, free: allocatable - used, allocatable })
        }
        _ => None,
    };
    refusal.reasons.iter().filter_map(one).collect()
}

fn untolerated<'n>(facts: &'n ClassFacts, node: &'n NodeFacts) -> impl Iterator<Item = &'n wavetank_engine::model::node::NodeTaint> {
    node.taints.iter().filter(|taint| taint.effect != Effect::PreferNoSchedule && !facts.tolerates(taint))
}

fn taint_text(names: &Names, taint: &wavetank_engine::model::node::NodeTaint) -> String {
    let value = names.text(taint.value);
    let value = if value.is_empty() { String::new() } else { format!("={value}") };
    format!("{}{value}:{}", names.text(taint.key), taint.effect.text())
}

fn preemption(cycle: &Cycle, outcome: Outcome, reads: &Reads) -> Preemption {
    let (candidates, chosen) = match outcome {
        Outcome::NotTried(message) | Outcome::NoRoom(message) => return Preemption::None { message },
        Outcome::Room { candidates, chosen, .. } => (candidates, chosen),
    };
    let because = match deciding_rule(&candidates) {
        Some(rule) => rule,
        None if candidates.len() == 1 => "the only candidate",
        None if cycle.profile.ties.0 == Ties::Random => "no rule tells the candidates apart: drawn from the seed",
        None => "no rule tells the candidates apart: the first name",
    };
    let victim = |victim: &super::preemption::OnNode| {
        let meta = reads.metas.get_even_gone(victim.pod)?;
        Some(Victim {
            namespace: cycle.names.text(meta.namespace).to_string(),
            name: cycle.names.render(meta.name),
            priority: victim.priority(),
            started_at: victim.started_at,
        })
    };
    let shown = candidates.iter().map(|candidate| Candidate {
        node: name_of(cycle, candidate.node),
        victims: candidate.victims.iter().filter_map(victim).collect(),
        budgets_violated: candidate.violations,
    });
    Preemption::Room { candidates: shown.collect(), chosen: name_of(cycle, candidates[chosen].node), because }
}
