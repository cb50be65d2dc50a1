//! One row of a table: a node or a pod, as numbers; and the Kubernetes objects that they stand for.

use crate::time::{SimDuration, SimTime};
use serde_json::{Map, Value, json};

/// Image of the only container of a table's pods.
pub const IMAGE: &str = "trace:1";
/// Pods that a node of a plain table takes. Source: `spec/kubelet.md` §1.
const PODS: &str = "110";
/// Pods that a node of openb takes: room for any sharing of its GPUs, as in the simulator that the trace was published for.
const PODS_OPENB: &str = "1001";
/// GPU of plain tables.
const GPU: &str = "nvidia.com/gpu";
/// Resources, labels and annotations of openb. Source: hkust-adsl/kubernetes-scheduler-simulator, `pkg/type/open-gpu-share/utils/consts.go`.
const GPU_COUNT: &str = "alibabacloud.com/gpu-count";
const GPU_MILLI: &str = "alibabacloud.com/gpu-milli";
const GPU_MODEL: &str = "alibabacloud.com/gpu-card-model";

/// Which tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The columns of openb.
    Openb,
    /// Plain columns.
    Plain,
}

/// A column that a table may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in the first line.
    pub name: &'static str,
    /// Whether there is no table without it.
    pub needed: bool,
}

const fn needed(name: &'static str) -> Column {
    Column { name, needed: true }
}

const fn optional(name: &'static str) -> Column {
    Column { name, needed: false }
}

/// Columns of pods of openb. Quality of service, phase and scheduling time tell what became of a pod in the original cluster.
const OPENB_PODS: &[Column] = &[
    needed("name"),
    needed("cpu_milli"),
    needed("memory_mib"),
    needed("num_gpu"),
    needed("gpu_milli"),
    needed("gpu_spec"),
    needed("creation_time"),
    needed("deletion_time"),
    optional("qos"),
    optional("pod_phase"),
    optional("scheduled_time"),
];
const OPENB_NODES: &[Column] = &[needed("sn"), needed("cpu_milli"), needed("memory_mib"), needed("gpu"), needed("model")];
const PLAIN_PODS: &[Column] = &[
    needed("name"),
    needed("create_s"),
    needed("cpu_milli"),
    needed("memory_bytes"),
    optional("gpu"),
    optional("duration_s"),
    optional("priority"),
];
const PLAIN_NODES: &[Column] =
    &[needed("name"), optional("create_s"), needed("cpu_milli"), needed("memory_bytes"), optional("gpu"), optional("pods")];

impl Layout {
    /// The columns of a table of nodes or of pods.
    pub fn columns(self, of_nodes: bool) -> &'static [Column] {
        match (self, of_nodes) {
            (Layout::Openb, true) => OPENB_NODES,
            (Layout::Openb, false) => OPENB_PODS,
            (Layout::Plain, true) => PLAIN_NODES,
            (Layout::Plain, false) => PLAIN_PODS,
        }
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What was expected; the same for all rows with this mistake.
    pub reason: String,
    /// What was found.
    pub found: String,
}

/// The values of a row by column; an empty text where there is none.
pub trait Values {
    /// The value in a column.
    fn value(&self, column: &str) -> &str;
}

fn mistake<T>(column: &str, expected: &str, found: &str) -> Result<T, Mistake> {
    Err(Mistake { reason: format!("{column}: expected {expected}"), found: format!("{found:?}") })
}

fn number(row: &dyn Values, column: &str, most: u64) -> Result<u64, Mistake> {
    let text = row.value(column);
    match text.parse::<u64>() {
        Ok(number) if number <= most => Ok(number),
        Ok(_) => mistake(column, &format!("at most {most}"), text),
        Err(_) => mistake(column, "a whole number", text),
    }
}

/// A number that is 0 where the column is missing or empty.
fn number_or_none(row: &dyn Values, column: &str, most: u64) -> Result<u64, Mistake> {
    if row.value(column).is_empty() { Ok(0) } else { number(row, column, most) }
}

/// A moment in seconds since the scene's epoch.
fn moment(row: &dyn Values, column: &str) -> Result<SimTime, Mistake> {
    seconds(row, column, "seconds since the beginning").map(|since| SimTime::ZERO + since)
}

