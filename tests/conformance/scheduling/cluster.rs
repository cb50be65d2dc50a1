//! A case's cluster, as the scheduler holds it, and what the recorder did to its input.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wavetank_engine::api::defaults::apply_defaults;
use wavetank_engine::api::json_in::Tables;
use wavetank_engine::api::request::NewObject;
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::{ObjRef, Slot, Uid};
use wavetank_engine::model::binding::{ClaimFacts, VolumeFacts};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::node::{Effect, NodeTaint};
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::model::select::{Requirement, Selectors, requirements_of};
use wavetank_engine::model::storage::{ClaimRef, PersistentVolumeStatus, VolumePhase};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::scene::model::Ties;
use wavetank_engine::scene::scheduler_config::SchedulerConfig;
use wavetank_engine::scene::scheduler_config::plugins::PluginNames;
use wavetank_engine::time::SimTime;
use wavetank_engine::words;
use wavetank_systems::scheduler::cycle::Cycle;
use wavetank_systems::scheduler::facts::ClassFacts;
use wavetank_systems::scheduler::nodes::{NodeFacts, NodeTable};
use wavetank_systems::scheduler::plugins::pod_topology_spread::default_selector;
use wavetank_systems::scheduler::pods::{Group, Groups, Incoming, Namespaces, Nominated, Nominations, Resident};
use wavetank_systems::scheduler::preemption::{self, Budget, OnNode};
use wavetank_systems::scheduler::profile::Profile;
use wavetank_systems::scheduler::storage::{Capacity, Class, Storage, driver_limits};

/// The scheduler's structures, filled from a case.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) names: Names,
    pub(crate) labels: LabelSets,
    pub(crate) table: NodeTable,
    pub(crate) groups: Groups,
    pub(crate) nominations: Nominations,
    pub(crate) namespaces: Namespaces,
    pub(crate) storage: Storage,
    pub(crate) profile: Profile,
    /// Pods on nodes, in the order in which they came.
    pub(crate) on_node: BTreeMap<u32, Vec<OnNode>>,
    /// Those of them whose deletion makes room for others.
    preempted: BTreeSet<ObjRef>,
    budgets: Vec<Budget>,
    /// Names of pods as `namespace/name`.
    pod_names: BTreeMap<ObjRef, String>,
    classes: Classes,
    selectors: Selectors,
    kinds: Kinds,
    /// Identities of pods and claims by namespace and name, as the recorder gave them.
    uids: BTreeMap<String, Uid>,
    /// Value and preemption policy by name of the class.
    priorities: BTreeMap<String, (i64, String)>,
    default_priority: Option<(i64, String)>,
    /// Namespace and selector of Services.
    services: Vec<(Sym, Vec<Requirement>)>,
    /// Selectors of controllers by kind, namespace and name.
    controllers: BTreeMap<(String, String, String), Vec<Requirement>>,
}

impl Cluster {
    /// Reads a case's objects and profile.
    pub(crate) fn of(case: &Value) -> Cluster {
        let mut cluster = Cluster { names: Names::new(), ..Cluster::default() };
        cluster.profile = profile(&mut cluster.names, &case["profile"]);
        let objects = &case["objects"];
        let default = json!({"metadata": {"name": "default"}});
        list(objects, "namespaces").iter().chain([&default]).for_each(|namespace| cluster.add_namespace(namespace));
        list(objects, "nodes").iter().enumerate().for_each(|(number, node)| cluster.add_node(number, node));
        for class in list(objects, "priorityClasses") {
            let policy = class["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority");
            let value = (class["value"].as_i64().unwrap(), policy.to_string());
            if class["globalDefault"] == true {
                cluster.default_priority = Some(value.clone());
            }
            cluster.priorities.insert(text(&class["metadata"], "name"), value);
        }
        for service in list(objects, "services").iter().filter(|service| service["spec"]["selector"].is_object()) {
            let selector = json!({"matchLabels": service["spec"]["selector"]});
            let namespace = cluster.names.sym(&namespace(service));
            cluster.services.push((namespace, requirements_of(&mut cluster.names, &selector)));
        }
        for (kind, field) in [("ReplicaSet", "replicaSets"), ("StatefulSet", "statefulSets")] {
            for controller in list(objects, field) {
                let key = (kind.to_string(), namespace(&controller), text(&controller["metadata"], "name"));
                let selector = requirements_of(&mut cluster.names, &controller["spec"]["selector"]);
                cluster.controllers.insert(key, selector);
            }
        }
        cluster.add_storage(objects);
        cluster.table.order(&cluster.labels);
        list(objects, "pods").iter().for_each(|pod| cluster.add_pod(pod));
        list(objects, "pdbs").iter().for_each(|budget| cluster.add_budget(budget));
        cluster
    }

