//! What somebody at a terminal finds out about a booking and its mail.

use std::fs;

use tests::{Stack, StackBuilder, eventually, mail};

#[tokio::test]
async fn a_booking_is_looked_up_by_what_its_buyer_reads_out() {
    let stack = Stack::start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let booking = ada.buy(&stack, &show, &show.pick([0])).await;
    let field = |name: &str| booking[name].as_str().expect("text").to_owned();
    let (id, reference) = (field("id"), field("reference"));
    let audit = |named: &str| stack.command(&["audit", "--booking", named]);

    let story = audit(&id).expect("the trail");
    assert!(story.contains("PENDING_PAYMENT -> CONFIRMED [A1]"), "{story}");
    let typed = format!("{}-{}", &reference[..3].to_lowercase(), &reference[3..]);
    assert_eq!(audit(&typed).expect("the trail"), story);
    assert!(
        audit("ZZZZZZZ").expect_err("nobody's").to_string().contains("no booking with the reference ZZZZZZZ")
    );
    assert!(audit("K1").expect_err("no name").to_string().contains("nor a reference, such as K7MPQ2X"));
}

#[tokio::test]
async fn a_mail_that_was_given_up_is_listed_and_sent_again() {
    let stack = StackBuilder::new().set("notifications.retry.max_attempts", 1).start().await;
    let show = stack.show().await;
    let ada = stack.customer("Ada").await;
    let mails = |args: &[&str]| stack.command(&[&["mails"], args].concat());
    assert_eq!(mails(&["list"]).expect("a list").trim(), "no message was given up");

    // Where the folder of mails should be is something else.
    fs::write(stack.mail_dir(), "").expect("a file");
    ada.buy(&stack, &show, &show.pick([0])).await;
    let list = eventually("the mail is given up", async || {
        mails(&["list"]).ok().filter(|list| list.contains("booking.confirmed"))
    })
    .await;
    let id = list.lines().next().expect("an event").to_owned();
    assert!(list.contains("after attempt 1") && list.contains("reason    file: "), "{list}");
    assert!(!list.contains(&ada.email), "{list}");

    fs::remove_file(stack.mail_dir()).expect("mended");
    assert_eq!(mails(&["retry", "--hours", "0"]).expect("done").trim(), "0 due again");
    assert!(mails(&["retry"]).expect_err("which?").to_string().contains("--hours"));
    assert_eq!(mails(&["retry", "--id", &id]).expect("done").trim(), "1 due again");
    mail::expect(&stack.mail_dir(), &ada.email, "svg").await;
    assert!(mails(&["retry", "--id", &id]).expect_err("sent").to_string().contains("was given up"));
}
