//! Routes of this process, for others in it.

use std::{future::poll_fn, pin::pin};

use axum::{Router, extract::Request, response::Response};
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use super::in_tasks;
use crate::Shutdown;

/// Routes that are called without a network, through the same layers as those that
/// [`serve`](super::serve) serves, and so with the same answers, spans and metrics. A panic of theirs is
/// an answer, too (500).
///
/// The caller may be on any thread, with a runtime of its own: what a request begins (tasks, timers,
/// connections) belongs to the runtime that was given here. When the caller leaves, the request is
/// carried through all the same.
///
/// Unlike a listener this answers until the hard step of the shutdown, so that a role which drains can
/// ask the others to the end.
#[derive(Debug, Clone)]
pub struct Direct {
    in_task: Router,
    here: Router,
    runtime: Handle,
}

/// Where a request takes its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// On the thread and the stack of whoever asks: what needs nobody else has its answer by then. What has to
    /// wait, or only yields, goes on in a task.
    Here,
    /// In a task of its own.
    InTask,
}

impl Direct {
    /// `router`, whose requests go on in tasks of `shutdown` on `runtime`.
    #[must_use]
    pub fn new(router: Router, runtime: Handle, shutdown: &Shutdown) -> Self {
        let [here, in_task] =
            [Start::Here, Start::InTask].map(|start| in_tasks(router.clone(), shutdown, start));
        Self { in_task, here, runtime }
    }

    /// The answer to a request, whose URL is looked at for its path only. Handlers cannot extract
    /// `ConnectInfo`.
    pub async fn call(&self, request: Request, start: Start) -> Response {
        let router = match start {
            Start::Here => &self.here,
            Start::InTask => &self.in_task,
        };
        let mut answer = pin!(router.clone().oneshot(request));
        let answered = poll_fn(|context| {
            let _entered = self.runtime.enter();
            answer.as_mut().poll(context)
        });
        match answered.await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc, thread};

    use axum::{
        body::{Body, to_bytes},
        http::StatusCode,
        routing::get,
    };
    use tokio::{
        runtime::{Builder, Runtime},
        sync::Semaphore,
    };

    use super::*;

    /// A runtime whose threads are called `home`.
    fn home() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).thread_name("home").enable_all().build().unwrap()
    }

    fn request(path: &str) -> Request {
        Request::get(format!("http://10.0.0.7:4001{path}")).body(Body::empty()).unwrap()
    }

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), 1_000).await.unwrap().to_vec()).unwrap()
    }

    fn thread() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    const BOTH: [Start; 2] = [Start::Here, Start::InTask];

    fn elsewhere<T>(work: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn what_a_request_begins_belongs_to_the_runtime_that_was_given() {
        let (home, shutdown) = (home(), Shutdown::new());
        let handler = async || {
            let first = thread();
            format!("{first} {}", tokio::spawn(async { thread() }).await.unwrap())
        };
        let direct = Direct::new(Router::new().route("/who", get(handler)), home.handle().clone(), &shutdown);
        elsewhere(async {
            assert_eq!(text(direct.call(request("/who"), Start::InTask).await).await, "home home");
            let here = format!("{} home", thread());
            assert_eq!(text(direct.call(request("/who"), Start::Here).await).await, here);
            for start in BOTH {
                assert_eq!(direct.call(request("/nowhere"), start).await.status(), StatusCode::NOT_FOUND);
            }
        });
    }

    #[test]
    fn a_panic_is_an_answer() {
        let (home, shutdown) = (home(), Shutdown::new());
        let broken = async || -> &'static str { panic!("on purpose") };
        let later = async || -> &'static str {
            tokio::task::yield_now().await;
            panic!("on purpose, where it has no caller")
        };
        let routes = Router::new()
            .route("/broken", get(broken))
            .route("/later", get(later))
            .route("/whole", get(async || "whole"));
        let direct = Direct::new(routes, home.handle().clone(), &shutdown);
        elsewhere(async {
            for start in BOTH {
                for path in ["/broken", "/later"] {
                    let status = direct.call(request(path), start).await.status();
                    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}, {start:?}");
                }
                assert_eq!(text(direct.call(request("/whole"), start).await).await, "whole");
            }
        });
        assert!(!shutdown.has_failed());
    }

    #[test]
    fn a_request_whose_caller_has_left_is_carried_through() {
        let (home, shutdown) = (home(), Shutdown::new());
        let [begun, may_end, ended] = [(); 3].map(|()| Arc::new(Semaphore::new(0)));
        let steps = [&begun, &may_end, &ended].map(Arc::clone);
        let handler = async move || {
            let [begun, may_end, ended] = steps;
            begun.add_permits(1);
            may_end.acquire().await.unwrap().forget();
            ended.add_permits(1);
        };
        let direct =
            Direct::new(Router::new().route("/slow", get(handler)), home.handle().clone(), &shutdown);
        elsewhere(async {
            for start in BOTH {
                tokio::select! {
                    _ = direct.call(request("/slow"), start) => panic!("it was not to end yet"),
                    held = begun.acquire() => held.unwrap().forget(),
                }
                may_end.add_permits(1);
                ended.acquire().await.unwrap().forget();
            }
        });
    }

    #[test]
    fn it_answers_until_the_hard_step() {
        let (home, shutdown) = (home(), Shutdown::new());
        let routes =
            Router::new().route("/", get(async || "here")).route("/never", get(pending::<&'static str>));
        let direct = Direct::new(routes, home.handle().clone(), &shutdown);
        elsewhere(async {
            shutdown.begin();
            for start in BOTH {
                assert_eq!(text(direct.call(request("/"), start).await).await, "here");
            }
            shutdown.hard().cancel();
            for (start, path) in BOTH.into_iter().flat_map(|start| [(start, "/"), (start, "/never")]) {
                let status = direct.call(request(path), start).await.status();
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}, {start:?}");
            }
        });
    }
}
