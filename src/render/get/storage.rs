//! Volumes, claims and storage classes.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `printPersistentVolume`,
//! `printPersistentVolumeClaim`, `printStorageClass`.

use super::{Printer, always, name, wide};
use crate::render::age::age;
use crate::render::look::{flag, has, list, map, scalar, scalar_or, text};
use serde_json::Value;

pub(super) const PERSISTENT_VOLUME: Printer = Printer {
    columns: &[
        always("NAME"),
        always("CAPACITY"),
        always("ACCESS MODES"),
        always("RECLAIM POLICY"),
        always("STATUS"),
        always("CLAIM"),
        always("STORAGECLASS"),
        always("VOLUMEATTRIBUTESCLASS"),
        always("REASON"),
        always("AGE"),
        wide("VOLUMEMODE"),
    ],
    row: |volume, now| {
        let claim = match has(volume, "/spec/claimRef") {
            true => format!("{}/{}", text(volume, "/spec/claimRef/namespace"), text(volume, "/spec/claimRef/name")),
            false => String::new(),
        };
        vec![
            name(volume),
            scalar_or(volume, "/spec/capacity/storage", "0"),
            access_modes(volume, "/spec/accessModes"),
            scalar(volume, "/spec/persistentVolumeReclaimPolicy"),
            phase(volume),
            claim,
            class(volume),
            scalar_or(volume, "/spec/volumeAttributesClassName", "<unset>"),
            scalar(volume, "/status/reason"),
            age(volume, now),
            scalar_or(volume, "/spec/volumeMode", "<unset>"),
        ]
    },
};

pub(super) const PERSISTENT_VOLUME_CLAIM: Printer = Printer {
    columns: &[
        always("NAME"),
        always("STATUS"),
        always("VOLUME"),
        always("CAPACITY"),
        always("ACCESS MODES"),
        always("STORAGECLASS"),
        always("VOLUMEATTRIBUTESCLASS"),
        always("AGE"),
        wide("VOLUMEMODE"),
    ],
    row: |claim, now| {
        let (capacity, modes) = match text(claim, "/spec/volumeName") {
            "" => (String::new(), String::new()),
            _ => (scalar_or(claim, "/status/capacity/storage", "0"), access_modes(claim, "/status/accessModes")),
        };
        vec![
            name(claim),
            phase(claim),
            scalar(claim, "/spec/volumeName"),
            capacity,
            modes,
            class(claim),
            scalar_or(claim, "/spec/volumeAttributesClassName", "<unset>"),
            age(claim, now),
            scalar_or(claim, "/spec/volumeMode", "<unset>"),
        ]
    },
};

fn phase(object: &Value) -> String {
    match has(object, "/metadata/deletionTimestamp") {
        true => "Terminating".to_string(),
        false => scalar(object, "/status/phase"),
    }
}

/// The storage class by the old annotation or the field.
fn class(object: &Value) -> String {
    let annotation = annotation(object, "volume.beta.kubernetes.io/storage-class");
    annotation.map_or_else(|| scalar(object, "/spec/storageClassName"), str::to_string)
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    map(object, "/metadata/annotations")?.get(key)?.as_str()
}

/// Short forms of the access modes, in a fixed order, each once.
fn access_modes(object: &Value, pointer: &str) -> String {
    let modes = list(object, pointer);
    [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")]
        .into_iter()
        .filter(|(mode, _)| modes.iter().any(|found| found == mode))
        .map(|(_, short)| short)
        .collect::<Vec<_>>()
        .join(",")
}

pub(super) const STORAGE_CLASS: Printer = Printer {
    columns: &[
        always("NAME"),
        always("PROVISIONER"),
        always("RECLAIMPOLICY"),
        always("VOLUMEBINDINGMODE"),
        always("ALLOWVOLUMEEXPANSION"),
        always("AGE"),
    ],
    row: |object, now| {
        let default = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
            .into_iter()
            .any(|key| annotation(object, key) == Some("true"));
        vec![
            if default { format!("{} (default)", name(object)) } else { name(object) },
            scalar(object, "/provisioner"),
            scalar_or(object, "/reclaimPolicy", "Delete"),
            scalar_or(object, "/volumeBindingMode", "Immediate"),
            flag(object, "/allowVolumeExpansion").to_string(),
            age(object, now),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows() {
        let row = |printer: &Printer, object: Value| (printer.row)(&object, 0).join("|");
        let claim = json!({"spec": {"volumeName": "v", "storageClassName": "fast"}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}});
        assert_eq!(row(&PERSISTENT_VOLUME_CLAIM, claim), "|Bound|v|1Gi|RWO,RWX|fast|<unset>|<unknown>|<unset>");
        assert_eq!(row(&PERSISTENT_VOLUME_CLAIM, json!({"status": {"phase": "Pending"}})), "|Pending|||||<unset>|<unknown>|<unset>");
        let volume = json!({"metadata": {"deletionTimestamp": "x"}, "spec": {"claimRef": {"namespace": "a", "name": "b"}, "capacity": {"storage": "5Gi"}}});
        assert_eq!(row(&PERSISTENT_VOLUME, volume), "|5Gi|||Terminating|a/b||<unset>||<unknown>|<unset>");
        let class =
            json!({"metadata": {"name": "s", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p"});
        assert_eq!(row(&STORAGE_CLASS, class), "s (default)|p|Delete|Immediate|false|<unknown>");
    }
}
