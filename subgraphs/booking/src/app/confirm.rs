//! A captured payment: tickets, or the money goes back.
//!
//! * The message comes twice: the inbox, and the payment that is captured already.
//! * Another message tells of the same payment: the payment is captured already.
//! * It comes late or after the end of the booking: [`settlement`](crate::domain::settlement).
//! * It comes late, and others have the seats: [`super::equivalent`].
//! * It comes late while the show is being cancelled: the show's row is read under a lock, so that
//!   the cancellation comes first and the money goes back, or second and finds the booking.
//! * The process dies before the commit: nothing happened, the message comes again. After it:
//!   `booking.confirmed` is in the outbox and tells Redis.
//!
//! The usual case, a first payment in time, is one statement ([`super::paid_in_time`]). All others are
//! decided here, under the booking's lock.

use std::sync::Arc;

use events::Envelope;
use events::booking::{
    BookingCancelled, BookingConfirmed, BookingExpired, BookingFailed, RefundCause, TicketFacts,
};
use events::payment::PaymentSucceeded;
use kernel::{BookingId, Money, ShowId, TicketId};
use platform::faults::{mutant, reach};
use platform::{HandlerError, inbox, outbox};
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};

use super::checkout::seat_numbers;
use super::facts::{booking_facts, show_facts};
use super::{App, AppError};
use crate::domain::audit::{Actor, Cause, Reason};
use crate::domain::booking::{BookedSeat, Booking, BookingStatus};
use crate::domain::payment::{Payment, PaymentStatus, payment_id};
use crate::domain::settlement::{Facts, Verdict, decide};
use crate::domain::show::{Show, ShowStatus};
use crate::domain::ticket::{Claims, Ticket};
use crate::store::allocations::{allocation_claim_free, allocation_lock_sorted};
use crate::store::booking_seats::booking_seats;
use crate::store::bookings::{booking_lock, booking_lock_with_show};
use crate::store::payments::payment_record_capture;
use crate::store::sales::{allocation_release, booking_confirm, booking_release};
use crate::store::shows::show_lock_shared;
use crate::store::{SCHEMA, StoreError};

pub(super) const CONSUMER: &str = "booking.payments";
/// Seats that somebody had to leave may be held again before they are claimed: so often it is tried.
const TRIES: u32 = 4;

/// A booking that changed, and its seats.
pub(super) struct Changed {
    pub(super) booking: Booking,
    pub(super) seats: Vec<u16>,
}

/// What a booking becomes that is paid: nothing of it is written yet.
pub(super) struct Confirmation {
    pub(super) booking: Booking,
    /// One for each seat, ascending.
    pub(super) tickets: Vec<Ticket>,
    /// `booking.confirmed`.
    pub(super) event: Envelope,
}

/// Why a show sells nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// It was called off.
    Cancelled,
    /// It has begun.
    Begun,
}

/// How a pending booking ends that gets no tickets.
struct End {
    to: BookingStatus,
    /// What was paid for it, and goes back.
    paid: Option<Money>,
    cause: Cause,
}

/// How one try at settling a payment ended.
enum Settled {
    /// Committed, with this outcome; the booking as it is now, when it changed.
    Done(&'static str, Option<Box<Changed>>),
    /// Rolled back: others have these seats, maybe by durable holds or overdue claims.
    SeatsTaken(Vec<u16>),
}

/// Which try at settling a payment it is.
enum Try {
    /// Seats that others have are left to another try.
    First,
    /// It ends here. With the letters of the show's seats in Redis, when they are known.
    Last(Option<Vec<u8>>),
}

impl App {
    /// Applies `payment.succeeded`.
    ///
    /// # Errors
    /// Rejected when the booking does not exist: money without a booking needs a person.
    pub async fn payment_succeeded(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let paid: PaymentSucceeded = envelope.decode()?;
        let show = self.show(paid.booking_id.show()).await?;
        if let Some(changed) = self.payment_in_time(envelope, &paid, &show).await {
            self.payment_settled(&paid, "confirmed", Some(&changed)).await;
            return Ok(());
        }
        let mut left = TRIES;
        loop {
            left -= 1;
            // Asked now: nothing slow happens inside of a transaction.
            let this = if left == 0 { Try::Last(self.seats_in_redis(&show).await) } else { Try::First };
            let settled = self.payment_settle(envelope, &paid, &show, this).await?;
            let (outcome, changed) = match settled {
                Settled::Done(outcome, changed) => (outcome, changed),
                Settled::SeatsTaken(seats) => {
                    // The money for a show that sells nothing more goes back: nobody has to make way
                    // for it.
                    let way = self.show_closed(&self.deps.pg, show.id).await?.is_none()
                        && self
                            .owners_outrank(&show, paid.booking_id, &seats, Actor::system(CONSUMER))
                            .await?;
                    if !way {
                        left = 1;
                    }
                    continue;
                }
            };
            self.payment_settled(&paid, outcome, changed.as_deref()).await;
            return Ok(());
        }
    }

