//! Volumes of a pod: all have to be mounted before its sandbox is made, and unmounted before it may be removed.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/volumemanager/volume_manager.go`, `WaitForAttachAndMount`, `WaitForUnmount`;
//! `pkg/util/goroutinemap/exponentialbackoff`; `spec/kubelet.md` §17.
//!
//! Mounting takes no time here. A mount or unmount that fails is tried again after half a second, then twice as long each time.

use crate::kubelet::needs::{Holder, Lacks, Missing, Needs, Reference};
use crate::kubelet::pod_run::{Cx, Op, PodRun, Process, Stage};
use crate::kubelet::restart::BACK_OFF_FIRST;
use crate::kubelet::start::text;
use crate::kubelet::trace::Seam;
use crate::kubelet::{Cluster, Heard};
use serde::{Deserialize, Serialize};
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{ObjectKey, Uid};
use wavetank_engine::model::storage::ClaimPhase;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Arg;
use wavetank_engine::time::{SimDuration, SimTime};

/// First delay after a failed mount or unmount.
const RETRY_FIRST: SimDuration = SimDuration::from_millis(500);
/// Longest delay.
const RETRY_MAX: SimDuration = SimDuration::from_secs(122);

/// A pod that waits for volumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    failures: u32,
    next_at: SimTime,
}

impl Wait {
    /// When it is tried again.
    pub fn next_at(&self) -> SimTime {
        self.next_at
    }

    /// Counts a failure: when it is tried again.
    fn failed(&mut self, now: SimTime) -> SimTime {
        let delay = RETRY_FIRST.saturating_mul(1 << self.failures.min(16)).min(RETRY_MAX);
        self.failures += 1;
        self.next_at = now + delay;
        self.next_at
    }
}

/// Pods that wait for volumes: few of many. By the pod's identity.
pub type Waits = LookupMap<Uid, Wait>;

impl Cluster<'_, '_> {
    /// What a pod that is to be set up lacks.
    pub(super) fn lacks(&self, needs: &Needs, heard: &Heard, run: &PodRun) -> Lacks {
        let mut lacks = Lacks::default();
        if run.stage != Stage::Syncing {
            return lacks;
        }
        if !run.sandbox {
            for volume in &needs.volumes {
                if let Some((claim, own)) = &volume.claim {
                    let pod = self.names.render(heard.key.name);
                    let claim = if *own { format!("{pod}-{claim}") } else { claim.clone() };
                    if let Some(why) = self.unbound(&claim, heard.key.namespace) {
                        lacks.unprocessed.push((volume.name, why));
                        continue;
                    }
                }
                let missing = volume.sources.iter().find_map(|source| Some(source.in_volume(self.missing(source, heard.key.namespace)?)));
                let broken = || self.broken.is_broken(self.names.text(volume.name)).then(|| "mount failed: exit status 32".to_string());
                lacks.unmounted.extend(missing.or_else(broken).map(|why| (volume.name, why)));
            }
        }
        let namespace = self.names.text(heard.key.namespace);
        let found = needs.environments.iter().map(|environment| {
            environment.iter().find_map(|source| Some(source.in_environment(self.missing(source, heard.key.namespace)?, namespace)))
        });
        let found: Vec<Option<String>> = found.collect();
        if found.iter().any(Option::is_some) {
            lacks.containers = found;
        }
        lacks
    }

    /// Why a claim's volume cannot be mounted yet.
    fn unbound(&self, claim: &str, namespace: Sym) -> Option<String> {
        let (space, kind) = (self.names.text(namespace), wavetank_engine::ids::Kind::PersistentVolumeClaim);
        let found = self.names.find_name(claim).and_then(|name| self.listing.by_key(ObjectKey { kind, namespace, name }));
        let why = match found {
            None => format!("failed to fetch PVC from API server: persistentvolumeclaims {claim:?} not found"),
            Some(object) if self.claims.get(object).is_some_and(|status| status.phase == ClaimPhase::Bound) => return None,
            Some(_) => "PVC is not bound".to_string(),
        };
        Some(format!("error processing PVC {space}/{claim}: {why}"))
    }

