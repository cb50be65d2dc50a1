//! The values of single arguments and how they are read.

use crate::watch::pace::SPEEDS;
use clap::ValueEnum;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use wavetank_engine::scene::network::ProxyMode;
use wavetank_engine::time::SimDuration;

/// Reads a virtual time such as `35s` or `1h30m`.
pub(super) fn duration(text: &str) -> Result<SimDuration, String> {
    SimDuration::parse(text)
}

/// Reads a virtual time that is not zero.
pub(super) fn span(text: &str) -> Result<SimDuration, String> {
    match duration(text)? {
        SimDuration::ZERO => Err("must be longer than nothing".to_string()),
        span => Ok(span),
    }
}

/// Reads how many virtual seconds a real one stands for.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let [slowest, fastest] = SPEEDS;
    match text.parse::<f64>() {
        Ok(speed) if (slowest..=fastest).contains(&speed) => Ok(speed),
        Ok(_) => Err(format!("must be from {slowest} to {fastest} virtual seconds for each real one")),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a count of at least one.
pub(super) fn positive(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("must be at least 1".to_string()),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    }
}

/// Whose way through the seams is printed: `kubelet`, or `kubelet:[NAMESPACE/]NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceOf {
    /// The pods, as `[NAMESPACE/]NAME` with `*`.
    pub pods: String,
}

impl FromStr for TraceOf {
    type Err = String;

    fn from_str(text: &str) -> Result<TraceOf, String> {
        let (of, pods) = text.split_once(':').unwrap_or((text, "*"));
        if of != "kubelet" {
            return Err(format!("{of:?} has no trace; there is one of kubelet, and of some pods alone: kubelet:web, kubelet:shop/web-*"));
        }
        let pods = pods.strip_prefix("pod/").unwrap_or(pods);
        if pods.is_empty() || pods.split('/').any(str::is_empty) || pods.split('/').count() > 2 {
            return Err(format!("{pods:?} is not [NAMESPACE/]NAME"));
        }
        Ok(TraceOf { pods: pods.to_string() })
    }
}

/// Mode of kube-proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Mode {
    Iptables,
    Ipvs,
    Nftables,
    Userspace,
}

impl From<Mode> for ProxyMode {
    fn from(mode: Mode) -> ProxyMode {
        match mode {
            Mode::Iptables => ProxyMode::Iptables,
            Mode::Ipvs => ProxyMode::Ipvs,
            Mode::Nftables => ProxyMode::Nftables,
            Mode::Userspace => ProxyMode::Userspace,
        }
    }
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// `-`.
    Stdout,
    /// A file, replaced when it exists.
    File(PathBuf),
}

impl Output {
    /// Begins to write there.
    ///
    /// # Errors
    /// What the system says when the file can't be made.
    pub fn open(&self) -> io::Result<Box<dyn Write>> {
        Ok(match self {
            Output::Stdout => Box::new(BufWriter::new(io::stdout())),
            Output::File(path) => Box::new(BufWriter::new(File::create(path)?)),
        })
    }

    /// Whether the name asks for JSON lines: it ends in `.jsonl` or `.json`.
    pub fn wants_json(&self) -> bool {
        match self {
            Output::Stdout => false,
            Output::File(path) => wants_json(path),
        }
    }
}

fn wants_json(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "jsonl" || end == "json")
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Stdout => f.write_str("-"),
            Output::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Output, String> {
        match text {
            "" => Err("the name of a file, or - for standard output, is missing".to_string()),
            "-" => Ok(Output::Stdout),
            path => Ok(Output::File(PathBuf::from(path))),
        }
    }
}

/// Allocatable resources of a node, by name, in the order given. Quantities are checked by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSize(pub Vec<(String, String)>);

impl Default for NodeSize {
    fn default() -> NodeSize {
        NodeSize(vec![("cpu".to_string(), "8".to_string()), ("memory".to_string(), "32Gi".to_string())])
    }
}

impl FromStr for NodeSize {
    type Err = String;

    fn from_str(text: &str) -> Result<NodeSize, String> {
        let mut size: Vec<(String, String)> = Vec::new();
        for part in text.split(',') {
            let (name, quantity) = part
                .split_once('=')
                .map(|(name, quantity)| (name.trim(), quantity.trim()))
                .filter(|(name, quantity)| !name.is_empty() && !quantity.is_empty())
                .ok_or_else(|| format!("{part:?} is not NAME=QUANTITY; write for example cpu=8,memory=32Gi"))?;
            if size.iter().any(|(known, _)| known == name) {
                return Err(format!("{name} is given twice"));
            }
            size.push((name.to_string(), quantity.to_string()));
        }
        Ok(NodeSize(size))
    }
}

/// One `--set`: a parameter and the text of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Name declared at the head of the scene.
    pub name: String,
    /// Text as written; its type is the parameter's.
    pub value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Setting, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Setting { name: name.to_string(), value: value.to_string() }),
            _ => Err(format!("{text:?} is not NAME=VALUE")),
        }
    }
}

/// A latency profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Latency {
    /// Everything but real timers takes no time
    Ideal,
    /// The delays of a healthy cluster
    Typical,
}

/// How the scheduler chooses among nodes of equal score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ties {
    /// As kube-scheduler 1.36.2 does
    Heap,
    /// The node whose name comes first
    LowestName,
    /// Any of them with equal chance, drawn from the seed
    Random,
}

/// How the systems of an instant are called.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DispatchMode {
    /// Only systems that have work
    #[default]
    Mask,
    /// Whole bevy schedules
    Schedule,
}

/// Form of the summary.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SummaryFormat {
    /// One JSON object on one line
    Json,
    /// For people
    #[default]
    Text,
}

/// Form of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// For people
    Text,
    /// One JSON object, `wavetank.explain/1`
    Json,
}

/// Form of a chain of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChainFormat {
    /// Sentences, the change first
    Text,
    /// One JSON object, `wavetank.why/1`
    Json,
    /// A Mermaid flowchart
    Mermaid,
}

/// Form in which `get` prints objects; without one, a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ObjectFormat {
    /// A table with more columns
    Wide,
    /// YAML
    Yaml,
    /// JSON
    Json,
}

/// What a new scene is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// A Deployment rolls out a new version
    Rollout,
    /// An autoscaler under a wave of requests
    Autoscaling,
    /// A node dies, another is drained
    Failure,
    /// Many pods at once, for `wavetank bench`
    Bench,
}
