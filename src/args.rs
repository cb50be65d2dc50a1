//! The arguments of every sub-command. Nothing here opens a file: only what can be judged from the words themselves.

mod report;
mod scenes;
mod sides;
mod values;

pub use report::ReportArgs;
pub use scenes::{ImportArgs, NewArgs};
pub use sides::{CompareArgs, Seeds, SideArgs, Vary};
pub use values::{
    ChainFormat, DispatchMode, ExplainFormat, Latency, Mode, NodeSize, ObjectFormat, Output, Setting, SummaryFormat, Template, Ties,
    TraceOf,
};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use values::{duration, positive, span, speed};
use wavetank_engine::scene::policies::PolicyChoice;
use wavetank_engine::time::SimDuration;

const AFTER_HELP: &str = "\
Examples:
  wavetank run scenes/hello.ron                       run a scene, print its journal and a summary
  wavetank run shop.yaml --nodes 3 --until 5m         run plain Kubernetes manifests on three nodes
  wavetank get pods --scene scenes/hello.ron --at 35s look at the cluster as kubectl would
  wavetank test                                       run every scene against its golden journal

Exit codes: 0 well, 1 an expectation was missed, 2 bad input, 3 the world does not come to rest, 101 a bug.";

const RUN_HELP: &str = "\
Examples:
  wavetank run scenes/hello.ron
  wavetank run manifests/ --nodes 5 --node-size cpu=8,memory=32Gi --until 10m
  wavetank run scenes/workloads/rolling_update.ron --journal - --quiet
  wavetank run scene.ron --set replicas=40 --summary json
  wavetank run scene.ron --report scene.html
  wavetank run scenes/autoscaling/up_and_down.ron --series series.csv --series-every 30s
  wavetank run scenes/hello.ron --perfetto trace.json
  wavetank run scenes/pods/creation.ron --trace kubelet:web
  wavetank run scenes/hello.ron --watch --speed 20
  wavetank run scene.ron --save half.wtk --at 5m
  wavetank run --resume half.wtk";

const TEST_HELP: &str = "\
Examples:
  wavetank test                          every scene under scenes/
  wavetank test scenes/workloads --jobs 2
  wavetank test scenes/hello.ron --bless rewrite the golden journal after a wanted change
  wavetank test --junit report.xml";

