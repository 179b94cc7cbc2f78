use kernel::{Currency, ShowId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

const INTENTS: [IntentStatus; 4] = [
    IntentStatus::RequiresPayment,
    IntentStatus::Processing,
    IntentStatus::Succeeded,
    IntentStatus::Cancelled,
];

fn payment_views() -> impl Strategy<Value = PaymentView> {
    let ours = (prop::sample::select(PaymentStatus::ALL.to_vec()), prop::sample::select(vec![1_i64, 2]));
    (
        prop::sample::select(INTENTS.to_vec()),
        prop::sample::select(vec![1_i64, 2]),
        prop::option::of(prop::sample::select(BookingStatus::ALL.to_vec())),
        prop::option::of(ours),
    )
        .prop_map(|(theirs, amount, booking, ours)| PaymentView {
            theirs,
            their_amount: eur(amount),
            booking,
            // A payment always belongs to a booking.
            ours: booking.and(ours).map(|(status, amount)| (status, eur(amount))),
        })
}

fn outcomes() -> impl Strategy<Value = RefundOutcome> {
    prop::sample::select(vec![
        RefundOutcome::Pending,
        RefundOutcome::Succeeded,
        RefundOutcome::Failed("expired_or_canceled_card".into()),
    ])
}

/// What a repair of `cause` makes of a payment: the effect of the messages and calls that it sends.
fn repaired(view: PaymentView, cause: Cause) -> PaymentView {
    let amount = view.their_amount;
    match cause {
        Cause::PaymentUnheard => PaymentView { ours: Some((PaymentStatus::Succeeded, amount)), ..view },
        Cause::CancellationUnheard => {
            PaymentView { ours: view.ours.map(|(_, amount)| (PaymentStatus::Cancelled, amount)), ..view }
        }
        Cause::IntentUnrecorded => {
            PaymentView { ours: Some((PaymentStatus::RequiresPayment, amount)), ..view }
        }
        Cause::IntentLeftOpen => PaymentView {
            theirs: IntentStatus::Cancelled,
            ours: view.ours.map(|(_, amount)| (PaymentStatus::Cancelled, amount)),
            ..view
        },
        other => panic!("{other:?} has no repair"),
    }
}

proptest! {
    #[test]
    fn repairs_of_payments_lead_to_agreement(view in payment_views()) {
        let mut view = view;
        let mut repairs = 0;
        while let Some(cause) = payment_difference(&view) {
            if !cause.is_repairable() {
                break;
            }
            repairs += 1;
            prop_assert!(repairs <= 2, "{cause:?} again: {view:?}");
            view = repaired(view, cause);
        }
    }

    #[test]
    fn money_of_a_booking_is_never_overlooked(view in payment_views()) {
        let known = matches!(view.ours, Some((PaymentStatus::Succeeded, _)));
        if view.theirs == IntentStatus::Succeeded && !known {
            let expected = if view.booking.is_some() { Cause::PaymentUnheard } else { Cause::IntentForeign };
            prop_assert_eq!(payment_difference(&view), Some(expected));
        }
        if view.theirs != IntentStatus::Succeeded && known {
            prop_assert_eq!(payment_difference(&view), Some(Cause::PaymentUnfounded));
        }
    }

    #[test]
    fn only_money_that_is_there_is_told_of(view in payment_views()) {
        if payment_difference(&view) == Some(Cause::PaymentUnheard) {
            prop_assert_eq!(view.theirs, IntentStatus::Succeeded);
        }
    }

    #[test]
    fn payments_that_agree_have_the_same_amount(view in payment_views()) {
        if let (None, Some((status, amount))) = (payment_difference(&view), view.ours) {
            prop_assert!(status == PaymentStatus::Cancelled || amount == view.their_amount);
        }
    }

    #[test]
    fn a_refund_that_agrees_stands_the_same_on_both_sides(
        theirs in outcomes(),
        status in prop::sample::select(RefundStatus::ALL.to_vec()),
        amount in prop::sample::select(vec![1_i64, 2]),
        known in prop::option::of(prop::sample::select(vec!["re_1", "re_2"])),
    ) {
        let ours = OurRefund { status, amount: eur(amount), provider_refund: known };
        let view = RefundView { their_id: "re_1", theirs: &theirs, their_amount: eur(1), ours: Some(ours) };
        let same = match &theirs {
            RefundOutcome::Pending => status != RefundStatus::Succeeded,
            RefundOutcome::Succeeded => status == RefundStatus::Succeeded,
            RefundOutcome::Failed(_) => true,
        };
        match refund_difference(&view) {
            None if known != Some("re_2") => prop_assert!(same && amount == 1),
            // Told of, it is as the provider says.
            Some(Cause::RefundUnheard) => {
                let status = match &theirs {
                    RefundOutcome::Succeeded => RefundStatus::Succeeded,
                    _ => RefundStatus::Failed,
                };
                let ours = OurRefund { status, provider_refund: Some("re_1"), ..ours };
                prop_assert_eq!(refund_difference(&RefundView { ours: Some(ours), ..view }), None);
            }
            _ => {}
        }
        let unordered = refund_difference(&RefundView { ours: None, ..view });
        prop_assert_eq!(unordered.is_none(), matches!(theirs, RefundOutcome::Failed(_)));
    }

    #[test]
    fn seats_are_right_exactly_when_the_map_follows_the_owners(
        owners in prop::collection::vec(prop::option::of(any::<bool>()), 1..40),
        held in prop::collection::vec(any::<bool>(), 40),
        wrong in any::<prop::sample::Index>(),
    ) {
        let owned: Vec<(u16, bool)> =
            (0_u16..).zip(&owners).filter_map(|(seat, owner)| owner.map(|sold| (seat, sold))).collect();
        let mut states: Vec<u8> = owners
            .iter()
            .zip(&held)
            .map(|(owner, held)| match owner {
                Some(true) => b'S',
                Some(false) => b'H',
                None if *held => b'H',
                None => b'A',
            })
            .collect();
        prop_assert_eq!(seat_differences(&states, &owned), SeatDifferences::default());
        let seat = wrong.index(states.len());
        states[seat] = if owners[seat].is_some() { b'A' } else { b'S' };
        prop_assert_eq!(seat_differences(&states, &owned).seats(), vec![seat as u16]);
    }
}

fn standing(status: BookingStatus) -> Standing {
    let show = ShowId::from_uuid(Uuid::from_u128(1));
    let owns = if status.owns_seats() { 2 } else { 0 };
    let sold = status == BookingStatus::Confirmed;
    Standing {
        id: BookingId::new(show, 1),
        status,
        total: eur(2_400),
        expires_at: DateTime::from_timestamp(1_900_000_000, 0).unwrap(),
        seats: 2,
        owned: owns,
        sold: if sold { 2 } else { 0 },
        tickets: if sold { 2 } else { 0 },
        kept: if sold { vec![PaymentId::new(show, 1)] } else { Vec::new() },
        failed: Vec::new(),
        unasked: Vec::new(),
    }
}

fn check(standing: Standing, expected: &[Cause]) {
    let before = standing.expires_at - chrono::TimeDelta::hours(1);
    assert_eq!(booking_differences(&standing, before), expected, "{standing:?}");
}

#[test]
fn bookings_as_they_should_be_are_right() {
    for status in BookingStatus::ALL {
        check(standing(status), &[]);
    }
    check(Standing { total: eur(0), kept: Vec::new(), ..standing(BookingStatus::Confirmed) }, &[]);
}

#[test]
fn money_ends_in_tickets_or_a_refund() {
    use BookingStatus as S;
    let show = ShowId::from_uuid(Uuid::from_u128(1));
    let with = |status, count: u64| Standing {
        kept: (0..count).map(|no| PaymentId::new(show, no)).collect(),
        ..standing(status)
    };
    check(with(S::Confirmed, 2), &[Cause::CaptureKept]);
    check(with(S::Confirmed, 0), &[Cause::TicketsUnpaid]);
    for status in [S::PendingPayment, S::Expired, S::Failed] {
        check(with(status, 1), &[Cause::CaptureUnsettled]);
    }
    for status in [S::Cancelled, S::Refunded] {
        check(with(status, 1), &[Cause::CaptureKept]);
    }
}

#[test]
fn seats_and_tickets_follow_the_booking() {
    use BookingStatus as S;
    check(Standing { tickets: 1, ..standing(S::Confirmed) }, &[Cause::TicketsMissing]);
    check(Standing { sold: 1, ..standing(S::Confirmed) }, &[Cause::SeatsMissing]);
    check(Standing { owned: 1, ..standing(S::PendingPayment) }, &[Cause::SeatsMissing]);
    check(
        Standing { owned: 1, tickets: 1, ..standing(S::Expired) },
        &[Cause::TicketsUnpaid, Cause::SeatsKept],
    );
}

#[test]
fn what_takes_too_long_is_found() {
    let show = ShowId::from_uuid(Uuid::from_u128(1));
    let pending = standing(BookingStatus::PendingPayment);
    assert_eq!(booking_differences(&pending, pending.expires_at), [Cause::ClaimOverdue]);
    let cancelled = standing(BookingStatus::Cancelled);
    let refund = vec![RefundId::new(show, 1)];
    check(Standing { unasked: refund.clone(), ..cancelled.clone() }, &[Cause::RefundNotAsked]);
    check(Standing { failed: refund, ..cancelled }, &[Cause::RefundFailed]);
}