/// Seconds with at most nine decimals.
fn seconds(row: &dyn Values, column: &str, expected: &str) -> Result<SimDuration, Mistake> {
    let text = row.value(column);
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match SimDuration::parse(&format!("{text}s")) {
        Ok(span) if plain => Ok(span),
        _ => mistake(column, expected, text),
    }
}

fn name<'r>(row: &'r dyn Values, column: &str) -> Result<&'r str, Mistake> {
    let text = row.value(column);
    match crate::api::validation::name_mistakes(text).into_iter().next() {
        None => Ok(text),
        Some(what) => {
            // Without the example and the expression that end the API server's sentence.
            let what = what.split(" (e.g.").next().unwrap_or_default();
            Err(Mistake { reason: format!("{column}: {what}"), found: format!("{text:?}") })
        }
    }
}

/// Most of any amount: keeps sums within their range.
const CPU_MILLI_MAX: u64 = 1_000_000_000;
const MEMORY_MAX: u64 = 1 << 52;
const GPUS_MAX: u64 = 10_000;

/// How a pod leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// It stays.
    Never,
    /// It is deleted at this time, wherever it is.
    DeletedAt(SimTime),
    /// Its container exits after it has run for so long.
    RunsFor(SimDuration),
}

/// What pods of a table may have in common: they then share one spec.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    cpu_milli: u64,
    memory_bytes: u64,
    gpus: u64,
    /// Of each GPU; openb alone. Unit: thousandths.
    gpu_milli: u64,
    /// Models of GPU that do, with `|` between them; empty: any.
    models: String,
    priority: i32,
    /// Whether its container comes to an end by itself.
    ends: bool,
}

/// A pod of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRow {
    /// Its name, in the namespace `default`.
    pub name: String,
    /// When it arrives.
    pub at: SimTime,
    /// How it leaves.
    pub leaves: Leaves,
    /// What it asks for.
    pub shape: Shape,
}

impl Layout {
    /// Reads a pod.
    ///
    /// # Errors
    /// The first mistake.
    pub fn pod(self, row: &dyn Values) -> Result<PodRow, Mistake> {
        let name = name(row, "name")?.to_string();
        let cpu_milli = number(row, "cpu_milli", CPU_MILLI_MAX)?;
        match self {
            Layout::Openb => {
                let memory_bytes = number(row, "memory_mib", MEMORY_MAX >> 20)? << 20;
                let (gpus, gpu_milli) = (number(row, "num_gpu", GPUS_MAX)?, number(row, "gpu_milli", 1000)?);
                if gpus > 1 && gpu_milli < 1000 {
                    return mistake("gpu_milli", "1000 where num_gpu is more than 1", row.value("gpu_milli"));
                }
                let at = moment(row, "creation_time")?;
                let leaves =
                    if row.value("deletion_time").is_empty() { Leaves::Never } else { Leaves::DeletedAt(moment(row, "deletion_time")?) };
                if let Leaves::DeletedAt(left) = leaves
                    && left < at
                {
                    return mistake("deletion_time", "a time not before creation_time", row.value("deletion_time"));
                }
                let models = row.value("gpu_spec").to_string();
                Ok(PodRow { name, at, leaves, shape: Shape { cpu_milli, memory_bytes, gpus, gpu_milli, models, priority: 0, ends: false } })
            }
            Layout::Plain => {
                let memory_bytes = number(row, "memory_bytes", MEMORY_MAX)?;
                let gpus = number_or_none(row, "gpu", GPUS_MAX)?;
                let at = moment(row, "create_s")?;
                let leaves = if row.value("duration_s").is_empty() {
                    Leaves::Never
                } else {
                    Leaves::RunsFor(seconds(row, "duration_s", "a number of seconds")?)
                };
                let priority = row.value("priority");
                let priority = match priority.parse::<i32>() {
                    Ok(number) if number <= 1_000_000_000 => number,
                    _ if priority.is_empty() => 0,
                    _ => return mistake("priority", "a whole number of at most 1000000000", priority),
                };
                let ends = matches!(leaves, Leaves::RunsFor(_));
                let shape = Shape { cpu_milli, memory_bytes, gpus, gpu_milli: 0, models: String::new(), priority, ends };
                Ok(PodRow { name, at, leaves, shape })
            }
        }
    }
}

