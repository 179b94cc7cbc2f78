//! A platform that keeps its promises, in one thread: what its clients see is right by construction.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::history::{Action, Call, Fault, History, Millis, Outcome};
use crate::observed::{
    Allocation, AuditEntry, Booking, Delivery, HistoryRow, Intent, Map, Observed, Payment, WatchedMap,
};

pub(super) const SHOW: &str = "show_1";
pub(super) const USERS: u64 = 8;
pub(super) const HOLD_TTL: Millis = 4_000;
pub(super) const CLAIM_TTL: Millis = 4_000;
const PRICE: i64 = 1_000;

/// Whether there are faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Calm,
    Stormy,
}

/// A hold, of the cache or durable.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub id: String,
    pub user: u64,
    pub key: String,
    pub seats: Vec<u16>,
    pub until: Millis,
    pub durable: bool,
    pub live: bool,
    /// Somebody was told of it.
    pub told: bool,
}

/// What happens by itself, later.
#[derive(Debug, Clone)]
pub(super) enum Later {
    Confirm(usize),
    Expire(usize),
    Refund(usize),
    /// A bank comes to its end; whether it has the money.
    Settle(usize, bool),
}

/// The platform with its clients.
pub(super) struct World {
    pub rng: StdRng,
    pub now: Millis,
    pub seats: u16,
    pub stormy: bool,
    /// Redis cannot be reached.
    pub away: bool,
    /// The show is called off.
    pub off: bool,
    pub holds: Vec<Hold>,
    pub history: History,
    pub observed: Observed,
    pub later: Vec<(Millis, Later)>,
    epoch: usize,
    version: i64,
    shown: String,
    snapshot: Vec<Hold>,
}

