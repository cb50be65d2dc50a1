//! The arguments of `compare`: what both sides share, and what each has of its own.

use super::values::{duration, positive};
use super::{Latency, Output, Setting, WorldArgs};
use crate::compare::patch::Patch;
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;
use wavetank_engine::scene::policies::PolicyChoice;
use wavetank_engine::time::SimDuration;

pub(super) const COMPARE_HELP: &str = "\
Examples:
  wavetank compare today.ron tomorrow.ron --seeds 1..20
  wavetank compare scenes/autoscaling/flapping.ron --vary window=0,300
  wavetank compare web.ron --b-patch 'hpa/web={\"spec\":{\"maxReplicas\":20}}' --html compare.html
  wavetank compare scenes/bench/openb.ron --b-policy FGD --set dir=openb --json -

Both sides run with the same seeds. The table has what came of A, of B, and the difference seed by seed; below it stand the
first change that only one of them has, in what the scenes say and in what becomes of it.";

/// Most seeds of one comparison.
const SEEDS_MAX: u64 = 100_000;

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Side A and side B: scenes (.ron), manifests or folders of them; one alone is compared with itself under other settings
    #[arg(value_name = "SCENE", required = true, num_args = 1..=2)]
    pub scenes: Vec<PathBuf>,
    /// Seeds that both sides run with, the last one included: 1..20, or 1,5,9 [default: the scene's]
    #[arg(long, value_name = "FROM..TO", conflicts_with = "seed")]
    pub seeds: Option<Seeds>,
    /// A parameter with its value on side A and its value on side B; may be repeated
    #[arg(long, value_name = "NAME=A,B")]
    pub vary: Vec<Vary>,
    /// Virtual time at which both runs end, in place of the scenes' durations
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub until: Option<SimDuration>,
    /// Write the comparison as one JSON object to a file, or - for standard output
    #[arg(long, value_name = "FILE|-")]
    pub json: Option<Output>,
    /// Write the comparison as one page to a file, or - for standard output
    #[arg(long, value_name = "FILE|-")]
    pub html: Option<Output>,
    /// Seeds run at a time [default: one for each core]
    #[arg(long, short, value_name = "COUNT", value_parser = positive)]
    pub jobs: Option<u32>,
    /// What both sides share.
    #[command(flatten)]
    pub world: WorldArgs,
    /// Give a parameter a value on side A alone; may be repeated
    #[arg(long = "a-set", value_name = "NAME=VALUE", help_heading = "Side A")]
    pub a_settings: Vec<Setting>,
    /// Merge fields into an object of side A before its run; may be repeated
    #[arg(long = "a-patch", value_name = "TARGET=JSON", help_heading = "Side A")]
    pub a_patches: Vec<Patch>,
    /// Schedule side A by a policy; may be repeated
    #[arg(long = "a-policy", value_name = "NAME[=WEIGHT]", value_parser = PolicyChoice::of_text, help_heading = "Side A")]
    pub a_policies: Vec<PolicyChoice>,
    /// A KubeSchedulerConfiguration for side A
    #[arg(long, value_name = "FILE", help_heading = "Side A")]
    pub a_scheduler_config: Option<PathBuf>,
    /// Latency profile of side A
    #[arg(long, value_name = "PROFILE", help_heading = "Side A")]
    pub a_latency: Option<Latency>,
    /// Give a parameter a value on side B alone; may be repeated
    #[arg(long = "b-set", value_name = "NAME=VALUE", help_heading = "Side B")]
    pub b_settings: Vec<Setting>,
    /// Merge fields into an object of side B before its run; may be repeated
    #[arg(long = "b-patch", value_name = "TARGET=JSON", help_heading = "Side B")]
    pub b_patches: Vec<Patch>,
    /// Schedule side B by a policy; may be repeated
    #[arg(long = "b-policy", value_name = "NAME[=WEIGHT]", value_parser = PolicyChoice::of_text, help_heading = "Side B")]
    pub b_policies: Vec<PolicyChoice>,
    /// A KubeSchedulerConfiguration for side B
    #[arg(long, value_name = "FILE", help_heading = "Side B")]
    pub b_scheduler_config: Option<PathBuf>,
    /// Latency profile of side B
    #[arg(long, value_name = "PROFILE", help_heading = "Side B")]
    pub b_latency: Option<Latency>,
}

