//! Nodes: what they can give, and what the pods on them ask for.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeNode`, `describeNodeResource`.

use super::{Cluster, Events, Page};
use crate::render::age::{age, rfc1123};
use crate::render::get::roles;
use crate::render::look::{flag, has, list, map, scalar, scalar_or, text};
use serde_json::Value;
use wavetank_engine::model::pod_resources::{ResourceList, pod_limits, pod_requests};
use wavetank_engine::model::quantity::Quantity;

const CONDITIONS: &[(&str, &str)] = &[
    ("Type", "/type"),
    ("Status", "/status"),
    ("LastHeartbeatTime", "/lastHeartbeatTime"),
    ("LastTransitionTime", "/lastTransitionTime"),
    ("Reason", "/reason"),
    ("Message", "/message"),
];

/// Resources that every node has and the table of allocated resources lists by itself.
const STANDARD: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

pub(super) fn write(page: &mut Page, node: &Value, cluster: &dyn Cluster, now: i64) -> Events {
    page.field(0, "Name", text(node, "/metadata/name"));
    page.field(0, "Roles", roles(node));
    page.labels_and_annotations(node);
    page.field(0, "CreationTimestamp", rfc1123(node, "/metadata/creationTimestamp"));
    page.taints(node);
    page.field(0, "Unschedulable", flag(node, "/spec/unschedulable"));
    lease(page, node, cluster);
    page.conditions(node, CONDITIONS, true, 5);
    page.line(0, "Addresses:");
    list(node, "/status/addresses").iter().for_each(|address| page.field(1, text(address, "/type"), text(address, "/address")));
    for (title, pointer) in [("Capacity", "/status/capacity"), ("Allocatable", "/status/allocatable")] {
        amounts(page, title, node, pointer);
    }
    system(page, node);
    pods(page, node, cluster, now);
    Events::Shown
}

fn lease(page: &mut Page, node: &Value, cluster: &dyn Cluster) {
    let name = text(node, "/metadata/name");
    let mine = |lease: &&Value| text(lease, "/metadata/namespace") == "kube-node-lease" && text(lease, "/metadata/name") == name;
    let leases = cluster.list("Lease");
    let Some(lease) = leases.iter().find(mine) else {
        return page.field(0, "Lease", format_args!("Failed to get lease: leases.coordination.k8s.io {name:?} not found"));
    };
    page.line(0, "Lease:");
    page.field(1, "HolderIdentity", scalar_or(lease, "/spec/holderIdentity", "<unset>"));
    for (label, pointer) in [("AcquireTime", "/spec/acquireTime"), ("RenewTime", "/spec/renewTime")] {
        page.field(1, label, if has(lease, pointer) { rfc1123(lease, pointer) } else { "<unset>".to_string() });
    }
}

fn amounts(page: &mut Page, title: &str, node: &Value, pointer: &str) {
    let mut amounts: Vec<(&String, &Value)> = map(node, pointer).into_iter().flatten().collect();
    amounts.sort_by_key(|&(name, _)| name);
    if !amounts.is_empty() {
        page.line(0, format_args!("{title}:"));
    }
    amounts.into_iter().for_each(|(name, amount)| page.field(1, name, scalar(amount, "")));
}

fn system(page: &mut Page, node: &Value) {
    page.line(0, "System Info:");
    for (label, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        page.field(1, label, scalar(node, &format!("/status/nodeInfo/{field}")));
    }
    page.field_if(0, "PodCIDR", node, "/spec/podCIDR");
    let ranges: Vec<&str> = list(node, "/spec/podCIDRs").iter().filter_map(Value::as_str).collect();
    if !ranges.is_empty() {
        page.field(0, "PodCIDRs", ranges.join(","));
    }
    page.field_if(0, "ProviderID", node, "/spec/providerID");
}

fn pods(page: &mut Page, node: &Value, cluster: &dyn Cluster, now: i64) {
    let name = text(node, "/metadata/name");
    let living = |pod: &Value| text(pod, "/spec/nodeName") == name && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    let pods: Vec<Value> = cluster.list("Pod").into_iter().filter(living).collect();
    let given = Given::of(node);
    page.field(0, "Non-terminated Pods", format_args!("({} in total)", pods.len()));
    page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let (mut requests, mut limits) = (ResourceList::new(), ResourceList::new());
    for pod in &pods {
        let spec = pod.get("spec").unwrap_or(&Value::Null);
        let (own_requests, own_limits) = (pod_requests(spec), pod_limits(spec));
        let cells = [("cpu", &own_requests), ("cpu", &own_limits), ("memory", &own_requests), ("memory", &own_limits)]
            .map(|(resource, list)| given.share(resource, list));
        let [namespace, name] = ["/metadata/namespace", "/metadata/name"].map(|pointer| text(pod, pointer));
        page.line(1, format_args!("{namespace}\t{name}\t\t{}\t{}", cells.join("\t"), age(pod, now)));
        add(&mut requests, own_requests);
        add(&mut limits, own_limits);
    }
    page.line(0, "Allocated resources:");
    page.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
    page.line(1, "Resource\tRequests\tLimits");
    page.line(1, "--------\t--------\t------");
    let pages = given.0.keys().map(String::as_str).filter(|resource| resource.starts_with("hugepages-"));
    for resource in STANDARD.into_iter().filter(|&resource| resource != "pods").chain(pages) {
        page.line(1, format_args!("{resource}\t{}\t{}", given.share(resource, &requests), given.share(resource, &limits)));
    }
    let extended = given.0.keys().filter(|resource| !STANDARD.contains(&resource.as_str()) && !resource.starts_with("hugepages-"));
    for resource in extended {
        page.line(1, format_args!("{resource}\t{}\t{}", amount(&requests, resource), amount(&limits, resource)));
    }
}

fn add(sum: &mut ResourceList, amounts: ResourceList) {
    for (resource, amount) in amounts {
        match sum.get_mut(&resource) {
            Some(sum) => *sum += &amount,
            None => {
                sum.insert(resource, amount);
            }
        }
    }
}

fn amount(list: &ResourceList, resource: &str) -> String {
    list.get(resource).map_or_else(|| "0".to_string(), Quantity::to_string)
}

/// What the node gives to pods: its allocatable, or its capacity when it reports no allocatable.
struct Given(ResourceList);

impl Given {
    fn of(node: &Value) -> Given {
        let allocatable = map(node, "/status/allocatable").filter(|amounts| !amounts.is_empty());
        let amounts = allocatable.or_else(|| map(node, "/status/capacity"));
        let read = |(name, amount): (&String, &Value)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?));
        Given(amounts.into_iter().flatten().filter_map(read).collect())
    }

    /// An amount and its share of the node, whole per cent cut: `250m (12%)`. CPU counts in thousandths.
    fn share(&self, resource: &str, list: &ResourceList) -> String {
        let number = |quantity: &Quantity| i128::from(if resource == "cpu" { quantity.milli_value() } else { quantity.value() });
        let (used, given) = (list.get(resource).map_or(0, number), self.0.get(resource).map_or(0, number));
        let percent = if given == 0 { 0 } else { used * 100 / given };
        format!("{} ({percent}%)", amount(list, resource))
    }
}