    fn add_budget(&mut self, budget: &Value) {
        let (spec, status) = (&budget["spec"], &budget["status"]);
        let selector = if spec["selector"].is_object() { requirements_of(&mut self.names, &spec["selector"]) } else { Vec::new() };
        if selector.is_empty() {
            return;
        }
        let space = namespace(budget);
        let named = |name: &str| {
            let full = format!("{space}/{name}");
            self.pod_names.iter().find(|pod| *pod.1 == full).map(|pod| *pod.0)
        };
        let disrupted = status["disruptedPods"].as_object().into_iter().flatten().filter_map(|(name, _)| named(name)).collect();
        let allowed = status["disruptionsAllowed"].as_i64().unwrap_or(0) as i32;
        let namespace = self.names.sym(&space);
        self.budgets.push(Budget { namespace, selector: selector.into(), allowed, disrupted });
    }

    /// Puts a pod on a node.
    pub(crate) fn place(&mut self, number: u32, pod: &Incoming, started_at: SimTime, preempted: bool) {
        self.account(number, &pod.resident, true);
        let entry = OnNode { pod: object(pod.uid), resident: pod.resident.clone(), started_at };
        if preempted {
            self.preempted.insert(entry.pod);
        }
        self.on_node.entry(number).or_default().push(entry);
    }

    fn account(&mut self, number: u32, pod: &Resident, add: bool) {
        if let Some(volumes) = &pod.volumes {
            self.storage.count_users(volumes.keys(), add);
        }
        self.table.account(number, pod, add);
    }

    /// Takes a pod off its node.
    pub(crate) fn displace(&mut self, number: u32, pod: &OnNode) {
        self.account(number, &pod.resident, false);
        let pods = self.on_node.get_mut(&number).unwrap();
        // The last takes the place, as in the original's list.
        let at = pods.iter().position(|other| other.pod == pod.pod).unwrap();
        pods.swap_remove(at);
    }

    /// The node that a pod is nominated to; empty for none.
    pub(crate) fn nominated_to(&self, uid: Uid) -> Sym {
        let on = |number: &u32| self.nominations.on(self.table.get(*number).name).iter().any(|nominated| nominated.pod.uid == uid);
        self.table.ordered().iter().copied().find(on).map_or(Sym::EMPTY, |number| self.table.get(number).name)
    }

    /// Name of a pod, as `namespace/name`.
    pub(crate) fn pod_name(&self, pod: ObjRef) -> &str {
        &self.pod_names[&pod]
    }

    fn add_namespace(&mut self, namespace: &Value) {
        let name = self.names.sym(namespace["metadata"]["name"].as_str().unwrap());
        let labels = self.label_set(namespace);
        if self.namespaces.labels(name).is_none() {
            let labels = self.labels.with(&self.names, labels, words::NAMESPACE_LABEL, name);
            self.namespaces.put(name, labels);
        }
    }

    fn add_node(&mut self, number: usize, node: &Value) {
        let labels = self.label_set(node);
        let names = &mut self.names;
        let taints: Arc<[NodeTaint]> = list(&node["spec"], "taints").iter().map(|taint| read_taint(names, taint)).collect();
        let mut images = Vec::new();
        for image in list(&node["status"], "images") {
            let size = image["sizeBytes"].as_i64().unwrap();
            images.extend(list(&image, "names").iter().map(|name| (names.sym(name.as_str().unwrap()), size)));
        }
        let allocatable = Arc::new(Resources::from_json(names, node.pointer("/status/allocatable")));
        let name = names.sym(node["metadata"]["name"].as_str().unwrap());
        self.table.put(NodeFacts {
            taints,
            unschedulable: node.pointer("/spec/unschedulable") == Some(&json!(true)),
            images: images.into(),
            ..NodeFacts::empty(Uid(number as u64), name, labels, allocatable)
        });
    }

    fn add_storage(&mut self, objects: &Value) {
        for (number, node) in list(objects, "csiNodes").iter().enumerate() {
            assert!(node.pointer("/metadata/annotations").is_none(), "CSINode {number}: migrations are not read");
            let name = self.names.sym(node["metadata"]["name"].as_str().unwrap());
            let limits = driver_limits(&mut self.names, node);
            self.storage.put_limits(name, Some(limits));
        }
        for driver in list(objects, "csiDrivers") {
            let name = self.names.sym(driver["metadata"]["name"].as_str().unwrap());
            self.storage.put_driver(name, driver.pointer("/spec/storageCapacity") == Some(&json!(true)));
        }
        for (number, capacity) in list(objects, "csiStorageCapacities").iter().enumerate() {
            let capacity = Capacity::of(&mut self.names, capacity);
            self.storage.put_capacity(ObjRef { uid: Uid(number as u64), ..ObjRef::default() }, Some(capacity));
        }
        let claims = list(objects, "pvcs");
        for claim in &claims {
            self.uid_of(&format!("claim {}/{}", namespace(claim), text(&claim["metadata"], "name")));
        }
        for (kind, field) in [("StorageClass", "storageClasses"), ("PersistentVolume", "pvs"), ("PersistentVolumeClaim", "pvcs")] {
            for (number, object) in list(objects, field).into_iter().enumerate() {
                self.add_stored(kind, number, object);
            }
        }
    }

