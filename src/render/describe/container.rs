//! Containers of a pod or of a pod template.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeContainers`, `DescribeProbe`.

use super::Page;
use crate::render::age::rfc1123;
use crate::render::look::{flag, has, int, list, map, pairs, scalar, text};
use serde_json::Value;
use wavetank_engine::model::quantity::Quantity;

impl Page {
    /// A list of containers with their statuses. `pod` resolves the fields that environment variables refer to; a template
    /// has none. At a level above 0 names are indented by one more space, as kubectl does within a template.
    pub(super) fn containers(&mut self, level: usize, title: &str, containers: &[Value], statuses: &[Value], pod: Option<&Value>) {
        let none = if containers.is_empty() { " <none>" } else { "" };
        self.line(level, format_args!("{title}:{none}"));
        for container in containers {
            let name = text(container, "/name");
            let status = statuses.iter().find(|status| text(status, "/name") == name);
            self.line(1, format_args!("{}{name}:", if level > 0 { " " } else { "" }));
            self.basics(container, status);
            self.words("Command", list(container, "/command"));
            self.words("Args", list(container, "/args"));
            if let Some(status) = status {
                self.container_state("State", &status["state"]);
                if has(status, "/lastState/terminated") {
                    self.container_state("Last State", &status["lastState"]);
                }
                self.field(2, "Ready", if flag(status, "/ready") { "True" } else { "False" });
                self.field(2, "Restart Count", int(status, "/restartCount"));
            }
            self.resources(2, container.get("resources").unwrap_or(&Value::Null));
            for (label, field) in [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")] {
                if let Some(found) = container.get(field).filter(|found| !found.is_null()) {
                    self.field(2, label, probe(found));
                }
            }
            self.environment(container, pod);
            self.mounts(container);
        }
    }

    fn basics(&mut self, container: &Value, status: Option<&Value>) {
        if let Some(status) = status {
            self.field(2, "Container ID", text(status, "/containerID"));
        }
        self.field(2, "Image", text(container, "/image"));
        if let Some(status) = status {
            self.field(2, "Image ID", text(status, "/imageID"));
        }
        for (label, field) in [("Port", "/containerPort"), ("Host Port", "/hostPort")] {
            let ports: Vec<String> = list(container, "/ports").iter().map(|port| port_text(port, field)).collect();
            match ports.as_slice() {
                [] => self.field(2, label, "<none>"),
                [one] => self.field(2, label, one),
                many => self.field(2, &format!("{label}s"), many.join(", ")),
            }
        }
        self.field_if(2, "SeccompProfile", container, "/securityContext/seccompProfile/type");
        self.field_if(3, "LocalhostProfile", container, "/securityContext/seccompProfile/localhostProfile");
    }

    fn words(&mut self, title: &str, words: &[Value]) {
        if !words.is_empty() {
            self.line(2, format_args!("{title}:"));
            words.iter().filter_map(Value::as_str).flat_map(|word| word.split('\n')).for_each(|line| self.line(3, line));
        }
    }

    fn container_state(&mut self, label: &str, state: &Value) {
        if has(state, "/running") {
            self.field(2, label, "Running");
            self.field(3, "Started", rfc1123(state, "/running/startedAt"));
        } else if has(state, "/terminated") {
            self.field(2, label, "Terminated");
            self.field_if(3, "Reason", state, "/terminated/reason");
            self.field_if(3, "Message", state, "/terminated/message");
            self.field(3, "Exit Code", int(state, "/terminated/exitCode"));
            if int(state, "/terminated/signal") > 0 {
                self.field(3, "Signal", int(state, "/terminated/signal"));
            }
            self.field(3, "Started", rfc1123(state, "/terminated/startedAt"));
            self.field(3, "Finished", rfc1123(state, "/terminated/finishedAt"));
        } else {
            self.field(2, label, "Waiting");
            self.field_if(3, "Reason", state, "/waiting/reason");
        }
    }

    /// Limits and requests, by name.
    pub(super) fn resources(&mut self, level: usize, resources: &Value) {
        for (title, field) in [("Limits", "/limits"), ("Requests", "/requests")] {
            let mut amounts: Vec<(&String, &Value)> = map(resources, field).into_iter().flatten().collect();
            amounts.sort_by_key(|&(name, _)| name);
            if !amounts.is_empty() {
                self.line(level, format_args!("{title}:"));
            }
            for (name, amount) in amounts {
                self.field(level + 1, name, scalar(amount, ""));
            }
        }
    }

