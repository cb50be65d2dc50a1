//! DefaultPreemption: makes room for a pod by taking pods of lower priority off one node.
//!
//! Source: kubernetes v1.36, `framework/preemption/preemption.go` and `plugins/defaultpreemption/default_preemption.go`;
//! `spec/scheduler.md` §6.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::failure::{Failure, NO_CLAIMS};
use crate::scheduler::filter::{Filters, Trial};
use crate::scheduler::plugin::{Plugin, Reason, Refusal};
use crate::scheduler::pods::{Resident, meets};
use std::cmp::Reverse;
use wavetank_engine::draw::draw_below;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::select::Requirement;
use wavetank_engine::names::Sym;
use wavetank_engine::scene::model::Ties;
use wavetank_engine::time::SimTime;

/// What is said of nodes on which preemption can't help.
pub(super) const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";

/// A pod on a node, as preemption looks at it.
#[derive(Debug, Clone)]
pub struct OnNode {
    /// The pod.
    pub pod: ObjRef,
    /// How it counts there.
    pub resident: Resident,
    /// `status.startTime`; the present moment for one that has not started.
    pub started_at: SimTime,
}

impl OnNode {
    /// `spec.priority`.
    pub fn priority(&self) -> i32 {
        self.resident.class.priority
    }

    /// What sorts the most important pod first: the highest priority, then the earliest start.
    fn importance(&self) -> (Reverse<i32>, SimTime) {
        (Reverse(self.priority()), self.started_at)
    }
}

/// A PodDisruptionBudget with a selector that selects something.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Namespace.
    pub namespace: Sym,
    /// `selector`; never empty.
    pub selector: Box<[Requirement]>,
    /// `status.disruptionsAllowed`.
    pub allowed: i32,
    /// `status.disruptedPods`: those are counted already.
    pub disrupted: Vec<ObjRef>,
}

/// A node that can run the pod without its victims.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Number of the node.
    pub node: u32,
    /// Pods to take off, the most important first.
    pub victims: Vec<OnNode>,
    /// Victims whose budgets do not allow it.
    pub violations: usize,
}

/// What preemption found.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The stage ended with an error or the pod may not preempt: a nomination that the pod has is left alone.
    NotTried(String),
    /// There is no room to be made anywhere: a nomination that the pod has is taken back.
    NoRoom(String),
    /// Room can be made.
    Room {
        /// Where, by node in the order in which they were tried.
        candidates: Vec<Candidate>,
        /// Candidates that no rule tells apart, by place in `candidates`.
        tied: Vec<usize>,
        /// The one chosen among them.
        chosen: usize,
    },
}

impl Outcome {
    /// Node and victims chosen, or the message: what must be the same however it was found.
    pub(super) fn shape(&self) -> (String, Vec<(u32, Vec<ObjRef>)>) {
        let list = match self {
            Outcome::Room { candidates, chosen, .. } => {
                let of = |candidate: &Candidate| (candidate.node, candidate.victims.iter().map(|victim| victim.pod).collect());
                std::iter::once(&candidates[*chosen]).chain(candidates).map(of).collect()
            }
            Outcome::NotTried(_) | Outcome::NoRoom(_) => Vec::new(),
        };
        (self.message().to_string(), list)
    }

    /// What the message of the failed attempt says of it; nothing of one that found room.
    pub fn message(&self) -> &str {
        match self {
            Outcome::NotTried(message) => message,
            Outcome::NoRoom(message) => message,
            Outcome::Room { .. } => "",
        }
    }
}

/// What preemption asks of the cluster.
pub trait Cluster {
    /// Pods on a node. Of equally important ones the first listed is given back first.
    ///
    /// Choice: the original's list is in the order of binding, but the last takes the place of one that leaves; ours is in that of binding.
    fn on_node(&self, number: u32) -> Vec<OnNode>;

    /// Whether a pod's deletion was asked for to make room for another pod.
    fn preempted(&self, pod: ObjRef) -> bool;

    /// Whether it is known that no pod on any node has a lower priority, so that nobody looks for any.
    fn none_below(&self, _priority: i32) -> bool {
        false
    }

    /// Budgets, in order of their names.
    fn budgets(&self) -> Vec<Budget>;
}

/// What is known of nodes on which preemption does not help.
pub trait Helpless {
    /// Why it does not help on a node; `None` when that is not known.
    fn known(&self, number: u32) -> Option<&Refusal>;

    /// Notes why it does not help on a node.
    fn note(&mut self, number: u32, refusal: &Refusal);
}

/// Nothing is known, and nothing is kept.
impl Helpless for () {
    fn known(&self, _: u32) -> Option<&Refusal> {
        None
    }

    fn note(&mut self, _: u32, _: &Refusal) {}
}

