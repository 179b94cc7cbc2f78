//! Claims whose time is over: they end, or go on because their payment may have been made (ADR 20).
//!
//! * Nothing depends on this being done in time: whoever wants the seats does the same for the claims
//!   that are in the way, see [`App::checkout`], and a late payment finds its way. It makes seats
//!   visibly free.
//! * Repeated, or done by several at once: only what is overdue, and in the version about which the
//!   provider was asked, is changed.
//! * The process dies after a payment was called off: the provider's message about that ends the booking
//!   ([`super::payment_failed`]), and so does whoever asks next.
//! * It dies after the commit: the event tells Redis and watchers.

use std::collections::BTreeMap;
use std::time::Duration;

use events::Envelope;
use events::booking::{BookingExpired, BookingExtended};
use futures::future::try_join_all;
use futures::{StreamExt, stream};
use kernel::{BookingId, PaymentId, ShowId};
use platform::faults::{mutant, reach};
use platform::outbox;
use sea_orm::TransactionTrait;

use super::checkout::seat_numbers;
use super::facts::{booking_facts, show_facts};
use super::overdue::{Answer, Asked, Why};
use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::booking::{BookedSeat, Booking, BookingStatus};
use crate::domain::payment::Attempt;
use crate::domain::show::Show;
use crate::payments::CALLED_OFF;
use crate::store::SCHEMA;
use crate::store::booking_seats::booking_seat_list;
use crate::store::claims::{booking_extend, booking_list_overdue, booking_lock_overdue};
use crate::store::payments::{Revision, payment_record_attempt, payment_record_cancelled};
use crate::store::sales::booking_release;

/// Who ends claims that nobody else wants.
const JOB: Actor = Actor::system("booking-claim-expiry");
/// Claims ended in one transaction, and looked for at a time.
const BATCH: u32 = 200;
/// Bookings that Redis is told of at the same time.
const ANNOUNCED_AT_ONCE: usize = 16;
/// How long somebody who wants the seats waits for what the provider says of a claim to them.
const RIVAL_WAITS: Duration = Duration::from_secs(1);

/// What became of overdue claims.
#[derive(Default)]
struct Settled {
    ended: Vec<BookingId>,
    extended: usize,
}

/// Overdue claims of one show, sorted by what becomes of them.
#[derive(Default)]
struct Sorted {
    ended: Vec<Booking>,
    /// With why they go on.
    extended: Vec<Booking>,
    whys: Vec<Why>,
    /// Payments that were called off.
    called_off: Vec<PaymentId>,
    /// Payments that the provider is working on, as we had them before it was asked.
    processing: Vec<(PaymentId, Option<Revision>)>,
}

