//! NetworkPolicies: whether a connection is allowed, and by which rule.
//!
//! A pod that some policy selects in a direction gets only what the rules of these policies allow together. Both ends are asked.
//! Source: `spec/networking.md` §11.

use crate::network::look::Labels;
use crate::network::proxy::in_range;
use serde_json::Value;
use wavetank_engine::model::selector::Selector;

/// Which way a connection goes, seen from the pod that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Direction::Ingress => "Ingress",
            Direction::Egress => "Egress",
        }
    }

    const fn fields(self) -> (&'static str, &'static str) {
        match self {
            Direction::Ingress => ("ingress", "from"),
            Direction::Egress => ("egress", "to"),
        }
    }
}

/// One end of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address as a big-endian number.
    pub ip: u32,
    /// What it is when it is a pod with an address of its own.
    pub pod: Option<PeerPod>,
}

/// A pod as policies see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerPod {
    /// Namespace.
    pub namespace: String,
    /// Labels of the namespace.
    pub namespace_labels: Labels,
    /// Labels of the pod.
    pub labels: Labels,
    /// Names and numbers of its ports, with their protocols.
    pub ports: Vec<(String, u16, String)>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port<'a> {
    /// The port at the pod, after any translation.
    pub number: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: &'a str,
}

/// What policies say of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No policy selects the pod in this direction.
    NotIsolated,
    /// A rule allows it: `namespace/policy ingress[0]`.
    Allowed(String),
    /// No rule of these policies allows it.
    Denied(Vec<String>),
}

impl Verdict {
    /// Whether the connection may pass.
    pub fn allows(&self) -> bool {
        !matches!(self, Verdict::Denied(_))
    }

    /// In words.
    pub fn text(&self, direction: Direction) -> String {
        let word = direction.word().to_ascii_lowercase();
        match self {
            Verdict::NotIsolated => format!("{word} allowed: no policy selects the pod"),
            Verdict::Allowed(rule) => format!("{word} allowed by {rule}"),
            Verdict::Denied(policies) => format!("{word} denied: no rule of {} allows it", policies.join(", ")),
        }
    }
}

/// A policy, read once.
#[derive(Debug, Clone)]
pub struct Policy {
    namespace: String,
    name: String,
    spec: Value,
    selector: Selector,
}

/// All policies, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Policies(Vec<Policy>);