    fn environment(&mut self, container: &Value, pod: Option<&Value>) {
        let from = list(container, "/envFrom");
        if !from.is_empty() {
            self.line(2, "Environment Variables from:");
        }
        for source in from {
            let (kind, field) = if has(source, "/configMapRef") { ("ConfigMap", "configMapRef") } else { ("Secret", "secretRef") };
            let prefix = match text(source, "/prefix") {
                "" => String::new(),
                prefix => format!(" with prefix '{prefix}'"),
            };
            let name = text(source, &format!("/{field}/name"));
            let optional = flag(source, &format!("/{field}/optional"));
            self.line(3, format_args!("{name}\t{kind}{prefix}\tOptional: {optional}"));
        }
        let variables = list(container, "/env");
        self.line(2, if variables.is_empty() { "Environment:\t<none>" } else { "Environment:" });
        for variable in variables {
            self.column(3, text(variable, "/name"), &variable_lines(variable, container, pod));
        }
    }

    fn mounts(&mut self, container: &Value) {
        let mut mounts: Vec<&Value> = list(container, "/volumeMounts").iter().collect();
        mounts.sort_by_key(|mount| text(mount, "/mountPath"));
        self.line(2, if mounts.is_empty() { "Mounts:\t<none>" } else { "Mounts:" });
        for mount in mounts {
            let mode = if flag(mount, "/readOnly") { "ro" } else { "rw" };
            let path = match text(mount, "/subPath") {
                "" => String::new(),
                path => format!(",path={path:?}"),
            };
            self.line(3, format_args!("{} from {} ({mode}{path})", text(mount, "/mountPath"), text(mount, "/name")));
        }
    }
}

fn port_text(port: &Value, field: &str) -> String {
    let protocol = text(port, "/protocol");
    match text(port, "/name") {
        "" => format!("{}/{protocol}", int(port, field)),
        name => format!("{}/{protocol} ({name})", int(port, field)),
    }
}