    /// What is done after the commit.
    async fn payment_settled(
        &self,
        paid: &PaymentSucceeded,
        outcome: &'static str,
        changed: Option<&Changed>,
    ) {
        outbox::wake(SCHEMA);
        metrics::counter!("booking_payments_total", "outcome" => outcome).increment(1);
        tracing::info!(booking = %paid.booking_id, outcome, "payment settled");
        if let Some(Changed { booking, seats }) = changed {
            self.announce(booking, seats).await;
            reach("confirm.announced").await;
        }
    }

    async fn payment_settle(
        &self,
        envelope: &Envelope,
        paid: &PaymentSucceeded,
        show: &Arc<Show>,
        this: Try,
    ) -> Result<Settled, HandlerError> {
        let txn = self.deps.pg.begin().await?;
        // The booking before the inbox, as in the one statement for the usual case.
        let Some((booking, show_status)) =
            booking_lock_with_show(&txn, paid.booking_id).await.map_err(AppError::from)?
        else {
            return Err(HandlerError::reject(format!("a payment for the unknown {}", paid.booking_id)));
        };
        reach("confirm.booking_locked").await;
        if !inbox::record(&txn, SCHEMA, CONSUMER, envelope).await? {
            txn.rollback().await?;
            return Ok(Settled::Done("repeated", None));
        }
        reach("confirm.received").await;
        let mut seats = booking_seats(&txn, booking.id).await.map_err(AppError::from)?;
        let numbers = seat_numbers(&seats);
        let payment = captured(paid);
        let cause = Actor::Provider(paid.provider_event_id.clone()).because(Reason::PaymentSucceeded);
        let first = payment_record_capture(&txn, &payment, &cause).await.map_err(AppError::from)?;
        let verdict = decide(&Facts {
            status: booking.status,
            due: booking.total,
            paid: paid.amount,
            seen: !first,
            show_scheduled: show_status == ShowStatus::Scheduled,
            show_ahead: booking.read_at < show.starts_at,
        });
        let (outcome, changed) = match verdict {
            Verdict::Ignore => ("ignored", None),
            Verdict::Confirm | Verdict::Reclaim => {
                let late = verdict == Verdict::Reclaim;
                let mut secured = self.seats_secure(&txn, booking.id, &numbers).await?;
                reach("confirm.seats_locked").await;
                let in_redis = match this {
                    Try::First if !secured => {
                        txn.rollback().await?;
                        return Ok(Settled::SeatsTaken(numbers));
                    }
                    Try::First => None,
                    Try::Last(in_redis) => in_redis,
                };
                // A cancelled show ends bookings that own seats. It waits for a pending one, which
                // we have locked, but it does not know of one that only now gets its seats back.
                let closed = if late { self.show_closed(&txn, show.id).await? } else { None };
                let mut replaced = Vec::new();
                if late && !secured && closed.is_none() && booking.accepts_equivalent {
                    let others =
                        self.seats_replace(&txn, show, booking.id, &seats, in_redis.as_deref()).await?;
                    if let Some(others) = others {
                        secured = true;
                        // They may have become free again meanwhile.
                        if seat_numbers(&others) != numbers {
                            replaced = seats.iter().map(|seat| seat.label.clone()).collect();
                        }
                        seats = others;
                    }
                }
                if secured && closed.is_none() {
                    let (outcome, cause) = match (late, replaced.is_empty()) {
                        (false, _) => ("confirmed", cause),
                        (true, true) => ("confirmed_late", cause.but(Reason::LatePayment)),
                        (true, false) => ("confirmed_equivalent", cause.but(Reason::EquivalentSeats)),
                    };
                    let confirmed = self.booking_sell(&txn, show, &booking, &seats, replaced, &cause).await?;
                    (outcome, Some(confirmed))
                } else {
                    let refund = match closed {
                        Some(Closed::Cancelled) => RefundCause::ShowCancelled,
                        Some(Closed::Begun) | None => RefundCause::LatePayment,
                    };
                    allocation_release(&txn, booking.id, &numbers).await.map_err(AppError::from)?;
                    self.payment_return(&txn, &payment, booking.read_at, refund, &cause.actor).await?;
                    ("refunded_late", None)
                }
            }
            Verdict::Refund(refund, next) => {
                self.payment_return(&txn, &payment, booking.read_at, refund, &cause.actor).await?;
                let ended = match next {
                    Some(next) => {
                        let end = End { to: next, paid: Some(paid.amount), cause: cause.but(refund.into()) };
                        Some(self.booking_end(&txn, show, &booking, &seats, end).await?)
                    }
                    None => None,
                };
                ("refunded", ended)
            }
        };
        reach("confirm.updated").await;
        txn.commit().await?;
        reach("confirm.committed").await;
        let changed = changed.map(|booking| Box::new(Changed { booking, seats: seat_numbers(&seats) }));
        Ok(Settled::Done(outcome, changed))
    }

