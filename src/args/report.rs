//! The arguments of `report`.

use super::values::duration;
use super::{Output, WorldArgs};
use clap::Args;
use std::path::PathBuf;
use wavetank_engine::time::SimDuration;

pub(super) const REPORT_HELP: &str = "\
Examples:
  wavetank report --scene scenes/hello.ron                       writes report.html
  wavetank report --scene scenes/autoscaling/up_and_down.ron -o hpa.html
  wavetank report --scene shop.yaml --nodes 3 --until 10m -o shop.html
  wavetank run my.ron --report my.html                           the same beside a usual run

The file needs nothing else: no server, no network. When an expectation of the scene is missed the
report is written all the same, and the exit code is 1.";

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The scene, or manifests, to run
    #[arg(long, value_name = "FILE", required = true)]
    pub scene: Vec<PathBuf>,
    /// The file to write, or - for standard output
    #[arg(short, long, value_name = "FILE|-", default_value = "report.html")]
    pub output: Output,
    /// Virtual time at which the run ends, in place of the scene's duration
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub until: Option<SimDuration>,
    /// The world.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Do not say where the report is
    #[arg(long, short)]
    pub quiet: bool,
}
