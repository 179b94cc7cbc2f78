//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{raw::RawOptions, scenario::Kind};

/// Compares the platform with the raw limits of the machine that it runs on.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Something else than a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to run.
    #[command(flatten)]
    pub options: Options,
}

/// Something else than a run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Clear up after a run that was killed.
    #[command(hide = true)]
    Guard {
        /// Where the run kept its record of processes.
        dir: PathBuf,
    },
    /// Serve the raw baselines.
    #[command(hide = true)]
    Raw(RawOptions),
}

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Kind>,
    /// Small numbers, under three minutes in all: shows that everything works, not how fast it is.
    #[arg(long)]
    pub quick: bool,
    /// A process for each role of the platform. Else, what answers clients is one process.
    #[arg(long)]
    pub apart: bool,
    /// How often each side of a scenario is measured. [default: 5, or 2 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub pairs: Option<u16>,
    /// Add to the report that is there, instead of writing a new one: what is played again replaces what was known
    /// of it. So a run can be made in parts, and a scenario that failed be played again.
    #[arg(long)]
    pub add: bool,
    /// Where the report goes. [default: bench, or target/bench with --quick, or with --only without --add]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

impl Options {
    /// How often each side is measured.
    pub fn pairs(&self) -> usize {
        self.pairs.map_or(if self.quick { 2 } else { 5 }, usize::from)
    }

    /// Where the report goes unless something else is said, below the root of the workspace.
    pub const fn default_out(&self) -> &'static str {
        let is_part = !self.only.is_empty() && !self.add;
        if self.quick || is_part { "target/bench" } else { "bench" }
    }

    /// The scenarios, in the order in which they run.
    pub fn scenarios(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.only.is_empty() || self.only.contains(kind)).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn options(line: &str) -> Options {
        Cli::parse_from(line.split_whitespace()).options
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let options = options("bench --only hold,seat-map --pairs 7");
        assert_eq!(options.scenarios(), [Kind::Hold, Kind::SeatMap]);
        assert_eq!(options.pairs(), 7);
    }

    #[test]
    fn a_full_run_has_five_pairs_of_everything() {
        assert_eq!(options("bench").pairs(), 5);
        assert_eq!(options("bench --quick").pairs(), 2);
        assert_eq!(options("bench --quick").scenarios(), Kind::ALL);
    }
    #[test]
    fn only_whole_runs_and_their_parts_go_where_the_readme_is() {
        let cases = [
            ("bench", "bench"),
            ("bench --only hold", "target/bench"),
            ("bench --only hold --add", "bench"),
            ("bench --quick --add", "target/bench"),
        ];
        for (line, dir) in cases {
            assert_eq!(options(line).default_out(), dir, "{line}");
        }
    }
}
