//! JSON that is kept and given back: whatever of an object Wavetank does not simulate.

use crate::hash::FixedState;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// Shared, immutable JSON with its hash. Cheap to clone, compare and hash.
#[derive(Debug, Clone)]
pub struct Raw {
    value: Arc<Value>,
    hash: u64,
}

impl Raw {
    /// Wraps a value.
    pub fn new(value: Value) -> Raw {
        let hash = FixedState.hash_one(value.to_string());
        Raw { value: Arc::new(value), hash }
    }

    /// The JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value at a chain of object keys.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&*self.value, |value, key| value.get(key))
    }
}

impl Default for Raw {
    fn default() -> Raw {
        Raw::new(Value::Null)
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Raw) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.value, &other.value) || self.value == other.value)
    }
}

impl Eq for Raw {}

impl Hash for Raw {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.to_string().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map(Raw::new).map_err(serde::de::Error::custom)
    }
}
