//! `marquee keys`: the keys of partners' programs.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Subcommand;
use graphql_kit::Scope;
use kernel::ApiKeyId;
use platform::{Shutdown, config};
use secrecy::ExposeSecret as _;
use user::{
    app::Operator,
    domain::{ApiKey, AskedTerms, KeyStatus, api_key},
};

use crate::{commands::say, config::Config, serve};

/// API keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key, and print it: the last line of the output is the key, which is never shown again.
    Create(Create),
    /// Print keys, the newest first.
    List {
        /// Only those of the account with this address.
        #[arg(long)]
        account: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u64,
    },
    /// Take a key back: it gives no tokens any more, and those that it gave end within minutes.
    Revoke {
        /// The key's id (`key_…`), or the key's beginning or all of it (`mk_…`).
        #[arg(value_parser = key_id)]
        key: ApiKeyId,
    },
}

/// A key to make.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// The address of the partner's account, which needs the role partner.
    #[arg(long)]
    account: String,
    /// What to call the key.
    #[arg(long)]
    name: String,
    /// What it may do, separated by commas: catalog:read, seats:watch, holds:write, bookings:write.
    #[arg(long, value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// How many operations in a minute.
    #[arg(long, default_value_t = 600)]
    rate: u32,
    /// How many operations in a day (UTC).
    #[arg(long, default_value_t = 100_000)]
    quota: u32,
    /// How many seats of one show, held and booked together.
    #[arg(long, default_value_t = 20)]
    seats_per_show: u32,
    /// When it ends: a moment (RFC 3339), the start of a day (`2027-06-30`, UTC), or days from now
    /// (`90d`). As late as possible if not given.
    #[arg(long, value_parser = Expiry::parse)]
    expires: Option<Expiry>,
}

/// When a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    At(DateTime<Utc>),
    After(TimeDelta),
}

impl Expiry {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok()) {
            return Ok(Self::After(TimeDelta::days(days.into())));
        }
        let day = text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
        day.or_else(|_| text.parse()).map(Self::At).map_err(|_| {
            "give a moment (2027-06-30T12:00:00Z), a day (2027-06-30) or days from now (90d)".into()
        })
    }

    fn moment(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(moment) => moment,
            Self::After(time) => now + time,
        }
    }
}

fn key_id(text: &str) -> Result<ApiKeyId, String> {
    // What follows the id in a key is its secret; it is not needed here, but people paste it.
    let id = match text.strip_prefix("mk_") {
        Some(rest) => format!("key_{}", rest.get(..26).unwrap_or(rest)),
        None => text.to_owned(),
    };
    id.parse().map_err(|error: kernel::ParseIdError| error.to_string())
}

/// Does what the command says.
///
/// # Errors
/// The database does not answer, or what was asked for cannot be done.
pub async fn run(file: Option<&Path>, command: KeysCommand) -> Result<()> {
    let config: Config = config::load(file)?;
    let deps = serve::connect(&config, &Shutdown::new()).await?;
    platform::pg::ping(&deps.pg)
        .await
        .context("PostgreSQL does not answer; is pg.url (DATABASE_URL) right?")?;
    let operator = Operator::new(&config.user, &deps)?;
    let now = deps.clock.now();
    match command {
        KeysCommand::Create(create) => make(&operator, create, now).await,
        KeysCommand::List { account, limit } => list(&operator, account.as_deref(), limit, now).await,
        KeysCommand::Revoke { key } => {
            let revoked = operator.revoke_api_key(key).await?;
            let at = revoked.revoked_at.ok_or_else(|| anyhow!("{key} was not revoked"))?;
            say(&format!("{key} ({}) is revoked since {at}", revoked.terms.name.as_str()));
            Ok(())
        }
    }
}

