//! What the autoscaler found and did, scan by scan, for those who ask: told by the scan itself, while it decides.

use bevy_ecs::resource::Resource;
use serde::{Serialize, Serializer};
use wavetank_engine::time::{SimDuration, SimTime};

/// Most pods that a list names; the rest is counted.
const PODS_MAX: usize = 100;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everything.
    All,
    /// How groups grow.
    Groups,
    /// Why one node stays or goes.
    Node(String),
    /// What is done for one pod, as [`pod_text`] writes it.
    Pod(String),
}

/// Findings as they come. ECS resource.
#[derive(Debug, Default, Resource)]
pub struct Explanations {
    asked: Option<Asked>,
    scale_ups: Vec<ScaleUp>,
    nodes: Vec<NodeFinding>,
}

impl Explanations {
    /// Has findings kept from now on.
    pub fn ask(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    /// What scans found about pods that nothing could take, in order of time; scans that found the same are one.
    pub fn scale_ups(&self) -> &[ScaleUp] {
        &self.scale_ups
    }

    /// What scans found about nodes, in order of time; a node that was found the same again is not told again.
    pub fn nodes(&self) -> &[NodeFinding] {
        &self.nodes
    }

    /// Whether anybody wants to know how groups grow.
    pub(super) fn of_groups(&self) -> bool {
        matches!(self.asked, Some(Asked::All | Asked::Groups | Asked::Pod(_)))
    }

    /// Whether anybody wants to know of nodes.
    pub(super) fn of_nodes(&self) -> bool {
        matches!(self.asked, Some(Asked::All | Asked::Node(_)))
    }

    pub(super) fn grows(&mut self, found: ScaleUp) {
        if let Some(Asked::Pod(pod)) = &self.asked
            && !found.names(pod)
        {
            return;
        }
        match self.scale_ups.last_mut() {
            Some(last) if last.same(&found) => last.until = found.at,
            _ => self.scale_ups.push(found),
        }
    }

    pub(super) fn finds(&mut self, found: NodeFinding) {
        if matches!(&self.asked, Some(Asked::Node(name)) if *name != found.node) {
            return;
        }
        match self.nodes.iter_mut().rev().find(|last| last.node == found.node) {
            Some(last) if last.verdict == found.verdict => last.until = found.at,
            _ => self.nodes.push(found),
        }
    }
}

/// A pod as explanations write it: its namespace is left out where it is `default`.
pub fn pod_text(namespace: &str, name: &str) -> String {
    if namespace == "default" { name.to_string() } else { format!("{namespace}/{name}") }
}

/// Pods of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pods {
    /// How many.
    pub count: usize,
    /// The first hundred of them.
    pub names: Vec<String>,
}

impl Pods {
    pub(super) fn of(names: impl Iterator<Item = String>) -> Pods {
        let mut pods = Pods::default();
        for name in names {
            pods.add(name);
        }
        pods
    }

    pub(super) fn add(&mut self, name: String) {
        self.count += 1;
        if self.names.len() < PODS_MAX {
            self.names.push(name);
        }
    }
}

/// What a scan found about pods that no node can take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScaleUp {
    /// When. Unit: nanoseconds.
    #[serde(rename = "at_ns", serialize_with = "nanoseconds")]
    pub at: SimTime,
    /// The last scan that found the same. Unit: nanoseconds.
    #[serde(rename = "until_ns", serialize_with = "nanoseconds")]
    pub until: SimTime,
    /// Pods that fit on no node that there is or is about to come.
    pub pods: Pods,
    /// Pods that wait and are not looked at further, and why.
    pub passed_over: Vec<(PassedOver, Pods)>,
    /// Each group.
    pub groups: Vec<GroupFinding>,
    /// How the expander chose.
    pub rounds: Vec<Round>,
    /// What came of it.
    pub outcome: Grown,
}

