//! Defaults of a pod's volumes.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_Volume` and the volume sources.

use super::container::{apply_to_field_ref, pull_policy};
use super::fill::{self, Object};
use super::{resources, storage};

/// Permission bits of files in configuration volumes: octal 644.
const FILE_MODE: i64 = 0o644;
/// Lifetime of a projected service account token. Unit: seconds.
const TOKEN_LIFETIME_S: i64 = 3600;

/// Fills in one volume of a pod. A volume without a source is an `emptyDir`.
pub(super) fn apply(volume: &mut Object) {
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".to_owned(), Object::new().into());
    }
    fill::with_existing(volume, "emptyDir", |source| {
        fill::drop_zeros(source, &["medium"]);
        resources::canonical_field(source, "sizeLimit");
    });
    fill::with_existing(volume, "hostPath", |source| fill::absent(source, "type", ""));
    for source in ["secret", "configMap"] {
        fill::with_existing(volume, source, |source| {
            fill::absent(source, "defaultMode", FILE_MODE);
            fill::drop_zeros(source, &["items"]);
        });
    }
    fill::with_existing(volume, "downwardAPI", |source| {
        fill::absent(source, "defaultMode", FILE_MODE);
        apply_to_downward_items(source);
    });
    fill::with_existing(volume, "projected", apply_to_projected);
    fill::with_existing(volume, "persistentVolumeClaim", |source| fill::drop_zeros(source, &["readOnly"]));
    fill::with_existing(volume, "image", |source| {
        let policy = pull_policy(fill::text(source, "reference"));
        fill::zero(source, "pullPolicy", policy);
    });
    fill::with_existing(volume, "ephemeral", |source| {
        fill::with_existing(source, "volumeClaimTemplate", |template| {
            fill::with_object(template, "metadata", |_| {});
            fill::with_object(template, "spec", storage::apply_to_claim_spec);
        });
    });
    apply_to_attached(volume);
}

fn apply_to_downward_items(source: &mut Object) {
    fill::each(source, "items", |item| fill::with_existing(item, "fieldRef", apply_to_field_ref));
}

fn apply_to_projected(source: &mut Object) {
    fill::absent(source, "defaultMode", FILE_MODE);
    fill::each(source, "sources", |projection| {
        fill::with_existing(projection, "downwardAPI", apply_to_downward_items);
        fill::with_existing(projection, "serviceAccountToken", |token| fill::absent(token, "expirationSeconds", TOKEN_LIFETIME_S));
    });
}

/// Fills in the sources that name a network disk; persistent volumes share them.
pub(super) fn apply_to_attached(source: &mut Object) {
    fill::with_existing(source, "iscsi", |disk| fill::zero(disk, "iscsiInterface", "default"));
    fill::with_existing(source, "rbd", |disk| {
        fill::zero(disk, "pool", "rbd");
        fill::zero(disk, "user", "admin");
        fill::zero(disk, "keyring", "/etc/ceph/keyring");
    });
    fill::with_existing(source, "azureDisk", |disk| {
        fill::absent(disk, "cachingMode", "ReadWrite");
        fill::absent(disk, "fsType", "ext4");
        fill::absent(disk, "readOnly", false);
        fill::absent(disk, "kind", "Shared");
    });
    fill::with_existing(source, "scaleIO", |disk| {
        fill::zero(disk, "storageMode", "ThinProvisioned");
        fill::zero(disk, "fsType", "xfs");
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn volume_table() {
        let rows = [
            (json!({}), json!({"emptyDir": {}})),
            (json!({"emptyDir": {"medium": ""}}), json!({"emptyDir": {}})),
            (json!({"hostPath": {"path": "/a"}}), json!({"hostPath": {"path": "/a", "type": ""}})),
            (json!({"configMap": {"name": "c"}}), json!({"configMap": {"name": "c", "defaultMode": 420}})),
            (json!({"secret": {"secretName": "s", "defaultMode": 256}}), json!({"secret": {"secretName": "s", "defaultMode": 256}})),
            (
                json!({"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}}),
                json!({"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}], "defaultMode": 420}}),
            ),
            (
                json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}),
                json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}], "defaultMode": 420}}),
            ),
            (json!({"image": {"reference": "a:1"}}), json!({"image": {"reference": "a:1", "pullPolicy": "IfNotPresent"}})),
            (json!({"iscsi": {"iqn": "q"}}), json!({"iscsi": {"iqn": "q", "iscsiInterface": "default"}})),
        ];
        for (mut given, want) in rows {
            let shown = given.to_string();
            let Value::Object(volume) = &mut given else { panic!("rows are objects") };
            super::apply(volume);
            assert_eq!(given, want, "volume {shown}");
        }
    }
}
