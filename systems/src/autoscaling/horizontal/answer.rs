//! What one metric says: a proposal with its name and value, or why there is none, in the original's words.
//!
//! Source: kubernetes v1.36, `pkg/controller/podautoscaler/horizontal.go`, `computeReplicasForMetric`, `computeStatusFor…Metric`.

use super::metric::{Metric, Source, Target};
use super::pods::{PodFacts, Readiness};
use super::proposal::{
    Proposal, Question, Tolerances, propose_average, propose_utilization, propose_value, propose_value_per_pod, sum_of_series,
};
use wavetank_engine::model::autoscaling::Reading;
use wavetank_engine::time::SimTime;

/// What a metric says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The proposal, before any limit.
    pub replicas: i32,
    /// The metric as reasons and conditions name it.
    pub name: String,
    /// Its value.
    pub reading: Reading,
}

/// Why a metric says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Reason of the event and of condition ScalingActive.
    pub reason: &'static str,
    /// Message of the event.
    pub message: String,
    /// The same as part of the whole sync's error.
    pub whole: String,
}

/// What was read for a metric; the error is that of the API asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The pods that the target's selector matches, with their samples and requests.
    Pods(Result<Vec<PodFacts>, String>),
    /// One value for all, and those pods. Unit: thousandths.
    Values(Result<Vec<i64>, String>, Vec<PodFacts>),
}

/// What proposals need beside the metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting<'a> {
    /// `spec.replicas` of the target.
    pub current: i32,
    /// `status.replicas` of the target.
    pub status_replicas: i32,
    /// See [`Tolerances`].
    pub tolerances: Tolerances,
    /// Namespace of the autoscaler.
    pub namespace: &'a str,
    /// The present moment.
    pub now: SimTime,
}

/// What a metric says after it was read.
///
/// # Errors
/// Why it says nothing.
pub fn answer(metric: &Metric, read: &Read, setting: Setting) -> Result<Answer, Failure> {
    match (&metric.source, read) {
        (Source::Resource { name, container }, Read::Pods(pods)) => resource(name, container.as_deref(), metric.target, pods, setting),
        (Source::Pods(identifier), Read::Pods(pods)) => {
            let proposal = propose(pods, false, setting, |question| match metric.target {
                Some(Target::Average(milli)) => propose_average(question, milli).map_err(|why| why.to_string()),
                _ => Err("invalid pods metric source: no average value target was set".into()),
            });
            let message = |why| match pods {
                Err(_) => format!("unable to get metric {}: {why}", identifier.name),
                Ok(_) => why,
            };
            let done = proposal.map_err(message);
            outcome(done, format!("pods metric {}", identifier.name), "FailedGetPodsMetric", |message| {
                format!("failed to get pods metric value: {message}")
            })
        }
        (Source::Object { metric: identifier, kind, name, .. }, Read::Values(values, pods)) => {
            let metric_name = &identifier.name;
            let values =
                values.as_ref().map_err(|why| format!("unable to get metric {metric_name}: {kind} on {} {name}/{why}", setting.namespace));
            let shown = match metric.target {
                Some(Target::Average(_)) => format!("external metric {metric_name}({})", identifier.selector_text()),
                _ => format!("{kind} metric {metric_name}"),
            };
            outcome(value(values, pods, metric.target, setting, "object"), shown, "FailedGetObjectMetric", |message| {
                format!("failed to get object metric value: {message}")
            })
        }
        (Source::External(identifier), Read::Values(values, pods)) => {
            let metric_name = &identifier.name;
            let text = identifier.selector_text();
            let values =
                values.as_ref().map_err(|why| format!("unable to get external metric {}/{metric_name}/{text}: {why}", setting.namespace));
            let shown = format!("external metric {metric_name}({})", identifier.selector_text());
            let inner = if matches!(metric.target, Some(Target::Average(_))) {
                format!("failed to get {metric_name} external metric: ")
            } else {
                format!("failed to get external metric {metric_name}: ")
            };
            outcome(value(values, pods, metric.target, setting, "external"), shown, "FailedGetExternalMetric", |message| {
                format!("failed to get {metric_name} external metric value: {inner}{message}")
            })
        }
        (_, Read::Pods(_) | Read::Values(..)) => {
            let kind = if let Source::Unknown(kind) = &metric.source { kind.as_str() } else { "" };
            let message = format!("unknown metric source type \"{kind}\"");
            Err(Failure { reason: "InvalidMetricSourceType", whole: message.clone(), message })
        }
    }
}

fn resource(
    name: &str,
    container: Option<&str>,
    target: Option<Target>,
    pods: &Result<Vec<PodFacts>, String>,
    setting: Setting,
) -> Result<Answer, Failure> {
    let proposal = propose(pods, name == "cpu", setting, |question| match target {
        Some(Target::Utilization(percent)) => propose_utilization(question, percent).map_err(|why| why.to_string()),
        Some(Target::Average(milli)) => propose_average(question, milli).map_err(|why| why.to_string()),
        Some(Target::Value(_)) | None => {
            Err("invalid resource metric source: neither an average utilization target nor an average value (usage) target was set".into())
        }
    });
    let measured = if matches!(target, Some(Target::Average(_))) { "usage" } else { "utilization" };
    let message = |why| match pods {
        Err(_) => format!("failed to get {name} {measured}: unable to get metrics for resource {name}: {why}"),
        Ok(_) => format!("failed to get {name} {measured}: {why}"),
    };
    let (of, reason) = match container {
        None => ("resource", "FailedGetResourceMetric"),
        Some(_) => ("container resource", "FailedGetContainerResourceMetric"),
    };
    let shown = match target {
        Some(Target::Average(_)) => format!("{name} resource"),
        _ => format!("{name} {of} utilization (percentage of request)"),
    };
    outcome(proposal.map_err(message), shown, reason, |message| match container {
        None => format!("failed to get {name} resource metric value: {message}"),
        Some(container) => format!("failed to get {container} container metric value: {message}"),
    })
}

