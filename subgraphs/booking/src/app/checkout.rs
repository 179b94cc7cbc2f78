//! Checkout: a hold becomes a pending booking that owns its seats, and a payment is created.
//!
//! * Twice at once, or repeated after a lost answer: the idempotency key and the hold are unique,
//!   so one transaction makes the booking and everybody gets that one.
//! * The process dies after the commit: the booking stands; `booking.pending` is in the outbox
//!   and tells Redis; the buyer's repeat creates the payment, or the claim expires.
//! * The process dies after the payment was created: the repeat asks the provider with the same
//!   key, the booking's id, and gets the same payment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::DateTime;
use events::booking::BookingPending;
use graphql_kit::{Identity, Scope};
use kernel::{BookingId, HoldId};
use platform::faults::{mutant, reach};
use sea_orm::TransactionTrait;

use super::allotment::has_room;
use super::facts::{booking_facts, show_facts};
use super::seats::count_ended;
use super::{App, AppError};
use crate::domain::audit::{Actor, Reason};
use crate::domain::booking::{BookedSeat, Booking, BookingStatus};
use crate::domain::hold::{HoldEnd, is_durable};
use crate::domain::payment::Payment;
use crate::domain::pricing::{self, Quote};
use crate::domain::reference::Reference;
use crate::domain::show::Show;
use crate::store::allocations::{Owner, allocation_owners};
use crate::store::booking_seats::booking_seats;
use crate::store::checkout::{
    Inserted, NewBooking, booking_find_of_hold, booking_insert, checkout_key_get, checkout_key_use,
};
use crate::store::holds::hold_consume;

/// Attempts at the insert: each further one follows a collision or a claim that was just ended.
const ATTEMPTS: usize = 4;
/// The longest idempotency key that is taken, in bytes.
pub const MAX_KEY: usize = 255;

/// Can this be an idempotency key? Control characters are no part of one: PostgreSQL does not
/// store all of them.
pub(crate) fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && !key.chars().any(char::is_control)
}

/// Who wants to check out what.
#[derive(Debug, Clone)]
pub struct CheckoutRequest {
    /// The buyer.
    pub who: Identity,
    /// What they hold.
    pub hold: HoldId,
    /// The client's key for this checkout.
    pub idempotency_key: String,
    /// Do equivalent seats do when a payment comes too late for these? Once there is a booking, it
    /// goes by what the checkout said that made it.
    pub accept_equivalent: bool,
}

/// A booking that waits for (or already has) its payment.
#[derive(Debug, Clone)]
pub struct CheckedOut {
    /// The booking.
    pub booking: Booking,
    /// How to pay for it.
    pub payment: PaymentState,
}

/// How a booking can be paid.
#[derive(Debug, Clone)]
pub enum PaymentState {
    /// At the provider, with this payment.
    Ready(Box<Payment>),
    /// There is nothing to pay, or the booking no longer waits for a payment.
    NotNeeded,
    /// The provider is away. The seats stay claimed; the same checkout again creates the payment.
    Unavailable,
}

/// Why there is no booking.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The idempotency key is empty, too long or has control characters.
    #[error("not an idempotency key")]
    InvalidKey,
    /// The caller may not book.
    #[error("this API key may not book")]
    Forbidden,
    /// The account of the API key would have too many seats of the show.
    #[error("the allotment of the API key is {max} seats of a show")]
    OverAllotment {
        /// How many it may have.
        max: u32,
    },
    /// The caller has no such hold.
    #[error("no such hold")]
    HoldNotFound,
    /// The hold has ended.
    #[error("the hold has expired")]
    HoldExpired,
    /// The show was cancelled or has begun.
    #[error("the show is closed")]
    ShowClosed,
    /// Others own some of the seats.
    #[error("seats are taken")]
    SeatsTaken {
        /// The show.
        show: Arc<Show>,
        /// Which seats, ascending.
        seats: Vec<u16>,
    },
    /// The key was used for another checkout.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// It could not be carried out.
    #[error(transparent)]
    App(#[from] AppError),
}

