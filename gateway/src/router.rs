//! The Hive router as a function: a request in, its answer out, no network between. All transports
//! go through it.
//!
//! There are two of it over one schema, because deduplication is a setting of a whole router and
//! its deduplication of subscriptions cannot be used: with it, hive-router 0.2.19 keeps a receiver
//! of each subscription in its table of requests in flight until the subscription ends, and ends
//! the subscription when it has no receivers. So queries and mutations go to a router that
//! deduplicates and refuses subscriptions, and subscriptions to one that does not deduplicate, and
//! [`crate::audience`] shares them.

use std::{rc::Rc, sync::Arc, time::Instant};

use hive_router::{
    RouterPaths, RouterSharedState, SchemaState, configure_ntex_app,
    pipeline::request_identifiers::RequestIdentifiersService, plugins::plugins_service::PluginService,
    telemetry::PrometheusAttached,
};
use ntex::{
    SharedCfg,
    http::{HeaderMap, Request},
    service::{IntoServiceFactory, ServiceFactory},
    util::{BoxFuture, Bytes},
    web::{self, HttpResponse},
};

use crate::{
    admission::{Admitted, Caller, Gate},
    answers::{Answer, Answers, Fetched, Flight, Question, is_for_all},
    audience::{Audiences, Viewer},
    places::{Full, Place},
    plugins::local::Local,
    request,
    settings::{AUTHORIZATION, GRAPHQL},
    socket::Groups,
    subscription::{Rules, Subscription},
};

/// How often a query is asked for everybody before its caller asks for themselves. What the first joined may
/// have begun too early; the next begins later.
const ATTEMPTS: usize = 2;

/// What the routers of all threads have in common.
#[derive(Clone)]
pub(crate) struct Routers {
    pub(crate) schema: Arc<SchemaState>,
    pub(crate) queries: Arc<RouterSharedState>,
    pub(crate) subscriptions: Arc<RouterSharedState>,
    pub(crate) metrics: Option<PrometheusAttached>,
    pub(crate) audiences: Arc<Audiences>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) answers: Option<Arc<Answers>>,
    pub(crate) local: Arc<Local>,
}

/// The router, as one thread calls it.
#[derive(Clone)]
pub(crate) struct Router {
    /// Answers queries and mutations.
    pub(crate) queries: InProcess,
    /// Answers everything, and shares nothing.
    pub(crate) subscriptions: InProcess,
    audiences: Arc<Audiences>,
    /// The sockets that watch.
    pub(crate) groups: Groups,
    rules: Arc<Rules>,
    /// What every operation passes first.
    pub(crate) gate: Arc<Gate>,
    /// Those that are kept, if any are.
    pub(crate) answers: Option<Arc<Answers>>,
    /// The subgraphs of this process.
    local: Arc<Local>,
}

/// A query that was admitted.
#[derive(Clone, Copy)]
pub(crate) struct Query<'q> {
    pub(crate) question: &'q Question,
    /// Those that its request was left with.
    pub(crate) headers: &'q HeaderMap,
    /// The operation as JSON.
    pub(crate) body: &'q Bytes,
    pub(crate) admitted: &'q Admitted,
}

/// The answer to a query that others may have got, too.
pub(crate) enum Prepared {
    /// Everybody may have it.
    ForAll(Arc<Answer>),
    /// The answer to this one alone.
    Own(HttpResponse),
}

impl Routers {
    /// The services of this thread.
    pub(crate) async fn of_thread(&self) -> Router {
        Router {
            queries: self.in_process(&self.queries).await,
            subscriptions: self.in_process(&self.subscriptions).await,
            audiences: Arc::clone(&self.audiences),
            groups: Groups::new(self.audiences.capacity, self.audiences.sent.clone()),
            rules: Arc::clone(&self.rules),
            gate: Arc::clone(&self.gate),
            answers: self.answers.clone(),
            local: Arc::clone(&self.local),
        }
    }

    async fn in_process(&self, shared: &Arc<RouterSharedState>) -> InProcess {
        let paths = RouterPaths::new(GRAPHQL.to_owned(), None, None);
        let service = web::App::new()
            .middleware(PluginService::new(paths.clone(), None))
            .middleware(RequestIdentifiersService)
            .state(Arc::clone(shared))
            .state(Arc::clone(&self.schema))
            .state(Arc::clone(&shared.telemetry_context))
            .state(Arc::clone(&self.local))
            .configure(|routes| configure_ntex_app(routes, &paths, self.metrics.clone()))
            .into_factory()
            .pipeline(SharedCfg::new("ROUTER").add(web::WebAppConfig::new()).into())
            .await
            .unwrap_or_else(|()| unreachable!("only a state factory could fail, and there is none"));
        InProcess(Rc::new(move |request| Box::pin(service.call_static(request))))
    }
}

