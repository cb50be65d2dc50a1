//! The events at the end of a description.

use crate::render::age::{human_duration, moment};
use crate::render::look::{has, int, scalar, scalar_or, text};
use serde_json::Value;

/// The events about an object, oldest last time first.
///
/// A pod is found by name, namespace and uid; other kinds by their kind too; a node also by its name in place of the uid,
/// which is what the kubelet writes. An event that names no uid is taken by the rest.
pub(super) fn of_object<'a>(events: &'a [Value], kind: &str, object: &Value) -> Vec<&'a Value> {
    let uid = text(object, "/metadata/uid");
    let about = |event: &&Value| {
        let event = *event;
        let same = |field: &str, wanted: &str| text(event, &format!("/involvedObject/{field}")) == wanted;
        let name = text(object, "/metadata/name");
        let uids = uid.is_empty() || same("uid", "") || same("uid", uid) || kind == "Node" && same("uid", name);
        uids && same("name", name) && same("namespace", text(object, "/metadata/namespace")) && (kind == "Pod" || same("kind", kind))
    };
    let mut found: Vec<&Value> = events.iter().filter(about).collect();
    found.sort_by_key(|event| moment(event, "/lastTimestamp"));
    found
}

/// The `Events:` section, its tabs not yet aligned.
pub(super) fn table(events: &[&Value], now: i64) -> String {
    if events.is_empty() {
        return "Events:\t<none>\n".to_string();
    }
    let mut text = "Events:\n  Type\tReason\tAge\tFrom\tMessage\n  ----\t------\t----\t----\t-------\n".to_string();
    for event in events {
        text.push_str(&format!("  {}\n", row(event, now).join("\t")));
    }
    text
}

fn row(event: &Value, now: i64) -> [String; 5] {
    let from = scalar_or(event, "/source/component", text(event, "/reportingComponent"));
    let message = text(event, "/message").trim();
    let message = match text(event, "/involvedObject/fieldPath") {
        "" => message.to_string(),
        path => format!("{path}: {message}"),
    };
    [scalar(event, "/type"), scalar(event, "/reason"), interval(event, now), from, message]
}

/// `5s`, or `5s (x3 over 1m)` for an event that came again.
fn interval(event: &Value, now: i64) -> String {
    let ago = |at: Option<i64>| at.map_or_else(|| "<unknown>".to_string(), |at| human_duration(now - at));
    let first = ago(moment(event, "/eventTime").or_else(|| moment(event, "/firstTimestamp")));
    if has(event, "/series") {
        format!("{} (x{} over {first})", ago(moment(event, "/series/lastObservedTime")), int(event, "/series/count"))
    } else if int(event, "/count") > 1 {
        format!("{} (x{} over {first})", ago(moment(event, "/lastTimestamp")), int(event, "/count"))
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_of_the_object_alone_in_order() {
        let event = |uid: &str, last: &str| json!({"involvedObject": {"kind": "Node", "name": "n", "uid": uid}, "lastTimestamp": last, "metadata": {"name": uid}});
        let events = [event("n", "1970-01-01T00:01:00Z"), event("u", "1970-01-01T00:00:10Z"), event("other", "1970-01-01T00:00:00Z")];
        let node = json!({"metadata": {"name": "n", "uid": "u"}});
        let found: Vec<&str> = of_object(&events, "Node", &node).into_iter().map(|event| text(event, "/metadata/name")).collect();
        assert_eq!(found, ["u", "n"]);
        assert!(of_object(&events, "Deployment", &node).is_empty());
        assert_eq!(table(&[], 0), "Events:\t<none>\n");
    }

    #[test]
    fn repeated_events_say_how_often() {
        let event = json!({
            "type": "Warning", "reason": "BackOff", "count": 3, "message": "Back-off", "source": {"component": "kubelet"},
            "firstTimestamp": "1970-01-01T00:00:00Z", "lastTimestamp": "1970-01-01T00:01:00Z",
            "involvedObject": {"fieldPath": "spec.containers{c}"},
        });
        assert_eq!(row(&event, 100), ["Warning", "BackOff", "40s (x3 over 100s)", "kubelet", "spec.containers{c}: Back-off"]);
    }
}
