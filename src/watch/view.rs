//! What a watched world holds at a moment: plain numbers and texts, ready to be drawn.

use crate::render::why::Script;
use std::collections::BTreeMap;
use wavetank_engine::ids::Kind;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::model::pod::{Pod, PodPhase, PodStatus};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::collect::{living, rollouts};
use wavetank_engine::record::events::Events;
use wavetank_engine::record::journal::object_text;
use wavetank_engine::record::summary::Rollout;
use wavetank_engine::scene::run::Run;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::time::SimTime;

/// Most nodes and most lines of the feed that are drawn.
pub const ROWS_MAX: usize = 100;

/// A moment of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// File of the scene.
    pub scene: String,
    /// The moment.
    pub now: SimTime,
    /// The end of the run.
    pub end: SimTime,
    /// Pods.
    pub pods: Pods,
    /// Nodes that are Ready, and all.
    pub nodes_ready: usize,
    /// All nodes.
    pub nodes: usize,
    /// Nodes in order of creation, those that are not Ready first; at most [`ROWS_MAX`].
    pub node_rows: Vec<NodeRow>,
    /// Workloads in order of their names.
    pub workloads: Vec<Rollout>,
    /// The script and Events, the oldest first; at most [`ROWS_MAX`].
    pub feed: Vec<FeedLine>,
}

/// Counts of pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pods {
    /// By phase, in the order of a pod's life.
    pub phases: [(&'static str, u64); 5],
    /// Pods that are Ready.
    pub ready: u64,
    /// Pods that have not ended and have no node.
    pub without_node: u64,
    /// Pods that are being deleted.
    pub terminating: u64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// The condition Ready is True.
    pub ready: bool,
    /// `spec.unschedulable`.
    pub cordoned: bool,
    /// Pods on it that have not ended.
    pub pods: u64,
    /// CPU and memory that they request. Unit: percent of what is allocatable; `None` where nothing is.
    pub requested_percent: [Option<u64>; 2],
}

/// A line of what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedLine {
    /// When, or when last.
    pub at: SimTime,
    /// A Warning.
    pub warning: bool,
    /// The reason of an Event; `script` of the script.
    pub reason: String,
    /// The object that it is about; empty of the script.
    pub object: String,
    /// The message.
    pub message: String,
    /// How often.
    pub count: u32,
}

/// What is on a node. Units: milli-cores, bytes.
#[derive(Default)]
struct Load {
    pods: u64,
    requested: [i64; 2],
}

impl View {
    /// The present moment of a run; `script` is empty where its words are not known.
    pub fn of(run: &Run, script: &[Script]) -> View {
        let sim = &run.sim;
        let (pods, loads) = pods(sim);
        let mut node_rows = nodes(sim, &loads);
        let (nodes, nodes_ready) = (node_rows.len(), node_rows.iter().filter(|node| node.ready).count());
        node_rows.sort_by_key(|node| node.ready);
        node_rows.truncate(ROWS_MAX);
        View {
            scene: run.scene().path.clone(),
            now: sim.now(),
            end: run.end(),
            pods,
            nodes_ready,
            nodes,
            node_rows,
            workloads: rollouts(sim),
            feed: feed(run, script),
        }
    }
}

fn pods(sim: &Simulation) -> (Pods, BTreeMap<Sym, Load>) {
    let classes = sim.get::<Classes>();
    let order = [PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed, PodPhase::Unknown];
    let mut pods = Pods { phases: order.map(|phase| (phase.text(), 0)), ..Pods::default() };
    let mut loads: BTreeMap<Sym, Load> = BTreeMap::new();
    for row in living(sim, Kind::Pod) {
        let (Some(pod), Some(status)) = (sim.state::<Pod>(row.object), sim.state::<PodStatus>(row.object)) else { continue };
        for (count, phase) in pods.phases.iter_mut().zip(order) {
            count.1 += u64::from(status.phase == phase);
        }
        pods.ready += u64::from(status.ready());
        pods.terminating += u64::from(sim.state::<Meta>(row.object).is_some_and(Meta::terminating));
        if status.phase.terminal() {
            continue;
        }
        if pod.node.is_empty() {
            pods.without_node += 1;
            continue;
        }
        let requests = &classes.get(pod.class).requests;
        let load = loads.entry(pod.node).or_default();
        load.pods += 1;
        load.requested[0] += requests.cpu_millicores;
        load.requested[1] += requests.memory_bytes;
    }
    (pods, loads)
}

