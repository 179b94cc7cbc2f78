//! The running sandbox.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpListener, sync::mpsc, sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api,
    behaviour::Behaviour,
    config::{PaysimConfig, WebhookTarget},
    edge::idempotency::Keys,
    ledger::Ledger,
    webhook::{self, Delivery},
};

/// The sandbox; see [`Paysim::start`].
pub struct Paysim;

impl Paysim {
    /// Starts a sandbox in this process, on the current Tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound, the journal cannot be read or written, or no HTTP client
    /// can be made.
    pub async fn start(config: PaysimConfig) -> io::Result<PaysimHandle> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let (outbox, events) = mpsc::unbounded_channel();
        let (mut ledger, replays) = Ledger::open(config.journal.as_deref(), outbox)?;
        let unsent = ledger.events_pending();
        for target in &config.webhooks {
            ledger.endpoint_put(target.clone());
        }
        let http = reqwest::Client::builder()
            .timeout(config.retry.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(io::Error::other)?;
        let base_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let stop = CancellationToken::new();
        let app = App(Arc::new(Inner {
            base_url,
            http,
            keys: Keys::default(),
            ledger: Mutex::new(ledger),
            behaviour: watch::Sender::new(Behaviour::default()),
            deliveries: Mutex::default(),
            generation: Mutex::new(stop.child_token()),
            stop,
            tasks: TaskTracker::new(),
            config,
        }));
        app.keys().restore(replays);
        app.tasks().spawn(webhook::run(app.clone(), events));
        for event in unsent {
            app.ledger().dispatch(event);
        }
        for refund in app.ledger().refunds_pending() {
            app.settle_later(refund);
        }

        let stopping = app.0.stop.clone().cancelled_owned();
        let server = tokio::spawn(
            axum::serve(listener, api::routes(app.clone())).with_graceful_shutdown(stopping).into_future(),
        );
        Ok(PaysimHandle { app, address, server })
    }
}

/// A running sandbox. Dropping the handle stops it.
pub struct PaysimHandle {
    app: App,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl PaysimHandle {
    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of the API, without the `/v1`.
    pub fn base_url(&self) -> &str {
        self.app.base_url()
    }

    /// A secret key that it takes.
    pub fn secret_key(&self) -> &str {
        self.app.config().secret_key.as_deref().unwrap_or("sk_test_any")
    }

    /// A publishable key that it takes.
    pub fn publishable_key(&self) -> &str {
        self.app.config().publishable_key.as_deref().unwrap_or("pk_test_any")
    }

    /// Adds a webhook endpoint, or replaces the one of the same address.
    pub fn add_webhook(&self, target: WebhookTarget) {
        self.app.ledger().endpoint_put(target);
    }

    /// How it behaves now.
    pub fn behaviour(&self) -> Behaviour {
        self.app.behaviour()
    }

    /// Makes it behave otherwise.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.app.set_behaviour(behaviour);
    }

    /// Waits until the server ends by itself, which it does only on failure.
    ///
    /// # Errors
    /// The failure of the listener.
    pub async fn serve(&mut self) -> io::Result<()> {
        (&mut self.server).await.map_err(io::Error::other)?
    }

    /// Stops: no new requests, no further webhooks; those under way are given up after a second.
    pub async fn stop(mut self) {
        self.app.0.stop.cancel();
        self.app.tasks().close();
        let ended = async {
            let _ = (&mut self.server).await;
            self.app.tasks().wait().await;
        };
        // Connections kept alive by a client would hold a graceful end up for ever.
        let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
    }
}

impl Drop for PaysimHandle {
    fn drop(&mut self) {
        self.app.0.stop.cancel();
        self.server.abort();
    }
}

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    config: PaysimConfig,
    base_url: String,
    http: reqwest::Client,
    keys: Keys,
    ledger: Mutex<Ledger>,
    behaviour: watch::Sender<Behaviour>,
    deliveries: Mutex<VecDeque<Delivery>>,
    /// Cancelled by a reset: whatever was under way belongs to a forgotten past.
    generation: Mutex<CancellationToken>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    pub(crate) fn config(&self) -> &PaysimConfig {
        &self.0.config
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.0.base_url
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.0.ledger)
    }

    pub(crate) fn deliveries(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        lock(&self.0.deliveries)
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Cancelled when the sandbox stops or is reset.
    pub(crate) fn generation(&self) -> CancellationToken {
        lock(&self.0.generation).clone()
    }

    /// Cancelled when the sandbox stops.
    pub(crate) fn stopped(&self) -> &CancellationToken {
        &self.0.stop
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.0.behaviour.borrow().clone()
    }

    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        self.0.behaviour.send_replace(behaviour);
    }

    /// Takes one from a counter among the switches; `false` when it was zero.
    pub(crate) fn take(&self, counter: impl Fn(&mut Behaviour) -> &mut u32) -> bool {
        let mut taken = false;
        self.0.behaviour.send_if_modified(|behaviour| {
            let counter = counter(behaviour);
            taken = *counter > 0;
            *counter = counter.saturating_sub(1);
            taken
        });
        taken
    }

    /// Waits as long as answers are to be withheld.
    pub(crate) async fn while_hanging(&self) {
        let mut behaviour = self.0.behaviour.subscribe();
        tokio::select! {
            _ = behaviour.wait_for(|behaviour| !behaviour.api.hang) => {}
            () = self.0.stop.cancelled() => {}
        }
    }

    /// Settles a pending refund after the time that the switches say.
    pub(crate) fn settle_later(&self, refund: String) {
        let app = self.clone();
        let generation = self.generation();
        let wait = Duration::from_millis(self.behaviour().refund.settle_ms);
        self.tasks().spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(wait) => app.ledger().refund_settle(&refund),
                () = generation.cancelled() => {}
            }
        });
    }

    /// Forgets everything except keys and webhook endpoints, and behaves well again.
    pub(crate) fn reset(&self) {
        let fresh = self.0.stop.child_token();
        std::mem::replace(&mut *lock(&self.0.generation), fresh).cancel();
        self.ledger().reset();
        self.keys().clear();
        self.deliveries().clear();
        self.set_behaviour(Behaviour::default());
    }
}
