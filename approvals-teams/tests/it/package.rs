//! The files of the app package, which whoever runs the channel fills in and uploads.

use std::path::PathBuf;

use approvals_teams::AppId;
use serde_json::{Value, json};

fn app(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("app")
        .join(name);
    std::fs::read(path).unwrap()
}

#[test]
fn the_app_package_names_one_bot_in_every_scope_and_icons_of_the_right_sizes() {
    let manifest: Value = serde_json::from_slice(&app("manifest.json")).unwrap();
    let bot = &manifest["bots"][0];
    let id = bot["botId"].as_str().unwrap();
    assert_eq!(AppId::new(id).unwrap().as_str(), id);
    assert_eq!(manifest["bots"].as_array().unwrap().len(), 1);
    let scopes: Vec<&str> = bot["scopes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scope| scope.as_str().unwrap())
        .collect();
    assert_eq!(scopes, ["personal", "team", "groupChat"]);
    // One that only notifies gets no clicks.
    assert_eq!(bot["isNotificationOnly"], false);
    // Where others read along, the command is not offered.
    let lists = bot["commandLists"].as_array().unwrap();
    assert_eq!(
        (lists.len(), &lists[0]["scopes"]),
        (1, &json!(["personal"]))
    );
    assert_eq!(lists[0]["commands"][0]["title"], "link");
    for (pointer, most) in [
        ("/bots/0/commandLists/0/commands/0/title", 32),
        ("/bots/0/commandLists/0/commands/0/description", 128),
        ("/name/short", 30),
        ("/name/full", 100),
        ("/description/short", 80),
        ("/description/full", 4_000),
        ("/developer/name", 32),
    ] {
        let text = manifest.pointer(pointer).and_then(Value::as_str).unwrap();
        assert!((1..=most).contains(&text.chars().count()), "{pointer}");
    }
    for pointer in [
        "/developer/websiteUrl",
        "/developer/privacyUrl",
        "/developer/termsOfUseUrl",
    ] {
        let text = manifest.pointer(pointer).and_then(Value::as_str).unwrap();
        assert!(text.starts_with("https://"), "{pointer}");
    }
    for (icon, side) in [("color", 192), ("outline", 32)] {
        let png = app(manifest["icons"][icon].as_str().unwrap());
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!((size(16), size(20)), (side, side), "{icon}");
    }
}
