//! The demo in words: what is about to happen, and what happened.

use std::time::Duration;

use serde_json::Value;

use crate::bills::Bill;
use crate::calls::Sums;
use crate::clouds::Clouds;
use crate::config::{EXAMPLE_USD_PER_CNY, POOL};
use crate::format::{exact, latency, percent, prose, rounded, saving, seconds};
use crate::incident::{Incident, Moved, RAISED_PERCENT, What};
use crate::live::stacked;
use crate::report::{Report, at};
use crate::sample::SAMPLES;
use crate::saving::{METHOD, Saving};
use crate::screen::{Lean, table};

/// What the market consists of.
pub(crate) fn market(clouds: &Clouds, pool_slots: u32, today: &str) -> String {
    let rows = clouds.all.iter().map(|cloud| {
        let size = match cloud.vcpu_milli {
            Some(milli) => format!("{} MB, {}.{:02} vCPU", cloud.memory_mb, milli / 1000, milli % 1000 / 10),
            None => format!("{} MB", cloud.memory_mb),
        };
        [cloud.name.clone(), cloud.price_sheet.clone(), size]
    });
    let own = [POOL, "its own, by its load", "128 MB"].map(str::to_owned);
    let headings = [("venue", Lean::Left), ("price sheet", Lean::Left), ("each function gets", Lean::Left)];
    let venues = table(headings, rows.chain([own]).collect()).join("\n");
    let own = clouds.all.iter().filter(|cloud| cloud.is_own());
    let own: Vec<String> = own.map(|cloud| format!("{} ({})", cloud.name, slots(cloud.concurrency))).collect();
    let platforms = if own.is_empty() {
        String::new()
    } else {
        format!(" {} stand for platforms on machines of your own: cheap, and soon full.", own.join(" and "))
    };
    let slots = slots(pool_slots);
    let clouds = "The clouds are simulated on loopback: they really run the functions, bill by their real price \
        sheets and keep books of their own. The month's free grants are taken as used up. Their latency is modelled \
        after measurements and waited out.";
    let pool = format!(
        "The pool runs functions on this machine. It joins as a provider, is cheap, asks more the \
         busier it is, and has {slots}: a call that finds it full goes to the next \
         venue in merit order.{platforms} Tencent bills in yuan; {EXAMPLE_USD_PER_CNY} dollars a yuan, dated {today}, are an example."
    );
    format!("{venues}\n\n{}\n\n{}", prose("", clouds), prose("", &pool))
}

fn slots(number: u32) -> String {
    if number == 1 { "one slot".to_owned() } else { format!("{number} slots") }
}

/// The rule that the pool's offers are published with, in words; nothing when it is of another kind.
pub(crate) fn price_rule(rule: &Value) -> Option<String> {
    let rate = |of: &str, meter: &str| rule[of][meter].as_str();
    let both = |of: &str| {
        let (memory, cpu) = (rate(of, "gib_second")?, rate(of, "cpu_ms")?);
        Some(format!("${memory} a GiB-second and ${cpu} a millisecond of CPU"))
    };
    let (floor, ceiling) = (both("floor")?, both("ceiling")?);
    let (knee, levels) = (rule["knee_percent"].as_u64()?, rule["levels"].as_u64()?);
    let step = seconds(Duration::from_millis(rule["step_ms"].as_u64()?));
    let text = format!(
        "The rule in {POOL}'s offers: {floor} while at most {knee} % of its slots are busy; then up to {ceiling}, by the \
         square of how busy it is, in {levels} steps of {step} at least."
    );
    Some(prose("", &text))
}

/// Under the words of a line that begins with a time.
const UNDER: &str = "         ";

/// What was done to a venue, as it happens.
pub(crate) fn announcement(incident: &Incident, share: f64, books: u64) -> String {
    let Incident { what, venue, from, until } = incident;
    let (time, share) = (at(*from), percent(share));
    let text = match what {
        What::Raised => format!(
            "{venue} leads the clouds with {share} of the calls. It now charges {RAISED_PERCENT} % of its list prices; \
             {books} books had it {:.0} ms later.",
            (*until - *from).as_secs_f64() * 1000.0
        ),
        What::Killed => {
            format!("{venue} leads the clouds now with {share} of the calls. It is killed: it refuses every call.")
        }
    };
    format!("{time}  {}", prose(UNDER, &text))
}

/// What became of the traffic.
fn became(incident: &Incident, moved: &Moved) -> String {
    let venue = &incident.venue;
    let (before, after, heirs) = (percent(moved.before), percent(moved.after), moved.heirs());
    let text = match incident.what {
        What::Raised => {
            let within = match moved.within {
                Some(within) => format!("four fifths of that ran elsewhere within {}", seconds(within)),
                None => "more than a fifth of that stayed".to_owned(),
            };
            format!(
                "{venue} raised its prices to {RAISED_PERCENT} %. Its {before} of the calls became {after}: {within}. \
                 Gained: {heirs}."
            )
        }
        What::Killed => format!(
            "{venue} died. Its {before} of the calls became {after}. Gained: {heirs}. {} calls met a refusal and were \
             repeated elsewhere; that none of them ran twice, the books below tell.",
            moved.repeated
        ),
    };
    format!("{}  {}", at(incident.from), prose(UNDER, &text))
}

