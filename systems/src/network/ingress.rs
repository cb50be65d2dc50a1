//! Ingress: which backend a request to a host and path gets.
//!
//! The rules are those of the API; a controller of the class is taken to be there. Source: `spec/networking.md` §10.

use serde_json::Value;

/// What a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A Service of the Ingress's namespace.
    Backend {
        /// `namespace/ingress` and the rule in words.
        by: String,
        /// Namespace.
        namespace: String,
        /// The Service.
        service: String,
        /// Its port: a number or a name, as text.
        port: String,
    },
    /// Something that is no Service.
    Resource {
        /// `namespace/ingress` and the rule in words.
        by: String,
    },
    /// No rule matches, and there is no default backend: the controller answers 404.
    NotFound,
}

/// How well a rule fits; the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// The longer path wins.
    length: usize,
    /// Of equal length, Exact wins.
    exact: bool,
}

/// Ingresses, read for routing: those that some class serves.
#[derive(Debug, Clone, Default)]
pub struct Ingresses {
    /// In order of creation, then of namespace and name.
    list: Vec<Value>,
    classes: Vec<String>,
}

impl Ingresses {
    /// Reads Ingresses and IngressClasses. An Ingress counts when its class exists, or when it has none and there is no class at all.
    pub fn read(ingresses: Vec<Value>, classes: &[Value]) -> Ingresses {
        let classes: Vec<String> = classes.iter().map(|class| text(&class["metadata"]["name"]).to_string()).collect();
        let mut list = ingresses;
        let key = |ingress: &Value| {
            let meta = &ingress["metadata"];
            (text(&meta["creationTimestamp"]).to_string(), text(&meta["namespace"]).to_string(), text(&meta["name"]).to_string())
        };
        list.sort_by_cached_key(key);
        Ingresses { list, classes }
    }

    fn served(&self, ingress: &Value) -> bool {
        let annotation = text(&ingress["metadata"]["annotations"]["kubernetes.io/ingress.class"]);
        let class = match text(&ingress["spec"]["ingressClassName"]) {
            "" => annotation,
            class => class,
        };
        self.classes.iter().any(|known| known == class)
            || class.is_empty() && self.classes.is_empty()
            || class == annotation && !class.is_empty()
    }

    /// Whether a rule names this host.
    pub fn knows_host(&self, host: &str) -> bool {
        let rules = self.list.iter().filter(|ingress| self.served(ingress)).flat_map(|ingress| items(&ingress["spec"]["rules"]));
        rules.into_iter().any(|rule| !text(&rule["host"]).is_empty() && host_fit(text(&rule["host"]), host).is_some())
    }