impl Shape {
    /// CPU in milli-cores, memory in bytes, number of GPUs, thousandths of each, and their models (none: any).
    pub fn demand(&self) -> (i64, i64, u64, u64, Vec<String>) {
        let models = self.models.split('|').filter(|model| !model.is_empty()).map(str::to_string).collect();
        let whole = if self.gpus > 0 && self.gpu_milli == 0 { 1000 } else { self.gpu_milli };
        (self.cpu_milli as i64, self.memory_bytes as i64, self.gpus, whole, models)
    }

    /// The pod without metadata, before defaults.
    pub fn body(&self, layout: Layout) -> Value {
        let mut amounts = Map::new();
        if self.cpu_milli > 0 {
            amounts.insert("cpu".into(), format!("{}m", self.cpu_milli).into());
        }
        if self.memory_bytes > 0 {
            amounts.insert("memory".into(), self.memory_bytes.to_string().into());
        }
        match layout {
            // Of all GPUs together: that a share must lie on one of them is for policies that look at GPUs.
            Layout::Openb if self.gpus > 0 => {
                amounts.insert(GPU_MILLI.into(), (self.gpus * self.gpu_milli).to_string().into());
            }
            Layout::Plain if self.gpus > 0 => {
                amounts.insert(GPU.into(), self.gpus.to_string().into());
            }
            Layout::Openb | Layout::Plain => {}
        }
        let container = json!({"name": "main", "image": IMAGE, "resources": {"requests": amounts, "limits": amounts}});
        let policy = if self.ends { "Never" } else { "Always" };
        let mut spec = json!({"restartPolicy": policy, "containers": [container]});
        if let Some(class) = self.priority_class() {
            spec["priorityClassName"] = class["metadata"]["name"].clone();
        }
        if !self.models.is_empty() {
            let models: Vec<&str> = self.models.split('|').collect();
            let term = json!({"matchExpressions": [{"key": GPU_MODEL, "operator": "In", "values": models}]});
            spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}});
        }
        json!({"apiVersion": "v1", "kind": "Pod", "spec": spec})
    }

    /// The PriorityClass of pods whose priority a table gives as a number; `None` for priority 0.
    pub fn priority_class(&self) -> Option<Value> {
        let sign = if self.priority < 0 { "minus-" } else { "" };
        let name = format!("priority-{sign}{}", self.priority.unsigned_abs());
        let class =
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": self.priority});
        (self.priority != 0).then_some(class)
    }

    /// Annotations, by which policies that look at GPUs know what the pod asks for.
    pub fn annotations(&self, layout: Layout) -> Vec<(&'static str, String)> {
        if layout != Layout::Openb || self.gpus == 0 {
            return Vec::new();
        }
        let mut pairs = vec![(GPU_COUNT, self.gpus.to_string()), (GPU_MILLI, self.gpu_milli.to_string())];
        if !self.models.is_empty() {
            pairs.push((GPU_MODEL, self.models.clone()));
        }
        pairs
    }
}

/// A node of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// When it joins.
    pub at: SimTime,
    /// `metadata`.
    pub metadata: Value,
    /// What it has, by resource: nodes that have the same share one body.
    pub amounts: Vec<(&'static str, String)>,
}

impl Layout {
    /// Reads a node.
    ///
    /// # Errors
    /// The first mistake.
    pub fn node(self, row: &dyn Values) -> Result<NodeRow, Mistake> {
        let of_openb = self == Layout::Openb;
        let name = name(row, if of_openb { "sn" } else { "name" })?;
        let cpu = format!("{}m", number(row, "cpu_milli", CPU_MILLI_MAX)?);
        let memory_bytes =
            if of_openb { number(row, "memory_mib", MEMORY_MAX >> 20)? << 20 } else { number(row, "memory_bytes", MEMORY_MAX)? };
        let gpus = number_or_none(row, "gpu", GPUS_MAX)?;
        let at = if row.value("create_s").is_empty() { SimTime::ZERO } else { moment(row, "create_s")? };
        let pods = match row.value("pods") {
            "" => if of_openb { PODS_OPENB } else { PODS }.to_string(),
            _ => number(row, "pods", u64::from(u32::MAX))?.to_string(),
        };
        let mut amounts = vec![("cpu", cpu), ("memory", memory_bytes.to_string()), ("pods", pods)];
        if gpus > 0 && of_openb {
            amounts.extend([(GPU_COUNT, gpus.to_string()), (GPU_MILLI, (gpus * 1000).to_string())]);
        } else if gpus > 0 {
            amounts.push((GPU, gpus.to_string()));
        }
        let mut labels = Map::new();
        let model = row.value("model");
        if !model.is_empty() {
            labels.insert(GPU_MODEL.into(), model.into());
        }
        labels.insert("kubernetes.io/arch".into(), "amd64".into());
        labels.insert("kubernetes.io/hostname".into(), name.into());
        labels.insert("kubernetes.io/os".into(), "linux".into());
        Ok(NodeRow { at, metadata: json!({"name": name, "labels": labels}), amounts })
    }
}

