//! Events as v1 objects.

use crate::api::objects::Objects;
use crate::ids::uid_text;
use crate::model::kinds::Kinds;
use crate::model::meta::Meta;
use crate::names::Names;
use crate::record::events::{EventRow, Events};
use crate::simulation::{Epoch, Seed, Simulation};
use serde_json::{Value, json};

/// All events still kept as v1 Events, in order of first appearance.
pub fn event_list(sim: &Simulation) -> Vec<Value> {
    let rows = sim.get::<Events>().rows();
    rows.enumerate().map(|(number, row)| event_json(sim, number as u64, &row)).collect()
}

fn event_json(sim: &Simulation, number: u64, row: &EventRow) -> Value {
    let (names, kinds) = (sim.get::<Names>(), sim.get::<Kinds>());
    let (epoch, seed) = (sim.get::<Epoch>().0, sim.get::<Seed>().0);
    let about = kinds.info(row.about.kind);
    let (name, namespace) = (names.render(row.about.name), names.text(row.about.namespace));
    let place = if namespace.is_empty() { "default" } else { namespace };
    // The original's suffix is the time of the report in nanoseconds; the number keeps equal times apart.
    let own_name = format!("{name}.{:x}", epoch as u64 * 1_000_000_000 + row.first_at.0 + number);
    let mut object = json!({"apiVersion": about.api_version, "kind": about.kind, "name": name});
    if !namespace.is_empty() {
        object["namespace"] = namespace.into();
    }
    // Identities follow from names and the time of creation, which only objects that still exist tell.
    let living = sim.get::<Objects>().by_key(row.about).and_then(|found| sim.state::<Meta>(found));
    if let Some(meta) = living.filter(|meta| meta.created_at <= row.first_at) {
        let kind = kinds.word(row.about.kind);
        object["uid"] = uid_text(seed, &kind, namespace, &name, meta.created_at).into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": own_name, "namespace": place, "creationTimestamp": row.first_at.rfc3339(epoch),
            "uid": uid_text(seed, "event", place, &own_name, row.first_at),
        },
        "involvedObject": object,
        "type": if row.warning { "Warning" } else { "Normal" },
        "reason": names.text(row.reason),
        "message": row.text(names),
        "source": {"component": names.text(row.source)},
        "reportingComponent": names.text(row.source),
        "firstTimestamp": row.first_at.rfc3339(epoch),
        "lastTimestamp": row.last_at.rfc3339(epoch),
        "count": row.count,
    })
}
