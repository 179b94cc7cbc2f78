//! Repairs that can do nothing, repairs that were undone, and records that cannot be read.

use booking::app::reconcile::{Repair, Why};
use booking::domain::finding::Cause;
use chrono::TimeDelta;
use kernel::EventId;

use crate::reconcile::{causes, pass};
use crate::support::World;

#[tokio::test]
async fn a_repair_that_can_do_nothing_is_not_recorded_as_made() {
    let world = World::new().await;
    world.pending(world.person(), &[1]).await;
    world.deliver().await;
    // The provider does not have the money, so that its message is not told.
    world.execute("update booking.payments set status = 'SUCCEEDED'").await;
    for _ in 0..2 {
        let report = pass(&world).await;
        let settle = report.found.iter().find(|found| found.cause == Cause::CaptureUnsettled).unwrap();
        assert_eq!(settle.repair, Some(Repair::Void));
    }
    assert!(world.app.findings(false).await.unwrap().iter().all(|finding| finding.repaired_at.is_none()));
}

#[tokio::test]
async fn a_repair_that_fails_is_said_to_have_failed() {
    let world = World::whose_claims_just_end().await;
    world.pending(world.person(), &[1]).await;
    world.claims_end(16).await;
    world.take_events().await;
    world.provider.state().refusal = Some(("intent_cancel", 403));
    let report = pass(&world).await;
    assert_eq!(causes(&report), [Cause::IntentLeftOpen]);
    assert_eq!(report.found[0].repair, Some(Repair::Failed));
    world.provider.state().refusal = None;
    assert_eq!(pass(&world).await.found[0].repair, Some(Repair::Made));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_no_other_from_being_compared() {
    let world = World::new().await;
    let (_, bad) = world.pending(world.person(), &[1]).await;
    let (_, good) = world.pending(world.person(), &[2]).await;
    world.deliver().await;
    for payment in [&bad, &good] {
        world.provider.pay(&payment.intent);
    }
    let spoil =
        format!("update booking.payments set currency = 'QQQ' where provider_intent = '{}'", bad.intent);
    world.execute(&spoil).await;
    world.advance(TimeDelta::minutes(3)).await;
    let report = world.app.reconcile(&[]).await.unwrap();
    assert_eq!(causes(&report), [Cause::PaymentUnheard]);
    assert_eq!(report.found[0].subject.to_string(), good.intent);
    let [skipped] = report.skipped.as_slice() else { panic!("{:?}", report.skipped) };
    assert_eq!((skipped.comparison, skipped.subject.as_deref()), ("intents", Some(bad.intent.as_str())));
    assert!(matches!(skipped.why, Why::Failed(_)), "{}", skipped.why);
}

#[tokio::test]
async fn a_message_told_again_is_the_same_until_what_it_tells_of_changed() {
    let world = World::new().await;
    let (_, payment) = world.pending(world.person(), &[1]).await;
    world.deliver().await;
    world.provider.pay(&payment.intent);
    let told = async |wait: TimeDelta| -> EventId {
        world.advance(wait).await;
        let report = pass(&world).await;
        assert!(causes(&report).contains(&Cause::PaymentUnheard), "{report:?}");
        let events = world.take_events().await;
        events.iter().find(|event| event.name == "payment.succeeded").expect("it is told").id
    };
    let first = told(TimeDelta::zero()).await;
    assert_eq!(told(TimeDelta::minutes(9)).await, first);
    // It was taken back.
    world.execute("update booking.payments set updated_at = updated_at + interval '1 second'").await;
    assert_ne!(told(TimeDelta::minutes(9)).await, first);
}