impl World {
    /// The history of a show with so many seats, in which so many things are done.
    pub(super) fn play(seed: u64, weather: Weather, seats: u16, steps: usize) -> (History, Observed) {
        // Claims never go on, for a while, or as long as they have to.
        let limit = [CLAIM_TTL, CLAIM_TTL + 3_000, 600_000][(seed / 3 % 3) as usize];
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            now: 1_800_000_000_000,
            seats,
            stormy: weather == Weather::Stormy,
            away: false,
            off: false,
            holds: Vec::new(),
            history: History::default(),
            observed: Observed { claim_limit_ms: limit, ..Observed::default() },
            later: Vec::new(),
            epoch: 0,
            version: 0,
            shown: String::new(),
            snapshot: Vec::new(),
        };
        let kinds = (0..seats).map(|seat| if seat < seats / 2 { 'R' } else { 'P' }).collect();
        world.observed.kinds.insert(SHOW.to_owned(), kinds);
        for step in 0..steps {
            // In some worlds the show is called off, when much of it is sold.
            if world.stormy && seed.is_multiple_of(3) && step == steps * 4 / 5 {
                world.call_off();
            }
            let pause = world.rng.random_range(1..120);
            world.pass(pause);
            world.weather();
            world.act();
        }
        world.settle()
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share)
    }

    /// Time passes, and what is due happens.
    pub(super) fn pass(&mut self, time: Millis) {
        let end = self.now + time;
        loop {
            self.later.sort_by_key(|(at, _)| *at);
            let due = self.later.first().filter(|(at, _)| *at <= end).cloned();
            self.now = due.as_ref().map_or(end, |(at, _)| *at);
            self.lapse();
            let Some((_, later)) = due else { return };
            self.later.remove(0);
            match later {
                Later::Confirm(booking) => self.confirm(booking),
                Later::Expire(booking) => self.expire(booking),
                Later::Refund(refund) => self.refund_settle(refund),
                Later::Settle(booking, paid) => self.bank_settle(booking, paid),
            }
        }
    }

    /// Holds end by themselves.
    fn lapse(&mut self) {
        let now = self.now;
        for hold in self.holds.iter_mut().filter(|hold| hold.until <= now) {
            hold.live = false;
        }
        self.observed.allocations.retain(|row| row.held_until.is_none_or(|until| until > now));
    }

    fn weather(&mut self) {
        if !self.stormy {
            return;
        }
        if self.chance(0.01) && !self.away {
            self.snapshot = self.holds.clone();
            self.fault("redis_lost_writes", 0, true);
            // As a while ago, or empty.
            let back = self.chance(0.5);
            let snapshot = self.snapshot.clone();
            for hold in self.holds.iter_mut().filter(|hold| !hold.durable) {
                let was = snapshot.iter().any(|old| old.id == hold.id && old.live);
                hold.live = back && was && hold.until > self.now;
            }
            self.settle_conflicts();
            self.epoch += 1;
        }
        if self.chance(0.03) {
            let length = self.rng.random_range(100..3_000);
            if self.away {
                self.away = false;
                self.settle_conflicts();
                self.epoch += 1;
            } else {
                self.away = true;
            }
            self.fault("redis_refuse", length, false);
        }
    }

    /// A cache that is loaded anew keeps the holds that nobody outranks.
    fn settle_conflicts(&mut self) {
        let owned: Vec<u16> = self.observed.allocations.iter().map(|row| row.seat).collect();
        self.break_up(&owned);
    }

    /// Holds of the cache that have one of these seats end whole.
    pub(super) fn break_up(&mut self, seats: &[u16]) {
        for hold in self.holds.iter_mut().filter(|hold| !hold.durable) {
            if hold.seats.iter().any(|seat| seats.contains(seat)) {
                hold.live = false;
            }
        }
    }

    fn fault(&mut self, kind: &str, length: Millis, lost_redis: bool) {
        let (from, to) = (self.now, self.now + length);
        self.history.faults.push(Fault {
            kind: kind.to_owned(),
            target: "redis".to_owned(),
            from,
            to,
            lost_redis,
            steps: Vec::new(),
        });
    }

    /// Writes a call down that took effect now; whether its answer arrived.
    pub(super) fn record(&mut self, user: u64, action: Action, outcome: Outcome) -> bool {
        let from = self.now - self.rng.random_range(0..30);
        let mut to = self.now + self.rng.random_range(0..30);
        let mut outcome = outcome;
        let lost = self.stormy && self.chance(0.12);
        if lost {
            outcome = Outcome::Unknown { why: "lost".to_owned() };
            to = self.rng.random_range(from..=to);
        }
        let no = self.history.calls.len() as u64;
        let user = format!("user_{user}");
        self.history.calls.push(Call { no, actor: 0, user, from, to, action, outcome });
        !lost
    }

    fn allocated(&self, seat: u16) -> Option<&Allocation> {
        self.observed.allocations.iter().find(|row| row.seat == seat)
    }

    /// Does the store give these seats to anybody now?
    pub(super) fn store_free(&self, seats: &[u16]) -> bool {
        seats.iter().all(|seat| self.allocated(*seat).is_none())
    }

    /// Does the cache show these seats as free?
    pub(super) fn cache_free(&self, seats: &[u16]) -> bool {
        let held = |seat: &u16| {
            self.holds.iter().any(|hold| hold.live && !hold.durable && hold.seats.contains(seat))
        };
        let owned = |seat: &u16| self.allocated(*seat).is_some_and(|row| row.booking.is_some());
        seats.iter().all(|seat| !held(seat) && !owned(seat))
    }

    pub(super) fn audit(&mut self, entity: &str, id: &str, from: Option<&str>, to: &str, seats: &[u16]) {
        self.observed.audit.push(AuditEntry {
            no: self.observed.audit.len() as i64,
            at: self.now,
            show: SHOW.to_owned(),
            entity: entity.to_owned(),
            id: id.to_owned(),
            booking: None,
            from: from.map(str::to_owned),
            to: to.to_owned(),
            seats: seats.to_vec(),
            actor: "SYSTEM".to_owned(),
            reason: "test".to_owned(),
        });
    }

    pub(super) fn allocate(&mut self, seats: &[u16], booking: Option<&str>, hold: Option<(&str, Millis)>) {
        for seat in seats {
            self.observed.allocations.push(Allocation {
                show: SHOW.to_owned(),
                seat: *seat,
                booking: booking.map(str::to_owned),
                hold: hold.map(|(id, _)| id.to_owned()),
                held_until: hold.map(|(_, until)| until),
                sold: false,
            });
        }
    }

    /// A booking of a hold, with its intent.
    pub(super) fn book(&mut self, hold: &Hold) -> usize {
        let number = self.observed.bookings.len();
        let id = format!("booking_{number}");
        let expires_at = self.now + CLAIM_TTL;
        self.observed.allocations.retain(|row| row.hold.as_deref() != Some(&hold.id));
        self.allocate(&hold.seats, Some(&id), None);
        self.audit("BOOKING", &id, None, "PENDING_PAYMENT", &hold.seats);
        let total_minor = PRICE * hold.seats.len() as i64;
        self.observed.bookings.push(Booking {
            id: id.clone(),
            show: SHOW.to_owned(),
            user: format!("user_{}", hold.user),
            hold: hold.id.clone(),
            status: "PENDING_PAYMENT".to_owned(),
            seats: hold.seats.clone(),
            total_minor,
            cancel_percent: if number.is_multiple_of(2) { 50 } else { 100 },
            expires_at,
        });
        let intent = format!("pi_{number}");
        let status = "requires_payment_method".to_owned();
        self.observed.intents.push(Intent {
            id: intent.clone(),
            booking: Some(id.clone()),
            status,
            received_minor: 0,
        });
        let payment = format!("payment_{number}");
        self.audit("PAYMENT", &payment, None, "REQUIRES_PAYMENT", &[]);
        let status = "REQUIRES_PAYMENT".to_owned();
        self.observed.payments.push(Payment {
            id: payment,
            booking: id,
            intent,
            status,
            amount_minor: total_minor,
        });
        let lag = self.rng.random_range(0..1_500);
        self.later.push((expires_at + lag, Later::Expire(number)));
        number
    }

    pub(super) fn become_(&mut self, number: usize, to: &str) {
        let Booking { id, seats, status, .. } = self.observed.bookings[number].clone();
        self.audit("BOOKING", &id, Some(&status), to, &seats);
        self.observed.bookings[number].status = to.to_owned();
        if !matches!(to, "CONFIRMED") {
            self.observed.allocations.retain(|row| row.booking.as_deref() != Some(&id));
            for ticket in self.observed.tickets.iter_mut().filter(|ticket| ticket.booking == id) {
                ticket.voided = true;
            }
        }
        if matches!(to, "CONFIRMED" | "CANCELLED") {
            self.tell(&id, &format!("booking.{}", to.to_lowercase()));
        }
        // Nobody pays for what has ended.
        let intent = &mut self.observed.intents[number];
        if matches!(to, "EXPIRED" | "CANCELLED") && intent.status == "requires_payment_method" {
            intent.status = "canceled".to_owned();
            self.payment(number, "CANCELLED");
        }
    }

    pub(super) fn tell(&mut self, booking: &str, kind: &str) {
        let status = "SENT".to_owned();
        let event = format!("event_{}", self.observed.deliveries.len());
        self.observed.mails.push(event.clone());
        self.observed.deliveries.push(Delivery {
            event,
            kind: kind.to_owned(),
            booking: Some(booking.to_owned()),
            status,
        });
    }

    pub(super) fn cancel(&mut self, number: usize) {
        let confirmed = self.observed.bookings[number].status == "CONFIRMED";
        self.become_(number, "CANCELLED");
        if confirmed {
            self.owe(number, "CANCELLED");
        }
    }

    /// The map as it is served now.
    pub(super) fn map(&mut self) -> Map {
        let letter = |seat: u16| match self.allocated(seat) {
            Some(row) if row.sold => 'S',
            Some(row) if row.booking.is_some() || self.away => 'H',
            _ if self.off => 'B',
            _ if self.away || self.cache_free(&[seat]) => 'A',
            _ => 'H',
        };
        let states: String = (0..self.seats).map(letter).collect();
        let show = SHOW.to_owned();
        if self.away {
            return Map { show, epoch: format!("pg-{states}"), version: 0, states, degraded: true };
        }
        if states != self.shown {
            self.shown = states.clone();
            self.version += 1;
        }
        Map { show, epoch: format!("e{}", self.epoch), version: self.version, states, degraded: false }
    }

    /// The faults are over: everything comes to its end.
    fn settle(mut self) -> (History, Observed) {
        self.away = false;
        self.pass(60_000);
        let map = self.map();
        self.observed.history = self
            .observed
            .bookings
            .iter()
            .map(|row| HistoryRow {
                user: row.user.clone(),
                booking: row.id.clone(),
                status: row.status.clone(),
            })
            .collect();
        self.observed.watchers.push(WatchedMap { watcher: 0, resyncs: 1, map: map.clone() });
        self.observed.maps.push(map);
        self.observed.settled_ms = Some(1_000);
        self.observed.quiet_at = Some(self.now);
        if self.off {
            self.want_a_seat();
        }
        (self.history, self.observed)
    }
}
