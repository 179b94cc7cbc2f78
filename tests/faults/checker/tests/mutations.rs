//! What can be wrong with a history. Each gives `None` when there was nothing to spoil.

use super::super::Rule;
use crate::history::{Action, Call, History, Outcome};
use crate::observed::{Allocation, Booking, Observed};

type Mutation = fn(&mut History, &mut Observed) -> Option<()>;

/// A name, the rule that has to catch it, and how it is done.
pub(super) const ALL: &[(&str, Rule, Mutation)] = &[
    ("a seat is given to another booking", Rule::SeatsTwoOwners, swap_owner),
    ("a seat is allocated twice", Rule::SeatsTwoOwners, allocate_twice),
    ("a cancelled booking keeps its tickets", Rule::SeatsTwoOwners, keep_tickets),
    ("a confirmed booking lacks a ticket", Rule::SeatsTwoOwners, lose_ticket),
    ("somebody moves who did not agree", Rule::SeatsTwoOwners, move_unasked),
    ("somebody moves to seats of other kinds", Rule::SeatsTwoOwners, worse_seats),
    ("somebody moves in time", Rule::SeatsTwoOwners, move_in_time),
    ("a claim ends unasked", Rule::Claims, end_unasked),
    ("a refund does not reach the provider", Rule::Money, lose_refund),
    ("a refund is given twice", Rule::Money, double_refund),
    ("a refund is too small", Rule::Money, small_refund),
    ("a confirmed booking is refunded, too", Rule::Money, refund_confirmed),
    ("tickets are not paid for", Rule::Money, take_nothing),
    ("an ended booking keeps the money", Rule::Money, keep_money),
    ("money is known to the provider only", Rule::Money, forget_payment),
    ("a message is sent twice", Rule::Events, double_message),
    ("a message is not sent", Rule::Events, lose_message),
    ("a message is marked and not sent", Rule::Events, lose_mail),
    ("a message is sent and not marked", Rule::Events, phantom_mail),
    ("a message is about nothing", Rule::Events, phantom_message),
    ("the read model is behind", Rule::Events, stale_history),
    ("a message is left", Rule::Events, leave_message),
    ("a watcher missed a version", Rule::Maps, miss_delta),
    ("a watcher has a wrong seat", Rule::Maps, wrong_seat),
    ("a hold outlives its time", Rule::Maps, outlive),
    ("somebody extends what is another's", Rule::ForeignToken, foreign_extend),
    ("somebody releases what is another's", Rule::ForeignToken, foreign_release),
    ("somebody checks out what is another's", Rule::ForeignToken, foreign_checkout),
    ("a booking is lost", Rule::Answers, lose_booking),
    ("a cancellation is forgotten", Rule::Answers, forget_cancel),
    ("a hold has other seats", Rule::Answers, other_seats),
    ("a key makes two holds", Rule::Idempotent, two_holds),
    ("a hold makes two bookings", Rule::Idempotent, two_bookings),
    ("a show that is called off keeps somebody", Rule::ShowCancelled, keep_seat),
    ("a show that is called off is sold", Rule::ShowCancelled, sell_on),
    ("a show that is called off is on offer", Rule::ShowCancelled, stay_open),
    ("a show is called off by nobody", Rule::ShowCancelled, call_off_unasked),
    ("a show is not called off", Rule::ShowCancelled, go_on),
    ("a theater pays as if buyers had cancelled", Rule::ShowCancelled, blame_buyer),
    ("a booking is pending in the end", Rule::Settled, pending),
    ("the trail has a hole", Rule::Settled, hole),
    ("a deadlock", Rule::Settled, deadlock),
    ("a seat is lost without a trace", Rule::SeatsLinearizable, vanish),
];

fn with_status<'a>(observed: &'a mut Observed, status: &str) -> Option<&'a mut Booking> {
    observed.bookings.iter_mut().find(|booking| booking.status == status)
}

fn call(history: &mut History, wanted: impl Fn(&Call) -> bool) -> Option<&mut Call> {
    history.calls.iter_mut().find(|call| wanted(call))
}

