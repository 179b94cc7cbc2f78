//! What every operation of every transport passes before the router sees it:
//!
//! 1. Its parameters are read, completely or not at all ([`params`]). A document that is named by an
//!    id gets its text ([`crate::documents`]).
//! 2. What is too much is refused unread ([`crate::guard`]). The document is looked at, once for each
//!    text ([`document`]): what it asks for at the root. What is refused here takes a token, too.
//! 3. Its caller is found out: an access token is verified, an API key is exchanged for one
//!    ([`caller`], [`exchange`]). From here on the request has a token, whatever it came with.
//! 4. Its tokens are taken from the buckets of the caller ([`limits`]).
//!
//! Which fields the caller may read is decided where the router knows their types, and still before
//! anything is fetched ([`crate::plugins::authorization`]); it uses what was found out here
//! ([`Admitted`]).
//!
//! Architecture invariant: nothing is passed on that was not understood. A body that could be read in
//! two ways is refused.
//!
//! Architecture invariant: a bad token makes a stranger and not an error. Public fields answer
//! everybody; fields that need a caller say what is wrong with the token. A bad API key is an error,
//! as whoever uses one wants to know.

mod address;
mod caller;
mod config;
mod document;
mod exchange;
mod identities;
mod limits;
mod oauth;
mod params;
mod read;
mod request_id;
mod scopes;

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    sync::Arc,
};

use kernel::{SharedClock, SharedIds, error::ErrorCode};
use ntex::{
    http::{
        HeaderMap,
        header::{AUTHORIZATION, HeaderName},
    },
    util::Bytes,
};
use platform::{Redis, auth::Verifiers, cache::validator::Validators, http::Direct};
use serde_json::value::RawValue;

pub use address::{Network, NotANetwork};
pub use config::{Auth, RateLimits, Store};

pub(crate) use address::network;
pub(crate) use caller::Caller;
#[cfg(test)]
pub(crate) use document::tests::Usual;
pub(crate) use document::{Document, Documents, Kind, Names, Operation};
pub(crate) use oauth::{LIMIT as OAUTH_LIMIT, OAUTH_TOKEN, OAuth};
pub(crate) use params::{Params, asks, from_query};
pub(crate) use request_id::{REQUEST_ID, request_id};
pub(crate) use scopes::{Needs, Scopes};

use crate::{
    Config, GatewayError, Introspection,
    answers::{Noted, Question},
    documents::{Ids, Known},
    guard::Guard,
    operations::{Meter, Series},
    refusal::Refusal,
    shortcut::{Handed, Shortcut},
    subscription::{Rules, Subscription},
};
use exchange::KeyExchange;
use identities::{Identities, api_key, only};
pub(crate) use limits::Subject;
use limits::{Class, Counts, Limited, RateLimiter};
use read::{Bodies, Read};

/// The other header for API keys.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What goes with a request through the router: who asks, and what they may read.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) scopes: Arc<Scopes>,
    /// Whether the id of the request was made by the gateway.
    pub(crate) made_id: bool,
    /// From where it was sent.
    pub(crate) address: IpAddr,
    /// A number of its own, if its answer is to be kept. Such an operation shares nothing with others, which
    /// may have begun before.
    pub(crate) flight: Option<u64>,
    /// Where it is noted what its answer holds by, if anybody wants to know.
    pub(crate) noted: Option<Noted>,
    /// What is known of the operation, if it is clear which one is asked for.
    pub(crate) operation: Option<Arc<Operation>>,
    /// What came of its one fetch, if that was made.
    pub(crate) handed: Option<Handed>,
}

impl Admitted {
    /// A number that differs for operations that may not share an answer.
    pub(crate) fn partition(&self) -> u64 {
        let handed = self.handed.as_ref().map(Handed::number);
        match (self.flight, handed) {
            (None, None) => self.caller.partition(),
            alone => {
                let mut hasher = DefaultHasher::new();
                (self.caller.partition(), alone).hash(&mut hasher);
                hasher.finish()
            }
        }
    }

    /// The operation's way to its answer without the router, if it has one.
    pub(crate) fn shortcut(&self) -> Option<&Arc<Shortcut>> {
        self.operation.as_ref()?.way.shortcut()
    }

