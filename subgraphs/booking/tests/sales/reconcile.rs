//! Our records against the provider's, and what was paid against what was given for it.

use booking::app::reconcile::{Repair, Report};
use booking::domain::booking::BookingStatus;
use booking::domain::finding::{Cause, Finding, Resolution};
use booking::domain::payment::{PaymentStatus, RefundStatus};
use chrono::TimeDelta;
use events::booking::RefundCause;
use kernel::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::World;

/// Lets the grace pass, then makes one pass.
pub async fn pass(world: &World) -> Report {
    world.advance(TimeDelta::minutes(3)).await;
    let report = world.app.reconcile(&[]).await.unwrap();
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    report
}

pub fn causes(report: &Report) -> Vec<Cause> {
    report.found.iter().map(|found| found.cause).collect()
}

pub async fn open(world: &World) -> Vec<Finding> {
    world.app.findings(false).await.unwrap()
}

/// How findings of this cause came to their end.
async fn resolutions(world: &World, cause: Cause) -> Vec<Option<Resolution>> {
    let all = world.app.findings(true).await.unwrap();
    let of_cause = all.into_iter().filter(|finding| finding.cause == cause);
    of_cause.map(|finding| finding.resolved.map(|(_, resolution)| resolution)).collect()
}

#[tokio::test]
async fn what_agrees_is_no_finding() {
    let world = World::new().await;
    let user = world.person();
    world.confirmed(user, &[1, 2]).await;
    world.pending(user, &[4]).await;
    let (cancelled, _) = world.confirmed(user, &[8]).await;
    world.cancel(user, cancelled.id, "c").await.unwrap();
    world.deliver().await;
    for _ in 0..2 {
        assert_eq!(causes(&pass(&world).await), []);
    }
    assert!(world.app.findings(true).await.unwrap().is_empty());
    // What agreed once is not asked for one by one.
    assert_eq!((world.provider.calls("intent_get"), world.provider.calls("refund_get")), (0, 0));
}

#[tokio::test]
async fn a_lost_webhook_of_a_payment_is_made_up_for() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.deliver().await;
    let paid = world.provider.pay(&payment.intent);
    let report = pass(&world).await;
    assert_eq!(causes(&report), [Cause::PaymentUnheard]);
    assert!(report.found[0].is_new && report.found[0].repair == Some(Repair::Made));
    // It is under way: another pass finds it again and leaves it to what it told.
    let report = pass(&world).await;
    assert!(!report.found[0].is_new && report.found[0].repair.is_none());
    assert_eq!(world.told().await, ["payment.succeeded"]);

    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    assert_eq!(world.tickets(booking.id).await, [1]);
    pass(&world).await;
    assert_eq!(resolutions(&world, Cause::PaymentUnheard).await, [Some(Resolution::Repaired)]);
    assert!(open(&world).await.is_empty());

    // The webhook comes after all, and changes nothing.
    let before = world.booking(booking.id).await;
    world.webhook(&paid).await;
    world.deliver().await;
    assert_eq!(world.booking(booking.id).await, before);
    assert_eq!(world.refunds(booking.id).await, []);
    assert_eq!(causes(&pass(&world).await), []);
}

#[tokio::test]
async fn a_payment_that_is_just_being_told_of_is_no_finding() {
    let world = World::new().await;
    let (_, payment) = world.pending(world.person(), &[1]).await;
    world.provider.pay(&payment.intent);
    let report = world.app.reconcile(&[]).await.unwrap();
    assert_eq!(causes(&report), []);
}

#[tokio::test]
async fn a_payment_unheard_of_whose_seats_were_sold_goes_back() {
    let world = World::whose_claims_just_end().await;
    let (late, payment) = world.pending(world.person(), &[1, 2]).await;
    world.claims_end(16).await;
    // What would call the payment off is lost as well.
    world.take_events().await;
    world.forget_in_redis(&world.booking(late.id).await).await;
    let (winner, _) = world.confirmed(world.person(), &[2]).await;
    world.provider.pay(&payment.intent);
    let found = pass(&world).await;
    assert!(causes(&found).contains(&Cause::PaymentUnheard), "{found:?}");
    world.deliver().await;
    assert_eq!(world.status(late.id).await, BookingStatus::Refunded);
    assert_eq!(world.refunds(late.id).await[0].cause, RefundCause::LatePayment);
    assert_eq!(world.owned().await, [(2, winner.id, true)]);
    assert_eq!(causes(&pass(&world).await), []);
}