/// Why a pod that waits does not have a group grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedOver {
    /// A node has room for it, or one that is about to come.
    HasRoom,
    /// Its priority is below the cutoff.
    Expendable,
    /// Preemption makes room for it.
    Nominated,
    /// It has not waited for long enough.
    Young,
    /// Nothing is looked at.
    NotLookedAt,
}

impl ScaleUp {
    pub(super) fn at(now: SimTime) -> ScaleUp {
        ScaleUp {
            at: now,
            until: now,
            pods: Pods::default(),
            passed_over: Vec::new(),
            groups: Vec::new(),
            rounds: Vec::new(),
            outcome: Grown::Nothing { because: String::new() },
        }
    }

    pub(super) fn pass_over(&mut self, why: PassedOver, pod: String) {
        match self.passed_over.iter_mut().find(|(known, _)| *known == why) {
            Some((_, pods)) => pods.add(pod),
            None => self.passed_over.push((why, Pods::of(std::iter::once(pod)))),
        }
    }

    /// Whether a pod waits, of those that are named.
    pub fn names(&self, pod: &str) -> bool {
        let lists = self.passed_over.iter().map(|(_, pods)| pods).chain([&self.pods]);
        lists.flat_map(|pods| &pods.names).any(|name| name == pod)
    }

    fn same(&self, other: &ScaleUp) -> bool {
        ScaleUp { at: other.at, until: other.until, ..self.clone() } == *other && !matches!(self.outcome, Grown::Chosen { .. })
    }
}

/// What a group could do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupFinding {
    /// Its name.
    pub group: String,
    /// How many nodes it is to have so far.
    pub size: u32,
    /// Most nodes.
    pub max: u32,
    /// The finding.
    #[serde(flatten)]
    pub verdict: GroupVerdict,
}

/// What a group was found to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum GroupVerdict {
    /// It has as many nodes as it may.
    AtMaximum,
    /// It failed not long ago.
    BacksOff {
        /// It is left alone until then. Unit: nanoseconds.
        #[serde(rename = "until_ns", serialize_with = "nanoseconds")]
        until: SimTime,
    },
    /// It could grow, unless `nodes` is 0: then a new node of it takes none of the pods.
    Option {
        /// New nodes.
        nodes: u32,
        /// Pods that they would take.
        pods: usize,
        /// CPU of the new nodes and how much of it the pods would use. Unit: milli-cores.
        cpu_millicores: (i64, i64),
        /// The same of memory. Unit: bytes.
        memory_bytes: (i64, i64),
        /// What an hour of the new nodes costs. Unit: millionths.
        price_micros: u64,
        /// The first filter that refused a pod on a new node of the group.
        refused: Vec<Refused>,
    },
}

impl GroupVerdict {
    /// What events say of it.
    pub(super) fn words(&self) -> &'static str {
        match self {
            GroupVerdict::AtMaximum => "max node group size reached",
            GroupVerdict::BacksOff { .. } => "in backoff after failed scale-up",
            GroupVerdict::Option { .. } => "",
        }
    }
}

/// Pods that a filter refuses for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Name of the plugin.
    pub plugin: &'static str,
    /// Its reasons.
    pub reasons: Vec<String>,
    /// The pods.
    pub pods: Pods,
}

/// What an expander thought of the groups that were left.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    /// Its name.
    pub expander: &'static str,
    /// Its figure for each group.
    pub figures: Vec<(String, f64)>,
    /// Whether the largest figure is the best, or the smallest.
    pub largest_is_best: bool,
    /// The groups that it finds best.
    pub best: Vec<String>,
}

/// What came of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Grown {
    /// Machines were ordered, if the cloud had any.
    Chosen {
        /// The group that was chosen.
        chosen: String,
        /// Whether it was drawn from several that were equally good.
        drawn: bool,
        /// How many nodes the pods need; fewer are ordered where there is a limit.
        needed: u32,
        /// Groups and their sizes before and after.
        orders: Vec<Order>,
        /// The group for which the cloud had no machine; nothing further was ordered then.
        failed: Option<String>,
        /// The pods that this is for.
        pods: Pods,
    },
    /// Nothing was done.
    Nothing {
        /// Why.
        because: String,
    },
}

