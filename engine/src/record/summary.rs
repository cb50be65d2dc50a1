//! The summary of a run: what the world was at its end, what happened on the way, and what it cost.
//!
//! [`Summary`] is the machine-readable object `wavetank.summary/1`, its fields in output order; [`AtEnd`] rides along for
//! the text that people read and is not part of that schema.

use crate::scene::traces::TraceReport;
use serde::Serialize;

/// Name and version of the machine-readable form.
pub const SCHEMA: &str = "wavetank.summary/1";

/// What is printed at the end of a run. `Serialize` gives the object `wavetank.summary/1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// File of the scene, as given.
    pub scene: String,
    /// Seed of the run.
    pub seed: u64,
    /// Virtual time at the end. Unit: seconds.
    pub virtual_s: f64,
    /// Digest over final state and journal, 16 lower-case hex digits; see [`digest_text`].
    pub digest: String,
    /// Nodes that exist at the end.
    pub nodes: u64,
    /// Pods by state at the end, and over the whole run.
    pub pods: PodCounts,
    /// Pods that could not be scheduled at the end, one entry for each scheduler message, in order of the message.
    pub unschedulable: Vec<Unschedulable>,
    /// Pods that waited for a node, over the whole run.
    pub waited: Waited,
    /// Traces, for each its files; left out when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<TraceReport>,
    /// Requests of the scene's traffic, for each pair of ends; left out when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traffic: Vec<TrafficReport>,
    /// Groups of nodes that come and go; left out when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingReport>,
    /// Pods evicted over the whole run.
    pub evictions: u64,
    /// Container restarts over the whole run.
    pub restarts: u64,
    /// Pods bound to a node over the whole run.
    pub bindings: u64,
    /// Entries that the watch log was given.
    pub log_entries: u64,
    /// Events recorded, each repetition counted.
    pub events: u64,
    /// Wake-ups that the agenda fired.
    pub agenda_fired: u64,
    /// Expectations of the scene.
    pub expectations: Expectations,
    /// Kinds and fields of the input that are kept but do nothing, sorted, each once.
    pub not_simulated: Vec<String>,
    /// Processor time of reading and checking the input. Unit: seconds.
    pub read_cpu_s: f64,
    /// Processor time of the whole program, reading included. Unit: seconds.
    pub cpu_s: f64,
    /// Wall time of the whole program. Unit: seconds.
    pub wall_s: f64,
    /// Most memory held. Unit: bytes.
    pub peak_rss_bytes: u64,
    /// What the text form says beside these.
    #[serde(skip)]
    pub at_end: AtEnd,
}

/// What became of requests: sent = served + refused + timed_out + dropped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrafficReport {
    /// Where they went, as the scene writes it.
    pub to: String,
    /// The pod that they came from; left out for those from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// All of them.
    pub sent: u64,
    /// Answered.
    pub served: u64,
    /// Taken by nobody: no endpoint, no Service, no rule of an Ingress.
    pub refused: u64,
    /// Beyond what the programs could do at that time.
    pub timed_out: u64,
    /// Lost on their way: denied by a policy, or without an endpoint on the node.
    pub dropped: u64,
    /// The longest that a request waited in a pod; left out where none waits. Unit: seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_wait_s: Option<f64>,
}

/// What groups of nodes cost, and what they were good for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AutoscalingReport {
    /// The groups, in the order written.
    pub groups: Vec<NodeGroupReport>,
    /// What all machines cost.
    pub cost: f64,
    /// Time of all machines. Unit: hours.
    pub node_hours: f64,
    /// Time that pods waited after the scheduler found no node for them, added up. Unit: seconds.
    pub pending_s: f64,
    /// Pods evicted so that their node could go.
    pub evictions: u64,
}

/// One group of nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeGroupReport {
    /// Its name.
    pub name: String,
    /// Machines at the end.
    pub nodes: u64,
    /// Most machines at a time.
    pub peak: u64,
    /// Machines that the autoscaler ordered.
    pub added: u64,
    /// Machines that it gave back.
    pub removed: u64,
    /// Times that it could not grow.
    pub failed: u64,
    /// Time of its machines, from order to end. Unit: hours.
    pub node_hours: f64,
    /// What they cost.
    pub cost: f64,
}

/// Pods by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PodCounts {
    /// Pods that exist at the end: the sum of the four phases below, and of Unknown.
    pub total: u64,
    /// Of these, Pending.
    pub pending: u64,
    /// Of these, Running.
    pub running: u64,
    /// Of the running ones, those whose Ready condition is true.
    pub ready: u64,
    /// Of the total, Succeeded.
    pub succeeded: u64,
    /// Of the total, Failed.
    pub failed: u64,
    /// Pods created over the whole run.
    pub created: u64,
    /// Pods gone from the store over the whole run.
    pub deleted: u64,
}