#[tokio::test]
async fn an_intent_that_can_still_be_paid_for_nothing_is_called_off() {
    let world = World::whose_claims_just_end().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.claims_end(16).await;
    world.take_events().await;
    assert_eq!(causes(&pass(&world).await), [Cause::IntentLeftOpen]);
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
    assert_eq!(world.payment_status(booking.id).await, PaymentStatus::Cancelled);
    assert_eq!(causes(&pass(&world).await), []);
}

#[tokio::test]
async fn an_intent_that_the_checkout_could_not_write_down_is_written_down() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.execute("delete from booking.payments").await;
    assert_eq!(causes(&pass(&world).await), [Cause::IntentUnrecorded]);
    let payments = booking::store::payments::payment_list(&world.app.deps.pg, &[booking.id]).await.unwrap();
    assert_eq!(payments, [payment]);
    // Or it was paid before anybody could.
    world.execute("delete from booking.payments").await;
    world.provider.pay(&payments[0].intent);
    assert_eq!(causes(&pass(&world).await), [Cause::PaymentUnheard]);
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
}

#[tokio::test]
async fn money_for_no_booking_of_ours_waits_for_a_person() {
    let world = World::new().await;
    let foreign = json!({ "id": "pi_foreign", "status": "succeeded", "amount": 500, "amount_received": 500,
        "currency": "eur", "created": SystemClock.now().timestamp(), "metadata": { "booking_id": "x" } });
    world.provider.state().intents.insert("pi_foreign".into(), foreign);
    assert_eq!(causes(&pass(&world).await), [Cause::IntentForeign]);
    assert_eq!(causes(&pass(&world).await), [Cause::IntentForeign]);
    let findings = open(&world).await;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.subject.to_string(), "pi_foreign");
    assert_eq!(finding.detail["their_amount"]["minor"], 500);

    let nobody = kernel::FindingId::new(world.show_id(), 1);
    let refused = world.app.finding_resolve(nobody, "?", "ada").await.unwrap_err();
    assert_eq!(refused.to_string(), format!("there is no finding {nobody}"));
    assert!(world.app.finding_resolve(finding.id, "  ", "ada").await.is_err());
    assert!(world.app.finding_resolve(finding.id, "?", " ").await.is_err());
    world.app.finding_resolve(finding.id, "of the box office, not ours", "ada").await.unwrap();
    assert!(world.app.finding_resolve(finding.id, "again", "ada").await.is_err());
    let settled = world.app.findings(true).await.unwrap().remove(0);
    assert_eq!(settled.resolved_by.as_deref(), Some("ada"));
    // It stays settled while nothing changes, and is news when something does.
    assert_eq!(causes(&pass(&world).await), []);
    world.provider.state().intents.get_mut("pi_foreign").unwrap()["amount_received"] = json!(700);
    assert_eq!(causes(&pass(&world).await), [Cause::IntentForeign]);
    let anew = open(&world).await.remove(0);
    assert_eq!((anew.note, anew.resolved_by), (None, None));
}

#[tokio::test]
async fn a_payment_that_the_provider_does_not_have_waits_for_a_person() {
    let world = World::new().await;
    let (_, payment) = world.confirmed(world.person(), &[1]).await;
    let gone = world.provider.state().intents.remove(&payment.intent).unwrap();
    assert_eq!(causes(&pass(&world).await), [Cause::PaymentUnfounded]);
    pass(&world).await;
    assert_eq!(open(&world).await.len(), 1);
    // Found after all, it heals by itself.
    world.provider.state().intents.insert(payment.intent.clone(), gone);
    pass(&world).await;
    assert_eq!(resolutions(&world, Cause::PaymentUnfounded).await, [Some(Resolution::Healed)]);

    // And for another amount than we have.
    let (_, payment) = world.pending(world.person(), &[2]).await;
    world.webhook(&world.provider.pay(&payment.intent)).await;
    world.deliver().await;
    world.provider.state().intents.get_mut(&payment.intent).unwrap()["amount_received"] = json!(1);
    assert_eq!(causes(&pass(&world).await), [Cause::PaymentAmountDiffers]);
}

/// A booking whose refund the provider settles later, and of which nobody is told.
async fn refund_on_its_way(world: &World) -> booking::domain::booking::Booking {
    let user = world.person();
    world.provider.state().refund_status = "pending".into();
    let (booking, _) = world.confirmed(user, &[1]).await;
    world.cancel(user, booking.id, "c").await.unwrap();
    world.deliver().await;
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Pending);
    booking
}

#[tokio::test]
async fn a_lost_webhook_of_a_refund_is_made_up_for() {
    let world = World::new().await;
    let booking = refund_on_its_way(&world).await;
    assert_eq!(causes(&pass(&world).await), []);
    world.provider.settle_refund("succeeded");
    assert_eq!(causes(&pass(&world).await), [Cause::RefundUnheard]);
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    assert_eq!(causes(&pass(&world).await), []);
    assert_eq!(resolutions(&world, Cause::RefundUnheard).await, [Some(Resolution::Repaired)]);
}

