//! Whether a call would be let in, without making it.
//!
//! Cloud Run lets a call in whose ID token is good, whose caller holds `run.routes.invoke` on the service, and which comes from where
//! the service takes calls. That there is a token, and a connection, the steps before have shown; of the other two the service's own
//! interface tells: `testIamPermissions` says which permissions the caller of *it* holds, who is the same identity, and the
//! service says from where it takes calls, whether it asks for the permission at all, and whether something else stands before it.
//! Where one of these can't be known, nothing is claimed: a call from here may be inside a network or not.
//!
//! Sources: cloud.google.com/run/docs/reference/rest/v2/projects.locations.services (`ingress`, `invokerIamDisabled`, `iapEnabled`) and
//! `.../testIamPermissions`, which needs no permission itself; cloud.google.com/run/docs/reference/iam/roles; read 2026-11-22.
//!
//! Known limitation: perimeters of VPC Service Controls are not seen.

use std::time::Duration;

use google_cloud_run_v2::client::Services;
use google_cloud_run_v2::model::{IngressTraffic, Service};
use merit_venue::{Step, VenueError};
use tokio::time::timeout;

use crate::identity;
use crate::venue::GoogleRunVenue;

/// What a caller needs.
const INVOKE: &str = "run.routes.invoke";

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found of one service.
enum Found {
    LetIn,
    Refused(String),
    Unknown(String),
}

impl GoogleRunVenue {
    /// The step that would be a call of each of these URLs.
    pub(crate) async fn dry(&self, places: &[String]) -> Step {
        const ONLY: &str = "only a call shows whether the service takes it";
        let (client, services) = match self.known_services().await {
            Ok(Some(known)) => known,
            Ok(None) => return Step::no_dry_run(format!("without `project` nothing can be asked: {ONLY}")),
            Err(error) => return Step::no_dry_run(format!("{}: {ONLY}", error.message)),
        };
        let mut unknown = None;
        for place in places {
            match found(&client, &services, place).await {
                Found::LetIn => {}
                Found::Refused(why) => {
                    let todo = "grant the identity roles/run.invoker on the service";
                    return Step::failed(Step::DRY, why, todo);
                }
                Found::Unknown(why) => unknown = unknown.or(Some(why)),
            }
        }
        match unknown {
            Some(why) => Step::no_dry_run(format!("{why}: {ONLY}")),
            None if places.is_empty() => Step::no_dry_run("no deployment is there to be called"),
            None => {
                let found = format!("the identity may invoke ({INVOKE}), and calls are taken from everywhere");
                Step::ok(Step::DRY, found)
            }
        }
    }

    async fn known_services(&self) -> Result<Option<(Services, Vec<Service>)>, VenueError> {
        let Some(parent) = self.parent() else { return Ok(None) };
        let client = self.services_client(self.access()?).await?;
        let services = self.services(&client, &parent).await?;
        Ok(Some((client, services)))
    }
}

async fn found(client: &Services, services: &[Service], place: &str) -> Found {
    let Some(service) = services.iter().find(|service| serves(service, place)) else {
        return Found::Unknown(format!("`{place}` is the URL of no service that is listed"));
    };
    let name = service.name.rsplit('/').next().unwrap_or_default();
    if service.ingress != IngressTraffic::All {
        return Found::Unknown(format!("`{name}` does not take calls from everywhere"));
    }
    if service.iap_enabled {
        return Found::Unknown(format!("Identity-Aware Proxy stands before `{name}`"));
    }
    if service.invoker_iam_disabled {
        return Found::LetIn;
    }
    let asked = client.test_iam_permissions().set_resource(service.name.as_str()).set_permissions([INVOKE]);
    match timeout(PATIENCE, asked.send()).await {
        Ok(Ok(held)) if held.permissions.iter().any(|permission| permission == INVOKE) => Found::LetIn,
        Ok(Ok(_)) => Found::Refused(format!("the identity may not invoke `{name}`: it lacks {INVOKE}")),
        Ok(Err(error)) => {
            Found::Unknown(format!("the permissions on `{name}` can't be asked for: {}", identity::told(&error)))
        }
        Err(_) => Found::Unknown(format!("no answer about the permissions on `{name}` came in time")),
    }
}

/// Whether a URL is one of the service's own, or below it.
fn serves(service: &Service, place: &str) -> bool {
    let own = service.urls.iter().chain([&service.uri]).filter(|url| !url.is_empty());
    own.map(|url| url.trim_end_matches('/')).any(|url| {
        let below = place.strip_prefix(url);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}