    fn add_stored(&mut self, kind: &str, number: usize, mut object: Value) {
        object["apiVersion"] = json!(if kind == "StorageClass" { "storage.k8s.io/v1" } else { "v1" });
        object["kind"] = json!(kind);
        apply_defaults(&mut object);
        let mut tables = Tables {
            names: &mut self.names,
            labels: &mut self.labels,
            selectors: &mut self.selectors,
            classes: &mut self.classes,
            kinds: &mut self.kinds,
            epoch_unix_s: 0,
        };
        let NewObject { mut meta, states } = tables.object(&object);
        let name = text(&object["metadata"], "name");
        match &states[..] {
            [StateValue::StorageClass(class)] => {
                let (name, class) = (self.names.sym(&name), Class::of(&mut self.names, class));
                self.storage.put_class(name, Some(class));
            }
            [StateValue::PersistentVolume(volume), _] => {
                let uid = object.pointer("/spec/claimRef/uid").map(|uid| self.uid_of(&format!("claim {}", uid.as_str().unwrap())));
                let mut volume = (**volume).clone();
                volume.claim = volume.claim.map(|claim| ClaimRef { uid, ..claim });
                let phase = match object["status"]["phase"].as_str().unwrap() {
                    "Available" => VolumePhase::Available,
                    "Bound" => VolumePhase::Bound,
                    other => panic!("phase {other}"),
                };
                let status = PersistentVolumeStatus { phase };
                let object = ObjRef { uid: Uid(number as u64), ..ObjRef::default() };
                let facts = VolumeFacts::of(&mut self.names, &self.labels, object, (&meta, &volume, &status));
                self.storage.put_volume(facts);
            }
            [StateValue::PersistentVolumeClaim(claim), StateValue::PersistentVolumeClaimStatus(status)] => {
                for (owner, recorded) in meta.owners.iter_mut().zip(list(&object["metadata"], "ownerReferences")) {
                    owner.uid = Some(self.uid_of(&format!("pod {}", recorded["uid"].as_str().unwrap())));
                }
                let uid = self.uid_of(&format!("claim {}/{name}", namespace(&object)));
                let parts = (&meta, &**claim, &**status);
                let object = ObjRef { uid, ..ObjRef::default() };
                let facts = ClaimFacts::of(&mut self.names, &self.labels, &self.selectors, object, parts);
                self.storage.put_claim(facts);
            }
            other => panic!("{kind}: {other:?}"),
        }
    }

    fn uid_of(&mut self, text: &str) -> Uid {
        let next = Uid(self.uids.len() as u64 + 1);
        *self.uids.entry(text.to_string()).or_insert(next)
    }