fn swap_owner(_: &mut History, observed: &mut Observed) -> Option<()> {
    let owners: Vec<String> = observed.allocations.iter().filter_map(|row| row.booking.clone()).collect();
    let row = observed.allocations.iter_mut().find(|row| row.booking.is_some())?;
    row.booking = Some(owners.into_iter().find(|owner| Some(owner) != row.booking.as_ref())?);
    Some(())
}

fn allocate_twice(_: &mut History, observed: &mut Observed) -> Option<()> {
    let row = observed.allocations.first()?.clone();
    observed.allocations.push(row);
    Some(())
}

fn keep_tickets(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.tickets.iter_mut().find(|ticket| ticket.voided)?.voided = false;
    Some(())
}

fn lose_ticket(_: &mut History, observed: &mut Observed) -> Option<()> {
    let place = observed.tickets.iter().position(|ticket| !ticket.voided)?;
    observed.tickets.remove(place);
    Some(())
}

/// A booking that got other seats (the first ones that it has now and had not before).
pub(super) fn moved(observed: &Observed) -> Option<(&Booking, u16)> {
    observed.bookings.iter().find_map(|booking| {
        let mut states = observed.audit.iter().filter(|entry| entry.id == booking.id);
        let first = states.next()?;
        let new = booking.seats.iter().find(|seat| !first.seats.contains(seat))?;
        Some((booking, *new))
    })
}

fn move_unasked(history: &mut History, observed: &mut Observed) -> Option<()> {
    let (booking, _) = moved(observed)?;
    for call in &mut history.calls {
        if let Action::Checkout { hold, equivalent, .. } = &mut call.action
            && *hold == booking.hold
        {
            *equivalent = false;
        }
    }
    Some(())
}

fn worse_seats(_: &mut History, observed: &mut Observed) -> Option<()> {
    let (booking, seat) = moved(observed)?;
    let (show, seat) = (booking.show.clone(), usize::from(seat));
    observed.kinds.get_mut(&show)?.replace_range(seat..=seat, "W");
    Some(())
}

fn move_in_time(_: &mut History, observed: &mut Observed) -> Option<()> {
    let id = moved(observed)?.0.id.clone();
    let mut states = observed.audit.iter_mut().filter(|entry| entry.id == id);
    states.find(|entry| entry.to == "CONFIRMED")?.from = Some("PENDING_PAYMENT".to_owned());
    Some(())
}

/// Some claim that was paid ended because of its limit: there was none.
fn end_unasked(history: &mut History, observed: &mut Observed) -> Option<()> {
    let paid = observed.intents.iter().filter(|intent| intent.received_minor > 0);
    let paid: Vec<&str> = paid.filter_map(|intent| intent.booking.as_deref()).collect();
    let mut ended = observed.audit.iter().filter(|entry| entry.to == "EXPIRED" && paid.contains(&&*entry.id));
    let told = |id: &str| {
        let expires_at = observed.bookings.iter().find(|row| row.id == id).map_or(0, |row| row.expires_at);
        let mut calls = history.calls.iter().filter(|call| call.to + 1_000 < expires_at);
        calls.any(|call| matches!(&call.outcome, Outcome::CheckedOut { booking, .. } if booking == id))
    };
    ended.find(|entry| told(&entry.id))?;
    observed.claim_limit_ms = 1_000_000;
    Some(())
}

fn lose_refund(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.provider_refunds.pop().map(drop)
}

fn double_refund(_: &mut History, observed: &mut Observed) -> Option<()> {
    let mut refund = observed.provider_refunds.first()?.clone();
    refund.id = "re_again".to_owned();
    observed.provider_refunds.push(refund);
    Some(())
}

fn small_refund(_: &mut History, observed: &mut Observed) -> Option<()> {
    let theirs = observed.provider_refunds.first_mut()?;
    let ours = observed.refunds.iter_mut().find(|ours| ours.provider_refund.as_ref() == Some(&theirs.id))?;
    ours.amount_minor -= 1;
    theirs.amount_minor = ours.amount_minor;
    Some(())
}

