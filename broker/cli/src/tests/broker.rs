//! A small stand-in for a broker: it answers each path with what the test put there and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde::Serialize;

use super::{Outcome, Setting};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Those of Merit's headers and the usual ones that a caller controls, in order of name.
    pub(super) fn told(&self) -> String {
        let told = |name: &str| {
            name.starts_with("merit-") || ["authorization", "content-type", "idempotency-key"].contains(&name)
        };
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| told(name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        lines.sort();
        format!("{}\n{}\n\n{}", self.line, lines.join("\n"), self.body)
    }
}

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<BTreeMap<String, Answer>>,
    asked: Mutex<Vec<Asked>>,
}

/// The stand-in. It ends with the test's runtime.
pub(super) struct Broker {
    shared: Arc<Shared>,
    pub(super) url: String,
}

impl Broker {
    pub(super) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));
        Self { shared, url }
    }

    /// Answers a method and path with JSON.
    pub(super) fn json(&self, line: &str, body: &impl Serialize) -> &Self {
        self.answer(line, 200, &[("content-type", "application/json")], &serde_json::to_vec(body).expect("JSON"))
    }

    /// Answers a method and path with a problem document.
    pub(super) fn problem(&self, line: &str, problem: &merit_wire::Problem) -> &Self {
        let body = serde_json::to_vec(problem).expect("JSON");
        self.answer(line, problem.status, &[("content-type", "application/problem+json")], &body)
    }

    pub(super) fn answer(
        &self,
        line: &str,
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &[u8],
    ) -> &Self {
        let answer = Answer { status, headers: headers.to_vec(), body: body.to_vec() };
        self.shared.answers.lock().unwrap().insert(line.to_owned(), answer);
        self
    }

    /// Runs a command against it.
    pub(super) async fn run(&self, line: &[&str]) -> Outcome {
        self.run_in(Setting::default(), line).await
    }

    pub(super) async fn run_in(&self, setting: Setting<'_>, line: &[&str]) -> Outcome {
        let mut line = line.to_vec();
        line.extend(["--url", &self.url]);
        setting.run(&line).await
    }

    /// The last request.
    pub(super) fn last(&self) -> Asked {
        self.shared.asked.lock().unwrap().last().expect("it was asked").clone()
    }

    /// The lines of all requests.
    pub(super) fn lines(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().iter().map(|asked| asked.line.clone()).collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let line = format!("{} {}", request.method(), request.uri());
    let headers = request.headers().clone();
    let body = to_bytes(request.into_body(), 1 << 24).await.expect("a body");
    let body = String::from_utf8_lossy(&body).into_owned();
    shared.asked.lock().unwrap().push(Asked { line: line.clone(), headers, body });
    let answer = shared.answers.lock().unwrap().get(&line).cloned();
    let Some(answer) = answer else {
        return Response::builder().status(418).body(Body::from(format!("no answer for {line}"))).expect("a response");
    };
    let response = Response::builder().status(answer.status);
    let response = answer.headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Body::from(answer.body)).expect("a response")
}
