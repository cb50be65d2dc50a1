//! Volumes of a pod, as far as the scheduler looks at them: claims, and disks that only some pods may share.

use serde_json::Value;
use std::sync::Arc;
use wavetank_engine::names::{Names, Sym};

/// Volumes of a pod spec; pods without any that matter have none of this.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecVolumes {
    /// Claims, in the order of the volumes.
    pub claims: Vec<SpecClaim>,
    /// Disks.
    pub disks: Vec<Disk>,
}

/// A claim of a pod spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecClaim {
    /// `persistentVolumeClaim.claimName`.
    Named(Sym),
    /// `ephemeral`: the volume's name; the claim is named after pod and volume.
    Ephemeral(Sym),
}

/// A claim that a pod uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedClaim {
    /// Name of the claim.
    pub name: Sym,
    /// It is made for the pod and must belong to it.
    pub ephemeral: bool,
}

/// Volumes of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodVolumes {
    /// The pod's namespace.
    pub namespace: Sym,
    /// Its claims, in the order of the volumes.
    pub claims: Vec<UsedClaim>,
    /// Disks.
    pub disks: Vec<Disk>,
}

/// A disk that a pod names itself, and not through a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What it is.
    pub kind: DiskKind,
    /// `pdName`, `volumeID`, `iqn`, or pool and image.
    pub id: Vec<Sym>,
    /// Ceph monitors.
    pub monitors: Vec<Sym>,
    /// `readOnly`.
    pub read_only: bool,
}

/// Kinds of disks that conflict on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DiskKind {
    Gce,
    Aws,
    Iscsi,
    Rbd,
}

impl Disk {
    /// Whether two pods of one node may not both have these. Source: `volume_restrictions.go`, `isVolumeConflict`.
    pub fn conflicts(&self, other: &Disk) -> bool {
        let both_read = self.read_only && other.read_only && self.kind != DiskKind::Aws;
        let meet = self.kind != DiskKind::Rbd || self.monitors.iter().any(|monitor| other.monitors.contains(monitor));
        self.kind == other.kind && self.id == other.id && meet && !both_read
    }

    fn of(names: &mut Names, volume: &Value) -> Option<Disk> {
        const SOURCES: [(&str, DiskKind, &[&str], &str); 4] = [
            ("gcePersistentDisk", DiskKind::Gce, &["pdName"], ""),
            ("awsElasticBlockStore", DiskKind::Aws, &["volumeID"], ""),
            ("iscsi", DiskKind::Iscsi, &["iqn"], ""),
            ("rbd", DiskKind::Rbd, &["pool", "image"], "rbd"),
        ];
        let (source, kind, fields, default) =
            SOURCES.iter().find_map(|row| Some((volume.get(row.0).filter(|source| source.is_object())?, row.1, row.2, row.3)))?;
        let text = |field: &str| source.get(field).and_then(Value::as_str);
        let monitors = source.get("monitors").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Some(Disk {
            kind,
            id: fields.iter().map(|field| names.sym(text(field).unwrap_or(default))).collect(),
            monitors: monitors.map(|monitor| names.sym(monitor)).collect(),
            read_only: source.get("readOnly").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

impl SpecVolumes {
    /// Digests `volumes` of a pod spec; `None` when none of them matters.
    pub fn of(names: &mut Names, spec: &Value) -> Option<Arc<SpecVolumes>> {
        let mut volumes = SpecVolumes::default();
        for volume in spec.get("volumes").and_then(Value::as_array).into_iter().flatten() {
            if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
                volumes.claims.push(SpecClaim::Named(names.sym(claim)));
            } else if volume.get("ephemeral").is_some_and(Value::is_object) {
                volumes.claims.push(SpecClaim::Ephemeral(names.sym(volume.get("name").and_then(Value::as_str).unwrap_or(""))));
            } else {
                volumes.disks.extend(Disk::of(names, volume));
            }
        }
        (volumes != SpecVolumes::default()).then(|| Arc::new(volumes))
    }

    /// Whether claims are named after the pod.
    pub fn any_ephemeral(&self) -> bool {
        self.claims.iter().any(|claim| matches!(claim, SpecClaim::Ephemeral(_)))
    }

    /// The volumes of a pod with a name.
    pub fn of_pod(&self, names: &mut Names, namespace: Sym, pod: Sym) -> PodVolumes {
        let claim = |claim: &SpecClaim| match *claim {
            SpecClaim::Named(name) => UsedClaim { name, ephemeral: false },
            SpecClaim::Ephemeral(volume) => {
                let text = format!("{}-{}", names.text(pod), names.text(volume));
                UsedClaim { name: names.sym(&text), ephemeral: true }
            }
        };
        PodVolumes { namespace, claims: self.claims.iter().map(claim).collect(), disks: self.disks.clone() }
    }
}

impl PodVolumes {
    /// Namespaces and names of the claims.
    pub fn keys(&self) -> impl Iterator<Item = (Sym, Sym)> + '_ {
        self.claims.iter().map(|claim| (self.namespace, claim.name))
    }

    /// Whether the pod uses a claim.
    pub fn uses(&self, key: (Sym, Sym)) -> bool {
        self.keys().any(|used| used == key)
    }
}
