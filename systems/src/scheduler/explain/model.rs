//! The data of an explanation, as it is printed.

use super::Change;
use serde::Serialize;
use std::borrow::Cow;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::time::SimTime;

/// One attempt to schedule one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// When. Unit: nanoseconds since the epoch.
    #[serde(rename = "at_ns", serialize_with = "nanoseconds")]
    pub at: SimTime,
    /// The pod.
    #[serde(skip)]
    pub pod: ObjRef,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.priority`.
    pub priority: i32,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Every node, in the order in which they were looked at; nodes that nobody looked at come last.
    pub nodes: Vec<NodeVerdict>,
    /// What came of it.
    pub outcome: Decided,
}

/// What one node was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeVerdict {
    /// Name.
    pub node: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// What a node was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Finding {
    /// It can run the pod.
    Fits {
        /// What each plugin says; empty when it was the only node.
        scores: Vec<Score>,
        /// The weighted sum.
        total: i64,
    },
    /// The first filter that refused it.
    Refused {
        /// Name of the plugin, or of the policy.
        plugin: Cow<'static, str>,
        /// Its reasons, as the pod's condition counts them.
        reasons: Vec<String>,
        /// What the reasons rest on.
        detail: Vec<String>,
        /// Whether preemption may help.
        preemption_may_help: bool,
    },
    /// A plugin named the nodes that may do, and this is none of them.
    LeftOut {
        /// Names of those plugins.
        plugins: Vec<&'static str>,
    },
    /// Enough nodes that fit had been found, or the pod's nominated node was taken.
    NotLookedAt,
}

/// What one plugin says of a node that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Name of the plugin, or of a policy of one's own.
    pub plugin: String,
    /// Its weight.
    pub weight: i64,
    /// From 0 to 100.
    pub score: i64,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Decided {
    /// A node was chosen.
    Chosen {
        /// Its name.
        node: String,
        /// The nodes of the best score, in the order in which they were looked at.
        tied: Vec<String>,
        /// How it was chosen.
        how: &'static str,
    },
    /// No node can run the pod.
    Nowhere {
        /// What the pod's condition says.
        message: String,
        /// What preemption found.
        preemption: Preemption,
        /// Single changes, each of which would let the pod in.
        would_fit: Vec<Change>,
    },
}

/// What preemption found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Preemption {
    /// It was not tried, or there was no room to be made.
    None {
        /// Why.
        message: String,
    },
    /// Room can be made.
    Room {
        /// Where, in the order in which they were tried.
        candidates: Vec<Candidate>,
        /// The node chosen.
        chosen: String,
        /// What told it from the others.
        because: &'static str,
    },
}

/// A node that can run the pod without its victims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Name of the node.
    pub node: String,
    /// Pods to take off, the most important first.
    pub victims: Vec<Victim>,
    /// Victims whose budgets do not allow it.
    pub budgets_violated: usize,
}

/// A pod to take off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Victim {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `spec.priority`.
    pub priority: i32,
    /// When it started. Unit: nanoseconds since the epoch.
    #[serde(rename = "started_at_ns", serialize_with = "nanoseconds")]
    pub started_at: SimTime,
}

fn nanoseconds<S: serde::Serializer>(at: &SimTime, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(at.0)
}