/// The value of an environment variable, or where it comes from.
fn variable_lines(variable: &Value, container: &Value, pod: Option<&Value>) -> Vec<String> {
    let from = &variable["valueFrom"];
    let keyed = |field: &str, what: &str| {
        let [key, name] = ["key", "name"].map(|part| text(from, &format!("/{field}/{part}")));
        let optional = flag(from, &format!("/{field}/optional"));
        vec![format!("<set to the key '{key}' {what} '{name}'>\tOptional: {optional}")]
    };
    if has(from, "/fieldRef") {
        let path = text(from, "/fieldRef/fieldPath");
        let value = pod.and_then(|pod| field_value(pod, path)).unwrap_or_default();
        let version = match text(from, "/fieldRef/apiVersion") {
            "" => "v1",
            version => version,
        };
        vec![format!("{value} ({version}:{path})")]
    } else if has(from, "/resourceFieldRef") {
        let resource = text(from, "/resourceFieldRef/resource");
        let value = match resource_value(container, &from["resourceFieldRef"]) {
            Some(0) if matches!(resource, "limits.cpu" | "limits.memory") => "node allocatable".to_string(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        vec![format!("{value} ({resource})")]
    } else if has(from, "/secretKeyRef") {
        keyed("secretKeyRef", "in secret")
    } else if has(from, "/configMapKeyRef") {
        keyed("configMapKeyRef", "of config map")
    } else {
        text(variable, "/value").split('\n').map(str::to_string).collect()
    }
}

/// The value of a pod's field as the downward API gives it; `None` for a field that it does not give.
fn field_value(pod: &Value, path: &str) -> Option<String> {
    if let Some((map_path, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        let pointer = format!("/{}", map_path.replace('.', "/"));
        return pairs(pod, &pointer).into_iter().find(|&(known, _)| known == key).map(|(_, value)| value.to_string());
    }
    match path {
        "metadata.name"
        | "metadata.namespace"
        | "metadata.uid"
        | "spec.nodeName"
        | "spec.serviceAccountName"
        | "status.hostIP"
        | "status.podIP" => Some(scalar(pod, &format!("/{}", path.replace('.', "/")))),
        "status.podIPs" | "status.hostIPs" => {
            let ips = list(pod, &format!("/{}", path.replace('.', "/")));
            Some(ips.iter().map(|ip| text(ip, "/ip")).collect::<Vec<_>>().join(","))
        }
        _ => None,
    }
}

/// A resource of the container in units of the divisor, rounded up; 0 when it is not set. `None` for malformed amounts.
fn resource_value(container: &Value, reference: &Value) -> Option<i64> {
    let (list, name) = text(reference, "/resource").split_once('.')?;
    let amount = container.get("resources").and_then(|resources| resources.get(list)?.get(name)?.as_str());
    let amount = Quantity::parse(amount.unwrap_or("0")).ok()?;
    let divisor = Quantity::parse(reference.get("divisor").and_then(Value::as_str).unwrap_or("1")).ok()?;
    let (amount, divisor) = match name {
        "cpu" => (amount.milli_value(), if divisor.is_zero() { 1000 } else { divisor.milli_value() }),
        _ => (amount.value(), if divisor.is_zero() { 1 } else { divisor.value() }),
    };
    Some(i64::try_from((i128::from(amount) + i128::from(divisor) - 1).div_euclid(i128::from(divisor.max(1)))).unwrap_or(i64::MAX))
}

/// What a probe does and its five parameters.
pub(super) fn probe(probe: &Value) -> String {
    let [delay, timeout, period, success, failure] =
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
            .map(|field| int(probe, &format!("/{field}")));
    let attributes = format!("delay={delay}s timeout={timeout}s period={period}s #success={success} #failure={failure}");
    let action = if has(probe, "/exec") {
        let words: Vec<&str> = list(probe, "/exec/command").iter().filter_map(Value::as_str).collect();
        format!("exec [{}]", words.join(" "))
    } else if has(probe, "/httpGet") {
        let scheme = match text(probe, "/httpGet/scheme") {
            "" => String::new(),
            scheme => format!("{}:", scheme.to_lowercase()),
        };
        let path = match text(probe, "/httpGet/path") {
            path if path.is_empty() || path.starts_with('/') => path.to_string(),
            path => format!("/{path}"),
        };
        format!("http-get {scheme}//{}:{}{path}", text(probe, "/httpGet/host"), scalar(probe, "/httpGet/port"))
    } else if has(probe, "/tcpSocket") {
        format!("tcp-socket {}:{}", text(probe, "/tcpSocket/host"), scalar(probe, "/tcpSocket/port"))
    } else if has(probe, "/grpc") {
        format!("grpc <pod>:{} {}", int(probe, "/grpc/port"), text(probe, "/grpc/service"))
    } else {
        "unknown".to_string()
    };
    format!("{action} {attributes}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn probes() {
        let attributes = "delay=1s timeout=2s period=3s #success=4 #failure=5";
        for (action, want) in [
            (json!({"httpGet": {"path": "/ok", "port": 8080, "scheme": "HTTP"}}), "http-get http://:8080/ok"),
            (json!({"httpGet": {"path": "ok", "port": "web", "scheme": "HTTPS", "host": "h"}}), "http-get https://h:web/ok"),
            (json!({"exec": {"command": ["cat", "/x"]}}), "exec [cat /x]"),
            (json!({"tcpSocket": {"port": 5432}}), "tcp-socket :5432"),
            (json!({"grpc": {"port": 9, "service": "s"}}), "grpc <pod>:9 s"),
            (json!({}), "unknown"),
        ] {
            let mut whole =
                json!({"initialDelaySeconds": 1, "timeoutSeconds": 2, "periodSeconds": 3, "successThreshold": 4, "failureThreshold": 5});
            whole.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
            assert_eq!(probe(&whole), format!("{want} {attributes}"));
        }
    }

    #[test]
    fn variables_say_where_they_come_from() {
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "web"}}, "status": {"podIPs": [{"ip": "1"}, {"ip": "2"}]}});
        let container = json!({"resources": {"limits": {"cpu": "1500m"}}});
        let field = |path: &str| json!({"valueFrom": {"fieldRef": {"fieldPath": path}}});
        let resource =
            |resource: &str, divisor: &str| json!({"valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}});
        for (variable, want) in [
            (json!({"value": "x"}), "x"),
            (field("metadata.name"), "p (v1:metadata.name)"),
            (field("metadata.labels['app']"), "web (v1:metadata.labels['app'])"),
            (field("status.podIPs"), "1,2 (v1:status.podIPs)"),
            (field("spec.magic"), " (v1:spec.magic)"),
            (resource("limits.cpu", "0"), "2 (limits.cpu)"),
            (resource("limits.cpu", "1m"), "1500 (limits.cpu)"),
            (resource("limits.memory", "0"), "node allocatable (limits.memory)"),
            (json!({"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}), "<set to the key 'k' in secret 's'>\tOptional: false"),
            (
                json!({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": true}}}),
                "<set to the key 'k' of config map 'c'>\tOptional: true",
            ),
        ] {
            assert_eq!(variable_lines(&variable, &container, Some(&pod)), [want]);
        }
    }
}
