//! What the autoscaler reads of the pods behind a target: samples, requests, readiness, and who else selects them.

use super::answer::Read;
use super::controller::AutoscalerQueue;
use super::metric::{Metric, Source};
use super::pods::{NoRequest, PodFacts, Ready, Sample, request_milli};
use crate::autoscaling::metrics::{ContainerMetrics, MetricsApi, PodMetrics};
use bevy_ecs::prelude::Res;
use bevy_ecs::system::SystemParam;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Meta, condition};
use wavetank_engine::model::pod::{Pod, PodStatus};
use wavetank_engine::model::pod_class::{Container, PodClass};
use wavetank_engine::model::quantity::Quantity;
use wavetank_engine::model::select::{SelectorId, Selectors};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// Thousandths of one.
const MILLI: u64 = 1000;
/// Nano-cores of one milli-core.
const NANO_PER_MILLI: u64 = 1_000_000;

/// The pods, as the autoscaler has seen them.
#[derive(SystemParam)]
pub struct Pods<'w, 's> {
    pub(super) listing: Listing<'w, AutoscalerQueue>,
    metas: View<'w, 's, AutoscalerQueue, Meta>,
    pods: View<'w, 's, AutoscalerQueue, Pod>,
    statuses: View<'w, 's, AutoscalerQueue, PodStatus>,
    labels: Res<'w, LabelSets>,
}

impl Pods<'_, '_> {
    /// The pods of a namespace that a selector matches, whoever owns them, in order of creation.
    pub fn selected(&self, selectors: &Selectors, selector: SelectorId, namespace: Sym) -> Vec<ObjRef> {
        let matches = |pod: &ObjRef| {
            let row = self.listing.row(*pod);
            row.is_some_and(|row| selectors.matches(selector, &self.labels, row.labels))
        };
        self.listing.in_namespace(Kind::Pod, namespace).filter(matches).collect()
    }

    /// Whether a selector matches one of these pods.
    pub fn any_match(&self, selectors: &Selectors, selector: SelectorId, pods: &[ObjRef]) -> bool {
        let labels = pods.iter().filter_map(|&pod| self.listing.row(pod)).map(|row| row.labels);
        labels.into_iter().any(|labels| selectors.matches(selector, &self.labels, labels))
    }

    /// What a metric of pods is proposed from.
    pub fn read(&self, metric: &Metric, pods: &[ObjRef], api: &mut MetricsApi, names: &Names, now: SimTime) -> Read {
        match &metric.source {
            Source::Resource { name, container } => Read::Pods(self.resource(name, container.as_deref(), pods, api, names, now)),
            Source::Pods(_) | Source::Unknown(_) => Read::Pods(Err(
                "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered".into(),
            )),
            Source::Object { .. } => Read::Values(
                Err("unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered".into()),
                Vec::new(),
            ),
            Source::External(identifier) => {
                let resource = &identifier.name;
                let why = format!("the server could not find the requested resource (get {resource}.external.metrics.k8s.io)");
                Read::Values(Err(format!("unable to fetch metrics from external metrics API: {why}")), Vec::new())
            }
        }
    }

    fn resource(
        &self,
        resource: &str,
        container: Option<&str>,
        pods: &[ObjRef],
        api: &mut MetricsApi,
        names: &Names,
        now: SimTime,
    ) -> Result<Vec<PodFacts>, String> {
        let mut any = false;
        let mut facts = Vec::with_capacity(pods.len());
        for &object in pods {
            let (Some(meta), Some(pod), Some(status)) = (self.metas.get(object), self.pods.get(object), self.statuses.get(object)) else {
                continue;
            };
            let metrics = api.of(names, object.uid, pod, status, now);
            any |= metrics.is_some();
            let sample = metrics.and_then(|metrics| sample(&metrics, resource, container, names));
            let request_milli = request(api.classes().get(pod.class), meta, resource, container, names);
            let ready = condition(&status.conditions, words::READY);
            facts.push(PodFacts {
                phase: status.phase,
                deleting: meta.terminating(),
                started_at: status.start_at,
                ready: ready.map(|ready| Ready { status: ready.status, transition_at: ready.transition_at }),
                sample,
                request_milli,
            });
        }
        if any { Ok(facts) } else { Err("no metrics returned from resource metrics API".into()) }
    }
}

/// A pod's usage of a resource, of all containers or of one; `None` when the metrics do not tell of it.
fn sample(metrics: &PodMetrics, resource: &str, container: Option<&str>, names: &Names) -> Option<Sample> {
    let milli = |one: &ContainerMetrics| match resource {
        "cpu" => Some(one.cpu_nanocores.div_ceil(NANO_PER_MILLI)),
        "memory" => Some(one.memory_bytes.saturating_mul(MILLI)),
        _ => None,
    };
    let mut wanted = metrics.containers.iter().filter(|one| container.is_none_or(|name| names.text(one.name) == name)).peekable();
    wanted.peek()?;
    let sum = wanted.map(milli).try_fold(0_u64, |sum, one| Some(sum.saturating_add(one?)))?;
    Some(Sample { value_milli: i64::try_from(sum).unwrap_or(i64::MAX), at: metrics.at, window: metrics.window })
}

/// What a pod requests of a resource.
///
/// Source: kubernetes v1.36, `pkg/controller/podautoscaler/replica_calculator.go`, `calculatePodRequests`.
fn request(class: &PodClass, meta: &Meta, resource: &str, container: Option<&str>, names: &Names) -> Result<i64, NoRequest> {
    let amount = |list: Option<&serde_json::Value>| {
        let quantity = list?.get("requests")?.get(resource)?.as_str()?;
        Some(Quantity::parse(quantity).ok()?.milli_value())
    };
    if let (None, Some(own)) = (container, amount(class.raw.at(&["resources"]))) {
        return Ok(own);
    }
    let raw = |list: &str, at: usize| class.raw.at(&[list])?.get(at)?.get("resources");
    let one =
        |list: &'static str| move |(at, container): (usize, &Container)| (names.text(container.name).to_string(), amount(raw(list, at)));
    let sidecars = class.init_containers.iter().enumerate().filter(|(_, container)| container.sidecar());
    let all: Vec<(String, Option<i64>)> =
        class.containers.iter().enumerate().map(one("containers")).chain(sidecars.map(one("initContainers"))).collect();
    request_milli(resource, &names.render(meta.name), all.iter().map(|(name, amount)| (name.as_str(), *amount)), container)
}
