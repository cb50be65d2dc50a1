//! Autoscalers over real pods and requests: when they look, what they say, and that one at rest writes nothing.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{Cluster, secs};
use serde_json::{Value, json};
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::autoscaling::HorizontalPodAutoscalerStatus;
use wavetank_engine::model::workload::ReplicaSet;
use wavetank_engine::scene::program::ProgramText;
use wavetank_engine::scene::series::{MetricSeries, Series, SeriesValue};
use wavetank_engine::scene::traffic::{Rate, Traffic, TrafficSources};
use wavetank_engine::simulation::Simulation;
use wavetank_engine::time::SimTime;
use wavetank_engine::words;
use wavetank_systems::autoscaling::horizontal::controller;
use wavetank_systems::network::{endpoint_slices, traffic};
use wavetank_systems::workloads::replica_set;
use wavetank_systems::{kubelet, scheduler};

/// 20 requests a second, 100 from the first minute to the second; 5 ms each.
fn requests(sim: &mut Simulation) {
    let rate = Rate::Steps(vec![(SimTime::ZERO, 20_000), (secs(60), 100_000), (secs(120), 20_000)]);
    sim.resource(TrafficSources(vec![Traffic { to: "service/shop".into(), from: None, rate }], Vec::new()));
}

const PARTS: &[fn(&mut Simulation)] = &[
    requests,
    replica_set::install,
    scheduler::install,
    kubelet::install,
    endpoint_slices::install,
    traffic::install,
    controller::install,
];

fn cluster() -> Cluster {
    furnished(Cluster::ideal(2, PARTS))
}

fn furnished(mut cluster: Cluster) -> Cluster {
    cluster.program("shop:1", ProgramText { cpu_us_per_request: 5000, memory_mib: 64, ..ProgramText::default() });
    cluster.create(&json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"},
        "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}}));
    cluster
}

fn set(cluster: &mut Cluster, name: &str, replicas: i32, requests: Value) -> ObjRef {
    let template = json!({"metadata": {"labels": {"app": "shop"}}, "spec": {
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 0, "schedulerName": "default-scheduler",
        "containers": [{"name": "web", "image": "shop:1", "resources": {"requests": requests}}]}});
    cluster.create(&json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "shop"}}, "template": template}}))
}

fn autoscaler(cluster: &mut Cluster, name: &str, target: (&str, &str, &str), more: Value) -> ObjRef {
    let (api_version, kind, target) = target;
    let mut spec = json!({"scaleTargetRef": {"apiVersion": api_version, "kind": kind, "name": target}, "minReplicas": 1, "maxReplicas": 5,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    cluster.create(&json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec}))
}

const SHOP: (&str, &str, &str) = ("apps/v1", "ReplicaSet", "shop");

fn replicas(cluster: &Cluster, set: ObjRef) -> i32 {
    cluster.sim.state::<ReplicaSet>(set).unwrap().replicas
}

fn status(cluster: &Cluster, autoscaler: ObjRef) -> &HorizontalPodAutoscalerStatus {
    cluster.sim.state(autoscaler).unwrap()
}

fn condition(cluster: &Cluster, autoscaler: ObjRef, kind: wavetank_engine::names::Sym) -> String {
    cluster.condition(&status(cluster, autoscaler).conditions, kind)
}

#[test]
fn up_at_the_next_look_and_down_after_five_minutes() {
    let mut cluster = cluster();
    let set = set(&mut cluster, "shop", 1, json!({"cpu": "500m"}));
    let autoscaler = autoscaler(&mut cluster, "shop", SHOP, json!({}));
    let mut seen = Vec::new();
    for at in (0..=500).step_by(5) {
        cluster.run(secs(at));
        let now = replicas(&cluster, set);
        if seen.last().is_none_or(|&(_, before)| before != now) {
            seen.push((at, now));
        }
    }
    // 500m of 500m at 75 s; the last high recommendation is that of 120 s, older than 300 s at 435 s.
    assert_eq!(seen, [(0, 1), (75, 2), (435, 1)]);
    assert_eq!(status(&cluster, autoscaler).last_scale_at, Some(secs(435)));
    assert_eq!(
        cluster.events(autoscaler),
        [
            "SuccessfulRescale: New size: 2; reason: cpu resource utilization (percentage of request) above target",
            "SuccessfulRescale: New size: 1; reason: All metrics below target",
        ]
    );
}

