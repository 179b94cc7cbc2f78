//! `/v1/payment_intents`, <https://docs.stripe.com/api/payment_intents>.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;

use super::{Call, Caller, list::Paging};
use crate::{
    app::App,
    cards::{self, TestMethod},
    currency,
    error::StripeError,
    form::Params,
    ledger::{Ledger, NewIntent},
    model::{Cause, Intent, Row},
};

/// `POST /v1/payment_intents`
pub(crate) async fn create(State(app): State<App>, mut call: Call) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let params = &mut call.params;
    let amount = params.integer("amount")?;
    let amount = params.required("amount", amount)?;
    let currency = params.text("currency")?;
    let currency = params.required("currency", currency)?;
    let currency = currency::check(amount, &currency)?;
    let automatic_methods = match params.branch("automatic_payment_methods") {
        Some(mut automatic) => {
            automatic.choice("allow_redirects", &["always", "never"])?;
            let enabled = automatic.boolean("enabled")?;
            let enabled = automatic.required("enabled", enabled)?;
            automatic.finish()?;
            enabled
        }
        None => false,
    };
    let mut payment_method_types = params.list("payment_method_types")?;
    let automatic_methods = automatic_methods || payment_method_types.is_empty();
    if payment_method_types.is_empty() {
        payment_method_types.push("card".to_owned());
    }
    params.choice("capture_method", &["automatic", "automatic_async"])?;
    params.choice("confirmation_method", &["automatic"])?;
    params.choice("setup_future_usage", &["off_session", "on_session"])?;
    let new = NewIntent {
        amount,
        currency,
        customer: params.text("customer")?,
        description: params.text("description")?,
        receipt_email: params.text("receipt_email")?,
        statement_descriptor: params.text("statement_descriptor")?,
        transfer_group: params.text("transfer_group")?,
        return_url: params.text("return_url")?,
        metadata: params.metadata()?,
        payment_method: test_method(params)?,
        payment_method_types,
        automatic_methods,
    };
    let confirm = params.boolean("confirm")?.unwrap_or(false);
    let expand = Expand::take(params)?;
    if confirm && new.payment_method.is_none() {
        return Err(StripeError::missing("payment_method"));
    }
    let method = new.payment_method;
    call.params.finish()?;

    let mut ledger = app.ledger();
    let mut intent = ledger.intent_create(new, &call.cause);
    if let (true, Some(method)) = (confirm, method) {
        intent = confirm_with(&app, &mut ledger, &intent.id, method, &call.cause)?;
    }
    Ok(Json(expand.intent(&ledger, &intent)))
}

/// `GET /v1/payment_intents/{id}`; a browser needs the client secret and sees less.
pub(crate) async fn retrieve(
    State(app): State<App>,
    Path(id): Path<String>,
    mut call: Call,
) -> Result<Json<Value>, StripeError> {
    let secret = call.params.text("client_secret")?;
    let expand = Expand::take(&mut call.params)?;
    // Stripe's browser library sends the publishable key as a parameter.
    call.params.text("key")?;
    call.params.finish()?;
    let ledger = app.ledger();
    if call.caller == Caller::Server {
        return Ok(Json(expand.intent(&ledger, ledger.intent(&id)?)));
    }
    let secret = secret.ok_or_else(|| StripeError::missing("client_secret"))?;
    Ok(Json(ledger.intent_of_client(&id, &secret)?.public_json()))
}

/// `GET /v1/payment_intents`
pub(crate) async fn list(State(app): State<App>, mut call: Call) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let paging = Paging::take(&mut call.params)?;
    let customer = call.params.text("customer")?;
    let expand = Expand::take_of(&mut call.params, "data.latest_charge")?;
    call.params.finish()?;
    let ledger = app.ledger();
    let wanted = |intent: &&Intent| customer.is_none() || intent.customer == customer;
    let show = |intent: &Intent| expand.intent(&ledger, intent);
    paging.page_of("/v1/payment_intents", ledger.intents.oldest_first().filter(wanted), show).map(Json)
}

