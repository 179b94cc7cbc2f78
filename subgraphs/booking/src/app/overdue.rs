//! What the provider says about the money for claims whose time is over.
//!
//! Each payment that the provider is not working on is called off, and then the provider says that it can
//! never be made, or that it was made. Whether it is being made is asked first, whatever we have heard: that
//! an attempt failed says nothing about the next one. Nothing of that happens in a transaction, and nothing
//! of it is written here: what was said is true of one version of a booking, and [`super::expire`] acts upon
//! it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use kernel::{BookingId, PaymentId};
use platform::faults::{mutant, reach};
use tokio::time::timeout;

use super::{App, AppError};
use crate::domain::booking::Booking;
use crate::domain::payment::{IntentStatus, Payment, PaymentStatus};
use crate::store::bookings::booking_list;
use crate::store::payments::{Revision, payment_list_revised};

/// Claims about which the provider is asked at the same time.
const ASKED_AT_ONCE: usize = 32;

/// An overdue claim, and what becomes of it.
pub(super) struct Asked {
    pub(super) booking: BookingId,
    /// The version of the booking that this is about.
    pub(super) version: i64,
    pub(super) answer: Answer,
}

/// What becomes of an overdue claim.
pub(super) enum Answer {
    /// It ends: no money will come, or it was waited for as long as can be. These payments were called
    /// off.
    Ends(Vec<PaymentId>),
    /// It goes on, as money may come.
    GoesOn(Why),
}

/// Why money may come for a claim that is over.
#[derive(Clone, Copy)]
pub(super) enum Why {
    /// The provider is working on this payment, which we had in this version before it was asked.
    Processing(PaymentId, Revision),
    /// The provider has it; that it does is on its way to us.
    Paid,
    /// The provider could not be asked, or did not say.
    Unknown,
}

impl Why {
    /// For metrics and logs.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Processing(..) => "processing",
            Self::Paid => "paid",
            Self::Unknown => "unknown",
        }
    }
}

impl App {
    /// Asks the provider about those of these bookings that are overdue; about each for at most `wait`.
    pub(super) async fn claims_ask(&self, ids: &[BookingId], wait: Duration) -> Result<Vec<Asked>, AppError> {
        // First the bookings: of a payment that is recorded after it nobody is told how to pay it, unless
        // the claim goes on meanwhile, and then what was said is of an old version.
        let mut bookings = booking_list(&self.deps.pg, ids).await?;
        bookings.retain(Booking::is_overdue);
        let ids: Vec<BookingId> = bookings.iter().map(|booking| booking.id).collect();
        let mut payments: BTreeMap<BookingId, Vec<(Payment, Revision)>> = BTreeMap::new();
        for (payment, revision) in payment_list_revised(&self.deps.pg, &ids).await? {
            payments.entry(payment.booking).or_default().push((payment, revision));
        }
        let (step, limit) = self.config.claim_extension();
        let ask = async |booking: &Booking| {
            let payments = payments.get(&booking.id).map_or(&[][..], Vec::as_slice);
            let asks = !mutant("claims_end_unasked");
            let answer = if asks && booking.extend(step, limit).is_some() {
                timeout(wait, self.claim_ask(payments)).await.unwrap_or(Answer::GoesOn(Why::Unknown))
            } else {
                Answer::Ends(Vec::new())
            };
            Asked { booking: booking.id, version: booking.version, answer }
        };
        let asked = stream::iter(&bookings).map(ask).buffer_unordered(ASKED_AT_ONCE).collect().await;
        reach("expire.asked").await;
        Ok(asked)
    }

    async fn claim_ask(&self, payments: &[(Payment, Revision)]) -> Answer {
        let mut called_off = Vec::new();
        for (payment, revision) in payments {
            match self.payment_ask(payment).await {
                Ok(IntentStatus::Cancelled) => called_off.push(payment.id),
                Ok(IntentStatus::Succeeded) => return Answer::GoesOn(Why::Paid),
                Ok(IntentStatus::Processing) => {
                    return Answer::GoesOn(Why::Processing(payment.id, *revision));
                }
                Ok(IntentStatus::RequiresPayment) => return Answer::GoesOn(Why::Unknown),
                Err(error) => {
                    tracing::warn!(payment = %payment.id, %error, "not known whether it is paid");
                    return Answer::GoesOn(Why::Unknown);
                }
            }
        }
        Answer::Ends(called_off)
    }

    async fn payment_ask(&self, payment: &Payment) -> Result<IntentStatus, AppError> {
        match payment.status {
            PaymentStatus::Cancelled => Ok(IntentStatus::Cancelled),
            PaymentStatus::Succeeded => Ok(IntentStatus::Succeeded),
            PaymentStatus::RequiresPayment | PaymentStatus::Processing | PaymentStatus::Failed => {
                self.intent_call_off(payment).await
            }
        }
    }
}
