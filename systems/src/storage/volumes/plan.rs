//! What is to be done about a claim or a volume. Source: `spec/storage.md` §3 and §4; `pv_controller.go`, `syncClaim`, `syncVolume`.

use super::cache::BinderCache;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::binding::{ClaimFacts, VolumeFacts, choose};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::storage::{ClaimPhase, VolumePhase};
use wavetank_engine::names::Sym;

/// One of the four writes of a binding, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    /// `claimRef` of the volume.
    Take,
    /// The volume's phase.
    VolumeBound,
    /// `volumeName` of the claim.
    Name,
    /// The claim's phase.
    ClaimBound,
}

impl Step {
    /// All steps.
    pub const ALL: [Step; 4] = [Step::Take, Step::VolumeBound, Step::Name, Step::ClaimBound];

    /// Whether a binding still needs it.
    pub fn needed(self, claim: &ClaimFacts, volume: &VolumeFacts) -> bool {
        match self {
            Step::Take => volume.taken.is_none_or(|taken| taken.key != claim.key || taken.uid != Some(claim.object.uid)),
            Step::VolumeBound => volume.phase != VolumePhase::Bound,
            Step::Name => claim.volume != volume.name || !claim.bind_completed,
            Step::ClaimBound => claim.phase != ClaimPhase::Bound,
        }
    }

    /// The first step that a binding still needs.
    pub fn first_needed(claim: &ClaimFacts, volume: &VolumeFacts) -> Option<Step> {
        Step::ALL.into_iter().find(|step| step.needed(claim, volume))
    }
}

/// What is to be done about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimPlan {
    /// Nothing.
    Nothing,
    /// Bind it to a volume, from this step on.
    Bind(ObjRef, Step),
    /// It lost its volume: the volume is gone (`true`), or another claim has it.
    Lost(bool),
    /// Its volume does not suit it.
    Mismatch(ObjRef, Mismatch),
    /// Its volume is another's.
    AnothersVolume,
    /// It takes the default class.
    TakeDefaultClass(Sym),
    /// It waits until a pod that uses it has a node.
    WaitForPod,
    /// Its class is not there.
    NoClass,
    /// Nobody can make volumes of its class.
    NoProvisioner(Sym),
    /// A volume is to be made by this provisioner.
    Provision(Sym),
    /// No class and no volume.
    NoVolume,
    /// Nothing says what storage there is.
    Assume,
}

/// Why a volume that a claim names does not suit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Mismatch {
    TooSmall,
    Class,
    Mode,
    AccessMode,
    AttributesClass,
}

impl Mismatch {
    /// As the event says it.
    pub const fn text(self) -> &'static str {
        match self {
            Mismatch::TooSmall => "requested PV is too small",
            Mismatch::Class => "storageClassName does not match",
            Mismatch::Mode => "incompatible volumeMode",
            Mismatch::AccessMode => "incompatible accessMode",
            Mismatch::AttributesClass => "volumeAttributesClassName does not match",
        }
    }
}

/// Source: `pv_controller.go`, `checkVolumeSatisfyClaim`.
fn mismatch(claim: &ClaimFacts, volume: &VolumeFacts) -> Option<Mismatch> {
    if volume.capacity < claim.request {
        return Some(Mismatch::TooSmall);
    }
    if volume.class != claim.class {
        return Some(Mismatch::Class);
    }
    if volume.attributes_class != claim.attributes_class {
        return Some(Mismatch::AttributesClass);
    }
    if volume.block != claim.block {
        return Some(Mismatch::Mode);
    }
    (!volume.modes.contain(claim.modes)).then_some(Mismatch::AccessMode)
}

/// What a claim's plan depends on beside the claims and volumes themselves.
pub struct Around<'a> {
    /// Claims, volumes and classes.
    pub cache: &'a BinderCache,
    /// Labels.
    pub labels: &'a LabelSets,
    /// Volumes that other claims are being bound to.
    pub busy: &'a BTreeSet<ObjRef>,
    /// The default class that a claim without any takes; `None`: there is none, or the claim has one.
    pub default_class: Option<Sym>,
    /// Whether nothing says what storage there is.
    pub assumed: bool,
    /// Whether a provisioner is one that can make volumes.
    pub can_provision: &'a dyn Fn(Sym) -> bool,
}