impl Router {
    /// Joins the audience of a subscription that was admitted; `headers` are those that its request
    /// was left with. What all share is executed for nobody in particular.
    pub(crate) fn view(
        &self,
        subscription: Subscription,
        mut headers: HeaderMap,
        body: Bytes,
        mut admitted: Admitted,
    ) -> Result<Viewer, Full> {
        let place = self.place(&admitted)?;
        if subscription.is_shared() {
            admitted.caller = Caller::Stranger;
        }
        let key = subscription.key(&mut headers, &self.rules);
        let open = || (self.subscriptions.clone(), request::post(headers, body, admitted));
        Ok(self.audiences.join(key, place, open))
    }

    /// Takes a place for a subscription that was admitted.
    fn place(&self, admitted: &Admitted) -> Result<Place, Full> {
        let mut place = self.audiences.places.take(admitted.address)?;
        place.is_of(&admitted.caller)?;
        Ok(place)
    }

    /// The answer that everybody may have to a query, of this type; who gets it otherwise gets it too.
    /// `None` when the query has to be executed for its caller.
    pub(crate) async fn prepared(&self, query: Query<'_>, kind: &'static str) -> Option<Prepared> {
        let answers = self.answers.as_ref()?;
        let Query { question, headers, body, admitted } = query;
        let (key, asked) = (answers.key(question, headers), Instant::now());
        if let Some(answer) = answers.get(&key).await {
            return Some(Prepared::ForAll(answer));
        }
        // With a token that nobody has looked at, one is a stranger to the gateway only.
        let stranger = matches!(admitted.caller, Caller::Stranger) && !headers.contains_key(AUTHORIZATION);
        if !question.habit().invites(stranger) {
            return None;
        }
        for _ in 0..ATTEMPTS {
            let noted = answers.noting();
            let ask = async {
                let mut headers = headers.clone();
                headers.remove(AUTHORIZATION);
                let mut for_all = admitted.for_all(answers.next_flight(), noted.clone());
                match self.shortcut(&headers, body, &mut for_all, kind).await {
                    Some(response) => Ok(response),
                    None => self.queries.call(request::ask(headers, body.clone(), for_all, kind)).await,
                }
            };
            let flight = Flight { question, headers, body, noted: noted.clone() };
            match answers.fetch(key, flight, ask).await? {
                Fetched::ForAll(answer) if answers.is_of(asked, &key, &answer).await => {
                    return Some(Prepared::ForAll(answer));
                }
                Fetched::ForAll(_) => {}
                Fetched::ForStrangers(response) => return stranger.then_some(Prepared::Own(response)),
            }
        }
        None
    }

    /// An operation that is executed for its caller alone, from which one can still learn whether everybody
    /// could have had its answer.
    pub(crate) fn own(&self, admitted: Admitted) -> Admitted {
        Admitted { noted: self.answers.as_ref().and_then(|answers| answers.noting()), ..admitted }
    }

    /// Notes whether everybody could have had a response.
    pub(crate) fn learn(question: Option<&Question>, response: &HttpResponse) {
        if let Some(question) = question {
            question.habit().learn(is_for_all(response));
        }
    }

    /// Answers a query or mutation that was admitted; `headers` are those that its request was left
    /// with.
    pub(crate) async fn answer(
        &self,
        headers: HeaderMap,
        body: Bytes,
        admitted: Admitted,
    ) -> Result<HttpResponse, web::Error> {
        let mut admitted = self.own(admitted);
        match self.shortcut(&headers, &body, &mut admitted, request::JSON).await {
            Some(response) => Ok(response),
            None => self.queries.call(request::post(headers, body, admitted)).await,
        }
    }

    /// The answer to a query or mutation that needs no router; the others need it, with what `admitted` has
    /// then.
    pub(crate) async fn shortcut(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        admitted: &mut Admitted,
        kind: &'static str,
    ) -> Option<HttpResponse> {
        let shortcuts = self.local.shortcuts.as_ref().filter(|_| admitted.shortcut().is_some())?;
        // Boxed, as the router's own futures are: it is moved about in that of whoever asks.
        Box::pin(shortcuts.answer(headers, body, admitted, kind)).await
    }
}

/// One of the two.
#[derive(Clone)]
pub(crate) struct InProcess(Rc<dyn Fn(Request) -> BoxFuture<'static, Result<web::WebResponse, web::Error>>>);

impl InProcess {
    pub(crate) async fn call(&self, request: Request) -> Result<HttpResponse, web::Error> {
        Ok((self.0)(request).await?.into_parts().0)
    }
}
