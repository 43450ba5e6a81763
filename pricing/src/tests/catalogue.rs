//! What comes with Merit: every sheet, every price with its source, every refusal with what is sold instead.

use merit_units::{Currency, Timestamp};

use super::{lasting, rounded, sheet, size};
use crate::{Architecture, Catalogue, CatalogueError, Meter, MeterError, MonthToDate, Share, Size, Usage};

#[test]
fn has_the_sheets_of_every_provider() {
    let names: Vec<&str> = Catalogue::builtin().names().map(merit_units::SheetName::as_str).collect();
    let of = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!(of("aws-lambda/"), 24 * 2 * 2);
    let others: Vec<&str> = names.iter().copied().filter(|name| !name.starts_with("aws-lambda/")).collect();
    let expected = [
        "alibaba-fc/cn",
        "alibaba-fc/intl",
        "azure-consumption/eastus",
        "azure-flex/eastus",
        "azure-flex/eastus/always-ready",
        "azure-flex/eastus2",
        "azure-premium/eastus",
        "azure-premium/eastus2",
        "cloudflare-workers",
        "google-run/tier1",
        "google-run/tier1/always-on",
        "google-run/tier2",
        "own/default",
        "tencent-scf/cn",
    ];
    assert_eq!(others, expected);
    for sheet in Catalogue::builtin().iter() {
        let cny = matches!(sheet.name().as_str(), "alibaba-fc/cn" | "tencent-scf/cn");
        assert_eq!(sheet.currency(), if cny { Currency::CNY } else { Currency::USD }, "{sheet:?}");
    }
}

#[test]
fn a_region_that_is_not_built_in_is_billed_like_another() {
    let like = |name: &str| Catalogue::builtin().like(name).map(|sheet| sheet.name().to_string());
    for (name, other) in [
        ("aws-lambda/mx-central-1/arm64", "aws-lambda/us-east-1/arm64"),
        ("aws-lambda/us-gov-west-1/x86_64/provisioned", "aws-lambda/us-east-1/x86_64/provisioned"),
        ("azure-consumption/westeurope", "azure-consumption/eastus"),
        ("azure-flex/uksouth/always-ready", "azure-flex/eastus/always-ready"),
        ("azure-premium/germanywestcentral", "azure-premium/eastus"),
        ("google-run/europe-west1", "google-run/tier1"),
        ("azure-flex/eastus2", "azure-flex/eastus2"),
    ] {
        assert_eq!(like(name).as_deref(), Some(other), "{name}");
        assert!(Catalogue::builtin().get(name).is_none_or(|_| name == other), "{name}");
    }
    for none in [
        "azure-flex/westeurope/never-ready",
        "azure-flex/west-europe",
        "azure-flex/",
        "azure-flex",
        "aws-lambda/westeurope/x86_64",
        "aws-lambda/eu-west-1",
        "aws-lambda/eu-west-1/mips",
        "google-run/tier3",
        "google-run/europe-west1/always-on",
        "alibaba-fc/eu-west-1",
        "own/eu-west-1",
        "google-run/-1",
        "google-run/europe-west1/",
    ] {
        assert_eq!(like(none), None, "{none}");
    }
}

#[test]
fn every_price_says_where_and_when_it_was_read() {
    let quoted = ["alibaba-fc/intl", "tencent-scf/cn"];
    for sheet in Catalogue::builtin().iter() {
        let name = sheet.name().as_str();
        assert!(sheet.prices().count() >= 1, "{name}");
        for price in sheet.prices() {
            assert!(!price.source.title.is_empty(), "{name}");
            assert!(["2026-11-21", "2026-11-22"].contains(&&*price.source.retrieved.to_string()), "{name}");
            let own = price.meter != Meter::EgressGb;
            assert!(!(quoted.contains(&name) && own) || price.source.second_hand, "{name} {}", price.meter);
        }
    }
    let first_hand = ["aws-lambda/us-east-1/x86_64", "azure-consumption/eastus", "google-run/tier1", "alibaba-fc/cn"];
    for name in first_hand {
        assert!(!sheet(name).source().second_hand, "{name}");
    }
    assert!(!sheet("cloudflare-workers").second_hand());
    assert!(sheet("azure-flex/eastus").second_hand(), "its rounding is quoted by a third party");
}

