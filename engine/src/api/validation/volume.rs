//! Volumes of pods.
//!
//! The many sources that name a vendor's disk only count as a source; what they need is not looked into.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateVolumes`, `validateVolumeSource`.

use super::environment::{check_field_ref, check_resource_ref};
use super::field::{Errors, Field};
use super::field_error::{ErrorKind, quoted};
use super::{claim, formats, metadata, paths, quantity};
use std::collections::BTreeMap;

/// The well-formed volumes of a pod by name.
pub(super) type Volumes<'a> = BTreeMap<&'a str, Field<'a>>;

/// Sources in the order of the original, with the name that messages about a second source use.
const SOURCES: &[(&str, &str)] = &[
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];
/// Fields of a pod that a downward file may hold.
const FILE_FIELDS: &[&str] = &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// Kinds of host paths.
const HOST_PATH_TYPES: &[&str] = &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// Checks `spec.volumes`; returns those that are well-formed. `pod` is empty for templates.
pub(super) fn check<'a>(volumes: &Field<'a>, pod: &str, errors: &mut Errors) -> Volumes<'a> {
    let made: Vec<String> = volumes
        .items()
        .iter()
        .filter(|volume| !pod.is_empty() && volume.child("ephemeral").is_set())
        .map(|volume| format!("{pod}-{}", volume.child("name").text()))
        .collect();
    let mut good = Volumes::new();
    for volume in volumes.items() {
        let mut found = Vec::new();
        check_source(&volume, pod, &mut found);
        let name = volume.child("name");
        if name.text().is_empty() {
            found.push(name.required(""));
        } else {
            name.refuse(formats::dns_label(name.text()), &mut found);
        }
        if good.contains_key(name.text()) {
            found.push(name.duplicate());
        }
        if found.is_empty() {
            good.insert(name.text(), volume.clone());
        }
        errors.append(&mut found);
        let claim = volume.child("persistentVolumeClaim").child("claimName");
        if made.iter().any(|name| name == claim.text()) {
            errors.push(claim.invalid("must not reference a PVC that gets created for an ephemeral volume"));
        }
    }
    good
}

fn check_source(volume: &Field<'_>, pod: &str, errors: &mut Errors) {
    let mut first = true;
    for (source, name) in SOURCES {
        let source_field = volume.child(source);
        if !source_field.is_set() {
            continue;
        }
        if first {
            first = false;
            check_one(source, &source_field, volume, pod, errors);
        } else {
            errors.push(source_field.at_path(volume.child(name).path()).forbidden("may not specify more than 1 volume type"));
        }
    }
    if first {
        errors.push(volume.required("must specify a volume type"));
    }
}

fn check_one(kind: &str, source: &Field<'_>, volume: &Field<'_>, pod: &str, errors: &mut Errors) {
    match kind {
        "emptyDir" if quantity::of(&source.child("sizeLimit")).is_some_and(|limit| limit.sign() < 0) => {
            errors.push(source.child("sizeLimit").forbidden("SizeLimit field must be a valid resource quantity"));
        }
        "hostPath" => check_host_path(source, errors),
        "secret" => check_files(source, "secretName", errors),
        "configMap" => check_files(source, "name", errors),
        "persistentVolumeClaim" => require(source, "claimName", errors),
        "nfs" => {
            require(source, "server", errors);
            require(source, "path", errors);
            if !source.child("path").text().starts_with('/') {
                errors.push(source.child("path").invalid("must be an absolute path"));
            }
        }
        "downwardAPI" => {
            check_mode(&source.child("defaultMode"), errors);
            for file in source.child("items").items() {
                check_downward_file(&file, source, errors);
            }
        }
        "projected" => check_projected(source, errors),
        "csi" => require(source, "driver", errors),
        "ephemeral" => check_ephemeral(source, volume, pod, errors),
        "image" => {
            if !pod.is_empty() {
                require(source, "reference", errors);
            }
            source.child("pullPolicy").check_word(&["Always", "IfNotPresent", "Never"], errors);
        }
        _ => {}
    }
}

fn require(source: &Field<'_>, key: &str, errors: &mut Errors) {
    if source.child(key).text().is_empty() {
        errors.push(source.child(key).required(""));
    }
}

fn check_host_path(source: &Field<'_>, errors: &mut Errors) {
    let path = source.child("path");
    if path.text().is_empty() {
        errors.push(path.required(""));
        return;
    }
    paths::check_no_backsteps(&path, errors);
    let kind = source.child("type");
    if !HOST_PATH_TYPES.contains(&kind.text()) {
        errors.push(kind.not_supported(HOST_PATH_TYPES));
    }
}

fn check_mode(mode: &Field<'_>, errors: &mut Errors) {
    if mode.int().is_some_and(|bits| !(0..=0o777).contains(&bits)) {
        errors.push(mode.invalid("must be a number between 0 and 0777 (octal), both inclusive"));
    }
}

/// A secret or config map as files.
fn check_files(source: &Field<'_>, name: &str, errors: &mut Errors) {
    require(source, name, errors);
    check_mode(&source.child("defaultMode"), errors);
    for item in source.child("items").items() {
        check_key_to_path(&item, errors);
    }
}

fn check_key_to_path(item: &Field<'_>, errors: &mut Errors) {
    require(item, "key", errors);
    require(item, "path", errors);
    paths::check_not_reserved(&item.child("path"), errors);
    check_mode(&item.child("mode"), errors);
}

