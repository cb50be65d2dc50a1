//! Pod classes: each distinct pod spec is parsed and digested once, found by content whatever made the pod, and shared.

use crate::hash::LookupMap;
use crate::model::labels::{LabelSetId, LabelSets};
use crate::model::node::Effect;
use crate::model::raw::Raw;
use crate::model::resources::Resources;
use crate::names::{Names, Sym};
use crate::time::SimDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Number of a pod class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClassId(pub u32);

/// Number of a pod template: a class with labels and annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TemplateId(pub u32);

/// A pod spec without name and node, digested. The source is `raw`; everything else follows from it.
#[derive(Debug, Clone)]
pub struct PodClass {
    /// The defaulted `spec` as JSON, `nodeName` left out.
    pub raw: Raw,
    /// `initContainers`, sidecars (restartPolicy Always) among them.
    pub init_containers: Vec<Container>,
    /// `containers`.
    pub containers: Vec<Container>,
    /// `restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// Some container has a rule by which the whole pod starts over.
    pub may_restart_all: bool,
    /// `terminationGracePeriodSeconds`.
    pub grace_s: u32,
    /// `activeDeadlineSeconds`.
    pub active_deadline: Option<SimDuration>,
    /// `tolerations`.
    pub tolerations: Vec<Toleration>,
    /// `priority`.
    pub priority: i32,
    /// `schedulerName`.
    pub scheduler_name: Sym,
    /// `hostname`; empty: the pod's name.
    pub hostname: Sym,
    /// `subdomain`; empty for none.
    pub subdomain: Sym,
    /// `hostNetwork`.
    pub host_network: bool,
    /// Claims that its volumes name.
    pub claims: Box<[Sym]>,
    /// Volumes for each of which the pod has a claim of its own (`ephemeral`), named after pod and volume.
    pub own_claims: Box<[Sym]>,
    /// Whether `schedulingGates` keep the pod from being scheduled.
    pub gated: bool,
    /// Effective requests with the init rule and overhead. Source: `spec/scheduler.md` §3.
    pub requests: Resources,
    /// Quality of service.
    pub qos: Qos,
}

impl PodClass {
    /// Whether volumes of its pods have claims.
    pub fn has_claims(&self) -> bool {
        !self.claims.is_empty() || !self.own_claims.is_empty()
    }
}

/// `restartPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// Quality of service class. Source: `spec/kubelet.md` §15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

/// A container as far as it is simulated.
#[derive(Debug, Clone)]
pub struct Container {
    /// `name`.
    pub name: Sym,
    /// `image`.
    pub image: Sym,
    /// `imagePullPolicy` is Always.
    pub pull_always: bool,
    /// `imagePullPolicy` is Never.
    pub pull_never: bool,
    /// `restartPolicy` of its own; Always on an init container makes it a sidecar.
    pub restart_policy: Option<RestartPolicy>,
    /// `restartPolicyRules`.
    pub restart_rules: Box<[RestartRule]>,
    /// `resources.requests`.
    pub requests: Resources,
    /// `resources.limits`.
    pub limits: Resources,
    /// `ports`.
    pub ports: Vec<ContainerPort>,
    /// `livenessProbe`.
    pub liveness: Option<Probe>,
    /// `readinessProbe`.
    pub readiness: Option<Probe>,
    /// `startupProbe`.
    pub startup: Option<Probe>,
    /// `lifecycle.preStop`.
    pub pre_stop: Option<Handler>,
    /// `lifecycle.postStart`.
    pub post_start: Option<Handler>,
}

/// What a restart rule has the kubelet do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum RestartAction {
    Restart,
    RestartAllContainers,
}

/// One entry of `restartPolicyRules`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RestartRule {
    /// `action`.
    pub action: RestartAction,
    /// `exitCodes.operator` is In, not NotIn.
    pub within: bool,
    /// `exitCodes.values`.
    pub codes: Vec<i32>,
}

impl Container {
    /// What its first rule that speaks of an exit code says; only a container with a restart policy of its own has rules.
    pub fn rule_for(&self, exit_code: i32) -> Option<RestartAction> {
        let speaks = |rule: &&RestartRule| rule.codes.contains(&exit_code) == rule.within;
        self.restart_policy.and_then(|_| self.restart_rules.iter().find(speaks)).map(|rule| rule.action)
    }

    /// Whether this init container is a sidecar.
    pub fn sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }
}

/// One entry of `ports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContainerPort {
    /// `name`.
    pub name: Sym,
    /// `containerPort`.
    pub port: u16,
    /// `hostPort`; 0 for none.
    pub host_port: u16,
    /// `hostIP`.
    pub host_ip: Sym,
    /// `protocol`.
    pub protocol: Sym,
}

