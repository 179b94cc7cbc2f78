//! How much processor time a hostile request costs before it is refused, beside that of ordinary queries:
//!
//! ```text
//! cargo run --release -p gateway --example hostile [supergraph] [operations]
//! ```
//!
//! The gateway runs in this process, with one worker and the supergraph of the platform, in front of
//! subgraphs that answer every request with nothing at once. Only threads of the gateway are counted. Each
//! hostile request is unlike all before it, so that nothing is known of it; ordinary clients repeat theirs.
#![recursion_limit = "256"]

use std::{
    collections::BTreeMap, error::Error, fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration,
};

use axum::{Json, Router};
use gateway::{Config, Outside};
use kernel::{SystemClock, SystemIds};
use platform::{Shutdown, Telemetry, auth::Verifiers};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Builder};

/// The name of all threads that are not the gateway's.
const OUTSIDE: &str = "outside";
const REQUESTS: u32 = 2_000;
const WARM_UP: u32 = 200;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(OUTSIDE).enable_all().build()?;
    let mut arguments = std::env::args().skip(1);
    let supergraph = arguments.next().unwrap_or_else(|| "schema/supergraph.graphql".to_owned());
    let operations = arguments.next().unwrap_or_else(|| "schema/operations.graphql".to_owned());
    let task = runtime.spawn(measure(supergraph, operations));
    runtime.block_on(task)?
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
async fn measure(supergraph: String, operations: String) -> Result<(), Failure> {
    let target = Target::start(supergraph.into()).await?;

    let mut legal = Vec::new();
    println!("| ordinary query | µs of processor time |\n|---|---|");
    for (name, body) in ordinary(&operations)? {
        let cost = target.cost(How::Post, |_| body.clone()).await?;
        println!("| {name} | {:.0} |", micros(cost));
        legal.push(cost);
    }
    legal.sort_unstable();
    let median = legal.get(legal.len() / 2).copied().ok_or("there are no ordinary queries")?;
    println!("| *median* | {:.0} |\n", micros(median));
    println!("| hostile request | bytes | µs of processor time | × median |\n|---|---|---|---|");
    let by_post = hostile().into_iter().map(|(name, body)| (name, How::Post, body));
    for (name, how, body) in by_post.chain(from_pages()) {
        let bytes = body(0).len();
        let cost = target.cost(how, body).await?;
        println!("| {name} | {bytes} | {:.0} | {:.1} |", micros(cost), micros(cost) / micros(median));
    }
    Ok(())
}

fn micros(cost: Duration) -> f64 {
    cost.as_secs_f64() * 1e6
}

/// The queries among the operations, each as a body with variables that suit all of them.
fn ordinary(file: &str) -> Result<Vec<(String, String)>, Failure> {
    let manifest: Value = serde_json::from_str(&gateway::manifest(&[PathBuf::from(file)])?)?;
    let variables = json!({
        "cityId": "city_1", "movieId": "movie_1", "showId": "show_1", "bookingId": "booking_1", "id": "show_1",
        "first": 20, "date": "2026-12-01", "text": "dune",
    });
    let operations = manifest["operations"].as_array().cloned().unwrap_or_default();
    let queries = operations.into_iter().filter_map(|operation| {
        let (name, body) = (operation["name"].as_str()?, operation["body"].as_str()?);
        let body = body.starts_with("query").then(|| json!({ "query": body, "variables": variables }))?;
        Some((name.to_owned(), body.to_string()))
    });
    Ok(queries.collect())
}

type Make = Box<dyn Fn(u32) -> String + Send>;

