//! An account, and whoever is logged in with it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use client::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::answer::{Answer, await_answer};

const PASSWORD: &str = "correct horse battery";
/// How long signing up may take while nothing is broken yet.
const ENTER_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

const SIGN_UP: &str = "mutation SignUp($input: SignUpInput!) {
  result: signUp(input: $input) { session { accessToken refreshToken user { id } } userErrors { code } } }";
const LOG_IN: &str = "mutation LogIn($input: LogInInput!) {
  result: logIn(input: $input) { session { accessToken refreshToken user { id } } userErrors { code } } }";
const REFRESH: &str = "mutation Refresh($input: RefreshSessionInput!) {
  result: refreshSession(input: $input) {
    session { accessToken refreshToken user { id } } userErrors { code } } }";

/// Somebody with an account.
#[derive(Debug)]
pub struct Person {
    visitor: Client,
    email: String,
    user: String,
    session: Mutex<Session>,
}

#[derive(Debug, Clone)]
struct Session {
    client: Client,
    refresh_token: String,
}

impl Person {
    /// Makes an account. An answer that got lost is no obstacle: whoever has an account already
    /// logs in.
    ///
    /// # Errors
    /// When it does not work for long.
    pub async fn enter(visitor: Client, email: String) -> Result<Self> {
        let deadline = Instant::now() + ENTER_WITHIN;
        loop {
            let account = json!({ "email": email, "password": PASSWORD, "name": "Actor" });
            let mut answer = session(&visitor, SIGN_UP, account).await;
            if answer.is_err() {
                answer = session(&visitor, LOG_IN, json!({ "email": email, "password": PASSWORD })).await;
            }
            match answer {
                Ok((session, user)) => {
                    return Ok(Self { visitor, email, user, session: Mutex::new(session) });
                }
                Err(why) => ensure!(Instant::now() < deadline, "{email} cannot sign up: {why}"),
            }
            sleep(PAUSE).await;
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `user_…`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Asks the gateway with the present token.
    pub async fn ask(&self, document: &str, variables: Value) -> Answer {
        let client = self.session().client.clone();
        await_answer(client.execute(document, variables)).await
    }

    /// Gets a new token: with the refresh token, or else with the password. Stays with the old one
    /// when neither works now.
    pub async fn renew(&self) {
        let refresh_token = self.session().refresh_token.clone();
        let mut answer = session(&self.visitor, REFRESH, json!({ "refreshToken": refresh_token })).await;
        if answer.is_err() {
            let account = json!({ "email": self.email, "password": PASSWORD });
            answer = session(&self.visitor, LOG_IN, account).await;
        }
        match answer {
            Ok((session, _)) => *self.session() = session,
            Err(why) => tracing::debug!(user = self.user, why, "no new token"),
        }
    }
}

/// A session and whose it is.
async fn session(visitor: &Client, document: &str, input: Value) -> Result<(Session, String), String> {
    let data = match await_answer(visitor.execute(document, json!({ "input": input }))).await {
        Answer::Data(data) => data,
        Answer::Refused(why) | Answer::Unknown(why) => return Err(why),
    };
    let session = &data["result"]["session"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let parts = (text(&session["accessToken"]), text(&session["refreshToken"]), text(&session["user"]["id"]));
    match parts {
        (Some(token), Some(refresh_token), Some(user)) => {
            Ok((Session { client: visitor.with_token(token), refresh_token }, user))
        }
        _ => Err(data["result"]["userErrors"].to_string()),
    }
}
