//! What is taken of a bill, and what is told of one that is not.

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
