//! Small kinds: namespaces, events, configuration, policy.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, the printer of each kind.

use super::{Printer, always, name, wide};
use crate::render::age::{age, human_duration, moment};
use crate::render::look::{flag, has, int, map, pairs, scalar, scalar_or, text};
use serde_json::Value;

pub(super) const NAMESPACE: Printer = Printer {
    columns: &[always("NAME"), always("STATUS"), always("AGE")],
    row: |object, now| vec![name(object), scalar(object, "/status/phase"), age(object, now)],
};

pub(super) const EVENT: Printer = Printer {
    columns: &[
        always("LAST SEEN"),
        always("TYPE"),
        always("REASON"),
        always("OBJECT"),
        wide("SUBOBJECT"),
        wide("SOURCE"),
        always("MESSAGE"),
        wide("FIRST SEEN"),
        wide("COUNT"),
        wide("NAME"),
    ],
    row: event_row,
};

fn event_row(event: &Value, now: i64) -> Vec<String> {
    let ago = |at: Option<i64>| at.map_or_else(|| "<unknown>".to_string(), |at| human_duration(now - at));
    let first = moment(event, "/firstTimestamp").or_else(|| moment(event, "/eventTime"));
    let series = has(event, "/series");
    let last = if series { moment(event, "/series/lastObservedTime") } else { moment(event, "/lastTimestamp").or(first) };
    let count = if series { int(event, "/series/count") } else { int(event, "/count").max(1) };
    let kind = text(event, "/involvedObject/kind").to_lowercase();
    let object = match text(event, "/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        ago(last),
        scalar(event, "/type"),
        scalar(event, "/reason"),
        object,
        scalar(event, "/involvedObject/fieldPath"),
        source(event),
        text(event, "/message").trim().to_string(),
        ago(first),
        count.to_string(),
        name(event),
    ]
}

/// Component and host of an event's sender, by the old fields or the new.
fn source(event: &Value) -> String {
    let component = scalar_or(event, "/source/component", text(event, "/reportingComponent"));
    match scalar_or(event, "/source/host", text(event, "/reportingInstance")) {
        host if host.is_empty() => component,
        host => format!("{component}, {host}"),
    }
}

pub(super) const CONFIG_MAP: Printer = Printer {
    columns: &[always("NAME"), always("DATA"), always("AGE")],
    row: |object, now| vec![name(object), (entries(object, "/data") + entries(object, "/binaryData")).to_string(), age(object, now)],
};

fn entries(object: &Value, pointer: &str) -> usize {
    map(object, pointer).map_or(0, serde_json::Map::len)
}

pub(super) const SECRET: Printer = Printer {
    columns: &[always("NAME"), always("TYPE"), always("DATA"), always("AGE")],
    row: |object, now| vec![name(object), scalar(object, "/type"), entries(object, "/data").to_string(), age(object, now)],
};

pub(super) const SERVICE_ACCOUNT: Printer =
    Printer { columns: &[always("NAME"), always("AGE")], row: |object, now| vec![name(object), age(object, now)] };

pub(super) const RESOURCE_QUOTA: Printer = Printer {
    columns: &[always("NAME"), always("REQUEST"), always("LIMIT"), always("AGE")],
    row: |quota, now| {
        let (limits, requests): (Vec<_>, Vec<_>) =
            pairs(quota, "/status/hard").into_iter().partition(|(resource, _)| resource.starts_with("limits."));
        let cell = |rows: Vec<(&str, &str)>| {
            let used = |resource: &str| map(quota, "/status/used").and_then(|used| used.get(resource)?.as_str()).unwrap_or("0");
            rows.into_iter().map(|(resource, hard)| format!("{resource}: {}/{hard}", used(resource))).collect::<Vec<_>>().join(", ")
        };
        vec![name(quota), cell(requests), cell(limits), age(quota, now)]
    },
};

pub(super) const LIMIT_RANGE: Printer = Printer {
    columns: &[always("NAME"), always("CREATED AT")],
    row: |object, _| vec![name(object), scalar(object, "/metadata/creationTimestamp")],
};

pub(super) const POD_DISRUPTION_BUDGET: Printer = Printer {
    columns: &[always("NAME"), always("MIN AVAILABLE"), always("MAX UNAVAILABLE"), always("ALLOWED DISRUPTIONS"), always("AGE")],
    row: |object, now| {
        vec![
            name(object),
            scalar_or(object, "/spec/minAvailable", "N/A"),
            scalar_or(object, "/spec/maxUnavailable", "N/A"),
            int(object, "/status/disruptionsAllowed").to_string(),
            age(object, now),
        ]
    },
};

pub(super) const PRIORITY_CLASS: Printer = Printer {
    columns: &[always("NAME"), always("VALUE"), always("GLOBAL-DEFAULT"), always("AGE"), always("PREEMPTIONPOLICY")],
    row: |object, now| {
        vec![
            name(object),
            int(object, "/value").to_string(),
            flag(object, "/globalDefault").to_string(),
            age(object, now),
            scalar(object, "/preemptionPolicy"),
        ]
    },
};

pub(super) const LEASE: Printer = Printer {
    columns: &[always("NAME"), always("HOLDER"), always("AGE")],
    row: |object, now| vec![name(object), scalar(object, "/spec/holderIdentity"), age(object, now)],
};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events() {
        let object = json!({"kind": "Pod", "name": "a", "fieldPath": "spec.containers{c}"});
        let event = json!({
            "metadata": {"name": "a.1"}, "type": "Warning", "reason": "BackOff", "message": " m\n", "involvedObject": object,
            "source": {"component": "kubelet", "host": "n1"}, "count": 4,
            "firstTimestamp": "1970-01-01T00:00:10Z", "lastTimestamp": "1970-01-01T00:01:00Z",
        });
        let want = ["40s", "Warning", "BackOff", "pod/a", "spec.containers{c}", "kubelet, n1", "m", "90s", "4", "a.1"];
        assert_eq!(event_row(&event, 100), want);
        let new = json!({"eventTime": "1970-01-01T00:00:10.000001Z", "reportingComponent": "default-scheduler", "involvedObject": {"kind": "Node"}});
        let cells = event_row(&new, 100);
        assert_eq!([&cells[0], &cells[3], &cells[5], &cells[8]], ["90s", "node", "default-scheduler", "1"]);
    }

    #[test]
    fn small_kinds() {
        let row = |printer: &Printer, object: Value| (printer.row)(&object, 0).join("|");
        assert_eq!(row(&CONFIG_MAP, json!({"data": {"a": "", "b": ""}, "binaryData": {"c": ""}})), "|3|<unknown>");
        assert_eq!(row(&SECRET, json!({"type": "Opaque", "data": {"a": ""}})), "|Opaque|1|<unknown>");
        assert_eq!(
            row(&POD_DISRUPTION_BUDGET, json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 2}})),
            "|50%|N/A|2|<unknown>"
        );
        let quota = json!({"status": {"hard": {"pods": "4", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "3"}}});
        assert_eq!(row(&RESOURCE_QUOTA, quota), "|cpu: 0/1, pods: 3/4|limits.cpu: 0/2|<unknown>");
    }
}
