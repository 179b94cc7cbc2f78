//! One watched show: takes in what is published, makes few deltas of many, and checks from time
//! to time that nothing was lost on the way. While Redis is away it looks at what PostgreSQL knows,
//! and tells by the epoch when that has changed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kernel::ShowId;
use platform::faults::mutant;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use super::{SeatsError, watch::HubInner};
use crate::domain::delta::{Break, Conflator, Delta, Position};
use crate::store::seats::Replace;

/// Published messages that may wait for the topic; one that finds no room is lost, and that shows
/// in the versions.
const INBOX: usize = 4_096;
/// Deltas that a watcher may lag behind: with the usual window, some six seconds.
const BACKLOG: usize = 256;
/// How often it is looked whether anybody watches. A topic that nobody watches twice in a row
/// ends: who reads a page anew comes back before that.
const LINGER: Duration = Duration::from_secs(2);
/// Messages arrive this long after what Redis says now, at the latest.
const LATENESS: Duration = Duration::from_secs(1);

/// How often PostgreSQL is asked for the seats while Redis is away.
const POLL: Duration = Duration::from_secs(2);
/// How often the way back to Redis is tried, once it serves again.
const RETURN: Duration = Duration::from_millis(250);

/// What a topic is told.
pub(super) enum Input {
    /// A message of its channel.
    Published(Bytes),
    /// Messages may have been lost.
    Resync,
}

type Start = Option<Result<Position, SeatsError>>;

/// A watched show.
pub(super) struct Topic {
    inbox: mpsc::Sender<Input>,
    /// Weak, so that the end of the task is the end of the streams.
    deltas: broadcast::WeakSender<Arc<Delta>>,
    position: watch::Receiver<Start>,
}

/// One who watches it.
pub(super) struct Watcher {
    pub(super) deltas: broadcast::Receiver<Arc<Delta>>,
    position: watch::Receiver<Start>,
}

impl Watcher {
    /// Waits until nothing can be missed. Tells where the seat map stands.
    pub(super) async fn ready(&mut self) -> Result<Position, SeatsError> {
        match self.position.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(start)) => start.clone(),
            // The process ends.
            Ok(None) | Err(_) => Err(SeatsError::Stopping),
        }
    }
}

impl Topic {
    /// A topic, and the task that runs it.
    pub(super) fn new(show: ShowId, hub: Arc<HubInner>) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (inbox, inputs) = mpsc::channel(INBOX);
        let deltas = broadcast::Sender::new(BACKLOG);
        let (position, position_rx) = watch::channel(None);
        let topic = Self { inbox, deltas: deltas.downgrade(), position: position_rx };
        (topic, run(show, hub, inputs, deltas, position))
    }

    pub(super) fn watcher(&self) -> Watcher {
        let deltas = match self.deltas.upgrade() {
            Some(deltas) => deltas.subscribe(),
            // The task is ending: so does the stream, and the client comes back.
            None => broadcast::Sender::new(1).subscribe(),
        };
        Watcher { deltas, position: self.position.clone() }
    }

    pub(super) fn tell(&self, input: Input) {
        if self.inbox.try_send(input).is_err() {
            metrics::counter!("booking_seat_messages_dropped_total").increment(1);
        }
    }
}

async fn run(
    show: ShowId,
    hub: Arc<HubInner>,
    inputs: mpsc::Receiver<Input>,
    deltas: broadcast::Sender<Arc<Delta>>,
    position: watch::Sender<Start>,
) {
    // Before it is asked, so that no change of it is missed.
    let away = hub.store.away();
    match begin(&hub, show).await {
        Ok((start, is_stored)) => {
            position.send_replace(Some(Ok(start.clone())));
            let task = Task {
                show,
                hub: Arc::clone(&hub),
                inputs,
                deltas,
                position,
                conflator: Conflator::new(start),
                flush_at: None,
                quiet_until: Instant::now(),
                check: None,
                away,
                look_at: is_stored.then(|| Instant::now() + RETURN),
            };
            task.run().await;
        }
        Err(error) => {
            // First forget, so that whoever comes next tries again.
            hub.forget_if(show, || true);
            position.send_replace(Some(Err(error)));
        }
    }
    hub.unsubscribe(show).await;
}

