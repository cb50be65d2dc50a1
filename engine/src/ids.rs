//! Identity: creation numbers, dense slots, revisions, kinds and keys.

use crate::names::{Name, Sym};
use serde::{Deserialize, Serialize};

/// Creation number of an object: unique for ever, in creation order. The identity that is sorted and hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Uid(pub u64);

/// Dense place of an object in the store's columns; reused after the object is gone and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Slot(pub u32);

impl Slot {
    /// The slot as an index of a column.
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// A reference to one object: where it is, and who it is. Sorts by identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ObjRef {
    /// Identity.
    pub uid: Uid,
    /// Place; holds only while the object with this identity lives there.
    pub slot: Slot,
}

impl PartialOrd for ObjRef {
    fn partial_cmp(&self, other: &ObjRef) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ObjRef {
    fn cmp(&self, other: &ObjRef) -> std::cmp::Ordering {
        self.uid.cmp(&other.uid)
    }
}

/// Revision of the store: one for each write, as etcd's. `resourceVersion` is the revision of an object's last write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Revision(pub u64);

impl Revision {
    /// Later than every revision: the cursor of a party that sees the present.
    pub const HEAD: Revision = Revision(u64::MAX);
}

/// Kind of an object: those with components of their own, and all others by their number in [`crate::model::kinds::Kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Kind {
    Namespace,
    Node,
    Pod,
    ReplicaSet,
    ReplicationController,
    Deployment,
    Service,
    Endpoints,
    EndpointSlice,
    HorizontalPodAutoscaler,
    Job,
    CronJob,
    PodDisruptionBudget,
    StatefulSet,
    DaemonSet,
    ControllerRevision,
    PersistentVolumeClaim,
    PersistentVolume,
    StorageClass,
    CSINode,
    CSIDriver,
    CSIStorageCapacity,
    /// Stored, listed and watched; nothing acts on it.
    Other(u16),
}

/// Key of an object: kind, namespace (empty for cluster-scoped kinds) and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Kind.
    pub kind: Kind,
    /// Namespace; [`Sym::EMPTY`] for cluster-scoped kinds.
    pub namespace: Sym,
    /// Name.
    pub name: Name,
}

/// The `uid` that the API shows, drawn from who the object is and when it came: objects added elsewhere move nothing.
pub fn uid_text(seed: u64, kind: &str, namespace: &str, name: &str, created_at: crate::time::SimTime) -> String {
    let object = (kind, namespace, name, created_at.0);
    let (high, low) = (crate::draw::draw(seed, "uid", object, 0), crate::draw::draw(seed, "uid", object, 1));
    let version = 0x4000 | (high & 0x0FFF);
    let variant = 0x8000 | ((low >> 48) & 0x3FFF);
    format!("{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF, low & 0xFFFF_FFFF_FFFF)
}
