//! `Hold`, and why there is none.

use std::fmt::Write;

use async_graphql::{ID, Result, SimpleObject};
use chrono::{DateTime, Utc};
use graphql_kit::{
    ApiError, AssumedSize, MoneyObject, SeatKind,
    user_error::{ConflictError, InvalidInputError, LimitExceededError, NotAllowedError, NotFoundError},
};
use kernel::seating::seat_id;

use super::user_error::{
    ChallengeFailedError, ChallengeRequiredError, HoldExpiredError, ShowClosedError, UserError, invalid_key,
};
use crate::app::App;
use crate::app::seats::{HoldRefusal, Limit, SeatsError};
use crate::domain::{
    hold::{Hold, HoldEnd},
    pricing::{self, Rates},
    seats::ChoiceError,
    show,
};
use crate::graphql::query::show_seats::Show;

/// How many labels a message names.
const NAMED: usize = 5;

/// A temporary claim to seats of one show.
#[derive(SimpleObject)]
#[graphql(name = "Hold")]
pub struct HoldObject {
    /// Opaque, starts with `hold_`.
    pub id: ID,
    /// When the seats become free again, unless they are checked out before.
    pub expires_at: DateTime<Utc>,
    /// For which show.
    pub show: Option<Show>,
    /// The seats, in the order of the layout.
    #[graphql(directive = AssumedSize::apply(10))]
    pub seats: Vec<HeldSeat>,
    /// What they cost now, with fees and tax; a checkout locks it.
    pub total: MoneyObject,
    /// The live seat map was away when the hold was given. It is worth as much as any other.
    pub degraded: bool,
}

/// A seat of a hold.
#[derive(SimpleObject)]
pub struct HeldSeat {
    /// The same id as in the layout of the screen.
    pub id: ID,
    /// What people call it: `A5`.
    pub label: String,
    /// What it is like.
    pub kind: SeatKind,
    /// What it costs now, before fee and tax.
    pub price: MoneyObject,
}

impl HoldObject {
    /// The hold as its owner sees it.
    pub(crate) fn new(show: &show::Show, hold: &Hold, rates: Rates) -> Result<Self> {
        let quote = pricing::quote(show, &hold.seats, rates).map_err(|error| ApiError::internal(&error))?;
        Ok(Self {
            id: ID(hold.id.to_string()),
            expires_at: hold.expires_at,
            show: Some(Show(show.id)),
            total: quote.total.into(),
            degraded: hold.is_durable(),
            seats: quote
                .lines
                .into_iter()
                .map(|line| HeldSeat {
                    id: ID(seat_id(show.screen_id, line.seat_no).to_string()),
                    label: line.label,
                    kind: line.kind.into(),
                    price: line.price.into(),
                })
                .collect(),
        })
    }
}

/// Somebody else has the seats.
#[derive(Debug, Clone, SimpleObject)]
pub struct SeatsUnavailableError {
    /// What is wrong and what to do, in words for a person.
    pub message: String,
    /// The same for a program: stable, in upper case.
    pub code: String,
    /// Where in the mutation's arguments, from the outside in.
    pub path: Option<Vec<String>>,
    /// Those of the wanted seats that are taken; none when the best seats were wanted.
    pub seat_ids: Vec<ID>,
    /// Seats that were free at that moment instead, the best first.
    #[graphql(directive = AssumedSize::apply(3))]
    pub alternatives: Vec<SeatAlternative>,
}

/// As many seats as were wanted, elsewhere.
#[derive(Debug, Clone, SimpleObject)]
pub struct SeatAlternative {
    /// The seats, in the order of the layout.
    pub seat_ids: Vec<ID>,
}

impl SeatsUnavailableError {
    /// These seats have another owner since the hold.
    pub(crate) fn taken(show: &show::Show, seats: &[u16]) -> Self {
        let message = format!("{} taken; choose others", named(show, seats));
        Self::new(show, message, &["input", "holdId"], seats, &[])
    }

    fn new(
        show: &show::Show,
        message: String,
        path: &[&str],
        seats: &[u16],
        alternatives: &[Vec<u16>],
    ) -> Self {
        let ids = |seats: &[u16]| {
            seats.iter().map(|seat| ID(seat_id(show.screen_id, *seat).to_string())).collect::<Vec<_>>()
        };
        Self {
            message,
            code: "SEATS_UNAVAILABLE".to_owned(),
            path: Some(path.iter().map(|part| (*part).to_owned()).collect()),
            seat_ids: ids(seats),
            alternatives: alternatives.iter().map(|seats| SeatAlternative { seat_ids: ids(seats) }).collect(),
        }
    }
}