    /// Locks the booking's seats in ascending order, and claims those again that it lost.
    /// `false`, and none is claimed, when one belongs to somebody else.
    async fn seats_secure(
        &self,
        txn: &DatabaseTransaction,
        booking: BookingId,
        seats: &[u16],
    ) -> Result<bool, AppError> {
        let owned = allocation_lock_sorted(txn, booking, seats).await?;
        let missing: Vec<u16> = seats.iter().copied().filter(|seat| !owned.contains(seat)).collect();
        if missing.is_empty() || self.redis_is_trusted(booking.show(), &missing).await {
            return Ok(true);
        }
        let attempt = txn.begin().await?;
        let secured = allocation_claim_free(&attempt, booking, &missing).await? == missing.len() as u64;
        if secured {
            attempt.commit().await?;
        } else {
            attempt.rollback().await?;
        }
        Ok(secured)
    }

    /// The deliberate bug `trust_redis_at_confirm`: seats that Redis shows as free are sold.
    async fn redis_is_trusted(&self, show: ShowId, seats: &[u16]) -> bool {
        if !mutant("trust_redis_at_confirm") {
            return false;
        }
        let Ok(map) = self.seats.snapshot(show).await else { return false };
        seats.iter().all(|seat| map.states.get(usize::from(*seat)) == Some(&b'A'))
    }

    /// Whether the show sells nothing more; what is found stays so until the end of the transaction.
    async fn show_closed<C: ConnectionTrait>(
        &self,
        conn: &C,
        show: ShowId,
    ) -> Result<Option<Closed>, AppError> {
        let (status, has_begun) = show_lock_shared(conn, show).await?.ok_or(AppError::UnknownShow(show))?;
        Ok(match status {
            ShowStatus::Cancelled => Some(Closed::Cancelled),
            ShowStatus::Scheduled => has_begun.then_some(Closed::Begun),
        })
    }

    /// Confirms a locked booking whose seats are secured: sold, with tickets. `replaced` are the labels of
    /// those that it had before, if it had others.
    async fn booking_sell<C: ConnectionTrait>(
        &self,
        conn: &C,
        show: &Show,
        booking: &Booking,
        seats: &[BookedSeat],
        replaced: Vec<String>,
        cause: &Cause,
    ) -> Result<Booking, AppError> {
        let Confirmation { booking: confirmed, tickets, event } =
            self.booking_confirmation(show, booking, seats, replaced)?;
        booking_confirm(conn, &confirmed, &tickets, cause).await?;
        if mutant("publish_before_commit") && self.deps.rabbit.publish(&event).await.is_ok() {
            return Ok(confirmed);
        }
        outbox::append(conn, SCHEMA, &event).await?;
        Ok(confirmed)
    }