#[test]
fn lambda_prices_are_the_regions_own() {
    let rates = |name: &str| -> Vec<String> {
        let prices = sheet(name).prices().filter(|price| price.meter != Meter::EgressGb);
        prices.map(|price| price.rate.to_string()).collect()
    };
    let virginia = ["0.0000002", "0.0000166667", "0.000015", "0.0000133334", "0.0000000309"];
    assert_eq!(rates("aws-lambda/us-east-1/x86_64"), virginia);
    let arm = ["0.0000002", "0.0000133334", "0.0000120001", "0.0000106667", "0.0000000309"];
    assert_eq!(rates("aws-lambda/us-east-1/arm64"), arm);
    assert_eq!(rates("aws-lambda/eu-central-2/arm64")[..2], ["0.00000022", "0.0000146667"]);
    assert_eq!(rates("aws-lambda/sa-east-1/x86_64/provisioned"), ["0.0000002", "0.0000154867", "0.0000000586"]);
    let kept: Vec<_> = sheet("aws-lambda/us-east-1/arm64/provisioned").standing().collect();
    assert_eq!((kept.len(), kept[0].rate.to_string()), (1, "0.0000033334".to_owned()));
    assert!(kept[0].source.second_hand && kept[0].source.title.contains("pricing page"));
}

#[test]
fn keeping_instances_warm_costs_whether_they_run_or_not() {
    // AWS: 1,024 MB x 100 instances x 4 hours at 0.0000041667 is 6.000048 dollars.
    let sheet = sheet("aws-lambda/us-east-1/x86_64/provisioned");
    let four_hours = merit_units::Micros::from_secs(4 * 3600);
    let used = sheet.meter(&size(1024), &lasting(1_000_000)).expect("sold");
    let (billed, cost) = sheet.keep(&size(1024), 100, four_hours, &used).expect("fits");
    assert_eq!((rounded(cost).as_str(), billed), ("6.000048", used), "beside what calls cost");
    assert!(sheet.grants().all(|(meter, _)| meter == Meter::EgressGb), "no free grant with provisioned concurrency");
}

#[test]
fn a_call_on_azures_premium_plan_costs_its_share_of_an_instance() {
    let cost_of = |size: &Size, usage: &Usage| {
        let sheet = sheet("azure-premium/eastus");
        let metered = sheet.meter(size, usage).expect("sold");
        sheet.charge(&metered, &MonthToDate::past_grant(sheet)).expect("fits")
    };
    let cost = |size: &Size, micros: u64| cost_of(size, &lasting(micros));
    // 251 ms of a vCPU at 0.173 an hour and of 3.5 GiB at 0.0123.
    assert_eq!(rounded(cost(&size(3_584), 250_500)), "0.000015063486");
    assert_eq!(rounded(cost(&size(512), 250_500)), "0.000015063486", "it has an instance to itself");
    let four = Usage { share: Share::of(4), ..lasting(100_000) };
    let quarter = cost_of(&size(3_584).with_concurrency(8), &four);
    assert_eq!(rounded(quarter), "0.000001500347", "or shares one with three others");
    let error = sheet("azure-premium/eastus").meter(&size(14_337), &lasting(1)).expect_err("larger than an EP3");
    assert!(error.to_string().contains("choose one of 3584, 7168, 14336 MB"), "{error}");
}

#[test]
fn cloud_runs_instances_cost_while_they_idle_or_as_long_as_they_live() {
    // 30 days of an instance with a vCPU and 2 GiB, of which calls used 1,000,000 seconds.
    let month = merit_units::Micros::from_secs(30 * 24 * 3600);
    let keep = |name: &str, used_seconds: u64| {
        let used =
            sheet(name).meter(&size(2048), &lasting(1_000_000)).and_then(|call| Ok(call.checked_mul(used_seconds)?));
        let (billed, cost) = sheet(name).keep(&size(2048), 1, month, &used.expect("sold")).expect("fits");
        (billed.get(Meter::VcpuSecond).to_string(), rounded(cost))
    };
    let is = |vcpu_seconds: &str, cost: &str| (vcpu_seconds.to_owned(), cost.to_owned());
    // (2,592,000 - 1,000,000) x (0.0000025 + 2 x 0.0000025), and 1.4 times that.
    assert_eq!(keep("google-run/tier1", 1_000_000), is("1000000", "11.94"));
    assert_eq!(keep("google-run/tier2", 1_000_000), is("1000000", "16.716"));
    assert_eq!(keep("google-run/tier1", 3_000_000), is("3000000", "0"), "instances that never idle cost no more");
    assert_eq!(keep("google-run/tier1/always-on", 1_000_000), is("2592000", "0"), "its line bills all of its life");
    assert_eq!(keep("google-run/tier1/always-on", 3_000_000), is("3000000", "0"), "and calls beyond what is kept");
    assert!(
        !sheet("google-run/tier1").is_for_kept_instances()
            && sheet("google-run/tier1/always-on").is_for_kept_instances()
    );
    assert_eq!(sheet("google-run/tier1/always-on").prices().filter(|price| price.meter == Meter::Request).count(), 0);
}