#[test]
fn at_rest_nothing_is_written() {
    let mut cluster = cluster();
    set(&mut cluster, "shop", 1, json!({"cpu": "500m"}));
    autoscaler(&mut cluster, "shop", SHOP, json!({}));
    cluster.run(secs(600));
    let head = cluster.sim.get::<Objects>().head();
    cluster.run(secs(3600));
    assert_eq!(cluster.sim.get::<Objects>().head(), head);
}

#[test]
fn what_cannot_be_read_is_said() {
    let mut cluster = cluster();
    set(&mut cluster, "shop", 1, json!({}));
    let cases = [
        (
            SHOP,
            json!({}),
            "True/SucceededGetScale",
            "False/FailedGetResourceMetric",
            "failed to get cpu utilization: missing request for cpu in container web of Pod shop-",
        ),
        (
            ("apps/v1", "ReplicaSet", "other"),
            json!({}),
            "False/FailedGetScale",
            "-",
            "FailedGetScale: replicasets.apps \"other\" not found",
        ),
        (
            ("example.com/v1", "Boat", "shop"),
            json!({}),
            "False/FailedGetScale",
            "-",
            "no matches for kind \"Boat\" in group \"example.com\"",
        ),
        (("v1", "Service", "shop"), json!({}), "False/FailedGetScale", "-", "the server could not find the requested resource"),
    ];
    for (number, (target, more, able, active, message)) in cases.into_iter().enumerate() {
        let begun = cluster.sim.now();
        let autoscaler = autoscaler(&mut cluster, &format!("a{number}"), target, more);
        cluster.run(SimTime(begun.0 + secs(16).0));
        assert_eq!(condition(&cluster, autoscaler, words::ABLE_TO_SCALE), able, "{target:?}");
        assert_eq!(condition(&cluster, autoscaler, words::SCALING_ACTIVE), active, "{target:?}");
        let events = cluster.events(autoscaler);
        assert!(events[0].contains(message), "{events:?}");
        cluster.delete(autoscaler, None);
    }
}

#[test]
fn two_autoscalers_of_the_same_pods_both_stop() {
    let mut cluster = cluster();
    let set = set(&mut cluster, "shop", 1, json!({"cpu": "500m"}));
    let [one, two] = ["one", "two"].map(|name| autoscaler(&mut cluster, name, SHOP, json!({})));
    cluster.run(secs(100));
    assert_eq!(replicas(&cluster, set), 1);
    for autoscaler in [one, two] {
        assert_eq!(condition(&cluster, autoscaler, words::SCALING_ACTIVE), "False/AmbiguousSelector");
    }
    assert!(cluster.events(two)[0].ends_with("pods by selector app=shop are controlled by multiple HPAs: [default/one default/two]"));
    cluster.delete(two, None);
    cluster.run(secs(116));
    assert_eq!(condition(&cluster, one, words::SCALING_ACTIVE), "True/ValidMetricFound");
}

#[test]
fn bounds_need_no_metrics_and_zero_turns_it_off() {
    let mut cluster = cluster();
    let set = set(&mut cluster, "shop", 7, json!({}));
    let above = autoscaler(&mut cluster, "shop", SHOP, json!({}));
    cluster.run(secs(16));
    assert_eq!(replicas(&cluster, set), 5);
    assert_eq!(cluster.events(above), ["SuccessfulRescale: New size: 5; reason: Current number of replicas above Spec.MaxReplicas"]);
    cluster.ask(wavetank_engine::api::request::Verb::Scale { object: set, replicas: 0 });
    cluster.run(secs(31));
    assert_eq!(replicas(&cluster, set), 0);
    assert_eq!(condition(&cluster, above, words::SCALING_ACTIVE), "False/ScalingDisabled");
}

#[test]
fn a_pods_first_metric_comes_with_its_second_scrape() {
    let mut cluster = cluster();
    cluster.run(secs(7));
    set(&mut cluster, "shop", 1, json!({"cpu": "500m"}));
    let autoscaler = autoscaler(&mut cluster, "shop", SHOP, json!({}));
    // At 22 s the scrape of 15 s found a container of 8 s, which is too young for a metric of its own.
    cluster.run(secs(22));
    assert_eq!(cluster.events(autoscaler).len(), 2);
    assert!(cluster.events(autoscaler)[0].ends_with("no metrics returned from resource metrics API"));
    cluster.run(secs(37));
    assert_eq!(condition(&cluster, autoscaler, words::SCALING_ACTIVE), "True/ValidMetricFound");
}