fn refund_confirmed(_: &mut History, observed: &mut Observed) -> Option<()> {
    let booking = with_status(observed, "CONFIRMED")?.id.clone();
    let intent = observed.intents.iter().find(|intent| intent.booking.as_ref() == Some(&booking))?;
    let (intent, amount_minor) = (intent.id.clone(), intent.received_minor);
    let (id, status) = ("re_wrong".to_owned(), "succeeded".to_owned());
    observed.provider_refunds.push(crate::observed::ProviderRefund { id, intent, status, amount_minor });
    Some(())
}

fn take_nothing(_: &mut History, observed: &mut Observed) -> Option<()> {
    let booking = with_status(observed, "CONFIRMED")?.id.clone();
    let intent = observed.intents.iter_mut().find(|intent| intent.booking.as_ref() == Some(&booking))?;
    intent.received_minor = 0;
    Some(())
}

fn keep_money(_: &mut History, observed: &mut Observed) -> Option<()> {
    let (booking, total) = with_status(observed, "EXPIRED").map(|row| (row.id.clone(), row.total_minor))?;
    let intent = observed.intents.iter_mut().find(|intent| intent.booking.as_ref() == Some(&booking))?;
    intent.received_minor = total;
    intent.status = "succeeded".to_owned();
    Some(())
}

fn forget_payment(_: &mut History, observed: &mut Observed) -> Option<()> {
    let place = observed.payments.iter().position(|payment| payment.status == "SUCCEEDED")?;
    observed.payments.remove(place);
    Some(())
}

fn double_message(_: &mut History, observed: &mut Observed) -> Option<()> {
    let delivery = observed.deliveries.first()?.clone();
    observed.deliveries.push(delivery);
    Some(())
}

fn lose_message(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.deliveries.pop().map(drop)
}

fn lose_mail(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.mails.pop().map(drop)
}

fn phantom_mail(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.mails.push("event_phantom".to_owned());
    Some(())
}

fn phantom_message(_: &mut History, observed: &mut Observed) -> Option<()> {
    let mut delivery = observed.deliveries.first()?.clone();
    delivery.booking = Some("booking_phantom".to_owned());
    observed.deliveries.push(delivery);
    Some(())
}

fn stale_history(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.history.last_mut()?.status = "PENDING_PAYMENT".to_owned();
    Some(())
}

fn leave_message(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.queues.push(("booking.payments".to_owned(), 1));
    Some(())
}

fn miss_delta(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.watchers.first_mut()?.map.version -= 1;
    Some(())
}

fn wrong_seat(_: &mut History, observed: &mut Observed) -> Option<()> {
    let states = &mut observed.watchers.first_mut()?.map.states;
    let letter = if states.pop()? == 'A' { 'S' } else { 'A' };
    states.push(letter);
    Some(())
}

fn outlive(_: &mut History, observed: &mut Observed) -> Option<()> {
    let map = observed.maps.first_mut()?;
    map.states = map.states.find('A').map(|place| {
        let mut states = map.states.clone();
        states.replace_range(place..=place, "H");
        states
    })?;
    observed.watchers.first_mut()?.map = map.clone();
    Some(())
}

fn foreign_extend(history: &mut History, _: &mut Observed) -> Option<()> {
    let extended =
        |call: &Call| matches!((&call.action, &call.outcome), (Action::Extend { .. }, Outcome::Held { .. }));
    call(history, extended)?.user = "user_99".to_owned();
    Some(())
}

fn foreign_release(history: &mut History, _: &mut Observed) -> Option<()> {
    call(history, |call| call.outcome == Outcome::Released)?.user = "user_99".to_owned();
    Some(())
}

fn foreign_checkout(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.bookings.first_mut()?.user = "user_99".to_owned();
    Some(())
}

fn lose_booking(history: &mut History, observed: &mut Observed) -> Option<()> {
    let told = history.calls.iter().find_map(|call| match &call.outcome {
        Outcome::CheckedOut { booking, .. } => Some(booking.clone()),
        _ => None,
    })?;
    observed.bookings.retain(|booking| booking.id != told);
    Some(())
}

fn forget_cancel(history: &mut History, observed: &mut Observed) -> Option<()> {
    let told = history.calls.iter().find_map(|call| match (&call.action, &call.outcome) {
        (Action::Cancel { booking, .. }, Outcome::Cancelled { .. }) => Some(booking.clone()),
        _ => None,
    })?;
    observed.bookings.iter_mut().find(|booking| booking.id == told)?.status = "EXPIRED".to_owned();
    Some(())
}

