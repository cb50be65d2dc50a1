//! What a client sees who connects, and why: name, Ingress rule, Service, policies, endpoints with their shares.
//!
//! Computed for whoever asks; nothing of it exists while a scene runs. Source: `spec/networking.md` §6, §9, §10, §11.

mod asking;

use crate::network::dns::{self, Answer};
use crate::network::ingress::Ingresses;
use crate::network::look::{Cluster, EndpointView, NodeView, PodView};
use crate::network::policy::Policies;
use asking::Asking;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use wavetank_engine::api::json_out::list_json;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::scene::expect::Connects;
use wavetank_engine::scene::network::{Cni, NetworkSettings, ProxyMode};
use wavetank_engine::simulation::Simulation;

/// Lets scenes claim what clients see.
pub fn install(sim: &mut Simulation) {
    sim.resource(Connects(outcome));
}

/// Name and version of the machine-readable form.
pub const SCHEMA: &str = "wavetank.connect/1";
/// The address of a client outside the cluster that names none.
const OUTSIDE: u32 = u32::from_be_bytes([198, 51, 100, 1]);

/// One thing that happens to a connection on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who: `dns`, `ingress`, `service`, `load balancer`, `policy`, `network`.
    pub who: &'static str,
    /// What.
    pub what: String,
}

/// An endpoint that a connection may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// `ip:port`.
    pub address: String,
    /// Its pod; empty: none.
    pub pod: String,
    /// Its node; empty: none.
    pub node: String,
    /// How many of a million connections it gets.
    pub share_ppm: u32,
    /// What the policies say.
    pub verdict: String,
    /// Whether they let it pass.
    pub allowed: bool,
}

/// What a client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// In a word: `connected`, `refused`, `timed out`, `NXDOMAIN`, `no address`, `404`, `503`.
    pub outcome: &'static str,
    /// What happened on the way.
    pub steps: Vec<Step>,
    /// Endpoints that it may get.
    pub endpoints: Vec<Chosen>,
}

impl Seen {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for step in &self.steps {
            out.push_str(&format!("{:<14} {}\n", step.who, step.what));
        }
        for endpoint in &self.endpoints {
            let place = [&endpoint.pod, &endpoint.node].into_iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>();
            let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(" on ")) };
            let percent = format!("{}.{} %", endpoint.share_ppm / 10_000, endpoint.share_ppm / 1000 % 10);
            out.push_str(&format!("{:<14} {}{place} {percent}; {}\n", "endpoint", endpoint.address, endpoint.verdict));
        }
        out + &format!("{:<14} {}\n", "outcome", self.outcome)
    }

    /// The object `wavetank.connect/1`.
    pub fn json(&self) -> Value {
        let step = |step: &Step| json!({"who": step.who, "what": step.what});
        let endpoint = |one: &Chosen| {
            json!({
                "address": one.address, "pod": one.pod, "node": one.node, "share_ppm": one.share_ppm, "allowed": one.allowed,
                "verdict": one.verdict,
            })
        };
        json!({
            "schema": SCHEMA, "outcome": self.outcome, "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "endpoints": self.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        })
    }
}

/// Who connects.
enum Client {
    Pod(PodView),
    Node(NodeView),
    Outside(u32),
}

/// Where to, taken apart: `[http://]host[:port][/path]`.
struct Target<'t> {
    http: bool,
    host: &'t str,
    port: Option<u16>,
    path: &'t str,
}

/// Tells what a client sees: `from` is `pod/name`, `pod/namespace/name`, `node/name`, `outside` or an address; `to` is
/// `[http://]host[:port][/path]`, where the host may be `service/name`, `pod/name` or `node/name` too. `resolved`: what the client keeps
/// from an earlier question for the name.
///
/// # Errors
/// When there is no such client, or the target makes no sense.
pub fn connect(sim: &Simulation, from: &str, to: &str, mode: Option<ProxyMode>, resolved: Option<Answer>) -> Result<Seen, String> {
    let cluster = Cluster::new(sim);
    let settings = sim.find::<NetworkSettings>().cloned().unwrap_or_default();
    let policies = match settings.cni {
        Cni::Calico => Policies::read(objects(sim, "NetworkPolicy")),
        Cni::Flannel => Policies::default(),
    };
    let client = client_of(&cluster, from)?;
    let cloud = settings.load_balancers.as_ref().map(|balancers| balancers.addresses);
    let mode = mode.unwrap_or(settings.proxy_mode);
    let mut asking = Asking { cluster, client, mode, policies, cni: settings.cni, cloud, steps: Vec::new() };
    let target = target_of(to)?;
    Ok(asking.target(&target, resolved))
}

