//! One turn of a claim, a volume or a class.

use super::cache::{BinderCache, Gone};
use super::plan::{Around, ClaimPlan, Mismatch, Step, VolumePlan, plan_claim, plan_volume};
use super::{Binder, RESYNC, Reads, Running, VolumeQueue};
use serde_json::{Value, json};
use wavetank_engine::api::json_in::read_volume;
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::{NewObject, Reply, Verb};
use wavetank_engine::api::state::StateValue;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, uid_text};
use wavetank_engine::model::binding::ClaimKey;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::storage::{
    ClaimPhase, ClaimRef, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, PersistentVolumeStatus, VolumePhase,
};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::{Arg, Events, Report};
use wavetank_engine::simulation::route::SINGLE;
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// Provisioners of this name are parts of the original, and none of them makes volumes any more but those that drivers have taken over.
const IN_TREE: &str = "kubernetes.io/";
/// In-tree provisioners whose work a CSI driver has taken over, with that driver. Source: `csi-translation-lib/plugins`.
pub(crate) const MIGRATED: [(&str, &str); 7] = [
    ("kubernetes.io/aws-ebs", "ebs.csi.aws.com"),
    ("kubernetes.io/gce-pd", "pd.csi.storage.gke.io"),
    ("kubernetes.io/azure-disk", "disk.csi.azure.com"),
    ("kubernetes.io/azure-file", "file.csi.azure.com"),
    ("kubernetes.io/cinder", "cinder.csi.openstack.org"),
    ("kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com"),
    ("kubernetes.io/portworx-volume", "pxd.portworx.com"),
];

/// Everything a turn works with.
pub(super) struct Turn<'t, 'q, 'r, 's> {
    pub(super) work: &'t mut Work<'q, VolumeQueue>,
    pub(super) reads: &'t Reads<'r, 's>,
    pub(super) names: &'t mut Names,
    pub(super) labels: &'t mut LabelSets,
    pub(super) state: &'t mut Binder,
    pub(super) cache: &'t mut BinderCache,
    pub(super) events: &'t mut Events,
}

impl Turn<'_, '_, '_, '_> {
    /// Takes in what an item is about; what went with it is looked at later.
    pub(super) fn take_in(&mut self, item: &Item) {
        let object = item.object;
        let Some(meta) = self.reads.metas.get(object).or_else(|| self.reads.metas.get_even_gone(object)) else { return };
        match self.cache.take_in(object, meta, self.reads, self.labels, self.names) {
            Gone::Claim(volume) => {
                self.state.end(object);
                if let Some(volume) = self.cache.volumes.named(volume) {
                    self.work.wake(volume.object, item.cause);
                }
            }
            Gone::Volume(claim) => {
                if let Some(claim) = self.cache.claims.get(&claim) {
                    self.work.wake(claim.object, item.cause);
                }
            }
            Gone::Nothing => {}
        }
    }

    pub(super) fn take(&mut self, item: &Item) {
        let object = item.object;
        if object == SINGLE {
            self.resync();
            return;
        }
        let Some(meta) = self.reads.metas.get(object) else { return };
        let refused = item.replies.iter().any(|reply| matches!(reply, Reply::Refused(refusal) if refusal.code != 404));
        match meta.kind {
            Kind::PersistentVolumeClaim => match self.state.end(object) {
                Some(running) => self.go_on(item, running, refused),
                None => {
                    let key = (meta.namespace, self.name_of(meta));
                    self.claim(item, key, refused);
                }
            },
            Kind::PersistentVolume if refused => self.work.retry(object),
            Kind::PersistentVolume if item.woken => self.volume(item, meta),
            _ => {}
        }
    }

    fn name_of(&mut self, meta: &Meta) -> Sym {
        let text = self.names.render(meta.name);
        self.names.sym(&text)
    }

    /// Looks at everything unsettled again.
    fn resync(&mut self) {
        if self.state.resync_at.is_some_and(|at| at <= self.work.now()) {
            self.state.resync_at = None;
            for &object in &self.cache.unsettled {
                self.work.wake(object, wavetank_engine::ids::Revision(0));
            }
        }
    }

