//! Events as booking tells them, for tests.

use events::booking::{
    BookingCancelled, BookingConfirmed, BookingFacts, BookingRefunded, RefundCause, SeatLine, ShowFacts,
    TicketFacts,
};
use kernel::{BookingId, Currency, Id, Money, SeatKind, ShowId, TicketId, UserId};
use uuid::Uuid;

const SHOW: ShowId = Id::from_uuid(Uuid::from_u128(0x7000));

fn euros(cents: i64) -> Money {
    Money::new(cents, Currency::EUR)
}

pub fn user(number: u128) -> UserId {
    Id::from_uuid(Uuid::from_u128(number))
}

fn facts(user_id: UserId) -> BookingFacts {
    let seat = |index: u16| SeatLine {
        index,
        seat_id: Id::from_uuid(Uuid::from_u128(index.into())),
        label: format!("A{}", index + 1),
        kind: SeatKind::Regular,
        price: euros(1_250),
    };
    BookingFacts {
        booking_id: BookingId::new(SHOW, 42),
        user_id,
        version: 2,
        reference: "MQ-7F3K".to_owned(),
        seats: vec![seat(4), seat(5)],
        total: euros(2_500),
    }
}

fn show() -> ShowFacts {
    ShowFacts {
        title: "Frühling <in> Wien & Graz".to_owned(),
        theater_name: "Gartenbaukino".to_owned(),
        screen_name: "Saal 1".to_owned(),
        starts_at: "2026-06-06T17:30:00Z".parse().unwrap(),
        time_zone: "Europe/Vienna".to_owned(),
    }
}

pub fn confirmed(user_id: UserId) -> BookingConfirmed {
    let ticket = |local: u64, seat: &str| TicketFacts {
        ticket_id: TicketId::new(SHOW, local),
        seat_label: seat.to_owned(),
        code: format!("MQ1.{seat}.{}", "c0ffee".repeat(20)),
    };
    BookingConfirmed {
        booking: facts(user_id),
        show: show(),
        tickets: vec![ticket(1, "A5"), ticket(2, "A6")],
        replaced: Vec::new(),
    }
}

pub fn cancelled(user_id: UserId, cause: RefundCause, refund: Option<i64>) -> BookingCancelled {
    BookingCancelled { booking: facts(user_id), show: show(), refund: refund.map(euros), cause }
}

pub fn refunded(user_id: UserId, cause: RefundCause) -> BookingRefunded {
    BookingRefunded { booking: facts(user_id), show: show(), refund: euros(123_450), cause }
}
