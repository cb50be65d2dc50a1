//! Objects without components of their own: stored, listed, watched, and given back as they came.

use crate::model::meta::Condition;
use crate::model::raw::Raw;
use serde::{Deserialize, Serialize};

/// Everything of an object but its metadata, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Opaque {
    /// The object's fields apart from `apiVersion`, `kind` and `metadata`.
    pub body: Raw,
}

/// A Namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Namespace {
    /// `status.phase` is Terminating.
    pub terminating: bool,
    /// `spec.finalizers` is empty: nothing holds the namespace any more.
    pub finalized: bool,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
}
