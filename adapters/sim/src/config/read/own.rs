//! The keys that only mean something where OpenFaaS's or Knative's protocol is spoken.

use super::super::own::{FaasGateway, KnativeIngress};
use super::{Reader, Section};

impl<'t> Reader<'t> {
    pub(super) fn gateway(&mut self, section: &Section<'_, 't>) -> FaasGateway {
        let user = self.text(section, "gateway_user");
        let password = self.text(section, "gateway_password").map(str::to_owned);
        if user.is_some() && !section.table.contains_key("gateway_password") {
            self.missing(section, "gateway_password");
        }
        if user.is_some_and(|user| user.contains(':')) {
            self.mistake_at(section, "gateway_user", "has a `:`, which no user of basic authentication may have");
        }
        let credentials = password.map(|password| (user.unwrap_or(FaasGateway::USER).to_owned(), password));
        FaasGateway { namespace: self.label(section, "namespace", FaasGateway::NAMESPACE), credentials }
    }

    pub(super) fn ingress(&mut self, section: &Section<'_, 't>) -> KnativeIngress {
        let domain = self.text(section, "domain").unwrap_or(KnativeIngress::DOMAIN);
        if !domain.split('.').all(is_label) {
            self.mistake_at(section, "domain", format!("`{domain}` is no domain; write one such as example.com"));
        }
        KnativeIngress {
            namespace: self.label(section, "namespace", KnativeIngress::NAMESPACE),
            domain: domain.to_owned(),
            queue_depth: self.count(section, "queue_depth"),
            api_token: self.text(section, "api_token").map(str::to_owned),
            cloudevents: self.flag(section, "cloudevents").unwrap_or(false),
        }
    }

    /// A name as Kubernetes gives them.
    fn label(&mut self, section: &Section<'_, 't>, key: &str, default: &str) -> String {
        let text = self.text(section, key).unwrap_or(default);
        if !is_label(text) {
            let problem = format!("`{text}` is no {key}; use small letters, digits and `-`");
            self.mistake_at(section, key, problem);
        }
        text.to_owned()
    }
}

fn is_label(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(good) && !text.starts_with('-') && !text.ends_with('-')
}
