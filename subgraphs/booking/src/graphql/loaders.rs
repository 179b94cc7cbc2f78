//! Batches what one request reads. Nothing is cached: a subscription is one long request, and has
//! to see what changes.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use graphql_kit::Batched;
use kernel::{BookingId, ShowId};

use crate::app::{App, AppError};
use crate::domain::booking::{BookedSeat, Booking};
use crate::domain::payment::{Payment, Refund};
use crate::domain::ticket::Ticket;
use crate::graphql::query::show_seats::AvailabilityLoader;

/// Declares a loader of what belongs to bookings.
macro_rules! by_booking {
    ($(#[$doc:meta])* $name:ident -> $value:ty, |$app:ident, $keys:ident| $load:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(super) struct $name(Arc<App>);

        impl Loader<BookingId> for $name {
            type Value = $value;
            type Error = Arc<AppError>;

            async fn load(
                &self,
                $keys: &[BookingId],
            ) -> Result<HashMap<BookingId, Self::Value>, Self::Error> {
                let $app = &self.0;
                let load = async { Ok::<_, AppError>($load) };
                load.await.map_err(Arc::new)
            }
        }
    };
}

by_booking!(
    /// Bookings by id.
    BookingLoader -> Booking, |app, keys| {
        let bookings = app.bookings(keys).await?;
        bookings.into_iter().map(|booking| (booking.id, booking)).collect()
    }
);

by_booking!(
    /// The seats of bookings.
    SeatLoader -> Vec<BookedSeat>, |app, keys| grouped(app.seats_of(keys).await?)
);

by_booking!(
    /// The payments of bookings.
    PaymentLoader -> Vec<Payment>, |app, keys| {
        let payments = app.payments_of(keys).await?;
        grouped(payments.into_iter().map(|payment| (payment.booking, payment)))
    }
);

by_booking!(
    /// The refunds of bookings.
    RefundLoader -> Vec<Refund>, |app, keys| {
        let refunds = app.refunds_of(keys).await?;
        grouped(refunds.into_iter().map(|refund| (refund.booking, refund)))
    }
);

by_booking!(
    /// The valid tickets of bookings.
    TicketLoader -> Vec<Ticket>, |app, keys| {
        let tickets = app.tickets_of(keys).await?;
        grouped(tickets.into_iter().map(|ticket| (ticket.booking, ticket)))
    }
);

fn grouped<T>(rows: impl IntoIterator<Item = (BookingId, T)>) -> HashMap<BookingId, Vec<T>> {
    let mut groups: HashMap<BookingId, Vec<T>> = HashMap::new();
    for (booking, row) in rows {
        groups.entry(booking).or_default().push(row);
    }
    groups
}

/// The loaders of one request.
pub(super) struct Loaders {
    pub bookings: Batched<BookingLoader, BookingId>,
    pub seats: Batched<SeatLoader, BookingId>,
    pub payments: Batched<PaymentLoader, BookingId>,
    pub refunds: Batched<RefundLoader, BookingId>,
    pub tickets: Batched<TicketLoader, BookingId>,
    pub availability: Batched<AvailabilityLoader, ShowId>,
}

impl Loaders {
    pub fn new(app: &Arc<App>) -> Self {
        Self {
            bookings: Batched::new(BookingLoader(Arc::clone(app))),
            seats: Batched::new(SeatLoader(Arc::clone(app))),
            payments: Batched::new(PaymentLoader(Arc::clone(app))),
            refunds: Batched::new(RefundLoader(Arc::clone(app))),
            tickets: Batched::new(TicketLoader(Arc::clone(app))),
            availability: Batched::new(AvailabilityLoader(Arc::clone(app))),
        }
    }
}