/// What one side has of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct SideArgs {
    /// Parameters.
    pub settings: Vec<Setting>,
    /// Patches of objects.
    pub patches: Vec<Patch>,
    /// Policies.
    pub policies: Vec<PolicyChoice>,
    /// The scheduler's configuration.
    pub scheduler_config: Option<PathBuf>,
    /// Latency profile.
    pub latency: Option<Latency>,
}

impl CompareArgs {
    /// What side A has of its own.
    pub fn side_a(&self) -> SideArgs {
        let varied = self.vary.iter().map(|vary| Setting { name: vary.name.clone(), value: vary.values[0].clone() });
        SideArgs {
            settings: varied.chain(self.a_settings.iter().cloned()).collect(),
            patches: self.a_patches.clone(),
            policies: self.a_policies.clone(),
            scheduler_config: self.a_scheduler_config.clone(),
            latency: self.a_latency,
        }
    }

    /// What side B has of its own.
    pub fn side_b(&self) -> SideArgs {
        let varied = self.vary.iter().map(|vary| Setting { name: vary.name.clone(), value: vary.values[1].clone() });
        SideArgs {
            settings: varied.chain(self.b_settings.iter().cloned()).collect(),
            patches: self.b_patches.clone(),
            policies: self.b_policies.clone(),
            scheduler_config: self.b_scheduler_config.clone(),
            latency: self.b_latency,
        }
    }
}

/// The seeds of a comparison, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| format!("{text:?} is no seed; write 1..20, or 1,5,9"));
        let seeds = match text.split_once("..") {
            None => text.split(',').map(number).collect::<Result<Vec<u64>, String>>()?,
            Some((from, to)) => {
                let (from, to) = (number(from)?, number(to.trim_start_matches('='))?);
                if to < from {
                    return Err(format!("{text:?} has no seed in it: the first is larger than the last"));
                }
                if to - from >= SEEDS_MAX {
                    return Err(format!("{text:?} are too many seeds; the limit is {SEEDS_MAX}"));
                }
                (from..=to).collect()
            }
        };
        match seeds.iter().enumerate().find(|(nth, seed)| seeds[..*nth].contains(seed)) {
            Some((_, twice)) if !text.contains("..") => Err(format!("seed {twice} is there twice")),
            _ => Ok(Seeds(seeds)),
        }
    }
}

/// `replicas=3,6`: a parameter with its two values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vary {
    /// The parameter.
    pub name: String,
    /// Its values on A and on B.
    pub values: [String; 2],
}

impl FromStr for Vary {
    type Err = String;

    fn from_str(text: &str) -> Result<Vary, String> {
        let (name, values) =
            text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| format!("{text:?} is not NAME=A,B"))?;
        match values.split(',').collect::<Vec<_>>()[..] {
            [a, b] if a != b => Ok(Vary { name: name.to_string(), values: [a.to_string(), b.to_string()] }),
            [_, _] => Err(format!("{text:?} gives both sides the same value")),
            _ => Err(format!("{text:?} is not NAME=A,B: there must be two values; use --a-set and --b-set for values with commas")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_stretch_or_a_list() {
        for (text, want) in [("1..3", Ok(vec![1, 2, 3])), ("4..=4", Ok(vec![4])), ("9,2", Ok(vec![9, 2])), ("7", Ok(vec![7]))] {
            assert_eq!(text.parse::<Seeds>().map(|seeds| seeds.0), want, "{text}");
        }
        for text in ["", "a", "3..1", "1..", "1,1", "1..9999999"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
        assert_eq!("n=1,2".parse::<Vary>().unwrap().values, ["1", "2"]);
        for text in ["n", "n=1", "n=1,1", "n=1,2,3", "=1,2"] {
            assert!(text.parse::<Vary>().is_err(), "{text}");
        }
    }
}
