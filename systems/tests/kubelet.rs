//! Pods on their kubelet, from binding to removal.

mod common;

use common::{Cluster, millis, secs, span};
use serde_json::json;
use wavetank_engine::model::pod::{PodPhase, PodStatus};
use wavetank_engine::scene::format::DurationText;
use wavetank_engine::scene::program::{AnswerText, OnTermText, ProgramText};
use wavetank_engine::words;
use wavetank_systems::kubelet;

fn text(s: u64) -> DurationText {
    DurationText(span(s))
}

fn cluster() -> Cluster {
    Cluster::ideal(1, &[kubelet::install])
}

#[test]
fn a_plain_pod_is_running_and_ready_with_one_write() {
    let mut cluster = cluster();
    let pod = cluster.plain("web", "n1");
    cluster.journal();
    let before = cluster.sim.get::<wavetank_engine::api::objects::Objects>().head();
    cluster.run(secs(1));
    assert_eq!(cluster.show(pod), "Running ready running@0");
    let after = cluster.sim.get::<wavetank_engine::api::objects::Objects>().head();
    assert_eq!(after.0 - before.0, 1);
    let status: PodStatus = cluster.status(pod).clone();
    assert_eq!(status.start_at, Some(secs(0)));
    assert_eq!(status.pod_ip, 0x0AF4_0002);
    for kind in [words::POD_SCHEDULED, words::INITIALIZED, words::READY, words::CONTAINERS_READY, words::POD_READY_TO_START_CONTAINERS] {
        assert_eq!(cluster.condition(&status.conditions, kind), "True");
    }
    assert_eq!(
        cluster.events(pod),
        [
            "Pulling: Pulling image \"web:1\"",
            "Pulled: Successfully pulled image \"web:1\" in 0s (0s including waiting). Image size: 100000000 bytes.",
            "Created: Container created",
            "Started: Container started",
        ]
    );
    let second = cluster.plain("web2", "n1");
    cluster.run(secs(2));
    assert_eq!(cluster.events(second)[0], "Pulled: Container image \"web:1\" already present on machine and can be accessed by the pod");
}

#[test]
fn with_typical_latencies_each_part_takes_its_time() {
    let mut cluster = Cluster::typical(1, &[kubelet::install]);
    let pod = cluster.plain("web", "n1");
    // watch 2 ms, sync 10 ms, write 4 ms
    cluster.run(millis(16));
    assert_eq!(cluster.show(pod), "Pending waiting:ContainerCreating");
    assert_eq!(cluster.condition(&cluster.status(pod).conditions, words::READY), "False/ContainersNotReady");
    // sandbox 400 ms, pull 500 ms and 2 s for 100 MB at 50 MB/s, start 150 ms
    cluster.run(millis(12 + 400 + 2500 + 150 + 3));
    assert_eq!(cluster.show(pod), "Pending waiting:ContainerCreating");
    cluster.run(millis(12 + 400 + 2500 + 150 + 4));
    assert_eq!(cluster.show(pod), "Running ready running@3062");
}

#[test]
fn deletion_runs_pre_stop_then_term_and_removes_the_pod_after_its_last_status() {
    let mut cluster = cluster();
    cluster.program("web", ProgramText { pre_stop: text(5), on_term: OnTermText::ExitsAfter(text(3)), ..ProgramText::default() });
    let spec = json!({"containers": [{"name": "web", "image": "web:1", "lifecycle": {"preStop": {"exec": {"command": ["drain"]}}}}]});
    let pod = cluster.pod("web", "n1", spec);
    cluster.run(secs(10));
    cluster.delete(pod, None);
    cluster.run(millis(17_999));
    assert_eq!(cluster.show(pod), "Running ready running@0");
    cluster.journal();
    cluster.run(secs(18));
    assert_eq!(cluster.show(pod), "gone");
    let journal = cluster.journal();
    assert!(journal.iter().any(|line| line.contains("status.phase Running -> Succeeded")), "{journal:#?}");
    assert!(cluster.events(pod).contains(&"Killing: Stopping container web".to_string()));
}

#[test]
fn with_typical_latencies_a_deleted_pod_goes_when_the_reply_to_its_last_status_comes() {
    let mut cluster = Cluster::typical(1, &[kubelet::install]);
    let pod = cluster.plain("web", "n1");
    cluster.run(secs(10));
    cluster.delete(pod, None);
    cluster.run(secs(11));
    assert_eq!(cluster.show(pod), "gone");
}