impl App {
    /// Turns a hold into a pending booking and creates its payment.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub async fn checkout(&self, request: &CheckoutRequest) -> Result<CheckedOut, CheckoutError> {
        let outcome = self.checkout_inner(request).await;
        let label = match &outcome {
            // Counted when it was first answered.
            Ok((_, false)) => "repeated",
            Ok((CheckedOut { payment: PaymentState::Unavailable, .. }, true)) => "payment_unavailable",
            Ok((_, true)) => "ok",
            Err(CheckoutError::App(_)) => "error",
            Err(CheckoutError::SeatsTaken { .. }) => "seats_taken",
            Err(CheckoutError::HoldExpired) => "hold_expired",
            Err(_) => "refused",
        };
        metrics::counter!("booking_checkouts_total", "outcome" => label).increment(1);
        outcome.map(|(checked_out, _)| checked_out)
    }

    /// The booking, and whether this request made it.
    async fn checkout_inner(&self, request: &CheckoutRequest) -> Result<(CheckedOut, bool), CheckoutError> {
        if !request.who.may(Scope::BookingsWrite) {
            return Err(CheckoutError::Forbidden);
        }
        if !is_key(&request.idempotency_key) {
            return Err(CheckoutError::InvalidKey);
        }
        let hold = self.hold_get(request.hold).await;
        reach("checkout.hold_read").await;
        let (booking, is_new) = match hold {
            Ok(Some(hold)) if hold.owner != request.who.user_id && !mutant("ignore_hold_token") => {
                return Err(CheckoutError::HoldNotFound);
            }
            // Whether its time is over is decided by whoever keeps it, by their clock.
            Ok(Some(hold)) => self.place(request, &hold.seats).await?,
            Ok(_) => (self.earlier(request).await?.ok_or(CheckoutError::HoldExpired)?, false),
            // Without who keeps the hold nobody can begin a checkout, but whoever has begun one can
            // go on.
            Err(error) if error.is_unavailable() => (self.earlier(request).await?.ok_or(error)?, false),
            Err(error) => return Err(error.into()),
        };
        if booking.total.minor() == 0 && booking.status == BookingStatus::PendingPayment {
            let booking = self.booking_confirm_free(booking.id).await?;
            return Ok((CheckedOut { booking, payment: PaymentState::NotNeeded }, is_new));
        }
        match self.payment_ensure(booking.clone(), is_new).await {
            Ok(checked_out) => Ok((checked_out, is_new)),
            // The booking is committed: an error would tell the buyer that there is none.
            Err(error) => {
                tracing::error!(booking = %booking.id, %error, "what became of its payment is not known");
                Ok((CheckedOut { booking, payment: PaymentState::Unavailable }, is_new))
            }
        }
    }

    /// Makes the booking, or finds the one that this key or hold made.
    async fn place(
        &self,
        request: &CheckoutRequest,
        seats: &[u16],
    ) -> Result<(Booking, bool), CheckoutError> {
        let show = self.show(request.hold.show()).await?;
        let rates = self.config.pricing.rates();
        let quote = pricing::quote(&show, seats, rates).map_err(AppError::from)?;
        for _ in 0..ATTEMPTS {
            if !show.is_open(self.deps.clock.now()) {
                return match self.earlier(request).await? {
                    Some(booking) => Ok((booking, false)),
                    None => Err(CheckoutError::ShowClosed),
                };
            }
            let drawn = self.draw_booking(request, &quote);
            let seats = booked_seats(&quote);
            let event = self.envelope(&BookingPending {
                booking: booking_facts(&show, &drawn, &seats),
                show: show_facts(&show),
                expires_at: drawn.expires_at,
            })?;
            let new = NewBooking {
                booking: &drawn,
                claim_ttl: self.config.claim_ttl(),
                seats: &seats,
                idempotency_key: &request.idempotency_key,
                event: &event,
                cause: &Actor::User(request.who.user_id).because(Reason::Checkout),
            };
            reach("checkout.priced").await;
            let Some(inserted) = self.booking_place(&request.who, &new).await? else {
                let max = request.who.grant.as_ref().map_or(0, |grant| grant.seats_per_show);
                let earlier = self.earlier(request).await?;
                return earlier.map(|booking| (booking, false)).ok_or(CheckoutError::OverAllotment { max });
            };
            match inserted {
                Inserted::Done { created_at, expires_at } => {
                    let (updated_at, read_at) = (created_at, created_at);
                    let booking = Booking { expires_at, created_at, updated_at, read_at, ..drawn };
                    tracing::info!(booking = %booking.id, seats = seats.len(), "booking pending");
                    count_ended(HoldEnd::Consumed, 1);
                    reach("checkout.inserted").await;
                    self.announce(&booking, &seat_numbers(&seats)).await;
                    reach("checkout.announced").await;
                    return Ok((booking, true));
                }
                Inserted::Collision => {}
                Inserted::HoldEnded => {
                    let earlier = self.earlier(request).await?;
                    return earlier.map(|booking| (booking, false)).ok_or(CheckoutError::HoldExpired);
                }
                Inserted::Earlier | Inserted::SeatsTaken => {
                    if let Some(booking) = self.earlier(request).await? {
                        return Ok((booking, false));
                    }
                    self.clear_overdue(&show, &seat_numbers(&seats)).await?;
                }
            }
        }
        let seats = quote.lines.iter().map(|line| line.seat_no).collect();
        Err(CheckoutError::SeatsTaken { show, seats })
    }

    /// Writes the booking: with new claims to its seats, or with those that its durable hold has.
    /// Nothing when that is more than the allotment of an API key.
    async fn booking_place(
        &self,
        who: &Identity,
        new: &NewBooking<'_>,
    ) -> Result<Option<Inserted>, AppError> {
        let durable = is_durable(new.booking.hold);
        let txn = match &who.grant {
            None if !durable => return Ok(Some(booking_insert(&self.deps.pg, new).await?)),
            None => self.deps.pg.begin().await?,
            Some(grant) => {
                let txn = self.begin_alone(who.user_id).await?;
                if !has_room(&txn, grant, new).await? {
                    txn.rollback().await?;
                    return Ok(None);
                }
                reach("checkout.allotted").await;
                txn
            }
        };
        if durable {
            if !hold_consume(&txn, new.booking.hold, new.booking.id, new.cause).await? {
                txn.rollback().await?;
                return Ok(Some(Inserted::HoldEnded));
            }
            reach("durable_checkout.consumed").await;
        }
        // Between the two nobody can take the seats: whoever tries waits for our end.
        let inserted = booking_insert(&txn, new).await?;
        if matches!(inserted, Inserted::Done { .. }) {
            reach("durable_checkout.inserted").await;
            txn.commit().await?;
        } else {
            txn.rollback().await?;
        }
        Ok(Some(inserted))
    }

    /// Ends overdue claims to these seats, and durable holds, so that they can be taken over.
    /// Refuses those that others have, and tells Redis of the owners.
    ///
    /// They end in a transaction of their own: it takes locks in the order booking, seats, as all
    /// others do, whereas taking over in the same transaction would not, and could deadlock.
    async fn clear_overdue(&self, show: &Arc<Show>, seats: &[u16]) -> Result<(), CheckoutError> {
        let owners = allocation_owners(&self.deps.pg, show.id, seats).await.map_err(AppError::from)?;
        let all: Vec<Owner> = owners.iter().map(|(_, owner)| *owner).collect();
        let ended = self.owners_end_overdue(show, &all, Actor::system("checkout")).await?;
        let taken: BTreeMap<u16, Owner> =
            owners.into_iter().filter(|(_, owner)| !ended.contains(owner)).collect();
        if taken.is_empty() {
            return Ok(());
        }
        // Redis let them be held, so it lost what it was told (a failover does that), or was not told
        // yet. Told again, it breaks the hold up, and nobody else runs into this.
        for owner in taken.values().copied().collect::<BTreeSet<_>>() {
            let told = match owner {
                Owner::Booking(booking) => self.booking_sync(booking).await,
                Owner::Hold(hold) => self.hold_sync(hold).await,
            };
            if let Err(error) = told {
                tracing::warn!(?owner, %error, "Redis shows seats as free that are not");
            }
        }
        Err(CheckoutError::SeatsTaken { show: Arc::clone(show), seats: taken.into_keys().collect() })
    }

    /// The booking that an earlier checkout of this hold made, whatever its key was: the key of this one
    /// is used for it from now on, too. Without a booking no key is used.
    async fn earlier(&self, request: &CheckoutRequest) -> Result<Option<Booking>, CheckoutError> {
        let (pg, CheckoutRequest { who, hold, idempotency_key: key, .. }) = (&self.deps.pg, request);
        let found = booking_find_of_hold(pg, *hold).await.map_err(AppError::from)?;
        let used_for = match &found {
            Some(booking) if booking.user != who.user_id => return Err(CheckoutError::HoldNotFound),
            Some(_) => Some(checkout_key_use(pg, who.user_id, key, *hold).await),
            None => checkout_key_get(pg, who.user_id, key, hold.show()).await.transpose(),
        };
        if used_for.transpose().map_err(AppError::from)?.is_some_and(|used_for| used_for != *hold) {
            return Err(CheckoutError::KeyReused);
        }
        let Some(booking) = found else { return Ok(None) };
        if booking.status == BookingStatus::PendingPayment {
            // The first one may have died before it told Redis.
            let seats = booking_seats(&self.deps.pg, booking.id).await.map_err(AppError::from)?;
            self.announce(&booking, &seat_numbers(&seats)).await;
        }
        Ok(Some(booking))
    }

    fn draw_booking(&self, request: &CheckoutRequest, quote: &Quote) -> Booking {
        // Its times are PostgreSQL's, which tells them when it has the booking.
        let unknown = DateTime::UNIX_EPOCH;
        let ids = &self.deps.ids;
        Booking {
            id: BookingId::new(request.hold.show(), ids.local()),
            user: request.who.user_id,
            reference: Reference::from_random(ids.local()),
            status: BookingStatus::PendingPayment,
            version: 1,
            hold: request.hold,
            accepts_equivalent: request.accept_equivalent,
            subtotal: quote.subtotal,
            fee: quote.fee,
            tax: quote.tax,
            total: quote.total,
            expires_at: unknown,
            created_at: unknown,
            updated_at: unknown,
            read_at: unknown,
        }
    }
}

fn booked_seats(quote: &Quote) -> Vec<BookedSeat> {
    quote
        .lines
        .iter()
        .map(|line| BookedSeat {
            seat_no: line.seat_no,
            label: line.label.clone(),
            kind: line.kind,
            price: line.price,
            fee: line.fee,
            tax: line.tax,
        })
        .collect()
}

/// The seats' numbers.
pub(crate) fn seat_numbers(seats: &[BookedSeat]) -> Vec<u16> {
    seats.iter().map(|seat| seat.seat_no).collect()
}