/// The same in a word, for claims of scenes.
pub fn outcome(sim: &Simulation, from: &str, to: &str) -> String {
    match connect(sim, from, to, None, None) {
        Ok(seen) => seen.outcome.to_string(),
        Err(what) => format!("nothing ({what})"),
    }
}

/// Asks the name service on behalf of a client.
///
/// # Errors
/// When there is no such client.
pub fn ask_name(sim: &Simulation, from: &str, name: &str) -> Result<Answer, String> {
    let cluster = Cluster::new(sim);
    let search = match client_of(&cluster, from)? {
        Client::Pod(pod) => dns::search_path(&pod).unwrap_or_default(),
        Client::Node(_) | Client::Outside(_) => Vec::new(),
    };
    Ok(dns::resolve(&cluster, name, &search))
}

/// The host of a target, for [`ask_name`].
///
/// # Errors
/// When the target makes no sense.
pub fn host_of(to: &str) -> Result<String, String> {
    Ok(target_of(to)?.host.to_string())
}

fn objects(sim: &Simulation, kind: &str) -> Vec<Value> {
    sim.get::<Kinds>().find(kind).map_or_else(Vec::new, |kind| list_json(sim, kind, None))
}

/// The Ingresses and classes of a moment.
pub fn ingresses(sim: &Simulation) -> Ingresses {
    Ingresses::read(objects(sim, "Ingress"), &objects(sim, "IngressClass"))
}

fn client_of(cluster: &Cluster<'_>, from: &str) -> Result<Client, String> {
    let parts: Vec<&str> = from.split('/').collect();
    match parts[..] {
        ["outside"] => Ok(Client::Outside(OUTSIDE)),
        ["pod" | "po", name] => pod(cluster, "default", name).map(Client::Pod),
        ["pod" | "po", namespace, name] => pod(cluster, namespace, name).map(Client::Pod),
        ["node" | "no", name] => cluster.node(name).map(Client::Node).ok_or_else(|| format!("there is no node {name:?}")),
        _ => match from.parse::<Ipv4Addr>() {
            Ok(ip) => Ok(Client::Outside(u32::from(ip))),
            Err(_) => Err(format!("found {from:?}, expected pod/NAME, pod/NAMESPACE/NAME, node/NAME, outside, or an address")),
        },
    }
}

/// A pod by its name; one `*` stands for any text, and the first by name is taken.
fn pod(cluster: &Cluster<'_>, namespace: &str, name: &str) -> Result<PodView, String> {
    let missing = || format!("there is no pod {namespace}/{name}");
    if !name.contains('*') {
        return cluster.pod(namespace, name).ok_or_else(missing);
    }
    let target = wavetank_engine::scene::targets::Target::parse(&format!("pod/{namespace}/{name}")).ok_or_else(missing)?;
    let object = *target.find(cluster.sim).first().ok_or_else(missing)?;
    let row = cluster.sim.get::<wavetank_engine::api::objects::Objects>().row(object).ok_or_else(missing)?;
    let name = cluster.sim.get::<wavetank_engine::names::Names>().render(row.key.name);
    cluster.pod(namespace, &name).ok_or_else(missing)
}

fn target_of(to: &str) -> Result<Target<'_>, String> {
    let wrong = || format!("found {to:?}, expected [http://]HOST[:PORT][/PATH], service/NAME[:PORT], pod/NAME:PORT or node/NAME:PORT");
    let (http, rest) = match to.split_once("://") {
        Some(("http", rest)) => (true, rest),
        Some(_) => return Err(wrong()),
        None => (false, to),
    };
    let (place, path) = match rest.split_once('/') {
        Some((host, path)) if http => (host, &rest[rest.len() - path.len() - 1..]),
        _ => (rest, "/"),
    };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
        None => (place, None),
    };
    if host.is_empty() || host.contains("//") {
        return Err(wrong());
    }
    Ok(Target { http, host, port: port.or(http.then_some(80)), path })
}

/// Ready endpoints of a backend; those on their way out where none is ready. `None`: no such Service or port.
pub fn backend_endpoints(cluster: &Cluster<'_>, namespace: &str, service: &str, port: &str) -> Option<Vec<EndpointView>> {
    let (_, ports) = cluster.service(namespace, service)?;
    let view = ports.into_iter().find(|one| one.port.to_string() == port || !port.is_empty() && one.port_name == port)?;
    let ready: Vec<EndpointView> = view.endpoints.iter().filter(|endpoint| endpoint.ready).cloned().collect();
    if !ready.is_empty() {
        return Some(ready);
    }
    Some(view.endpoints.into_iter().filter(|endpoint| endpoint.serving && endpoint.terminating).collect())
}