impl NodeRow {
    /// The node without metadata.
    pub fn body(&self) -> Value {
        let amounts: Map<String, Value> =
            self.amounts.iter().map(|(resource, amount)| (resource.to_string(), amount.as_str().into())).collect();
        json!({"apiVersion": "v1", "kind": "Node", "spec": {}, "status": {"capacity": amounts, "allocatable": amounts}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(&'static [(&'static str, &'static str)]);

    impl Values for Pairs {
        fn value(&self, column: &str) -> &str {
            self.0.iter().find(|(name, _)| *name == column).map_or("", |(_, value)| value)
        }
    }

    const PLAIN: [(&str, &str); 5] =
        [("name", "a"), ("create_s", "1.5"), ("cpu_milli", "250"), ("memory_bytes", "1024"), ("duration_s", "60")];

    #[test]
    fn a_plain_pod() {
        let row = Layout::Plain.pod(&Pairs(&PLAIN)).unwrap();
        assert_eq!((row.name.as_str(), row.at.0, row.leaves), ("a", 1_500_000_000, Leaves::RunsFor(SimDuration::from_secs(60))));
        let body = row.shape.body(Layout::Plain);
        assert_eq!(body["spec"]["restartPolicy"], "Never");
        assert_eq!(body["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "250m", "memory": "1024"}));
    }

    #[test]
    fn a_pod_of_openb() {
        let row = Layout::Openb.pod(&Pairs(&[
            ("name", "p"),
            ("cpu_milli", "1000"),
            ("memory_mib", "2"),
            ("num_gpu", "2"),
            ("gpu_milli", "1000"),
            ("gpu_spec", "T4|P100"),
            ("creation_time", "7"),
            ("deletion_time", "9"),
        ]));
        let row = row.unwrap();
        assert_eq!(row.leaves, Leaves::DeletedAt(SimTime::from_secs(9)));
        let body = row.shape.body(Layout::Openb);
        assert_eq!(body["spec"]["containers"][0]["resources"]["limits"][GPU_MILLI], "2000");
        let values =
            "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions/0/values";
        assert_eq!(body.pointer(values), Some(&json!(["T4", "P100"])));
        let annotations = row.shape.annotations(Layout::Openb);
        assert_eq!(annotations, [(GPU_COUNT, "2".into()), (GPU_MILLI, "1000".into()), (GPU_MODEL, "T4|P100".into())]);
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        let with = |column: &'static str, value: &'static str| {
            let mut row = PLAIN;
            row.iter_mut().filter(|pair| pair.0 == column).for_each(|pair| pair.1 = value);
            let Err(mistake) = Layout::Plain.pod(&Pairs(Box::leak(Box::new(row)))) else { return String::new() };
            format!("{} {}", mistake.reason, mistake.found)
        };
        for (column, value, want) in [
            ("cpu_milli", "0.5", "cpu_milli: expected a whole number \"0.5\""),
            ("cpu_milli", "9999999999", "cpu_milli: expected at most 1000000000 \"9999999999\""),
            ("memory_bytes", "", "memory_bytes: expected a whole number \"\""),
            ("create_s", "-1", "create_s: expected seconds since the beginning \"-1\""),
            ("create_s", "1m", "create_s: expected seconds since the beginning \"1m\""),
            ("duration_s", "long", "duration_s: expected a number of seconds \"long\""),
        ] {
            assert_eq!(with(column, value), want);
        }
        assert!(with("name", "A_b").starts_with("name: a lowercase RFC 1123 subdomain"), "{}", with("name", "A_b"));
    }
}