    /// Whether a reference leads nowhere.
    fn missing<'a>(&self, reference: &'a Reference, namespace: Sym) -> Option<Missing<'a>> {
        let object = self.kinds.find(reference.holder.word()).and_then(|kind| {
            let name = self.names.find_name(&reference.name)?;
            self.listing.by_key(ObjectKey { kind, namespace, name })
        });
        let Some(body) = object.and_then(|object| self.opaques.get(object)) else { return Some(Missing::Object) };
        let fields: &[&str] = match reference.holder {
            Holder::ConfigMap => &["data", "binaryData"],
            Holder::Secret => &["data", "stringData"],
        };
        let has = |key: &str| fields.iter().any(|field| body.body.at(&[field, key]).is_some());
        reference.keys.iter().find(|key| !has(key)).map(|key| Missing::Key(key))
    }

    /// Until when a pod that has ended is kept from being removed, because a volume of it cannot be unmounted.
    pub(super) fn held(&mut self, run: &PodRun, now: SimTime) -> Option<SimTime> {
        if !self.broken.any() {
            self.kubelets.waits.remove(&run.object.uid);
            return None;
        }
        let class = self.classes.get(run.class);
        let needs = self.gates.of(run.class, class, &mut self.names).needs.clone();
        let holds = |names: &Names, needs: &Needs| needs.volumes.iter().any(|volume| self.broken.is_broken(names.text(volume.name)));
        if !needs.is_some_and(|needs| holds(&self.names, &needs)) {
            self.kubelets.waits.remove(&run.object.uid);
            return None;
        }
        let wait = self.kubelets.waits.entry(run.object.uid).or_default();
        Some(if wait.failures > 0 && now < wait.next_at { wait.next_at } else { wait.failed(now) })
    }
}

impl PodRun {
    /// Waits for volumes, if some are not there.
    pub(super) fn mount_op(&self, cx: &mut Cx) -> Option<Op> {
        if cx.lacks.unprocessed.is_empty() && cx.lacks.unmounted.is_empty() {
            if !cx.waits.is_empty() {
                cx.waits.remove(&self.object.uid);
            }
            return None;
        }
        Some(Op::Mount)
    }

    /// Tries to mount the volumes that are not there: when it is tried again.
    pub(super) fn mounts_fail(&mut self, cx: &mut Cx) -> SimTime {
        let lacks = std::mem::take(&mut cx.lacks);
        for (volume, why) in &lacks.unmounted {
            self.cross(cx, Seam::Volumes, "WaitForAttachAndMount", |cx| format!("{}: {why}", cx.names.text(*volume)));
            let why = cx.names.sym(why);
            cx.note(true, cx.texts.failed_mount, cx.texts.failed_mount_words, &[text(*volume), text(why)]);
        }
        let mut again = cx.waits.entry(self.object.uid).or_default().failed(cx.now);
        if !lacks.unprocessed.is_empty() {
            let list = |pairs: &[&[(Sym, String)]]| {
                let mut all: Vec<&str> = pairs.iter().flat_map(|pairs| pairs.iter()).map(|pair| cx.names.text(pair.0)).collect();
                all.sort_unstable();
                all.join(" ")
            };
            let why: Vec<&str> = lacks.unprocessed.iter().map(|pair| pair.1.as_str()).collect();
            let message = format!(
                "Unable to attach or mount volumes: unmounted volumes=[{}], unattached volumes=[], failed to process volumes=[{}]: {}",
                list(&[&lacks.unprocessed, &lacks.unmounted]),
                list(&[&lacks.unprocessed]),
                why.join("; ")
            );
            let message = cx.names.sym(&message);
            cx.note(true, cx.texts.failed_mount, message, &[]);
            // Choice: after an error the original begins anew after 10 to 15 s; ours after 10.
            let anew = cx.now + BACK_OFF_FIRST;
            again = if lacks.unmounted.is_empty() { anew } else { again.min(anew) };
        }
        cx.lacks = lacks;
        again
    }

    /// Whether a container can be configured. If not it waits, and is tried again as after every error.
    pub(super) fn configured(&mut self, at: usize, cx: &mut Cx) -> bool {
        let Some(why) = cx.lacks.containers.get(at).and_then(Option::as_ref) else { return true };
        let message = cx.names.sym(why);
        let container = &mut self.containers[at];
        if let Process::Ended(end) = container.process {
            container.last = Some(Box::new(end));
        }
        container.process = Process::Waiting { reason: cx.texts.config_error, message };
        container.image_ready = false;
        // Choice: after an error the original looks again after 10 to 15 s; ours after 10.
        container.retry_at = Some(cx.now + BACK_OFF_FIRST);
        self.dirty = true;
        cx.note(true, cx.texts.failed, cx.texts.error_words, &[Arg::Text(message)]);
        false
    }
}
