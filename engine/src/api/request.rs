//! What a party asks of the API server, and what it answers.

use crate::api::state::StateValue;
use crate::ids::{ObjRef, ObjectKey, Revision};
use crate::model::meta::{Meta, OwnerRef};
use crate::model::pod_class::TemplateId;
use crate::names::Sym;
use serde::{Deserialize, Serialize};

/// Who asks: an interned name such as `replicaset-controller`, `kubelet`, `script`.
pub type Actor = Sym;

/// A request on its way to the API server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub actor: Actor,
    /// The revision that made the actor act; 0 for a timer or the script.
    pub cause: Revision,
    /// Where the reply goes: a queue and the key that asked. `None`: nobody waits.
    pub reply_to: Option<(QueueId, ObjRef)>,
    /// What is asked.
    pub verb: Verb,
}

/// Number of a work queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u8);

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Verb {
    /// Create an object.
    Create(Box<NewObject>),
    /// Create a pod from an interned template, named after its owner.
    CreatePod {
        /// The template.
        template: TemplateId,
        /// Namespace.
        namespace: Sym,
        /// `generateName`.
        generate_name: Sym,
        /// The controlling owner.
        owner: OwnerRef,
    },
    /// Replace one part of an object's state. For `Meta` the server keeps identity, times and deletion as they are.
    Put {
        /// The object.
        object: ObjRef,
        /// Refuse with a conflict unless this is the object's present revision.
        expect: Option<Revision>,
        /// The new state.
        value: StateValue,
    },
    /// Replace several parts of an object's state in one write.
    PutAll {
        /// The object.
        object: ObjRef,
        /// Refuse with a conflict unless this is the object's present revision.
        expect: Option<Revision>,
        /// The new states.
        values: Vec<StateValue>,
    },
    /// Report a pod's status as its kubelet does: conditions that the report leaves out, and the nomination, stay as stored;
    /// conditions keep the moment of their last change. Source: `spec/kubelet.md` §5, `pkg/kubelet/status/status_manager.go`.
    ReportPod {
        /// The pod.
        pod: ObjRef,
        /// The kubelet's view of it.
        status: Box<crate::model::pod::PodStatus>,
    },
    /// Patch a pod's status: one condition, in its place, and the nomination; all else stays as it is stored.
    PatchPod {
        /// The pod.
        pod: ObjRef,
        /// The condition. In a box: a million requests may be on their way at once, and few are patches.
        condition: Option<Box<crate::model::meta::Condition>>,
        /// `nominatedNodeName`; empty for none. `None`: it stays.
        nominated_node: Option<Sym>,
    },
    /// Bind a pod to a node (the `binding` subresource).
    Bind {
        /// The pod.
        pod: ObjRef,
        /// Name of the node.
        node: Sym,
    },
    /// Set `spec.replicas` through the `scale` subresource; all else stays as it is stored.
    Scale {
        /// The workload.
        object: ObjRef,
        /// How many.
        replicas: i32,
    },
    /// Evict a pod: delete it if its disruption budget allows that (the `eviction` subresource).
    Evict {
        /// The pod.
        pod: ObjRef,
        /// `gracePeriodSeconds`; `None`: the pod's own.
        grace_s: Option<u32>,
    },
    /// Delete an object.
    Delete {
        /// The object; its identity is the precondition.
        object: ObjRef,
        /// `gracePeriodSeconds`; `None`: the object's own.
        grace_s: Option<u32>,
        /// `propagationPolicy`; `None`: the kind's own.
        propagation: Option<Propagation>,
    },
}

impl Verb {
    /// The object that it is about; `None` for what is yet to be.
    pub fn object(&self) -> Option<ObjRef> {
        match self {
            Verb::Create(_) | Verb::CreatePod { .. } => None,
            Verb::Put { object, .. } | Verb::PutAll { object, .. } | Verb::Scale { object, .. } | Verb::Delete { object, .. } => {
                Some(*object)
            }
            Verb::ReportPod { pod, .. } | Verb::PatchPod { pod, .. } | Verb::Bind { pod, .. } | Verb::Evict { pod, .. } => Some(*pod),
        }
    }
}

/// `propagationPolicy` of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// An object to be created. `meta.generate_name` is used when `meta.name` is empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewObject {
    /// Metadata.
    pub meta: Meta,
    /// All other state; parts that the kind has and that are missing here start empty.
    pub states: Vec<StateValue>,
}

/// The API server's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Created.
    Created(ObjRef),
    /// Written, or nothing to write: the object's revision now.
    Done(Revision),
    /// Refused; apart, since most are not, and queues hold many replies.
    Refused(Box<Refusal>),
}

/// A refusal: HTTP code, `reason` and message as the original gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status object, such as `NotFound`.
    pub reason: String,
    /// `message` of the Status object.
    pub message: String,
}

impl Refusal {
    /// Whether a creation was refused because its namespace is going away.
    pub fn of_ending_namespace(&self) -> bool {
        self.code == 403 && self.message.ends_with("because it is being terminated")
    }

    /// 404.
    pub fn not_found(resource: &str, name: &str) -> Refusal {
        Refusal { code: 404, reason: "NotFound".into(), message: format!("{resource} \"{name}\" not found") }
    }

    /// 409, the object has changed since it was read.
    pub fn conflict(resource: &str, name: &str) -> Refusal {
        let message = format!(
            "Operation cannot be fulfilled on {resource} \"{name}\": the object has been modified; please apply your changes to the latest version and try again"
        );
        Refusal { code: 409, reason: "Conflict".into(), message }
    }

    /// 409, the name is taken.
    pub fn already_exists(resource: &str, name: &str) -> Refusal {
        Refusal { code: 409, reason: "AlreadyExists".into(), message: format!("{resource} \"{name}\" already exists") }
    }

    /// 422.
    pub fn invalid(message: String) -> Refusal {
        Refusal { code: 422, reason: "Invalid".into(), message }
    }

    /// 403.
    pub fn forbidden(message: String) -> Refusal {
        Refusal { code: 403, reason: "Forbidden".into(), message }
    }
}

impl Reply {
    /// Whether the request was carried out.
    pub const fn ok(&self) -> bool {
        !matches!(self, Reply::Refused(_))
    }

    /// The refusal, if it is one.
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Reply::Refused(refusal) => Some(refusal),
            Reply::Created(_) | Reply::Done(_) => None,
        }
    }
}

/// Key and text of an object in messages: `pods "web-1"`.
pub fn resource_text(kinds: &crate::model::kinds::Kinds, names: &crate::names::Names, key: ObjectKey) -> (String, String) {
    (kinds.resource(key.kind), names.render(key.name))
}