/// Asks the PostFilter plugins of the profile after a failed cycle. Source: `runtime/framework.go`, `RunPostFilterPlugins`.
pub fn preempt(cycle: &Cycle, failure: &Failure, cluster: &dyn Cluster, helpless: &mut dyn Helpless, seed: u64, attempt: u32) -> Outcome {
    if cycle.nodes.ordered().is_empty() {
        return Outcome::NotTried(String::new());
    }
    let filters = Filters::prepare(*cycle).ok();
    let (mut said, mut tried) = (Vec::new(), cycle.profile.post_filters.is_empty());
    for plugin in &cycle.profile.post_filters {
        match plugin {
            // A plugin that ends PreFilter early leaves DynamicResources without its state.
            Plugin::DynamicResources if filters.is_none() => return Outcome::NotTried("not found".to_string()),
            Plugin::DynamicResources => said.push(NO_CLAIMS.to_string()),
            Plugin::DefaultPreemption => match look_for_room(cycle, filters.as_ref(), failure, cluster, helpless, (seed, attempt)) {
                Ok(room) => return room,
                Err((message, looked)) => {
                    said.push(format!("preemption: {message}"));
                    tried |= looked;
                }
            },
            _ => {}
        }
    }
    let message = said.join(", ");
    if tried { Outcome::NoRoom(message) } else { Outcome::NotTried(message) }
}

/// Looks for room.
///
/// # Errors
/// Why there is none, and whether it was looked for.
fn look_for_room(
    cycle: &Cycle,
    filters: Option<&Filters>,
    failure: &Failure,
    cluster: &dyn Cluster,
    helpless: &mut dyn Helpless,
    (seed, attempt): (u64, u32),
) -> Result<Outcome, (String, bool)> {
    if let Some(why) = not_eligible(cycle, failure, cluster) {
        return Err((why.to_string(), false));
    }
    let order = cycle.nodes.ordered();
    let mut potential: Vec<u32> = failure.resolvable().collect();
    potential.sort_unstable_by_key(|&number| cycle.nodes.place(number));
    let profile = cycle.profile;
    let wanted = (potential.len() * profile.candidates_percent / 100).max(profile.candidates_min).min(potential.len());
    let offset = draw_below(seed, "preemption offset", cycle.pod.uid.0, u64::from(attempt), potential.len().max(1) as u64) as usize;
    let budgets = if potential.is_empty() { Vec::new() } else { cluster.budgets() };
    let nobody_to_leave = cluster.none_below(cycle.pod.resident.class.priority);
    let mut dry_run = Failure::new(order.len());
    let (mut candidates, mut any_clean, mut skipped) = (Vec::new(), false, Vec::new());
    for step in 0..potential.len() {
        let number = potential[(offset + step) % potential.len()];
        // Where no filter could be prepared no node is left to try.
        let Some(filters) = filters else { break };
        if helpless.known(number).is_some() {
            skipped.push(number);
            continue;
        }
        let pods = if nobody_to_leave { Vec::new() } else { cluster.on_node(number) };
        match candidate(cycle, filters, number, pods, &budgets) {
            Ok(found) => {
                any_clean |= found.violations == 0;
                candidates.push(found);
                if any_clean && candidates.len() >= wanted {
                    break;
                }
            }
            Err(refusal) => {
                helpless.note(number, &refusal);
                dry_run.add(number, refusal);
            }
        }
    }
    if candidates.is_empty() {
        for (number, refusal) in skipped.into_iter().filter_map(|number| Some((number, helpless.known(number)?.clone()))) {
            dry_run.add(number, refusal);
        }
        dry_run.add_unseen(Refusal::of(Plugin::DefaultPreemption, false, NOT_HELPFUL));
        return Err((dry_run.message(cycle.names, ""), true));
    }
    let tied = best(&candidates);
    let chosen = choose(cycle, &candidates, &tied);
    Ok(Outcome::Room { candidates, tied, chosen })
}

