//! Status of an object that was there before the run began, as another cluster's API server gave it.
//!
//! Requests that create an object carry no status; only a scene's first objects do.

use super::{Tables, address, list, number};
use crate::api::state::StateValue;
use crate::ids::Kind;
use crate::model::autoscaling::{HorizontalPodAutoscalerStatus, MetricValue, Reading};
use crate::model::batch::{CronJobStatus, JobStatus};
use crate::model::disruption::PodDisruptionBudgetStatus;
use crate::model::meta::{Deletion, Meta};
use crate::model::network::{BalancerIngress, ServiceStatus};
use crate::model::opaque::Namespace;
use crate::model::pod::{ContainerState, ContainerStatus, Pod, PodStatus, Terminated};
use crate::model::quantity::Quantity;
use crate::model::raw::Raw;
use crate::model::revisioned::{DaemonSetStatus, StatefulSetStatus};
use crate::model::storage::{AccessModes, ClaimPhase, PersistentVolumeClaimStatus, PersistentVolumeStatus, VolumePhase};
use crate::model::workload::{DeploymentStatus, ReplicaSetStatus};
use crate::names::Sym;
use crate::time::SimTime;
use serde_json::Value;

impl Tables<'_> {
    /// Puts the status that an object brings into its parts, and what `metadata` says of its past.
    pub fn bring_status(&mut self, meta: &mut Meta, states: &mut [StateValue], metadata: &Value, body: &Value) {
        meta.generation = count(metadata, "generation");
        if metadata.get("deletionTimestamp").is_some_and(Value::is_string) {
            let at = self.time(metadata.get("deletionTimestamp")).unwrap_or_default();
            let grace_s = count(metadata, "deletionGracePeriodSeconds");
            meta.deletion = Some(Deletion { requested_at: SimTime::ZERO, at, grace_s });
        }
        let Some(status) = body.get("status").filter(|status| status.is_object()) else { return };
        for at in 0..states.len() {
            let brought = match &states[at] {
                StateValue::PodStatus(read) => Some(self.brought_pod(states, (**read).clone(), status).into()),
                StateValue::ReplicaSetStatus(_) => {
                    let read = self.replica_set_status(status, meta.kind);
                    Some(read.into())
                }
                StateValue::DeploymentStatus(_) => Some(self.deployment_status(status).into()),
                StateValue::StatefulSetStatus(_) => Some(self.stateful_set_status(status).into()),
                StateValue::DaemonSetStatus(_) => Some(daemon_set_status(status).into()),
                StateValue::JobStatus(_) => Some(self.job_status(status).into()),
                StateValue::CronJobStatus(_) => Some(self.cron_job_status(status).into()),
                StateValue::HorizontalPodAutoscalerStatus(_) => Some(self.autoscaler_status(status).into()),
                StateValue::PodDisruptionBudgetStatus(_) => Some(self.budget_status(status).into()),
                StateValue::PersistentVolumeClaimStatus(_) => Some(self.claim_status(status).into()),
                StateValue::PersistentVolumeStatus(_) => Some(volume_status(status).into()),
                StateValue::ServiceStatus(_) => Some(self.service_status(status).into()),
                StateValue::Namespace(_) => Some(self.namespace(body, status).into()),
                _ => None,
            };
            if let Some(brought) = brought {
                states[at] = brought;
            }
        }
    }

    fn brought_pod(&mut self, states: &[StateValue], read: PodStatus, status: &Value) -> PodStatus {
        let Some(Pod { class, .. }) = states.iter().find_map(|state| if let StateValue::Pod(pod) = state { Some(&**pod) } else { None })
        else {
            return read;
        };
        let class = self.classes.get(*class);
        let init: Vec<Sym> = class.init_containers.iter().map(|container| container.name).collect();
        let app: Vec<Sym> = class.containers.iter().map(|container| container.name).collect();
        PodStatus {
            init_containers: self.containers(status, "initContainerStatuses", &init),
            containers: self.containers(status, "containerStatuses", &app),
            ..read
        }
    }

    /// The statuses in the order of the spec; none unless there is one for each.
    fn containers(&mut self, status: &Value, field: &str, names: &[Sym]) -> Vec<ContainerStatus> {
        let of = |wanted: &str| list(status, field).find(|one| one.get("name").and_then(Value::as_str) == Some(wanted));
        let found: Option<Vec<&Value>> = names.iter().map(|&name| of(self.names.text(name))).collect();
        found.unwrap_or_default().into_iter().map(|one| self.container(one)).collect()
    }

    fn container(&mut self, one: &Value) -> ContainerStatus {
        let state = one.get("state").unwrap_or(&Value::Null);
        let flag = |field: &str| one.get(field).and_then(Value::as_bool).unwrap_or(false);
        ContainerStatus {
            state: if let Some(running) = state.get("running") {
                ContainerState::Running { since: self.time(running.get("startedAt")).unwrap_or_default() }
            } else if let Some(end) = state.get("terminated") {
                ContainerState::Terminated(self.terminated(end))
            } else {
                let waiting = state.get("waiting").unwrap_or(&Value::Null);
                ContainerState::Waiting { reason: self.sym(waiting, "reason"), message: self.sym(waiting, "message") }
            },
            last: one.pointer("/lastState/terminated").map(|end| self.terminated(end)),
            restarts: count(one, "restartCount"),
            ready: flag("ready"),
            started: flag("started"),
        }
    }

    fn terminated(&mut self, end: &Value) -> Terminated {
        Terminated {
            exit_code: number(end, "exitCode").unwrap_or(0),
            reason: self.sym(end, "reason"),
            started_at: self.time(end.get("startedAt")).unwrap_or_default(),
            finished_at: self.time(end.get("finishedAt")).unwrap_or_default(),
        }
    }

    fn replica_set_status(&mut self, status: &Value, kind: Kind) -> ReplicaSetStatus {
        ReplicaSetStatus {
            replicas: amount(status, "replicas"),
            fully_labeled: amount(status, "fullyLabeledReplicas"),
            ready: amount(status, "readyReplicas"),
            available: amount(status, "availableReplicas"),
            terminating: number(status, "terminatingReplicas").filter(|_| kind != Kind::ReplicationController),
            observed_generation: count(status, "observedGeneration"),
            conditions: self.conditions(status),
        }
    }

    fn deployment_status(&mut self, status: &Value) -> DeploymentStatus {
        DeploymentStatus {
            replicas: amount(status, "replicas"),
            updated: amount(status, "updatedReplicas"),
            ready: amount(status, "readyReplicas"),
            available: amount(status, "availableReplicas"),
            unavailable: amount(status, "unavailableReplicas"),
            terminating: number(status, "terminatingReplicas"),
            observed_generation: count(status, "observedGeneration"),
            collision_count: status.get("collisionCount").map(|_| count(status, "collisionCount")),
            conditions: self.conditions(status),
        }
    }

    fn stateful_set_status(&mut self, status: &Value) -> StatefulSetStatus {
        StatefulSetStatus {
            replicas: amount(status, "replicas"),
            ready: amount(status, "readyReplicas"),
            available: amount(status, "availableReplicas"),
            current: amount(status, "currentReplicas"),
            updated: amount(status, "updatedReplicas"),
            current_revision: self.sym(status, "currentRevision"),
            update_revision: self.sym(status, "updateRevision"),
            collision_count: status.get("collisionCount").map(|_| count(status, "collisionCount")),
            observed_generation: count(status, "observedGeneration"),
        }
    }

    /// Pods that were being counted when the dump was made are counted anew: their identities are of another cluster.
    fn job_status(&mut self, status: &Value) -> JobStatus {
        let text = |field: &str| status.get(field).and_then(Value::as_str).map(str::to_string);
        JobStatus {
            active: amount(status, "active"),
            ready: number(status, "ready"),
            terminating: number(status, "terminating"),
            succeeded: amount(status, "succeeded"),
            failed: amount(status, "failed"),
            start_at: self.time(status.get("startTime")),
            completed_at: self.time(status.get("completionTime")),
            completed_indexes: text("completedIndexes").unwrap_or_default(),
            failed_indexes: text("failedIndexes"),
            uncounted_succeeded: Vec::new(),
            uncounted_failed: Vec::new(),
            tracked: status.get("uncountedTerminatedPods").is_some_and(Value::is_object),
            conditions: self.conditions(status),
        }
    }

    /// Without its active jobs, which are not there before it.
    fn cron_job_status(&mut self, status: &Value) -> CronJobStatus {
        CronJobStatus {
            active: Vec::new(),
            last_schedule_at: self.time(status.get("lastScheduleTime")),
            last_successful_at: self.time(status.get("lastSuccessfulTime")),
        }
    }

    fn autoscaler_status(&mut self, status: &Value) -> HorizontalPodAutoscalerStatus {
        HorizontalPodAutoscalerStatus {
            current_replicas: amount(status, "currentReplicas"),
            desired_replicas: amount(status, "desiredReplicas"),
            current_metrics: list(status, "currentMetrics").map(metric).collect(),
            last_scale_at: self.time(status.get("lastScaleTime")),
            conditions: self.conditions(status),
        }
    }

    fn budget_status(&mut self, status: &Value) -> PodDisruptionBudgetStatus {
        let disrupted = status.get("disruptedPods").and_then(Value::as_object).into_iter().flatten();
        let mut disrupted: Vec<(&String, &Value)> = disrupted.collect();
        disrupted.sort_unstable_by_key(|pair| pair.0);
        PodDisruptionBudgetStatus {
            disruptions_allowed: amount(status, "disruptionsAllowed"),
            current_healthy: amount(status, "currentHealthy"),
            desired_healthy: amount(status, "desiredHealthy"),
            expected_pods: amount(status, "expectedPods"),
            observed_generation: count(status, "observedGeneration"),
            disrupted_pods: disrupted
                .into_iter()
                .map(|(pod, at)| (self.names.name(pod), self.time(Some(at)).unwrap_or_default()))
                .collect(),
            conditions: self.conditions(status),
        }
    }

    fn claim_status(&mut self, status: &Value) -> PersistentVolumeClaimStatus {
        let size = status.pointer("/capacity/storage").and_then(Value::as_str).unwrap_or("");
        PersistentVolumeClaimStatus {
            phase: match status.get("phase").and_then(Value::as_str) {
                Some("Bound") => ClaimPhase::Bound,
                Some("Lost") => ClaimPhase::Lost,
                _ => ClaimPhase::Pending,
            },
            modes: AccessModes::of(list(status, "accessModes").filter_map(Value::as_str)),
            capacity: self.names.sym(size),
        }
    }

    fn service_status(&mut self, status: &Value) -> ServiceStatus {
        let places = status.pointer("/loadBalancer/ingress").and_then(Value::as_array).into_iter().flatten();
        let ingress = places.map(|place| BalancerIngress { ip: address(place.get("ip")), hostname: self.sym(place, "hostname") });
        ServiceStatus { ingress: ingress.collect() }
    }

    fn namespace(&mut self, body: &Value, status: &Value) -> Namespace {
        let held = body.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        let terminating = status.get("phase").and_then(Value::as_str) == Some("Terminating");
        Namespace { terminating, finalized: terminating && !held, conditions: self.conditions(status) }
    }
}