    /// Sets the timer for the next look while anything is unsettled.
    pub(super) fn plan_resync(&mut self) {
        if self.cache.unsettled.is_empty() || self.state.resync_at.is_some() {
            return;
        }
        let phase = self.reads.resync.phase.0 % RESYNC.0;
        let at = SimTime(((self.work.now().0 + RESYNC.0 - phase) / RESYNC.0) * RESYNC.0 + phase);
        self.state.resync_at = Some(at);
        self.work.wake_at(SINGLE, at);
    }

    fn claim(&mut self, item: &Item, key: ClaimKey, refused: bool) {
        if refused {
            self.work.retry(item.object);
            return;
        }
        if !item.woken {
            self.work.forget(item.object);
            return;
        }
        let Some(claim) = self.cache.claims.get(&key).filter(|claim| claim.object == item.object) else { return };
        let unset = self.reads.claims.get(item.object).is_some_and(|spec| spec.class.is_none()) && claim.class.is_empty();
        let names = &*self.names;
        let around = Around {
            cache: self.cache,
            labels: self.labels,
            busy: &self.state.busy,
            default_class: if unset { self.cache.default_class(names) } else { None },
            assumed: self.reads.assumed.0,
            can_provision: &|provisioner| driver(names.text(provisioner)).is_some(),
        };
        let plan = plan_claim(claim, &around);
        self.carry_out(item, key, plan);
    }

