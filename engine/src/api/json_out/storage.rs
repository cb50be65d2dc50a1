//! Claims and volumes.

use super::{Cx, map_of, put};
use crate::model::storage::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus};
use serde_json::{Map, Value, json};

impl Cx<'_> {
    pub(super) fn claim(&self, claim: &PersistentVolumeClaim) -> Value {
        let mut spec = map_of(claim.raw.value());
        if let Some(class) = claim.class {
            put(&mut spec, "storageClassName", self.text(class));
        }
        self.put_text(&mut spec, "volumeName", claim.volume);
        Value::Object(spec)
    }

    pub(super) fn claim_status(&self, status: &PersistentVolumeClaimStatus) -> Value {
        let mut out = Map::new();
        put(&mut out, "phase", status.phase.text());
        if status.modes.count() > 0 {
            put(&mut out, "accessModes", status.modes.words().collect::<Vec<_>>());
        }
        if !status.capacity.is_empty() {
            put(&mut out, "capacity", json!({"storage": self.text(status.capacity)}));
        }
        Value::Object(out)
    }

    /// A reference that a person wrote stays as it came; one with a claim of this run behind it is written anew,
    /// without the claim's `uid` once the claim is gone and forgotten.
    pub(super) fn volume(&self, volume: &PersistentVolume) -> Value {
        let mut spec = map_of(volume.raw.value());
        let Some(claim) = volume.claim else {
            spec.shift_remove("claimRef");
            return Value::Object(spec);
        };
        if let Some(uid) = claim.uid {
            let (namespace, name) = (self.text(claim.namespace), self.names.render(claim.name));
            let kind = "PersistentVolumeClaim";
            let mut reference = map_of(&json!({"apiVersion": "v1", "kind": kind, "namespace": namespace, "name": name}));
            let written = || volume.raw.at(&["claimRef", "uid"]).and_then(Value::as_str).map(str::to_string);
            if let Some(uid) = self.uid_of(uid).or_else(written) {
                put(&mut reference, "uid", uid);
            }
            put(&mut spec, "claimRef", reference);
        }
        Value::Object(spec)
    }
}

#[cfg(test)]
mod tests {
    use crate::api::json_out::object_json;
    use crate::api::request::{NewObject, Reply, Verb};
    use crate::api::state::StateValue;
    use crate::ids::ObjRef;
    use crate::model::storage::StorageClass;
    use crate::model::storage::{AccessModes, ClaimPhase, ClaimRef, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus};
    use crate::scene::build::with_tables;
    use crate::simulation::{Settings, Simulation};
    use serde_json::{Value, json};

    fn created(sim: &mut Simulation, object: &Value) -> ObjRef {
        let new: NewObject = with_tables(sim, |tables| tables.object(object));
        match sim.ask(Default::default(), Verb::Create(Box::new(new))) {
            Ok(Reply::Created(object)) => object,
            other => panic!("not created: {other:?}"),
        }
    }

    fn put(sim: &mut Simulation, object: ObjRef, value: StateValue) {
        sim.ask(Default::default(), Verb::Put { object, expect: None, value }).expect("a part that the object has");
    }

    fn volume() -> Value {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1"}, "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "storageClassName": "slow",
            "claimRef": {"namespace": "shop", "name": "data", "uid": "of-another-cluster"}, "hostPath": {"path": "/a"}}})
    }

    #[test]
    fn a_volume_keeps_what_was_written_until_it_is_bound() {
        let mut sim = Simulation::new(&Settings::default());
        let object = created(&mut sim, &volume());
        let stored = sim.state::<PersistentVolume>(object).expect("typed").clone();
        assert_eq!((stored.capacity, stored.modes), (10 << 30, AccessModes::of(["ReadWriteMany", "ReadWriteOnce"].into_iter())));
        assert_eq!(stored.claim.expect("reserved").uid, None);
        let shown = object_json(&sim, object).expect("there");
        assert_eq!((&shown["spec"], &shown["status"]), (&volume()["spec"], &json!({"phase": "Pending"})));
        put(&mut sim, object, PersistentVolume { claim: None, ..stored }.into());
        assert_eq!(object_json(&sim, object).expect("there")["spec"].get("claimRef"), None);
    }

    #[test]
    fn a_claim_shows_its_volume_once_bound() {
        let mut sim = Simulation::new(&Settings::default());
        created(&mut sim, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
        let spec = json!({"accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": "1.5Gi"}}, "storageClassName": ""});
        let claim = created(
            &mut sim,
            &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"}, "spec": spec}),
        );
        let stored = sim.state::<PersistentVolumeClaim>(claim).expect("typed").clone();
        assert_eq!((stored.request, stored.modes, stored.class.is_some()), (3 << 29, AccessModes::ONE_POD, true));
        let shown = object_json(&sim, claim).expect("there");
        assert_eq!((&shown["spec"], &shown["status"]), (&spec, &json!({"phase": "Pending"})));

        let volume = created(&mut sim, &volume());
        let (key, free) = (stored.clone(), sim.state::<PersistentVolume>(volume).expect("typed").clone());
        let reference = ClaimRef { uid: Some(claim.uid), ..free.claim.expect("reserved") };
        put(&mut sim, volume, PersistentVolume { claim: Some(reference), ..free }.into());
        let (name, size) = with_tables(&mut sim, |tables| (tables.names.sym("pv-1"), tables.names.sym("10Gi")));
        put(&mut sim, claim, PersistentVolumeClaim { volume: name, ..key }.into());
        let bound = PersistentVolumeClaimStatus { phase: ClaimPhase::Bound, modes: AccessModes::ONE_POD, capacity: size };
        put(&mut sim, claim, bound.into());

        let (claim, volume) = (object_json(&sim, claim).expect("there"), object_json(&sim, volume).expect("there"));
        assert_eq!(claim["spec"]["volumeName"], "pv-1");
        assert_eq!(claim["status"], json!({"phase": "Bound", "accessModes": ["ReadWriteOncePod"], "capacity": {"storage": "10Gi"}}));
        let uid = &claim["metadata"]["uid"];
        let want = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data", "uid": uid});
        assert!(uid.is_string());
        assert_eq!(volume["spec"]["claimRef"], want);
    }

    #[test]
    fn a_class_comes_back_as_it_was() {
        let mut sim = Simulation::new(&Settings::default());
        let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
            "provisioner": "disk.example", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain", "parameters": {"a": "b"}});
        let object = created(&mut sim, &class);
        let stored = sim.state::<StorageClass>(object).expect("typed");
        assert!(stored.waits && stored.retains);
        let shown = object_json(&sim, object).expect("there");
        for field in ["provisioner", "volumeBindingMode", "reclaimPolicy", "parameters"] {
            assert_eq!(shown[field], class[field], "{field}");
        }
    }
}
