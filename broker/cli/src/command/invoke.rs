//! `merit invoke`: one call. The payload goes in, the function's reply comes out as it is.

use std::path::PathBuf;

use clap::Args;
use merit_units::{FunctionId, Tag};
use merit_wire::header;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;

use super::terms::Terms;
use crate::Exit;
use crate::client::{Client, no_answer, problem};
use crate::failure::Failure;
use crate::output::Output;
use crate::values::dollars;

/// Options of `invoke`.
#[derive(Args, Clone, Debug)]
#[command(after_help = Exit::HELP)]
pub struct InvokeArgs {
    /// The function
    #[arg(value_parser = FunctionId::try_new)]
    pub function: FunctionId,
    /// The payload itself; without --data and --file it is read from stdin
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    pub data: Option<String>,
    /// A file with the payload
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The payload's media type; JSON is recognised
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// Write the reply to a file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How long to wait for the reply, such as 250ms or 2s, or until an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,
    /// Makes a repetition safe: the same key gets the same reply, charged once
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// A label for spend reports, such as team=search. May be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = Tag::try_new)]
    pub tags: Vec<Tag>,
    /// Do not wait: the call is stored, run afterwards at least once, and found with `merit async show`
    #[arg(long = "async")]
    pub respond_async: bool,
    /// Print venue, charge and attempts to stderr
    #[arg(long, short)]
    pub verbose: bool,
    /// What the caller demands.
    #[command(flatten)]
    pub terms: Terms,
}

/// What the headers of a reply tell.
#[derive(Debug, Serialize)]
struct Told {
    invocation: Option<String>,
    status: u16,
    venue: Option<String>,
    deployment: Option<String>,
    charge: Option<String>,
    attempts: Option<u64>,
    overhead_us: Option<u64>,
    replayed: bool,
    function_error: Option<String>,
    content_type: Option<String>,
    payload_bytes: usize,
    /// The reply, unless it went to a file or is no text.
    payload: Option<String>,
}

/// Calls a function.
pub(crate) async fn invoke(args: &InvokeArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let payload = payload(args, output)?;
    let sent = payload.len();
    let response = request(args, client, payload).send().await;
    let response = response.map_err(|error| no_answer(&error, client.base(), sent))?;
    let status = response.status().as_u16();
    // A function's own error is a reply, whatever its status; everything else from 400 on is Merit's.
    if status >= 400 && !response.headers().contains_key(header::FUNCTION_ERROR) {
        return Err(problem(response).await);
    }
    let mut told = Told::of_headers(status, response.headers());
    let reply = response.bytes().await.map_err(|error| no_answer(&error, client.base(), 0))?;
    told.payload_bytes = reply.len();
    if args.verbose && !output.json() {
        told.message(output)?;
    }
    let exit = if told.function_error.is_some() { Exit::FunctionError } else { Exit::Ok };
    if let Some(file) = &args.output {
        let refuse = |error| Failure::usage(format!("cannot write {}: {error}", file.display()));
        std::fs::write(file, &reply).map_err(refuse)?;
    }
    let text = std::str::from_utf8(&reply).ok();
    match (output.json(), &args.output, text) {
        (true, None, _) => {
            told.payload = text.map(str::to_owned);
            output.json_value(&told)?;
        }
        (true, Some(_), _) => output.json_value(&told)?,
        (false, Some(_), _) => {}
        (false, None, None) if output.out_terminal() => {
            let kind = told.content_type.as_deref().unwrap_or("no type");
            let hint = "it is not shown on a terminal: use --output FILE or a pipe";
            output.message(&format!("the reply is {} bytes of {kind}; {hint}", reply.len()))?;
        }
        (false, None, _) => {
            output.bytes(&reply)?;
            if output.out_terminal() && !reply.ends_with(b"\n") {
                output.line("")?;
            }
        }
    }
    if let (Some(kind), false) = (&told.function_error, output.json()) {
        output.error(&format!("the function reported an error: {kind}"))?;
    }
    Ok(exit)
}

fn payload(args: &InvokeArgs, output: &mut Output<'_>) -> Result<Vec<u8>, Failure> {
    match (&args.data, &args.file) {
        (Some(data), _) => Ok(data.clone().into_bytes()),
        (None, Some(file)) => {
            std::fs::read(file).map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
        }
        (None, None) => output.read_input().map_err(|error| Failure::usage(format!("cannot read stdin: {error}"))),
    }
}

fn request(args: &InvokeArgs, client: &Client, payload: Vec<u8>) -> RequestBuilder {
    let path = ["functions", args.function.as_str(), "invocations"];
    let kind = args.content_type.as_deref().unwrap_or_else(|| media_type(&payload));
    let tags: Vec<&str> = args.tags.iter().map(Tag::as_str).collect();
    let values = [
        (header::DEADLINE, args.deadline.clone()),
        (header::IDEMPOTENCY_KEY, args.idempotency_key.clone()),
        (header::PREFER, args.respond_async.then(|| "respond-async".to_owned())),
        (header::TAGS, (!tags.is_empty()).then(|| tags.join(","))),
    ];
    let mut request = client.request(Method::POST, &path).header(CONTENT_TYPE, kind);
    for (name, value) in values {
        request = value.into_iter().fold(request, |request, value| request.header(name, value));
    }
    args.terms.add_headers(request).body(payload)
}

fn media_type(payload: &[u8]) -> &'static str {
    let json = !payload.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok();
    if json { "application/json" } else { "application/octet-stream" }
}

impl Told {
    fn of_headers(status: u16, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let number = |name: &str| text(name).and_then(|value| value.parse().ok());
        Self {
            invocation: text(header::INVOCATION_ID),
            status,
            venue: text(header::VENUE),
            deployment: text(header::DEPLOYMENT),
            charge: text(header::CHARGE),
            attempts: number(header::ATTEMPTS),
            overhead_us: number(header::OVERHEAD_US),
            replayed: text(header::IDEMPOTENCY_REPLAYED).as_deref() == Some("true"),
            function_error: text(header::FUNCTION_ERROR),
            content_type: text(CONTENT_TYPE.as_str()),
            payload_bytes: 0,
            payload: None,
        }
    }

    fn message(&self, output: &mut Output<'_>) -> std::io::Result<()> {
        let lines = [
            ("invocation", self.invocation.clone()),
            ("venue", self.venue.clone()),
            ("deployment", self.deployment.clone()),
            ("charge", self.charge.as_deref().map(dollars)),
            ("attempts", self.attempts.map(|count| count.to_string())),
            ("overhead", self.overhead_us.map(|micros| format!("{micros} us"))),
            ("replayed", self.replayed.then(|| "yes: nothing ran and nothing was charged again".to_owned())),
        ];
        for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            output.message(&format!("{name:<11} {value}"))?;
        }
        Ok(())
    }
}
