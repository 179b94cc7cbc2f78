//! A wire between the platform and a server, which can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes connections on to a server for as long as it is whole.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    scheme: String,
    whole: watch::Sender<bool>,
}

impl Wire {
    /// To the server with this URL, which has no user and no path.
    ///
    /// # Panics
    /// When there is no port to listen at.
    pub async fn to(url: &str) -> Self {
        let (scheme, target) = url.split_once("://").unwrap_or(("tcp", url));
        let (scheme, target) = (scheme.to_owned(), target.trim_end_matches('/').to_owned());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.unwrap_or_else(|error| panic!("no port for a wire: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let whole = watch::Sender::new(true);
        let state = whole.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut state) = (target.clone(), state.subscribe());
                tokio::spawn(async move {
                    if !*state.borrow_and_update() {
                        return;
                    }
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        tokio::select! {
                            _ = copy_bidirectional(&mut near, &mut far) => {}
                            _ = state.changed() => {}
                        }
                    }
                });
            }
        });
        Self { address, scheme, whole }
    }

    /// The server by way of this wire.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}
