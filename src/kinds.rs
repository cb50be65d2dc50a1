//! The names under which people ask for kinds: plural, singular, kubectl's short names, and group-qualified forms.

/// What the command line knows of one built-in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindInfo {
    /// Kind as written in manifests, `ReplicaSet`.
    pub kind: &'static str,
    /// Plural as in API paths, `replicasets`.
    pub plural: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// kubectl's short names.
    pub short: &'static [&'static str],
    /// Whether objects of the kind live in a namespace.
    pub namespaced: bool,
}

const fn kind(kind: &'static str, plural: &'static str, group: &'static str, short: &'static [&'static str], namespaced: bool) -> KindInfo {
    KindInfo { kind, plural, group, short, namespaced }
}

/// The built-in kinds, by group and name.
pub const KINDS: &[KindInfo] = &[
    kind("ConfigMap", "configmaps", "", &["cm"], true),
    kind("Endpoints", "endpoints", "", &["ep"], true),
    kind("Event", "events", "", &["ev"], true),
    kind("LimitRange", "limitranges", "", &["limits"], true),
    kind("Namespace", "namespaces", "", &["ns"], false),
    kind("Node", "nodes", "", &["no"], false),
    kind("PersistentVolume", "persistentvolumes", "", &["pv"], false),
    kind("PersistentVolumeClaim", "persistentvolumeclaims", "", &["pvc"], true),
    kind("Pod", "pods", "", &["po"], true),
    kind("ReplicationController", "replicationcontrollers", "", &["rc"], true),
    kind("ResourceQuota", "resourcequotas", "", &["quota"], true),
    kind("Secret", "secrets", "", &[], true),
    kind("Service", "services", "", &["svc"], true),
    kind("ServiceAccount", "serviceaccounts", "", &["sa"], true),
    kind("ControllerRevision", "controllerrevisions", "apps", &[], true),
    kind("DaemonSet", "daemonsets", "apps", &["ds"], true),
    kind("Deployment", "deployments", "apps", &["deploy"], true),
    kind("ReplicaSet", "replicasets", "apps", &["rs"], true),
    kind("StatefulSet", "statefulsets", "apps", &["sts"], true),
    kind("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling", &["hpa"], true),
    kind("CronJob", "cronjobs", "batch", &["cj"], true),
    kind("Job", "jobs", "batch", &[], true),
    kind("Lease", "leases", "coordination.k8s.io", &[], true),
    kind("EndpointSlice", "endpointslices", "discovery.k8s.io", &[], true),
    kind("Ingress", "ingresses", "networking.k8s.io", &["ing"], true),
    kind("IngressClass", "ingressclasses", "networking.k8s.io", &[], false),
    kind("NetworkPolicy", "networkpolicies", "networking.k8s.io", &["netpol"], true),
    kind("PodDisruptionBudget", "poddisruptionbudgets", "policy", &["pdb"], true),
    kind("PriorityClass", "priorityclasses", "scheduling.k8s.io", &["pc"], false),
    kind("StorageClass", "storageclasses", "storage.k8s.io", &["sc"], false),
];

/// The built-in kind that a person means by `name`, in any case: `po`, `pods`, `Pod`, `deployments.apps`.
/// `None` for a name that no built-in kind has; it may still be a custom resource.
pub fn find(name: &str) -> Option<&'static KindInfo> {
    let name = name.to_ascii_lowercase();
    let (name, group) = name.split_once('.').map_or((name.as_str(), None), |(name, group)| (name, Some(group)));
    KINDS.iter().find(|known| {
        let named = known.plural == name || known.kind.eq_ignore_ascii_case(name) || known.short.contains(&name);
        named && group.is_none_or(|group| group == known.group)
    })
}

/// The built-in name nearest to a misspelt one, for the message to the person; `None` when nothing is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    KINDS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&name, known.plural), known.plural))
        .min()
        .filter(|&(distance, _)| distance <= 3)
        .map(|(_, plural)| plural)
}

/// Whether an object of a custom kind answers to `name`, in any case: its kind, or any plain plural of it
/// (`widgets`, `meshes`, `proxies`), whatever group is written behind it.
pub fn answers_to(kind: &str, name: &str) -> bool {
    let (kind, name) = (kind.to_ascii_lowercase(), name.to_ascii_lowercase());
    let name = name.split_once('.').map_or(name.as_str(), |(name, _)| name);
    name == kind
        || name.strip_suffix('s') == Some(kind.as_str())
        || name.strip_suffix("es") == Some(kind.as_str())
        || name.strip_suffix("ies").is_some_and(|stem| kind.strip_suffix('y') == Some(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_people_use() {
        for (name, want) in [
            ("po", Some("Pod")),
            ("Pods", Some("Pod")),
            ("pod", Some("Pod")),
            ("deploy", Some("Deployment")),
            ("deployments.apps", Some("Deployment")),
            ("deployments.batch", None),
            ("ep", Some("Endpoints")),
            ("hpa", Some("HorizontalPodAutoscaler")),
            ("ingresses", Some("Ingress")),
            ("sts", Some("StatefulSet")),
            ("widgets", None),
        ] {
            assert_eq!(find(name).map(|known| known.kind), want, "{name}");
        }
        assert_eq!(nearest("deploments"), Some("deployments"));
        assert_eq!(nearest("widgets"), None);
        for (kind, name) in
            [("Widget", "widgets"), ("Proxy", "proxies"), ("Mesh", "meshes"), ("Box", "boxes"), ("Gateway", "gateways.example.com")]
        {
            assert!(answers_to(kind, name), "{kind} {name}");
        }
        assert!(!answers_to("Widget", "gadgets"));
    }

    #[test]
    fn names_are_unambiguous() {
        let mut names: Vec<&str> = KINDS.iter().flat_map(|known| known.short.iter().copied().chain([known.plural])).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
