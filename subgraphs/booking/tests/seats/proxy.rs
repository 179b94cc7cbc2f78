//! A wire to Redis that can fail.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// The number of cuts so far.
    Up(u32),
    /// Connections break, and new ones too.
    Refuses,
    /// Nothing gets through, and nobody is told.
    Hangs,
}

pub struct Proxy {
    /// `redis://…`
    pub url: String,
    wire: watch::Sender<Wire>,
}

impl Proxy {
    /// Passes connections on to the Redis of the tests.
    pub async fn new(redis: &str) -> Self {
        let target = redis.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let wire = watch::Sender::new(Wire::Up(0));
        let state = wire.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass_on(near, target.clone(), state.subscribe()));
            }
        });
        Self { url, wire }
    }

    /// Cuts every connection; new ones can be made at once.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| {
            *wire = match *wire {
                Wire::Up(cuts) => Wire::Up(cuts + 1),
                other => other,
            }
        });
    }

    pub fn refuse(&self) {
        self.wire.send_replace(Wire::Refuses);
    }

    pub fn hang(&self) {
        self.wire.send_replace(Wire::Hangs);
    }

    pub fn heal(&self) {
        self.wire.send_replace(Wire::Up(0));
    }
}

/// One connection, which does not survive a fault.
async fn pass_on(mut near: TcpStream, target: String, mut wire: watch::Receiver<Wire>) {
    let born = *wire.borrow_and_update();
    match born {
        Wire::Refuses => return,
        Wire::Hangs => {}
        Wire::Up(_) => {
            let mut far = TcpStream::connect(target).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => return,
                _ = wire.changed() => {}
            }
        }
    }
    // Hangs until the wire is healed; whatever was under way is lost then.
    while *wire.borrow_and_update() == Wire::Hangs && wire.changed().await.is_ok() {}
}