async fn make(operator: &Operator, create: Create, now: DateTime<Utc>) -> Result<()> {
    let scopes: BTreeSet<Scope> = create.scopes.into_iter().collect();
    let terms = AskedTerms {
        name: create.name,
        scopes,
        rate_per_minute: create.rate.into(),
        daily_quota: create.quota.into(),
        seats_per_show: create.seats_per_show.into(),
        expires_at: create.expires.map(|expiry| expiry.moment(now)),
    };
    let created = operator.create_api_key(&create.account, terms).await?;
    say(&format!("{}: keep the key now, it is never shown again", line(&created.key, &create.account, now)));
    say(created.text.expose_secret());
    Ok(())
}

async fn list(operator: &Operator, account: Option<&str>, limit: u64, now: DateTime<Utc>) -> Result<()> {
    let keys = operator.list_api_keys(account, limit).await?;
    if keys.is_empty() {
        say("there are no keys");
    }
    for (key, owner) in &keys {
        say(&line(key, owner.email.as_str(), now));
    }
    Ok(())
}

/// `key_… active "name" of address: scopes, limits, until when, last used`
fn line(key: &ApiKey, owner: &str, now: DateTime<Utc>) -> String {
    let status = match key.status(now) {
        KeyStatus::Active => "active",
        KeyStatus::Expired => "expired",
        KeyStatus::Revoked => "revoked",
    };
    let limits = key.terms.limits;
    let used =
        key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", at.date_naive()));
    format!(
        "{} {status} ({}) \"{}\" of {owner}: {}; {}/min, {}/day, {} seats/show; until {}, {used}",
        key.id,
        api_key::shown(key.id),
        key.terms.name.as_str(),
        Scope::join(&key.terms.scopes),
        limits.rate_per_minute,
        limits.daily_quota,
        limits.seats_per_show,
        key.terms.expires_at.format("%FT%TZ"),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Result<KeysCommand, String> {
        let cli = Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
        match cli.command {
            Command::Keys(command) => Ok(command),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_key_is_asked_for_in_words() {
        let line = "marquee keys create --account ada@example.com --name Kiosk --scopes catalog:read,holds:write \
                    --rate 60 --quota 1000 --seats-per-show 8 --expires 90d";
        let Ok(KeysCommand::Create(create)) = parsed(line) else { panic!("no command") };
        assert_eq!(create.scopes, [Scope::CatalogRead, Scope::HoldsWrite]);
        assert_eq!((create.rate, create.quota, create.seats_per_show), (60, 1_000, 8));
        assert_eq!(create.expires, Some(Expiry::After(TimeDelta::days(90))));
        let unknown = line.replace("holds:write", "role:admin");
        assert!(parsed(&unknown).unwrap_err().contains("not a scope: use catalog:read"));
        assert!(parsed("marquee keys create --account a@example.com --name Kiosk").is_err());
    }

    #[test]
    fn the_end_of_a_key_is_a_moment_a_day_or_days_from_now() {
        let now: DateTime<Utc> = "2026-11-21T05:00:00Z".parse().unwrap();
        for (text, expect) in [
            ("2027-06-30", "2027-06-30T00:00:00Z"),
            ("2027-06-30T12:00:00+02:00", "2027-06-30T10:00:00Z"),
            ("1d", "2026-11-22T05:00:00Z"),
        ] {
            let expect: DateTime<Utc> = expect.parse().unwrap();
            assert_eq!(Expiry::parse(text).unwrap().moment(now), expect, "{text}");
        }
        for text in ["", "d", "-1d", "soon", "2027-13-01"] {
            assert!(Expiry::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_revoked_by_its_id_or_by_itself() {
        let id: ApiKeyId = "key_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let whole = format!("mk_01h455vb4pex5vsknk084sn02q_{}", "A".repeat(43));
        for text in ["key_01h455vb4pex5vsknk084sn02q", "mk_01h455vb4pex5vsknk084sn02q", &whole] {
            assert_eq!(key_id(text).unwrap(), id, "{text}");
        }
        for text in ["", "mk_", "mk_é", "user_01h455vb4pex5vsknk084sn02q"] {
            assert!(key_id(text).is_err(), "{text}");
        }
    }
}