impl Policies {
    /// Reads NetworkPolicies.
    pub fn read(objects: impl IntoIterator<Item = Value>) -> Policies {
        let mut list: Vec<Policy> = objects
            .into_iter()
            .filter_map(|object| {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_string();
                let selector = Selector::of_json(&object["spec"]["podSelector"]).ok()?;
                // A missing selector is an empty one here: it selects every pod.
                let selector = if object["spec"]["podSelector"].is_null() { Selector::everything() } else { selector };
                Some(Policy { namespace: text("namespace"), name: text("name"), spec: object["spec"].clone(), selector })
            })
            .collect();
        list.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Policies(list)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What policies say of `pod` about a connection with `other`.
    pub fn verdict(&self, pod: &PeerPod, other: &Peer, direction: Direction, port: Port<'_>) -> Verdict {
        let (rules_field, peers_field) = direction.fields();
        let isolates = |policy: &&Policy| {
            policy.namespace == pod.namespace
                && policy.spec["policyTypes"].as_array().into_iter().flatten().any(|word| word == direction.word())
                && policy.selector.matches(|key| pod.labels.get(key).map(String::as_str))
        };
        let isolating: Vec<&Policy> = self.0.iter().filter(isolates).collect();
        // A named port is looked up at the pod that is connected to.
        let ports = match direction {
            Direction::Ingress => &pod.ports[..],
            Direction::Egress => other.pod.as_ref().map_or(&[][..], |other| &other.ports),
        };
        for policy in &isolating {
            for (at, rule) in policy.spec[rules_field].as_array().into_iter().flatten().enumerate() {
                if allows_port(&rule["ports"], ports, port) && allows_peer(&rule[peers_field], &policy.namespace, other) {
                    return Verdict::Allowed(format!("{}/{} {rules_field}[{at}]", policy.namespace, policy.name));
                }
            }
        }
        match isolating.is_empty() {
            true => Verdict::NotIsolated,
            false => Verdict::Denied(isolating.iter().map(|policy| format!("{}/{}", policy.namespace, policy.name)).collect()),
        }
    }
}

fn allows_port(ports: &Value, named: &[(String, u16, String)], asked: Port<'_>) -> bool {
    let Some(list) = ports.as_array().filter(|list| !list.is_empty()) else { return true };
    list.iter().any(|port| {
        if port["protocol"].as_str().unwrap_or("TCP") != asked.protocol {
            return false;
        }
        match &port["port"] {
            Value::Null => true,
            Value::String(name) => named.iter().any(|known| known.0 == *name && known.1 == asked.number && known.2 == asked.protocol),
            first => {
                let first = first.as_u64().unwrap_or(0);
                let last = port["endPort"].as_u64().unwrap_or(first);
                (first..=last).contains(&u64::from(asked.number))
            }
        }
    })
}

fn allows_peer(peers: &Value, own_namespace: &str, other: &Peer) -> bool {
    let Some(list) = peers.as_array().filter(|list| !list.is_empty()) else { return true };
    list.iter().any(|peer| {
        if let Some(cidr) = peer["ipBlock"]["cidr"].as_str() {
            let except = peer["ipBlock"]["except"].as_array().into_iter().flatten().filter_map(Value::as_str);
            return in_range(other.ip, cidr) && !except.into_iter().any(|range| in_range(other.ip, range));
        }
        let Some(pod) = &other.pod else { return false };
        let selects = |selector: &Value, labels: &Labels| {
            Selector::of_json(selector).is_ok_and(|selector| selector.matches(|key| labels.get(key).map(String::as_str)))
        };
        let in_namespace = match &peer["namespaceSelector"] {
            Value::Null => pod.namespace == own_namespace,
            selector => selects(selector, &pod.namespace_labels),
        };
        in_namespace && (peer["podSelector"].is_null() || selects(&peer["podSelector"], &pod.labels))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(namespace: &str, app: &str) -> PeerPod {
        PeerPod {
            namespace: namespace.into(),
            namespace_labels: Labels::from([("team".into(), namespace.into())]),
            labels: Labels::from([("app".into(), app.into())]),
            ports: vec![("http".into(), 8080, "TCP".into())],
        }
    }

    fn verdict(spec: Value, from: &Peer, port: u16) -> String {
        let policies = Policies::read([json!({"metadata": {"namespace": "shop", "name": "p"}, "spec": spec})]);
        policies.verdict(&pod("shop", "db"), from, Direction::Ingress, Port { number: port, protocol: "TCP" }).text(Direction::Ingress)
    }

    #[test]
    fn rules_table() {
        let web = Peer { ip: 0x0A00_0001, pod: Some(pod("shop", "web")) };
        let other = Peer { ip: 0x0A00_0002, pod: Some(pod("other", "web")) };
        let outside = Peer { ip: 0xC000_0201, pod: None };
        let ingress = |rules: Value| json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules});
        let (free, denied) = ("ingress allowed: no policy selects the pod", "ingress denied: no rule of shop/p allows it");
        let by = |nth: u32| format!("ingress allowed by shop/p ingress[{nth}]");
        for (spec, from, port, want) in [
            (json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}), &web, 80, free.to_string()),
            (json!({"podSelector": {}, "policyTypes": ["Egress"]}), &web, 80, free.to_string()),
            (json!({"podSelector": {}, "policyTypes": ["Ingress"]}), &web, 80, denied.to_string()),
            (ingress(json!([])), &web, 80, denied.to_string()),
            (ingress(json!([{}])), &outside, 80, by(0)),
            (ingress(json!([{"from": [{"podSelector": {}}]}])), &web, 80, by(0)),
            // A pod selector alone means the policy's own namespace.
            (ingress(json!([{"from": [{"podSelector": {}}]}])), &other, 80, denied.to_string()),
            (ingress(json!([{"from": [{"namespaceSelector": {"matchLabels": {"team": "other"}}}]}])), &other, 80, by(0)),
            // Both in one item: and. In two items: or.
            (
                ingress(json!([{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "db"}}}]}])),
                &other,
                80,
                denied.to_string(),
            ),
            (ingress(json!([{"from": [{"podSelector": {"matchLabels": {"app": "db"}}}, {"namespaceSelector": {}}]}])), &other, 80, by(0)),
            (ingress(json!([{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}])), &outside, 80, by(0)),
            (
                ingress(json!([{"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.0/30"]}}]}])),
                &outside,
                80,
                denied.to_string(),
            ),
            (ingress(json!([{"ports": [{"port": 80}]}, {"ports": [{"port": "http"}]}])), &web, 8080, by(1)),
            (ingress(json!([{"ports": [{"port": 8000, "endPort": 8080}]}])), &web, 8080, by(0)),
            (ingress(json!([{"ports": [{"protocol": "UDP", "port": 8080}]}])), &web, 8080, denied.to_string()),
        ] {
            assert_eq!(verdict(spec.clone(), from, port), want, "{spec} {from:?} {port}");
        }
    }
}