#[test]
fn a_pod_that_ignores_term_is_killed_and_fails() {
    let mut cluster = cluster();
    cluster.program("deaf", ProgramText { on_term: OnTermText::Ignores, ..ProgramText::default() });
    let spec = json!({"terminationGracePeriodSeconds": 10, "containers": [{"name": "deaf", "image": "deaf:1"}]});
    let pod = cluster.pod("deaf", "n1", spec);
    cluster.run(secs(5));
    cluster.journal();
    cluster.delete(pod, None);
    cluster.run(secs(14));
    assert!(cluster.exists(pod));
    cluster.run(secs(15));
    let journal = cluster.journal();
    assert!(journal.iter().any(|line| line.contains("running ready -> terminated 137 Error")), "{journal:#?}");
    assert!(!cluster.exists(pod));
}

#[test]
fn a_shorter_grace_begins_anew() {
    let mut cluster = cluster();
    cluster.program("deaf", ProgramText { on_term: OnTermText::Ignores, ..ProgramText::default() });
    let pod = cluster.pod("deaf", "n1", json!({"containers": [{"name": "deaf", "image": "deaf:1"}]}));
    cluster.run(secs(5));
    cluster.delete(pod, None);
    cluster.run(secs(10));
    cluster.delete(pod, Some(8));
    cluster.run(millis(17_900));
    assert!(cluster.exists(pod));
    cluster.run(secs(18));
    assert!(!cluster.exists(pod));
}

#[test]
fn containers_that_end_under_each_restart_policy() {
    let mut cluster = cluster();
    cluster.program("good", ProgramText { runs_for: Some(text(5)), ..ProgramText::default() });
    cluster.program("bad", ProgramText { runs_for: Some(text(5)), exit_code: 1, ..ProgramText::default() });
    for (name, policy, image, wanted) in [
        ("always-good", "Always", "good:1", "Running ready running@5000x1"),
        ("onfailure-good", "OnFailure", "good:1", "Succeeded Completed:0@5000"),
        ("onfailure-bad", "OnFailure", "bad:1", "Running ready running@5000x1"),
        ("never-good", "Never", "good:1", "Succeeded Completed:0@5000"),
        ("never-bad", "Never", "bad:1", "Failed Error:1@5000"),
    ] {
        let pod = cluster.pod(name, "n1", json!({"restartPolicy": policy, "containers": [{"name": "c", "image": image}]}));
        let from = cluster.sim.now();
        cluster.run(from + span(7));
        let shown = cluster.show(pod).replace(&format!("@{}", (from + span(5)).0 / 1_000_000), "@5000");
        assert_eq!(shown, wanted, "{name}");
    }
}

#[test]
fn a_job_without_a_program_succeeds_after_ten_seconds() {
    let mut cluster = cluster();
    let pod = cluster.pod("job", "n1", json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "job:1"}]}));
    cluster.run(secs(9));
    assert_eq!(cluster.status(pod).phase, PodPhase::Running);
    cluster.run(secs(10));
    assert_eq!(cluster.show(pod), "Succeeded Completed:0@10000");
    let conditions = cluster.status(pod).conditions.clone();
    assert_eq!(cluster.condition(&conditions, words::READY), "False/PodCompleted");
    assert_eq!(cluster.condition(&conditions, words::INITIALIZED), "True/PodCompleted");
    assert_eq!(cluster.condition(&conditions, words::POD_READY_TO_START_CONTAINERS), "False");
    cluster.delete(pod, None);
    cluster.run(secs(11));
    assert!(!cluster.exists(pod));
}

#[test]
fn a_crash_loop_waits_ten_twenty_forty_seconds_from_each_exit() {
    let mut cluster = cluster();
    cluster.program("broken", ProgramText { runs_for: Some(text(1)), exit_code: 1, ..ProgramText::default() });
    let pod = cluster.pod("broken", "n1", json!({"containers": [{"name": "app", "image": "broken:1"}]}));
    // starts at 0, 1, 12 (= 2 + 10), 33 (= 13 + 20), 74 (= 34 + 40), 155 (= 75 + 80)
    for (at, restarts) in [(0, 0), (1, 1), (11, 1), (12, 2), (32, 2), (33, 3), (73, 3), (74, 4), (154, 4), (155, 5)] {
        cluster.run(secs(at));
        assert_eq!(cluster.status(pod).containers[0].restarts, restarts, "at {at} s: {}", cluster.show(pod));
    }
    cluster.run(secs(160));
    assert_eq!(cluster.show(pod), "Running waiting:CrashLoopBackOffx5");
    let events = cluster.events(pod);
    let found = events.iter().find(|event| event.starts_with("BackOff")).expect("a crash loop is told");
    assert!(found.contains("Back-off restarting failed container app in pod broken_default("), "{found}");
}

