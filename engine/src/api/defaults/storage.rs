//! Defaults of volumes, claims, storage classes and CSI drivers.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_PersistentVolume` and siblings;
//! `pkg/apis/storage/v1/defaults.go`.

use super::fill::{self, Object};
use super::{resources, volume};
use serde_json::json;

/// Fills in a persistent volume.
pub(super) fn apply_to_volume(object: &mut Object) {
    fill::with_object(object, "spec", |spec| {
        fill::zero(spec, "persistentVolumeReclaimPolicy", "Retain");
        fill::absent(spec, "volumeMode", "Filesystem");
        fill::with_existing(spec, "capacity", resources::round_up);
        fill::with_existing(spec, "hostPath", |source| fill::absent(source, "type", ""));
        volume::apply_to_attached(spec);
    });
    fill::with_object(object, "status", |status| fill::zero(status, "phase", "Pending"));
}

/// Fills in a persistent volume claim.
pub(super) fn apply_to_claim(claim: &mut Object) {
    fill::with_object(claim, "spec", apply_to_claim_spec);
    fill::with_object(claim, "status", |status| fill::zero(status, "phase", "Pending"));
}

/// Fills in the spec of a claim or claim template.
pub(super) fn apply_to_claim_spec(spec: &mut Object) {
    fill::absent(spec, "volumeMode", "Filesystem");
    fill::with_object(spec, "resources", resources::apply);
    fill::drop_zeros(spec, &["accessModes", "volumeName"]);
}

/// Fills in a storage class.
pub(super) fn apply_to_class(class: &mut Object) {
    fill::absent(class, "reclaimPolicy", "Delete");
    fill::absent(class, "volumeBindingMode", "Immediate");
}

/// Fills in a CSI driver.
pub(super) fn apply_to_driver(driver: &mut Object) {
    fill::with_object(driver, "spec", |spec| {
        fill::absent(spec, "attachRequired", true);
        fill::absent(spec, "podInfoOnMount", false);
        fill::absent(spec, "storageCapacity", false);
        fill::absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        fill::zero(spec, "volumeLifecycleModes", json!(["Persistent"]));
        fill::absent(spec, "requiresRepublish", false);
        fill::absent(spec, "seLinuxMount", false);
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn storage_kinds() {
        let class =
            defaulted(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "volumeBindingMode": "WaitForFirstConsumer"}));
        assert_eq!((&class["reclaimPolicy"], &class["volumeBindingMode"]), (&json!("Delete"), &json!("WaitForFirstConsumer")));
        let volume = defaulted(json!({"apiVersion": "v1", "kind": "PersistentVolume", "spec": {"hostPath": {"path": "/a"}}}));
        let want = json!({"hostPath": {"path": "/a", "type": ""}, "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"});
        assert_eq!(volume["spec"], want);
        assert_eq!(volume["status"]["phase"], "Pending");
        let claim = defaulted(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"accessModes": ["ReadWriteOnce"]}}));
        assert_eq!(claim["spec"], json!({"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "resources": {}}));
    }
}