/// Bodies that are too much, each different for each number.
fn hostile() -> Vec<(&'static str, Make)> {
    let document =
        |text: String| -> Make { Box::new(move |n| json!({ "query": format!("#{n}\n{text}") }).to_string()) };
    let aliases: String = (0..10_000).map(|n| format!("a{n}:cities{{id}} ")).collect();
    let few: String = (0..2_000).map(|n| format!("a{n}:cities{{id}} ")).collect();
    let bomb: String =
        (0..45).map(|n| format!("fragment F{n} on City{{id ...F{m} ...F{m}}}", m = n + 1)).collect();
    let list = "1 ".repeat(20_000);
    let short = "1 ".repeat(490);
    let (fields, names) = ("id ".repeat(490), "id ".repeat(54));
    let uses: String = (0..24).map(|n| format!("...F{n} ")).collect();
    let fragments: String = (0..24).map(|n| format!("fragment F{n} on City{{id}}")).collect();
    let doubled = (0..4).fold("id".to_owned(), |within, _| format!("cities{{{within}}}cities{{{within}}}"));
    vec![
        ("deep, 4,000 levels", document("{cities".repeat(4_000))),
        ("deep arguments", document(format!("{{cities(a:{}", "[".repeat(20_000)))),
        ("wide, 5,000 root fields", document(format!("{{{}}}", "__typename ".repeat(5_000)))),
        ("wide, 5,000 fields", document(format!("{{cities{{{}}}}}", "id ".repeat(5_000)))),
        ("10,000 aliases", document(format!("{{{aliases}}}"))),
        ("2,000 aliases", document(format!("{{{few}}}"))),
        ("2,000 directives", document(format!("{{cities {}{{id}}}}", "@skip(if:false) ".repeat(2_000)))),
        ("40,000 tokens", document(format!("{{cities(a:[{list}]){{id}}}}"))),
        ("500 tokens of arguments, then no brace", document(format!("{{cities(a:[{short}]){{id}}"))),
        (
            "500 tokens of arguments, not of the schema",
            document(format!("{{cities(a:[{short}]){{id nowhere}}}}")),
        ),
        ("490 fields, one not of the schema", document(format!("{{cities{{{fields}nowhere}}}}"))),
        ("54 fields of one name, one not of the schema", document(format!("{{cities{{{names}nowhere}}}}"))),
        (
            "24 fragments side by side, not of the schema",
            document(format!("{{cities{{{uses}}}}}{fragments}")),
        ),
        (
            "46 inline fragments in each other, not of the schema",
            document(format!(
                "{{cities{{{}{} nowhere{}}}}}",
                "...{".repeat(46),
                "id ".repeat(7),
                "}".repeat(46)
            )),
        ),
        ("2^4 fields of one name, not of the schema", document(format!("{{{doubled}}}"))),
        ("fragment bomb, 2^45", document(format!("{{cities{{...F0}}}} {bomb} fragment F45 on City{{id}}"))),
        (
            "circular fragments",
            document("{cities{...A}} fragment A on City{...B} fragment B on City{id ...A}".to_owned()),
        ),
        (
            "introspection bomb",
            document(format!("{{__schema{{types{{{}name{}}}}}}}", "fields{type{".repeat(6), "}}".repeat(6))),
        ),
        (
            "variables, 60 KB",
            Box::new(|n| {
                json!({ "query": "{cities{id}}", "variables": { "a": n, "b": "x".repeat(60_000) } })
                    .to_string()
            }),
        ),
        (
            "variables, 30,000 levels",
            Box::new(|n| {
                format!(r#"{{"query":"{{cities{{id}}}}","n":{n},"variables":{{"a":{}"#, "[".repeat(30_000))
            }),
        ),
        (
            "body, 1 MB",
            Box::new(|n| {
                json!({ "query": "{cities{id}}", "n": n, "pad": "x".repeat(1_000_000) }).to_string()
            }),
        ),
        (
            "batch of 1,000",
            Box::new(|n| format!("[{}1]", format!(r#"{{"query":"{{cities{{id}}}} #{n}"}},"#).repeat(1_000))),
        ),
    ]
}

/// What another site's page makes a browser send.
fn from_pages() -> [(&'static str, How, Make); 4] {
    let query =
        || -> Make { Box::new(|n| json!({ "query": format!("#{n}\n{{cities{{id}}}}") }).to_string()) };
    [
        ("a mutation by GET", How::Get, Box::new(|n| format!("mutation {{ logOut {{ ok{n} }} }}"))),
        ("a simple content type", How::Typed("text/plain"), query()),
        ("no GraphQL", How::Typed("application/xml"), query()),
        ("another origin", How::CrossOrigin, query()),
    ]
}

/// How a request is sent.
#[derive(Debug, Clone, Copy)]
enum How {
    /// As JSON.
    Post,
    /// In the address.
    Get,
    /// As JSON that says to be something else.
    Typed(&'static str),
    /// As JSON, from another site's page.
    CrossOrigin,
}

struct Target {
    url: String,
    client: reqwest::Client,
    _shutdown: Shutdown,
}

impl Target {
    async fn start(supergraph: PathBuf) -> Result<Self, Failure> {
        let subgraphs = TcpListener::bind("127.0.0.1:0").await?;
        let address = subgraphs.local_addr()?;
        let nothing = Router::new().fallback(async || Json(json!({ "data": {} })));
        tokio::spawn(async move { axum::serve(subgraphs, nothing).await });
        let url = |address: SocketAddr| format!("http://{address}/graphql");
        let names = ["catalog", "booking", "user"];
        let mut config = Config {
            listen: "127.0.0.1:0".parse()?,
            supergraph,
            subgraph_urls: names
                .into_iter()
                .map(|name| Ok((name.to_owned(), url(address).parse()?)))
                .collect::<Result<BTreeMap<_, _>, Failure>>()?,
            workers: Some(1),
            ..Config::default()
        };
        config.auth.enabled = false;
        config.rate_limits.enabled = false;
        let listener = gateway::bind(&config).await?;
        let address = listener.local_addr()?;
        let shutdown = Shutdown::new();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let outside = Outside {
            clock,
            ids,
            redis: None,
            verifiers: Verifiers::default(),
            local: BTreeMap::new(),
            validators: None,
        };
        tokio::spawn(gateway::run(config, outside, Telemetry::detached()?, listener, shutdown.clone()));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
        let ready = format!("http://{address}/ready");
        while !client.get(&ready).send().await.is_ok_and(|response| response.status().is_success()) {
            tokio::task::yield_now().await;
        }
        Ok(Self { url: url(address), client, _shutdown: shutdown })
    }

    /// The processor time of the gateway for one of these.
    async fn cost(&self, how: How, body: impl Fn(u32) -> String) -> Result<Duration, Failure> {
        let bodies: Vec<_> = (0..WARM_UP + REQUESTS).map(&body).collect();
        let mut begun = Duration::ZERO;
        for (n, body) in (0..).zip(bodies) {
            if n == WARM_UP {
                begun = processor_time()?;
            }
            let post = |content_type: &str| self.client.post(&self.url).header("content-type", content_type);
            let request = match how {
                How::Post => post("application/json").body(body),
                How::Typed(content_type) => post(content_type).body(body),
                How::CrossOrigin => {
                    post("application/json").header("origin", "https://elsewhere.example").body(body)
                }
                How::Get => self.client.get(Url::parse_with_params(&self.url, [("query", body)])?),
            };
            // A body that is refused unread may end its connection first.
            if let Ok(response) = request.send().await {
                drop(response.bytes().await);
            }
        }
        Ok((processor_time()? - begun) / REQUESTS)
    }
}

/// What all threads of the gateway have used so far (`/proc/[pid]/schedstat`, in nanoseconds).
fn processor_time() -> Result<Duration, Failure> {
    let mut nanoseconds = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() != OUTSIDE {
            let stat = fs::read_to_string(task.join("schedstat"))?;
            nanoseconds += stat.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}
