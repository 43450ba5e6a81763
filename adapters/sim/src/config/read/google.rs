//! The keys that only mean something where Google's protocols are spoken.

use super::super::google::{GoogleProject, ServiceAccount};
use super::{Reader, Section};

/// A project's id where none is given.
const PROJECT: &str = "merit-sim";
const ACCOUNT_KEYS: &[&str] = &["email", "public_key"];

impl<'t> Reader<'t> {
    pub(super) fn google(&mut self, section: &Section<'_, 't>) -> GoogleProject {
        let name = self.text(section, "name").unwrap_or_default();
        let of_name = name.strip_prefix("google-").filter(|region| !region.is_empty()).unwrap_or("us-central1");
        let project = self.text(section, "project").unwrap_or(PROJECT);
        let region = self.text(section, "region").unwrap_or(of_name);
        let mut google = GoogleProject::new(project, region);
        let mut accounts = Vec::new();
        for section in self.sections(section, "service_account") {
            self.only(&section, ACCOUNT_KEYS);
            let email = self.needed(&section, "email");
            let public_key = self.text(&section, "public_key").map(str::to_owned);
            let bad = |key: &String| jsonwebtoken::DecodingKey::from_rsa_pem(key.as_bytes()).is_err();
            if public_key.as_ref().is_some_and(bad) {
                self.mistake_at(&section, "public_key", "must be an RSA key as PEM: -----BEGIN PUBLIC KEY-----");
            }
            accounts.push(ServiceAccount { email, public_key });
        }
        if !accounts.is_empty() {
            google.service_accounts = accounts;
        }
        google.custom_audiences = self.texts(section, "custom_audiences");
        google
    }

    /// An array of texts; empty when absent.
    pub(super) fn texts(&mut self, section: &Section<'_, 't>, key: &str) -> Vec<String> {
        let Some(value) = section.table.get(key) else { return Vec::new() };
        let texts = value.get_ref().as_array().map(|array| {
            let each = array.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            each.collect::<Option<Vec<String>>>()
        });
        texts.flatten().unwrap_or_else(|| {
            self.mistake_at(section, key, "must be an array of texts, such as [\"...\"]");
            Vec::new()
        })
    }
}