impl App {
    /// Settles all claims that are overdue now, batch by batch.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn claims_expire_all(&self) -> Result<(), AppError> {
        loop {
            let overdue = booking_list_overdue(&self.deps.pg, Duration::ZERO, BATCH).await?;
            let found = overdue.len();
            let mut by_show: BTreeMap<ShowId, Vec<Asked>> = BTreeMap::new();
            // The client of the provider has limits of its own.
            for asked in self.claims_ask(&overdue, Duration::MAX).await? {
                by_show.entry(asked.booking.show()).or_default().push(asked);
            }
            let mut settled = 0;
            let mut failure = None;
            for (show, claims) in by_show {
                match self.claims_settle_of(show, &claims).await {
                    Ok(Settled { ended, extended }) => settled += ended.len() + extended,
                    // One show must not hold up the others.
                    Err(error) => failure = Some(error),
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
            // None settled: what is left is being worked on by others.
            if found < BATCH as usize || settled == 0 {
                return Ok(());
            }
        }
    }

    async fn claims_settle_of(&self, show: ShowId, claims: &[Asked]) -> Result<Settled, AppError> {
        let show = self.show(show).await?;
        self.claims_settle(&show, claims, JOB).await
    }

    /// Ends those of these bookings of one show that are overdue, unless their payments may have been
    /// made, and tells which they were. Those that another transaction works on are left alone. `actor`
    /// is who wants them to end.
    pub(crate) async fn claims_expire(
        &self,
        show: &Show,
        bookings: &[BookingId],
        actor: Actor,
    ) -> Result<Vec<BookingId>, AppError> {
        if bookings.is_empty() {
            return Ok(Vec::new());
        }
        let asked = self.claims_ask(bookings, RIVAL_WAITS).await?;
        Ok(self.claims_settle(show, &asked, actor).await?.ended)
    }

    /// Does with overdue claims of one show what was found out about them.
    async fn claims_settle(&self, show: &Show, asked: &[Asked], actor: Actor) -> Result<Settled, AppError> {
        if asked.is_empty() {
            return Ok(Settled::default());
        }
        let ids: Vec<BookingId> = asked.iter().map(|asked| asked.booking).collect();
        let txn = self.deps.pg.begin().await?;
        let overdue = booking_lock_overdue(&txn, show.id, &ids).await?;
        let Sorted { ended, extended, whys, called_off, processing } = self.claims_sort(overdue, asked)?;
        if ended.is_empty() && extended.is_empty() {
            txn.rollback().await?;
            return Ok(Settled::default());
        }
        reach("expire.locked").await;
        let ids: Vec<BookingId> = ended.iter().chain(&extended).map(|booking| booking.id).collect();
        let seats = group(booking_seat_list(&txn, &ids).await?);
        booking_release(&txn, show.id, &ended, &actor.clone().because(Reason::ClaimLapsed)).await?;
        if !called_off.is_empty() {
            let cause = actor.clone().because(Reason::BookingEnded);
            payment_record_cancelled(&txn, show.id, &called_off, CALLED_OFF, &cause).await?;
        }
        if !extended.is_empty() {
            booking_extend(&txn, show.id, &extended).await?;
        }
        if !processing.is_empty() {
            let cause = actor.because(Reason::PaymentProcessing);
            // One that somebody wrote to meanwhile is left to what they knew.
            payment_record_attempt(&txn, show.id, &processing, &Attempt::Processing, &cause).await?;
        }
        let events = ended
            .iter()
            .chain(&extended)
            .map(|booking| self.claim_event(show, booking, seats.get(&booking.id).map_or(&[], Vec::as_slice)))
            .collect::<Result<Vec<_>, _>>()?;
        if !self.published_early(&events).await {
            outbox::append_all(&txn, SCHEMA, &events).await?;
        }
        reach("expire.updated").await;
        txn.commit().await?;
        outbox::wake(SCHEMA);
        reach("expire.committed").await;
        metrics::counter!("booking_claims_expired_total").increment(ended.len() as u64);
        for (booking, why) in extended.iter().zip(&whys) {
            let (why, until) = (why.label(), booking.expires_at);
            metrics::counter!("booking_claims_extended_total", "why" => why).increment(1);
            tracing::info!(booking = %booking.id, why, %until, "claim goes on");
        }
        self.announce_all(&ended, &seats).await;
        self.announce_all(&extended, &seats).await;
        Ok(Settled { ended: ended.iter().map(|booking| booking.id).collect(), extended: extended.len() })
    }

    /// What becomes of these claims, which are locked. Those that changed since the provider was asked
    /// about them stay as they are.
    fn claims_sort(&self, overdue: Vec<Booking>, asked: &[Asked]) -> Result<Sorted, AppError> {
        let answers: BTreeMap<(BookingId, i64), &Answer> =
            asked.iter().map(|asked| ((asked.booking, asked.version), &asked.answer)).collect();
        let (step, limit) = self.config.claim_extension();
        let mut sorted = Sorted::default();
        for booking in overdue {
            let Some(answer) = answers.get(&(booking.id, booking.version)) else { continue };
            match (answer, booking.extend(step, limit)) {
                (Answer::GoesOn(why), Some(extended)) => {
                    if let Why::Processing(payment, revision) = why {
                        sorted.processing.push((*payment, Some(*revision)));
                    }
                    sorted.extended.push(extended);
                    sorted.whys.push(*why);
                }
                (Answer::GoesOn(_), None) => sorted.ended.push(booking.advance(BookingStatus::Expired)?),
                (Answer::Ends(called_off), _) => {
                    sorted.called_off.extend(called_off);
                    sorted.ended.push(booking.advance(BookingStatus::Expired)?);
                }
            }
        }
        Ok(sorted)
    }

    fn claim_event(
        &self,
        show: &Show,
        booking: &Booking,
        seats: &[BookedSeat],
    ) -> Result<Envelope, AppError> {
        let (facts, expires_at) = (booking_facts(show, booking, seats), booking.expires_at);
        let show = show_facts(show);
        if booking.status == BookingStatus::Expired {
            return self.envelope(&BookingExpired { booking: facts, show });
        }
        self.envelope(&BookingExtended { booking: facts, show, expires_at })
    }

    /// The deliberate bug `publish_before_commit`: whoever reads the booking because of its event finds
    /// it as it was.
    async fn published_early(&self, events: &[Envelope]) -> bool {
        if !mutant("publish_before_commit") {
            return false;
        }
        let publishing = events.iter().map(|event| self.deps.rabbit.publish(event));
        try_join_all(publishing).await.is_ok()
    }

    /// Tells Redis and watchers of several bookings.
    pub(crate) async fn announce_all(
        &self,
        bookings: &[Booking],
        seats: &BTreeMap<BookingId, Vec<BookedSeat>>,
    ) {
        let announce = async |booking: &Booking| {
            let seats = seats.get(&booking.id).map(|seats| seat_numbers(seats)).unwrap_or_default();
            self.announce(booking, &seats).await;
        };
        stream::iter(bookings).for_each_concurrent(ANNOUNCED_AT_ONCE, announce).await;
    }
}

/// Seats by booking.
pub(crate) fn group(seats: Vec<(BookingId, BookedSeat)>) -> BTreeMap<BookingId, Vec<BookedSeat>> {
    let mut by_booking: BTreeMap<BookingId, Vec<BookedSeat>> = BTreeMap::new();
    for (booking, seat) in seats {
        by_booking.entry(booking).or_default().push(seat);
    }
    by_booking
}
