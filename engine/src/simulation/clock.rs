//! The present moment and the agenda of what will happen.

use crate::agenda::Agenda;
use crate::api::request::{QueueId, Request};
use crate::ids::{ObjRef, Revision};
use crate::time::SimTime;
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};

/// What happens when an entry of the agenda is due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Due {
    /// A key goes into a work queue.
    Wake {
        /// The queue.
        queue: QueueId,
        /// The key.
        object: ObjRef,
    },
    /// A request arrives at the API server.
    Arrive(Box<Request>),
    /// Watchers learn of everything up to a revision.
    Deliver(Revision),
}

/// Time. ECS resource.
#[derive(Debug, Default, Serialize, Deserialize, Resource)]
pub struct Clock {
    /// The present moment.
    pub now: SimTime,
    /// What will happen.
    pub agenda: Agenda<Due>,
    /// Entries of the agenda that fired.
    pub fired: u64,
}
