//! What the autoscaler reads of the pods behind a target: samples, requests, readiness, and who else selects them.

use super::answer::Read;
use super::controller::AutoscalerQueue;
use super::metric::{Identifier, Metric, Source};
use super::pods::{NoRequest, PodFacts, Ready, Sample, request_milli};
use super::selection::Matching;
use crate::autoscaling::custom_metrics::{Asked, CustomMetricsApi, WINDOW};
use crate::autoscaling::metrics::{ContainerMetrics, MetricsApi, PodMetrics};
use bevy_ecs::prelude::Res;
use bevy_ecs::system::SystemParam;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::{Meta, condition};
use wavetank_engine::model::pod::{Pod, PodPhase, PodStatus};
use wavetank_engine::model::pod_class::{ClassId, Container, PodClass};
use wavetank_engine::model::quantity::Quantity;
use wavetank_engine::model::select::{SelectorId, Selectors};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// Thousandths of one.
const MILLI: u64 = 1000;
/// Nano-cores of one milli-core.
const NANO_PER_MILLI: u64 = 1_000_000;

/// The metrics APIs.
pub struct Apis<'t, 'w, 'c> {
    /// metrics-server.
    pub resources: &'t mut MetricsApi<'w>,
    /// An adapter for everything else.
    pub custom: &'t CustomMetricsApi<'c>,
}

/// Who asks for metrics, and when.
#[derive(Clone, Copy)]
pub struct Asker<'t> {
    /// Texts.
    pub names: &'t Names,
    /// The autoscaler's namespace.
    pub namespace: Sym,
    /// The present moment.
    pub now: SimTime,
}

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
    pub fn selected(&self, matching: &mut Matching, selectors: &Selectors, selector: SelectorId, namespace: Sym) -> Vec<ObjRef> {
        let sets = matching.sets(selectors, &self.labels, selector);
        let mut pods: Vec<ObjRef> = sets.iter().flat_map(|&set| self.listing.labelled(namespace, set)).collect();
        pods.sort_unstable();
        pods
    }

    /// Whether a selector matches one of these pods.
    pub fn any_match(&self, selectors: &Selectors, selector: SelectorId, pods: &[ObjRef]) -> bool {
        let labels = pods.iter().filter_map(|&pod| self.listing.row(pod)).map(|row| row.labels);
        labels.into_iter().any(|labels| selectors.matches(selector, &self.labels, labels))
    }

    /// What a metric is proposed from.
    pub fn read(&self, metric: &Metric, pods: &[ObjRef], apis: Apis, asker: Asker) -> Read {
        let Apis { resources, custom } = apis;
        let Asker { names, namespace, now } = asker;
        match &metric.source {
            Source::Resource { name, container } => Read::Pods(self.resource(name, container.as_deref(), pods, resources, asker)),
            Source::Pods(identifier) => Read::Pods(self.custom(identifier, pods, custom, asker)),
            Source::Object { metric, kind, name, .. } => {
                let value = custom.kind(kind, &metric.name).and_then(|kind| {
                    let object = Asked { kind, namespace: names.text(namespace), name };
                    let key = names.find_name(name).map(|name| ObjectKey { kind, namespace, name });
                    custom.of_object(&metric.name, &metric.selector, object, key, now)
                });
                Read::Values(value.map(|value| vec![value]), self.plain(pods))
            }
            Source::External(identifier) => Read::Values(custom.external(&identifier.name, &identifier.selector, now), self.plain(pods)),
            Source::Unknown(_) => Read::Pods(Ok(Vec::new())),
        }
    }

    fn resource(
        &self,
        resource: &str,
        container: Option<&str>,
        pods: &[ObjRef],
        api: &mut MetricsApi,
        Asker { names, now, .. }: Asker,
    ) -> Result<Vec<PodFacts>, String> {
        let mut any = false;
        // Pods of one class request the same.
        let mut requests: Vec<(ClassId, i64)> = Vec::new();
        let facts = self.facts(pods, |object, meta, pod, status| {
            let metrics = api.of(names, object.uid, pod, status, now);
            any |= metrics.is_some();
            let sample = metrics.and_then(|metrics| sample(&metrics, resource, container, names));
            let known = requests.iter().find(|(class, _)| *class == pod.class).map(|(_, milli)| Ok(*milli));
            let request = known.unwrap_or_else(|| {
                let request = request(api.classes().get(pod.class), meta, resource, container, names);
                requests.extend(request.as_ref().ok().map(|&milli| (pod.class, milli)));
                request
            });
            (sample, request)
        });
        if any { Ok(facts) } else { Err("no metrics returned from resource metrics API".into()) }
    }

    fn custom(
        &self,
        metric: &Identifier,
        pods: &[ObjRef],
        api: &CustomMetricsApi,
        Asker { names, namespace, now }: Asker,
    ) -> Result<Vec<PodFacts>, String> {
        api.check_pods(&metric.name)?;
        let facts = self.facts(pods, |object, meta, _, status| {
            let name = names.render(meta.name);
            let asked = Asked { kind: Kind::Pod, namespace: names.text(namespace), name: &name };
            let running = status.phase == PodPhase::Running;
            let value = Some(asked).filter(|_| running).and_then(|pod| api.of_pod(&metric.name, &metric.selector, pod, object.uid, now));
            (value.map(|value_milli| Sample { value_milli, at: now, window: WINDOW }), Ok(0))
        });
        let any = facts.iter().any(|pod| pod.sample.is_some());
        if any { Ok(facts) } else { Err("no metrics returned from custom metrics API".into()) }
    }

    /// The pods without any metric of their own.
    fn plain(&self, pods: &[ObjRef]) -> Vec<PodFacts> {
        self.facts(pods, |_, _, _, _| (None, Ok(0)))
    }

    fn facts(
        &self,
        pods: &[ObjRef],
        mut measure: impl FnMut(ObjRef, &Meta, &Pod, &PodStatus) -> (Option<Sample>, Result<i64, NoRequest>),
    ) -> Vec<PodFacts> {
        let facts = pods.iter().filter_map(|&object| {
            let (meta, pod, status) = (self.metas.get(object)?, self.pods.get(object)?, self.statuses.get(object)?);
            let (sample, request_milli) = measure(object, meta, pod, status);
            let ready = condition(&status.conditions, words::READY);
            Some(PodFacts {
                phase: status.phase,
                deleting: meta.terminating(),
                started_at: status.start_at,
                ready: ready.map(|ready| Ready { status: ready.status, transition_at: ready.transition_at }),
                sample,
                request_milli,
            })
        });
        facts.collect()
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