fn other_seats(history: &mut History, _: &mut Observed) -> Option<()> {
    let made =
        |call: &Call| matches!((&call.action, &call.outcome), (Action::Hold { .. }, Outcome::Held { .. }));
    if let Outcome::Held { seats, .. } = &mut call(history, made)?.outcome {
        seats.push(23);
    }
    Some(())
}

fn two_holds(history: &mut History, _: &mut Observed) -> Option<()> {
    let made =
        |call: &&Call| matches!((&call.action, &call.outcome), (Action::Hold { .. }, Outcome::Held { .. }));
    let mut again = history.calls.iter().find(made)?.clone();
    again.no = history.calls.len() as u64;
    if let Outcome::Held { hold, .. } = &mut again.outcome {
        *hold = "hold_again".to_owned();
    }
    history.calls.push(again);
    Some(())
}

fn two_bookings(_: &mut History, observed: &mut Observed) -> Option<()> {
    let mut again = observed.bookings.first()?.clone();
    again.id = "booking_again".to_owned();
    observed.bookings.push(again);
    Some(())
}

fn is_off(observed: &Observed) -> Option<usize> {
    observed.audit.iter().position(|entry| entry.entity == "SHOW" && entry.to == "CANCELLED")
}

fn keep_seat(_: &mut History, observed: &mut Observed) -> Option<()> {
    is_off(observed)?;
    let Booking { id, show, .. } = observed.bookings.first()?.clone();
    let (booking, hold, held_until) = (Some(id), None, None);
    observed.allocations.push(Allocation { show, seat: 0, booking, hold, held_until, sold: true });
    Some(())
}

fn sell_on(history: &mut History, observed: &mut Observed) -> Option<()> {
    is_off(observed)?;
    let last = history.calls.last_mut()?;
    let (hold, until) = ("hold_late".to_owned(), last.to + 4_000);
    last.outcome = Outcome::Held { hold, seats: vec![0], until, durable: false };
    Some(())
}

fn stay_open(_: &mut History, observed: &mut Observed) -> Option<()> {
    is_off(observed)?;
    let map = observed.maps.first_mut()?;
    map.states = map.states.replacen('B', "A", 1);
    observed.watchers.first_mut()?.map = map.clone();
    Some(())
}

fn call_off_unasked(history: &mut History, observed: &mut Observed) -> Option<()> {
    is_off(observed)?;
    history.calls.retain(|call| !matches!(call.action, Action::CallOff { .. }));
    Some(())
}

fn go_on(history: &mut History, observed: &mut Observed) -> Option<()> {
    observed.audit.remove(is_off(observed)?);
    history.calls.iter().any(|call| call.outcome == Outcome::ShowChanged).then_some(())
}

fn blame_buyer(_: &mut History, observed: &mut Observed) -> Option<()> {
    let ended = observed
        .audit
        .iter()
        .find(|entry| entry.reason == "show_cancelled" && entry.from.as_deref() == Some("CONFIRMED"))?;
    let mut refunds = observed.refunds.iter_mut().filter(|refund| refund.booking == ended.id);
    refunds.next()?.cause = "CANCELLED".to_owned();
    Some(())
}

fn pending(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.bookings.last_mut()?.status = "PENDING_PAYMENT".to_owned();
    Some(())
}

fn hole(_: &mut History, observed: &mut Observed) -> Option<()> {
    let confirmed = |entry: &crate::observed::AuditEntry| entry.to == "CONFIRMED";
    let place = observed.audit.iter().position(confirmed)?;
    observed.audit.remove(place);
    Some(())
}

fn deadlock(_: &mut History, observed: &mut Observed) -> Option<()> {
    observed.deadlocks = 1;
    Some(())
}

/// The table has nobody on a seat that the trail gave to a booking for good.
fn vanish(_: &mut History, observed: &mut Observed) -> Option<()> {
    let place = observed.allocations.iter().position(|row| row.booking.is_some())?;
    observed.allocations.remove(place);
    Some(())
}
