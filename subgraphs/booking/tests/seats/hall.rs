//! The scripts over one show, without PostgreSQL.

use std::{collections::BTreeSet, time::Duration};

use booking::{
    domain::{best_available::Plan, delta::Delta, hold::Hold},
    store::holds::DurableHold,
    store::seats::{
        Applied, Contents, Decision, HoldRequest, Loaded, Ownership, Placed, Released, Replace, SeatOwner,
        SeatStore, SeatValidators, Snapshot, Wanted, delta_channel,
    },
};
use chrono::{DateTime, Utc};
use kernel::{BookingId, Clock, HoldId, IdSource, Layout, ShowId, SystemClock, SystemIds, UserId};
use platform::{PubSubEvent, Shutdown, redis::PubSubStream};

use crate::support::{person, redis, uuid, within};

/// Longer than any test.
pub const LONG: Duration = Duration::from_secs(600);

pub struct Hall {
    pub store: SeatStore,
    /// Of the same Redis.
    pub validators: SeatValidators,
    pub show: ShowId,
    pub layout: Layout,
}

impl Hall {
    /// A loaded show with all seats free.
    pub async fn open(layout: &str) -> Self {
        let hall = Self::closed(layout).await;
        hall.load(&[]).await;
        hall
    }

    /// A show that is not loaded.
    pub async fn closed(layout: &str) -> Self {
        let redis = redis(&Shutdown::new()).await;
        Self {
            store: SeatStore::new(redis.clone()),
            validators: SeatValidators::new(redis),
            show: ShowId::from_uuid(uuid()),
            layout: layout.parse().unwrap(),
        }
    }

    pub fn booking(&self) -> BookingId {
        BookingId::new(self.show, SystemIds.local())
    }

    /// Loads the show, or loads it anew; it must work.
    pub async fn load(&self, owners: &[SeatOwner]) {
        let loaded = self.try_load("token", Replace::Always, &[], owners).await;
        assert!(matches!(loaded, Loaded::Done { .. }), "{loaded:?}");
    }

    pub async fn lock(&self, token: &str) -> bool {
        self.store.load_lock(self.show, token).await.unwrap()
    }

    /// Takes the lock if nobody has it, and loads.
    pub async fn try_load(
        &self,
        token: &str,
        replace: Replace,
        blocked: &[u16],
        owners: &[SeatOwner],
    ) -> Loaded {
        self.lock(token).await;
        self.load_under_lock(token, replace, blocked, owners, &[]).await
    }

    /// Loads, also with durable holds.
    pub async fn load_under_lock(
        &self,
        token: &str,
        replace: Replace,
        blocked: &[u16],
        owners: &[SeatOwner],
        holds: &[DurableHold],
    ) -> Loaded {
        let epoch = uuid().simple().to_string();
        let contents = Contents {
            epoch: &epoch,
            revision: 1,
            plan: &Plan::new(&self.layout),
            blocked,
            purge_at: SystemClock.now() + LONG * 10,
            owners,
            holds,
        };
        self.store.load(self.show, token, &replace, &contents).await.unwrap()
    }

    pub fn request(&self, owner: UserId, ttl: Duration) -> HoldRequest {
        // Even: one that Redis keeps.
        let id = HoldId::new(self.show, SystemIds.local() & !1);
        HoldRequest { id, owner, digest: "d1".to_owned(), ttl, revision: 1 }
    }

    pub async fn place(&self, request: &HoldRequest, seats: &[u16]) -> Placed {
        self.store.hold(request, Wanted::Seats(seats)).await.unwrap()
    }

    /// Holds seats for somebody; it must work.
    pub async fn hold(&self, seats: &[u16]) -> Hold {
        self.hold_for(seats, LONG).await
    }

    pub async fn hold_for(&self, seats: &[u16], ttl: Duration) -> Hold {
        match self.place(&self.request(person(), ttl), seats).await {
            Placed::Held { hold, is_new: true, .. } => hold,
            other => panic!("{seats:?} cannot be held: {other:?}"),
        }
    }

    pub async fn release(&self, hold: &Hold) -> Released {
        self.store.hold_release(hold.id, hold.owner).await.unwrap()
    }

    pub async fn apply(
        &self,
        booking: BookingId,
        version: i64,
        seats: &[u16],
        ownership: Ownership,
    ) -> Applied {
        self.apply_from(None, booking, version, seats, ownership).await
    }

    /// The same of a booking that was made from a hold.
    pub async fn apply_from(
        &self,
        origin: Option<HoldId>,
        booking: BookingId,
        version: i64,
        seats: &[u16],
        ownership: Ownership,
    ) -> Applied {
        let decision = Decision { booking, version, seats, ownership, origin };
        self.store.booking_apply(decision).await.unwrap()
    }

    pub async fn snapshot(&self) -> Snapshot {
        self.store.snapshot(self.show).await.unwrap().expect("the show is loaded")
    }

    pub async fn version(&self) -> u64 {
        self.snapshot().await.position.version
    }

    pub async fn states(&self) -> String {
        String::from_utf8(self.snapshot().await.states.to_vec()).unwrap()
    }

    /// Everything that is published about the show from now on.
    pub async fn deltas(&self) -> Deltas {
        let subscriber = self.store.subscriber();
        let stream = subscriber.stream();
        subscriber.subscribe(&delta_channel(self.show)).await.unwrap();
        Deltas(stream)
    }
}

pub struct Deltas(PubSubStream);

impl Deltas {
    pub async fn next(&mut self) -> Delta {
        match within("a delta", self.0.next()).await {
            Some(PubSubEvent::Message(message)) => Delta::parse(&message.payload).unwrap(),
            other => panic!("no delta: {other:?}"),
        }
    }
}

/// A claim that no test outlives.
pub fn claimed() -> Ownership {
    Ownership::Claimed { until: later(LONG) }
}

pub fn later(by: Duration) -> DateTime<Utc> {
    SystemClock.now() + by
}

pub fn owner(booking: BookingId, version: i64, sold: bool, seats: &[u16]) -> SeatOwner {
    let claimed_until = (!sold).then(|| later(LONG));
    SeatOwner { booking, version, sold, claimed_until, seats: seats.to_vec() }
}

/// Seats whose letter is one of `letters`.
pub fn having(states: &str, letters: &str) -> BTreeSet<u16> {
    let seats = (0_u16..).zip(states.chars());
    seats.filter(|(_, letter)| letters.contains(*letter)).map(|(seat, _)| seat).collect()
}
