//! Drawn pods and the three columns they give.
//!
//! A pod is drawn as words: its phase; `i:` init containers, `s:` sidecars (init containers that keep running), `c:`
//! containers, each with a state (`R` running and ready, `r` running, `W=reason`, `T=reason/exit`, `S` a signal without
//! reason, `-` no status) and `xN@T` for N restarts, the last at second T; `!` deletion requested; `+cond` a true condition.

use super::*;
use serde_json::{Map, json};
use wavetank_engine::time::SimTime;

fn container_status(name: &str, drawn: &str, sidecar: bool) -> Option<Value> {
    let (state, restarts) = drawn.split_once('x').map_or((drawn, None), |(state, rest)| (state, Some(rest)));
    let (kind, detail) = state.split_once('=').unwrap_or((state, ""));
    let state = match kind {
        "-" => return None,
        "R" | "r" => json!({"running": {}}),
        "W" => json!({"waiting": {"reason": detail}}),
        "S" => json!({"terminated": {"exitCode": 137, "signal": detail.parse::<i64>().unwrap()}}),
        "T" => {
            let (reason, exit) = detail.split_once('/').unwrap();
            json!({"terminated": {"reason": reason, "exitCode": exit.parse::<i64>().unwrap()}})
        }
        other => panic!("no such state: {other}"),
    };
    let mut status = json!({"name": name, "ready": kind == "R", "started": sidecar && kind.eq_ignore_ascii_case("r"), "state": state});
    if let Some((count, at)) = restarts.map(|rest| rest.split_once('@').unwrap_or((rest, ""))) {
        status["restartCount"] = json!(count.parse::<i64>().unwrap());
        if !at.is_empty() {
            status["lastState"] = json!({"terminated": {"finishedAt": SimTime::ZERO.rfc3339(at.parse().unwrap())}});
        }
    }
    Some(status)
}

fn pod(drawn: &str) -> Value {
    let (mut containers, mut init) = (vec![], vec![]);
    let (mut container_statuses, mut init_statuses, mut conditions) = (vec![], vec![], vec![]);
    let (mut metadata, mut status) = (Map::new(), Map::new());
    for (nth, word) in drawn.split_whitespace().enumerate() {
        let name = format!("c{nth}");
        if let Some(state) = word.strip_prefix("c:") {
            containers.push(json!({"name": name}));
            container_statuses.extend(container_status(&name, state, false));
        } else if let Some(state) = word.strip_prefix("i:") {
            init.push(json!({"name": name}));
            init_statuses.extend(container_status(&name, state, false));
        } else if let Some(state) = word.strip_prefix("s:") {
            init.push(json!({"name": name, "restartPolicy": "Always"}));
            init_statuses.extend(container_status(&name, state, true));
        } else if let Some(condition) = word.strip_prefix('+') {
            conditions.push(json!({"type": condition, "status": "True"}));
        } else if let Some(reason) = word.strip_prefix("reason=") {
            status.insert("reason".to_string(), json!(reason));
        } else if word == "gated" {
            conditions.push(json!({"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}));
        } else if word == "!" {
            metadata.insert("deletionTimestamp".to_string(), json!("1970-01-01T00:00:50Z"));
        } else {
            status.insert("phase".to_string(), json!(word));
        }
    }
    status.insert("conditions".to_string(), json!(conditions));
    status.insert("containerStatuses".to_string(), json!(container_statuses));
    status.insert("initContainerStatuses".to_string(), json!(init_statuses));
    json!({"metadata": metadata, "spec": {"containers": containers, "initContainers": init}, "status": status})
}

#[test]
fn ready_status_and_restarts() {
    let table = "
        Pending c:-                                          | 0/1 Pending 0
        Pending gated c:-                                    | 0/1 SchedulingGated 0
        Pending c:W=ContainerCreating                        | 0/1 ContainerCreating 0
        Pending c:W=ImagePullBackOff                         | 0/1 ImagePullBackOff 0
        Pending i:r c:W=PodInitializing                      | 0/1 Init:0/1 0
        Pending i:W=PodInitializing c:W=PodInitializing      | 0/1 Init:0/1 0
        Pending i:T=Completed/0 i:r c:W=PodInitializing      | 0/1 Init:1/2 0
        Pending i:T=Completed/0 c:W=PodInitializing          | 0/1 PodInitializing 0
        Pending i:T=Error/1 c:W=PodInitializing              | 0/1 Init:Error 0
        Pending i:T=/3 c:W=PodInitializing                   | 0/1 Init:ExitCode:3 0
        Pending i:S=9 c:W=PodInitializing                    | 0/1 Init:Signal:9 0
        Pending i:W=CrashLoopBackOffx4@10 c:-                | 0/1 Init:CrashLoopBackOff 4 (90s ago)
        Pending s:R c:W=PodInitializing                      | 1/2 PodInitializing 0
        Pending s:W=PodInitializing c:W=PodInitializing      | 0/2 Init:0/1 0
        Running +Ready +Initialized s:Rx2@50 c:R             | 2/2 Running 2 (50s ago)
        Running +Ready +Initialized i:T=Completed/0x3@5 c:R  | 1/1 Running 0
        Running +Ready c:R                                   | 1/1 Running 0
        Running c:r                                          | 0/1 Running 0
        Running c:Rx1@95 c:Rx2@40                            | 2/2 Running 3 (5s ago)
        Running c:Rx1                                        | 1/1 Running 1
        Running c:W=CrashLoopBackOffx5@40                    | 0/1 CrashLoopBackOff 5 (60s ago)
        Running c:T=Error/1x1@99                             | 0/1 Error 1 (1s ago)
        Running c:T=OOMKilled/137                            | 0/1 OOMKilled 0
        Running c:T=/2                                       | 0/1 ExitCode:2 0
        Running c:S=15                                       | 0/1 Signal:15 0
        Running +Ready c:T=Completed/0 c:R                   | 1/2 Running 0
        Running c:T=Completed/0 c:R                          | 1/2 NotReady 0
        Running c:T=Completed/0 c:T=Error/1                  | 0/2 Error 0
        Running c:W=CrashLoopBackOff c:R                     | 1/2 CrashLoopBackOff 0
        Succeeded c:T=Completed/0                            | 0/1 Completed 0
        Failed c:T=Error/1                                   | 0/1 Error 0
        Failed reason=Evicted c:-                            | 0/1 Evicted 0
        Running +Ready ! c:R                                 | 1/1 Terminating 0
        Succeeded ! c:T=Completed/0                          | 0/1 Completed 0
        Running reason=NodeLost ! c:R                        | 1/1 Unknown 0
    ";
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (drawn, want) = line.split_once('|').unwrap();
        let mut cells = row(&pod(drawn), 100);
        cells.truncate(4);
        assert_eq!(cells[1..].join(" "), want.trim(), "{drawn}");
    }
}

#[test]
fn wide_columns() {
    let pod = json!({
        "spec": {"nodeName": "n1", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]},
        "status": {"podIPs": [{"ip": "10.0.0.7"}], "conditions": [{"type": "b", "status": "True"}]},
    });
    assert_eq!(row(&pod, 0)[5..], ["10.0.0.7", "n1", "<none>", "1/2"]);
    assert_eq!(row(&json!({}), 0)[5..], ["<none>", "<none>", "<none>", "<none>"]);
}