#[test]
fn memory_of_one_container() {
    let mut cluster = cluster();
    let set = set(&mut cluster, "shop", 1, json!({"memory": "64Mi"}));
    let target = json!({"type": "Utilization", "averageUtilization": 40});
    let metrics = json!([{"type": "ContainerResource", "containerResource": {"name": "memory", "container": "web", "target": target}}]);
    autoscaler(&mut cluster, "shop", SHOP, json!({"metrics": metrics}));
    cluster.run(secs(16));
    assert_eq!(replicas(&cluster, set), 3);
}

#[test]
fn with_typical_latencies_each_look_comes_15_s_after_the_end_of_the_one_before() {
    let mut cluster = furnished(Cluster::typical(2, PARTS));
    let set = set(&mut cluster, "shop", 1, json!({"cpu": "500m"}));
    let autoscaler = autoscaler(&mut cluster, "shop", SHOP, json!({}));
    cluster.run(secs(90));
    // Heard of at 2 ms; the write of the first status took 4 ms; the scrape of 75 s is read at 75.006 s.
    assert_eq!(status(&cluster, autoscaler).last_scale_at, Some(common::millis(75_010)));
    assert_eq!(replicas(&cluster, set), 2);
}

#[test]
fn metrics_that_a_scene_gives() {
    let given = |name: &str, of: Option<&str>, labels: &[(&str, &str)], value| Series {
        name: name.into(),
        of: of.map(String::from),
        labels: labels.iter().map(|&(key, value)| (key.to_string(), value.to_string())).collect(),
        value,
    };
    let constant = |milli| SeriesValue::Given(Rate::Steps(vec![(SimTime::ZERO, milli)]));
    let series = vec![
        given("users", Some("pod/shop-*"), &[], constant(9_000)),
        given("users", Some("pod/other-*"), &[], constant(90_000)),
        given("rate", Some("service/shop"), &[], SeriesValue::Requests),
        given("queue", None, &[("shard", "a")], constant(3_000)),
        given("queue", None, &[("shard", "b")], constant(4_000)),
    ];
    let pods =
        |name: &str| json!({"type": "Pods", "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": "6"}}});
    let object = |name: &str, target: Value| {
        let described = json!({"apiVersion": "v1", "kind": "Service", "name": "shop"});
        json!({"type": "Object", "object": {"metric": {"name": name}, "describedObject": described, "target": target}})
    };
    let queue = |shard: &str| {
        let metric = json!({"name": "queue", "selector": {"matchLabels": {"shard": shard}}});
        json!({"type": "External", "external": {"metric": metric, "target": {"type": "Value", "value": "1"}}})
    };
    // One pod runs; 20 requests a second go into the Service.
    for (metric, want) in [
        (pods("users"), Ok((2, "pods metric users above target"))),
        (
            pods("rate"),
            Err(
                "unable to get metric rate: unable to fetch metrics from custom metrics API: the server could not find the metric rate for pods",
            ),
        ),
        (object("rate", json!({"type": "Value", "value": "5"})), Ok((4, "Service metric rate above target"))),
        (object("rate", json!({"type": "AverageValue", "averageValue": "8"})), Ok((3, "external metric rate(nil) above target"))),
        (
            object("users", json!({"type": "Value", "value": "5"})),
            Err(
                "unable to get metric users: Service on default shop/unable to fetch metrics from custom metrics API: the server could not find the metric users for services shop",
            ),
        ),
        (
            queue("a"),
            Ok((
                3,
                "external metric queue(&LabelSelector{MatchLabels:map[string]string{shard: a,},MatchExpressions:[]LabelSelectorRequirement{},}) above target",
            )),
        ),
        (queue("c"), Err("no metrics returned from external metrics API")),
    ] {
        let mut cluster = cluster();
        cluster.sim.resource(MetricSeries(series.clone()));
        let set = set(&mut cluster, "shop", 1, json!({}));
        let autoscaler = autoscaler(&mut cluster, "shop", SHOP, json!({"metrics": [metric.clone()]}));
        cluster.run(secs(15));
        let event = cluster.events(autoscaler).remove(0);
        match want {
            Ok((to, reason)) => {
                assert_eq!(event, format!("SuccessfulRescale: New size: {to}; reason: {reason}"), "{metric}");
                assert_eq!(replicas(&cluster, set), to);
            }
            Err(message) => {
                assert!(event.ends_with(message), "{event}");
                assert_eq!(replicas(&cluster, set), 1);
            }
        }
    }
}