#[tokio::test]
async fn money_that_did_not_go_back_waits_for_a_person() {
    let world = World::new().await;
    let booking = refund_on_its_way(&world).await;
    world.provider.settle_refund("failed");
    pass(&world).await;
    world.deliver().await;
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Failed);
    pass(&world).await;
    let findings = open(&world).await;
    assert_eq!(findings.iter().map(|finding| finding.cause).collect::<Vec<_>>(), [Cause::RefundFailed]);
    assert_eq!(findings[0].subject.to_string(), booking.id.to_string());
}

#[tokio::test]
async fn a_refund_that_fails_long_after_its_booking_ended_waits_for_a_person() {
    let world = World::new().await;
    let booking = refund_on_its_way(&world).await;
    assert_eq!(causes(&pass(&world).await), []);
    world.advance(TimeDelta::days(1)).await;
    assert_eq!(causes(&pass(&world).await), []);
    // The webhook comes, but the booking itself does not change by it.
    world.webhook(&world.provider.settle_refund("failed")).await;
    world.deliver().await;
    assert_eq!(world.refunds(booking.id).await[0].status, RefundStatus::Failed);
    for _ in 0..2 {
        assert_eq!(causes(&pass(&world).await), [Cause::RefundFailed]);
    }
    let finding = open(&world).await.remove(0);
    assert_eq!(finding.subject.to_string(), booking.id.to_string());
    world.app.finding_resolve(finding.id, "paid by hand", "ada").await.unwrap();
    assert_eq!(causes(&pass(&world).await), []);
    let story = world.story(booking.id).await;
    assert_eq!(story.last().unwrap(), "FINDING OPEN > RESOLVED, resolved by OPERATOR");
}

#[tokio::test]
async fn refunds_that_we_did_not_order_wait_for_a_person() {
    let world = World::new().await;
    let user = world.person();
    let (booking, payment) = world.confirmed(user, &[1]).await;
    world.cancel(user, booking.id, "c").await.unwrap();
    world.deliver().await;
    let (ours, mut second) = {
        let state = world.provider.state();
        let ours = state.refunds.values().next().unwrap().clone();
        (ours["id"].clone(), ours)
    };
    assert_eq!(ours, "re_0");
    second["id"] = json!("re_1");
    let by_hand = json!({ "id": "re_2", "status": "succeeded", "amount": 100, "currency": "eur",
        "payment_intent": payment.intent, "created": second["created"], "metadata": {} });
    world.provider.state().refunds.extend([("re_1".into(), second), ("re_2".into(), by_hand)]);
    let report = pass(&world).await;
    let mut found: Vec<(String, Cause)> =
        report.found.iter().map(|found| (found.subject.to_string(), found.cause)).collect();
    found.sort();
    assert_eq!(found, [("re_1".into(), Cause::RefundDoubled), ("re_2".into(), Cause::RefundForeign)]);
}

#[tokio::test]
async fn a_refund_that_was_never_asked_for_is_asked_for() {
    let world = World::new().await;
    let user = world.person();
    let (booking, _) = world.confirmed(user, &[1]).await;
    world.cancel(user, booking.id, "c").await.unwrap();
    // Nobody got the message.
    world.take_events().await;
    assert_eq!(causes(&pass(&world).await), []);
    world.advance(TimeDelta::minutes(10)).await;
    assert_eq!(causes(&pass(&world).await), [Cause::RefundNotAsked]);
    pass(&world).await;
    assert_eq!(world.told().await, ["refund.requested"]);
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Refunded);
    assert_eq!(causes(&pass(&world).await), []);
    assert_eq!(world.provider.calls("refund_create"), 1);
}

#[tokio::test]
async fn captured_money_of_which_nothing_came_takes_its_way_again() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.deliver().await;
    world.provider.pay(&payment.intent);
    // As after a restore of half a backup.
    world.execute("update booking.payments set status = 'SUCCEEDED'").await;
    assert_eq!(causes(&pass(&world).await), [Cause::CaptureUnsettled]);
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    assert_eq!(causes(&pass(&world).await), []);
    let trail = "select 1 from booking.audit
                  where entity = 'PAYMENT' and to_state = 'PROCESSING' and reason = 'reconciled'";
    assert_eq!(world.rows(trail).await.len(), 1);
}