/// Messages name the source, not the file.
fn check_downward_file(file: &Field<'_>, source: &Field<'_>, errors: &mut Errors) {
    let file = &file.at_path(source.path());
    require(file, "path", errors);
    paths::check_not_reserved(&file.child("path"), errors);
    let (field, resource) = (file.child("fieldRef"), file.child("resourceFieldRef"));
    if field.is_set() {
        check_field_ref(&field, FILE_FIELDS, errors);
        if resource.is_set() {
            errors.push(file.invalid_as(quoted("resource"), "fieldRef and resourceFieldRef can not be specified simultaneously"));
        }
    } else if resource.is_set() {
        check_resource_ref(&resource, true, errors);
    } else {
        errors.push(file.required("one of fieldRef and resourceFieldRef is required"));
    }
    check_mode(&file.child("mode"), errors);
}

fn check_projected(projected: &Field<'_>, errors: &mut Errors) {
    check_mode(&projected.child("defaultMode"), errors);
    let mut taken: Vec<&str> = Vec::new();
    for source in projected.child("sources").items() {
        let mut sources = 0;
        for kind in ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"] {
            let part = source.child(kind);
            if !part.is_set() {
                continue;
            }
            sources += 1;
            match kind {
                "secret" | "configMap" => check_projected_files(projected, &part, &mut taken, errors),
                "downwardAPI" => {
                    for file in part.child("items").items() {
                        check_downward_file(&file, &part, errors);
                        let path = file.child("path").text();
                        claim_path(projected, path, quoted(path), &mut taken, errors);
                    }
                }
                "serviceAccountToken" => check_token(projected, &part, errors),
                _ => {}
            }
        }
        if sources > 1 {
            errors.push(source.forbidden("may not specify more than 1 volume type per source"));
        }
    }
}

fn check_projected_files<'a>(projected: &Field<'_>, part: &Field<'a>, taken: &mut Vec<&'a str>, errors: &mut Errors) {
    require(part, "name", errors);
    for item in part.child("items").items() {
        check_key_to_path(&item, errors);
        claim_path(projected, item.child("path").text(), part.child("name").shown(), taken, errors);
    }
}

fn claim_path<'a>(projected: &Field<'_>, path: &'a str, shown: String, taken: &mut Vec<&'a str>, errors: &mut Errors) {
    if path.is_empty() {
        return;
    }
    if taken.contains(&path) {
        errors.push(projected.error(ErrorKind::Invalid, shown, "conflicting duplicate paths"));
    } else {
        taken.push(path);
    }
}

/// Messages about the path name the volume source, not the projection.
fn check_token(projected: &Field<'_>, token: &Field<'_>, errors: &mut Errors) {
    let lifetime = token.child("expirationSeconds");
    if lifetime.int_or_zero() < 600 {
        errors.push(lifetime.invalid_int("may not specify a duration less than 10 minutes"));
    }
    if lifetime.int_or_zero() > 1 << 32 {
        errors.push(lifetime.invalid_int("may not specify a duration larger than 2^32 seconds"));
    }
    let path = token.child("path").at_path(projected.child("path").path());
    if path.text().is_empty() {
        errors.push(path.required(""));
    } else {
        paths::check_not_reserved(&path, errors);
    }
}

fn check_ephemeral(source: &Field<'_>, volume: &Field<'_>, pod: &str, errors: &mut Errors) {
    let template = source.child("volumeClaimTemplate");
    if template.is_set() {
        metadata::check_annotations(&template.child("metadata").child("annotations"), errors);
        metadata::check_labels(&template.child("metadata").child("labels"), errors);
        for (key, _) in template.child("metadata").entries() {
            if !matches!(key, "annotations" | "labels") {
                errors.push(template.child("metadata").child(key).forbidden("cannot be set"));
            }
        }
        claim::check_spec(&template.child("spec"), errors);
    } else {
        errors.push(template.required(""));
    }
    let name = volume.child("name");
    if !pod.is_empty() && !name.text().is_empty() {
        let claim = format!("{pod}-{}", name.text());
        for message in formats::dns_subdomain(&claim) {
            // The original looks for the name inside the source.
            errors.push(volume.child("name").invalid(format!("PVC name {}: {message}", quoted(&claim))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn volume_table() {
        let rows: [(serde_json::Value, &[&str]); 6] = [
            (json!([{"name": "a", "emptyDir": {}}]), &[]),
            (json!([{"name": "a"}]), &["volumes[0]: Required value: must specify a volume type"]),
            (
                json!([{"name": "a", "secret": {"secretName": "s", "defaultMode": 512, "items": [{"key": "k", "path": "../x"}]}}]),
                &[
                    "volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
                    "volumes[0].secret.items[0].path: Invalid value: \"../x\": must not contain '..'",
                ],
            ),
            (
                json!([{"name": "a", "hostPath": {"path": "/a", "type": "Pipe"}}]),
                &[
                    "volumes[0].hostPath.type: Unsupported value: \"Pipe\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
                ],
            ),
            (
                json!([{"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}}]),
                &[
                    "volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
                ],
            ),
            (json!([{"name": "a", "csi": {}}]), &["volumes[0].csi.driver: Required value"]),
        ];
        for (volumes, want) in rows {
            let object = json!({"volumes": volumes});
            let mut errors = Vec::new();
            let good = check(&Field::root(&object).child("volumes"), "", &mut errors);
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), want, "volumes {object}");
            assert_eq!(good.is_empty(), !want.is_empty());
        }
    }
}