    fn carry_out(&mut self, item: &Item, key: ClaimKey, plan: ClaimPlan) {
        let (object, texts) = (item.object, *self.reads.texts);
        let shown = |names: &Names, sym: Sym| names.text(sym).to_string();
        match plan {
            ClaimPlan::Nothing => self.work.forget(object),
            ClaimPlan::Bind(volume, step) => self.go_on(item, Running { volume, step, dirty: false }, false),
            ClaimPlan::Lost(gone) => {
                let (reason, text) = if gone {
                    (texts.claim_lost, "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
                } else {
                    (texts.claim_misbound, "Two claims are bound to the same volume, this one is bound incorrectly")
                };
                self.tell(object, true, reason, text);
                let status = PersistentVolumeClaimStatus { phase: ClaimPhase::Lost, ..PersistentVolumeClaimStatus::default() };
                self.work.ask(item, Verb::Put { object, expect: None, value: status.into() });
            }
            ClaimPlan::Mismatch(volume, why) => {
                let name = self.cache.volumes.get(volume).map_or(String::new(), |volume| shown(self.names, volume.name));
                let text = format!("Cannot bind to requested volume \"{name}\": {}", Mismatch::text(why));
                self.tell(object, true, texts.mismatch, &text);
            }
            ClaimPlan::AnothersVolume => {
                let volume = self.cache.claims.get(&key).map_or(String::new(), |claim| shown(self.names, claim.volume));
                self.tell(object, true, texts.failed_binding, &format!("volume \"{volume}\" already bound to a different claim."));
            }
            ClaimPlan::TakeDefaultClass(class) => {
                let Some(spec) = self.reads.claims.get(object) else { return };
                let value = PersistentVolumeClaim { class: Some(class), ..spec.clone() };
                self.work.ask(item, Verb::Put { object, expect: None, value: value.into() });
            }
            ClaimPlan::WaitForPod => {
                let pods = self.waiting_pods(key);
                let (reason, text) = match &pods[..] {
                    [] => (texts.waits, "waiting for first consumer to be created before binding".to_string()),
                    [pod] => (texts.waits_for_pod, format!("waiting for pod {pod} to be scheduled")),
                    _ => (texts.waits_for_pod, format!("waiting for pods {} to be scheduled", pods.join(","))),
                };
                self.tell(object, false, reason, &text);
            }
            ClaimPlan::NoClass => {
                let class = self.cache.claims.get(&key).map_or(String::new(), |claim| shown(self.names, claim.class));
                self.tell(object, true, texts.provisioning_failed, &format!("storageclass.storage.k8s.io \"{class}\" not found"));
            }
            ClaimPlan::NoProvisioner(provisioner) => {
                let text = format!("no volume plugin matched name: {}", self.names.text(provisioner));
                self.tell(object, true, texts.provisioning_failed, &text);
            }
            ClaimPlan::Provision(provisioner) => self.ask_provisioner(item, provisioner),
            ClaimPlan::NoVolume => {
                let text = "no persistent volumes available for this claim and no storage class is set";
                self.tell(object, false, texts.failed_binding, text);
            }
            ClaimPlan::Assume => self.assume(item, key),
        }
    }

    /// Tells the provisioner of the class, by annotations, that a volume is wanted.
    fn ask_provisioner(&mut self, item: &Item, provisioner: Sym) {
        let Some(mut meta) = self.reads.metas.get(item.object).cloned() else { return };
        let text = self.names.text(provisioner);
        let driver = driver(text).unwrap_or(text).to_string();
        let name = self.names.sym(&driver);
        let before = meta.annotations;
        for key in [words::BETA_STORAGE_PROVISIONER, words::STORAGE_PROVISIONER] {
            meta.annotations = self.labels.with(self.names, meta.annotations, key, name);
        }
        if meta.annotations != before {
            self.work.ask(item, Verb::Put { object: item.object, expect: None, value: meta.into() });
        }
        let text = format!(
            "Waiting for a volume to be created either by the external provisioner '{driver}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        self.tell(item.object, false, self.reads.texts.external_provisioning, &text);
    }

    /// Pods of a claim that have no node yet, by name.
    fn waiting_pods(&self, (namespace, claim): ClaimKey) -> Vec<String> {
        let uses = |pod: &ObjRef| {
            self.reads
                .pods
                .get(*pod)
                .is_some_and(|pod| pod.node.is_empty() && self.reads.pod_classes.get(pod.class).claims.contains(&claim))
        };
        let pods = self.reads.listing.in_namespace(Kind::Pod, namespace).filter(uses);
        let mut list: Vec<String> = pods.filter_map(|pod| self.reads.metas.get(pod)).map(|meta| self.names.render(meta.name)).collect();
        list.sort();
        list
    }

    /// Gives a claim a volume of its own that is there at once.
    fn assume(&mut self, item: &Item, key: ClaimKey) {
        let object = item.object;
        let (Some(spec), Some(meta)) = (self.reads.claims.get(object), self.reads.metas.get(object)) else { return };
        let (mut spec, mut meta): (PersistentVolumeClaim, Meta) = (spec.clone(), meta.clone());
        let (namespace, claim) = (self.names.text(key.0).to_string(), self.names.text(key.1).to_string());
        let name = format!("pvc-{}", uid_text(self.reads.seed.0, "PersistentVolumeClaim", &namespace, &claim, meta.created_at));
        let size = spec.raw.at(&["resources", "requests", "storage"]).cloned().unwrap_or(Value::Null);
        let class = self.cache.claims.get(&key).map_or(String::new(), |claim| self.names.text(claim.class).to_string());
        let body = json!({
            "capacity": {"storage": size.clone()},
            "accessModes": spec.modes.words().collect::<Vec<_>>(),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": class,
            "volumeMode": if spec.block { "Block" } else { "Filesystem" },
            "csi": {"driver": self.names.text(self.reads.texts.assumed), "volumeHandle": name.clone()},
        });
        let reference = ClaimRef { namespace: key.0, name: meta.name, uid: Some(object.uid) };
        let volume = read_volume(self.names, &body, reference);
        let mut volume_meta = Meta::new(Kind::PersistentVolume, Sym::EMPTY, self.names.name(&name));
        volume_meta.annotations =
            self.labels.intern(self.names, [(words::PROVISIONED_BY, self.reads.texts.assumed), (words::BOUND_BY_CONTROLLER, words::YES)]);
        let states: Vec<StateValue> = vec![volume.into(), PersistentVolumeStatus { phase: VolumePhase::Bound }.into()];
        self.work.ask(item, Verb::Create(Box::new(NewObject { meta: volume_meta, states })));
        spec.volume = self.names.sym(&name);
        for word in [words::BIND_COMPLETED, words::BOUND_BY_CONTROLLER] {
            meta.annotations = self.labels.with(self.names, meta.annotations, word, words::YES);
        }
        let capacity = self.names.sym(size.as_str().unwrap_or(""));
        let status = PersistentVolumeClaimStatus { phase: ClaimPhase::Bound, modes: spec.modes, capacity };
        self.work.ask(item, Verb::PutAll { object, expect: None, values: vec![meta.into(), spec.into(), status.into()] });
    }

    /// Goes on with a binding: the next write, or its end.
    fn go_on(&mut self, item: &Item, mut running: Running, refused: bool) {
        running.dirty |= item.woken && !item.replies.is_empty();
        if refused {
            self.work.retry(item.object);
            return;
        }
        let from = if item.replies.is_empty() { Some(running.step) } else { Step::ALL.into_iter().find(|step| *step > running.step) };
        let steps = from.map_or(&[][..], |from| &Step::ALL[from as usize..]);
        for &step in steps {
            if let Some(verb) = self.write(item.object, running.volume, step) {
                self.work.ask(item, verb);
                self.state.begin(item.object, Running { step, ..running });
                return;
            }
        }
        self.work.forget(item.object);
        if running.dirty {
            self.work.wake(item.object, item.cause);
        }
    }

    /// The write of a step; `None` when it is done already.
    fn write(&mut self, object: ObjRef, volume: ObjRef, step: Step) -> Option<Verb> {
        let facts = self.cache.volumes.get(volume)?;
        let key = self.reads.metas.get(object).map(|meta| (meta.namespace, meta.name))?;
        let name = self.names.render(key.1);
        let claim = self.cache.claims.get(&(key.0, self.names.find(&name)?))?;
        if !step.needed(claim, facts) {
            return None;
        }
        let (reserved, named) = (facts.is_for(claim), claim.volume == facts.name);
        let bound_by = |labels: &mut LabelSets, names: &Names, meta: &mut Meta| {
            meta.annotations = labels.with(names, meta.annotations, words::BOUND_BY_CONTROLLER, words::YES);
        };
        match step {
            Step::Take => {
                let mut meta = self.reads.metas.get(volume)?.clone();
                if !reserved {
                    bound_by(self.labels, self.names, &mut meta);
                }
                let reference = ClaimRef { namespace: key.0, name: key.1, uid: Some(object.uid) };
                let value = PersistentVolume { claim: Some(reference), ..self.reads.volumes.get(volume)?.clone() };
                let expect = Some(self.reads.listing.revision(volume));
                Some(Verb::PutAll { object: volume, expect, values: vec![meta.into(), value.into()] })
            }
            Step::VolumeBound => {
                let value = PersistentVolumeStatus { phase: VolumePhase::Bound };
                Some(Verb::Put { object: volume, expect: None, value: value.into() })
            }
            Step::Name => {
                let mut meta = self.reads.metas.get(object)?.clone();
                let mut value = self.reads.claims.get(object)?.clone();
                if !named {
                    value.volume = facts.name;
                    bound_by(self.labels, self.names, &mut meta);
                }
                meta.annotations = self.labels.with(self.names, meta.annotations, words::BIND_COMPLETED, words::YES);
                Some(Verb::PutAll { object, expect: None, values: vec![meta.into(), value.into()] })
            }
            Step::ClaimBound => {
                let spec = self.reads.volumes.get(volume)?;
                let capacity = spec.raw.at(&["capacity", "storage"]).and_then(Value::as_str).unwrap_or("");
                let value = PersistentVolumeClaimStatus { phase: ClaimPhase::Bound, modes: spec.modes, capacity: self.names.sym(capacity) };
                Some(Verb::Put { object, expect: None, value: value.into() })
            }
        }
    }

    fn volume(&mut self, item: &Item, meta: &Meta) {
        let object = item.object;
        let (Some(facts), Some(spec)) = (self.cache.volumes.get(object), self.reads.volumes.get(object)) else { return };
        let policy = spec.raw.at(&["persistentVolumeReclaimPolicy"]).and_then(Value::as_str).unwrap_or("Retain").to_string();
        let provisioned = self.labels.get(meta.annotations, words::PROVISIONED_BY);
        let plan = plan_volume(facts, self.cache, provisioned.is_some() && policy == "Delete");
        match plan {
            VolumePlan::Nothing => self.work.forget(object),
            VolumePlan::Phase(phase) => self.set_phase(item, phase),
            VolumePlan::WakeClaim(claim) => {
                if !self.state.running.contains_key(&claim) {
                    self.work.wake(claim, item.cause);
                }
            }
            VolumePlan::Unbind => self.unbind(item),
            VolumePlan::Reclaim => self.reclaim(item, &policy, provisioned.is_some()),
        }
    }

    fn set_phase(&mut self, item: &Item, phase: VolumePhase) {
        let value = PersistentVolumeStatus { phase };
        self.work.ask(item, Verb::Put { object: item.object, expect: None, value: value.into() });
    }

    /// Frees a volume; one that a person reserved stays reserved.
    fn unbind(&mut self, item: &Item) {
        let (Some(spec), Some(meta)) = (self.reads.volumes.get(item.object), self.reads.metas.get(item.object)) else { return };
        let (mut spec, mut meta) = (spec.clone(), meta.clone());
        if self.labels.get(meta.annotations, words::BOUND_BY_CONTROLLER).is_some() {
            spec.claim = None;
            meta.annotations = self.labels.without(meta.annotations, words::BOUND_BY_CONTROLLER);
        } else {
            spec.claim = spec.claim.map(|claim| ClaimRef { uid: None, ..claim });
        }
        self.work.ask(item, Verb::PutAll { object: item.object, expect: None, values: vec![meta.into(), spec.into()] });
    }

    /// Source: `spec/storage.md` §4; `pv_controller.go`, `reclaimVolume`, `deleteVolumeOperation`.
    fn reclaim(&mut self, item: &Item, policy: &str, provisioned: bool) {
        let object = item.object;
        let texts = *self.reads.texts;
        let (Some(spec), Some(facts)) = (self.reads.volumes.get(object), self.cache.volumes.get(object)) else { return };
        let path = spec.raw.at(&["hostPath", "path"]).and_then(Value::as_str).map(str::to_string);
        let by_driver = provisioned || facts.csi.is_some();
        let name = self.names.text(facts.name).to_string();
        let failed = facts.phase == VolumePhase::Failed;
        match (policy, path) {
            // What a driver made its provisioner deletes.
            ("Delete", _) if by_driver => {}
            ("Delete", Some(path)) if path.strip_prefix("/tmp/").is_some_and(|rest| !rest.is_empty()) => {
                self.work.ask(item, Verb::Delete { object, grace_s: None, propagation: None });
            }
            ("Delete", path) if !failed => {
                let text = match path {
                    Some(path) => format!("host_path deleter only supports /tmp/.+ but received provided {path}"),
                    None => format!("error getting deleter volume plugin for volume \"{name}\": no deletable volume plugin matched"),
                };
                self.tell(object, true, texts.failed_delete, &text);
                self.set_phase(item, VolumePhase::Failed);
            }
            ("Recycle", path) if path.is_some() || spec.raw.at(&["nfs"]).is_some() => {
                self.tell(object, false, texts.recycled, "Volume recycled");
                self.unbind(item);
            }
            ("Recycle", _) if !failed => {
                self.tell(object, true, texts.failed_recycle, "No recycler plugin found for the volume!");
                self.set_phase(item, VolumePhase::Failed);
            }
            _ => self.work.forget(object),
        }
    }

    fn tell(&mut self, object: ObjRef, warning: bool, reason: Sym, text: &str) {
        let Some(meta) = self.reads.metas.get(object) else { return };
        let about = ObjectKey { kind: meta.kind, namespace: meta.namespace, name: meta.name };
        let texts = *self.reads.texts;
        let args = [Arg::Text(self.names.sym(text))];
        self.events.report(
            self.work.now(),
            Report { about, uid: object.uid, source: texts.source, warning, reason, words: texts.text, args: &args },
        );
    }
}

/// The driver that makes volumes for a provisioner's name; `None` when nothing does.
pub(crate) fn driver(provisioner: &str) -> Option<&str> {
    match MIGRATED.iter().find(|pair| pair.0 == provisioner) {
        Some(pair) => Some(pair.1),
        None => (!provisioner.starts_with(IN_TREE)).then_some(provisioner),
    }
}