/// `A5 is`, or `A5, A6 and 3 more are`.
fn named(show: &show::Show, seats: &[u16]) -> String {
    let labels: Vec<String> = seats.iter().take(NAMED).filter_map(|seat| show.layout.label(*seat)).collect();
    let mut text = labels.join(", ");
    if seats.len() > NAMED {
        // Writing to a string cannot fail.
        let _ = write!(text, " and {} more", seats.len() - NAMED);
    }
    text + if seats.len() == 1 { " is" } else { " are" }
}

/// What a client sees of a refusal: data, or a top-level error when nothing could be found out.
/// `show` is what the seats of the refusal belong to.
pub(crate) fn refusal(app: &App, refusal: HoldRefusal, show: Option<&show::Show>) -> Result<UserError> {
    Ok(match refusal {
        HoldRefusal::InvalidKey { .. } => invalid_key(),
        HoldRefusal::Choice(error) => choice(error),
        HoldRefusal::InvalidQuantity { max } => {
            InvalidInputError::new(format!("quantity must be from 1 to {max}"))
                .at(&["input", "quantity"])
                .into()
        }
        HoldRefusal::UnknownShow => no_such_show(),
        HoldRefusal::ShowCancelled => {
            ShowClosedError::new("the show is cancelled").at(&["input", "showId"]).into()
        }
        HoldRefusal::ShowStarted => ShowClosedError::new("the show has begun; its seats are no longer sold")
            .at(&["input", "showId"])
            .into(),
        HoldRefusal::SeatsUnavailable { seats, alternatives } => match show {
            Some(show) if seats.is_empty() => SeatsUnavailableError::new(
                show,
                "there are not so many free seats side by side; choose fewer, or others".to_owned(),
                &["input", "quantity"],
                &seats,
                &alternatives,
            )
            .into(),
            Some(show) => SeatsUnavailableError::new(
                show,
                format!("{} taken; choose others", named(show, &seats)),
                &["input", "seatIds"],
                &seats,
                &alternatives,
            )
            .into(),
            None => no_such_show(),
        },
        HoldRefusal::KeyReused => ConflictError::idempotency_key_reused().into(),
        HoldRefusal::Limit(limit) => LimitExceededError::new(match limit {
            Limit::Seats { max } => {
                format!("you can hold {max} seats at a time; release some, or check out first")
            }
            Limit::Shows { max } => {
                format!("you can hold seats of {max} shows at a time; release some, or check out first")
            }
            Limit::Allotment { max } => allotment_message(max),
            Limit::Life { minutes } => {
                format!("seats can be held for {minutes} minutes in all; check out now")
            }
        })
        .into(),
        HoldRefusal::Gone(HoldEnd::Consumed) => {
            NotAllowedError::new("the hold became a booking at checkout; see the booking").into()
        }
        HoldRefusal::Gone(HoldEnd::Lost) => HoldExpiredError::new(
            "the hold has ended, because some of its seats were sold; choose seats again",
        )
        .into(),
        HoldRefusal::Gone(HoldEnd::Released | HoldEnd::Expired) => {
            HoldExpiredError::new("the hold has ended; choose seats again, with a new idempotencyKey").into()
        }
        HoldRefusal::NotFound => no_such_hold(),
        HoldRefusal::Forbidden => return Err(ApiError::forbidden(refusal.to_string()).into()),
        HoldRefusal::ChallengeRequired => ChallengeRequiredError::new(
            "seats of this show are for people: solve a challenge, and send its token as challengeToken",
            app.challenge_site_key(),
        )
        .into(),
        HoldRefusal::ChallengeFailed => ChallengeFailedError::new(
            "the challengeToken is wrong, too old, or was used before; solve another challenge",
            app.challenge_site_key(),
        )
        .into(),
        HoldRefusal::ChallengeUnjudged(error) => {
            return Err(ApiError::unavailable("the check of challenges", &error).into());
        }
        HoldRefusal::Failed(error) => return Err(failure(&error)),
    })
}

/// What an API key is told that has all that it may have.
pub(crate) fn allotment_message(max: u32) -> String {
    format!("the allotment of this API key is {max} seats of a show, held and booked together")
}

/// What a client sees when seats could not be read or changed at all.
pub(crate) fn failure(error: &SeatsError) -> async_graphql::Error {
    if error.is_unavailable() {
        ApiError::unavailable("the seat map", error).into()
    } else {
        ApiError::internal(error).into()
    }
}

fn choice(error: ChoiceError) -> UserError {
    InvalidInputError::new(error.to_string()).at(&["input", "seatIds"]).into()
}

/// There is no show of that id.
pub(crate) fn no_such_show() -> UserError {
    NotFoundError::new("there is no such show").at(&["input", "showId"]).into()
}

/// The caller has no hold of that id.
pub(crate) fn no_such_hold() -> UserError {
    NotFoundError::new("you have no such hold").at(&["input", "holdId"]).into()
}
