//! The markup of the pay page.

use super::Visit;
use crate::{
    cards::METHODS,
    currency,
    model::{Intent, IntentStatus},
};

const STYLE: &str = "\
    :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }\
    body { max-width: 34rem; margin: 2rem auto; padding: 0 1rem; }\
    fieldset { border: 1px solid; border-radius: .5rem; padding: 1rem; }\
    button { display: block; width: 100%; min-height: 44px; margin: .5rem 0; font: inherit; }\
    [role=status], [role=alert] { border-inline-start: .3rem solid; padding-inline-start: 1rem; }";

/// The page for one intent in whatever status.
pub(super) fn intent(intent: &Intent, visit: &Visit) -> String {
    let amount = currency::display(intent.amount, &intent.currency);
    let description =
        intent.description.as_deref().map(|text| format!("<p>{}</p>", escape(text))).unwrap_or_default();
    let content = match intent.status {
        IntentStatus::Processing => notice("Your bank is working on this payment."),
        IntentStatus::Succeeded => notice("Paid. You may close this page."),
        IntentStatus::Canceled => notice("This payment was cancelled; nothing was charged."),
        IntentStatus::RequiresAction => form(
            visit,
            "Your bank asks: is this payment yours?",
            "bank",
            &[("approve", "Yes, pay"), ("refuse", "No, refuse")],
        ),
        IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation => {
            let choices: Vec<_> = METHODS.iter().map(|m| (m.name, m.label)).collect();
            format!("{}{}", decline(intent), form(visit, "Pay with", "payment_method", &choices))
        }
    };
    let back = visit
        .return_url
        .as_deref()
        .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
        .map(|url| format!("<p><a href=\"{}\">Back to the shop</a></p>", escape(url)))
        .unwrap_or_default();
    document(
        &format!("Pay {amount}"),
        &format!("{description}{content}{back}<p><small>{}</small></p>", escape(&intent.id)),
    )
}

/// The page for a visit that cannot be served.
pub(super) fn refusal(message: &str) -> String {
    document("Payment not possible", &format!("<p role=\"alert\">{}</p>", escape(message)))
}

fn decline(intent: &Intent) -> String {
    let message = intent.last_payment_error.as_ref().and_then(|e| e["message"].as_str());
    message
        .map(|text| format!("<p role=\"alert\">{} You may try again.</p>", escape(text)))
        .unwrap_or_default()
}

fn notice(text: &str) -> String {
    format!("<p role=\"status\">{}</p>", escape(text))
}

fn form(visit: &Visit, legend: &str, name: &str, choices: &[(&str, &str)]) -> String {
    let hidden = |name: &str, value: &str| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
    };
    let back = visit.return_url.as_deref().map(|url| hidden("return_url", url)).unwrap_or_default();
    let buttons: String = choices
        .iter()
        .map(|(value, label)| {
            format!(
                "<button type=\"submit\" name=\"{name}\" value=\"{}\">{}</button>",
                escape(value),
                escape(label)
            )
        })
        .collect();
    format!(
        "<form method=\"post\"><fieldset><legend>{}</legend>{}{back}{buttons}</fieldset></form>",
        escape(legend),
        hidden("client_secret", &visit.client_secret),
    )
}

fn document(title: &str, content: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · payment sandbox</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>\
         <p>This is a sandbox: no money moves and no card is asked for.</p>\
         {content}</main></body></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let page = refusal("<script>alert(\"x\")</script>");
        assert!(!page.contains("<script"), "{page}");
    }
}
