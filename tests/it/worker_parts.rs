//! A worker may leave parts of its role to others.

use tests::{StackBuilder, mail};

#[tokio::test]
async fn what_nobody_consumes_yet_waits_for_whoever_does() {
    let mut stack = StackBuilder::new().set("worker.parts", vec!["relay", "booking"]).start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let booking = ada.buy(&stack, &show, &show.pick([0])).await;
    assert_eq!(booking["status"], "CONFIRMED");
    assert!(mail::to(&stack.mail_dir(), &ada.email).is_empty(), "nobody here sends mails");

    // Not even her address was known to those who now send: events of both kinds have waited.
    stack.set("worker.parts", vec!["notifications"]).expect("a setting");
    stack.restart().await.expect("an orderly end");
    mail::expect(&stack.mail_dir(), &ada.email, "svg").await;
}