/// What a group was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Its name.
    pub group: String,
    /// How many nodes it was to have.
    pub before: u32,
    /// How many now.
    pub after: u32,
    /// Most nodes.
    pub max: u32,
}

/// What a scan found about a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeFinding {
    /// When. Unit: nanoseconds.
    #[serde(rename = "at_ns", serialize_with = "nanoseconds")]
    pub at: SimTime,
    /// The last scan that found the same. Unit: nanoseconds.
    #[serde(rename = "until_ns", serialize_with = "nanoseconds")]
    pub until: SimTime,
    /// Name of the node.
    pub node: String,
    /// The finding.
    #[serde(flatten)]
    pub verdict: NodeVerdict,
}

/// Why a node stays or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum NodeVerdict {
    /// Too many nodes are not ready: nothing is done at all.
    Unhealthy,
    /// Nodes are not taken away in this scene.
    Disabled,
    /// An annotation keeps it.
    Annotated,
    /// It is being deleted.
    Terminating,
    /// Much is asked of it.
    InUse {
        /// How much.
        shares: Shares,
    },
    /// One of its pods keeps it.
    Kept {
        /// How much is asked of it.
        shares: Shares,
        /// The pod.
        pod: String,
        /// Why.
        because: String,
    },
    /// One of its pods has room nowhere else.
    NoRoom {
        /// How much is asked of it.
        shares: Shares,
        /// The pod.
        pod: String,
    },
    /// It is not needed.
    Unneeded {
        /// How much is asked of it.
        shares: Shares,
        /// Since when. Unit: nanoseconds.
        #[serde(rename = "since_ns", serialize_with = "nanoseconds")]
        since: SimTime,
        /// Where its pods would go.
        moves: Vec<(String, String)>,
        /// What keeps it for now.
        waits: Waits,
    },
    /// It is taken away.
    Goes {
        /// How much is asked of it.
        shares: Shares,
        /// Since when it has not been needed. Unit: nanoseconds.
        #[serde(rename = "since_ns", serialize_with = "nanoseconds")]
        since: SimTime,
        /// Its pods, which are evicted.
        pods: Pods,
    },
    /// Its pods would not go in time: it stays.
    Aborted {
        /// Pods that were left.
        pods: Pods,
    },
    /// It is empty, and its machine is given back.
    Removed,
    /// The cloud takes the machine back.
    Reclaimed,
}

/// What keeps a node that is not needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Waits {
    /// Its group may not have fewer nodes.
    Minimum {
        /// Fewest nodes of the group.
        min: u32,
    },
    /// It has not been unneeded for long enough.
    Time {
        /// When it has. Unit: nanoseconds.
        #[serde(rename = "until_ns", serialize_with = "nanoseconds")]
        until: SimTime,
    },
    /// Nodes came, went or failed to go not long ago.
    Pause {
        /// When that is over. Unit: nanoseconds.
        #[serde(rename = "until_ns", serialize_with = "nanoseconds")]
        until: SimTime,
        /// What happened.
        because: &'static str,
    },
    /// Others go first.
    Turn,
}

/// How much of a node its pods ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shares {
    /// Unit: thousandths.
    pub cpu_permille: i64,
    /// Unit: thousandths.
    pub memory_permille: i64,
    /// From so much on a node that is ready stays. Unit: thousandths.
    pub threshold_permille: u32,
    /// Whether the node is ready; one that is not may go whatever is asked of it.
    pub ready: bool,
    /// How long it has to be unneeded. Unit: nanoseconds.
    #[serde(rename = "unneeded_for_ns", serialize_with = "span")]
    pub unneeded_for: SimDuration,
}

fn nanoseconds<S: Serializer>(at: &SimTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(at.0)
}

fn span<S: Serializer>(span: &SimDuration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(span.0)
}