    /// The same operation for nobody in particular, whose answer is to be kept.
    pub(crate) fn for_all(&self, flight: u64, noted: Option<Noted>) -> Self {
        Self { caller: Caller::Stranger, flight: Some(flight), noted, ..self.clone() }
    }
}

/// An operation that may be executed.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) admitted: Admitted,
    /// What the operation subscribes to, if it does.
    pub(crate) subscription: Option<Subscription>,
    /// What the operation asks, if its answer might be kept.
    pub(crate) question: Option<Question>,
    /// The operation as JSON.
    pub(crate) body: Bytes,
    /// Is told how it ends.
    pub(crate) meter: Meter,
}

/// Lets operations pass, or says why not.
pub(crate) struct Gate {
    identities: Option<Identities>,
    limiter: RateLimiter,
    guard: Guard,
    names: crate::operations::Names,
    /// Where operations count of which nothing is known.
    unknown: Arc<Series>,
    known: Known,
    introspection: Introspection,
    documents: Documents,
    bodies: Bodies,
    scopes: Arc<Scopes>,
    rules: Arc<Rules>,
    proxies: Vec<Network>,
    clock: SharedClock,
    pub(crate) ids: SharedIds,
    pub(crate) oauth: Option<OAuth>,
}

/// What the gateway uses of its process.
pub struct Outside {
    /// The time.
    pub clock: SharedClock,
    /// Ids of requests.
    pub ids: SharedIds,
    /// Where rate limits are shared; without it each gateway has its own.
    pub redis: Option<Redis>,
    /// Who can tell whether access tokens are good, for other roles of the process as well.
    pub verifiers: Verifiers,
    /// Subgraphs that are roles of the same process, by their names: they can be asked without HTTP.
    pub local: BTreeMap<String, Direct>,
    /// Knows what answers hold by that may change at any moment; without it, none of those are kept.
    pub validators: Option<Arc<dyn Validators>>,
}

impl Gate {
    pub(crate) fn new(
        config: &Config,
        scopes: Arc<Scopes>,
        rules: Arc<Rules>,
        outside: Outside,
    ) -> Result<Self, GatewayError> {
        let Outside { clock, ids, redis, verifiers, .. } = outside;
        let auth = Some(&config.auth).filter(|auth| auth.enabled);
        let identities = auth
            .map(|auth| {
                let verifier = verifiers.get(&auth.verifier(), &clock)?;
                Ok(Identities { verifier, keys: KeyExchange::new(auth.token_url.clone())? })
            })
            .transpose()
            .map_err(GatewayError::HttpClient)?;
        let oauth = auth.map(|auth| OAuth::new(auth.token_url.clone())).transpose();
        let known = Known::load(&config.documents)?;
        let named = known.texts().flat_map(crate::documents::names).collect();
        let names = crate::operations::Names::new(named);
        Ok(Self {
            identities,
            limiter: RateLimiter::new(config.rate_limits.clone(), redis, ids.uuid().simple().to_string()),
            guard: Guard::new(config.limits.clone()),
            unknown: names.series(None, Class::General.as_str()),
            names,
            known,
            introspection: config.introspection(),
            documents: Documents::new(),
            bodies: Bodies::new(),
            scopes,
            rules,
            proxies: config.trusted_proxies.clone(),
            clock,
            ids,
            oauth: oauth.map_err(GatewayError::HttpClient)?,
        })
    }

    /// What is executed for nobody in particular, and was asked by nobody.
    pub(crate) fn nobody(&self) -> Admitted {
        Admitted {
            caller: Caller::Stranger,
            scopes: Arc::clone(&self.scopes),
            made_id: true,
            address: IpAddr::from([0, 0, 0, 0]),
            flight: None,
            noted: None,
            operation: None,
            handed: None,
        }
    }

    /// The address of whoever sent a request with these headers.
    pub(crate) fn address(&self, peer: Option<std::net::SocketAddr>, headers: &HeaderMap) -> IpAddr {
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        address::of_client(peer, headers, &self.proxies)
    }

