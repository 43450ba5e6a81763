//! What a provider billed, as CSV: bills, which read the same when they are written again, or reasons.

use merit_units::Timestamp;

use crate::reconcile::bill::{self, Bill};

/// A Saturday in November 2026.
const NOW: Timestamp = Timestamp::from_micros(1_795_257_840_000_000);

/// Reads the bytes as a file.
///
/// # Panics
/// When a bill is none, or a reason does not say where it is about.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match bill::read(&text, NOW) {
        Ok(bills) => {
            assert!(!bills.is_empty());
            bills.iter().for_each(check);
            let text = written(&bills);
            let again = bill::read(&text, NOW).expect("what was read can be read");
            assert_eq!(written(&again), text);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in &problems {
                let placed = ["line ", "it is no CSV", "it has no line"].iter().any(|start| problem.starts_with(start));
                assert!(placed && problem.len() > 10, "{problem}");
            }
        }
    }
}

fn check(bill: &Bill) {
    let Bill { resource, period, calls, billed, instance, line } = bill;
    assert!(*line > 0 && !resource.is_empty() && *calls > 0, "{bill:?}");
    assert!(period.start < period.end && period.end <= NOW && bill.last_moment() >= period.start, "{bill:?}");
    assert!(!billed.is_empty() || instance.is_some(), "{bill:?}");
    assert!(billed.keys().all(|meter| meter.is_of_run()), "{bill:?}");
}

/// The same figures as a file, with the nine decimals that are read.
fn written(bills: &[Bill]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns =
        ["ResourceId", "ChargePeriodStart", "ChargePeriodEnd", "SkuMeter", "ConsumedQuantity", "ConsumedUnit"];
    writer.write_record(columns).expect("memory");
    for bill in bills {
        let (from, to) = (crate::clock::rfc3339(bill.period.start), crate::clock::rfc3339(bill.period.end));
        let mut write = |meter: &str, quantity: String| {
            writer
                .write_record([bill.resource.as_str(), &from, &to, meter, &nine_decimals(&quantity), ""])
                .expect("memory");
        };
        write("request", bill.calls.to_string());
        bill.billed.iter().for_each(|(meter, quantity)| write(meter.name(), quantity.to_string()));
        bill.instance.iter().for_each(|quantity| write("instance_second", quantity.to_string()));
    }
    String::from_utf8(writer.into_inner().expect("memory")).expect("text that was text")
}

fn nine_decimals(text: &str) -> String {
    text.split_once('.').map_or_else(|| text.to_owned(), |(whole, rest)| format!("{whole}.{rest:.9}"))
}

/// Bills of Google, Azure and Cloudflare, as a spreadsheet writes them and as their APIs do.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let header = "ChargePeriodStart,ChargePeriodEnd,ResourceId,SkuMeter,ConsumedQuantity,ConsumedUnit";
    let day = "2026-11-20T00:00:00Z,2026-11-21T00:00:00Z";
    [
        format!(
            "{header}\n{day},https://resize-abc-uc.a.run.app,request,120431,count\n\
             {day},https://resize-abc-uc.a.run.app,instance_second,12043.1,s\n"
        ),
        format!("\u{feff}{header}\r\n{day},orders-prod,Request,10.0,requests\r\n{day},orders-prod,GB-s,1024000,MB-ms\r\n"),
        format!("{header}\n{day},thumb,requests,3,\n{day},thumb,cpu_ms,8500000,us\n{day},thumb,vcpu_second,0.30000000000000004,s\n"),
        "Note,ResourceId,ChargePeriodStart,ChargePeriodEnd,SkuMeter,ConsumedQuantity\n\
         \"two\nlines, \"\"one\"\" field\",\"a\",\"2026-11-20T01:00:00+01:00\",2026-11-20T01:00:00Z,request,\"5\"\n\
         ,a,2026-11-20T00:00:00.000001Z,2026-11-20T01:00:00Z,request,7\n\
         ,a,2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,compute_unit,7\n"
            .to_owned(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect()
}