/// Why a pod may not preempt others now. Source: `PodEligibleToPreemptOthers`.
fn not_eligible(cycle: &Cycle, failure: &Failure, cluster: &dyn Cluster) -> Option<&'static str> {
    let pod = cycle.pod;
    if pod.resident.class.never_preempts {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let number = cycle.nodes.by_name(pod.nominated_node)?;
    // Where nothing can help any more the pod need not wait.
    failure.refusal(number).filter(|refusal| refusal.resolvable)?;
    let waits = |other: &OnNode| other.priority() < pod.resident.class.priority && cluster.preempted(other.pod);
    let waits = cluster.on_node(number).iter().any(waits);
    waits.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// The pods that must leave a node, or why their leaving does not help. Source: `SelectVictimsOnNode`.
fn candidate(cycle: &Cycle, filters: &Filters, number: u32, pods: Vec<OnNode>, budgets: &[Budget]) -> Result<Candidate, Refusal> {
    let own = cycle.pod.resident.class.priority;
    let mut potential: Vec<OnNode> = pods.into_iter().filter(|pod| pod.priority() < own).collect();
    if potential.is_empty() {
        return Err(Refusal::of(Plugin::DefaultPreemption, false, "No preemption victims found for incoming pod"));
    }
    let mut trial = filters.trial(number);
    potential.iter().for_each(|pod| trial.count(&pod.resident, false));
    if let Some(refusal) = trial.refusal_with_nominated() {
        return Err(refusal);
    }
    potential.sort_by_key(OnNode::importance);
    let (violating, others) = by_budgets(cycle, potential, budgets);
    let two_groups = !violating.is_empty() && !others.is_empty();
    let mut victims = give_back(&mut trial, violating);
    let violations = victims.len();
    victims.extend(give_back(&mut trial, others));
    if two_groups {
        victims.sort_by_key(OnNode::importance);
    }
    if victims.is_empty() {
        let name = cycle.names.text(cycle.nodes.get(number).name);
        let text = format!("expected at least one victim pod on node \"{name}\"");
        return Err(Refusal {
            plugin: Plugin::DefaultPreemption,
            resolvable: false,
            reasons: smallvec::smallvec![Reason::Own(text.into())],
        });
    }
    Ok(Candidate { node: number, victims, violations })
}

/// Gives pods back to the node, one at a time, as long as the waiting pod fits; returns those that must go.
fn give_back(trial: &mut Trial, pods: Vec<OnNode>) -> Vec<OnNode> {
    let mut victims = Vec::new();
    for pod in pods {
        trial.count(&pod.resident, true);
        if trial.refusal_with_nominated().is_some() {
            trial.count(&pod.resident, false);
            victims.push(pod);
        }
    }
    victims
}

/// Parts pods into those whose going a budget does not allow and the others; each pod uses up every budget that selects it.
/// Source: `filterPodsWithPDBViolation`.
fn by_budgets(cycle: &Cycle, pods: Vec<OnNode>, budgets: &[Budget]) -> (Vec<OnNode>, Vec<OnNode>) {
    let mut left: Vec<i32> = budgets.iter().map(|budget| budget.allowed).collect();
    pods.into_iter().partition(|pod| {
        let group = cycle.groups.get(pod.resident.group);
        if cycle.labels.pairs(group.labels).is_empty() {
            return false;
        }
        let mut violates = false;
        for (budget, left) in budgets.iter().zip(&mut left) {
            let selected = budget.namespace == group.namespace && meets(&budget.selector, cycle.labels, group.labels);
            if selected && !budget.disrupted.contains(&pod.pod) {
                *left -= 1;
                violates |= *left < 0;
            }
        }
        violates
    })
}

/// The candidates that no rule tells apart, by place. Source: `pickOneNodeForPreemption`.
fn best(candidates: &[Candidate]) -> Vec<usize> {
    best_by(candidates).0
}

/// The rules that tell candidates apart, in their order: what the better one has.
const RULES: [&str; 5] = [
    "fewest disruption budgets violated",
    "lowest priority of its most important victim",
    "lowest sum of its victims' priorities",
    "fewest victims",
    "latest start of its most important victims",
];

/// What told the best of candidates from the others; `None` when there was but one, or when no rule did.
pub fn deciding_rule(candidates: &[Candidate]) -> Option<&'static str> {
    best_by(candidates).1.map(|rule| RULES[rule])
}

/// The candidates left by the rules, and the last rule that left any out.
fn best_by(candidates: &[Candidate]) -> (Vec<usize>, Option<usize>) {
    let highest = |candidate: &Candidate| candidate.victims.first().map_or(i32::MIN, OnNode::priority);
    let rules: [&dyn Fn(&Candidate) -> i64; 5] = [
        &|candidate| candidate.violations as i64,
        &|candidate| i64::from(highest(candidate)),
        &|candidate| candidate.victims.iter().map(|victim| i64::from(victim.priority()) + (1 << 31)).sum(),
        &|candidate| candidate.victims.len() as i64,
        &|candidate| {
            let important = candidate.victims.iter().filter(|victim| victim.priority() == highest(candidate));
            let earliest = important.map(|victim| victim.started_at).min().unwrap_or_default();
            // The latest first.
            -(earliest.0 as i64)
        },
    ];
    let (mut left, mut last): (Vec<usize>, _) = ((0..candidates.len()).collect(), None);
    for (number, rule) in rules.into_iter().enumerate() {
        let (before, least) = (left.len(), left.iter().map(|&at| rule(&candidates[at])).min());
        left.retain(|&at| Some(rule(&candidates[at])) == least);
        if left.len() < before {
            last = Some(number);
        }
        if left.len() == 1 {
            break;
        }
    }
    (left, last)
}

/// The original takes any of the tied; we take the lowest name, or one by chance where ties are broken so.
fn choose(cycle: &Cycle, candidates: &[Candidate], tied: &[usize]) -> usize {
    let name = |&at: &usize| cycle.names.text(cycle.nodes.get(candidates[at].node).name);
    match cycle.profile.ties {
        (Ties::Random, seed) => tied[draw_below(seed, "preemption ties", cycle.pod.uid.0, 0, tied.len() as u64) as usize],
        (Ties::Heap | Ties::LowestName, _) => tied.iter().copied().min_by_key(name).unwrap_or(0),
    }
}