fn propose(
    pods: &Result<Vec<PodFacts>, String>,
    is_cpu: bool,
    setting: Setting,
    by: impl FnOnce(&Question) -> Result<Proposal, String>,
) -> Result<(Proposal, Reading), String> {
    let pods = pods.as_ref().map_err(Clone::clone)?;
    let proposal = by(&question(pods, is_cpu, setting))?;
    let reading = match proposal.utilization_percent {
        Some(percent) => Reading::Utilization { percent, average_milli: proposal.average_milli },
        None => Reading::Average(proposal.average_milli),
    };
    Ok((proposal, reading))
}

fn question<'a>(pods: &'a [PodFacts], is_cpu: bool, setting: Setting) -> Question<'a> {
    let Setting { current, tolerances, now, .. } = setting;
    Question { pods, current_replicas: current, tolerances, is_cpu, readiness: Readiness::default(), now }
}

fn value(
    values: Result<&Vec<i64>, String>,
    pods: &[PodFacts],
    target: Option<Target>,
    setting: Setting,
    kind: &str,
) -> Result<(Proposal, Reading), String> {
    let milli = sum_of_series(values?.iter().copied());
    match target {
        Some(Target::Value(target)) => {
            let proposal = propose_value(&question(pods, false, setting), milli, target).map_err(|why| why.to_string())?;
            Ok((proposal, Reading::Value(proposal.average_milli)))
        }
        Some(Target::Average(target)) => {
            let proposal = propose_value_per_pod(setting.status_replicas, setting.tolerances, milli, target);
            Ok((proposal, Reading::Average(proposal.average_milli)))
        }
        Some(Target::Utilization(_)) | None => {
            Err(format!("invalid {kind} metric source: neither a value target nor an average value target was set"))
        }
    }
}

fn outcome(
    done: Result<(Proposal, Reading), String>,
    name: String,
    reason: &'static str,
    whole: impl FnOnce(&str) -> String,
) -> Result<Answer, Failure> {
    match done {
        Ok((proposal, reading)) => Ok(Answer { replicas: proposal.replicas, name, reading }),
        Err(message) => Err(Failure { reason, whole: whole(&message), message }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn setting() -> Setting<'static> {
        let tolerances = Tolerances { down: 0.1, up: 0.1 };
        Setting { current: 2, status_replicas: 2, tolerances, namespace: "default", now: SimTime::from_secs(60) }
    }

    fn metric(kind: &str, field: &str, body: serde_json::Value) -> Metric {
        Metric::read(&json!({"type": kind, field: body}))
    }

    #[test]
    fn texts_of_failures() {
        let none = || Read::Pods(Err("no metrics returned from resource metrics API".into()));
        let unread = || Read::Values(Err("no metrics returned from external metrics API".into()), Vec::new());
        let cpu = |target: serde_json::Value| metric("Resource", "resource", json!({"name": "cpu", "target": target}));
        let queue = |target: serde_json::Value| metric("External", "external", json!({"metric": {"name": "queue"}, "target": target}));
        let container = json!({"name": "cpu", "container": "web", "target": {"averageUtilization": 50}});
        let no_api = "unable to get metrics for resource cpu: no metrics returned from resource metrics API";
        let no_queue = "unable to get external metric default/queue/nil: no metrics returned from external metrics API";
        for (metric, read, reason, whole) in [
            (
                cpu(json!({"averageUtilization": 50})),
                none(),
                "FailedGetResourceMetric",
                format!("failed to get cpu resource metric value: failed to get cpu utilization: {no_api}"),
            ),
            (
                cpu(json!({"averageValue": "1"})),
                none(),
                "FailedGetResourceMetric",
                format!("failed to get cpu resource metric value: failed to get cpu usage: {no_api}"),
            ),
            (
                metric("ContainerResource", "containerResource", container),
                Read::Pods(Ok(Vec::new())),
                "FailedGetContainerResourceMetric",
                "failed to get web container metric value: failed to get cpu utilization: no pods returned by selector while calculating replica count".into(),
            ),
            (
                queue(json!({"value": "3"})),
                unread(),
                "FailedGetExternalMetric",
                format!("failed to get queue external metric value: failed to get external metric queue: {no_queue}"),
            ),
            (
                queue(json!({"averageValue": "3"})),
                unread(),
                "FailedGetExternalMetric",
                format!("failed to get queue external metric value: failed to get queue external metric: {no_queue}"),
            ),
            (metric("Odd", "odd", json!({})), none(), "InvalidMetricSourceType", "unknown metric source type \"Odd\"".into()),
        ] {
            let failure = answer(&metric, &read, setting()).unwrap_err();
            assert_eq!((failure.reason, failure.whole.as_str()), (reason, whole.as_str()));
            assert!(failure.whole.ends_with(&failure.message), "{failure:?}");
        }
    }

    #[test]
    fn values_of_the_outside() {
        let queue = |target: serde_json::Value| metric("External", "external", json!({"metric": {"name": "queue"}, "target": target}));
        let read = Read::Values(Ok(vec![6000, 4000]), Vec::new());
        let each = answer(&queue(json!({"averageValue": "2"})), &read, setting()).unwrap();
        assert_eq!((each.replicas, each.reading, each.name.as_str()), (5, Reading::Average(5000), "external metric queue(nil)"));
    }
}
