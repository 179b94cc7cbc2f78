//! The test payment methods, as in <https://docs.stripe.com/testing>.

/// A named test payment method.
#[derive(Debug)]
pub(crate) struct TestMethod {
    /// Its name on the wire.
    pub(crate) name: &'static str,
    /// What a person reads on the pay page.
    pub(crate) label: &'static str,
    /// What becomes of a payment with it.
    pub(crate) outcome: Outcome,
}

/// What becomes of a payment.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It succeeds.
    Succeed,
    /// It succeeds; a later refund stays pending for a while.
    SucceedRefundPends,
    /// It succeeds; a later refund fails.
    SucceedRefundFails,
    /// The buyer must confirm with their bank first.
    Authenticate,
    /// The bank takes its time, until the sandbox is told what comes of it.
    Process,
    /// It is declined.
    Decline(Decline),
}

/// Why a card was declined.
#[derive(Debug)]
pub(crate) struct Decline {
    /// Stripe's error code.
    pub(crate) code: &'static str,
    /// The finer reason of `card_declined`.
    pub(crate) decline_code: Option<&'static str>,
    /// The sentence for the buyer.
    pub(crate) message: &'static str,
}

const fn method(name: &'static str, label: &'static str, outcome: Outcome) -> TestMethod {
    TestMethod { name, label, outcome }
}

const fn decline(decline_code: &'static str, message: &'static str) -> Outcome {
    Outcome::Decline(Decline { code: "card_declined", decline_code: Some(decline_code), message })
}

const fn refuse(code: &'static str, message: &'static str) -> Outcome {
    Outcome::Decline(Decline { code, decline_code: None, message })
}

/// Every payment method that the sandbox knows; the pay page shows them in this order.
pub(crate) const METHODS: &[TestMethod] = &[
    method("pm_card_visa", "Visa: succeeds", Outcome::Succeed),
    method("pm_card_mastercard", "Mastercard: succeeds", Outcome::Succeed),
    method("pm_card_amex", "American Express: succeeds", Outcome::Succeed),
    method("pm_card_authenticationRequired", "Asks the bank for a confirmation", Outcome::Authenticate),
    method("pm_usBankAccount_processing", "Bank debit: stays in processing", Outcome::Process),
    method("pm_card_chargeDeclined", "Declined", decline("generic_decline", "Your card was declined.")),
    method(
        "pm_card_chargeDeclinedInsufficientFunds",
        "Declined: insufficient funds",
        decline("insufficient_funds", "Your card has insufficient funds."),
    ),
    method(
        "pm_card_chargeDeclinedLostCard",
        "Declined: lost card",
        decline("lost_card", "Your card was declined."),
    ),
    method(
        "pm_card_chargeDeclinedExpiredCard",
        "Declined: expired card",
        refuse("expired_card", "Your card has expired."),
    ),
    method(
        "pm_card_chargeDeclinedIncorrectCvc",
        "Declined: wrong security code",
        refuse("incorrect_cvc", "Your card's security code is incorrect."),
    ),
    method(
        "pm_card_chargeDeclinedProcessingError",
        "Declined: processing error",
        refuse(
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
    ),
    method("pm_card_pendingRefund", "Succeeds; a refund stays pending", Outcome::SucceedRefundPends),
    method("pm_card_refundFail", "Succeeds; a refund fails", Outcome::SucceedRefundFails),
];

/// The method of that name. Stripe has two spellings for the declines (`pm_card_chargeDeclined…`
/// and `pm_card_visa_chargeDeclined…`); both are known.
pub(crate) fn find(name: &str) -> Option<&'static TestMethod> {
    let plain = name.replacen("pm_card_visa_", "pm_card_", 1);
    METHODS.iter().find(|method| method.name == name || method.name == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_decline_are_known() {
        for name in
            ["pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds"]
        {
            let Outcome::Decline(decline) = &find(name).unwrap().outcome else {
                panic!("{name} is declined");
            };
            assert_eq!(decline.decline_code, Some("insufficient_funds"));
        }
        assert!(find("pm_card_unheard_of").is_none());
    }
}
