//! Reads a configuration from a tree: types and field names first, then values, then which plugins run, each mistake at its place.

use super::plugins::{Enabled, Mistake, PluginNames, PluginSet, Point, Written, merge};
use super::{DEFAULT_SCHEDULER, SchedulerConfig, SchedulerProfile};
use crate::api::validation::validate_scheduler_config;
use crate::scene::objects::path_of;
use crate::scene::tree_json::json_of;
use crate::source::error::advice;
use crate::source::{Documents, Files, Format, Problem, Problems, Severity, Sources, Span, Tree, TreeValue, decode};
use crate::time::SimDuration;
use k8s_openapi::api::core::v1::{NodeAffinity, TopologySpreadConstraint};
use serde::Deserialize;
use serde_json::Value;

const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
const KIND: &str = "KubeSchedulerConfiguration";

/// What may be written; read for its mistakes alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes: the values are taken from the tree")]
struct Configuration {
    api_version: Option<String>,
    kind: Option<String>,
    parallelism: Option<i32>,
    leader_election: Option<LeaderElection>,
    client_connection: Option<ClientConnection>,
    enable_profiling: Option<bool>,
    enable_contention_profiling: Option<bool>,
    percentage_of_nodes_to_score: Option<i32>,
    pod_initial_backoff_seconds: Option<i64>,
    pod_max_backoff_seconds: Option<i64>,
    #[serde(default)]
    profiles: Vec<Profile>,
    #[serde(default)]
    extenders: Vec<Extender>,
    delay_cache_until_active: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct LeaderElection {
    leader_elect: Option<bool>,
    lease_duration: Option<String>,
    renew_deadline: Option<String>,
    retry_period: Option<String>,
    resource_lock: Option<String>,
    resource_name: Option<String>,
    resource_namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct ClientConnection {
    kubeconfig: Option<String>,
    accept_content_types: Option<String>,
    content_type: Option<String>,
    qps: Option<f64>,
    burst: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct Extender {
    url_prefix: Option<String>,
    filter_verb: Option<String>,
    preempt_verb: Option<String>,
    prioritize_verb: Option<String>,
    weight: Option<i64>,
    bind_verb: Option<String>,
    #[serde(rename = "enableHTTPS")]
    enable_https: Option<bool>,
    tls_config: Option<TlsConfig>,
    #[serde(rename = "httpTimeout")]
    http_timeout: Option<String>,
    node_cache_capable: Option<bool>,
    #[serde(default)]
    managed_resources: Vec<ManagedResource>,
    ignorable: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct TlsConfig {
    insecure: Option<bool>,
    server_name: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
    ca_file: Option<String>,
    cert_data: Option<String>,
    key_data: Option<String>,
    ca_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct ManagedResource {
    name: Option<String>,
    ignored_by_scheduler: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct Profile {
    scheduler_name: Option<String>,
    percentage_of_nodes_to_score: Option<i32>,
    plugins: Option<Plugins>,
    #[serde(default)]
    plugin_config: Vec<PluginConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct Plugins {
    pre_enqueue: Option<Set>,
    queue_sort: Option<Set>,
    pre_filter: Option<Set>,
    filter: Option<Set>,
    post_filter: Option<Set>,
    pre_score: Option<Set>,
    score: Option<Set>,
    reserve: Option<Set>,
    permit: Option<Set>,
    pre_bind: Option<Set>,
    bind: Option<Set>,
    post_bind: Option<Set>,
    multi_point: Option<Set>,
    placement_generate: Option<Set>,
    placement_score: Option<Set>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct Set {
    #[serde(default)]
    enabled: Vec<Plugin>,
    #[serde(default)]
    disabled: Vec<Plugin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct Plugin {
    name: String,
    weight: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct PluginConfig {
    name: String,
    args: Option<Value>,
}

/// Arguments of one plugin.
macro_rules! args {
    ($($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* })*) => { $(
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[expect(dead_code, reason = "read for its mistakes")]
        struct $name {
            api_version: Option<String>,
            kind: Option<String>,
            $($(#[$meta])* $field: $type,)*
        }
    )* };
}
args! {
    DefaultPreemptionArgs { min_candidate_nodes_percentage: Option<i32>, min_candidate_nodes_absolute: Option<i32>, }
    InterPodAffinityArgs { hard_pod_affinity_weight: Option<i32>, ignore_preferred_terms_of_existing_pods: Option<bool>, }
    NodeResourcesFitArgs {
        #[serde(default)] ignored_resources: Vec<String>,
        #[serde(default)] ignored_resource_groups: Vec<String>,
        scoring_strategy: Option<ScoringStrategy>,
    }
    NodeResourcesBalancedAllocationArgs { #[serde(default)] resources: Vec<ResourceSpec>, }
    PodTopologySpreadArgs { #[serde(default)] default_constraints: Vec<TopologySpreadConstraint>, defaulting_type: Option<String>, }
    VolumeBindingArgs { bind_timeout_seconds: Option<i64>, #[serde(default)] shape: Vec<ShapePoint>, }
    NodeAffinityArgs { added_affinity: Option<NodeAffinity>, }
    DynamicResourcesArgs { filter_timeout: Option<String>, binding_timeout: Option<String>, }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct ScoringStrategy {
    r#type: Option<String>,
    #[serde(default)]
    resources: Vec<ResourceSpec>,
    requested_to_capacity_ratio: Option<CapacityRatio>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct CapacityRatio {
    #[serde(default)]
    shape: Vec<ShapePoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct ResourceSpec {
    name: String,
    weight: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its mistakes")]
struct ShapePoint {
    utilization: Option<i32>,
    score: Option<i32>,
}

/// Reads configurations.
pub(crate) struct Reader<'r> {
    pub(crate) files: &'r dyn Files,
    pub(crate) sources: &'r mut Sources,
    pub(crate) problems: &'r mut Problems,
    pub(crate) names: &'r PluginNames,
    /// What of it is not simulated, in words.
    pub(crate) not_simulated: Vec<String>,
}

impl Reader<'_> {
    /// Reads a file, YAML or JSON or RON by its name; `None` when there were mistakes.
    pub(crate) fn file(&mut self, path: &str, asked_by: Option<Span>) -> Option<SchedulerConfig> {
        let file = self.sources.read(self.files, path, asked_by, self.problems)?;
        let format = Format::of_path(path).unwrap_or(Format::Yaml);
        let documents: Vec<Result<Tree, Problem>> = Documents::new(self.sources, file, format).collect();
        let mut trees = Vec::new();
        for document in documents {
            match document {
                Ok(tree) => trees.push(tree),
                Err(problem) => {
                    self.problems.push(Severity::Error, problem);
                    return None;
                }
            }
        }
        match &trees[..] {
            [tree] => self.tree(tree),
            [] => {
                self.problems.error(Span::new(file, 0, 0), format!("the file is empty; expected a {KIND}"));
                None
            }
            [_, second, ..] => {
                self.problems.error(second.span, format!("expected one {KIND}, found another document after it"));
                None
            }
        }
    }

    /// Reads a configuration that stands in a tree; `None` when there were mistakes.
    pub(crate) fn tree(&mut self, tree: &Tree) -> Option<SchedulerConfig> {
        let before = self.problems.errors_found();
        let fields = self.fields_of(tree)?;
        decode::<Configuration>(fields, "", self.problems);
        for (nth, profile) in items(fields, "profiles").iter().enumerate() {
            for (at, config) in items(profile, "pluginConfig").iter().enumerate() {
                self.args(config, &format!("profiles[{nth}].pluginConfig[{at}]"));
            }
        }
        if self.problems.errors_found() > before {
            return None;
        }
        let value = json_of(fields);
        for error in validate_scheduler_config(&value) {
            let path = path_of(&error.field);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            self.problems.error(fields.span_of(&path), error.to_string());
        }
        if !items(fields, "extenders").is_empty() {
            self.not_simulated.push("scheduler extenders".to_string());
        }
        let profiles = self.profiles(fields, &value);
        let seconds = |field: &str, absent: i64| {
            let seconds = value.get(field).and_then(Value::as_i64).unwrap_or(absent);
            SimDuration::from_secs(u64::try_from(seconds).unwrap_or(0).min(SECONDS_MAX))
        };
        let (backoff_first, backoff_max) = (seconds("podInitialBackoffSeconds", 1), seconds("podMaxBackoffSeconds", 10));
        (self.problems.errors_found() == before).then_some(SchedulerConfig { backoff_first, backoff_max, profiles })
    }

    /// The fields of a tree that says that it is a configuration: by its name in RON, by `apiVersion` and `kind` elsewhere.
    fn fields_of<'t>(&mut self, tree: &'t Tree) -> Option<&'t Tree> {
        let help = format!("write apiVersion: {API_VERSION} and kind: {KIND}, or {KIND}(...) in a scene");
        let mut wrong = |span: Span, what: String| {
            self.problems.push(Severity::Error, Problem::new(span, what).with_help(help.clone()));
            None
        };
        let text = |field: &str| tree.get(field).and_then(Tree::as_str);
        let (version, fields) = match &tree.value {
            TreeValue::Named(named) if named.name == KIND => (text("apiVersion").unwrap_or(API_VERSION), &named.args),
            TreeValue::Named(named) => {
                return wrong(tree.span, format!("no kind {:?} is registered for version {API_VERSION:?}", named.name));
            }
            TreeValue::Map(_) => match (text("apiVersion"), text("kind")) {
                (_, None) => return wrong(tree.span, "Object 'Kind' is missing".to_string()),
                (None, _) => return wrong(tree.span, "Object 'apiVersion' is missing".to_string()),
                (Some(version), Some(KIND)) => (version, tree),
                (Some(version), Some(kind)) => {
                    return wrong(tree.span_of(&["kind"]), format!("no kind {kind:?} is registered for version {version:?}"));
                }
            },
            _ => return wrong(tree.span, format!("this is no {KIND}")),
        };
        if version != API_VERSION {
            return wrong(tree.span_of(&["apiVersion"]), format!("no kind {KIND:?} is registered for version {version:?}"));
        }
        Some(fields)
    }

    /// Types and field names of a plugin's arguments.
    fn args(&mut self, config: &Tree, path: &str) {
        let (Some(name), Some(args)) = (config.get("name").and_then(Tree::as_str), config.get("args")) else { return };
        let (path, problems) = (format!("{path}.args"), &mut *self.problems);
        match name {
            "DefaultPreemption" => drop(decode::<DefaultPreemptionArgs>(args, &path, problems)),
            "InterPodAffinity" => drop(decode::<InterPodAffinityArgs>(args, &path, problems)),
            "NodeResourcesFit" => drop(decode::<NodeResourcesFitArgs>(args, &path, problems)),
            "NodeResourcesBalancedAllocation" => drop(decode::<NodeResourcesBalancedAllocationArgs>(args, &path, problems)),
            "PodTopologySpread" => drop(decode::<PodTopologySpreadArgs>(args, &path, problems)),
            "VolumeBinding" => drop(decode::<VolumeBindingArgs>(args, &path, problems)),
            "NodeAffinity" => drop(decode::<NodeAffinityArgs>(args, &path, problems)),
            "DynamicResources" => drop(decode::<DynamicResourcesArgs>(args, &path, problems)),
            _ => {}
        }
        let wanted = format!("{name}Args");
        if let Some(kind) = args.get("kind").and_then(|kind| Some((kind.as_str()?, kind.span))).filter(|kind| kind.0 != wanted) {
            let group = "kubescheduler.config.k8s.io";
            let what = format!("args for plugin {name} were not of type {wanted}.{group}, got {}.{group}", kind.0);
            self.problems.error(kind.1, what);
        }
    }

    fn profiles(&mut self, fields: &Tree, value: &Value) -> Vec<SchedulerProfile> {
        let global = percentage(value).unwrap_or(0);
        let list = value.get("profiles").and_then(Value::as_array).filter(|list| !list.is_empty());
        let Some(list) = list else {
            return vec![SchedulerProfile { percentage_of_nodes_to_score: global, ..SchedulerProfile::new(DEFAULT_SCHEDULER) }];
        };
        let mut profiles = Vec::new();
        for (nth, profile) in list.iter().enumerate() {
            let path = format!("profiles[{nth}]");
            let name = profile.get("schedulerName").and_then(Value::as_str).unwrap_or(DEFAULT_SCHEDULER);
            let written = written(profile.get("plugins"), &format!("{path}.plugins"));
            let plugins = merge(&written, name, &format!("{path}.plugins"), self.names).unwrap_or_else(|mistakes| {
                mistakes.into_iter().for_each(|mistake| self.mistake(fields, mistake));
                Default::default()
            });
            self.warn_of_unknown(fields, profile, &path);
            let config = profile.get("pluginConfig").and_then(Value::as_array).into_iter().flatten();
            let args = |config: &Value| Some((config.get("name")?.as_str()?.to_string(), config.get("args")?.clone()));
            profiles.push(SchedulerProfile {
                scheduler_name: name.to_string(),
                percentage_of_nodes_to_score: percentage(profile).unwrap_or(global),
                plugins,
                args: config.filter_map(args).collect(),
            });
        }
        profiles
    }

    fn mistake(&mut self, fields: &Tree, mistake: Mistake) {
        let path = path_of(&mistake.path);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let what = format!("{}: {}", mistake.path, mistake.what);
        self.problems.push(Severity::Error, Problem { span: fields.span_of(&path), what, help: mistake.help });
    }

    /// Arguments for, and switching off of, plugins that there are not: the original says nothing, but nobody means it.
    fn warn_of_unknown(&mut self, fields: &Tree, profile: &Value, path: &str) {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut look = |list: Option<&Value>, path: String| {
            for (nth, entry) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
                let name = entry.get("name").and_then(Value::as_str).unwrap_or("");
                if name != "*" && self.names.points_of(name).is_none() {
                    found.push((format!("{path}[{nth}].name"), name.to_string()));
                }
            }
        };
        look(profile.get("pluginConfig"), format!("{path}.pluginConfig"));
        for point in Point::ALL {
            let disabled = profile.get("plugins").and_then(|plugins| plugins.get(point.field())?.get("disabled"));
            look(disabled, format!("{path}.plugins.{}.disabled", point.field()));
        }
        for (path, name) in found {
            let steps = path_of(&path);
            let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
            let problem = Problem::new(fields.span_of(&steps), format!("{path}: there is no plugin {name:?}: this does nothing"));
            let help = advice(&name, &self.names.all());
            self.problems.push(Severity::Warning, Problem { help, ..problem });
        }
    }
}

/// Longest back-off that the clock holds. Unit: seconds (a hundred years).
const SECONDS_MAX: u64 = 100 * 365 * 86_400;

fn items<'t>(tree: &'t Tree, field: &str) -> &'t [Tree] {
    tree.get(field).map_or(&[], Tree::items)
}

fn percentage(of: &Value) -> Option<u32> {
    of.get("percentageOfNodesToScore").and_then(Value::as_u64).and_then(|percent| u32::try_from(percent).ok())
}

/// What stands in `plugins`.
fn written(plugins: Option<&Value>, path: &str) -> Written {
    let mut written = Written::new();
    for &point in Point::ALL {
        let Some(set) = plugins.and_then(|plugins| plugins.get(point.field())) else { continue };
        let list = |field: &str| set.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        let name = |plugin: &Value| plugin.get("name").and_then(Value::as_str).unwrap_or("").to_string();
        let enabled = |(nth, plugin): (usize, &Value)| Enabled {
            name: name(plugin),
            weight: plugin.get("weight").and_then(Value::as_i64).unwrap_or(0),
            path: format!("{path}.{}.enabled[{nth}]", point.field()),
        };
        let enabled = list("enabled").iter().enumerate().map(enabled).collect();
        written.insert(point, PluginSet { enabled, disabled: list("disabled").iter().map(name).collect() });
    }
    written
}
