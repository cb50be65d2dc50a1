//! Namespaces, with their quotas and limits.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeNamespace`, `DescribeResourceQuotas`,
//! `DescribeLimitRanges`.

use super::{Cluster, Events, Page};
use crate::render::look::{list, map, pairs, scalar_or, text};
use serde_json::Value;
use std::collections::BTreeSet;

const CONDITIONS: &[(&str, &str)] = &[
    ("Type", "/type"),
    ("Status", "/status"),
    ("LastTransitionTime", "/lastTransitionTime"),
    ("Reason", "/reason"),
    ("Message", "/message"),
];

pub(super) fn write(page: &mut Page, namespace: &Value, cluster: &dyn Cluster) -> Events {
    let name = text(namespace, "/metadata/name");
    page.field(0, "Name", name);
    page.labels_and_annotations(namespace);
    page.field(0, "Status", text(namespace, "/status/phase"));
    page.conditions(namespace, CONDITIONS, true, 0);
    let within = |kind: &str| -> Vec<Value> {
        cluster.list(kind).into_iter().filter(|object| text(object, "/metadata/namespace") == name).collect()
    };
    page.line(0, "");
    quotas(page, &within("ResourceQuota"));
    page.line(0, "");
    limits(page, &within("LimitRange"));
    Events::Left
}

fn quotas(page: &mut Page, quotas: &[Value]) {
    if quotas.is_empty() {
        return page.line(0, "No resource quota.");
    }
    page.line(0, "Resource Quotas");
    for quota in quotas {
        page.field(1, "Name", text(quota, "/metadata/name"));
        let mut scopes: Vec<&str> = list(quota, "/spec/scopes").iter().filter_map(Value::as_str).collect();
        scopes.sort_unstable();
        if !scopes.is_empty() {
            page.field(1, "Scopes", scopes.join(", "));
        }
        page.line(1, "Resource\tUsed\tHard");
        page.line(1, "--------\t---\t---");
        let used = |resource: &str| map(quota, "/status/used").and_then(|used| used.get(resource)?.as_str()).unwrap_or("0");
        for (resource, hard) in pairs(quota, "/status/hard") {
            page.line(1, format_args!("{resource}\t{}\t{hard}", used(resource)));
        }
    }
}

fn limits(page: &mut Page, ranges: &[Value]) {
    if ranges.is_empty() {
        return page.line(0, "No LimitRange resource.");
    }
    page.line(0, "Resource Limits");
    page.line(0, " Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio");
    page.line(0, " ----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
    let fields = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    for item in ranges.iter().flat_map(|range| list(range, "/spec/limits")) {
        // Choice: the original walks a map here; we go by the resource's name.
        let resources: BTreeSet<&str> =
            fields.iter().flat_map(|field| pairs(item, &format!("/{field}"))).map(|(resource, _)| resource).collect();
        for resource in resources {
            let cells = fields.map(|field| {
                let amounts = map(item, &format!("/{field}"));
                amounts.and_then(|amounts| amounts.get(resource)?.as_str()).unwrap_or("-")
            });
            page.line(0, format_args!(" {}\t{resource}\t{}", scalar_or(item, "/type", ""), cells.join("\t")));
        }
    }
}
