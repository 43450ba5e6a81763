//! A look at the venue: credentials, the way to Lambda, and a dry run of the functions that are called.
//!
//! A dry run (`DryRun`) checks signature, permission and the function's existence, and runs nothing.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::types::InvocationType;
use merit_venue::{ErrorKind, Step, StepResult, Target};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::venue::LambdaVenue;
use crate::{discover, failure, target};

/// For one step on the network.
const PATIENCE: Duration = Duration::from_secs(10);

const DRY: &str = "dry invocation";

/// Functions that are tried at most: Lambda counts dry runs as calls of its API.
const MOST: usize = 20;

impl LambdaVenue {
    pub(crate) async fn look(&self, targets: &[Arc<Target>]) -> Vec<Step> {
        let mut steps = vec![self.credentials().await];
        let (host, port, tls) = self.authority();
        let addresses = match timeout(PATIENCE, lookup_host((host.as_str(), port))).await {
            Ok(Ok(found)) => found.collect::<Vec<_>>(),
            Ok(Err(error)) => return no_name(steps, &host, &error.to_string()),
            Err(_) => return no_name(steps, &host, &format!("no answer within {PATIENCE:?}")),
        };
        let Some(address) = addresses.first() else { return no_name(steps, &host, "it has no address") };
        steps.push(Step::ok("name", format!("{host} is {address}", address = address.ip())));
        let begun = Instant::now();
        let broken = match timeout(PATIENCE, TcpStream::connect(&*addresses)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {PATIENCE:?}")),
        };
        if let Some(why) = broken {
            let todo = "let this machine reach it: its firewall, its route, endpoint_url";
            steps.push(Step::failed("connection", format!("{host}:{port}: {why}"), todo));
            return steps;
        }
        let millis = begun.elapsed().as_millis();
        steps.push(Step::ok("connection", format!("{host}:{port} in {millis} ms")));
        if !tls {
            steps.push(Step::none("tls", "endpoint_url is http: nothing is encrypted"));
        }
        if steps.iter().any(|step| step.result == StepResult::Failed) {
            steps.push(Step::none(DRY, "not tried without credentials"));
            return steps;
        }
        self.dry_runs(targets, tls, &mut steps).await;
        steps
    }

    async fn credentials(&self) -> Step {
        match self.keyring.ready(Instant::now() + discover::OPERATION_TIMEOUT).await {
            Ok(()) => Step::ok("credentials", "there are some that have not expired"),
            Err(why) => {
                let todo = "give the venue credentials: [venues.NAME.credentials], a profile, or the environment of the broker";
                Step::failed("credentials", &*why, todo)
            }
        }
    }

    async fn dry_runs(&self, targets: &[Arc<Target>], tls: bool, steps: &mut Vec<Step>) {
        // Something that is signed and not there shows whether signatures are taken.
        let absent = Arc::new(Target::try_new("merit-venues-doctor").expect("invariant: a name is a target"));
        let nothing = targets.is_empty();
        let tried = if nothing { std::slice::from_ref(&absent) } else { &targets[..targets.len().min(MOST)] };
        for (number, target) in tried.iter().enumerate() {
            let (unanswered, step) = self.dry_run(target, nothing).await;
            if unanswered == Some(ErrorKind::Tls) {
                let todo = "trust its certificate, or mend endpoint_url and the clock of this machine";
                steps.push(Step::failed("tls", step.found, todo));
                return;
            }
            if tls && number == 0 && unanswered.is_none() {
                steps.push(Step::ok("tls", "its certificate is trusted"));
            }
            let failed = step.result == StepResult::Failed;
            steps.push(step);
            if failed {
                return;
            }
        }
        if let Some(left) = targets.len().checked_sub(MOST).filter(|left| *left > 0) {
            steps.push(Step::none(DRY, format!("{left} more functions were not tried")));
        }
    }

    /// Signs and sends a dry run. `absent`: the function is not there, and the answer has to say so. With the kind of
    /// failure when no answer came.
    async fn dry_run(&self, target: &Target, absent: bool) -> (Option<ErrorKind>, Step) {
        let called = match target::called(target, &self.config.region, self.config.account.as_deref()) {
            Ok(called) => called,
            Err(error) => return (None, Step::failed(DRY, error.message, "mend the deployment's target")),
        };
        let request = self.patient.invoke().function_name(called.function).set_qualifier(called.qualifier);
        let answer = request.invocation_type(InvocationType::DryRun).send().await;
        let region = &self.config.region;
        match answer {
            Ok(_) => (None, Step::ok(DRY, format!("`{target}` in {region} may be called"))),
            Err(SdkError::ServiceError(service)) => {
                let status = service.raw().status().as_u16();
                if absent && status == 404 {
                    let found = format!("the signature is taken in {region}; no deployment is there to be tried");
                    return (None, Step::ok(DRY, found));
                }
                let error = failure::refused(service.raw(), &format!("{target} in {region}")).error;
                (None, Step::failed(DRY, error.to_string(), todo(status)))
            }
            Err(error) => {
                let kind = failure::without_reply(&error, false);
                let step = Step::failed(DRY, failure::innermost(&error), "see what it says, and the log of the broker");
                (Some(kind), step)
            }
        }
    }

    /// Host, port and whether it is TLS.
    fn authority(&self) -> (String, u16, bool) {
        let url = self.config.endpoint_url.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
        let Some(url) = url else { return (format!("lambda.{}.amazonaws.com", self.config.region), 443, true) };
        let tls = url.scheme_str() != Some("http");
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, url.port_u16().unwrap_or(if tls { 443 } else { 80 }), tls)
    }
}

fn no_name(mut steps: Vec<Step>, host: &str, why: &str) -> Vec<Step> {
    let todo = "mend region or endpoint_url, or the name servers of this machine";
    steps.push(Step::failed("name", format!("{host} does not resolve: {why}"), todo));
    steps
}

/// What to do about an answer.
const fn todo(status: u16) -> &'static str {
    match status {
        403 => {
            "give the credentials lambda:InvokeFunction on it; set the clock of this machine if the signature is the reason"
        }
        404 => "deploy it there, or mend the deployment's target",
        429 => "wait; the account's limit on requests is reached",
        _ => "see what it says",
    }
}
