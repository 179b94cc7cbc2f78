//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use graphql_kit::Role;

use crate::{
    audit, dlq::DlqCommand, keys::KeysCommand, mails::MailsCommand, reconcile::ReconcileCommand, smoke,
};

/// Marquee: book cinema and event seats.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// The configuration file (TOML). Environment variables override it.
    #[arg(long, global = true, env = "MARQUEE_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one or more roles until SIGTERM or Ctrl-C.
    Serve {
        /// Which roles this process has.
        #[arg(long, value_delimiter = ',', default_value = "gateway,catalog,booking,user,worker")]
        roles: Vec<RoleName>,
    },
    /// Bring the database to the newest schema.
    Migrate,
    /// Fill the catalog, or top up its coming week. Safe to repeat.
    Seed {
        /// How much: `full` (twelve cities), `small` (for tests), or a number N for N times ten theaters,
        /// a hundred movies and seven hundred shows a week (for benchmarks).
        #[arg(long, default_value = "full")]
        scale: catalog::Scale,
    },
    /// Print a subgraph's schema (SDL).
    Schema {
        /// Whose.
        subgraph: Subgraph,
    },
    /// Print a manifest of the operations in files: what `gateway.documents.manifest` reads.
    Documents {
        /// Files of operations, such as schema/operations.graphql.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Book one ticket from outside, and say what was seen.
    Smoke(smoke::Args),
    /// Look after the queues.
    #[command(subcommand)]
    Queues(QueuesCommand),
    /// Look at messages that could not be handled, and replay them.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Look at messages to people that were given up, and try them again.
    #[command(subcommand)]
    Mails(MailsCommand),
    /// Look at what our records and the provider's disagree about, and repair it.
    #[command(subcommand)]
    Reconcile(ReconcileCommand),
    /// Print who changed what of a show or a booking, when and why.
    Audit(audit::Args),
    /// Make, list and revoke the keys of partners' programs.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Manage accounts.
    #[command(subcommand)]
    User(UserCommand),
}

/// What one process can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum RoleName {
    /// The federated GraphQL endpoint.
    Gateway,
    /// Titles, theaters, shows, search.
    Catalog,
    /// Seats, holds, bookings, payments.
    Booking,
    /// Accounts and sessions.
    User,
    /// Relays, consumers and periodic jobs.
    Worker,
}

/// What has a schema of its own.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Subgraph {
    /// Titles, theaters, shows, search.
    Catalog,
    /// Seats, holds, bookings, payments.
    Booking,
    /// Accounts and sessions.
    User,
}

/// Queues.
#[derive(Debug, Subcommand)]
pub enum QueuesCommand {
    /// Print each queue with the messages that wait in it, and its dead letters.
    List,
    /// Delete all queues of this installation with all their messages. Stop every role first.
    Delete,
}

/// Accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Give an account a role; its next access token has it.
    Grant {
        /// The account's address.
        email: String,
        /// The role: customer, staff, manager, admin or partner.
        role: Role,
    },
    /// Make a new key that signs access tokens, and print its seed and its public key. Nothing is
    /// changed: docs/signing-keys.md says how to bring it in.
    SigningKey,
}
