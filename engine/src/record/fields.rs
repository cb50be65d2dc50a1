//! The fields of objects that a journal shows, in order, as text. An absent or empty value is left out.

mod batch;
mod disruption;
mod revisioned;
mod storage;

use crate::api::state::StateValue;
use crate::model::autoscaling::Reading;
use crate::model::labels::{LabelSetId, LabelSets};
use crate::model::meta::{Condition, Meta};
use crate::model::network::{BalancerIngress, Endpoint, EndpointSlice, Endpoints, Service, ServiceStatus, ServiceType};
use crate::model::node::{Node, NodeStatus};
use crate::model::pod::{ContainerState, ContainerStatus, Pod, PodAllocation, PodStatus};
use crate::model::pod_class::{Classes, TemplateId};
use crate::model::quantity::{Format, Quantity};
use crate::model::resources::{Resources, amount_text};
use crate::model::workload::{Deployment, DeploymentStatus, ReplicaSetStatus};
use crate::names::{Names, Sym};
use bevy_ecs::world::World;
use std::net::Ipv4Addr;

/// The tables that turn symbols and numbers into text.
pub(crate) struct Cx<'w> {
    names: &'w Names,
    labels: &'w LabelSets,
    classes: &'w Classes,
}

type Fields = Vec<(String, String)>;

