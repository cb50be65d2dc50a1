//! StorageObjectInUseProtection: claims and volumes are born with the finalizer that holds them while they are in use.
//!
//! Source: kubernetes v1.36, `plugin/pkg/admission/storage/storageobjectinuseprotection/admission.go`; `spec/storage.md` §5.

use wavetank_engine::api::admit::AdmitCx;
use wavetank_engine::api::request::{NewObject, Refusal};
use wavetank_engine::ids::Kind;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::words;

/// Registers the plugin.
pub fn install(sim: &mut Simulation) {
    sim.admit(Some(admit), None, None);
}

fn admit(_: &mut AdmitCx, new: &mut NewObject) -> Result<(), Refusal> {
    let finalizer = match new.meta.kind {
        Kind::PersistentVolumeClaim => words::PVC_PROTECTION,
        Kind::PersistentVolume => words::PV_PROTECTION,
        _ => return Ok(()),
    };
    if !new.meta.finalizers.contains(&finalizer) {
        new.meta.finalizers.push(finalizer);
    }
    Ok(())
}