/// Where the seat map stands when it begins to be watched, and whether PostgreSQL had to say so.
async fn begin(hub: &HubInner, show: ShowId) -> Result<(Position, bool), SeatsError> {
    if !hub.store.is_away() {
        match join(hub, show).await {
            Err(error) if error.is_redis_away() => {}
            answer => return answer.map(|position| (position, false)),
        }
    }
    Ok((hub.stored.snapshot(show).await?.position, true))
}

/// Begins to listen. Nothing is missed after the position that this returns.
async fn join(hub: &HubInner, show: ShowId) -> Result<Position, SeatsError> {
    hub.subscribe(show).await?;
    present(hub, show).await
}

/// Where the seat map stands in Redis now. Loads the show when Redis does not know it, and when it was loaded
/// into another run of Redis: what was acknowledged may be lost since then, and the versions may be those that
/// viewers know and count something else.
async fn present(hub: &HubInner, show: ShowId) -> Result<Position, SeatsError> {
    let replace = match hub.store.expire(show).await? {
        None => Replace::Never,
        Some(standing) => match hub.store.other_server(show, &standing).await {
            None => return Ok(standing.position),
            Some(server) => {
                count_gone_back(show, standing.position.version);
                Replace::OtherServer(server)
            }
        },
    };
    hub.loader.load(show, replace).await?;
    let standing = hub.store.expire(show).await?;
    standing.map(|standing| standing.position).ok_or_else(|| SeatsError::LoadTimeout(show))
}

fn count_gone_back(show: ShowId, version: u64) {
    metrics::counter!("booking_seat_maps_gone_back_total").increment(1);
    tracing::warn!(%show, version, "Redis may have lost changes of a seat map");
}

struct Task {
    show: ShowId,
    hub: Arc<HubInner>,
    inputs: mpsc::Receiver<Input>,
    deltas: broadcast::Sender<Arc<Delta>>,
    position: watch::Sender<Start>,
    conflator: Conflator,
    /// When what came in goes out; `None` when nothing came in.
    flush_at: Option<Instant>,
    /// Before this nothing goes out.
    quiet_until: Instant,
    /// By then everything up to this position must have come in.
    check: Option<(Instant, Position)>,
    /// Is Redis away?
    away: watch::Receiver<bool>,
    /// When to look again, while PostgreSQL is what the viewers see.
    look_at: Option<Instant>,
}

