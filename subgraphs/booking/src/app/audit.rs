//! The audit trail, for those who answer for what happened.

use std::sync::Arc;

use graphql_kit::{Identity, Role};
use kernel::{BookingId, SeatId, ShowId, seating};
use sea_orm::DatabaseConnection;

use super::{App, AppError};
use crate::domain::audit::Recorded;
use crate::domain::reference::Reference;
use crate::domain::show::Show;
use crate::store::audit::{AuditFilter, audit_count, audit_list};
use crate::store::bookings::booking_list_by_reference;
use crate::store::shows::show_get;

/// Those who may read it.
const AUDITORS: [Role; 2] = [Role::Manager, Role::Admin];

/// A page of the audit trail.
#[derive(Debug, Clone, Copy)]
pub struct AuditQuery {
    /// Of which show; follows from the booking.
    pub show: Option<ShowId>,
    /// Only of this booking.
    pub booking: Option<BookingId>,
    /// Only what is about this seat.
    pub seat: Option<SeatId>,
    /// Only what came before the entry of this number.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u64,
}

/// Entries, newest first.
#[derive(Debug)]
pub struct AuditPage {
    /// Each with the show that it is about.
    pub entries: Vec<(Arc<Show>, Recorded)>,
    /// How many there are on all pages.
    pub total: i64,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The caller may not read it.
    #[error("the audit trail is for managers and admins")]
    Forbidden,
    /// Neither a show nor a booking was named.
    #[error("say which showId or bookingId")]
    NothingNamed,
    /// The booking is of another show.
    #[error("the booking is not of this show")]
    OtherShow,
    /// The seat is in another screen.
    #[error("the seat is not of this show")]
    OtherScreen,
    /// It could not be read.
    #[error(transparent)]
    App(#[from] AppError),
}

impl App {
    /// A page of the audit trail of a show or a booking, newest first.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn audit_trail(&self, caller: &Identity, query: &AuditQuery) -> Result<AuditPage, AuditError> {
        if !caller.has_any(&AUDITORS) {
            return Err(AuditError::Forbidden);
        }
        let AuditQuery { booking, seat, before, limit, .. } = *query;
        let show = match (query.show, booking.map(BookingId::show)) {
            (None, None) => return Err(AuditError::NothingNamed),
            (Some(show), Some(other)) if show != other => return Err(AuditError::OtherShow),
            (Some(show), _) | (None, Some(show)) => show,
        };
        let show = match self.show(show).await {
            Ok(show) => show,
            Err(AppError::UnknownShow(_)) => {
                return Ok(AuditPage { entries: Vec::new(), total: 0 });
            }
            Err(error) => return Err(error.into()),
        };
        let seat = seat
            .map(|seat| {
                seating::seat_index(show.screen_id, seat)
                    .filter(|seat| show.layout.seat(*seat).is_some())
                    .ok_or(AuditError::OtherScreen)
            })
            .transpose()?;
        let filter = AuditFilter { show: show.id, booking, seat };
        let (entries, total) = page(&self.deps.pg, filter, before, limit).await?;
        let entries = entries.into_iter().map(|entry| (Arc::clone(&show), entry)).collect();
        Ok(AuditPage { entries, total })
    }
}

/// What an operator wants to read.
#[derive(Debug, Clone, Copy)]
pub struct OperatorQuery<'a> {
    /// Of which show.
    pub show: ShowId,
    /// Only of this booking of it.
    pub booking: Option<BookingId>,
    /// Only what is about the seat with this label, such as `A5`.
    pub seat: Option<&'a str>,
    /// How many at most, the newest.
    pub limit: u64,
}

/// What an operator reads.
#[derive(Debug)]
pub struct OperatorPage {
    /// The show.
    pub show: Show,
    /// Entries, newest first.
    pub entries: Vec<Recorded>,
    /// How many there are.
    pub total: i64,
}

/// Why an operator reads nothing.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Booking knows no such show.
    #[error("there is no {0}")]
    UnknownShow(ShowId),
    /// The show has no seat of this label.
    #[error("the show has no seat `{0}`")]
    UnknownSeat(String),
    /// It could not be read.
    #[error(transparent)]
    App(#[from] AppError),
}

/// The audit trail for somebody with a shell, who may read everything; it needs the database only.
///
/// # Errors
/// [`OperatorError`].
pub async fn audit_read(
    pg: &DatabaseConnection,
    query: &OperatorQuery<'_>,
) -> Result<OperatorPage, OperatorError> {
    let show = show_get(pg, query.show).await.map_err(AppError::from)?;
    let show = show.ok_or(OperatorError::UnknownShow(query.show))?;
    let seat = query.seat.map(|label| seat_of(&show, label)).transpose()?;
    let filter = AuditFilter { show: show.id, booking: query.booking, seat };
    let (entries, total) = page(pg, filter, None, query.limit).await?;
    Ok(OperatorPage { show, entries, total })
}

/// The bookings with this reference: one, or in rare cases one of each of several shows.
///
/// # Errors
/// [`OperatorError`].
pub async fn bookings_with_reference(
    pg: &DatabaseConnection,
    reference: &Reference,
) -> Result<Vec<BookingId>, OperatorError> {
    Ok(booking_list_by_reference(pg, reference).await.map_err(AppError::from)?)
}

fn seat_of(show: &Show, label: &str) -> Result<u16, OperatorError> {
    let mut seats = show.layout.seats().iter().map(|seat| seat.index);
    seats
        .find(|seat| show.layout.label(*seat).is_some_and(|name| name.eq_ignore_ascii_case(label)))
        .ok_or_else(|| OperatorError::UnknownSeat(label.to_owned()))
}

async fn page(
    pg: &DatabaseConnection,
    filter: AuditFilter,
    before: Option<i64>,
    limit: u64,
) -> Result<(Vec<Recorded>, i64), AppError> {
    Ok((audit_list(pg, filter, before, limit).await?, audit_count(pg, filter).await?))
}
