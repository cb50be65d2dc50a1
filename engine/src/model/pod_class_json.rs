//! Digests a defaulted pod spec (JSON) into a [`PodClass`].

use crate::model::node::Effect;
use crate::model::pod_class::{Container, ContainerPort, Handler, PodClass, Probe, RestartAction, RestartPolicy, RestartRule, Toleration};
use crate::model::raw::Raw;
use crate::model::resources::Resources;
use crate::names::{Names, Sym};
use crate::time::SimDuration;
use serde_json::Value;

/// Digests a spec. Fields of a wrong type count as absent: validation has refused them before.
pub(crate) fn digest(names: &mut Names, raw: Raw) -> PodClass {
    let spec = raw.value().clone();
    let init_containers = containers(names, &spec, "initContainers");
    let containers = containers(names, &spec, "containers");
    let requests = effective_requests(names, &spec, &init_containers, &containers);
    let qos = crate::model::pod_resources::qos_class(&spec);
    let volumes = || spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    PodClass {
        restart_policy: restart_policy(spec.get("restartPolicy")).unwrap_or(RestartPolicy::Always),
        may_restart_all: ["initContainers", "containers"].into_iter().any(|list| {
            let rules = spec.get(list).and_then(Value::as_array).into_iter().flatten().flat_map(restart_rules);
            rules.into_iter().any(|rule| rule.action == RestartAction::RestartAllContainers)
        }),
        grace_s: number(&spec, "terminationGracePeriodSeconds").unwrap_or(30).max(0) as u32,
        active_deadline: number(&spec, "activeDeadlineSeconds").map(|s| SimDuration::from_secs(s.max(0) as u64)),
        tolerations: tolerations(names, &spec),
        priority: number(&spec, "priority").unwrap_or(0) as i32,
        hostname: names.sym(spec.get("hostname").and_then(Value::as_str).unwrap_or("")),
        subdomain: names.sym(spec.get("subdomain").and_then(Value::as_str).unwrap_or("")),
        scheduler_name: names.sym(spec.get("schedulerName").and_then(Value::as_str).unwrap_or("default-scheduler")),
        host_network: spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or(false),
        claims: volumes().filter_map(|v| v.pointer("/persistentVolumeClaim/claimName")?.as_str()).map(|name| names.sym(name)).collect(),
        own_claims: volumes()
            .filter(|volume| volume.get("ephemeral").is_some_and(Value::is_object))
            .filter_map(|volume| volume.get("name")?.as_str())
            .map(|name| names.sym(name))
            .collect(),
        gated: spec.get("schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()),
        raw,
        init_containers,
        containers,
        requests,
        qos,
    }
}

/// The pairs of a JSON object of strings.
pub(crate) fn string_pairs(names: &mut Names, map: Option<&Value>) -> Vec<(Sym, Sym)> {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(key, value)| value.as_str().map(|value| (names.sym(key), names.sym(value)))).collect()
}

fn number(object: &Value, field: &str) -> Option<i64> {
    object.get(field).and_then(Value::as_i64)
}

fn text(names: &mut Names, object: &Value, field: &str) -> Sym {
    names.sym(object.get(field).and_then(Value::as_str).unwrap_or(""))
}

/// A number or a text, as text: ports and the like.
fn number_or_text(names: &mut Names, value: Option<&Value>) -> Sym {
    match value {
        Some(Value::String(text)) => names.sym(text),
        Some(Value::Number(number)) => names.sym(&number.to_string()),
        _ => Sym::EMPTY,
    }
}

fn restart_policy(value: Option<&Value>) -> Option<RestartPolicy> {
    match value.and_then(Value::as_str)? {
        "Always" => Some(RestartPolicy::Always),
        "OnFailure" => Some(RestartPolicy::OnFailure),
        "Never" => Some(RestartPolicy::Never),
        _ => None,
    }
}

fn containers(names: &mut Names, spec: &Value, field: &str) -> Vec<Container> {
    let list = spec.get(field).and_then(Value::as_array).into_iter().flatten();
    list.map(|container| self::container(names, container)).collect()
}

fn container(names: &mut Names, container: &Value) -> Container {
    let resources = container.get("resources");
    let pull = container.get("imagePullPolicy").and_then(Value::as_str);
    let lifecycle = container.get("lifecycle");
    let ports = container.get("ports").and_then(Value::as_array).into_iter().flatten();
    Container {
        name: text(names, container, "name"),
        image: text(names, container, "image"),
        pull_always: pull == Some("Always"),
        pull_never: pull == Some("Never"),
        restart_policy: restart_policy(container.get("restartPolicy")),
        restart_rules: restart_rules(container),
        requests: Resources::from_json(names, resources.and_then(|r| r.get("requests"))),
        limits: Resources::from_json(names, resources.and_then(|r| r.get("limits"))),
        ports: ports.map(|port| container_port(names, port)).collect(),
        liveness: probe(names, container.get("livenessProbe")),
        readiness: probe(names, container.get("readinessProbe")),
        startup: probe(names, container.get("startupProbe")),
        pre_stop: lifecycle.and_then(|l| handler(names, l.get("preStop")?)),
        post_start: lifecycle.and_then(|l| handler(names, l.get("postStart")?)),
    }
}

