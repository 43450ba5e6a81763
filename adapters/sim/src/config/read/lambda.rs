//! The keys that only mean something where AWS Lambda's protocol is spoken.

use std::collections::BTreeMap;

use merit_lambda_wire::reference::{is_qualifier, is_region};
use merit_pricing::PriceSheet;
use toml::de::DeValue;

use super::super::clouds::{FcAccount, ScfAccount, WorkersGate};
use super::super::lambda::{KeyPair, LambdaAccount, LambdaFunction, Protocol};
use super::{Reader, Section};

/// AWS's own example of an account.
const ACCOUNT: &str = "123456789012";

/// Keys of a cloud that only some protocols have.
const KEYS_OF: [(&str, &[&str]); 25] = [
    ("region", &["lambda", "google"]),
    ("account", &["lambda"]),
    ("json_payloads", &["lambda"]),
    ("key", &["lambda", "fc", "scf"]),
    ("project", &["google"]),
    ("service_account", &["google"]),
    ("custom_audiences", &["google"]),
    ("app", &["azure"]),
    ("subscription", &["azure"]),
    ("resource_group", &["azure"]),
    ("function_key", &["azure"]),
    ("entra", &["azure"]),
    ("cut_after_ms", &["azure"]),
    ("return_payload", &["fc"]),
    ("gateway_events", &["scf"]),
    ("bearer_token", &["workers"]),
    ("access_client_id", &["workers"]),
    ("access_client_secret", &["workers"]),
    ("namespace", &["openfaas", "knative"]),
    ("gateway_user", &["openfaas"]),
    ("gateway_password", &["openfaas"]),
    ("domain", &["knative"]),
    ("queue_depth", &["knative"]),
    ("api_token", &["knative"]),
    ("cloudevents", &["knative"]),
];
const KEY_KEYS: &[&str] = &["access_key_id", "secret_access_key", "session_token"];

impl<'t> Reader<'t> {
    pub(super) fn protocol(&mut self, section: &Section<'_, 't>, sheet: Option<&PriceSheet>) -> Protocol {
        let word = self.text(section, "protocol").unwrap_or("native");
        for (key, of) in KEYS_OF.iter().filter(|(key, of)| section.table.contains_key(*key) && !of.contains(&word)) {
            self.mistake_at(section, key, format!("is only for protocol = \"{}\"", of.join("\" or \"")));
        }
        match word {
            "lambda" => Protocol::Lambda(self.account(section, sheet)),
            "fc" => {
                let return_payload = self.flag(section, "return_payload").unwrap_or(false);
                Protocol::Fc(FcAccount { keys: self.keys(section), return_payload })
            }
            "google" => Protocol::Google(self.google(section)),
            "azure" => Protocol::Azure(self.azure(section)),
            "scf" => {
                let gateway_events = self.flag(section, "gateway_events").unwrap_or(false);
                Protocol::Scf(ScfAccount { keys: self.keys(section), gateway_events })
            }
            "workers" => Protocol::Workers(self.gate(section)),
            "openfaas" => Protocol::OpenFaas(self.gateway(section)),
            "knative" => Protocol::Knative(self.ingress(section)),
            "native" => Protocol::Native,
            other => {
                let known = "use native, lambda, fc, scf, google, azure, workers, openfaas or knative";
                self.mistake_at(section, "protocol", format!("`{other}` is none; {known}"));
                Protocol::Native
            }
        }
    }

