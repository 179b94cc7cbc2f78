//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{mutants, nemesis::Kind};

/// Breaks the platform on purpose, and decides whether it kept its promises.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask faults", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Something else than rounds.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Which rounds.
    #[command(flatten)]
    pub options: Options,
}

/// Something else than rounds.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Clear up after a run that was killed.
    #[command(hide = true)]
    Guard {
        /// Where the run kept its record of processes.
        dir: PathBuf,
    },
}

/// Which rounds, and what to do with them.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The seed of the first round; each next one has the next number. [default: random]
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many rounds. [default: 10, or as many as fit into --minutes]
    #[arg(long)]
    pub rounds: Option<u64>,
    /// Begin no round after so many minutes.
    #[arg(long)]
    pub minutes: Option<u64>,
    /// Only these kinds of faults.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Kind>,
    /// Give the platform this deliberate bug, until a round catches it; none doing so is the failure.
    /// `all`: one after the other, each with the seed and the faults that are known to catch it.
    #[arg(long, value_parser = mutants::names())]
    pub mutant: Option<String>,
    /// How long faults are made in a round.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub round_seconds: u64,
    /// Go on after a violation, and keep the files of every round.
    #[arg(long)]
    pub keep: bool,
    /// Where the report and the files of rounds go. [default: target/faults]
    #[arg(long)]
    pub report: Option<PathBuf>,
}

impl Options {
    /// Whether a round is due after `played` ones in `minutes`.
    pub const fn is_due(&self, played: u64, minutes: u64) -> bool {
        let in_time = match self.minutes {
            Some(limit) => minutes < limit,
            None => true,
        };
        let limit = match (self.rounds, self.minutes) {
            (Some(rounds), _) => rounds,
            (None, Some(_)) => u64::MAX,
            (None, None) => 10,
        };
        in_time && played < limit
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
        let options = options("faults --seed 7 --only kill,redis_lost_writes --round-seconds 4");
        assert_eq!(options.seed, Some(7));
        assert_eq!(options.only, [Kind::Kill, Kind::RedisLostWrites]);
    }

    #[test]
    fn mutants_are_known_by_name() {
        let line = |mutant| ["faults", "--mutant", mutant];
        assert_eq!(Cli::parse_from(line("all")).options.mutant.as_deref(), Some("all"));
        assert!(Cli::try_parse_from(line("no_inbox")).is_ok());
        assert!(Cli::try_parse_from(line("no_such")).is_err());
    }

    #[test]
    fn rounds_and_minutes_both_limit() {
        assert!(options("faults").is_due(9, 600) && !options("faults").is_due(10, 0));
        let minutes = options("faults --minutes 3");
        assert!(minutes.is_due(1_000, 2) && !minutes.is_due(0, 3));
        let both = options("faults --minutes 3 --rounds 2");
        assert!(both.is_due(1, 2) && !both.is_due(2, 0) && !both.is_due(0, 3));
    }
}
