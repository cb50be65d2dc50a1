//! The arguments of the commands that make scenes: `new` and `import`.

use super::values::{duration, positive};
use super::{NodeSize, Output, Template};
use clap::Args;
use std::path::PathBuf;
use wavetank_engine::time::SimDuration;

pub(super) const NEW_HELP: &str = "\
Examples:
  wavetank new                                      scene.ron, a rollout
  wavetank new hpa.ron --template autoscaling
  wavetank new - --template failure                 print it";

pub(super) const IMPORT_HELP: &str = "\
Examples:
  kubectl get nodes,pods,deploy,rs,sts,ds,jobs,hpa,pdb,svc,pvc,pv,sc -A -o yaml > c.yaml
  wavetank import c.yaml -o c.ron                   the cluster as it was, its pods where they were
  wavetank import c.yaml -o cluster/                the same, its objects in a file beside the scene
  wavetank import rendered/ --nodes 5 -o shop.ron   what `helm template --output-dir rendered` wrote
  wavetank import cronjob.sktrace --run             a trace of SimKube, run at once
  wavetank import stages.yaml app.yaml --run        KWOK's stages as programs of the app's images";

/// Arguments of `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The file to write, or - for standard output
    #[arg(value_name = "FILE|-", default_value = "scene.ron")]
    pub file: Output,
    /// What the scene is about
    #[arg(long, short, value_name = "NAME", default_value = "rollout")]
    pub template: Template,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Dumps and manifests (YAML, JSON), folders of them, SimKube traces (.sktrace), or - for standard input
    #[arg(value_name = "SOURCE", required = true)]
    pub sources: Vec<PathBuf>,
    /// Where the scene goes: a .ron file, a folder, or - for standard output [default: -]
    #[arg(short, long, value_name = "SCENE.ron|DIR|-")]
    pub output: Option<Output>,
    /// Run the scene at once instead of writing it
    #[arg(long, conflicts_with = "output")]
    pub run: bool,
    /// Virtual time at which the run ends [default: 5m, of a trace 5m after its last event]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub until: Option<SimDuration>,
    /// Nodes where the sources have none [default: 5]
    #[arg(long, value_name = "COUNT", value_parser = positive)]
    pub nodes: Option<u32>,
    /// Allocatable resources of those nodes [default: cpu=8,memory=32Gi]
    #[arg(long, value_name = "NAME=QUANTITY,...")]
    pub node_size: Option<NodeSize>,
    /// Do not say what was left out
    #[arg(long, short)]
    pub quiet: bool,
}