impl Task {
    async fn run(mut self) {
        let mut heartbeat = ticks(self.hub.heartbeat);
        let mut linger = ticks(LINGER);
        let mut was_idle = false;
        let stop = self.hub.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    self.hub.forget_if(self.show, || true);
                    return;
                }
                _ = self.away.changed() => self.look().await,
                () = at(self.look_at) => self.look().await,
                input = self.inputs.recv() => match input {
                    // What is heard now lies before the way back.
                    Some(_) if self.look_at.is_some() => {}
                    Some(Input::Published(payload)) => self.take_in(&payload).await,
                    Some(Input::Resync) => {
                        self.check = None;
                        self.look_for_losses().await;
                    }
                    None => return,
                },
                () = at(self.flush_at) => self.flush(),
                () = at(self.check.as_ref().map(|(at, _)| *at)) => self.check_losses().await,
                _ = heartbeat.tick(), if self.look_at.is_none() => {
                    // Silence tells viewers that nobody can vouch for what they see.
                    if self.look_for_losses().await {
                        self.flush();
                        self.give_out(Delta::heartbeat(self.conflator.sent().clone()));
                    }
                }
                _ = linger.tick() => {
                    let idle = self.deltas.receiver_count() == 0;
                    if idle && was_idle && self.hub.forget_if(self.show, || self.deltas.receiver_count() == 0) {
                        return;
                    }
                    was_idle = idle;
                }
            }
        }
    }

    /// Redis went away or came back, or it is time for another look at what PostgreSQL knows.
    ///
    /// A viewer is told each time where the map stands, changed or not: what they see may come from
    /// another process, for which Redis is not away.
    async fn look(&mut self) {
        if self.hub.store.is_away() {
            self.flush();
            match self.hub.stored.snapshot(self.show).await {
                Ok(stored) => self.go_on_from(stored.position, "outage"),
                Err(error) => tracing::debug!(show = %self.show, %error, "cannot vouch for a seat map"),
            }
            self.look_at = Some(Instant::now() + POLL);
        } else if self.look_at.is_some() {
            match join(&self.hub, self.show).await {
                Ok(position) => {
                    self.look_at = None;
                    self.go_on_from(position, "outage");
                }
                Err(error) => {
                    tracing::debug!(show = %self.show, %error, "a seat map is not back in Redis yet");
                    self.look_at = Some(Instant::now() + RETURN);
                }
            }
        }
    }

    /// The map stands here now, whatever the viewers know: they see by themselves whether they have
    /// to read anew.
    ///
    /// `cause` says why it stands elsewhere, if it does.
    fn go_on_from(&mut self, position: Position, cause: &'static str) {
        if position != *self.conflator.sent() {
            count_resync(cause);
        }
        self.flush_at = None;
        self.check = None;
        self.conflator.restart(position.clone());
        self.give_out(Delta::heartbeat(position));
    }

    async fn take_in(&mut self, payload: &[u8]) {
        let delta = match Delta::parse(payload) {
            Ok(delta) if mutant("lost_delta") && delta.version.is_multiple_of(5) => {
                Delta { changes: Vec::new(), ..delta }
            }
            Ok(delta) => delta,
            Err(error) => {
                // It will be missing, and that will show.
                tracing::error!(show = %self.show, %error, "unreadable delta");
                return;
            }
        };
        if self.conflator.contradicts(&delta)
            && let Err(error) = self.standing(true).await
        {
            tracing::warn!(show = %self.show, %error, "a seat map lacks what Redis lost");
        }
        match self.conflator.breaks_at(&delta) {
            Some(Break::NewEpoch) => count_resync("reloaded"),
            Some(Break::Gap) => count_resync("lost"),
            None => {}
        }
        if let Some(before) = self.conflator.push(delta) {
            self.give_out(before);
        }
        if self.flush_at.is_none() {
            // After a quiet time at once, else at the end of the window.
            self.flush_at = Some(self.quiet_until);
        }
    }

    fn flush(&mut self) {
        self.flush_at = None;
        if let Some(delta) = self.conflator.flush() {
            self.quiet_until = Instant::now() + self.hub.conflate;
            self.give_out(delta);
        }
    }

    fn give_out(&self, delta: Delta) {
        // First the position: who joins in between gets what he knows, rather than miss something.
        let kind = if delta.changes.is_empty() { "heartbeat" } else { "changes" };
        metrics::counter!("booking_seat_deltas_total", "kind" => kind).increment(1);
        let position = Position { epoch: Arc::clone(&delta.epoch), version: delta.version };
        self.position.send_replace(Some(Ok(position)));
        // Nobody listening is fine.
        let _ = self.deltas.send(Arc::new(delta));
    }

    /// Asks Redis where the seat map stands, to see later whether everything came in. False when
    /// Redis cannot tell.
    async fn look_for_losses(&mut self) -> bool {
        match self.standing(false).await {
            Ok(position) => {
                self.check.get_or_insert((Instant::now() + LATENESS, position));
                true
            }
            Err(error) => {
                tracing::debug!(show = %self.show, %error, "cannot vouch for a seat map");
                false
            }
        }
    }

    /// Where the seat map stands in Redis now. If Redis went back, because it lost what it had
    /// acknowledged, bookings may be lost too: then the map begins a new life with what PostgreSQL
    /// says, and the viewers read it anew.
    async fn standing(&self, went_back: bool) -> Result<Position, SeatsError> {
        let position = present(&self.hub, self.show).await?;
        let went_back = went_back && position.epoch == self.conflator.sent().epoch;
        if !went_back && !self.conflator.is_ahead_of(&position) {
            return Ok(position);
        }
        count_gone_back(self.show, position.version);
        self.hub.loader.load(self.show, Replace::Epoch(position.epoch)).await?;
        present(&self.hub, self.show).await
    }

    async fn check_losses(&mut self) {
        let Some((_, expected)) = self.check.take() else { return };
        if self.conflator.has_reached(&expected) {
            return;
        }
        // Reloaded in between, or lost: either way the viewers have to read anew.
        let Ok(position) = self.standing(false).await else { return };
        metrics::counter!("booking_seat_map_losses_total").increment(1);
        self.flush();
        self.go_on_from(position, "lost");
    }
}

/// All viewers of the show have to read it anew.
fn count_resync(cause: &'static str) {
    metrics::counter!("booking_seat_resyncs_total", "cause" => cause).increment(1);
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