const CHECK_HELP: &str = "\
Examples:
  wavetank check scenes/hello.ron
  wavetank check shop.yaml scenes/*/*.ron";

const GET_HELP: &str = "\
Examples:
  wavetank get pods --scene scenes/hello.ron --at 35s
  wavetank get po -A -o wide --scene scenes/hello.ron --at 35s
  wavetank get deploy web -o yaml --scene shop.yaml --at 1m
  wavetank get rules --node n1 --scene shop.ron --at 10s --proxy-mode nftables
  wavetank get dns web.shop --from pod/client --scene shop.ron --at 10s";

const DESCRIBE_HELP: &str = "\
Examples:
  wavetank describe node node-0 --scene scenes/hello.ron --at 35s
  wavetank describe deploy/web --scene shop.yaml --at 1m";

const LOGS_HELP: &str = "\
Examples:
  wavetank logs web --scene scenes/pods/logs.ron --at 30s
  wavetank logs web -c proxy --previous --timestamps --scene scenes/pods/logs.ron";
const CONNECT_HELP: &str = "\
Examples:
  wavetank connect pod/client web:80 --scene shop.ron --at 35s
  wavetank connect outside http://shop.example.com/cart --scene shop.ron --at 1m
  wavetank connect node/n1 10.96.0.10:53 --scene shop.ron --proxy-mode nftables
  wavetank connect pod/client db:5432 --resolved-at 10s --at 40s --scene shop.ron -o json

FROM is pod/NAME, pod/NAMESPACE/NAME, node/NAME, outside or an address. TO is [http://]HOST[:PORT][/PATH];
HOST is a name, an address, service/NAME, pod/NAME or node/NAME.";

const ROLLOUT_HELP: &str = "\
Examples:
  wavetank rollout status deployment/shop --scene scenes/hello.ron --at 10s
  wavetank rollout history deployment/shop --scene scenes/hello.ron --at 1m";

const WHY_HELP: &str = "\
Examples:
  wavetank why pod/web-1 --scene scenes/hello.ron            its latest change, and what led to it
  wavetank why pod/web-1 --field deletion --scene shop.yaml  who wanted it gone, and why
  wavetank why deploy/web --at 42s --scene my.ron -o mermaid its latest change by then, as a diagram

Fields have the names of the journal (wavetank run SCENE --journal -): deletion, spec.nodeName,
spec.replicas, status.phase, conditions.Ready, ...; object stands for its creation and removal.";

const EXPLAIN_HELP: &str = "\
Examples:
  wavetank explain pod/web-1 --scene scenes/hello.ron          why it is where it is
  wavetank explain pod/big --scene shop.yaml --at 1m           why it waits, and what would help
  wavetank explain pod/web-1 --scene my.ron -o json            all attempts, with every node
  wavetank explain nodegroup/small --scene my.ron --at 5m      why the cluster autoscaler had the group grow, or not
  wavetank explain node/small-2 --scene my.ron                 why it takes the node away, or not

The last attempt is shown whole, and those that preempted others; of the rest one line each.
A group's scans are shown whole where it grew, and the last; scans and nodes that were found the same are told once.";

const BENCH_HELP: &str = "\
Examples:
  wavetank bench                              every workload, one after another
  wavetank bench SchedulingBasic              one, at the size that its scene gives
  wavetank bench SchedulingBasic --nodes 100000 --pods 100000
  wavetank bench TopologySpreading --percentage 100 --json -
  wavetank bench mine.ron --set nodes=50      a scene of one's own

Workloads (scenes/bench): SchedulingBasic, SchedulingPodAntiAffinity, SchedulingPodAffinity,
SchedulingPreferredPodAffinity, SchedulingPreferredPodAntiAffinity, TopologySpreading,
PreferredTopologySpreading, SchedulingZoneAndHostSpreading, SchedulingDefaultSpreading,
PreemptionBasic, Unschedulable, SchedulingWithMixedChurn, SchedulingWithNodesAdded,
SchedulingDaemonset.";

const COMPLETIONS_HELP: &str = "\
Examples:
  wavetank completions bash > /etc/bash_completion.d/wavetank
  wavetank completions zsh > ~/.zfunc/_wavetank";

/// A whole Kubernetes control plane in one process, in virtual time.
#[derive(Debug, Parser)]
#[command(name = "wavetank", version, about, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scene or Kubernetes manifests and say what happened
    #[command(after_help = RUN_HELP)]
    Run(Box<RunArgs>),
    /// Run scenes and compare their journals with the golden ones
    #[command(after_help = TEST_HELP)]
    Test(TestArgs),
    /// Report every mistake in scenes and manifests without running them
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// List objects as they are at a moment of a run, in kubectl's columns
    #[command(after_help = GET_HELP)]
    Get(GetArgs),
    /// Describe one object as it is at a moment of a run, as kubectl does
    #[command(after_help = DESCRIBE_HELP)]
    Describe(DescribeArgs),
    /// Print what a container has said by a moment of a run, as its program in the scene has it
    #[command(after_help = LOGS_HELP)]
    Logs(LogsArgs),
    /// Tell what a client would see who connects at a moment of a run, and why
    #[command(after_help = CONNECT_HELP)]
    Connect(ConnectArgs),
    /// Show how far a rollout is at a moment of a run, or the revisions of a workload, in kubectl's words
    #[command(after_help = ROLLOUT_HELP)]
    Rollout {
        /// What to show.
        #[command(subcommand)]
        command: RolloutCommand,
    },
    /// Explain the scheduler's decisions on a pod, or the cluster autoscaler's on a node group or a node
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Say why an object changed: the chain of causes back to the scene or its script
    #[command(after_help = WHY_HELP)]
    Why(WhyArgs),
    /// Write a commented scene to begin with
    #[command(after_help = scenes::NEW_HELP)]
    New(NewArgs),
    /// Make a scene of a dump of a cluster, of rendered charts, of a SimKube trace or of KWOK stages
    #[command(after_help = scenes::IMPORT_HELP)]
    Import(ImportArgs),
    /// Run two scenes, or one scene with two settings, over the same seeds, and say how they differ
    #[command(after_help = sides::COMPARE_HELP)]
    Compare(Box<CompareArgs>),
    /// Run a scene and write what happened as one page for a browser
    #[command(after_help = report::REPORT_HELP)]
    Report(Box<ReportArgs>),
    /// Measure the scheduler on workloads named and shaped as those of kube-scheduler's own benchmarks
    #[command(after_help = BENCH_HELP)]
    Bench(Box<BenchArgs>),
    /// Show phases and systems in order, and what each reads, writes and is woken by
    Schedule,
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
}

/// What `rollout` shows.
#[derive(Debug, Subcommand)]
pub enum RolloutCommand {
    /// Whether the rollout is complete, and what it waits for; exit code 1 when it failed
    Status(DescribeArgs),
    /// The revisions that the workload has had
    History(DescribeArgs),
}

/// What shapes the simulated world, for every command that runs one.
#[derive(Debug, Clone, Default, Args)]
pub struct WorldArgs {
    /// Nodes for plain manifests (a scene brings its own) [default: 5]
    #[arg(long, value_name = "COUNT", value_parser = positive)]
    pub nodes: Option<u32>,
    /// Allocatable resources of those nodes [default: cpu=8,memory=32Gi]
    #[arg(long, value_name = "NAME=QUANTITY,...")]
    pub node_size: Option<NodeSize>,
    /// Seed of all randomness, in place of the scene's
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Give a parameter of the scene a value; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<Setting>,
    /// Latency profile, in place of the scene's
    #[arg(long, value_name = "PROFILE")]
    pub latency: Option<Latency>,
    /// How the scheduler chooses among nodes of equal score, in place of the scene's way
    #[arg(long, value_name = "RULE")]
    pub ties: Option<Ties>,
    /// A KubeSchedulerConfiguration (YAML or JSON), in place of the scene's
    #[arg(long, value_name = "FILE")]
    pub scheduler_config: Option<PathBuf>,
    /// Schedule by a policy, in place of the scene's; may be repeated. An unknown name gets a list of all
    #[arg(long = "policy", value_name = "NAME[=WEIGHT]", value_parser = PolicyChoice::of_text)]
    pub policies: Vec<PolicyChoice>,
}

/// Arguments of `run`.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// A scene (.ron), or manifests: YAML and JSON files, or directories of them
    #[arg(value_name = "FILE", required_unless_present = "resume")]
    pub files: Vec<PathBuf>,
    /// The world.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Virtual time at which the run ends, in place of the scene's duration
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub until: Option<SimDuration>,
    /// Write every visible change to a file, or - for standard output (JSON lines if the name ends in .jsonl)
    #[arg(long, value_name = "FILE|-")]
    pub journal: Option<Output>,
    /// Write Events as JSON lines to a file, or - for standard output
    #[arg(long, value_name = "FILE|-")]
    pub events: Option<Output>,
    /// Write what happened as one page for a browser to a file
    #[arg(long, value_name = "FILE")]
    pub report: Option<Output>,
    /// Write time series of the run as a table to a file (CSV, or Parquet if the name ends in .parquet), or - for standard output
    #[arg(long, value_name = "FILE|-")]
    pub series: Option<Output>,
    /// Virtual time between two samples of --series [default: 10s]
    #[arg(long, value_name = "TIME", requires = "series", value_parser = span)]
    pub series_every: Option<SimDuration>,
    /// Write the lives of pods as a trace that Perfetto and Chrome open (ui.perfetto.dev), or - for standard output
    #[arg(long, value_name = "FILE|-", conflicts_with = "resume")]
    pub perfetto: Option<Output>,
    /// Print the way of pods through the seams of their kubelets (container runtime, network plugin, status, probes): kubelet for all pods,
    /// or kubelet:[NAMESPACE/]NAME, with * for any text; may be repeated
    #[arg(long, value_name = "kubelet[:POD]")]
    pub trace: Vec<TraceOf>,
    /// Watch the run on the terminal, at a pace to follow: space pauses, s goes to the next change, + and - change the speed, q ends
    #[arg(long)]
    pub watch: bool,
    /// Virtual seconds for each real one with --watch [default: 10]
    #[arg(long, value_name = "NUMBER", requires = "watch", value_parser = speed)]
    pub speed: Option<f64>,
    /// Check all invariants after every instant
    #[arg(long)]
    pub check: bool,
    /// Print no progress bar, no warnings and no summary for people
    #[arg(long, short)]
    pub quiet: bool,
    /// Form of the summary at the end
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub summary: SummaryFormat,
    /// Save the whole state to a file at the time given with --at
    #[arg(long, value_name = "FILE", requires = "at")]
    pub save: Option<PathBuf>,
    /// Virtual time of --save
    #[arg(long, value_name = "TIME", requires = "save", value_parser = duration)]
    pub at: Option<SimDuration>,
    /// Go on from a saved state instead of starting a scene
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "nodes", "node_size", "seed", "settings", "latency", "ties", "scheduler_config", "policies"])]
    pub resume: Option<PathBuf>,
    /// Draw every order that Kubernetes leaves open: of keys that several workers take, of controllers that act at one moment, of pods
    /// that compare equal. What holds for all seeds does not hang on such an order
    #[arg(long, value_name = "SEED", conflicts_with_all = ["resume", "save", "dispatch"])]
    pub shuffle_choices: Option<u64>,
    /// Wake at every tick of every probe: the same answers, slower
    #[arg(long)]
    pub every_tick: bool,
    /// Call only systems that have work, or whole bevy schedules (the results are the same)
    #[arg(long, value_name = "MODE", default_value = "mask")]
    pub dispatch: DispatchMode,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Scenes, or directories of scenes
    #[arg(value_name = "PATH", default_value = "scenes")]
    pub paths: Vec<PathBuf>,
    /// Write the golden journals from what the scenes do now
    #[arg(long)]
    pub bless: bool,
    /// A KubeSchedulerConfiguration (YAML or JSON), in place of those of the scenes
    #[arg(long, value_name = "FILE", conflicts_with = "bless")]
    pub scheduler_config: Option<PathBuf>,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Scenes run at a time [default: one for each core]
    #[arg(long, short, value_name = "COUNT", value_parser = positive)]
    pub jobs: Option<u32>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenes and manifests
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Give a parameter of the scenes a value; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<Setting>,
}

/// The moment of a run that `get`, `describe`, `rollout`, `why` and `explain` look at.
#[derive(Debug, Args)]
pub struct MomentArgs {
    /// The scene, or manifests, to run
    #[arg(long, value_name = "FILE", required = true)]
    pub scene: Vec<PathBuf>,
    /// Virtual time to look at [default: the end]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub at: Option<SimDuration>,
    /// The world.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Namespace to look in
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
}

/// Arguments of `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// Kind, as kubectl names it: pods, po, deployments.apps, hpa, ..., several with commas between, or all (KIND/NAME is understood too)
    pub kind: String,
    /// Only the object of this name
    pub name: Option<String>,
    /// Where and when.
    #[command(flatten)]
    pub moment: MomentArgs,
    /// Form of the output
    #[arg(short, long, value_name = "FORM")]
    pub output: Option<ObjectFormat>,
    /// Look in all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Of `get rules`: the node whose proxy is looked at
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Of `get rules`: mode of kube-proxy, in place of the scene's
    #[arg(long, value_name = "MODE")]
    pub proxy_mode: Option<Mode>,
    /// Of `get dns`: the client that asks, such as pod/NAME
    #[arg(long, value_name = "CLIENT")]
    pub from: Option<String>,
}

/// Arguments of `connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Who connects
    pub from: String,
    /// Where to
    pub to: String,
    /// Where and when.
    #[command(flatten)]
    pub moment: MomentArgs,
    /// Mode of kube-proxy, in place of the scene's
    #[arg(long, value_name = "MODE")]
    pub proxy_mode: Option<Mode>,
    /// The client asked for the name at this earlier time and goes by that answer
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub resolved_at: Option<SimDuration>,
    /// Form of the output
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: SummaryFormat,
}

/// Arguments of `describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// Kind, as kubectl names it (KIND/NAME is understood too)
    pub kind: String,
    /// Name of the object
    pub name: Option<String>,
    /// Where and when.
    #[command(flatten)]
    pub moment: MomentArgs,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The pod, node group or node, and the moment up to which decisions on it are explained.
    #[command(flatten)]
    pub pod: DescribeArgs,
    /// Form of the output
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ExplainFormat,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The object, and the moment by which it changed.
    #[command(flatten)]
    pub object: DescribeArgs,
    /// The field whose latest change is meant, as the journal names it [default: the object's latest change of all]
    #[arg(long, value_name = "FIELD")]
    pub field: Option<String>,
    /// Form of the output
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ChainFormat,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The pod (pod/NAME is understood too)
    pub pod: String,
    /// The container [default: the first]
    #[arg(short, long)]
    pub container: Option<String>,
    /// What its run before this one said
    #[arg(short, long)]
    pub previous: bool,
    /// Put the time before each line
    #[arg(long)]
    pub timestamps: bool,
    /// Only the last so many lines
    #[arg(long, value_name = "COUNT")]
    pub tail: Option<usize>,
    /// Where and when.
    #[command(flatten)]
    pub moment: MomentArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Clone, Default, Args)]
pub struct BenchArgs {
    /// A workload, or a scene file (.ron) [default: all workloads]
    pub name: Option<String>,
    /// Nodes, in place of what the workload has; pods that are there before the measuring are scaled alike
    #[arg(long, value_name = "COUNT", value_parser = positive)]
    pub nodes: Option<u32>,
    /// Pods to measure, in place of what the workload has
    #[arg(long, value_name = "COUNT", value_parser = positive)]
    pub pods: Option<u32>,
    /// Give a parameter of the workload a value; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<Setting>,
    /// How the scheduler chooses among nodes of equal score
    #[arg(long, value_name = "RULE")]
    pub ties: Option<Ties>,
    /// A KubeSchedulerConfiguration (YAML or JSON), in place of the workload's
    #[arg(long, value_name = "FILE")]
    pub scheduler_config: Option<PathBuf>,
    /// Schedule by a policy, in place of the scene's; may be repeated. An unknown name gets a list of all
    #[arg(long = "policy", value_name = "NAME[=WEIGHT]", value_parser = PolicyChoice::of_text)]
    pub policies: Vec<PolicyChoice>,
    /// percentageOfNodesToScore, in place of the configuration's; 0: by the number of nodes, as the original's default
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub percentage: Option<u32>,
    /// Write the results as JSON to a file, or - for standard output; one object a line
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<Output>,
    /// Print no progress
    #[arg(long, short)]
    pub quiet: bool,
}

impl GetArgs {
    /// Kind and name, whichever way they were written.
    pub fn target(&self) -> (&str, Option<&str>) {
        target(&self.kind, self.name.as_deref())
    }
}

impl DescribeArgs {
    fn conflict(&self, nameless: &'static str) -> Option<&'static str> {
        match self.target() {
            (_, None) => Some(nameless),
            _ if self.kind.contains('/') && self.name.is_some() => Some("KIND/NAME already names the object; leave out NAME"),
            _ => None,
        }
    }

    /// Kind and name, whichever way they were written.
    pub fn target(&self) -> (&str, Option<&str>) {
        target(&self.kind, self.name.as_deref())
    }
}

fn target<'a>(kind: &'a str, name: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    match (kind.split_once('/'), name) {
        (Some((kind, name)), None) => (kind, Some(name)),
        _ => (kind, name),
    }
}

impl Cli {
    /// Reads the words of a command line, with the checks that one flag alone cannot make.
    ///
    /// # Errors
    /// clap's error, whose exit code is 2 for bad usage and 0 for `--help` and `--version`.
    pub fn read(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
        let cli = Cli::try_parse_from(words)?;
        cli.conflict().map_or(Ok(()), |(command, what)| {
            let mut root = Cli::command();
            root.build();
            let command = root.find_subcommand_mut(command).expect("conflict names a sub-command of this parser");
            Err(command.error(ErrorKind::ArgumentConflict, what))
        })?;
        Ok(cli)
    }

    /// The sub-command and the sentence of the first pair of arguments that exclude each other.
    fn conflict(&self) -> Option<(&'static str, &'static str)> {
        match &self.command {
            Command::Run(run) => run.conflict().map(|what| ("run", what)),
            Command::Get(get) if get.kind.contains('/') && get.name.is_some() => {
                Some(("get", "KIND/NAME already names the object; leave out NAME"))
            }
            Command::Get(get) if get.kind == "rules" && get.node.is_none() => Some(("get", "NODE is missing: write get rules --node NAME")),
            Command::Get(get) if get.kind == "dns" && get.name.is_none() => Some(("get", "NAME is missing: write get dns NAME")),
            Command::Get(get) if get.kind != "rules" && (get.node.is_some() || get.proxy_mode.is_some()) => {
                Some(("get", "--node and --proxy-mode belong to get rules"))
            }
            Command::Get(get) if get.kind != "dns" && get.from.is_some() => Some(("get", "--from belongs to get dns")),
            Command::Connect(connect) if connect.resolved_at > connect.moment.at && connect.moment.at.is_some() => {
                Some(("connect", "--resolved-at is later than --at"))
            }
            Command::Rollout { command: RolloutCommand::Status(args) | RolloutCommand::History(args) } => {
                let nameless = "NAME is missing: write rollout status KIND NAME, or rollout status KIND/NAME";
                args.conflict(nameless).map(|what| ("rollout", what))
            }
            Command::Describe(describe) => {
                describe.conflict("NAME is missing: write describe KIND NAME, or describe KIND/NAME").map(|what| ("describe", what))
            }
            Command::Explain(explain) => {
                explain.pod.conflict("NAME is missing: write explain pod NAME, or explain pod/NAME").map(|what| ("explain", what))
            }
            Command::Why(why) => why.object.conflict("NAME is missing: write why KIND NAME, or why KIND/NAME").map(|what| ("why", what)),
            Command::Get(_)
            | Command::Connect(_)
            | Command::Logs(_)
            | Command::Test(_)
            | Command::Check(_)
            | Command::Compare(_)
            | Command::Import(_)
            | Command::New(_)
            | Command::Report(_)
            | Command::Bench(_)
            | Command::Schedule
            | Command::Completions { .. } => None,
        }
    }
}

impl RunArgs {
    fn conflict(&self) -> Option<&'static str> {
        let journal = self.journal == Some(Output::Stdout);
        let events = self.events == Some(Output::Stdout);
        let json = self.summary == SummaryFormat::Json;
        if self.report == Some(Output::Stdout) {
            return Some("--report needs the name of a file; wavetank report -o - prints the page");
        }
        match (json, journal, events) {
            (true, true, _) => Some("--summary json cannot share standard output with --journal -; write the journal to a file"),
            (true, false, true) => Some("--summary json cannot share standard output with --events -; write the events to a file"),
            (false, true, true) => Some("--journal - and --events - cannot share standard output; write one of them to a file"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn the_parser_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn good_lines_are_read() {
        for line in [
            "wavetank run a.ron",
            "wavetank run a.yaml b/ --nodes 5 --node-size cpu=8,memory=32Gi --until 10m --seed 7 --set n=3 --set dir=. --latency typical",
            "wavetank run a.ron --journal - --quiet --check --events e.jsonl --dispatch schedule",
            "wavetank run a.ron --summary json --journal j.txt",
            "wavetank run a.ron --save s --at 30s",
            "wavetank run a.ron --policy FGD --policy Default=2",
            "wavetank run --resume s --until 1h",
            "wavetank test",
            "wavetank test scenes/a --bless --junit j.xml --jobs 2",
            "wavetank check a b",
            "wavetank get po --scene a.ron --at 35s -A -o wide",
            "wavetank get deploy/web --scene a.ron -o yaml -n shop",
            "wavetank describe pod web-1 --scene a.ron --at 35s",
            "wavetank describe no/node-0 --scene a.ron",
            "wavetank why pod/web-1 --scene a.ron --at 42s --field deletion -o mermaid",
            "wavetank explain pod/web-1 --scene a.ron --at 42s -o json",
            "wavetank import a.yaml b/ - -o out.ron --nodes 3 --node-size cpu=1",
            "wavetank import a.sktrace --run --until 10m",
            "wavetank compare a.ron b.ron --seeds 1..20 --set n=3 --json -",
            "wavetank compare a.ron --vary n=1,2 --a-set m=1 --b-policy FGD --html c.html --jobs 2",
            "wavetank compare a.yaml --nodes 3 --b-latency typical",
            "wavetank new",
            "wavetank new a.ron --template failure --force",
            "wavetank get rules --node n1 --scene a.ron --proxy-mode ipvs",
            "wavetank get dns web --from pod/client --scene a.ron -o json",
            "wavetank connect pod/client web:80 --scene a.ron --at 10s --resolved-at 5s -o json",
            "wavetank report --scene a.ron",
            "wavetank report --scene a.yaml --scene b.yaml --nodes 3 --until 5m -o r.html --quiet",
            "wavetank run a.ron --report r.html --summary json",
            "wavetank schedule",
            "wavetank bench",
            "wavetank bench SchedulingBasic --nodes 100 --pods 50 --json - --percentage 100 --ties random --set init=3",
            "wavetank completions zsh",
        ] {
            assert!(read(line).is_ok(), "{line}: {}", read(line).unwrap_err());
        }
    }

    #[test]
    fn usage_mistakes_exit_with_two() {
        for (line, what) in [
            ("wavetank", "Usage"),
            ("wavetank run", "<FILE>"),
            ("wavetank run a --summary json --journal -", "cannot share standard output"),
            ("wavetank run a --summary json --events -", "cannot share standard output"),
            ("wavetank run a --journal - --events -", "cannot share standard output"),
            ("wavetank run a --save s", "--at"),
            ("wavetank run a --at 3s", "--save"),
            ("wavetank run a --resume s", "cannot be used with"),
            ("wavetank run a --until 5", "not a duration"),
            ("wavetank run a --nodes 0", "at least 1"),
            ("wavetank run a --nodes -3", "-3"),
            ("wavetank run a --node-size cpu", "NAME=QUANTITY"),
            ("wavetank run a --node-size cpu=1,cpu=2", "twice"),
            ("wavetank run a --set n", "NAME=VALUE"),
            ("wavetank run a --latency fast", "ideal"),
            ("wavetank run a --policy FGD=x", "NAME=WEIGHT"),
            ("wavetank test --jobs 0", "at least 1"),
            ("wavetank get po", "--scene"),
            ("wavetank get po/x y --scene a", "leave out NAME"),
            ("wavetank describe po --scene a", "NAME is missing"),
            ("wavetank explain po --scene a", "NAME is missing"),
            ("wavetank why po --scene a", "NAME is missing"),
            ("wavetank why po/x --scene a -o svg", "mermaid"),
            ("wavetank import", "SOURCE"),
            ("wavetank import a --run -o b", "cannot be used with"),
            ("wavetank compare", "SCENE"),
            ("wavetank compare a b c", "c"),
            ("wavetank compare a --seeds 5..1", "no seed"),
            ("wavetank compare a --seed 1 --seeds 1..2", "cannot be used with"),
            ("wavetank compare a --vary n=1", "two values"),
            ("wavetank compare a --b-patch web", "no patch"),
            ("wavetank new a.ron --template x", "possible values"),
            ("wavetank get rules --scene a", "NODE is missing"),
            ("wavetank get dns --scene a", "NAME is missing"),
            ("wavetank get po --node n1 --scene a", "belong to get rules"),
            ("wavetank connect pod/a --scene a", "<TO>"),
            ("wavetank connect pod/a b --scene a --at 1s --resolved-at 2s", "later than --at"),
            ("wavetank connect pod/a b --scene a --proxy-mode ebpf", "userspace"),
            ("wavetank report", "--scene"),
            ("wavetank report a.ron", "unexpected argument"),
            ("wavetank run a --report -", "name of a file"),
            ("wavetank sing", "unrecognized"),
        ] {
            let error = read(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(what), "{line}: {error}");
        }
    }
}
