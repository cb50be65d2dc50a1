//! VolumeBinding: volumes of claims are within a node's reach, or can be found or made there.
//! Source: `spec/storage.md` §6; `plugins/volumebinding/volume_binding.go`, `binder.go`.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::nodes::NodeFacts;
use crate::scheduler::plugin::{Filter, Happenings, NodeFilter, Plugin, Prepared, Reason, Refusal};
use crate::scheduler::pods::Resident;
use crate::scheduler::storage::{Chosen, Storage};
use smallvec::SmallVec;
use std::sync::Arc;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::binding::{ClaimFacts, Taken, VolumeFacts, choose_on_node};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::storage::ClaimPhase;
use wavetank_engine::names::{Names, Sym};

/// What may lift its refusal.
pub const WAKES: Happenings = Happenings::NODE_ADDED
    .or(Happenings::NODE_LABELS)
    .or(Happenings::CLAIM_ADDED)
    .or(Happenings::CLAIM_CHANGED)
    .or(Happenings::VOLUME_ADDED)
    .or(Happenings::VOLUME_CHANGED)
    .or(Happenings::CLASS_ADDED)
    .or(Happenings::WAITING_CLASS_ADDED)
    .or(Happenings::CLASS_TOPOLOGY)
    .or(Happenings::CSI_NODE_ADDED)
    .or(Happenings::CAPACITY_RAISED);

/// The provisioner of classes whose volumes a person makes.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

const OUT_OF_REACH: &str = "node(s) didn't match PersistentVolume's node affinity";
const NONE_TO_BIND: &str = "node(s) didn't find available persistent volumes to bind";
const TOO_LITTLE: &str = "node(s) did not have enough free storage";
const NOT_THERE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

/// The plugin.
pub struct VolumeBinding;

impl Filter for VolumeBinding {
    fn plugin(&self) -> Plugin {
        Plugin::VolumeBinding
    }

    fn prepare<'c>(&self, cycle: &Cycle<'c>) -> Prepared<'c> {
        match Claims::of(cycle) {
            Ok(None) => Prepared::Skip,
            Ok(Some(claims)) => Prepared::Ready { only: None, filter: Box::new(Ready(Arc::new(claims))) },
            Err(text) => {
                let reasons = smallvec::smallvec![Reason::Own(text.into())];
                Prepared::Refused(Refusal { plugin: Plugin::VolumeBinding, resolvable: false, reasons })
            }
        }
    }
}

/// What is chosen for the pod's claims on a node that passed: nothing when all are bound.
pub fn chosen(cycle: &Cycle, node: &NodeFacts) -> Chosen {
    let claims = Claims::of(cycle).ok().flatten();
    claims.and_then(|claims| claims.on_node(node).ok()).unwrap_or_default()
}

/// Claims of a pod.
struct Claims<'c> {
    /// Volumes of claims that are bound; `None`: the volume is not there.
    bound: Vec<Option<&'c VolumeFacts>>,
    /// Claims to be bound when the pod's node is known, the smallest first.
    waiting: Vec<&'c ClaimFacts>,
    /// Volumes of the classes of those, by class.
    volumes: LookupMap<Sym, Vec<VolumeFacts>>,
    storage: &'c Storage,
    labels: &'c LabelSets,
    names: &'c Names,
}

impl<'c> Claims<'c> {
    /// The pod's claims; `None` without any.
    ///
    /// # Errors
    /// What keeps the pod from every node.
    fn of(cycle: &Cycle<'c>) -> Result<Option<Claims<'c>>, String> {
        let Some(pod) = cycle.pod.resident.volumes.as_ref().filter(|volumes| !volumes.claims.is_empty()) else { return Ok(None) };
        let (storage, names) = (cycle.storage, cycle.names);
        let mut claims =
            Claims { bound: Vec::new(), waiting: Vec::new(), volumes: LookupMap::default(), storage, labels: cycle.labels, names };
        let mut found = Vec::new();
        for used in &pod.claims {
            let name = names.text(used.name);
            let claim = match storage.claim((pod.namespace, used.name)) {
                None if used.ephemeral => {
                    return Err(format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\""));
                }
                None => return Err(format!("persistentvolumeclaim \"{name}\" not found")),
                Some(claim) => claim,
            };
            if claim.phase == ClaimPhase::Lost {
                let volume = names.text(claim.volume);
                return Err(format!("persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\""));
            }
            if claim.terminating {
                return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
            }
            if used.ephemeral && claim.controller != Some(cycle.pod.uid) {
                let (namespace, pod) = (names.text(pod.namespace), names.text(cycle.pod.name));
                return Err(format!("PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)"));
            }
            found.push(claim);
        }
        for claim in found {
            if claim.is_bound() {
                claims.bound.push(storage.volume(claim.volume));
            } else if claim.volume.is_empty() && storage.class(claim.class).is_some_and(|class| class.waits) {
                // Two volumes of a pod may be of one claim.
                if !claims.waiting.iter().any(|known| known.object == claim.object) {
                    claims.waiting.push(claim);
                }
                claims.volumes.entry(claim.class).or_insert_with(|| storage.volumes_of(claim.class));
            } else if !storage.any_claim_binds {
                return Err("pod has unbound immediate PersistentVolumeClaims".into());
            }
        }
        claims.waiting.sort_by_key(|claim| claim.request);
        Ok(Some(claims))
    }