/// What happened to the calls.
pub(crate) fn happened(report: &Report) -> String {
    let sums = report.sums();
    let mut text = vec![format!(
        "{} calls in {}: {} answered, {} failed.",
        sums.calls,
        seconds(report.length),
        sums.calls - sums.failed,
        sums.failed
    )];
    text.extend(report.failures().into_iter().map(|failure| format!("  failed: {failure}")));
    text.extend(report.incidents.iter().map(|(incident, moved)| became(incident, moved)));
    let headings = [
        ("function", Lean::Left),
        ("calls", Lean::Right),
        ("a million", Lean::Right),
        ("p50", Lean::Right),
        ("p95", Lean::Right),
        ("where it ran", Lean::Left),
    ];
    text.push(String::new());
    text.extend(table(headings, (0..SAMPLES.len()).map(|function| row(report, function)).collect()));
    text.join("\n")
}

fn row(report: &Report, function: usize) -> [String; 6] {
    let sums: Sums = report.of_function(function);
    [
        SAMPLES[function].name.to_owned(),
        sums.calls.to_string(),
        sums.per_million().map_or("-".to_owned(), |price| rounded(price, 3)),
        latency(sums.latency(50)),
        latency(sums.latency(95)),
        stacked(&sums),
    ]
}

/// What it cost, and what was saved.
pub(crate) fn cost(report: &Report) -> String {
    let own = &report.saving;
    let Some((best, best_cost)) = own.best() else {
        return "no single venue had a price for every call, so there is nothing to compare with".to_owned();
    };
    let headings =
        [("had one venue run all", Lean::Left), ("expected cost", Lean::Right), ("Merit saved", Lean::Right)];
    let rows = own.venues.iter().map(|(venue, cost)| {
        let share = saving(own.charged, *cost).map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0));
        [venue.clone(), exact(*cost), if own.is_small(venue) { "(too small)".to_owned() } else { share }]
    });
    let share = own.share().unwrap_or_default() * 100.0;
    let small = small(own, report.pool_needed);
    let expected = format!(
        "The venues that were chosen were expected to cost {}, {:+.2} % off what was charged. Exploration, the calls sent \
         elsewhere to keep learning, cost {} of it.",
        exact(own.expected),
        -saving(own.expected, own.charged).unwrap_or_default() * 100.0,
        exact(own.exploration),
    );
    format!(
        "\
charged            {}   for {} calls
best single venue  {}   {best}
saved              {}   {share:.1} %

{}
{small}
{}

{}",
        exact(own.charged),
        own.calls,
        exact(*best_cost),
        exact(*best_cost - own.charged),
        table(headings, rows.collect()).join("\n"),
        prose("", &format!("Method: {METHOD}")),
        prose("", &expected)
    )
}

/// Why some venues are no alternative; an empty line where there are none.
fn small(saving: &Saving, needed: f64) -> String {
    let there = |(venue, _): &&(String, u32)| saving.venues.iter().any(|(priced, _)| priced == venue);
    let rooms: Vec<String> =
        saving.small.iter().filter(there).map(|(venue, slots)| format!("{venue} ({slots})")).collect();
    if rooms.is_empty() {
        return String::new();
    }
    let text = format!(
        "Too small to be compared with, by the calls they have room for at once: {}. All calls would have needed {needed:.1} \
         on average at {POOL}.",
        rooms.join(", ")
    );
    format!("\n{}\n", prose("", &text))
}

/// Merit's books beside the clouds'.
pub(crate) fn books(report: &Report) -> String {
    let headings = [
        ("cloud", Lean::Left),
        ("calls", Lean::Right),
        ("Merit charged", Lean::Right),
        ("the cloud billed", Lean::Right),
        ("", Lean::Left),
    ];
    let rows = report.books.iter().map(|books| {
        let word = match books.agrees() {
            false => "differ".to_owned(),
            true if books.estimated && !books.is_exact() => {
                format!("{:+.1} %", books.off_percent().unwrap_or_default())
            }
            true => "agree".to_owned(),
        };
        let calls = if books.calls == books.billed_calls {
            books.calls.to_string()
        } else {
            format!("{} / {}", books.calls, books.billed_calls)
        };
        [books.venue.clone(), calls, exact(books.charged), exact(books.billed), word]
    });
    let because = report.books.iter().filter_map(|books| {
        let (venue, apart) = (&books.venue, exact(books.difference()));
        let why = if books.agrees() { books.because()? } else { "nothing explains it" };
        Some(format!("\n  {}", prose("    ", &format!("{venue} is {apart} apart: {why}."))))
    });
    let because: String = because.collect();
    let verdict = if report.books_agree() {
        "They agree: Merit rounds each call to the picodollar and the clouds their sum, which explains what is left."
    } else {
        "They do not agree."
    };
    format!(
        "\
{}
{}{because}
{}
{}",
        prose(
            "",
            &format!(
                "Each cloud billed by its own meters and its own sheet. The {} calls of the tour are in here, too.",
                report.tour_calls
            )
        ),
        table(headings, rows.collect()).join("\n"),
        prose("", verdict),
        bills(report)
    )
}