    /// Admits an operation. `headers` are those of its request; afterwards they are those that it
    /// is executed with.
    pub(crate) async fn admit(
        &self,
        headers: &mut HeaderMap,
        address: IpAddr,
        body: Bytes,
    ) -> Result<Admission, Refusal> {
        let mut meter = Meter::begin(&self.unknown);
        match self.pass(headers, address, &body, &mut meter).await {
            Ok((admitted, subscription, read)) => {
                let (question, body) = (read.question.clone(), read.body.clone());
                Ok(Admission { admitted, subscription, question, body, meter })
            }
            Err(refusal) => {
                meter.refused(&refusal);
                Err(refusal)
            }
        }
    }

    async fn pass(
        &self,
        headers: &mut HeaderMap,
        address: IpAddr,
        body: &Bytes,
        meter: &mut Meter,
    ) -> Result<(Admitted, Option<Subscription>, Arc<Read>), Refusal> {
        let known = self.bodies.known(body);
        if let Some(series) = known.as_ref().and_then(|read| read.series.as_ref()) {
            meter.is_of(series);
        }
        let caller = self.caller(headers, address).await?;
        let read = match known {
            Some(read) => read,
            None => self.read_for(&caller, address, body).await?,
        };
        if let Some(series) = &read.series {
            meter.is_of(series);
        }
        // What the router will refuse costs as much as the simplest query.
        let counts =
            read.operation.as_ref().map_or(Counts::one(Class::General), |operation| operation.counts);
        self.take(&caller, address, counts).await?;
        if read.document.as_ref().is_some_and(|document| document.traits.introspects) {
            self.may_introspect(&caller)?;
        }
        let subscription = match (&read.document, &read.operation) {
            (Some(document), Some(operation)) if operation.kind == Kind::Subscription => {
                Subscription::new(document, operation, &Params::parse(&read.body)?, caller.partition())
            }
            _ => None,
        };
        let scopes = Arc::clone(&self.scopes);
        let admitted = Admitted {
            caller,
            scopes,
            made_id: false,
            address,
            flight: None,
            noted: None,
            operation: read.operation.clone(),
            handed: None,
        };
        Ok((admitted, subscription, read))
    }

    /// Reads a body that is not known, which costs more than to refuse it: who has no token left for the
    /// simplest query is refused unread, and who is refused for what they sent has used one.
    async fn read_for(&self, caller: &Caller, address: IpAddr, body: &Bytes) -> Result<Arc<Read>, Refusal> {
        let one = Counts::one(Class::General);
        self.limiter.look(&caller.subject(), address, one).map_err(Limited::refusal)?;
        match self.read(body) {
            Ok(read) => Ok(self.bodies.keep(body, read)),
            Err(refusal) => {
                self.take(caller, address, one).await?;
                Err(refusal)
            }
        }
    }

    /// Finds out what a body asks for.
    fn read(&self, body: &Bytes) -> Result<Read, Refusal> {
        self.guard.body(body)?;
        let mut params = Params::parse(body)?;
        let replaced = self.named(&mut params)?;
        for (name, values) in [("variables", params.variables), ("extensions", params.extensions)] {
            values.map_or(Ok(()), |values| self.guard.values(name, values.get()))?;
        }
        let document = self.document(params.query.as_deref().unwrap_or_default())?;
        let found =
            document.as_ref().and_then(|document| document.operation(params.operation_name.as_deref()));
        let operation = found.map(Arc::clone);
        let series = operation.as_ref().map(|operation| {
            let class = operation.counts.classes().last().map_or(Class::General, |(class, _)| class);
            self.names.series(operation.name.as_deref(), class.as_str())
        });
        let question = match (&document, &operation) {
            (Some(document), Some(operation)) => Question::new(document, operation, &params),
            _ => None,
        };
        let body = replaced.unwrap_or_else(|| body.clone());
        Ok(Read { document, operation, series, question, body })
    }

    /// Gives parameters that name a document by an id its text. They then make another body.
    fn named(&self, params: &mut Params<'_>) -> Result<Option<Bytes>, Refusal> {
        let extensions = params.extensions.map(RawValue::get);
        let ids = Ids { document: params.document_id.as_deref(), extensions };
        let text = self.known.resolve(params.query.as_deref(), &ids)?;
        Ok(text.map(|text| {
            params.query = Some(text.to_string());
            params.body()
        }))
    }

