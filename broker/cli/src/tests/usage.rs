//! The command line itself: help that can be read, options that are checked.

use clap::{CommandFactory, Parser};

use super::{Line, refused};

#[test]
fn the_command_line_is_consistent() {
    Line::command().debug_assert();
}

#[test]
fn the_help_says_what_there_is() {
    // Unwrapped: whether clap wraps at all depends on features that other packages of the workspace ask for.
    let help = Line::command().term_width(0).render_help().to_string();
    insta::assert_snapshot!(help, @r#"
    The command line that the binary has, as far as it is the client's

    Usage: merit [OPTIONS] <COMMAND>

    Commands:
      invoke       Call a function at the cheapest venue that meets the terms
      quote        List what a call would cost at each deployment, in merit order
      book         Show a function's book: all asks, whatever the terms
      tape         Show fills as they come: price, venue and size of each
      explain      Tell the story of an invocation from its receipt
      async        List, show, redrive and drop calls that are run after they were answered
      functions    List, show, register and delete functions and their deployments
      venues       List and show venues, and set their prices
      catalog      Look into price sheets, price a call with them, and keep them up with the providers' price lists
      spend        Report what was spent, and what providers' invoices come to beyond that
      budgets      Show and set the monthly budget of an account
      keys         Create, list and revoke API keys
      config       Print the default configuration, check a file, show what holds
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Global options:
          --url <URL>     The broker's URL [env: MERIT_URL=] [default: http://127.0.0.1:8780]
          --key <KEY>     The API key, sent as `Authorization: Bearer KEY` [env: MERIT_KEY]
          --json          Print JSON for programs instead of text for people
          --color <WHEN>  When to use colour: auto (on a terminal, unless NO_COLOR is set), always or never [default: auto]

    Exit codes:
      0  it did what was asked
      1  the call failed: at every venue, or in the broker
      2  the command line, a file or the configuration is mistaken
      3  refused: budget, limits or terms
      4  the broker does not answer
      5  the key is missing, wrong, or may not do this
      6  there is no such function, venue, invocation, event, account or key
      7  the function ran and reported an error itself
      130  a signal such as Ctrl-C ended it before it was done
    "#);
}

#[test]
fn the_help_of_invoke_reads_well() {
    let command = Line::command();
    let mut invoke = command.find_subcommand("invoke").expect("a command").clone().term_width(0);
    insta::assert_snapshot!(invoke.render_help(), @r#"
    Call a function at the cheapest venue that meets the terms

    Usage: invoke [OPTIONS] <FUNCTION>

    Arguments:
      <FUNCTION>  The function

    Options:
          --data <TEXT>            The payload itself; without --data and --file it is read from stdin
      -f, --file <FILE>            A file with the payload
          --content-type <TYPE>    The payload's media type; JSON is recognised
      -o, --output <FILE>          Write the reply to a file instead of stdout
          --deadline <TIME>        How long to wait for the reply, such as 250ms or 2s, or until an RFC 3339 time
          --idempotency-key <KEY>  Makes a repetition safe: the same key gets the same reply, charged once
          --tag <NAME=VALUE>       A label for spend reports, such as team=search. May be repeated
          --async                  Do not wait: the call is stored, run afterwards at least once, and found with `merit async show`
      -v, --verbose                Print venue, charge and attempts to stderr
      -h, --help                   Print help

    Terms:
          --max-price <DOLLARS>      The most one call may be expected to cost, in dollars, such as 0.00001
          --venues <VENUE>           Venues allowed; a leading `!` excludes. Repeat it or separate with commas
          --regions <REGION>         Regions allowed; a leading `!` excludes
          --isolation <CLASS>        Isolation classes allowed: wasm, namespace, gvisor, microvm, provider
          --architecture <ARCH>      Architectures allowed: x86_64, arm64
          --max-latency <TIME>       The highest expected latency (95th percentile), such as 200ms
          --value-of-time <DOLLARS>  Dollars a second of waiting is worth; weighs latency against cost

    Exit codes:
      0  it did what was asked
      1  the call failed: at every venue, or in the broker
      2  the command line, a file or the configuration is mistaken
      3  refused: budget, limits or terms
      4  the broker does not answer
      5  the key is missing, wrong, or may not do this
      6  there is no such function, venue, invocation, event, account or key
      7  the function ran and reported an error itself
      130  a signal such as Ctrl-C ended it before it was done
    "#);
}

#[test]
fn every_command_and_option_is_explained() {
    fn check(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{} has no description", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {} has no help", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(check);
    }
    Line::command().get_subcommands().for_each(check);
}

#[test]
fn options_are_checked_before_anything_is_sent() {
    for (line, expected) in [
        (vec!["invoke", "a b"], "`a b` is not a valid function name"),
        (vec!["invoke", "f", "--max-price", "1e-3"], "1e-3 is not a plain decimal"),
        (vec!["invoke", "f", "--max-price", "-1"], "-1"),
        (vec!["invoke", "f", "--max-latency", "200"], "200 is not a length of time; write it like 250ms or 2s"),
        (vec!["invoke", "f", "--data", "x", "--file", "y"], "cannot be used with"),
        (vec!["invoke", "f", "--tag", "a b"], "`a b` is not a valid tag name"),
        (vec!["explain", "0199"], "it is a UUID such as"),
        (vec!["functions", "put", "f", "--timeout-ms", "0"], "0 is not in 1..=900000"),
        (vec!["spend", "--step", "week"], "[possible values: hour, day]"),
        (vec!["invok"], "a similar subcommand exists: 'invoke'"),
    ] {
        let text = refused(&line);
        assert!(text.contains(expected), "{line:?}: {text}");
    }
}

#[test]
fn the_key_is_not_shown_by_debug() {
    let line = Line::try_parse_from(["merit", "keys", "list", "--key", "mk_topsecret"]).expect("right");
    assert!(!format!("{:?}", line.globals).contains("topsecret"));
}