/// The clouds that tell no meters: how far their charges were off before and after the first bill.
fn bills(report: &Report) -> String {
    let [tour, load] = &report.bills;
    if tour.is_empty() {
        return String::new();
    }
    let off = |bill: Option<&Bill>| {
        let off = bill.and_then(Bill::off_percent);
        off.map_or("-".to_owned(), |percent| format!("{percent:+.1} %"))
    };
    let rows = tour.iter().map(|bill| {
        let later = load.iter().find(|later| later.venue == bill.venue);
        let corrected = [Some(bill), later].into_iter().flatten().map(|bill| bill.billed - bill.charged).sum();
        let calls = later.map_or(0, |later| later.calls);
        [bill.venue.clone(), off(Some(bill)), calls.to_string(), off(later), exact(corrected)]
    });
    let headings = [
        ("tells no meters", Lean::Left),
        ("the tour", Lean::Right),
        ("calls", Lean::Right),
        ("the load", Lean::Right),
        ("corrected", Lean::Right),
    ];
    let words = "These clouds tell no meters with their replies. In the tour their calls were charged by Merit's own clock; then \
        what they billed for it was imported, as `merit venues reconcile` does, which corrected the charges and taught Merit \
        what calls there are billed. At the end the same was done for the load. Above are the charges as corrected; here is \
        by how much they were off before.";
    format!("\n{}\n{}", prose("", words), table(headings, rows.collect()).join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Comparison;
    use crate::report::tests::report;

    #[test]
    fn the_saving_is_told_with_its_method() {
        let text = cost(&report());
        assert!(text.contains("charged            $0.000003   for 2 calls"), "{text}");
        assert!(text.contains("best single venue  $0.000004   a"), "{text}");
        assert!(text.contains("saved              $0.000001   25.0 %"), "{text}");
        assert!(text.contains("Method: the receipt of every answered call"), "{text}");
        assert!(text.replace('\n', " ").contains("$0.0000029, -3.33 % off"), "{text}");
        assert!(text.replace('\n', " ").contains("room for at once: pool-local (1)."), "{text}");
        assert!(
            text.replace('\n', " ").contains("All calls would have needed 1.5 on average at pool-local."),
            "{text}"
        );
    }

    #[test]
    fn what_happened_names_the_incidents_and_the_failures() {
        let mut report = report();
        report.calls[1].answer = crate::broker::Answer::failed("502: gone".to_owned());
        let text = happened(&report);
        assert!(text.contains("2 calls in 3.0 s: 1 answered, 1 failed."), "{text}");
        assert!(text.contains("failed:   2.0 s markdown: 502: gone"), "{text}");
        assert!(text.contains("a raised its prices to 400 %. Its 100 % of the calls became"), "{text}");
    }

    #[test]
    fn nothing_is_wider_than_eighty_columns() {
        let mut report = report();
        let long = "google-southamerica-east1".to_owned();
        let amount: merit_units::Money = "0.000288038142".parse().unwrap();
        report.books = vec![Comparison {
            venue: long.clone(),
            calls: 4567,
            billed_calls: 4567,
            charged: amount,
            billed: amount + amount,
            currency: "USD".to_owned(),
            rounding: amount,
            under_way: amount,
            in_doubt: amount,
            attempts_in_doubt: 0,
            corrected: amount,
            estimated: false,
        }];
        let bill = Bill { venue: long.clone(), calls: 4567, charged: amount, billed: amount + amount };
        report.bills = [vec![bill.clone()], vec![bill]];
        report.incidents[0].0.venue = long.clone();
        report.saving.venues[0].0 = long;
        for text in [happened(&report), cost(&report), books(&report)] {
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
            }
        }
    }

    #[test]
    fn the_pools_rule_is_told_in_words() {
        let rates = |gib: &str, cpu: &str| serde_json::json!({ "gib_second": gib, "cpu_ms": cpu });
        let rule = serde_json::json!({
            "rule": "utilisation", "levels": 10, "knee_percent": 50, "step_ms": 1000,
            "floor": rates("0.000001", "0.00000002"), "ceiling": rates("0.000002", "0.00000004"),
        });
        let text = price_rule(&rule).expect("a rule of this kind").replace('\n', " ");
        assert!(
            text.contains("$0.000001 a GiB-second and $0.00000002 a millisecond of CPU while at most 50 %"),
            "{text}"
        );
        assert!(text.contains("up to $0.000002 a GiB-second"), "{text}");
        assert_eq!(price_rule(&serde_json::json!({ "curve": "own" })), None);
    }
}
