//! `Booking`.

use async_graphql::{Context, Enum, ID, Object, Result};
use chrono::{DateTime, Utc};
use graphql_kit::{AssumedSize, Cost, MoneyObject, caller};

use super::booked_seat::BookedSeatObject;
use super::payment::PaymentObject;
use super::refund::RefundObject;
use super::ticket::TicketObject;
use crate::domain::booking;
use crate::graphql::error::{app, fault, shared_fault};
use crate::graphql::loaders::Loaders;
use crate::graphql::query::show_seats::Show;

/// Where a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "booking::BookingStatus")]
pub enum BookingStatus {
    /// The seats are claimed until `expiresAt`; it is not paid yet.
    PendingPayment,
    /// Paid, with tickets.
    Confirmed,
    /// Called off; a refund may be on its way.
    Cancelled,
    /// Called off, or paid too late, and the money went back.
    Refunded,
    /// Not paid in time.
    Expired,
    /// Its payment cannot succeed any more.
    Failed,
}

/// Seats of one show for one buyer.
pub struct BookingObject(pub booking::Booking);

impl BookingObject {
    async fn seat_objects(&self, ctx: &Context<'_>) -> Result<Vec<BookedSeatObject>> {
        let show = app(ctx)?.show_of(self.0.id).await.map_err(fault)?;
        let seats = ctx.data::<Loaders>()?.seats.load_one(self.0.id).await.map_err(|e| shared_fault(&e))?;
        Ok(seats.iter().flatten().map(|seat| BookedSeatObject::new(&show, seat)).collect())
    }
}

/// Seats of one show for one buyer.
#[Object(name = "Booking")]
impl BookingObject {
    /// Opaque, starts with `booking_`.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The code to read out at the box office.
    async fn reference(&self) -> &str {
        self.0.reference.as_str()
    }

    /// Where it stands.
    async fn status(&self) -> BookingStatus {
        self.0.status.into()
    }

    /// Grows with each change of `status` or `expiresAt`: what has a lower version is older.
    async fn version(&self) -> i64 {
        self.0.version
    }

    /// Are equivalent seats booked instead, when the payment comes too late for these?
    async fn accepts_equivalent_seats(&self) -> bool {
        self.0.accepts_equivalent
    }

    /// Sum of the seats' prices.
    async fn subtotal(&self) -> MoneyObject {
        self.0.subtotal.into()
    }

    /// Sum of the booking fees.
    async fn fee(&self) -> MoneyObject {
        self.0.fee.into()
    }

    /// Sum of the taxes.
    async fn tax(&self) -> MoneyObject {
        self.0.tax.into()
    }

    /// What it costs in all.
    async fn total(&self) -> MoneyObject {
        self.0.total.into()
    }

    /// Until when the seats stay claimed without a payment, for now; null once it does not wait for one.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        (self.0.status == booking::BookingStatus::PendingPayment).then_some(self.0.expires_at)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When its status last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// For which show.
    async fn show(&self) -> Option<Show> {
        Some(Show(self.0.id.show()))
    }

    /// The seats, in the order of the layout; also of a booking that ended. Those that were booked, unless a
    /// late payment got equivalent ones.
    #[graphql(directive = Cost::apply(1), directive = AssumedSize::apply(10), complexity = "1 + 10 * child_complexity")]
    async fn seats(&self, ctx: &Context<'_>) -> Result<Vec<BookedSeatObject>> {
        self.seat_objects(ctx).await
    }

    /// A ticket for each seat of a confirmed booking.
    #[graphql(directive = Cost::apply(2), directive = AssumedSize::apply(10), complexity = "2 + 10 * child_complexity")]
    async fn tickets(&self, ctx: &Context<'_>) -> Result<Vec<TicketObject>> {
        let tickets =
            ctx.data::<Loaders>()?.tickets.load_one(self.0.id).await.map_err(|e| shared_fault(&e))?;
        let Some(tickets) = tickets.filter(|tickets| !tickets.is_empty()) else { return Ok(Vec::new()) };
        let show = app(ctx)?.show_of(self.0.id).await.map_err(fault)?;
        let seats = ctx.data::<Loaders>()?.seats.load_one(self.0.id).await.map_err(|e| shared_fault(&e))?;
        let seats = seats.unwrap_or_default();
        Ok(tickets
            .into_iter()
            .filter_map(|ticket| {
                let seat = seats.iter().find(|seat| seat.seat_no == ticket.seat_no)?;
                Some(TicketObject { seat: BookedSeatObject::new(&show, seat), ticket })
            })
            .collect())
    }

    /// How it is or was paid; for the buyer only.
    #[graphql(directive = Cost::apply(1))]
    async fn payment(&self, ctx: &Context<'_>) -> Result<Option<PaymentObject>> {
        if caller(ctx).user().is_none_or(|user| user.user_id != self.0.user) {
            return Ok(None);
        }
        let payments =
            ctx.data::<Loaders>()?.payments.load_one(self.0.id).await.map_err(|e| shared_fault(&e))?;
        let app = app(ctx)?;
        let waits = self.0.awaits_payment();
        Ok(payments.and_then(|mut payments| payments.pop()).map(|payment| {
            let payment = if waits { payment } else { payment.without_secret() };
            PaymentObject::new(payment, &app.config.payments)
        }))
    }

    /// What went or goes back, in order.
    #[graphql(directive = Cost::apply(1), directive = AssumedSize::apply(2))]
    async fn refunds(&self, ctx: &Context<'_>) -> Result<Vec<RefundObject>> {
        let refunds =
            ctx.data::<Loaders>()?.refunds.load_one(self.0.id).await.map_err(|e| shared_fault(&e))?;
        Ok(refunds.unwrap_or_default().into_iter().map(RefundObject::from).collect())
    }
}