    fn add_pod(&mut self, pod: &Value) {
        if matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed")) {
            return;
        }
        let incoming = self.incoming(pod);
        if incoming.node_name.is_empty() {
            let priority = incoming.resident.class.priority;
            let nominated = Nominated { pod: object(incoming.uid), priority, resident: incoming.resident };
            self.nominations.put(incoming.nominated_node, nominated);
        } else if let Some(number) = self.table.by_name(incoming.node_name) {
            let started_at = pod.pointer("/status/startTime").map_or(NOW, |time| moment(time.as_str().unwrap()));
            let by_us = |c: &Value| c["type"] == "DisruptionTarget" && c["status"] == "True" && c["reason"] == "PreemptionByScheduler";
            let terminating = pod.pointer("/metadata/deletionTimestamp").is_some();
            let preempted = terminating && list(&pod["status"], "conditions").iter().any(by_us);
            self.place(number, &incoming, started_at, preempted);
        }
    }

    /// A pod as the scheduler sees it.
    pub(crate) fn incoming(&mut self, pod: &Value) -> Incoming {
        let mut pod = pod.clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        if pod["spec"].get("priority").is_none() {
            let class = pod.pointer("/spec/priorityClassName").and_then(Value::as_str);
            let class = class.map(|class| self.priorities[class].clone()).or(self.default_priority.clone());
            let (priority, policy) = class.unwrap_or((0, "PreemptLowerPriority".into()));
            pod["spec"]["priority"] = json!(priority);
            if pod["spec"].get("preemptionPolicy").is_none() {
                pod["spec"]["preemptionPolicy"] = json!(policy);
            }
        }
        apply_defaults(&mut pod);
        let class = self.classes.class_of(&mut self.names, &pod["spec"]);
        let facts = ClassFacts::of(&mut self.names, &self.classes.get(class).clone());
        let labels = self.label_set(&pod);
        let facts = Arc::new(facts.for_labels(&self.labels, labels).unwrap_or(facts));
        let namespace_sym = self.names.sym(&namespace(&pod));
        let terminating = pod.pointer("/metadata/deletionTimestamp").is_some();
        let group = Group { namespace: namespace_sym, labels, terminating, terms: facts.terms.clone() };
        let name = text(&pod["metadata"], "name");
        let full = format!("{}/{name}", namespace(&pod));
        let uid = self.uid_of(&format!("pod {full}"));
        self.pod_names.insert(object(uid), full);
        let name = self.names.sym(&name);
        let volumes = facts.volumes.clone().map(|volumes| Arc::new(volumes.of_pod(&mut self.names, namespace_sym, name)));
        let owner = list(&pod["metadata"], "ownerReferences").into_iter().find(|owner| owner["controller"] == true);
        let controller = owner.and_then(|owner| self.controllers.get(&(text(&owner, "kind"), namespace(&pod), text(&owner, "name"))));
        let services = self.services.iter().filter(|service| service.0 == namespace_sym).map(|service| service.1.as_slice());
        let default_selector = default_selector(services, controller.map(Vec::as_slice), &self.labels, labels);
        Incoming {
            uid,
            name,
            resident: Resident { class: facts, group: self.groups.intern(group), volumes, own: None },
            namespace: namespace_sym,
            labels,
            node_name: self.names.sym(pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or("")),
            nominated_node: self.names.sym(pod.pointer("/status/nominatedNodeName").and_then(Value::as_str).unwrap_or("")),
            default_selector,
        }
    }

    fn label_set(&mut self, object: &Value) -> LabelSetId {
        let pairs = object.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
        let pairs: Vec<(Sym, Sym)> = pairs.map(|(key, value)| (self.names.sym(key), self.names.sym(value.as_str().unwrap()))).collect();
        self.labels.intern(&self.names, pairs)
    }

    /// What plugins see of a cycle for a pod.
    pub(crate) fn cycle<'c>(&'c self, pod: &'c Incoming) -> Cycle<'c> {
        Cycle {
            pod,
            profile: &self.profile,
            nodes: &self.table,
            groups: &self.groups,
            nominations: &self.nominations,
            storage: &self.storage,
            namespaces: &self.namespaces,
            own: None,
            labels: &self.labels,
            names: &self.names,
        }
    }

    /// Name of a node.
    pub(crate) fn node_name(&self, number: u32) -> &str {
        self.names.text(self.table.get(number).name)
    }
}

impl preemption::Cluster for Cluster {
    fn on_node(&self, number: u32) -> Vec<OnNode> {
        self.on_node.get(&number).cloned().unwrap_or_default()
    }

    fn preempted(&self, pod: ObjRef) -> bool {
        self.preempted.contains(&pod)
    }

    fn budgets(&self) -> Vec<Budget> {
        self.budgets.clone()
    }
}

/// The profile of a case, read as a scheduler's configuration is. The recorder looked at all nodes.
fn profile(names: &mut Names, part: &Value) -> Profile {
    let mut profile = part.as_object().cloned().unwrap_or_default();
    profile.insert("percentageOfNodesToScore".into(), json!(100));
    let config = json!({"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [profile]});
    let read = SchedulerConfig::from_text("profile.json", &config.to_string(), &PluginNames::default()).unwrap();
    Profile::of(names, &read.profiles[0], (Ties::Heap, 0))
}

/// Later than every recorded start.
const NOW: SimTime = SimTime(u64::MAX / 4);

/// A recorded moment, by the second, in order and without a calendar.
pub(crate) fn moment(text: &str) -> SimTime {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    SimTime(digits.parse().unwrap())
}

/// The pod with an identity.
pub(crate) fn object(uid: Uid) -> ObjRef {
    ObjRef { uid, slot: Slot(uid.0 as u32) }
}

fn read_taint(names: &mut Names, taint: &Value) -> NodeTaint {
    let mut text = |field: &str| names.sym(taint.get(field).and_then(Value::as_str).unwrap_or(""));
    NodeTaint { key: text("key"), value: text("value"), effect: Effect::parse(taint["effect"].as_str().unwrap()).unwrap(), added_at: None }
}

/// A list field, empty when absent.
pub(crate) fn list(of: &Value, field: &str) -> Vec<Value> {
    of.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap().to_string()
}

fn namespace(object: &Value) -> String {
    object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default").to_string()
}
