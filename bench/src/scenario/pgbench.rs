//! The platform's statements, run by `pgbench` without the platform, on a database of their own with
//! the same tables.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use tokio::task::block_in_place;

use crate::{
    load::Done,
    stand::{RAW_DATABASE, Stand, execute},
};

const NUMBERS: &str = include_str!("../../sql/numbers.sql");
const CHECKOUT: &str = include_str!("../../sql/checkout.sql");
const WEBHOOK: &str = include_str!("../../sql/webhook.sql");
const CONFIRM: &str = include_str!("../../sql/confirm.sql");
const PENDING: &str = include_str!("../../sql/pending.sql");
const SHOWS: &str = include_str!("../../sql/shows.sql");

/// Connections of `pgbench`.
const CLIENTS: u64 = 16;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Checkout, webhook, confirm.
    Whole,
    /// Confirm alone, of bookings that are there.
    Confirm,
}

/// Runs scripts, each time for bookings that are new.
#[derive(Debug, Default)]
pub struct Pgbench {
    next: u64,
}

impl Pgbench {
    /// With this number as the first.
    pub const fn starting_at(next: u64) -> Self {
        Self { next }
    }

    /// Prepares what the next run needs; the number of its first booking.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn prepare(&mut self, stand: &Stand, script: Script, count: u64) -> Result<u64> {
        let (first, last) = (self.next, self.next + count + 2 * CLIENTS);
        // The next run has shows of its own.
        self.next = (last / 100 + 1) * 100;
        let fill = |sql: &str| sql.replace("FIRST", &first.to_string()).replace("LAST", &last.to_string());
        execute(&stand.raw_pg, &fill(SHOWS)).await?;
        if script == Script::Confirm {
            execute(&stand.raw_pg, &fill(PENDING)).await?;
        }
        Ok(first)
    }

    /// Runs `script` for `count` bookings from `first` on.
    ///
    /// # Errors
    /// When `pgbench` fails.
    pub fn run(&self, stand: &Stand, script: Script, first: u64, count: u64) -> Result<Done> {
        let file = stand.servers.dir().join("pgbench.sql");
        let parts = match script {
            Script::Whole => vec![NUMBERS, CHECKOUT, WEBHOOK, CONFIRM],
            Script::Confirm => vec![NUMBERS, CONFIRM],
        };
        fs::write(&file, parts.concat())?;
        let per_client = count / CLIENTS;
        let mut command = Command::new("pgbench");
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
            .args([format!("--client={CLIENTS}"), format!("--transactions={per_client}")])
            .args(["-D", "i=0", "-D", &format!("base={first}"), "-D", &format!("per_client={per_client}")])
            .arg("--file")
            .arg(&file)
            .arg(stand.servers.postgres_url(RAW_DATABASE));
        let output = block_in_place(|| xtask::process::capture(&mut command))?;
        let rate = rate(&output).with_context(|| format!("pgbench said: {output}"))?;
        let operations = per_client * CLIENTS;
        Ok(Done { operations, seconds: operations as f64 / rate })
    }
}

/// Transactions per second, without the time for connecting.
fn rate(output: &str) -> Option<f64> {
    let line = output.lines().find(|line| line.starts_with("tps = "))?;
    line.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found() {
        let output = "latency average = 1.2 ms\ntps = 9213.500000 (without initial connection time)\n";
        assert_eq!(rate(output), Some(9_213.5));
        assert_eq!(rate(""), None);
    }
}