    fn account(&mut self, section: &Section<'_, 't>, sheet: Option<&PriceSheet>) -> LambdaAccount {
        let of_sheet = sheet.and_then(|sheet| sheet.name().as_str().split('/').nth(1)).filter(|part| is_region(part));
        let region = self.text(section, "region");
        match region.or(of_sheet) {
            None => self.missing(section, "region"),
            Some(region) if !is_region(region) => {
                self.mistake_at(section, "region", format!("`{region}` is not a region such as us-east-1"));
            }
            Some(_) => {}
        }
        let account = self.text(section, "account").unwrap_or(ACCOUNT);
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            self.mistake_at(section, "account", format!("`{account}` is not a number of twelve digits"));
        }
        let keys = self.keys(section);
        let region = region.or(of_sheet).unwrap_or_default().to_owned();
        let json_payloads = self.flag(section, "json_payloads").unwrap_or(true);
        LambdaAccount { region, account: account.to_owned(), keys, json_payloads }
    }

    /// The keys that may call; at least one.
    fn keys(&mut self, section: &Section<'_, 't>) -> Vec<KeyPair> {
        let mut keys: Vec<KeyPair> = Vec::new();
        for section in self.sections(section, "key") {
            self.only(&section, KEY_KEYS);
            let access_key_id = self.needed(&section, "access_key_id");
            let secret_access_key = self.needed(&section, "secret_access_key");
            let session_token = self.text(&section, "session_token").map(str::to_owned);
            keys.push(KeyPair { access_key_id, secret_access_key, session_token });
        }
        if keys.is_empty() {
            self.mistake(section.span.clone(), &section.at, "`key` is missing; add at least one [[cloud.key]]");
        }
        keys
    }

    /// What callers of Workers must send.
    fn gate(&mut self, section: &Section<'_, 't>) -> WorkersGate {
        let bearer_token = self.text(section, "bearer_token").map(str::to_owned);
        let id = self.text(section, "access_client_id").map(str::to_owned);
        let secret = self.text(section, "access_client_secret").map(str::to_owned);
        if id.is_some() != secret.is_some() {
            let absent = if id.is_some() { "access_client_secret" } else { "access_client_id" };
            self.missing(section, absent);
        }
        WorkersGate { bearer_token, access: id.zip(secret) }
    }

    pub(super) fn needed(&mut self, section: &Section<'_, 't>, key: &str) -> String {
        if !section.table.contains_key(key) {
            self.missing(section, key);
        }
        self.text(section, key).unwrap_or_default().to_owned()
    }

    pub(super) fn lambda_function(&mut self, section: &Section<'_, 't>) -> LambdaFunction {
        let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
        let count = |value: &DeValue<'_>| {
            let number = value.as_integer()?;
            u32::from_str_radix(number.as_str(), number.radix()).ok()
        };
        let function = LambdaFunction {
            versions: self.count(section, "versions").unwrap_or_default(),
            aliases: self.entries(section, "aliases", "a version in quotes", text),
            tags: self.entries(section, "tags", "a text in quotes", text),
            reserved_concurrency: self.count(section, "reserved_concurrency"),
            provisioned_concurrency: self.entries(section, "provisioned_concurrency", "a whole number", count),
        };
        for alias in function.aliases.keys().filter(|alias| !is_qualifier(alias)) {
            self.mistake_at(section, "aliases", format!("`{alias}` is no alias; use letters, digits, `-` and `_`"));
        }
        for problem in function.problems() {
            self.mistake(section.span.clone(), &section.at, problem);
        }
        function
    }

    /// A table of names and values.
    fn entries<T>(
        &mut self,
        section: &Section<'_, 't>,
        key: &str,
        expected: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let Some(value) = section.table.get(key) else { return BTreeMap::new() };
        let Some(table) = value.get_ref().as_table() else {
            let found = value.get_ref().type_str();
            self.mistake_at(section, key, format!("must be a table such as {{ name = ... }}, not {found}"));
            return BTreeMap::new();
        };
        let mut entries = BTreeMap::new();
        for (name, value) in table {
            match read(value.get_ref()) {
                Some(value) => drop(entries.insert(name.get_ref().to_string(), value)),
                None => {
                    let problem = format!("`{}` must be {expected}", name.get_ref());
                    self.mistake(value.span(), &format!("{}, {key}", section.at), problem);
                }
            }
        }
        entries
    }
}
