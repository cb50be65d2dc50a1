//! Nodes that fall silent, come back, or join.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{Cluster, millis, secs};
use serde_json::json;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::names::Names;
use wavetank_engine::scene::faults::{Fault, NodeFaults};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::words;
use wavetank_systems::{admission, kubelet, nodes};

const ALL: &[fn(&mut Simulation)] = &[
    admission::taint_nodes_by_condition::install,
    admission::default_toleration_seconds::install,
    kubelet::install,
    nodes::heartbeat::install,
    nodes::lifecycle::install,
    nodes::taint_eviction::install,
];

const NO_SCHEDULE: &str = "node.kubernetes.io/unreachable:NoSchedule";
const NO_EXECUTE: &str = "node.kubernetes.io/unreachable:NoExecute";

fn fault(cluster: &mut Cluster, node: &str, fault: Option<Fault>) {
    let now = cluster.sim.now();
    let name = cluster.sim.get_mut::<Names>().sym(node);
    let object = cluster.node(node);
    cluster.sim.get_mut::<NodeFaults>().set(name, fault, now);
    cluster.sim.wake_for_fault(object);
    cluster.sim.settle().unwrap();
}

#[test]
fn a_dead_node_becomes_unknown_is_tainted_and_loses_its_pods_after_their_toleration() {
    let mut cluster = Cluster::ideal(3, ALL);
    let patient = cluster.plain("patient", "n1");
    let short = json!({"containers": [{"name": "c", "image": "web:1"}],
        "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]});
    let hasty = cluster.pod("hasty", "n1", short);
    cluster.run(millis(10_034));
    fault(&mut cluster, "n1", Some(Fault::Failed));
    // The last renewal at 10 s is seen at 15 s; 50 s later the node is Unknown.
    cluster.run(millis(64_999));
    assert_eq!(cluster.node_ready("n1"), "True/KubeletReady");
    cluster.run(secs(65));
    assert_eq!(cluster.node_ready("n1"), "Unknown/NodeStatusUnknown");
    assert_eq!(cluster.taints("n1"), [NO_SCHEDULE, NO_EXECUTE]);
    assert_eq!(cluster.show(patient), "Running running@0");
    assert!(cluster.events(patient).contains(&"NodeNotReady: Node is not ready".to_string()));
    let node = cluster.node("n1");
    assert!(cluster.events(node).contains(&"NodeNotReady: Node n1 status is now: NodeNotReady".to_string()));
    cluster.run(millis(69_999));
    assert!(!cluster.sim.state::<Meta>(hasty).unwrap().terminating());
    cluster.run(secs(70));
    assert!(cluster.sim.state::<Meta>(hasty).unwrap().terminating());
    assert_eq!(cluster.condition(&cluster.status(hasty).conditions, words::DISRUPTION_TARGET), "True/DeletionByTaintManager");
    let marked = "TaintManagerEviction: Marking for deletion Pod default/hasty".to_string();
    assert!(cluster.events(hasty).contains(&marked));
    // Nobody confirms its end until the kubelet is back.
    cluster.run(millis(85_040));
    assert!(cluster.exists(hasty));
    fault(&mut cluster, "n1", None);
    assert_eq!(cluster.node_ready("n1"), "True/KubeletReady");
    assert_eq!(cluster.taints("n1"), [NO_EXECUTE], "NoSchedule goes at once, NoExecute with the next pass");
    assert!(!cluster.exists(hasty));
    assert_eq!(cluster.show(patient), "Running ready running@85040x1");
    cluster.run(secs(90));
    assert_eq!(cluster.taints("n1"), Vec::<String>::new());
    let cancelled = "TaintManagerEviction: Cancelling deletion of Pod default/patient".to_string();
    assert!(cluster.events(patient).contains(&cancelled));
    assert!(cluster.events(patient).iter().any(|event| event.starts_with("SandboxChanged")));
}

#[test]
fn a_cut_off_node_goes_on_and_tells_when_it_is_heard_again() {
    let mut cluster = Cluster::ideal(3, ALL);
    let job = cluster.pod("job", "n1", json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "job:1"}]}));
    let web = cluster.plain("web", "n1");
    cluster.run(secs(5));
    fault(&mut cluster, "n1", Some(Fault::CutOff));
    cluster.delete(web, None);
    cluster.run(secs(70));
    assert_eq!(cluster.show(job), "Running running@0", "its end at 10 s has not been told");
    assert!(cluster.exists(web));
    fault(&mut cluster, "n1", None);
    cluster.run(secs(71));
    assert_eq!(cluster.show(job), "Succeeded Completed:0@10000");
    assert!(!cluster.exists(web));
    cluster.run(secs(80));
    assert_eq!(cluster.node_ready("n1"), "True/KubeletReady");
}

