//! How to go on by hand when the demo has shown what it has.

/// Where things are, for going on by hand.
pub(crate) struct Places<'a> {
    /// The program as it was called.
    pub(crate) program: &'a str,
    /// The broker.
    pub(crate) broker: &'a str,
    /// Whether that is where the commands look by themselves.
    pub(crate) broker_is_default: bool,
    /// The simulated clouds.
    pub(crate) clouds: &'a str,
    /// The broker's key.
    pub(crate) key: &'a str,
    /// The demo's folder.
    pub(crate) folder: &'a str,
    /// A cloud that was killed.
    pub(crate) killed: Option<&'a str>,
    /// An invocation to be explained.
    pub(crate) invocation: Option<&'a str>,
}

/// How to go on by hand.
pub(crate) fn by_hand(places: &Places<'_>) -> String {
    let Places { program, broker, clouds, key, folder, .. } = places;
    let url = if places.broker_is_default { String::new() } else { format!("  export MERIT_URL={broker}\n") };
    let explain = places.invocation.map_or(String::new(), |id| format!("  {program} explain {id}\n"));
    let revive = places.killed.map_or(String::new(), |cloud| {
        format!(
            "  curl {clouds}/_sim/clouds/{cloud}/control --data '{{\"outage\": \"none\"}}'   # brings {cloud} back\n"
        )
    });
    format!(
        "\
{url}  export MERIT_KEY={key}
  {program} invoke thumbnail --file {folder}/functions/thumbnail/input.jpg --output thumbnail.jpg --verbose
  echo '# Hello' | {program} invoke markdown --max-price 0.000001 --verbose
  {program} book primes
{explain}  {program} spend --group-by function,venue
  curl -i {broker}/v1/functions/primes/invocations -H \"Authorization: Bearer $MERIT_KEY\" --data 1000000
{revive}  {program} config check --config {folder}/merit.toml"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_broker_only_when_it_is_not_where_commands_look() {
        let places = |broker_is_default| Places {
            program: "merit",
            broker: "http://127.0.0.1:9",
            broker_is_default,
            clouds: "http://127.0.0.1:8",
            key: "mrt_x_y",
            folder: "/tmp/x",
            killed: Some("aws"),
            invocation: None,
        };
        assert!(!by_hand(&places(true)).contains("MERIT_URL"));
        assert!(
            by_hand(&places(false)).starts_with("  export MERIT_URL=http://127.0.0.1:9\n  export MERIT_KEY=mrt_x_y\n")
        );
        assert!(by_hand(&places(true)).contains("http://127.0.0.1:8/_sim/clouds/aws/control"));
    }
}