#[test]
fn init_containers_run_one_after_the_other_and_failed_ones_again() {
    let mut cluster = cluster();
    cluster.program("init", ProgramText { runs_for: Some(text(2)), ..ProgramText::default() });
    cluster.program("flaky", ProgramText { runs_for: Some(text(1)), exit_code: 1, crashes: Some(1), ..ProgramText::default() });
    let spec = json!({
        "initContainers": [{"name": "first", "image": "init:1"}, {"name": "second", "image": "unknown:1"}],
        "containers": [{"name": "web", "image": "web:1"}]});
    let pod = cluster.pod("web", "n1", spec);
    cluster.run(millis(1_500));
    assert_eq!(cluster.show(pod), "Pending running@0 waiting:PodInitializing waiting:PodInitializing");
    assert_eq!(cluster.condition(&cluster.status(pod).conditions, words::INITIALIZED), "False/ContainersNotInitialized");
    cluster.run(millis(2_500));
    assert_eq!(cluster.show(pod), "Pending Completed:0@2000 running@2000 waiting:PodInitializing");
    cluster.run(secs(3));
    assert_eq!(cluster.show(pod), "Running ready Completed:0@2000 Completed:0@3000 running@3000");
    let failing = json!({"restartPolicy": "Never", "initContainers": [{"name": "i", "image": "flaky:1"}],
        "containers": [{"name": "web", "image": "web:1"}]});
    let failing = cluster.pod("never", "n1", failing);
    cluster.run(secs(5));
    assert_eq!(cluster.show(failing), "Failed Error:1@4000 waiting:PodInitializing");
}

#[test]
fn sidecars_start_first_and_stop_last_in_reverse() {
    let mut cluster = cluster();
    cluster.program("side", ProgramText { on_term: OnTermText::ExitsAfter(text(2)), ..ProgramText::default() });
    cluster.program("web", ProgramText { on_term: OnTermText::ExitsAfter(text(3)), ..ProgramText::default() });
    let spec = json!({
        "initContainers": [{"name": "a", "image": "side:1", "restartPolicy": "Always"}, {"name": "b", "image": "side:1", "restartPolicy": "Always"}],
        "containers": [{"name": "web", "image": "web:1"}]});
    let pod = cluster.pod("web", "n1", spec);
    cluster.run(secs(10));
    assert_eq!(cluster.show(pod), "Running ready running@0 running@0 running@0");
    cluster.delete(pod, None);
    cluster.run(millis(16_999));
    assert!(cluster.exists(pod));
    cluster.run(secs(17));
    assert!(!cluster.exists(pod));
}

#[test]
fn a_missing_image_backs_off_until_it_is_there() {
    let mut cluster = cluster();
    cluster.sim.get_mut::<wavetank_engine::scene::program::Programs>().set_broken("web:1", true);
    let pod = cluster.plain("web", "n1");
    cluster.run(millis(500));
    assert_eq!(cluster.show(pod), "Pending waiting:ErrImagePull");
    cluster.run(secs(5));
    assert_eq!(cluster.show(pod), "Pending waiting:ImagePullBackOff");
    cluster.sim.get_mut::<wavetank_engine::scene::program::Programs>().set_broken("web:1", false);
    cluster.run(secs(9));
    assert_eq!(cluster.show(pod), "Pending waiting:ImagePullBackOff");
    cluster.run(secs(10));
    assert_eq!(cluster.show(pod), "Running ready running@10000");
}

