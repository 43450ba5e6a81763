//! The keys that only mean something where Azure's protocols are spoken.

use std::time::Duration;

use super::super::azure::{AzureApp, EntraClient};
use super::{Reader, Section};

const ENTRA_KEYS: &[&str] = &["tenant", "client_id", "client_secret", "audience"];

impl<'t> Reader<'t> {
    pub(super) fn azure(&mut self, section: &Section<'_, 't>) -> AzureApp {
        let name = self.text(section, "app").or_else(|| self.text(section, "name")).unwrap_or_default();
        let mut app = AzureApp::new(name);
        if let Some(subscription) = self.text(section, "subscription") {
            app.subscription = subscription.to_owned();
        }
        if let Some(group) = self.text(section, "resource_group") {
            app.resource_group = group.to_owned();
        }
        app.function_key = self.text(section, "function_key").map(str::to_owned);
        if let Some(millis) = self.whole(section, "cut_after_ms") {
            app.cut_after = Duration::from_millis(millis);
        }
        for section in self.sections(section, "entra") {
            self.only(&section, ENTRA_KEYS);
            let client = EntraClient {
                tenant: self.needed(&section, "tenant"),
                client_id: self.needed(&section, "client_id"),
                client_secret: self.needed(&section, "client_secret"),
                audience: self.needed(&section, "audience"),
            };
            if app.entra.replace(client).is_some() {
                self.mistake(section.span.clone(), &section.at, "is there twice; one app registration may call");
            }
        }
        if app.function_key.is_none() && app.entra.is_none() {
            let problem = "`function_key` is missing; add it, or [[cloud.entra]]: somebody has to be able to call";
            self.mistake(section.span.clone(), &section.at, problem);
        }
        app
    }
}