#[tokio::test]
async fn money_that_the_provider_does_not_have_buys_nothing() {
    let world = World::new().await;
    let (booking, _) = world.pending(world.person(), &[1]).await;
    world.deliver().await;
    world.execute("update booking.payments set status = 'SUCCEEDED'").await;
    let mut found = causes(&pass(&world).await);
    found.sort();
    assert_eq!(found, [Cause::PaymentUnfounded, Cause::CaptureUnsettled]);
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::PendingPayment);
}

#[tokio::test]
async fn a_claim_that_did_not_end_is_ended() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.deliver().await;
    world.advance(TimeDelta::minutes(30)).await;
    assert_eq!(causes(&pass(&world).await), [Cause::ClaimOverdue]);
    assert_eq!(world.status(booking.id).await, BookingStatus::Expired);
    world.deliver().await;
    assert_eq!(world.provider.intent(&payment.intent)["status"], "canceled");
    assert_eq!(causes(&pass(&world).await), []);
}

#[tokio::test]
async fn tickets_without_payment_wait_for_a_person() {
    let world = World::new().await;
    let (booking, _) = world.confirmed(world.person(), &[1, 2]).await;
    world.execute("update booking.payments set status = 'FAILED'").await;
    world.execute("update booking.tickets set voided_at = now() where seat_no = 1").await;
    let report = pass(&world).await;
    assert_eq!(causes(&report), [Cause::PaymentUnheard, Cause::TicketsMissing, Cause::TicketsUnpaid]);
    let of_booking: Vec<Value> = open(&world)
        .await
        .into_iter()
        .filter(|finding| finding.subject.to_string() == booking.id.to_string())
        .map(|finding| finding.detail["tickets"].clone())
        .collect();
    assert_eq!(of_booking, [1, 1]);
}

#[tokio::test]
async fn events_that_nobody_publishes_are_found_and_heal() {
    let world = World::new().await;
    world.pending(world.person(), &[1]).await;
    world.advance(TimeDelta::minutes(10)).await;
    assert_eq!(causes(&pass(&world).await), [Cause::OutboxStuck]);
    world.deliver().await;
    pass(&world).await;
    assert_eq!(resolutions(&world, Cause::OutboxStuck).await, [Some(Resolution::Healed)]);
}

#[tokio::test]
async fn a_pass_that_dies_is_completed_by_the_next() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.deliver().await;
    world.provider.pay(&payment.intent);
    world.advance(TimeDelta::minutes(3)).await;
    for table in ["booking.findings", "booking.outbox"] {
        // It dies when it is about to write there.
        let end = Notify::new();
        let pass = async {
            tokio::select! {
                done = world.app.reconcile(&[]) => panic!("{done:?}"),
                () = end.notified() => {}
            }
        };
        world.interrupted(table, pass, async || end.notify_one()).await;
    }
    pass(&world).await;
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    pass(&world).await;
    assert!(open(&world).await.is_empty());
    assert_eq!(world.tickets(booking.id).await, [1]);
    assert_eq!(world.app.findings(true).await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_passes_at_once_do_no_more_than_one() {
    let world = World::new().await;
    let (booking, payment) = world.pending(world.person(), &[1]).await;
    world.deliver().await;
    world.provider.pay(&payment.intent);
    world.advance(TimeDelta::minutes(3)).await;
    let (first, second) = tokio::join!(world.app.reconcile(&[]), world.app.reconcile(&[]));
    first.and(second).unwrap();
    world.deliver().await;
    assert_eq!(world.status(booking.id).await, BookingStatus::Confirmed);
    assert_eq!(world.app.findings(true).await.unwrap().len(), 1);
    assert_eq!(world.refunds(booking.id).await, []);
}

#[tokio::test]
async fn long_lists_are_read_page_by_page() {
    let world = World::with(|config| config.reconcile.batch = 2).await;
    let user = world.person();
    let mut intents = Vec::new();
    for seat in 0..7 {
        let (_, payment) = world.pending(user, &[seat]).await;
        intents.push(payment.intent);
    }
    world.deliver().await;
    for intent in &intents {
        world.provider.pay(intent);
    }
    assert_eq!(causes(&pass(&world).await), [Cause::PaymentUnheard; 7]);
    world.deliver().await;
    assert_eq!(causes(&pass(&world).await), []);
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn while_the_provider_is_away_the_rest_is_compared() {
    let world = World::new().await;
    world.pending(world.person(), &[1]).await;
    world.advance(TimeDelta::minutes(30)).await;
    world.provider.state().broken = Some(500);
    let report = world.app.reconcile(&[]).await.unwrap();
    let skipped: Vec<_> = report.skipped.iter().map(|skipped| skipped.comparison).collect();
    assert_eq!(skipped, ["intents", "refunds"]);
    assert_eq!(causes(&report), [Cause::ClaimOverdue, Cause::OutboxStuck]);
}