/// Plans a claim.
pub fn plan_claim(claim: &ClaimFacts, around: &Around) -> ClaimPlan {
    let cache = around.cache;
    let bind = |volume: &VolumeFacts| match Step::first_needed(claim, volume) {
        Some(step) => ClaimPlan::Bind(volume.object, step),
        None => ClaimPlan::Nothing,
    };
    if claim.bind_completed {
        return match cache.volumes.named(claim.volume) {
            _ if claim.phase == ClaimPhase::Lost && cache.volumes.named(claim.volume).is_none() => ClaimPlan::Nothing,
            None => ClaimPlan::Lost(true),
            // What a manifest says of the claim's identity is of another cluster: the name counts.
            Some(volume) if volume.taken.is_none() || volume.is_for(claim) => bind(volume),
            Some(_) if claim.phase == ClaimPhase::Lost => ClaimPlan::Nothing,
            Some(_) => ClaimPlan::Lost(false),
        };
    }
    if !claim.volume.is_empty() {
        return match cache.volumes.named(claim.volume) {
            None => ClaimPlan::Nothing,
            Some(volume) if volume.is_for(claim) => bind(volume),
            Some(volume) if volume.taken.is_some() => ClaimPlan::AnothersVolume,
            Some(volume) => mismatch(claim, volume).map_or_else(|| bind(volume), |why| ClaimPlan::Mismatch(volume.object, why)),
        };
    }
    let class = cache.class(claim.class);
    let waits = class.is_some_and(|class| class.waits);
    let own = cache.volumes.taken_by(claim.key).filter(|volume| volume.class != claim.class);
    let volumes = cache.volumes.of_class(claim.class).chain(own).filter(|volume| !around.busy.contains(&volume.object));
    let volumes: Vec<&VolumeFacts> = volumes.collect();
    if let Some(volume) = choose(claim, volumes.iter().copied(), waits, around.labels) {
        return bind(volume);
    }
    match class {
        _ if around.assumed => ClaimPlan::Assume,
        _ if around.default_class.is_some() => around.default_class.map_or(ClaimPlan::Nothing, ClaimPlan::TakeDefaultClass),
        Some(class) if waits && claim.selected_node.is_empty() => {
            debug_assert!(class.waits, "it waits for a pod");
            ClaimPlan::WaitForPod
        }
        Some(class) if (around.can_provision)(class.provisioner) => ClaimPlan::Provision(class.provisioner),
        Some(class) => ClaimPlan::NoProvisioner(class.provisioner),
        None if claim.class.is_empty() => ClaimPlan::NoVolume,
        None => ClaimPlan::NoClass,
    }
}

/// What is to be done about a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumePlan {
    /// Nothing.
    Nothing,
    /// It gets this phase.
    Phase(VolumePhase),
    /// Its claim is gone: what its policy says.
    Reclaim,
    /// Its claim is to be looked at.
    WakeClaim(ObjRef),
    /// Its claim has another volume: it is free again.
    Unbind,
}

/// Plans a volume. `made_to_go`: it was made for a claim and goes with it.
pub fn plan_volume(volume: &VolumeFacts, cache: &BinderCache, made_to_go: bool) -> VolumePlan {
    let phase = |phase| if volume.phase == phase { VolumePlan::Nothing } else { VolumePlan::Phase(phase) };
    let release = || match volume.phase {
        VolumePhase::Released | VolumePhase::Failed => VolumePlan::Reclaim,
        _ => VolumePlan::Phase(VolumePhase::Released),
    };
    let Some((taken, uid)) = volume.taken.and_then(|taken| Some((taken, taken.uid?))) else { return phase(VolumePhase::Available) };
    let is = |claim: &&ClaimFacts, uid: Uid| claim.object.uid == uid;
    match cache.claims.get(&taken.key).filter(|claim| is(claim, uid)) {
        None => release(),
        Some(claim) if claim.volume.is_empty() => VolumePlan::WakeClaim(claim.object),
        Some(claim) if claim.volume == volume.name => phase(VolumePhase::Bound),
        Some(_) if made_to_go => release(),
        Some(_) => VolumePlan::Unbind,
    }
}

