//! A wire to Redis that can be cut.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct Proxy {
    /// `redis://…`
    pub url: String,
    cut: watch::Sender<()>,
}

impl Proxy {
    /// Passes connections on to the Redis of the tests.
    pub async fn new(redis: &str) -> Self {
        let target = redis.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (cut, _) = watch::channel(());
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut cut) = (target.clone(), cuts.subscribe());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { url, cut }
    }

    /// Cuts every connection; new ones can be made at once.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }
}