#[test]
fn a_liveness_probe_restarts_and_a_readiness_probe_only_hides() {
    let mut cluster = cluster();
    let fails = vec![AnswerText::FailsFrom(text(12))];
    cluster.program("live", ProgramText { liveness: fails, on_term: OnTermText::ExitsAfter(text(1)), ..ProgramText::default() });
    cluster.program("ready", ProgramText { readiness: vec![AnswerText::Refuses(text(20), text(40))], ..ProgramText::default() });
    let probe = json!({"httpGet": {"path": "/alive", "port": 8080}, "initialDelaySeconds": 3, "periodSeconds": 5, "failureThreshold": 3});
    let live = cluster.pod("live", "n1", json!({"containers": [{"name": "c", "image": "live:1", "livenessProbe": probe}]}));
    let probe = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 5, "failureThreshold": 2, "successThreshold": 2});
    let ready = cluster.pod("ready", "n1", json!({"containers": [{"name": "c", "image": "ready:1", "readinessProbe": probe}]}));
    // Liveness fails at 15, 20 and 25 s; TERM takes 1 s.
    for (at, live_shown, ready_shown) in [
        (1, "Running ready running@0", "Running running@0"),
        (5, "Running ready running@0", "Running ready running@0"),
        (24, "Running ready running@0", "Running ready running@0"),
        (25, "Running ready running@0", "Running running@0"),
        (26, "Running ready running@26000x1", "Running running@0"),
        (44, "Running ready running@26000x1", "Running running@0"),
        (45, "Running ready running@26000x1", "Running ready running@0"),
    ] {
        cluster.run(secs(at));
        assert_eq!((cluster.show(live), cluster.show(ready)), (live_shown.into(), ready_shown.into()), "at {at} s");
    }
    let events = cluster.events(live);
    assert!(events.contains(&"Unhealthy x5: Liveness probe failed: HTTP probe failed with statuscode: 500".into()), "{events:#?}");
    assert!(events.contains(&"Killing: Container c failed liveness probe, will be restarted".into()), "{events:#?}");
    let events = cluster.events(ready);
    let refused = "Unhealthy x4: Readiness probe failed: dial tcp 10.244.0.3:8080: connect: connection refused";
    assert!(events.contains(&refused.into()), "{events:#?}");
}

#[test]
fn a_startup_probe_holds_the_others_back() {
    let mut cluster = cluster();
    cluster.program("slow", ProgramText { ready_after: text(12), ..ProgramText::default() });
    let probe = json!({"httpGet": {"path": "/", "port": 80}, "periodSeconds": 5, "failureThreshold": 10});
    let spec = json!({"containers": [{"name": "c", "image": "slow:1", "startupProbe": probe, "readinessProbe": probe}]});
    let pod = cluster.pod("slow", "n1", spec);
    cluster.run(millis(14_999));
    assert!(!cluster.status(pod).containers[0].started);
    cluster.run(secs(15));
    assert_eq!(cluster.show(pod), "Running ready running@0");
}

#[test]
fn an_active_deadline_fails_the_pod() {
    let mut cluster = cluster();
    let pod = cluster.pod("web", "n1", json!({"activeDeadlineSeconds": 5, "containers": [{"name": "c", "image": "web:1"}]}));
    cluster.run(secs(4));
    assert_eq!(cluster.show(pod), "Running ready running@0");
    cluster.run(secs(5));
    assert_eq!(cluster.show(pod), "Failed Completed:0@5000");
    assert_eq!(cluster.sim.get::<wavetank_engine::names::Names>().text(cluster.status(pod).reason), "DeadlineExceeded");
}

#[test]
fn slow_hooks_delay_the_next_container() {
    let mut cluster = cluster();
    cluster.program("slow", ProgramText { post_start: text(4), ..ProgramText::default() });
    let spec = json!({"containers": [
        {"name": "a", "image": "slow:1", "lifecycle": {"postStart": {"exec": {"command": ["warm"]}}}},
        {"name": "b", "image": "web:1"}]});
    let pod = cluster.pod("web", "n1", spec);
    cluster.run(secs(3));
    assert_eq!(cluster.show(pod), "Pending waiting:ContainerCreating waiting:ContainerCreating");
    cluster.run(secs(4));
    assert_eq!(cluster.show(pod), "Running ready running@0 running@4000");
}

#[test]
fn addresses_are_given_back() {
    let mut cluster = cluster();
    for round in 0..4 {
        let pods: Vec<_> = (0..100).map(|n| cluster.plain(&format!("p{round}-{n}"), "n1")).collect();
        let at = cluster.sim.now() + span(1);
        cluster.run(at);
        let mut addresses: Vec<u32> = pods.iter().map(|&pod| cluster.status(pod).pod_ip).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 100);
        assert!(addresses.iter().all(|&address| (0x0AF4_0002..0x0AF4_00FF).contains(&address)), "{round}: {addresses:x?}");
        pods.into_iter().for_each(|pod| cluster.delete(pod, None));
    }
}
