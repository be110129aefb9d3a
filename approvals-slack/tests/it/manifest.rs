//! The manifest from which an app is made.

/// The lines of the manifest without comments, each trimmed.
fn manifest() -> Vec<&'static str> {
    let lines = include_str!("../../manifest.yaml").lines().map(str::trim);
    lines.filter(|line| !line.starts_with('#')).collect()
}

/// The lines that follow this one and are items of a list.
fn list(name: &str) -> Vec<&'static str> {
    let lines = manifest();
    let begin = lines.iter().position(|line| *line == name).unwrap();
    let items = lines[begin + 1..].iter();
    items.map_while(|line| line.strip_prefix("- ")).collect()
}

#[test]
fn the_manifest_asks_for_what_is_used_and_for_no_more() {
    let scopes = list("bot:");
    let used = ["chat:write", "commands", "users:read", "usergroups:read"];
    assert_eq!(scopes, used);
}

#[test]
fn the_manifest_has_the_command_and_one_address_for_everything() {
    assert_eq!(list("slash_commands:"), ["command: /approvals"]);
    let lines = manifest();
    let address = "https://approvals.example.com/slack/interactions";
    for line in [
        format!("url: {address}"),
        format!("request_url: {address}"),
        "usage_hint: link CODE".to_owned(),
        "should_escape: false".to_owned(),
    ] {
        assert!(lines.contains(&line.as_str()), "{line}");
    }
}