    /// What is known of a document, if it is one and may be sent.
    fn document(&self, text: &str) -> Result<Option<Arc<Document>>, Refusal> {
        self.documents.get(text, || {
            let traits = self.guard.document(text)?;
            match Document::try_parse(text, self) {
                Ok(document) => Ok(Some(Arc::new(document.with(traits)))),
                // There is none; the router says so.
                Err(_) if text.is_empty() => Ok(None),
                Err(reason) => Err(Refusal::unparsed(format!(
                    "Failed to parse GraphQL operation: {}",
                    reason.trim_end()
                ))),
            }
        })
    }

    fn may_introspect(&self, caller: &Caller) -> Result<(), Refusal> {
        let message = match self.introspection {
            Introspection::Development => return Ok(()),
            Introspection::Keyed if caller.is_trusted() => return Ok(()),
            Introspection::Keyed => "The schema is for callers with an API key (gateway.introspection).",
            Introspection::Off => "The schema cannot be read here (gateway.introspection).",
        };
        Err(Refusal::new(ErrorCode::Forbidden, message))
    }

    /// Who sends these headers. They lose what is wrong with them, and an API key becomes the token
    /// that it stands for.
    pub(crate) async fn caller(&self, headers: &mut HeaderMap, address: IpAddr) -> Result<Caller, Refusal> {
        let Some(identities) = &self.identities else { return Ok(Caller::Stranger) };
        let token = only(headers, &AUTHORIZATION);
        let key = only(headers, &API_KEY);
        headers.remove(API_KEY);
        let caller = match (token, key) {
            (None, None) => Caller::Stranger,
            (Some(token), None) => match api_key(&token) {
                Some(key) => self.of_key(identities, headers, key, address).await?,
                None => identities.of_token(&token).await,
            },
            (None, Some(key)) => self.of_key(identities, headers, &key, address).await?,
            (Some(_), Some(_)) => {
                self.charge(address).await?;
                let message = "Send an access token or an API key, not both.";
                return Err(Refusal::bad(message));
            }
        };
        Ok(caller)
    }

    /// Whom an API key stands for. To find that out costs us more than it costs to invent keys, so who does
    /// is made to wait like those who guess passwords. Keys that were good of late are none of those.
    async fn of_key(
        &self,
        identities: &Identities,
        headers: &mut HeaderMap,
        key: &str,
        address: IpAddr,
    ) -> Result<Caller, Refusal> {
        let known = identities.keys.knows(key);
        if !known {
            let looked = self.limiter.look(&Subject::Stranger, address, Counts::one(Class::SignIn));
            looked.map_err(Limited::refusal)?;
        }
        let caller = identities.of_key(headers, key).await;
        if caller.is_err() {
            match known {
                true => self.charge(address).await?,
                false => self.take_sign_in(address).await?,
            }
        }
        caller
    }

    /// Takes the tokens for what an operation asks for.
    async fn take(&self, caller: &Caller, address: IpAddr, counts: Counts) -> Result<(), Refusal> {
        let taken = self.limiter.take(&caller.subject(), address, counts, self.clock.now()).await;
        taken.map_err(Limited::refusal)
    }

    /// Takes a token for something that was refused before anybody knew whose it was.
    pub(crate) async fn charge(&self, address: IpAddr) -> Result<(), Refusal> {
        self.take(&Caller::Stranger, address, Counts::one(Class::General)).await
    }

    /// Takes a token of those who open sessions.
    pub(crate) async fn take_sign_in(&self, address: IpAddr) -> Result<(), Refusal> {
        self.take(&Caller::Stranger, address, Counts::one(Class::SignIn)).await
    }

    /// How long a token is good, in seconds from now; at most.
    pub(crate) fn seconds_left(&self, caller: &Caller) -> Option<u64> {
        let left = caller.expires_at()? - self.clock.now().timestamp();
        Some(u64::try_from(left).unwrap_or_default())
    }
}

impl Names for Gate {
    fn class(&self, field: &str) -> Class {
        self.limiter.class(field)
    }

    fn is_shared(&self, field: &str) -> bool {
        self.rules.is_shared(field)
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside")
            .field("redis", &self.redis.is_some())
            .field("local", &self.local.keys())
            .finish_non_exhaustive()
    }
}
