//! Claims, volumes and storage classes.

use super::{Tables, list};
use crate::model::quantity::Quantity;
use crate::model::raw::Raw;
use crate::model::select::Selectors;
use crate::model::storage::{AccessModes, ClaimRef, PersistentVolume, PersistentVolumeClaim, StorageClass};
use crate::names::Names;
use serde_json::Value;

impl Tables<'_> {
    /// Reads the `spec` of a PersistentVolumeClaim.
    pub fn claim(&mut self, spec: &Value) -> PersistentVolumeClaim {
        read_claim(self.names, self.selectors, spec)
    }

    /// Reads the `spec` of a PersistentVolume. A `uid` in `claimRef` is of another cluster and counts as none.
    pub fn volume(&mut self, spec: &Value) -> PersistentVolume {
        let claim = spec.get("claimRef").filter(|value| !value.is_null()).map(|claim| ClaimRef {
            namespace: self.sym(claim, "namespace"),
            name: self.names.name(claim.get("name").and_then(Value::as_str).unwrap_or("")),
            uid: None,
        });
        PersistentVolume {
            class: self.sym(spec, "storageClassName"),
            capacity: bytes(spec.pointer("/capacity/storage")),
            modes: modes(spec),
            block: is(spec, "volumeMode", "Block"),
            attributes_class: self.sym(spec, "volumeAttributesClassName"),
            claim,
            raw: Raw::new(spec.clone()),
        }
    }

    /// Reads a StorageClass from its fields beside the metadata.
    pub fn storage_class(&mut self, body: Value) -> StorageClass {
        StorageClass {
            provisioner: self.sym(&body, "provisioner"),
            waits: is(&body, "volumeBindingMode", "WaitForFirstConsumer"),
            retains: is(&body, "reclaimPolicy", "Retain"),
            raw: Raw::new(body),
        }
    }
}

/// Reads the `spec` of a PersistentVolumeClaim.
pub fn read_claim(names: &mut Names, selectors: &mut Selectors, spec: &Value) -> PersistentVolumeClaim {
    let mut sym = |field: &str| names.sym(spec.get(field).and_then(Value::as_str).unwrap_or(""));
    let (volume, attributes_class) = (sym("volumeName"), sym("volumeAttributesClassName"));
    PersistentVolumeClaim {
        class: spec.get("storageClassName").and_then(Value::as_str).map(|class| names.sym(class)),
        volume,
        request: bytes(spec.pointer("/resources/requests/storage")),
        modes: modes(spec),
        selector: spec.get("selector").filter(|value| !value.is_null()).map(|selector| selectors.of_label_selector(names, selector)),
        block: is(spec, "volumeMode", "Block"),
        attributes_class,
        raw: Raw::new(spec.clone()),
    }
}

/// Reads the `spec` of a PersistentVolume that is made for a claim.
pub fn read_volume(names: &mut Names, spec: &Value, claim: ClaimRef) -> PersistentVolume {
    PersistentVolume {
        class: names.sym(spec.get("storageClassName").and_then(Value::as_str).unwrap_or("")),
        capacity: bytes(spec.pointer("/capacity/storage")),
        modes: modes(spec),
        block: is(spec, "volumeMode", "Block"),
        attributes_class: names.sym(spec.get("volumeAttributesClassName").and_then(Value::as_str).unwrap_or("")),
        claim: Some(claim),
        raw: Raw::new(spec.clone()),
    }
}

fn is(object: &Value, field: &str, word: &str) -> bool {
    object.get(field).and_then(Value::as_str) == Some(word)
}

fn modes(spec: &Value) -> AccessModes {
    AccessModes::of(list(spec, "accessModes").filter_map(Value::as_str))
}

/// A size in bytes; validation has refused what is no quantity.
fn bytes(size: Option<&Value>) -> i64 {
    size.and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok()).map_or(0, |size| size.value())
}