impl<'w> Cx<'w> {
    pub(crate) fn new(world: &'w World) -> Cx<'w> {
        Cx { names: world.resource(), labels: world.resource(), classes: world.resource() }
    }

    fn text(&self, sym: Sym) -> String {
        self.names.text(sym).to_string()
    }

    fn pairs(&self, set: LabelSetId) -> String {
        let pairs = self.labels.pairs(set).iter();
        pairs.map(|&(key, value)| format!("{}={}", self.names.text(key), self.names.text(value))).collect::<Vec<_>>().join(",")
    }

    fn images(&self, template: TemplateId) -> String {
        let class = self.classes.get(self.classes.template(template).class);
        class.containers.iter().map(|container| self.text(container.image)).collect::<Vec<_>>().join(",")
    }
}

/// The fields of one part of an object.
pub(crate) fn fields(cx: &Cx, value: &StateValue) -> Fields {
    match value {
        StateValue::Meta(meta) => self::meta(cx, meta),
        StateValue::Pod(pod) => self::pod(cx, pod),
        StateValue::PodStatus(status) => pod_status(cx, status),
        StateValue::PodAllocation(resources) => pod_allocation(cx, resources),
        StateValue::Node(node) => self::node(cx, node),
        StateValue::NodeStatus(status) => node_status(cx, status),
        StateValue::ReplicaSet(set) => vec![replicas(set.replicas), ("spec.template.image".into(), cx.images(set.template))],
        StateValue::ReplicaSetStatus(status) => replica_set_status(cx, status),
        StateValue::Deployment(deployment) => self::deployment(cx, deployment),
        StateValue::DeploymentStatus(status) => deployment_status(cx, status),
        StateValue::Service(service) => self::service(service),
        StateValue::ServiceStatus(status) => service_status(cx, status),
        StateValue::Endpoints(endpoints) => self::endpoints(cx, endpoints),
        StateValue::EndpointSlice(slice) => endpoint_slice(cx, slice),
        StateValue::HorizontalPodAutoscaler(autoscaler) => vec![
            ("spec.minReplicas".into(), autoscaler.min_replicas.to_string()),
            ("spec.maxReplicas".into(), autoscaler.max_replicas.to_string()),
        ],
        StateValue::HorizontalPodAutoscalerStatus(status) => {
            let mut fields =
                vec![count("status.currentReplicas", status.current_replicas), count("status.desiredReplicas", status.desired_replicas)];
            fields.retain(|(_, value)| value != "0");
            for (at, metric) in status.current_metrics.iter().enumerate() {
                let quantity = |milli| Quantity::from_milli(milli, Format::DecimalSi).to_string();
                let value = match metric.reading {
                    Reading::Unknown => "unknown".into(),
                    Reading::Utilization { percent, average_milli } => format!("{percent}% ({})", quantity(average_milli)),
                    Reading::Average(milli) | Reading::Value(milli) => quantity(milli),
                };
                fields.push((format!("status.currentMetrics[{at}]"), value));
            }
            conditions(cx, &status.conditions, &mut fields);
            fields
        }
        StateValue::Job(job) => self::batch::job(cx, job),
        StateValue::JobStatus(status) => self::batch::job_status(cx, status),
        StateValue::CronJob(cron_job) => self::batch::cron_job(cx, cron_job),
        StateValue::CronJobStatus(status) => self::batch::cron_job_status(cx, status),
        StateValue::PodDisruptionBudget(budget) => self::disruption::budget(budget),
        StateValue::PodDisruptionBudgetStatus(status) => self::disruption::budget_status(cx, status),
        StateValue::StatefulSet(set) => self::revisioned::stateful_set(cx, set),
        StateValue::StatefulSetStatus(status) => self::revisioned::stateful_set_status(cx, status),
        StateValue::DaemonSet(set) => vec![("spec.template.image".into(), cx.images(set.template))],
        StateValue::DaemonSetStatus(status) => self::revisioned::daemon_set_status(status),
        StateValue::ControllerRevision(revision) => vec![("revision".into(), revision.revision.to_string())],
        StateValue::PersistentVolumeClaim(claim) => self::storage::claim(cx, claim),
        StateValue::PersistentVolumeClaimStatus(status) => self::storage::claim_status(cx, status),
        StateValue::PersistentVolume(volume) => self::storage::volume(cx, volume),
        StateValue::PersistentVolumeStatus(status) => self::storage::volume_status(status),
        StateValue::StorageClass(_) => Vec::new(),
        StateValue::Namespace(namespace) => {
            let mut fields = vec![("status.phase".into(), if namespace.terminating { "Terminating".into() } else { "Active".into() })];
            conditions(cx, &namespace.conditions, &mut fields);
            fields
        }
        StateValue::Opaque(_) => Vec::new(),
    }
}

fn meta(cx: &Cx, meta: &Meta) -> Fields {
    let owners = meta.owners.iter().map(|owner| cx.names.render(owner.name)).collect::<Vec<_>>().join(",");
    let finalizers = meta.finalizers.iter().map(|&f| cx.text(f)).collect::<Vec<_>>().join(",");
    let deletion = meta.deletion.map_or(String::new(), |deletion| format!("grace {}s", deletion.grace_s));
    let mut fields = vec![
        ("deletion".into(), deletion),
        ("labels".into(), cx.pairs(meta.labels)),
        ("owners".into(), owners),
        ("finalizers".into(), finalizers),
    ];
    for &(key, value) in cx.labels.pairs(meta.annotations) {
        fields.push((format!("annotations.{}", cx.names.text(key)), cx.text(value)));
    }
    fields
}

fn pod(cx: &Cx, pod: &Pod) -> Fields {
    let class = cx.classes.get(pod.class);
    let images = class.containers.iter().map(|container| cx.text(container.image)).collect::<Vec<_>>().join(",");
    vec![("spec.nodeName".into(), cx.text(pod.node)), ("spec.image".into(), images)]
}

fn pod_status(cx: &Cx, status: &PodStatus) -> Fields {
    let mut fields = vec![
        ("status.phase".into(), status.phase.text().into()),
        ("status.reason".into(), cx.text(status.reason)),
        ("status.message".into(), cx.text(status.message)),
        ("status.nominatedNodeName".into(), cx.text(status.nominated_node)),
        ("status.podIP".into(), if status.pod_ip == 0 { String::new() } else { Ipv4Addr::from(status.pod_ip).to_string() }),
    ];
    for (list, statuses) in [("init", &status.init_containers), ("container", &status.containers)] {
        for (at, container) in statuses.iter().enumerate() {
            fields.push((format!("status.{list}[{at}].state"), container_state(cx, container)));
            if container.restarts > 0 {
                fields.push((format!("status.{list}[{at}].restartCount"), container.restarts.to_string()));
            }
        }
    }
    conditions(cx, &status.conditions, &mut fields);
    fields
}

/// Resources of each container: wanted, set aside, had.
fn pod_allocation(cx: &Cx, resources: &PodAllocation) -> Fields {
    let mut fields = Vec::new();
    let parts =
        [("spec", "resources", resources.desired), ("status", "allocated", resources.allocated), ("status", "resources", resources.actual)];
    for (place, field, class) in parts {
        let class = cx.classes.get(class);
        for (list, containers) in [("init", &class.init_containers), ("container", &class.containers)] {
            for (at, container) in containers.iter().enumerate() {
                let amounts = |amounts: &Resources| {
                    let pairs =
                        amounts.pairs().map(|(resource, amount)| format!("{}={}", cx.names.text(resource), amount_text(resource, amount)));
                    pairs.collect::<Vec<_>>().join(",")
                };
                let (requests, limits) = (amounts(&container.requests), amounts(&container.limits));
                let limits = if limits.is_empty() || field == "allocated" { String::new() } else { format!(" of {limits}") };
                fields.push((format!("{place}.{list}[{at}].{field}"), requests + &limits));
            }
        }
    }
    fields
}

fn container_state(cx: &Cx, status: &ContainerStatus) -> String {
    match status.state {
        ContainerState::Waiting { reason, .. } => format!("waiting {}", cx.names.text(reason)).trim_end().to_string(),
        ContainerState::Running { .. } => match (status.started, status.ready) {
            (_, true) => "running ready".into(),
            (true, false) => "running".into(),
            (false, false) => "running starting".into(),
        },
        ContainerState::Terminated(end) => format!("terminated {} {}", end.exit_code, cx.names.text(end.reason)),
    }
}

fn conditions(cx: &Cx, list: &[Condition], fields: &mut Fields) {
    for condition in list {
        let reason = cx.names.text(condition.reason);
        let value = if reason.is_empty() { condition.status.text().to_string() } else { format!("{} {reason}", condition.status.text()) };
        fields.push((format!("conditions.{}", cx.names.text(condition.kind)), value));
    }
}

fn node(cx: &Cx, node: &Node) -> Fields {
    let taints = node.taints.iter().map(|taint| {
        let value = cx.names.text(taint.value);
        let key = cx.names.text(taint.key);
        if value.is_empty() { format!("{key}:{}", taint.effect.text()) } else { format!("{key}={value}:{}", taint.effect.text()) }
    });
    vec![
        ("spec.unschedulable".into(), if node.unschedulable { "true".into() } else { String::new() }),
        ("spec.taints".into(), taints.collect::<Vec<_>>().join(",")),
    ]
}

fn node_status(cx: &Cx, status: &NodeStatus) -> Fields {
    let mut fields = Vec::new();
    conditions(cx, &status.conditions, &mut fields);
    fields
}

fn replicas(replicas: i32) -> (String, String) {
    ("spec.replicas".into(), replicas.to_string())
}

fn count(field: &str, value: i32) -> (String, String) {
    (field.into(), if value == 0 { "0".into() } else { value.to_string() })
}

fn replica_set_status(cx: &Cx, status: &ReplicaSetStatus) -> Fields {
    let mut fields = vec![
        count("status.replicas", status.replicas),
        count("status.readyReplicas", status.ready),
        count("status.availableReplicas", status.available),
        count("status.terminatingReplicas", status.terminating.unwrap_or(0)),
    ];
    conditions(cx, &status.conditions, &mut fields);
    fields.retain(|(_, value)| value != "0");
    fields
}

fn deployment(cx: &Cx, deployment: &Deployment) -> Fields {
    vec![
        replicas(deployment.replicas),
        ("spec.template.image".into(), cx.images(deployment.template)),
        ("spec.paused".into(), if deployment.paused { "true".into() } else { String::new() }),
    ]
}

fn deployment_status(cx: &Cx, status: &DeploymentStatus) -> Fields {
    let mut fields = vec![
        count("status.replicas", status.replicas),
        count("status.updatedReplicas", status.updated),
        count("status.readyReplicas", status.ready),
        count("status.availableReplicas", status.available),
        count("status.unavailableReplicas", status.unavailable),
        count("status.terminatingReplicas", status.terminating.unwrap_or(0)),
    ];
    fields.retain(|(_, value)| value != "0");
    conditions(cx, &status.conditions, &mut fields);
    fields
}

fn service(service: &Service) -> Fields {
    let address = match service.cluster_ip {
        0 => String::new(),
        Service::HEADLESS => "None".into(),
        ip => Ipv4Addr::from(ip).to_string(),
    };
    let mut fields = vec![("spec.clusterIP".into(), address)];
    let node_ports: Vec<String> = service.ports.iter().filter(|port| port.node_port > 0).map(|port| port.node_port.to_string()).collect();
    if !node_ports.is_empty() {
        fields.push(("spec.nodePorts".into(), node_ports.join(",")));
    }
    if service.kind != ServiceType::ClusterIP {
        fields.push(("spec.type".into(), service.kind.text().into()));
    }
    fields
}

fn service_status(cx: &Cx, status: &ServiceStatus) -> Fields {
    let place = |ingress: &BalancerIngress| match ingress.ip {
        0 => cx.names.text(ingress.hostname).to_string(),
        ip => Ipv4Addr::from(ip).to_string(),
    };
    let places: Vec<String> = status.ingress.iter().map(place).collect();
    if places.is_empty() { Vec::new() } else { vec![("status.loadBalancer".into(), places.join(","))] }
}

fn addresses(cx: &Cx, list: &[Endpoint]) -> String {
    let one = |endpoint: &Endpoint| {
        let pod = cx.names.render(endpoint.pod);
        if pod.is_empty() { Ipv4Addr::from(endpoint.ip).to_string() } else { pod }
    };
    list.iter().map(one).collect::<Vec<_>>().join(",")
}

fn endpoints(cx: &Cx, endpoints: &Endpoints) -> Fields {
    let join = |part: fn(&crate::model::network::EndpointSubset) -> &[Endpoint]| {
        endpoints.subsets.iter().map(|subset| addresses(cx, part(subset))).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(",")
    };
    vec![("addresses".into(), join(|subset| &subset.ready)), ("notReadyAddresses".into(), join(|subset| &subset.not_ready))]
}

fn endpoint_slice(cx: &Cx, slice: &EndpointSlice) -> Fields {
    let of = |keep: fn(&Endpoint) -> bool| {
        let list: Vec<Endpoint> = slice.endpoints.iter().copied().filter(keep).collect();
        addresses(cx, &list)
    };
    vec![
        ("endpoints.ready".into(), of(|e| e.ready)),
        ("endpoints.notReady".into(), of(|e| !e.ready && !e.terminating)),
        ("endpoints.terminating".into(), of(|e| e.terminating)),
    ]
}
