//! Volume mounts and block devices of containers.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/validation/validation.go`, `ValidateVolumeMounts`, `ValidateVolumeDevices`.

use super::field::{Errors, Field};
use super::paths;
use super::volume::Volumes;

/// Checks where a container mounts volumes.
pub(super) fn check(container: &Field<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let mounts = container.child("volumeMounts");
    let devices = container.child("volumeDevices").items();
    let mut taken: Vec<&str> = Vec::new();
    for mount in mounts.items() {
        let (name, path) = (mount.child("name"), mount.child("mountPath"));
        if name.text().is_empty() {
            errors.push(name.required(""));
        }
        if !volumes.contains_key(name.text()) {
            errors.push(name.not_found());
        }
        if path.text().is_empty() {
            errors.push(path.required(""));
        }
        if taken.contains(&path.text()) {
            errors.push(path.invalid("must be unique"));
        }
        taken.push(path.text());
        if devices.iter().any(|device| device.child("name").text() == name.text()) {
            errors.push(name.invalid("must not already exist in volumeDevices"));
        }
        if devices.iter().any(|device| device.child("devicePath").text() == path.text()) {
            errors.push(path.invalid("must not already exist as a path in volumeDevices"));
        }
        check_sub_paths(&mounts, &mount, errors);
        check_propagation(&mounts, &mount, container, errors);
        check_recursive_read_only(&mounts, &mount, errors);
    }
}

/// The original names the list in the messages about these fields, not the item.
fn named<'a>(mounts: &Field<'_>, mount: &Field<'a>, key: &str) -> Field<'a> {
    mount.child(key).at_path(format!("{}.{key}", mounts.path()))
}

fn check_sub_paths(mounts: &Field<'_>, mount: &Field<'_>, errors: &mut Errors) {
    let (sub_path, expression) = (mount.child("subPath"), mount.child("subPathExpr"));
    if !sub_path.text().is_empty() {
        paths::check_descending(&named(mounts, mount, "subPath"), errors);
    }
    if !expression.text().is_empty() {
        if !sub_path.text().is_empty() {
            errors.push(expression.invalid("subPathExpr and subPath are mutually exclusive"));
        }
        paths::check_descending(&named(mounts, mount, "subPathExpr"), errors);
    }
}

fn check_propagation(mounts: &Field<'_>, mount: &Field<'_>, container: &Field<'_>, errors: &mut Errors) {
    let propagation = named(mounts, mount, "mountPropagation");
    if !propagation.is_set() {
        return;
    }
    if !matches!(propagation.text(), "Bidirectional" | "HostToContainer" | "None") {
        errors.push(propagation.not_supported(&["Bidirectional", "HostToContainer", "None"]));
    }
    if propagation.text() == "Bidirectional" && !container.child("securityContext").child("privileged").is_true() {
        errors.push(propagation.forbidden("Bidirectional mount propagation is available only to privileged containers"));
    }
}

fn check_recursive_read_only(mounts: &Field<'_>, mount: &Field<'_>, errors: &mut Errors) {
    let recursive = named(mounts, mount, "recursiveReadOnly");
    match recursive.text() {
        "Enabled" | "IfPossible" => {
            if !mount.child("readOnly").is_true() {
                errors.push(recursive.forbidden("may only be specified when readOnly is true"));
            }
            if !matches!(mount.child("mountPropagation").text(), "" | "None") {
                errors.push(recursive.forbidden("may only be specified when mountPropagation is None or not specified"));
            }
        }
        "Disabled" => {}
        _ if recursive.is_set() => errors.push(recursive.not_supported(&["Disabled", "Enabled", "IfPossible"])),
        _ => {}
    }
}

/// Checks the block devices of a container.
pub(super) fn check_devices(container: &Field<'_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let mounts = container.child("volumeMounts").items();
    let (mut names, mut taken): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for device in container.child("volumeDevices").items() {
        let (name, path) = (device.child("name"), device.child("devicePath"));
        if name.text().is_empty() {
            errors.push(name.required(""));
        }
        if names.contains(&name.text()) {
            errors.push(name.invalid("must be unique"));
        }
        match volumes.get(name.text()) {
            None => errors.push(name.not_found()),
            Some(volume) if volume.child("persistentVolumeClaim").is_set() || volume.child("ephemeral").is_set() => {}
            Some(_) => errors.push(name.invalid("can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode")),
        }
        if path.text().is_empty() {
            errors.push(path.required(""));
        }
        if taken.contains(&path.text()) {
            errors.push(path.invalid("must be unique"));
        }
        if paths::has_backstep(path.text()) {
            errors.push(path.invalid("can not contain backsteps ('..')"));
        } else {
            taken.push(path.text());
        }
        if mounts.iter().any(|mount| mount.child("name").text() == name.text()) {
            errors.push(name.invalid("must not already exist in volumeMounts"));
        }
        if mounts.iter().any(|mount| mount.child("mountPath").text() == path.text()) {
            errors.push(path.invalid("must not already exist as a path in volumeMounts"));
        }
        if !name.text().is_empty() {
            names.push(name.text());
        }
    }
}
