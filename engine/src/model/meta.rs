//! Metadata that every object has, and conditions that many have.

use crate::ids::{Kind, Uid};
use crate::model::labels::LabelSetId;
use crate::names::{Name, Sym};
use crate::time::SimTime;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// `metadata` of an object. Source: `spec/lifecycle.md` §1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Meta {
    /// Kind.
    pub kind: Kind,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: Sym,
    /// Name.
    pub name: Name,
    /// Identity.
    pub uid: Uid,
    /// `creationTimestamp`, uncut; the API shows it cut to the second.
    pub created_at: SimTime,
    /// `generation`; 0 for kinds that have none.
    pub generation: u32,
    /// Set once deletion was asked for and something still holds the object.
    pub deletion: Option<Deletion>,
    /// `labels`.
    pub labels: LabelSetId,
    /// `annotations`.
    pub annotations: LabelSetId,
    /// `ownerReferences`.
    pub owners: SmallVec<[OwnerRef; 1]>,
    /// `finalizers`.
    pub finalizers: SmallVec<[Sym; 1]>,
    /// `generateName`.
    pub generate_name: Sym,
}

/// What the server notes when deletion of an object begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deletion {
    /// When deletion was first asked for.
    pub requested_at: SimTime,
    /// `deletionTimestamp`: the request plus the grace.
    pub at: SimTime,
    /// `deletionGracePeriodSeconds`.
    pub grace_s: u32,
}

/// One entry of `ownerReferences`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OwnerRef {
    /// Identity of the owner; `None` when a manifest named a `uid` that no object has.
    pub uid: Option<Uid>,
    /// Kind of the owner.
    pub kind: Kind,
    /// Name of the owner.
    pub name: Name,
    /// Whether this is the managing controller; at most one is.
    pub controller: bool,
    /// `blockOwnerDeletion`.
    pub block_owner_deletion: bool,
}

impl Meta {
    /// Metadata of an object about to be created; the server fills identity and time.
    pub fn new(kind: Kind, namespace: Sym, name: Name) -> Meta {
        Meta {
            kind,
            namespace,
            name,
            uid: Uid(0),
            created_at: SimTime::ZERO,
            generation: 0,
            deletion: None,
            labels: LabelSetId::EMPTY,
            annotations: LabelSetId::EMPTY,
            owners: SmallVec::new(),
            finalizers: SmallVec::new(),
            generate_name: Sym::EMPTY,
        }
    }

    /// The owner that controls the object, if any.
    pub fn controller(&self) -> Option<&OwnerRef> {
        self.owners.iter().find(|owner| owner.controller)
    }

    /// Identity of the controlling owner, if any.
    pub fn controller_uid(&self) -> Option<Uid> {
        self.controller().and_then(|owner| owner.uid)
    }

    /// Whether deletion was asked for.
    pub fn terminating(&self) -> bool {
        self.deletion.is_some()
    }
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    /// The API's word.
    pub const fn text(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }
}

/// One entry of `status.conditions`, of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// `type`.
    pub kind: Sym,
    /// `status`.
    pub status: ConditionStatus,
    /// `reason`.
    pub reason: Sym,
    /// `message`.
    pub message: Sym,
    /// `lastTransitionTime`.
    pub transition_at: SimTime,
    /// `lastUpdateTime`, of Deployments.
    pub update_at: SimTime,
}

/// The condition of one type, if present.
pub fn condition(conditions: &[Condition], kind: Sym) -> Option<&Condition> {
    conditions.iter().find(|c| c.kind == kind)
}

/// Whether the condition of one type is True.
pub fn condition_true(conditions: &[Condition], kind: Sym) -> bool {
    condition(conditions, kind).is_some_and(|c| c.status == ConditionStatus::True)
}

/// Sets a condition in its place (or at the end if new); `transition_at` is kept when the status stays the same.
pub fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition) {
    match conditions.iter_mut().find(|c| c.kind == new.kind) {
        Some(old) => {
            if old.status == new.status {
                new.transition_at = old.transition_at;
            }
            *old = new;
        }
        None => conditions.push(new),
    }
}
