//! One function for each command.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use graphql_kit::Role;
use migrations::Migrator;
use platform::{Rabbit, Redis, Shutdown, config};
use sea_orm_migration::MigratorTrait;
use secrecy::ExposeSecret as _;
use user::app::KeyRing;

use crate::{
    audit,
    cli::{Cli, Command, QueuesCommand, Subgraph, UserCommand},
    config::Config,
    dlq, keys, mails, reconcile, serve, smoke,
};

/// How long a command waits for a server.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one waits for a server that it can do without.
const GLANCE: Duration = Duration::from_secs(1);
/// How often it is tried.
const RETRY: Duration = Duration::from_millis(20);

/// Does what the command line says.
///
/// # Errors
/// What went wrong, in words for the person at the terminal.
pub async fn run(cli: Cli) -> Result<()> {
    let file = cli.config.as_deref();
    match cli.command {
        Command::Serve { roles } => serve::run(config::load(file)?, &roles).await,
        Command::Migrate => migrate(file).await,
        Command::Seed { scale } => seed(file, scale).await,
        Command::Schema { subgraph } => {
            print_schema(subgraph);
            Ok(())
        }
        Command::Documents { files } => print_documents(&files),
        Command::Smoke(args) => smoke::run(&args).await,
        Command::Queues(command) => with_broker(file, async |rabbit| queues(rabbit, &command).await).await,
        Command::Dlq(command) => with_broker(file, async |rabbit| dlq::run(rabbit, command).await).await,
        Command::Mails(command) => mails::run(file, &command).await,
        Command::Reconcile(command) => reconcile::run(file, command).await,
        Command::Audit(args) => audit::run(file, &args).await,
        Command::Keys(command) => keys::run(file, command).await,
        Command::User(UserCommand::Grant { email, role }) => grant(file, &email, role).await,
        Command::User(UserCommand::SigningKey) => {
            signing_key();
            Ok(())
        }
    }
}

/// Prints a line of the result.
#[expect(clippy::print_stdout, reason = "the result of a command goes to stdout")]
pub fn say(line: &str) {
    println!("{line}");
}

/// The database alone: commands must not need the other servers.
///
/// # Errors
/// It is not configured, or does not answer.
pub async fn database(file: Option<&Path>) -> Result<sea_orm::DatabaseConnection> {
    let config: Config = config::load(file)?;
    let pg = platform::pg::connect(&config.pg).await?;
    platform::pg::ping(&pg).await.context("PostgreSQL does not answer; is pg.url (DATABASE_URL) right?")?;
    Ok(pg)
}

async fn migrate(file: Option<&Path>) -> Result<()> {
    let pg = database(file).await?;
    let pending = Migrator::get_pending_migrations(&pg).await?.len();
    migrations::apply(&pg).await?;
    say(&match pending {
        0 => "the database is up to date".to_owned(),
        count => format!("{count} migrations applied"),
    });
    Ok(())
}

async fn seed(file: Option<&Path>, scale: catalog::Scale) -> Result<()> {
    let pg = database(file).await?;
    let options = catalog::SeedOptions { scale, ..catalog::SeedOptions::default() };
    let report = catalog::seed(&pg, &kernel::SystemClock, &kernel::SystemIds, &options, say).await?;
    say(&report.to_string());
    tell_catalogs(&config::load(file)?).await
}

/// Catalogs that are running have to read anew. Nothing is wrong when Redis is not there: then they
/// do so when what they keep is too old.
async fn tell_catalogs(config: &Config) -> Result<()> {
    let shutdown = Shutdown::new();
    let redis = Redis::connect(&config.redis, &shutdown)?;
    let reaching = async {
        while redis.ping().await.is_err() {
            tokio::time::sleep(RETRY).await;
        }
    };
    match tokio::time::timeout(GLANCE, reaching).await {
        Ok(()) => catalog::tell_all(&redis).await,
        Err(_) => say("Redis does not answer: catalogs that are running see this within half a minute"),
    }
    shutdown.finish(Duration::ZERO).await;
    Ok(())
}

fn print_documents(files: &[PathBuf]) -> Result<()> {
    say(gateway::manifest(files)?.trim_end());
    Ok(())
}

fn print_schema(subgraph: Subgraph) {
    let sdl = match subgraph {
        Subgraph::Catalog => graphql_kit::shell::sdl(&catalog::schema()),
        Subgraph::Booking => graphql_kit::shell::sdl(&booking::schema()),
        Subgraph::User => graphql_kit::shell::sdl(&user::schema()),
    };
    say(sdl.trim_end());
}

/// Does something with the broker, as soon as it is there.
async fn with_broker(file: Option<&Path>, work: impl AsyncFnOnce(&Rabbit) -> Result<()>) -> Result<()> {
    let config: Config = config::load(file)?;
    let shutdown = Shutdown::new();
    let rabbit = Rabbit::connect(&config.rabbit, &shutdown)?;
    let connected = tokio::time::timeout(PATIENCE, rabbit.connected()).await;
    connected.context("RabbitMQ does not answer; is rabbit.url (AMQP_URL) right?")?;
    let outcome = work(&rabbit).await;
    shutdown.finish(Duration::ZERO).await;
    outcome
}

async fn queues(rabbit: &Rabbit, command: &QueuesCommand) -> Result<()> {
    let queues = serve::queues();
    match command {
        QueuesCommand::List => {
            for queue in &queues {
                let waiting = dlq::depth(rabbit, queue.name).await?;
                let dead = dlq::depth(rabbit, &format!("{}.dead", queue.name)).await?;
                say(&format!("{:<24} {waiting:>8} waiting {dead:>8} dead letters", queue.name));
            }
        }
        QueuesCommand::Delete => {
            rabbit.delete(&queues).await?;
            say(&format!("{} queues deleted", queues.len()));
        }
    }
    Ok(())
}

fn signing_key() {
    let (seed, public) = KeyRing::generate(&kernel::SystemIds);
    say(&format!("seed (a secret, user.signing_key)        {}", seed.expose_secret()));
    say(&format!("public key (user.previous_keys)          {public}"));
}

async fn grant(file: Option<&Path>, email: &str, role: Role) -> Result<()> {
    let config: Config = config::load(file)?;
    let deps = serve::connect(&config, &Shutdown::new()).await?;
    let added = user::app::Operator::new(&config.user, &deps)?.grant_role(email, role).await?;
    say(&match added {
        true => {
            format!("{email} now has the role {}; it counts from the next log-in or refresh", role.as_str())
        }
        false => format!("{email} has the role {} already", role.as_str()),
    });
    Ok(())
}
