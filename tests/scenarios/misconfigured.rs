//! Mistakes in the configuration: all at once, each with its line and a hint, before anything is touched.

use std::net::TcpListener;

use crate::support::{Setup, merit_command, run_to_end};

#[tokio::test]
async fn all_mistakes_are_told_at_once_with_line_and_hint_and_exit_code_2() {
    let setup = Setup::new();
    setup.write(
        "merit.toml",
        "[server]
listen = \"nowhere\"
max_in_flight = 0
[limits]
per_key_per_secnod = 5
[venues.aws]
kind = \"carrier-pigeon\"
url = \"ftp://example.org/\"
region = \"us-east-1\"
sheet = \"aws-lambda/us-east-1/x86\"
[functions.f]
timeout_ms = \"long\"
[functions.f.deployments.d]
venue = \"awz\"
target = \"f\"
memory_mb = 128
[accounts.search]
budget_hard = \"much\"
",
    );
    let mut command = merit_command(&["serve", "--config"]);
    let output = run_to_end(command.arg(setup.path("merit.toml")).current_dir(&setup)).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(output.stdout.is_empty());
    assert!(told.starts_with("error: "), "as every command's: {told}");
    for (line, words) in [
        (2, "nowhere"),
        (3, "max_in_flight"),
        (5, "per_key_per_second"),
        (7, "carrier-pigeon"),
        (8, "ftp"),
        (10, "aws-lambda/us-east-1/x86_64"),
        (12, "timeout_ms"),
        (14, "awz"),
        (18, "much"),
    ] {
        let found = told.lines().any(|told| told.contains(&format!(":{line}")) && told.contains(words));
        assert!(found, "line {line} with `{words}` in:\n{told}");
    }
    assert!(!setup.store().exists(), "nothing was made");
}

#[tokio::test]
async fn a_mistake_that_only_shows_when_starting_is_code_2_before_the_port_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it is bound");
    // AWS sells no function of 64 MB. The port is taken, so whoever bound it first would fail otherwise.
    let setup = Setup::new()
        .text("server", "listen", address)
        .venue("aws", "http://127.0.0.1:9/", "aws-lambda/us-east-1/x86_64")
        .function("f", crate::support::Worth::Once, &[])
        .deployment("f", "aws", 64);
    let output = run_to_end(&mut setup.command()).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("64") && told.contains("functions.f"), "{told}");

    let setup = setup.deployment("f", "aws", 128);
    let output = run_to_end(&mut setup.command()).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&address.to_string()) && told.contains("server.listen"), "{told}");
}

#[tokio::test]
async fn a_missing_file_is_code_2_and_named() {
    let setup = Setup::new();
    let output = run_to_end(merit_command(&["serve", "--config", "none.toml"]).current_dir(&setup)).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("none.toml"), "{told}");
}