#[cfg(test)]
mod tests {
    use super::super::cache::Class;
    use super::*;
    use wavetank_engine::model::binding::Taken;
    use wavetank_engine::model::labels::LabelSetId;
    use wavetank_engine::model::storage::AccessModes;
    use wavetank_engine::names::Names;
    use wavetank_engine::time::SimTime;

    fn object(uid: u64) -> ObjRef {
        ObjRef { uid: Uid(uid), ..ObjRef::default() }
    }

    /// A claim for 5: `b` its binding is complete, `v` it names the volume `v1`, `s` a node is chosen for it, `l` it is lost.
    fn claim(names: &mut Names, class: &str, letters: &str) -> ClaimFacts {
        let has = |letter| letters.contains(letter);
        ClaimFacts {
            object: object(100),
            key: (names.sym("shop"), names.sym("data")),
            class: names.sym(class),
            volume: names.sym(if has('v') { "v1" } else { "" }),
            request: 5,
            modes: AccessModes(1),
            selector: None,
            block: false,
            attributes_class: Sym::EMPTY,
            bind_completed: has('b'),
            phase: if has('l') { ClaimPhase::Lost } else { ClaimPhase::Pending },
            terminating: false,
            selected_node: names.sym(if has('s') { "n-1" } else { "" }),
            controller: None,
        }
    }

    /// `7` is a free volume of class `slow`; `m` is the claim's, `r` reserved for its name, `o` another's; `B` has the phase Bound,
    /// `R` Released, `P` Pending.
    fn volume(names: &mut Names, number: u64, text: &str) -> VolumeFacts {
        let (size, letters) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let has = |letter| letters.contains(letter);
        let (ours, other) = ((names.sym("shop"), names.sym("data")), (names.sym("shop"), names.sym("other")));
        let taken = match () {
            () if has('m') => Some(Taken { key: ours, uid: Some(Uid(100)) }),
            () if has('r') => Some(Taken { key: ours, uid: None }),
            () if has('o') => Some(Taken { key: other, uid: Some(Uid(101)) }),
            () => None,
        };
        let phase = match () {
            () if has('B') => VolumePhase::Bound,
            () if has('R') => VolumePhase::Released,
            () if has('P') => VolumePhase::Pending,
            () => VolumePhase::Available,
        };
        VolumeFacts {
            object: object(number),
            name: names.sym(&format!("v{number}")),
            labels: LabelSetId::EMPTY,
            class: names.sym("slow"),
            capacity: size.parse().unwrap(),
            modes: AccessModes(1),
            block: false,
            attributes_class: Sym::EMPTY,
            taken,
            phase,
            terminating: false,
            required: None,
            csi: None,
        }
    }

    fn cache(names: &mut Names, volumes: &str) -> BinderCache {
        let mut cache = BinderCache::default();
        for (number, text) in (1..).zip(volumes.split_whitespace()) {
            cache.volumes.put(volume(names, number, text));
        }
        for (name, provisioner, waits) in [("slow", "kubernetes.io/no-provisioner", false), ("made", "disk", false), ("late", "disk", true)]
        {
            let (name, provisioner) = (names.sym(name), names.sym(provisioner));
            cache.classes.push(Class { object: object(0), name, provisioner, waits, is_default: false, created_at: SimTime::ZERO });
        }
        cache
    }