fn restart_rules(container: &Value) -> Box<[RestartRule]> {
    let rules = container.get("restartPolicyRules").and_then(Value::as_array).into_iter().flatten();
    let rule = |rule: &Value| {
        let action = match rule.get("action")?.as_str()? {
            "Restart" => RestartAction::Restart,
            "RestartAllContainers" => RestartAction::RestartAllContainers,
            _ => return None,
        };
        let codes = rule.pointer("/exitCodes/values").and_then(Value::as_array).into_iter().flatten();
        let codes = codes.filter_map(|code| i32::try_from(code.as_i64()?).ok()).collect();
        Some(RestartRule { action, within: rule.pointer("/exitCodes/operator")? == "In", codes })
    };
    rules.filter_map(rule).collect()
}

fn container_port(names: &mut Names, port: &Value) -> ContainerPort {
    let number = |field: &str| port.get(field).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    let (container_port, host_port) = (number("containerPort"), number("hostPort"));
    let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
    ContainerPort {
        name: text(names, port, "name"),
        port: container_port,
        host_port,
        host_ip: text(names, port, "hostIP"),
        protocol: names.sym(protocol),
    }
}

fn probe(names: &mut Names, probe: Option<&Value>) -> Option<Probe> {
    let probe = probe?;
    let number = |field: &str, default: u32| number(probe, field).map_or(default, |n| n.clamp(0, i64::from(u32::MAX)) as u32);
    Some(Probe {
        initial_delay_s: number("initialDelaySeconds", 0),
        period_s: number("periodSeconds", 10).max(1),
        timeout_s: number("timeoutSeconds", 1).max(1),
        success_threshold: number("successThreshold", 1).max(1),
        failure_threshold: number("failureThreshold", 3).max(1),
        grace_s: self::number(probe, "terminationGracePeriodSeconds").map(|s| s.max(0) as u32),
        handler: handler(names, probe)?,
    })
}

fn handler(names: &mut Names, holder: &Value) -> Option<Handler> {
    if let Some(exec) = holder.get("exec") {
        let words: Vec<&str> = exec.get("command").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        return Some(Handler::Exec(names.sym(&words.join(" "))));
    }
    if let Some(http) = holder.get("httpGet") {
        let path = http.get("path").and_then(Value::as_str).unwrap_or("/");
        return Some(Handler::Http { path: names.sym(path), port: number_or_text(names, http.get("port")) });
    }
    if let Some(tcp) = holder.get("tcpSocket") {
        return Some(Handler::Tcp(number_or_text(names, tcp.get("port"))));
    }
    if let Some(grpc) = holder.get("grpc") {
        return Some(Handler::Grpc(number(grpc, "port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0)));
    }
    let sleep = holder.get("sleep")?;
    Some(Handler::Sleep(SimDuration::from_secs(number(sleep, "seconds").unwrap_or(0).max(0) as u64)))
}

fn tolerations(names: &mut Names, spec: &Value) -> Vec<Toleration> {
    let list = spec.get("tolerations").and_then(Value::as_array).into_iter().flatten();
    list.map(|toleration| Toleration {
        key: text(names, toleration, "key"),
        exists: toleration.get("operator").and_then(Value::as_str) == Some("Exists"),
        value: text(names, toleration, "value"),
        effect: toleration.get("effect").and_then(Value::as_str).and_then(Effect::parse),
        seconds: number(toleration, "tolerationSeconds"),
    })
    .collect()
}

/// max(sum of containers and sidecars, max over init containers of it and the sidecars before it), pod-level values in place
/// where given, then overhead. Source: `spec/scheduler.md` §3.
fn effective_requests(names: &mut Names, spec: &Value, init: &[Container], app: &[Container]) -> Resources {
    let mut total = Resources::default();
    for container in app {
        total.add(&container.requests);
    }
    let mut sidecars = Resources::default();
    let mut peak = Resources::default();
    for container in init {
        if container.sidecar() {
            sidecars.add(&container.requests);
            peak.max(&sidecars);
        } else {
            let mut with = sidecars.clone();
            with.add(&container.requests);
            peak.max(&with);
        }
    }
    total.add(&sidecars);
    total.max(&peak);
    let pod_level = Resources::from_json(names, spec.get("resources").and_then(|r| r.get("requests")));
    for (resource, amount) in pod_level.pairs() {
        total.set(resource, amount);
    }
    total.add(&Resources::from_json(names, spec.get("overhead")));
    total
}