    /// What is chosen on a node, or why it can't be.
    fn on_node(&self, node: &NodeFacts) -> Result<Chosen, SmallVec<[Reason; 1]>> {
        let mut reasons = SmallVec::new();
        let reach = |volume: &&VolumeFacts| volume.reachable_from(self.labels, self.names, node.labels);
        match self.bound.iter().find(|volume| !volume.as_ref().is_some_and(reach)) {
            Some(Some(_)) => reasons.push(Reason::Text(OUT_OF_REACH)),
            Some(None) => reasons.push(Reason::Text(NOT_THERE)),
            None => {}
        }
        let chosen = match self.unbound_on_node(node) {
            Ok(chosen) => chosen,
            Err(reason) => {
                // Missing volumes stand last in the original's list.
                let at = reasons.iter().position(|known| *known == Reason::Text(NOT_THERE)).unwrap_or(reasons.len());
                reasons.insert(at, Reason::Text(reason));
                Chosen::default()
            }
        };
        if reasons.is_empty() { Ok(chosen) } else { Err(reasons) }
    }

    fn unbound_on_node(&self, node: &NodeFacts) -> Result<Chosen, &'static str> {
        let (mut to_find, mut to_provision) = (Vec::new(), Vec::new());
        for &claim in &self.waiting {
            let selected = self.storage.selected_node(claim);
            if selected.is_empty() {
                to_find.push(claim);
            } else if selected == node.name {
                to_provision.push(claim);
            } else {
                return Err(NONE_TO_BIND);
            }
        }
        let (mut chosen, mut taken) = (Chosen::default(), Vec::new());
        for claim in to_find {
            let volumes = self.volumes.get(&claim.class).into_iter().flatten();
            match choose_on_node(claim, volumes, &taken, node.labels, self.labels, self.names) {
                Some(volume) => {
                    taken.push(volume.object);
                    chosen.volumes.push((volume.object, Taken { key: claim.key, uid: Some(claim.object.uid) }));
                }
                None => to_provision.push(claim),
            }
        }
        for claim in to_provision {
            self.can_provision(claim, node)?;
            chosen.to_provision.push((claim.object, claim.key));
        }
        Ok(chosen)
    }

    /// Source: `binder.go`, `checkVolumeProvisions`.
    fn can_provision(&self, claim: &ClaimFacts, node: &NodeFacts) -> Result<(), &'static str> {
        let class = self.storage.class(claim.class).ok_or(NONE_TO_BIND)?;
        let has = |(key, values): &(Sym, Vec<Sym>)| self.labels.get(node.labels, *key).is_some_and(|value| values.contains(&value));
        let met = class.topologies.is_empty() || class.topologies.iter().any(|term| term.iter().all(has));
        if class.provisioner.is_empty() || self.names.text(class.provisioner) == NO_PROVISIONER || !met {
            return Err(NONE_TO_BIND);
        }
        let enough = || {
            self.storage.capacities().any(|capacity| {
                capacity.class == claim.class
                    && capacity.limit.is_some_and(|limit| limit >= claim.request)
                    && capacity.nodes.as_ref().is_some_and(|list| list.iter().all(|needed| needed.met_by(self.labels, node.labels)))
            })
        };
        if self.storage.is_measured(class.provisioner) && !enough() { Err(TOO_LITTLE) } else { Ok(()) }
    }
}

struct Ready<'c>(Arc<Claims<'c>>);

impl NodeFilter for Ready<'_> {
    fn refusal(&self, _: u32, node: &NodeFacts) -> Option<Refusal> {
        self.0.on_node(node).err().map(|reasons| Refusal { plugin: Plugin::VolumeBinding, resolvable: false, reasons })
    }

    fn count(&mut self, _: &Resident, _: u32, _: bool) {}

    fn copy<'s>(&'s self) -> Box<dyn NodeFilter + 's> {
        Box::new(Ready(self.0.clone()))
    }
}
