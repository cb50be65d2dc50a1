//! `get`: objects as a table with the columns that a Kubernetes 1.36 API server gives to kubectl, or as YAML or JSON.
//!
//! One printer for each built-in kind; any other kind has its name and age.
//!
//! Source: kubernetes v1.36, `pkg/printers/internalversion/printers.go`, `AddHandlers` (the server prints wide rows; the
//! client leaves out the columns that were not asked for).

mod autoscaling;
mod batch;
mod config;
mod network;
mod node;
mod pod;
mod storage;
mod workload;

pub(super) use network::host_port;
pub(super) use node::roles;

use super::age::age;
use super::look::text;
use super::table::Table;
use serde_json::Value;

/// Heading of a column, and whether it is shown only with `-o wide`.
type Column = (&'static str, bool);

/// A column of the narrow table.
const fn always(name: &'static str) -> Column {
    (name, false)
}

/// A column of the wide table alone.
const fn wide(name: &'static str) -> Column {
    (name, true)
}

/// How the objects of one kind become rows.
struct Printer {
    columns: &'static [Column],
    /// All cells of a row, those of wide columns too, from the object and the present moment in Unix seconds.
    row: fn(&Value, i64) -> Vec<String>,
}

/// What a table shows beside the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableOptions {
    /// Whether wide columns are shown.
    pub wide: bool,
    /// Whether the first column is the namespace.
    pub namespaces: bool,
    /// The present moment, for ages. Unit: Unix seconds.
    pub now: i64,
}

/// The table of objects of one kind, in the order given.
pub fn table(kind: &str, objects: &[Value], options: TableOptions) -> Table {
    let printer = printer(kind);
    let shown = |column: &Column| options.wide || !column.1;
    let namespace = |cell: &str| options.namespaces.then(|| cell.to_string());
    let head = printer.columns.iter().filter(|column| shown(column)).map(|column| column.0.to_string());
    let rows = objects.iter().map(|object| {
        let cells = (printer.row)(object, options.now);
        assert_eq!(cells.len(), printer.columns.len(), "the printer of {kind} gives one cell for each of its columns");
        let cells = cells.into_iter().zip(printer.columns).filter(|(_, column)| shown(column)).map(|(cell, _)| cell);
        namespace(text(object, "/metadata/namespace")).into_iter().chain(cells).collect()
    });
    Table { head: namespace("NAMESPACE").into_iter().chain(head).collect(), rows: rows.collect() }
}

fn printer(kind: &str) -> &'static Printer {
    match kind {
        "Pod" => &pod::POD,
        "Node" => &node::NODE,
        "Deployment" => &workload::DEPLOYMENT,
        "ReplicaSet" => &workload::REPLICA_SET,
        "ReplicationController" => &workload::REPLICATION_CONTROLLER,
        "StatefulSet" => &workload::STATEFUL_SET,
        "DaemonSet" => &workload::DAEMON_SET,
        "ControllerRevision" => &workload::CONTROLLER_REVISION,
        "Job" => &batch::JOB,
        "CronJob" => &batch::CRON_JOB,
        "Service" => &network::SERVICE,
        "Endpoints" => &network::ENDPOINTS,
        "EndpointSlice" => &network::ENDPOINT_SLICE,
        "Ingress" => &network::INGRESS,
        "NetworkPolicy" => &network::NETWORK_POLICY,
        "HorizontalPodAutoscaler" => &autoscaling::HORIZONTAL_POD_AUTOSCALER,
        "Namespace" => &config::NAMESPACE,
        "Event" => &config::EVENT,
        "ConfigMap" => &config::CONFIG_MAP,
        "Secret" => &config::SECRET,
        "ServiceAccount" => &config::SERVICE_ACCOUNT,
        "ResourceQuota" => &config::RESOURCE_QUOTA,
        "LimitRange" => &config::LIMIT_RANGE,
        "PodDisruptionBudget" => &config::POD_DISRUPTION_BUDGET,
        "PriorityClass" => &config::PRIORITY_CLASS,
        "Lease" => &config::LEASE,
        "PersistentVolume" => &storage::PERSISTENT_VOLUME,
        "PersistentVolumeClaim" => &storage::PERSISTENT_VOLUME_CLAIM,
        "StorageClass" => &storage::STORAGE_CLASS,
        _ => &GENERIC,
    }
}

/// Any kind without columns of its own.
const GENERIC: Printer = Printer { columns: &[always("NAME"), always("AGE")], row: |object, now| vec![name(object), age(object, now)] };

fn name(object: &Value) -> String {
    text(object, "/metadata/name").to_string()
}

/// At most `shown` of the parts, joined by commas, and how many more there are.
pub(super) fn first_of(parts: &[String], shown: usize, separator: &str) -> String {
    let head = parts[..parts.len().min(shown)].join(separator);
    match parts.len().checked_sub(shown) {
        None | Some(0) => head,
        Some(more) => format!("{head} + {more} more..."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_printer_fills_its_columns_even_from_an_empty_object() {
        for known in crate::kinds::KINDS {
            let table = table(known.kind, &[json!({})], TableOptions { wide: true, namespaces: true, now: 0 });
            assert_eq!(table.head.len(), table.rows[0].len(), "{}", known.kind);
        }
    }

    #[test]
    fn namespace_column_and_unknown_kinds() {
        let object = json!({"metadata": {"name": "w", "namespace": "shop", "creationTimestamp": "1970-01-01T00:00:00Z"}});
        let options = TableOptions { wide: false, namespaces: true, now: 200 };
        assert_eq!(table("Widget", &[object], options).render(), "NAMESPACE   NAME   AGE\nshop        w      3m20s\n");
    }
}