/// A probe with its five parameters. Source: `spec/kubelet.md` §10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Probe {
    /// What is asked.
    pub handler: Handler,
    /// `initialDelaySeconds`.
    pub initial_delay_s: u32,
    /// `periodSeconds`.
    pub period_s: u32,
    /// `timeoutSeconds`.
    pub timeout_s: u32,
    /// `successThreshold`.
    pub success_threshold: u32,
    /// `failureThreshold`.
    pub failure_threshold: u32,
    /// `terminationGracePeriodSeconds` of the probe.
    pub grace_s: Option<u32>,
}

/// What a probe or a hook does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handler {
    /// A command; the arguments joined by spaces.
    Exec(Sym),
    /// An HTTP GET: path and port (a number or a name, as text).
    Http {
        /// `path`.
        path: Sym,
        /// `port`.
        port: Sym,
    },
    /// A TCP connection to a port.
    Tcp(Sym),
    /// A gRPC health check.
    Grpc(u16),
    /// A pause, of hooks only.
    Sleep(SimDuration),
}

/// One toleration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Toleration {
    /// `key`; empty with Exists: every key.
    pub key: Sym,
    /// `operator` is Exists.
    pub exists: bool,
    /// `value`.
    pub value: Sym,
    /// `effect`; none: every effect.
    pub effect: Option<Effect>,
    /// `tolerationSeconds`.
    pub seconds: Option<i64>,
}

impl Toleration {
    /// Whether this toleration tolerates `taint`.
    pub fn tolerates(&self, taint: &crate::model::node::NodeTaint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (if self.exists { true } else { !self.key.is_empty() && self.value == taint.value })
    }
}

/// A pod template: class, labels and annotations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Template {
    /// The spec.
    pub class: ClassId,
    /// `metadata.labels`.
    pub labels: LabelSetId,
    /// `metadata.annotations`.
    pub annotations: LabelSetId,
}

/// All pod classes and templates. ECS resource.
#[derive(Default, bevy_ecs::resource::Resource)]
pub struct Classes {
    classes: Vec<Arc<PodClass>>,
    by_raw: LookupMap<Raw, ClassId>,
    templates: Vec<Template>,
    by_template: LookupMap<Template, TemplateId>,
}

impl Classes {
    /// The class of a defaulted pod `spec` (JSON); `nodeName` is left out.
    pub fn class_of(&mut self, names: &mut Names, spec: &Value) -> ClassId {
        let mut spec = spec.clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.shift_remove("nodeName");
        }
        let raw = Raw::new(spec);
        if let Some(&id) = self.by_raw.get(&raw) {
            return id;
        }
        let id = ClassId(self.classes.len() as u32);
        self.classes.push(Arc::new(super::pod_class_json::digest(names, raw.clone())));
        self.by_raw.insert(raw, id);
        id
    }

    /// The class with a number.
    pub fn get(&self, id: ClassId) -> &Arc<PodClass> {
        &self.classes[id.0 as usize]
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether no pod spec was seen yet.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The template of a defaulted `PodTemplateSpec` (JSON: `metadata` and `spec`).
    pub fn template_of(&mut self, names: &mut Names, labels: &mut LabelSets, template: &Value) -> TemplateId {
        let class = self.class_of(names, template.get("spec").unwrap_or(&Value::Null));
        let mut set = |field: &str| {
            let pairs: Vec<(Sym, Sym)> = super::pod_class_json::string_pairs(names, template.get("metadata").and_then(|m| m.get(field)));
            labels.intern(names, pairs)
        };
        let template = Template { class, labels: set("labels"), annotations: set("annotations") };
        self.intern_template(template)
    }

    /// The number of a template.
    pub fn intern_template(&mut self, template: Template) -> TemplateId {
        if let Some(&id) = self.by_template.get(&template) {
            return id;
        }
        let id = TemplateId(self.templates.len() as u32);
        self.templates.push(template.clone());
        self.by_template.insert(template, id);
        id
    }

    /// The template with a number.
    pub fn template(&self, id: TemplateId) -> &Template {
        &self.templates[id.0 as usize]
    }

    /// What a checkpoint keeps: the specs in order, and the templates.
    pub(crate) fn dump(&self) -> (Vec<Raw>, Vec<Template>) {
        (self.classes.iter().map(|class| class.raw.clone()).collect(), self.templates.clone())
    }

    /// The reverse of [`Classes::dump`].
    pub(crate) fn restore(names: &mut Names, (raws, templates): (Vec<Raw>, Vec<Template>)) -> Classes {
        let mut classes = Classes::default();
        for raw in raws {
            classes.class_of(names, raw.value());
        }
        for template in templates {
            classes.intern_template(template);
        }
        classes
    }
}
