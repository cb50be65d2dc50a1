//! Claims, volumes and storage classes.

use crate::ids::Uid;
use crate::model::raw::Raw;
use crate::model::select::SelectorId;
use crate::names::{Name, Sym};
use serde::{Deserialize, Serialize};

/// A set of access modes. Source: `spec/storage.md` §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AccessModes(pub u8);

impl AccessModes {
    /// The modes' words, in the order of their bits.
    pub const WORDS: [&'static str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
    /// `ReadWriteOncePod`: one pod in the cluster.
    pub const ONE_POD: AccessModes = AccessModes(1 << 3);

    /// The set of these words; validation has refused others.
    pub fn of<'a>(words: impl Iterator<Item = &'a str>) -> AccessModes {
        let bit = |word: &str| AccessModes::WORDS.iter().position(|known| *known == word).map_or(0, |at| 1 << at);
        AccessModes(words.fold(0, |set, word| set | bit(word)))
    }

    /// Whether every mode of `wanted` is in the set.
    pub fn contain(self, wanted: AccessModes) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// How many modes there are.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The words of the modes in the set.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        AccessModes::WORDS.into_iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, word)| word)
    }
}

/// `spec` of a PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PersistentVolumeClaim {
    /// `storageClassName`; `None` takes the default class, an empty one takes none. Source: `spec/storage.md` §2.
    pub class: Option<Sym>,
    /// `volumeName`; empty while unbound.
    pub volume: Sym,
    /// `resources.requests.storage`, bytes.
    pub request: i64,
    /// `accessModes`.
    pub modes: AccessModes,
    /// `selector`; `None` takes every volume.
    pub selector: Option<SelectorId>,
    /// `volumeMode` is Block.
    pub block: bool,
    /// `volumeAttributesClassName`; empty for none.
    pub attributes_class: Sym,
    /// The whole `spec` as it came.
    pub raw: Raw,
}

/// `status.phase` of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ClaimPhase {
    #[default]
    Pending,
    Bound,
    Lost,
}

impl ClaimPhase {
    /// The phase as the API writes it.
    pub fn text(self) -> &'static str {
        match self {
            ClaimPhase::Pending => "Pending",
            ClaimPhase::Bound => "Bound",
            ClaimPhase::Lost => "Lost",
        }
    }
}

/// `status` of a PersistentVolumeClaim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct PersistentVolumeClaimStatus {
    /// `phase`.
    pub phase: ClaimPhase,
    /// `accessModes` of the volume bound to.
    pub modes: AccessModes,
    /// `capacity.storage` of the volume bound to, as it is written there; empty while unbound.
    pub capacity: Sym,
}

/// `spec.claimRef` of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClaimRef {
    /// Namespace of the claim.
    pub namespace: Sym,
    /// Name of the claim.
    pub name: Name,
    /// The claim itself; `None` for a volume that a person reserved for a name.
    pub uid: Option<Uid>,
}

/// `spec` of a PersistentVolume.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PersistentVolume {
    /// `storageClassName`; empty for none.
    pub class: Sym,
    /// `capacity.storage`, bytes.
    pub capacity: i64,
    /// `accessModes`.
    pub modes: AccessModes,
    /// `volumeMode` is Block.
    pub block: bool,
    /// `volumeAttributesClassName`; empty for none.
    pub attributes_class: Sym,
    /// `claimRef`.
    pub claim: Option<ClaimRef>,
    /// The whole `spec` as it came.
    pub raw: Raw,
}

/// `status.phase` of a volume. Source: `spec/storage.md` §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum VolumePhase {
    #[default]
    Pending,
    Available,
    Bound,
    Released,
    Failed,
}

impl VolumePhase {
    /// The phase as the API writes it.
    pub fn text(self) -> &'static str {
        match self {
            VolumePhase::Pending => "Pending",
            VolumePhase::Available => "Available",
            VolumePhase::Bound => "Bound",
            VolumePhase::Released => "Released",
            VolumePhase::Failed => "Failed",
        }
    }
}

/// `status` of a PersistentVolume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct PersistentVolumeStatus {
    /// `phase`.
    pub phase: VolumePhase,
}

/// A StorageClass.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StorageClass {
    /// `provisioner`.
    pub provisioner: Sym,
    /// `volumeBindingMode` is WaitForFirstConsumer.
    pub waits: bool,
    /// `reclaimPolicy` is Retain; the default is Delete.
    pub retains: bool,
    /// All fields beside the metadata as they came.
    pub raw: Raw,
}
