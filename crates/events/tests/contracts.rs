//! Pins the JSON of every event. A failing test here means that running readers would see
//! something else than they were written for: add a version instead of accepting the change.
#![expect(clippy::expect_used, reason = "a test may fail where it stands")]

use chrono::{DateTime, Utc};
use events::{
    Envelope, Event,
    booking::{
        BookingCancelled, BookingConfirmed, BookingExpired, BookingExtended, BookingFacts, BookingFailed,
        BookingPending, BookingRefunded, RefundCause, SeatLine, ShowFacts, TicketFacts,
    },
    payment::{PaymentFailed, PaymentProcessing, PaymentSucceeded, RefundRequested, RefundSettled},
    show::{KindPrice, ShowCancelled, ShowChanged, ShowScheduled, ShowSnapshot},
    user::{UserChanged, UserRegistered, UserSnapshot},
};
use kernel::{
    BookingId, Currency, Id, Money, PaymentId, RefundId, SeatKind, ShowId, TicketId, UserId, seating,
};
use uuid::Uuid;

fn id<K>(value: u128) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(value))
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

fn show() -> ShowId {
    id(1)
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

fn snapshot() -> ShowSnapshot {
    ShowSnapshot {
        show_id: show(),
        revision: 3,
        movie_id: id(2),
        title: "Metropolis".into(),
        theater_id: id(3),
        theater_name: "Lichtspiele".into(),
        screen_id: id(0x40000),
        screen_name: "Saal 1".into(),
        starts_at: time("2026-11-20T19:30:00Z"),
        ends_at: time("2026-11-20T22:03:00Z"),
        time_zone: "Europe/Berlin".into(),
        currency: Currency::EUR,
        layout: "A:RR_WC/B:PPPP".parse().expect("a layout"),
        blocked: vec![7],
        prices: vec![
            KindPrice { kind: SeatKind::Regular, minor: 1150 },
            KindPrice { kind: SeatKind::Premium, minor: 1400 },
        ],
    }
}

fn booking() -> BookingFacts {
    BookingFacts {
        booking_id: BookingId::new(show(), 5),
        user_id: UserId::from_uuid(Uuid::from_u128(6)),
        version: 2,
        reference: "K7QXMP".into(),
        seats: vec![SeatLine {
            index: 4,
            seat_id: seating::seat_id(id(0x40000), 4),
            label: "B1".into(),
            kind: SeatKind::Premium,
            price: eur(1400),
        }],
        total: eur(1400),
    }
}

fn facts() -> ShowFacts {
    ShowFacts {
        title: "Metropolis".into(),
        theater_name: "Lichtspiele".into(),
        screen_name: "Saal 1".into(),
        starts_at: time("2026-11-20T19:30:00Z"),
        time_zone: "Europe/Berlin".into(),
    }
}

/// Pins the envelope of `event` and shows that it can be read back.
fn pin<E: Event + PartialEq + std::fmt::Debug>(event: &E) {
    let envelope = Envelope::new(id(9), time("2026-11-20T12:00:00Z"), event).expect("an envelope");
    assert_eq!(&envelope.decode::<E>().expect("the event"), event);
    insta::assert_json_snapshot!(format!("{}.v{}", E::NAME, E::VERSION), envelope);
}

#[test]
fn shows() {
    pin(&ShowScheduled(snapshot()));
    pin(&ShowChanged(snapshot()));
    pin(&ShowCancelled { show_id: show(), revision: 4, reason: Some("The projector broke.".into()) });
}

#[test]
fn users() {
    let user = UserSnapshot {
        user_id: id(6),
        revision: 1,
        email: "a@example.org".into(),
        name: "A".into(),
        locale: "en".into(),
        time_zone: None,
    };
    pin(&UserRegistered(user.clone()));
    pin(&UserChanged(user));
}

#[test]
fn bookings() {
    pin(&BookingPending { booking: booking(), show: facts(), expires_at: time("2026-11-20T12:15:00Z") });
    pin(&BookingExtended { booking: booking(), show: facts(), expires_at: time("2026-11-20T12:17:00Z") });
    let ticket =
        TicketFacts { ticket_id: TicketId::new(show(), 7), seat_label: "B1".into(), code: "M1.abc".into() };
    let confirmed =
        BookingConfirmed { booking: booking(), show: facts(), tickets: vec![ticket], replaced: Vec::new() };
    pin(&confirmed);
    let moved = BookingConfirmed { replaced: vec!["A1".into()], ..confirmed };
    let envelope = Envelope::new(id(9), time("2026-11-20T12:00:00Z"), &moved).expect("an envelope");
    assert_eq!(envelope.body["replaced"], serde_json::json!(["A1"]));
    assert_eq!(envelope.decode::<BookingConfirmed>().expect("the event"), moved);
    pin(&BookingCancelled {
        booking: booking(),
        show: facts(),
        refund: Some(eur(700)),
        cause: RefundCause::Cancelled,
    });
    pin(&BookingExpired { booking: booking(), show: facts() });
    pin(&BookingFailed { booking: booking(), show: facts(), reason: "canceled".into() });
    pin(&BookingRefunded {
        booking: booking(),
        show: facts(),
        refund: eur(1400),
        cause: RefundCause::LatePayment,
    });
}

#[test]
fn payments() {
    pin(&PaymentSucceeded {
        payment_id: None,
        booking_id: BookingId::new(show(), 5),
        provider: "stripe".into(),
        provider_intent_id: "pi_1".into(),
        amount: eur(1400),
        provider_event_id: "evt_1".into(),
    });
    pin(&PaymentProcessing {
        payment_id: PaymentId::new(show(), 9),
        booking_id: BookingId::new(show(), 5),
        provider: "stripe".into(),
        provider_intent_id: "pi_1".into(),
        provider_event_id: "evt_1".into(),
    });
    pin(&PaymentFailed {
        payment_id: None,
        booking_id: BookingId::new(show(), 5),
        provider: "stripe".into(),
        provider_intent_id: "pi_1".into(),
        reason: "card_declined".into(),
        cancelled: false,
        provider_event_id: "evt_2".into(),
    });
    pin(&RefundRequested {
        refund_id: RefundId::new(show(), 8),
        booking_id: BookingId::new(show(), 5),
        provider_intent_id: "pi_1".into(),
        amount: eur(1400),
        cause: RefundCause::LatePayment,
    });
    pin(&RefundSettled {
        refund_id: RefundId::new(show(), 8),
        provider_refund_id: "re_1".into(),
        succeeded: true,
        failure: None,
    });
}

#[test]
fn a_reader_refuses_what_it_does_not_know() {
    let mut envelope =
        Envelope::new(id(9), time("2026-11-20T12:00:00Z"), &ShowScheduled(snapshot())).expect("an envelope");
    assert!(envelope.decode::<ShowChanged>().is_err());
    envelope.version = 2;
    assert!(envelope.decode::<ShowScheduled>().is_err());
}
