//! What is taken of a bill, and what is told of one that is not.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_795_257_840_000_000);

fn taken(lines: &str) -> Vec<Bill> {
    let text = format!("{}\n{lines}", COLUMNS.join(","));
    read(&text, NOW).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn quantity(text: &str) -> Quantity {
    text.parse().expect("a quantity")
}

#[test]
fn units_of_the_providers_become_meters() {
    let day = "2026-11-20T00:00:00Z,2026-11-21T00:00:00Z";
    let bills = taken(&format!(
        "{day},resize,request,1200,count\n{day},resize,cpu_ms,8500000,us\n\
         {day},orders-prod,request,10.0,requests\r\n{day},orders-prod,GB-s,1024000,MB-ms\n\
         {day},thumb,requests,3,\n{day},thumb,instance_second,0.30000000000000004,s\n"
    ));
    let told: Vec<_> = bills.iter().map(|bill| (bill.resource.as_str(), bill.calls, bill.billed.clone())).collect();
    assert_eq!(
        told,
        [
            ("orders-prod", 10, [(Meter::GbSecond, quantity("1"))].into()),
            ("resize", 1200, [(Meter::CpuMs, quantity("8500"))].into()),
            ("thumb", 3, BTreeMap::new()),
        ]
    );
    assert_eq!(bills[2].instance, Some(quantity("0.3")), "what a double adds beyond nine decimals is cut");
}

#[test]
fn columns_may_stand_anywhere_among_others() {
    let text = "ListCost,SkuMeter,consumedquantity,ResourceId,ChargePeriodEnd,ChargePeriodStart\n\
                9,request,5,a,2026-11-20T01:00:00Z,2026-11-20T00:00:00Z\n\n9,cpu_ms,7,a,2026-11-20T01:00:00Z,2026-11-20T00:00:00Z";
    let bills = read(text, NOW).expect("a bill");
    assert_eq!((bills.len(), bills[0].calls, bills[0].line), (1, 5, 2));
    let quoted = "Note,ResourceId,ChargePeriodStart,ChargePeriodEnd,SkuMeter,ConsumedQuantity\n\
                  \"two\nlines, one field\",\"a\",\"2026-11-20T00:00:00Z\",2026-11-20T01:00:00Z,request,\"5\"\n\
                  ,a,2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,cpu_ms,7\n";
    let quoted = read(quoted, NOW).expect("a bill");
    assert_eq!((quoted.len(), quoted[0].figures()), (1, bills[0].figures()), "as spreadsheets write it");
    let same = |text: &str| read(text, NOW).expect("a bill")[0].figures();
    assert_eq!(same(text), same(&text.replace("9,", "1,")), "what is not read does not make another bill of it");
    assert_ne!(same(text), same(&text.replace("cpu_ms,7", "cpu_ms,8")));
}

#[test]
fn everything_that_is_wrong_is_told_with_its_line() {
    let text = "\
ChargePeriodStart,ChargePeriodEnd,ResourceId,SkuMeter,ConsumedQuantity,ConsumedUnit
2026-11-20T00:00:00Z,2026-11-20T00:00:00Z,a,request,5,
2026-11-20T00:00:00Z,2027-11-20T00:00:00Z,a,request,5,
2026-10-20T00:00:00Z,2026-11-20T00:00:00Z,a,request,5,
yesterday,,,gbhour,-1,
2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,a,request,5.5,
2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,a,cpu_ms,5,hours
2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,a,egress_gb,5,
2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,a,request
2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,a,cpu_ms,1,
2026-11-20T00:00:00Z,2026-11-20T01:00:00Z,a,cpu_ms,2,
";
    insta::assert_snapshot!(read(text, NOW).unwrap_err().join("\n"), @"
    line 2: the period ends at 2026-11-20T00:00:00Z, which is not after its beginning, 2026-11-20T00:00:00Z
    line 3: the period ends at 2027-11-20T00:00:00Z, and it is 2026-11-21T10:44:00Z now; import it when it is over
    line 4: the period from 2026-10-20T00:00:00Z to 2026-11-20T00:00:00Z is of several months (UTC); write one for each
    line 5: ResourceId is empty; write the target of a deployment, or the name of a function
    line 5: ChargePeriodStart: `yesterday` is not an RFC 3339 time: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y
    line 5: SkuMeter: `gbhour` is not a meter; use request, gb_second, vcpu_second, gib_second, compute_unit, cpu_ms, egress_gb or ephemeral_gb_second, or instance_second
    line 6: ConsumedQuantity: `5.5` is no count of calls
    line 7: ConsumedUnit: cpu_ms in `hours` is not known; write ms or us, or nothing
    line 8: SkuMeter: Merit counts egress_gb itself; leave the line out
    line 9: ConsumedQuantity: `` is no count of calls
    line 11: cpu_ms of `a` in this period stands there twice
    ");
}

#[test]
fn a_bill_that_is_not_whole_is_refused() {
    let hour =
        |from: u32, rest: &str| format!("2026-11-20T{from:02}:00:00Z,2026-11-20T{:02}:30:00Z,{rest}\n", from + 1);
    let problems = |lines: &[String]| {
        let text = format!("{}\n{}", COLUMNS.join(","), lines.concat());
        read(&text, NOW).unwrap_err().join("\n")
    };
    let of = |from, resource: &str| {
        [hour(from, &format!("{resource},request,1,")), hour(from, &format!("{resource},cpu_ms,1,"))]
    };
    assert!(problems(&[hour(0, "a,cpu_ms,1,")]).contains("no line with the requests of `a`"));
    assert!(problems(&[hour(0, "a,request,1,")]).contains("nothing but requests of `a`"));
    let both = [of(0, "a").concat(), hour(0, "a,vcpu_second,1,"), hour(0, "a,instance_second,1,")];
    assert!(problems(&both).contains("stands beside what is computed from it"));
    let overlapping = [of(0, "a").concat(), of(1, "a").concat(), of(1, "b").concat()];
    assert_eq!(problems(&overlapping), "line 4: the period overlaps that of line 2 for `a`");
    assert_eq!(problems(&[]), "it has no line but the header");
    let headless = read("", NOW).unwrap_err().join("");
    assert!(
        headless.contains("no column ChargePeriodStart, ChargePeriodEnd, ResourceId, SkuMeter, ConsumedQuantity"),
        "{headless}"
    );
}

/// A service's day: what real rows have, by clouds and columns.
#[derive(Clone, Debug)]
struct Day {
    service: String,
    calls: u32,
    /// Billionths of what was billed.
    billed: u64,
    /// Which of [`KINDS`] it is.
    kind: usize,
}

/// A meter with its unit, and how many of that unit are one of the meter's.
const KINDS: [(&str, &str, u128); 5] = [
    ("instance_second", "s", 1),
    ("gb_second", "MB-ms", 1_024_000),
    ("gb_second", "GB-s", 1),
    ("cpu_ms", "us", 1_000),
    ("compute_unit", "", 1),
];

impl Day {
    fn quantity(&self) -> String {
        format!("{}.{:09}", self.billed / 1_000_000_000, self.billed % 1_000_000_000)
    }

    /// Its two rows: the requests and what was billed, each as the fields of [`COLUMNS`].
    fn rows(&self) -> [[String; 6]; 2] {
        let (meter, unit, _) = KINDS[self.kind];
        let row = |meter: &str, quantity: String, unit: &str| {
            ["2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", &self.service, meter, &quantity, unit].map(str::to_owned)
        };
        [row("request", self.calls.to_string(), "count"), row(meter, self.quantity(), unit)]
    }
}

fn any_day(number: usize) -> impl Strategy<Value = Day> {
    ("[ -~é]{0,20}", 1_u32.., 0..u64::MAX, 0..KINDS.len()).prop_map(move |(name, calls, billed, kind)| {
        // Spaces around a field are no part of it, and no two services have the same name.
        Day { service: format!("{number}{name}."), calls, billed, kind }
    })
}

fn days() -> impl Strategy<Value = Vec<Day>> {
    (any_day(0), any_day(1), any_day(2)).prop_map(|(a, b, c)| vec![a, b, c])
}

/// The rows as a file whose columns are in another order, among others.
fn file(rows: &[[String; 6]], order: &[usize]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = order.iter().map(|at| COLUMNS.get(*at).copied().unwrap_or("ListCost"));
    writer.write_record(columns).expect("memory");
    for row in rows {
        writer.write_record(order.iter().map(|at| row.get(*at).map_or("0.5", String::as_str))).expect("memory");
    }
    String::from_utf8(writer.into_inner().expect("memory")).expect("text")
}

fn any_order() -> impl Strategy<Value = Vec<usize>> {
    Just((0..8).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #[test]
    fn whatever_the_order_of_rows_and_columns_the_figures_are_those_of_the_file(
        days in days(),
        order in any_order(),
        shuffled in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let rows: Vec<_> = days.iter().flat_map(Day::rows).collect();
        let rows: Vec<_> = shuffled.iter().map(|at| rows[*at].clone()).collect();
        let bills = read(&file(&rows, &order), NOW).expect("bills");
        prop_assert_eq!(bills.len(), 3);
        for (bill, day) in bills.iter().zip(&days) {
            let (meter, _, parts) = KINDS[day.kind];
            let billed = Quantity::from_quanta(quantity(&day.quantity()).quanta() / parts);
            prop_assert_eq!((&bill.resource, bill.calls), (&day.service, u64::from(day.calls)));
            match meter.parse::<Meter>() {
                Ok(meter) => prop_assert_eq!(&bill.billed, &BTreeMap::from([(meter, billed)])),
                Err(_) => prop_assert_eq!(bill.instance, Some(billed)),
            }
        }
    }

    /// A field that is emptied, garbled or negative spoils the file, and only its own line is named; but the unit, which
    /// may be empty, and the service, which may have any name: then a day lacks its requests.
    #[test]
    fn a_field_that_is_wrong_is_named_by_its_line(
        days in days(),
        order in any_order(),
        at in 0_usize..6,
        column in prop::sample::select(&[0_usize, 1, 3, 4][..]),
        wrong in prop::sample::select(&["", "-1", "?", "1e5", "NaN", "2026-02-30T00:00:00Z", "9999999999999999999999999999999999"][..]),
    ) {
        let mut rows: Vec<_> = days.iter().flat_map(Day::rows).collect();
        rows[at][column] = wrong.to_owned();
        let problems = read(&file(&rows, &order), NOW).expect_err("it is wrong");
        // Fields of services have no line breaks, so a row is a line; the header is the first.
        let line = format!("line {}: ", at + 2);
        prop_assert!(problems.iter().all(|problem| problem.starts_with(&line)), "{problems:?}");
        prop_assert!(problems.iter().any(|problem| problem.contains(COLUMNS[column]) || problem.contains(wrong)), "{problems:?}");
    }

    #[test]
    fn a_row_that_stands_there_twice_or_not_at_all_spoils_the_file(days in days(), order in any_order(), at in 0_usize..6) {
        let rows: Vec<_> = days.iter().flat_map(Day::rows).collect();
        let twice: Vec<_> = rows.iter().chain([&rows[at]]).cloned().collect();
        let problems = read(&file(&twice, &order), NOW).expect_err("twice");
        prop_assert!(problems.len() == 1 && problems[0].ends_with("stands there twice"), "{problems:?}");
        let without: Vec<_> = rows.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, row)| row.clone()).collect();
        let problems = read(&file(&without, &order), NOW).expect_err("half a day");
        let service = &days[at / 2].service;
        prop_assert!(problems.len() == 1 && problems[0].contains(service.as_str()), "{problems:?}");
    }
}