    /// The booking confirmed, with tickets for its seats.
    pub(super) fn booking_confirmation(
        &self,
        show: &Show,
        booking: &Booking,
        seats: &[BookedSeat],
        replaced: Vec<String>,
    ) -> Result<Confirmation, AppError> {
        let booking = booking.advance(BookingStatus::Confirmed)?;
        let tickets: Vec<Ticket> =
            seats.iter().map(|seat| self.ticket_issue(show, booking.id, seat)).collect();
        let event = self.envelope(&BookingConfirmed {
            booking: booking_facts(show, &booking, seats),
            show: show_facts(show),
            tickets: tickets
                .iter()
                .zip(seats)
                .map(|(ticket, seat)| TicketFacts {
                    ticket_id: ticket.id,
                    seat_label: seat.label.clone(),
                    code: ticket.code.clone(),
                })
                .collect(),
            replaced,
        })?;
        Ok(Confirmation { booking, tickets, event })
    }

    fn ticket_issue(&self, show: &Show, booking: BookingId, seat: &BookedSeat) -> Ticket {
        let id = TicketId::new(show.id, self.deps.ids.local());
        let code = self.tickets.issue(&Claims {
            ticket: id,
            starts_at: show.starts_at,
            seat_no: seat.seat_no,
            label: seat.label.clone(),
        });
        Ticket { id, booking, seat_no: seat.seat_no, code }
    }

    /// Ends a locked pending booking that gets no tickets.
    async fn booking_end<C: ConnectionTrait>(
        &self,
        conn: &C,
        show: &Show,
        booking: &Booking,
        seats: &[BookedSeat],
        End { to, paid, cause }: End,
    ) -> Result<Booking, AppError> {
        let ended = booking.advance(to)?;
        booking_release(conn, show.id, std::slice::from_ref(&ended), &cause).await?;
        let booking = booking_facts(show, &ended, seats);
        let show = show_facts(show);
        let event = match to {
            BookingStatus::Cancelled => {
                let cause = RefundCause::ShowCancelled;
                self.envelope(&BookingCancelled { booking, show, refund: paid, cause })?
            }
            BookingStatus::Expired => self.envelope(&BookingExpired { booking, show })?,
            _ => self.envelope(&BookingFailed { booking, show, reason: "amount_mismatch".to_owned() })?,
        };
        outbox::append(conn, SCHEMA, &event).await?;
        Ok(ended)
    }

    /// Confirms a booking that costs nothing, or ends it when its show sells nothing more.
    pub(crate) async fn booking_confirm_free(&self, id: BookingId) -> Result<Booking, AppError> {
        let show = self.show(id.show()).await?;
        let txn = self.deps.pg.begin().await?;
        let missing = || StoreError::corrupt("booking", id);
        let booking = booking_lock(&txn, id).await?.ok_or_else(missing)?;
        if booking.status != BookingStatus::PendingPayment {
            txn.rollback().await?;
            return Ok(booking);
        }
        let seats = booking_seats(&txn, id).await?;
        let (to, reason) = match self.show_closed(&txn, id.show()).await? {
            None => (BookingStatus::Confirmed, Reason::FreeOfCharge),
            Some(Closed::Cancelled) => (BookingStatus::Cancelled, Reason::ShowCancelled),
            Some(Closed::Begun) => (BookingStatus::Expired, Reason::ShowBegun),
        };
        let cause = Actor::User(booking.user).because(reason);
        let settled = if to == BookingStatus::Confirmed {
            self.booking_sell(&txn, &show, &booking, &seats, Vec::new(), &cause).await?
        } else {
            self.booking_end(&txn, &show, &booking, &seats, End { to, paid: None, cause }).await?
        };
        txn.commit().await?;
        outbox::wake(SCHEMA);
        self.announce(&settled, &seat_numbers(&seats)).await;
        Ok(settled)
    }
}

/// The payment as a provider's message describes it.
pub(super) fn captured(paid: &PaymentSucceeded) -> Payment {
    Payment {
        id: payment_id(paid.booking_id.show(), &paid.provider_intent_id),
        booking: paid.booking_id,
        provider: paid.provider.clone(),
        intent: paid.provider_intent_id.clone(),
        client_secret: None,
        status: PaymentStatus::Succeeded,
        amount: paid.amount,
    }
}