fn nodes(sim: &Simulation, loads: &BTreeMap<Sym, Load>) -> Vec<NodeRow> {
    let names = sim.get::<Names>();
    let mut nodes = Vec::new();
    for row in living(sim, Kind::Node) {
        let (Some(node), Some(status)) = (sim.state::<Node>(row.object), sim.state::<NodeStatus>(row.object)) else { continue };
        let name = names.render(row.key.name).to_string();
        let nothing = Load::default();
        let load = names.find(&name).and_then(|name| loads.get(&name)).unwrap_or(&nothing);
        let allocatable = [status.allocatable.cpu_millicores, status.allocatable.memory_bytes];
        let percent = |at: usize| {
            let share = i128::from(load.requested[at]) * 100 / i128::from(allocatable[at]).max(1);
            (allocatable[at] > 0).then(|| u64::try_from(share).unwrap_or(u64::MAX))
        };
        let requested_percent = [percent(0), percent(1)];
        nodes.push(NodeRow { name, ready: status.ready(), cordoned: node.unschedulable, pods: load.pods, requested_percent });
    }
    nodes
}

fn feed(run: &Run, script: &[Script]) -> Vec<FeedLine> {
    let sim = &run.sim;
    let (names, kinds) = (sim.get::<Names>(), sim.get::<Kinds>());
    let event = |row: wavetank_engine::record::events::EventRow| FeedLine {
        at: row.last_at,
        warning: row.warning,
        reason: names.text(row.reason).to_string(),
        object: object_text(names, kinds, row.about),
        message: row.text(names),
        count: row.count,
    };
    let played = run.scene().script.iter().zip(script).filter(|(entry, _)| entry.at <= sim.now());
    let said = |at: SimTime, said: &Script| FeedLine {
        at,
        warning: false,
        reason: "script".to_string(),
        object: String::new(),
        message: said.action.clone(),
        count: 1,
    };
    let mut feed: Vec<FeedLine> = played.map(|(entry, words)| said(entry.at, words)).collect();
    feed.extend(sim.get::<Events>().latest(ROWS_MAX).into_iter().map(event));
    feed.sort_by_key(|line| line.at);
    let first = feed.len().saturating_sub(ROWS_MAX);
    feed.split_off(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_counts_what_is_there() {
        let mut run = crate::watch::tests::small_run();
        run.run_until(run.end(), &mut |_| {}).unwrap();
        let script = [Script { action: "Scale(\"deployment/web\", 3)".into(), place: "web.ron:7".into() }];
        let view = View::of(&run, &script);
        assert_eq!((view.now, view.end, view.nodes, view.nodes_ready), (run.end(), run.end(), 2, 2));
        assert_eq!((view.pods.phases[1], view.pods.ready, view.pods.without_node), (("Running", 3), 3, 0));
        assert_eq!(view.node_rows.iter().map(|node| node.pods).sum::<u64>(), 3);
        let web = &view.workloads[0];
        assert_eq!((web.name.as_str(), web.wanted, web.ready), ("deployment/web", 3, 3));
        let scaled = view.feed.iter().position(|line| line.reason == "script").expect("the script is told");
        let after = view.feed[scaled..].iter().filter(|line| line.reason == "SuccessfulCreate").count();
        assert_eq!((view.feed[scaled].at, after), (SimTime::from_secs(30), 2), "{:?}", view.feed);
    }
}