    #[test]
    fn plans_of_claims() {
        let table = "
            class  letters  volumes     -> plan
            slow   -        9 7 6       -> bind 3 from Take
            slow   -        4 3         -> NoProvisioner
            slow   -        9 30r       -> bind 2 from Take
            slow   -        7m          -> bind 1 from VolumeBound
            slow   -        7mB         -> bind 1 from Name
            slow   -        7P          -> NoProvisioner
            slow   v        -           -> Nothing
            slow   v        7r          -> bind 1 from Take
            slow   v        7           -> bind 1 from Take
            slow   v        4           -> Mismatch TooSmall
            made   v        7           -> Mismatch Class
            slow   v        7o          -> AnothersVolume
            slow   bv       7mB         -> bind 1 from ClaimBound
            slow   bv       -           -> Lost true
            slow   bvl      -           -> Nothing
            slow   bv       7oB         -> Lost false
            made   -        9           -> Provision
            late   -        9           -> WaitForPod
            late   s        9           -> Provision
            gone   -        9           -> NoClass
            -      -        9           -> NoVolume
        ";
        let (mut names, labels) = (Names::new(), LabelSets::default());
        for row in table.lines().map(str::trim).filter(|row| !row.is_empty()).skip(1) {
            let (given, want) = row.split_once(" -> ").unwrap();
            let words: Vec<&str> = given.split_whitespace().collect();
            let text = |at: usize| words.get(at).copied().filter(|word| *word != "-").unwrap_or("");
            let claim = claim(&mut names, text(0), text(1));
            let volumes = words[2..].iter().copied().filter(|word| *word != "-").collect::<Vec<_>>().join(" ");
            let cache = cache(&mut names, &volumes);
            let can_provision = |provisioner| names.text(provisioner) == "disk";
            let around = Around {
                cache: &cache,
                labels: &labels,
                busy: &BTreeSet::new(),
                default_class: None,
                assumed: false,
                can_provision: &can_provision,
            };
            let got = match plan_claim(&claim, &around) {
                ClaimPlan::Bind(volume, step) => format!("bind {} from {step:?}", volume.uid.0),
                ClaimPlan::Lost(gone) => format!("Lost {gone}"),
                ClaimPlan::Mismatch(_, why) => format!("Mismatch {why:?}"),
                ClaimPlan::NoProvisioner(_) => "NoProvisioner".into(),
                ClaimPlan::Provision(_) => "Provision".into(),
                plan => format!("{plan:?}"),
            };
            assert_eq!(got, want.trim(), "row: {row}");
        }
    }

    #[test]
    fn plans_of_volumes() {
        let table = [
            // (the volume, letters of its claim, made for it and to go with it, plan)
            ("7P", None, false, VolumePlan::Phase(VolumePhase::Available)),
            ("7", None, false, VolumePlan::Nothing),
            ("7rP", Some("-"), false, VolumePlan::Phase(VolumePhase::Available)),
            ("7m", Some("-"), false, VolumePlan::WakeClaim(object(100))),
            ("7m", Some("v"), false, VolumePlan::Phase(VolumePhase::Bound)),
            ("7mB", Some("v"), false, VolumePlan::Nothing),
            ("7mB", None, false, VolumePlan::Phase(VolumePhase::Released)),
            ("7mR", None, false, VolumePlan::Reclaim),
        ];
        for (text, letters, made_to_go, want) in table {
            let mut names = Names::new();
            let mut cache = cache(&mut names, text);
            if let Some(letters) = letters {
                let claim = claim(&mut names, "slow", letters);
                cache.claims.insert(claim.key, claim);
            }
            let volume = cache.volumes.get(object(1)).unwrap();
            assert_eq!(plan_volume(volume, &cache, made_to_go), want, "{text} {letters:?}");
        }
        // Its claim has another volume by now.
        for (made_to_go, want) in [(false, VolumePlan::Unbind), (true, VolumePlan::Phase(VolumePhase::Released))] {
            let mut names = Names::new();
            let mut cache = cache(&mut names, "7 7mB");
            let claim = claim(&mut names, "slow", "bv");
            cache.claims.insert(claim.key, claim);
            assert_eq!(plan_volume(cache.volumes.get(object(2)).unwrap(), &cache, made_to_go), want);
        }
    }
}