fn daemon_set_status(status: &Value) -> DaemonSetStatus {
    DaemonSetStatus {
        current: amount(status, "currentNumberScheduled"),
        misscheduled: amount(status, "numberMisscheduled"),
        desired: amount(status, "desiredNumberScheduled"),
        ready: amount(status, "numberReady"),
        updated: amount(status, "updatedNumberScheduled"),
        available: amount(status, "numberAvailable"),
        unavailable: amount(status, "numberUnavailable"),
        collision_count: status.get("collisionCount").map(|_| count(status, "collisionCount")),
        observed_generation: count(status, "observedGeneration"),
    }
}

fn volume_status(status: &Value) -> PersistentVolumeStatus {
    let phases = [VolumePhase::Available, VolumePhase::Bound, VolumePhase::Released, VolumePhase::Failed];
    let word = status.get("phase").and_then(Value::as_str);
    PersistentVolumeStatus { phase: phases.into_iter().find(|phase| Some(phase.text()) == word).unwrap_or_default() }
}

/// One entry of `currentMetrics`: its source, and its value apart.
fn metric(one: &Value) -> MetricValue {
    let (mut source, mut current) = (one.clone(), Value::Null);
    for (_, part) in source.as_object_mut().into_iter().flatten().filter(|(key, _)| key.as_str() != "type") {
        if let Some(taken) = part.as_object_mut().and_then(|fields| fields.shift_remove("current")) {
            current = taken;
        }
    }
    let quantity = |field: &str| Some(Quantity::parse(current.get(field)?.as_str()?).ok()?.milli_value());
    let reading = match (number(&current, "averageUtilization"), quantity("averageValue"), quantity("value")) {
        (Some(percent), average, _) => Reading::Utilization { percent, average_milli: average.unwrap_or(0) },
        (None, Some(average), _) => Reading::Average(average),
        (None, None, Some(value)) => Reading::Value(value),
        (None, None, None) => Reading::Unknown,
    };
    MetricValue { source: Raw::new(source), reading }
}

fn amount(object: &Value, field: &str) -> i32 {
    number(object, field).unwrap_or(0)
}

fn count(object: &Value, field: &str) -> u32 {
    number(object, field).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}