/// `POST /v1/payment_intents/{id}/confirm`, by the shop's server or by a browser with the client
/// secret.
pub(crate) async fn confirm(
    State(app): State<App>,
    Path(id): Path<String>,
    mut call: Call,
) -> Result<Json<Value>, StripeError> {
    let params = &mut call.params;
    let secret = params.text("client_secret")?;
    let method = test_method(params)?;
    params.text("return_url")?;
    params.text("key")?;
    params.boolean("off_session")?;
    params.boolean("use_stripe_sdk")?;
    let expand = Expand::take(params)?;
    call.params.finish()?;

    let mut ledger = app.ledger();
    if call.caller == Caller::Browser || secret.is_some() {
        let secret = secret.ok_or_else(|| StripeError::missing("client_secret"))?;
        ledger.intent_of_client(&id, &secret)?;
    }
    let intent = ledger.intent(&id)?;
    let attached = intent.payment_method.as_deref().and_then(cards::find);
    let Some(method) = method.or(attached) else {
        if !intent.status.is_open() {
            // The status is the better answer; any method brings it out.
            return confirm_with(&app, &mut ledger, &id, &cards::METHODS[0], &call.cause)
                .map(|intent| Json(intent.json()));
        }
        return Err(StripeError::unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. Add a \
             payment_method to this request.",
            intent.json(),
        ));
    };
    let intent = confirm_with(&app, &mut ledger, &id, method, &call.cause)?;
    Ok(Json(match call.caller {
        Caller::Server => expand.intent(&ledger, &intent),
        Caller::Browser => intent.public_json(),
    }))
}

/// `POST /v1/payment_intents/{id}/cancel`
pub(crate) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
    mut call: Call,
) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    let reasons = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
    let reason = call.params.choice("cancellation_reason", &reasons)?;
    let expand = Expand::take(&mut call.params)?;
    call.params.finish()?;
    let mut ledger = app.ledger();
    let intent = ledger.intent_cancel(&id, reason, &call.cause)?;
    Ok(Json(expand.intent(&ledger, &intent)))
}

/// `GET /v1/charges/{id}`
pub(crate) async fn charge(
    State(app): State<App>,
    Path(id): Path<String>,
    call: Call,
) -> Result<Json<Value>, StripeError> {
    call.require_server()?;
    call.params.finish()?;
    let ledger = app.ledger();
    let charge = ledger.charges.get(&id).ok_or_else(|| StripeError::no_such("charge", &id, "id"))?;
    Ok(Json(charge.json()))
}

/// Confirms, with the address of the page that plays the buyer's bank.
pub(crate) fn confirm_with(
    app: &App,
    ledger: &mut Ledger,
    id: &str,
    method: &TestMethod,
    cause: &Cause,
) -> Result<Intent, StripeError> {
    let secret = &ledger.intent(id)?.client_secret;
    let bank = format!("{}/pay/{id}?client_secret={secret}", app.base_url());
    ledger.intent_confirm(id, method, &bank, cause)
}

fn test_method(params: &mut Params) -> Result<Option<&'static TestMethod>, StripeError> {
    let Some(name) = params.text("payment_method")? else { return Ok(None) };
    match cards::find(&name) {
        Some(method) => Ok(Some(method)),
        None => Err(StripeError::no_such("PaymentMethod", &name, "payment_method")),
    }
}

/// `expand[]`: the one expansion an intent has here is its charge.
struct Expand {
    charge: bool,
}

impl Expand {
    fn take(params: &mut Params) -> Result<Self, StripeError> {
        Self::take_of(params, "latest_charge")
    }

    /// The same by another path: `data.latest_charge` in lists.
    fn take_of(params: &mut Params, path: &str) -> Result<Self, StripeError> {
        let mut expand = Self { charge: false };
        for name in params.list("expand")? {
            if name != path {
                return Err(StripeError::invalid(
                    "expand",
                    format!("This property cannot be expanded ({name})."),
                ));
            }
            expand.charge = true;
        }
        Ok(expand)
    }

    fn intent(&self, ledger: &Ledger, intent: &Intent) -> Value {
        let mut json = intent.json();
        let charge = intent.latest_charge.as_ref().and_then(|id| ledger.charges.get(id));
        if let (true, Some(charge)) = (self.charge, charge) {
            json["latest_charge"] = charge.json();
        }
        json
    }
}