    /// The backend of a request.
    pub fn route(&self, host: &str, path: &str) -> Route {
        let mut best: Option<(Fit, Route)> = None;
        let mut default = None;
        // The host comes first: rules of a worse fit have no say, whatever their paths are.
        let rules = self.list.iter().filter(|ingress| self.served(ingress)).flat_map(|ingress| items(&ingress["spec"]["rules"]));
        let best_host = rules.filter_map(|rule| host_fit(text(&rule["host"]), host)).max();
        for ingress in self.list.iter().filter(|ingress| self.served(ingress)) {
            let spec = &ingress["spec"];
            if default.is_none() && !spec["defaultBackend"].is_null() {
                default = Some(backend(ingress, "the default backend", &spec["defaultBackend"]));
            }
            for rule in items(&spec["rules"]) {
                if host_fit(text(&rule["host"]), host).is_none_or(|fit| Some(fit) != best_host) {
                    continue;
                }
                for entry in items(&rule["http"]["paths"]) {
                    let (pattern, kind) = (text(&entry["path"]), text(&entry["pathType"]));
                    if !path_fits(pattern, kind, path) {
                        continue;
                    }
                    let fit = Fit { length: pattern.trim_end_matches('/').len(), exact: kind == "Exact" };
                    if best.as_ref().is_none_or(|(known, _)| fit > *known) {
                        let host = text(&rule["host"]);
                        let what = format!("host {} {kind} {pattern}", if host.is_empty() { "*" } else { host });
                        best = Some((fit, backend(ingress, &what, &entry["backend"])));
                    }
                }
            }
        }
        best.map(|(_, route)| route).or(default).unwrap_or(Route::NotFound)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn backend(ingress: &Value, what: &str, backend: &Value) -> Route {
    let namespace = text(&ingress["metadata"]["namespace"]).to_string();
    let by = format!("{namespace}/{} {what}", text(&ingress["metadata"]["name"]));
    let service = &backend["service"];
    if service.is_null() {
        return Route::Resource { by };
    }
    let port = match &service["port"]["number"] {
        Value::Number(number) => number.to_string(),
        _ => text(&service["port"]["name"]).to_string(),
    };
    Route::Backend { by, namespace, service: text(&service["name"]).to_string(), port }
}

/// How well a rule's host fits; `None`: not at all. A wildcard stands for one label.
fn host_fit(rule: &str, host: &str) -> Option<u8> {
    match rule.strip_prefix("*.") {
        _ if rule.is_empty() => Some(0),
        Some(rest) => host.split_once('.').is_some_and(|(first, tail)| !first.is_empty() && tail.eq_ignore_ascii_case(rest)).then_some(1),
        None => rule.eq_ignore_ascii_case(host).then_some(2),
    }
}

/// Whether a path fits: as a whole, or element by element. What is up to the controller is taken as most do: as Prefix.
fn path_fits(pattern: &str, kind: &str, path: &str) -> bool {
    if kind == "Exact" {
        return pattern == path;
    }
    let pattern = pattern.trim_end_matches('/');
    path.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        // Source: the examples of the Ingress documentation of Kubernetes 1.36.
        for (kind, pattern, path, want) in [
            ("Prefix", "/", "/any/path", true),
            ("Exact", "/foo", "/foo", true),
            ("Exact", "/foo", "/bar", false),
            ("Exact", "/foo", "/foo/", false),
            ("Exact", "/foo/", "/foo", false),
            ("Prefix", "/foo", "/foo", true),
            ("Prefix", "/foo", "/foo/", true),
            ("Prefix", "/foo/", "/foo", true),
            ("Prefix", "/foo/", "/foo/", true),
            ("Prefix", "/aaa/bb", "/aaa/bbb", false),
            ("Prefix", "/aaa/bbb", "/aaa/bbb", true),
            ("Prefix", "/aaa/bbb/", "/aaa/bbb", true),
            ("Prefix", "/aaa/bbb", "/aaa/bbb/", true),
            ("Prefix", "/aaa/bbb", "/aaa/bbb/ccc", true),
            ("Prefix", "/aaa/bbb", "/aaa/bbbxyz", false),
            ("ImplementationSpecific", "/aaa", "/aaa/b", true),
        ] {
            assert_eq!(path_fits(pattern, kind, path), want, "{kind} {pattern} {path}");
        }
    }

    #[test]
    fn hosts() {
        for (rule, host, want) in [
            ("*.foo.com", "bar.foo.com", Some(1)),
            ("*.foo.com", "baz.bar.foo.com", None),
            ("*.foo.com", "foo.com", None),
            ("foo.com", "foo.com", Some(2)),
            ("", "anything", Some(0)),
        ] {
            assert_eq!(host_fit(rule, host), want, "{rule} {host}");
        }
    }

    #[test]
    fn precedence() {
        let path = |path: &str, kind: &str, service: &str| json!({"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": {"number": 80}}}});
        let ingress = json!({
            "metadata": {"namespace": "default", "name": "web"},
            "spec": {
                "ingressClassName": "nginx",
                "defaultBackend": {"service": {"name": "default", "port": {"name": "http"}}},
                "rules": [
                    {"host": "*.example.com", "http": {"paths": [path("/", "Prefix", "wild")]}},
                    {"http": {"paths": [path("/long/path/of/anybody", "Prefix", "anybody")]}},
                    {"host": "only.example.com", "http": {"paths": [path("/here", "Prefix", "here")]}},
                    {"host": "shop.example.com", "http": {"paths": [
                        path("/", "Prefix", "root"), path("/cart", "Prefix", "prefix"), path("/cart", "Exact", "exact"), path("/cart/pay", "Prefix", "pay"),
                    ]}},
                ],
            },
        });
        let class = json!({"metadata": {"name": "nginx"}});
        let ingresses = Ingresses::read(vec![ingress.clone()], std::slice::from_ref(&class));
        for (host, path, want) in [
            ("shop.example.com", "/cart", "exact"),
            ("shop.example.com", "/cart/", "prefix"),
            ("shop.example.com", "/cart/pay/now", "pay"),
            ("shop.example.com", "/cartoon", "root"),
            ("shop.example.com", "/long/path/of/anybody", "root"),
            ("blog.example.com", "/cart", "wild"),
            ("other.org", "/long/path/of/anybody/x", "anybody"),
            ("other.org", "/", "default"),
            ("only.example.com", "/elsewhere", "default"),
        ] {
            let Route::Backend { service, .. } = ingresses.route(host, path) else { panic!("{host}{path} has no backend") };
            assert_eq!(service, want, "{host}{path}");
        }
        assert_eq!(Ingresses::read(vec![ingress], &[]).route("shop.example.com", "/"), Route::NotFound, "nobody serves its class");
    }
}
