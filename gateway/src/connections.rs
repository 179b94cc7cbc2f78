//! Connections of clients, which are counted before anything is read from them: an address that opens more
//! than it may, and says nothing, would else leave no open files for others. One connection too many is
//! closed without a word. A connection that becomes a socket is counted there ([`crate::socket`]).

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use ntex::{
    SharedCfg,
    io::{Io, types::PeerAddr},
    service::{Service, ServiceCtx, ServiceFactory},
};

use crate::{
    Config, Network,
    places::{Full, Limits, Place, Places},
};

/// How many there are, and of whom.
#[derive(Debug)]
pub(crate) struct Connections {
    places: Arc<Places>,
    proxies: Vec<Network>,
}

impl Connections {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let limits = Limits {
            all: config.caps.connections,
            per_address: config.caps.connections_per_address,
            // Nobody has said yet who they are.
            per_user: usize::MAX,
        };
        let places = Places::new(limits, "gateway_connections", "gateway_connections_limit");
        Arc::new(Self { places, proxies: config.trusted_proxies.clone() })
    }

    fn take(&self, peer: Option<SocketAddr>) -> Result<Place, Full> {
        let own = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = peer.map_or(own, |peer| peer.ip().to_canonical());
        // A proxy speaks for many, as does whatever is on this machine.
        let proxied = self.proxies.iter().any(|proxy| proxy.contains(address));
        self.places.take(if proxied { own } else { address })
    }
}

/// A service whose connections are counted.
pub(crate) struct Counted<S> {
    inner: S,
    connections: Arc<Connections>,
}

impl<S> Counted<S> {
    pub(crate) const fn new(inner: S, connections: Arc<Connections>) -> Self {
        Self { inner, connections }
    }
}

impl<F, S> ServiceFactory<Io<F>, SharedCfg> for Counted<S>
where
    S: ServiceFactory<Io<F>, SharedCfg, Response = ()>,
{
    type Response = ();
    type Error = S::Error;
    type Service = Counted<S::Service>;
    type InitError = S::InitError;

    async fn create(&self, config: SharedCfg) -> Result<Self::Service, Self::InitError> {
        let inner = self.inner.create(config).await?;
        Ok(Counted { inner, connections: Arc::clone(&self.connections) })
    }
}

impl<F, S> Service<Io<F>> for Counted<S>
where
    S: Service<Io<F>, Response = ()>,
{
    type Response = ();
    type Error = S::Error;

    ntex::forward_ready!(inner);
    ntex::forward_poll!(inner);
    ntex::forward_shutdown!(inner);

    async fn call(&self, io: Io<F>, ctx: ServiceCtx<'_, Self>) -> Result<(), S::Error> {
        let peer = io.query::<PeerAddr>().get().map(|PeerAddr(peer)| peer);
        match self.connections.take(peer) {
            Ok(_place) => ctx.call(&self.inner, io).await,
            Err(full) => {
                metrics::counter!("gateway_connections_refused_total", "reason" => full.as_str())
                    .increment(1);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_only_so_many_unless_it_speaks_for_others() {
        let mut config = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
        config.caps.connections = 6;
        config.caps.connections_per_address = 1;
        let connections = Connections::new(&config);
        let take = |peer: &str| connections.take(Some(peer.parse().unwrap()));
        let _first = take("192.0.2.1:7").unwrap();
        assert_eq!(take("[::ffff:192.0.2.1]:8").unwrap_err(), Full::Address);
        let _others = [take("192.0.2.2:7"), take("10.0.0.1:7"), take("10.0.0.1:8"), take("127.0.0.1:7")];
        let _last = take("127.0.0.1:8").unwrap();
        assert_eq!(take("127.0.0.1:9").unwrap_err(), Full::All);
    }
}