/// Pods that wait for a node for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unschedulable {
    /// The scheduler's message, `0/3 nodes are available: …`.
    pub message: String,
    /// How many pods.
    pub pods: u64,
}

/// Waiting for a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Waited {
    /// Pods whose first scheduling attempt failed.
    pub pods: u64,
    /// The longest such wait, from creation to binding or to the end. Unit: seconds.
    pub virtual_s_max: f64,
    /// What stood in their way at the first attempt, by what was said of the nodes, without numbers of nodes; left out when nobody waited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<WaitReason>,
}

/// Pods that waited for a node for the same reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitReason {
    /// The scheduler's reasons with commas between them, sorted: `Insufficient cpu, Insufficient memory`.
    pub reason: String,
    /// How many pods.
    pub pods: u64,
}

/// How the expectations went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expectations {
    /// How many were met.
    pub met: u64,
    /// One sentence for each that was missed, in scene order.
    pub missed: Vec<String>,
}

/// What only the text form shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AtEnd {
    /// Nodes whose Ready condition is true.
    pub nodes_ready: u64,
    /// Objects by kind (`Deployment`), in order of the kind; nodes, pods and Events left out.
    pub objects: Vec<(String, u64)>,
    /// Workloads and how far they are, in order of kind and name.
    pub rollouts: Vec<Rollout>,
    /// Requests of bound pods as a share of what nodes can give, by resource. Unit: per mille.
    pub requested_permille: Vec<(String, u64)>,
    /// Namespaces that were used without being defined, sorted.
    pub namespaces_added: Vec<String>,
    /// Requests that the API server refused, but for those that lost a race (404 and 409) of others than the script.
    pub refused: Vec<Refused>,
}

/// A refusal, and how often it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Who asked.
    pub actor: String,
    /// What the API server said.
    pub message: String,
    /// How often.
    pub times: u64,
}

/// One workload at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// `deployment/web`, or `deployment/shop/web` outside the default namespace.
    pub name: String,
    /// Pods wanted.
    pub wanted: u64,
    /// Pods of the newest template.
    pub updated: u64,
    /// Pods ready.
    pub ready: u64,
    /// What else a person should know, such as `progress deadline exceeded`; empty when nothing.
    pub note: String,
}

/// A digest as it is printed: 16 lower-case hex digits.
pub fn digest_text(digest: u64) -> String {
    format!("{digest:016x}")
}

impl Summary {
    /// The object `wavetank.summary/1` on one line, without a newline at the end.
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts always have a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_as_published() {
        let summary = Summary {
            schema: SCHEMA,
            scene: "a.ron".to_string(),
            seed: 7,
            virtual_s: 60.0,
            digest: digest_text(0xab),
            nodes: 3,
            pods: PodCounts { total: 1, pending: 1, created: 2, deleted: 1, ..PodCounts::default() },
            unschedulable: vec![Unschedulable { message: "0/3 nodes are available".to_string(), pods: 1 }],
            waited: Waited { pods: 1, virtual_s_max: 1.5, reasons: vec![] },
            traces: vec![],
            traffic: vec![],
            autoscaling: None,
            evictions: 0,
            restarts: 1,
            bindings: 2,
            log_entries: 3,
            events: 4,
            agenda_fired: 5,
            expectations: Expectations { met: 1, missed: vec!["m".to_string()] },
            not_simulated: vec!["StatefulSet".to_string()],
            read_cpu_s: 0.25,
            cpu_s: 0.5,
            wall_s: 0.75,
            peak_rss_bytes: 1024,
            at_end: AtEnd { nodes_ready: 3, ..AtEnd::default() },
        };
        let want = concat!(
            r#"{"schema":"wavetank.summary/1","scene":"a.ron","seed":7,"virtual_s":60.0,"digest":"00000000000000ab","nodes":3,"#,
            r#""pods":{"total":1,"pending":1,"running":0,"ready":0,"succeeded":0,"failed":0,"created":2,"deleted":1},"#,
            r#""unschedulable":[{"message":"0/3 nodes are available","pods":1}],"waited":{"pods":1,"virtual_s_max":1.5},"#,
            r#""evictions":0,"restarts":1,"bindings":2,"log_entries":3,"events":4,"agenda_fired":5,"#,
            r#""expectations":{"met":1,"missed":["m"]},"not_simulated":["StatefulSet"],"#,
            r#""read_cpu_s":0.25,"cpu_s":0.5,"wall_s":0.75,"peak_rss_bytes":1024}"#,
        );
        assert_eq!(summary.json_line(), want);
    }
}
