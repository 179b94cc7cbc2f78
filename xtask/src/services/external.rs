//! Services that somebody else runs, given by URL.

use std::{
    env,
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};

use super::Say;

/// URLs of services that are not ours to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// PostgreSQL, with the database.
    pub postgres: Option<String>,
    /// Redis.
    pub redis: Option<String>,
    /// RabbitMQ, with the virtual host.
    pub rabbit: Option<String>,
}

/// The variables, with the port that a URL without one means.
const VARIABLES: [(&str, u16); 3] = [("DATABASE_URL", 5432), ("REDIS_URL", 6379), ("AMQP_URL", 5672)];

impl External {
    /// What `DATABASE_URL`, `REDIS_URL` and `AMQP_URL` say; empty ones say nothing.
    pub fn from_env() -> Self {
        let [postgres, redis, rabbit] =
            VARIABLES.map(|(name, _)| env::var(name).ok().filter(|url| !url.trim().is_empty()));
        Self { postgres, redis, rabbit }
    }

    /// Asserts that everything external can be reached.
    pub(super) fn check(&self, say: Say<'_>) -> Result<()> {
        for ((name, default_port), url) in
            VARIABLES.into_iter().zip([&self.postgres, &self.redis, &self.rabbit])
        {
            let Some(url) = url else { continue };
            let (host, port) = address(url, default_port)
                .ok_or_else(|| anyhow!("{name} is not a URL such as scheme://user@host:port/path"))?;
            reach(&host, port).with_context(|| {
                format!("{name} points to {host}:{port}, where nothing answers; start it, or unset {name} to get a private instance")
            })?;
            say(&format!("{name}: using {host}:{port}"));
        }
        Ok(())
    }
}

fn reach(host: &str, port: u16) -> Result<()> {
    let addresses = (host, port).to_socket_addrs()?;
    let mut last = anyhow!("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_secs(3)) {
            Ok(_) => return Ok(()),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Host and port of a URL.
fn address(url: &str, default_port: u16) -> Option<(String, u16)> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let place = authority.rsplit('@').next()?;
    let (host, port) = match place.strip_prefix('[') {
        Some(ipv6) => {
            let (host, port) = ipv6.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default_port), str::parse).ok()?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_url() {
        let check = |url: &str, expected: Option<(&str, u16)>| {
            assert_eq!(address(url, 5432), expected.map(|(host, port)| (host.to_owned(), port)), "{url}");
        };
        check("postgres://db/marquee", Some(("db", 5432)));
        check("postgres://me:p@ss@db:6000/marquee?sslmode=disable", Some(("db", 6000)));
        check("redis://[::1]:7000", Some(("::1", 7000)));
        check("amqp://guest:guest@127.0.0.1:5672/%2f", Some(("127.0.0.1", 5672)));
        check("localhost:5432", None);
        check("postgres:///marquee", None);
    }
}