#[test]
fn nodes_of_a_zone_are_tainted_one_each_ten_seconds() {
    let mut cluster = Cluster::ideal(0, ALL);
    for number in 1..=8 {
        cluster.ready_node(&format!("n{number}"), &json!({"topology.kubernetes.io/zone": "z"}));
    }
    cluster.run(secs(10));
    for node in ["n1", "n2", "n3"] {
        fault(&mut cluster, node, Some(Fault::Failed));
    }
    for (at, tainted) in [(64, 0), (65, 1), (74, 1), (75, 2), (84, 2), (85, 3)] {
        cluster.run(secs(at));
        let count = ["n1", "n2", "n3"].iter().filter(|node| cluster.taints(node).contains(&NO_EXECUTE.to_string())).count();
        assert_eq!(count, tainted, "at {at} s");
    }
}

#[test]
fn when_every_node_is_dead_nothing_is_evicted() {
    let mut cluster = Cluster::ideal(2, ALL);
    let pod = cluster.plain("web", "n1");
    cluster.run(secs(10));
    fault(&mut cluster, "n1", Some(Fault::Failed));
    cluster.run(secs(70));
    assert_eq!(cluster.taints("n1"), [NO_SCHEDULE, NO_EXECUTE]);
    fault(&mut cluster, "n2", Some(Fault::Failed));
    cluster.run(secs(130));
    assert_eq!(cluster.taints("n1"), [NO_SCHEDULE], "NoExecute goes when no zone has a ready node");
    assert_eq!(cluster.taints("n2"), [NO_SCHEDULE]);
    cluster.run(secs(600));
    assert!(!cluster.sim.state::<Meta>(pod).unwrap().terminating());
    fault(&mut cluster, "n2", None);
    cluster.run(secs(620));
    assert_eq!(cluster.taints("n1"), [NO_SCHEDULE, NO_EXECUTE], "tainting goes on when one is back");
}

#[test]
fn a_short_silence_is_not_noticed() {
    let mut cluster = Cluster::ideal(2, ALL);
    cluster.run(secs(10));
    cluster.journal();
    fault(&mut cluster, "n1", Some(Fault::CutOff));
    cluster.run(secs(50));
    fault(&mut cluster, "n1", None);
    cluster.run(secs(200));
    assert_eq!(cluster.journal(), Vec::<String>::new());
}

#[test]
fn a_quiet_hour_fires_next_to_nothing() {
    let mut cluster = Cluster::ideal(50, ALL);
    cluster.sim.get_mut::<wavetank_engine::record::journal::Journal>().record(false);
    let probe = json!({"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5});
    let spec = json!({"containers": [{"name": "c", "image": "web:1", "livenessProbe": probe, "readinessProbe": probe}]});
    for number in 0..500 {
        cluster.pod(&format!("p{number}"), &format!("n{}", number % 50 + 1), spec.clone());
    }
    cluster.run(secs(300));
    let before = cluster.sim.get::<wavetank_engine::simulation::clock::Clock>().fired;
    cluster.run(secs(3900));
    assert_eq!(cluster.sim.get::<wavetank_engine::simulation::clock::Clock>().fired, before);
}