#[test]
fn refusals_say_what_is_sold() {
    let vcpu = |milli| size(1024).with_vcpu_milli(milli);
    let disk = size(512).with_ephemeral(super::memory(20_000));
    for (name, size, message) in [
        (
            "aws-lambda/us-east-1/x86_64",
            size(64),
            "64 MB of memory is not sold under aws-lambda/us-east-1/x86_64; choose 128 to 10240 MB in steps of 1 MB",
        ),
        (
            "azure-consumption/eastus",
            size(2048),
            "2048 MB of memory is not sold under azure-consumption/eastus; choose at most 1536 MB",
        ),
        (
            "azure-flex/eastus",
            size(4097),
            "4097 MB of memory is not sold under azure-flex/eastus; choose one of 512, 2048, 4096 MB",
        ),
        (
            "alibaba-fc/cn",
            size(1000).with_vcpu_milli(500),
            "1000 MB of memory is not sold under alibaba-fc/cn; choose 128 to 32768 MB in steps of 64 MB",
        ),
        (
            "alibaba-fc/cn",
            size(1024),
            "alibaba-fc/cn bills the configured vCPU and none is given; give 0.05 to 16 vCPU in steps of 0.05",
        ),
        (
            "alibaba-fc/intl",
            vcpu(333),
            "0.333 vCPU is not sold under alibaba-fc/intl; choose 0.05 to 16 vCPU in steps of 0.05",
        ),
        (
            "alibaba-fc/intl",
            vcpu(2000),
            "1024 MB of memory with 2 vCPU is not sold under alibaba-fc/intl; choose 1 to 4 GB for each vCPU",
        ),
        (
            "google-run/tier1",
            vcpu(9000),
            "9 vCPU is not sold under google-run/tier1; choose 0.08 to 8 vCPU in steps of 0.001",
        ),
        (
            "google-run/tier1",
            vcpu(500).with_concurrency(80),
            "a concurrency of 80 is not possible under google-run/tier1 with 0.5 vCPU; below 1 vCPU it is 1",
        ),
        (
            "cloudflare-workers",
            size(256),
            "256 MB of memory is not sold under cloudflare-workers; choose at most 128 MB",
        ),
        (
            "aws-lambda/us-east-1/x86_64",
            disk,
            "20000 MB of ephemeral storage is not sold under aws-lambda/us-east-1/x86_64; choose at most 10240 MB",
        ),
    ] {
        let error = sheet(name).meter(&size, &lasting(1_000)).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let tencent = sheet("tencent-scf/cn").meter(&size(100), &lasting(1)).expect_err("not a size");
    assert!(tencent.to_string().contains("one of 64, 128, 256"), "{tencent}");
    let arm = size(128).with_architecture(Architecture::Arm64);
    let error = sheet("aws-lambda/us-east-1/x86_64").check(&arm).expect_err("built for another");
    assert!(matches!(error, MeterError::Architecture { .. }), "{error}");
    assert_eq!(sheet("aws-lambda/us-east-1/arm64").check(&arm), Ok(()));
}

/// The billed GB- or GiB-seconds.
fn memory_seconds(name: &str, size: &Size, usage: &Usage) -> String {
    let metered = sheet(name).meter(size, usage).expect("sold");
    let seconds = metered.iter().find(|(meter, _)| matches!(meter, Meter::GbSecond | Meter::GibSecond));
    seconds.expect("a memory line").1.to_string()
}

#[test]
fn memory_is_observed_configured_or_the_instances() {
    let second = lasting(1_000_000);
    let observed = |megabytes| Usage { memory_peak: Some(super::memory(megabytes)), ..second };
    let azure = "azure-consumption/eastus";
    assert_eq!(memory_seconds(azure, &size(1024), &observed(129)), "0.25");
    assert_eq!(memory_seconds(azure, &size(1024), &observed(1)), "0.125", "at least 128 MB");
    assert_eq!(memory_seconds(azure, &size(1024), &observed(9_000)), "1.5", "at most 1,536 MB");
    assert_eq!(memory_seconds(azure, &size(1024), &second), "1", "not told: as configured");
    assert_eq!(memory_seconds("azure-flex/eastus", &size(1024), &observed(129)), "2", "the next instance size");
    assert_eq!(memory_seconds("aws-lambda/us-east-1/x86_64", &size(1024), &observed(129)), "1");
}

#[test]
fn concurrent_requests_share_an_instance_of_cloud_run() {
    let size = size(2048);
    let with = |sheet: &str, concurrency: u16, sharers: u16| {
        let usage = Usage { share: Share::of(sharers), ..lasting(950_000) };
        memory_seconds(sheet, &size.with_concurrency(concurrency), &usage)
    };
    assert_eq!(with("google-run/tier1", 1, 1), "2");
    assert_eq!(with("google-run/tier1", 80, 1), "2", "that others may come does not make it cheaper");
    assert_eq!(with("google-run/tier1", 80, 8), "0.25");
    assert_eq!(with("google-run/tier1", 8, 80), "0.25", "no more than fit on an instance share it");
    assert_eq!(with("google-run/tier1", 3, 3), "0.666666668", "rounded up to a billionth");
    let fc = |sharers| {
        let usage = Usage { share: Share::of(sharers), ..lasting(1_000_000) };
        let size = Size { vcpu_milli: Some(500), ..size }.with_concurrency(20);
        sheet("alibaba-fc/intl")
            .meter(&size, &usage)
            .expect("sold, below a vCPU too")
            .get(Meter::ComputeUnit)
            .to_string()
    };
    // Half a vCPU and 2 GB for a second are 0.8 units, and a call is 0.0075.
    assert_eq!((fc(1).as_str(), fc(4).as_str()), ("0.8075", "0.2075"));
    assert_eq!(with("aws-lambda/us-east-1/x86_64", 8, 8), "1.9", "a Lambda environment serves one call at a time");
}

#[test]
fn disk_above_the_free_part_and_egress_are_billed() {
    let sheet = sheet("aws-lambda/us-east-1/x86_64");
    let usage = Usage { egress_bytes: 1 << 29, ..lasting(1_000_000) };
    let metered = sheet.meter(&size(1024).with_ephemeral(super::memory(1536)), &usage).expect("sold");
    assert_eq!(metered.get(Meter::EphemeralGbSecond).to_string(), "1");
    assert_eq!(metered.get(Meter::EgressGb).to_string(), "0.5");
    let charge = sheet.charge(&metered, &MonthToDate::past_grant(sheet)).expect("fits");
    assert_eq!(rounded(charge), "0.045016897600"[..].trim_end_matches('0'));
}

#[test]
fn a_sheet_holds_from_its_day_on() {
    let sheet = sheet("azure-flex/eastus");
    let day = sheet.valid_from().expect("a day").start();
    assert!(sheet.valid_at(day));
    assert!(!sheet.valid_at(Timestamp::from_micros(day.micros() - 1)));
}

#[test]
fn catalogue_files_are_checked_like_sheets() {
    let good = include_str!("../../catalogue/own.toml");
    let mut catalogue = Catalogue::default();
    assert_eq!(catalogue.add_file(good), Ok(()));
    assert!(matches!(catalogue.add_file(good), Err(CatalogueError::Duplicate(_))));
    for (file, problem) in [
        (good.replace("own/default", "own default"), "`own default` is not a valid price sheet name"),
        (good.replace("[[sheets]]", "[[sheets]]\nfor_each = 'regions'"), "`tables.regions` is missing or empty"),
        (good.replace("[[sheets]]", "[[sheet]]"), "unknown field `sheet`"),
        (good.replace("name = \"own", "nam = \"own"), "unknown field `nam`"),
    ] {
        let error = Catalogue::default().add_file(&file).expect_err(problem).to_string();
        assert!(error.contains(problem), "{error}");
    }
    let template = r#"
        sources.a = { title = "A", retrieved = "2026-11-21" }
        tables.rows = [["region", "rate"], ["north", "0.1"], ["south", "0.2", "odd"]]
        [[sheets]]
        for_each = "rows"
        name = "x/{region}"
        currency = "USD"
        source = "a"
        lines = [{ meter = "request", rate = "{rate}" }]
    "#;
    let error = Catalogue::default().add_file(template).expect_err("an odd row").to_string();
    assert!(error.contains("has not 2 cells"), "{error}");
    let mut catalogue = Catalogue::default();
    catalogue.add_file(&template.replace(", \"odd\"", "")).expect("two sheets");
    assert_eq!(catalogue.get("x/south").expect("made").prices().next().expect("one").rate.to_string(), "0.2");
}

#[test]
fn rules_can_be_told_in_words() {
    for (name, words) in [
        (
            "aws-lambda/us-east-1/x86_64",
            "time rounded up to 1 ms; initialisation billed; memory as configured, 128 to 10240 MB in steps of 1 MB",
        ),
        (
            "azure-consumption/eastus",
            "time rounded up to 1 ms, at least 100 ms; initialisation free; memory as observed, at most 1536 MB",
        ),
        (
            "alibaba-fc/intl",
            "time rounded up to 1 ms; initialisation billed; memory as configured, 128 to 32768 MB in steps of 64 MB; \
             vCPU as configured, 0.05 to 16 vCPU in steps of 0.05; concurrent requests share an instance; compute_unit = \
             1 x vcpu_seconds + 0.15 x memory_seconds + 0.0075 x requests + 0.05 x ephemeral_seconds; the invoice rounds \
             each function's hour up to whole units",
        ),
    ] {
        assert_eq!(sheet(name).rule_in_words(), words);
    }
}
