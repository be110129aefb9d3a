//! What Slack refuses of a message or a form.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is wrong with these blocks.
pub(super) fn blocks(blocks: &Value, most: usize) -> Result<(), String> {
    let blocks = blocks.as_array().ok_or("blocks are no list")?;
    if blocks.is_empty() || blocks.len() > most {
        return Err(format!("{} blocks", blocks.len()));
    }
    let mut ids = BTreeSet::new();
    for block in blocks {
        let id = block["block_id"].as_str().ok_or("no block_id")?;
        if id.is_empty() || id.chars().count() > 255 || !ids.insert(id) {
            return Err(format!("block_id {id}"));
        }
        match block["type"].as_str() {
            Some("header") => plain(&block["text"], 150)?,
            Some("rich_text") => rich(&block["elements"])?,
            Some("actions") => actions(&block["elements"])?,
            Some("input") => {
                plain(&block["label"], 2_000)?;
                if !block["hint"].is_null() {
                    plain(&block["hint"], 2_000)?;
                }
                if block["element"]["type"] != "plain_text_input" {
                    return Err("an unknown field".to_owned());
                }
            }
            other => return Err(format!("an unknown block {other:?}")),
        }
    }
    // Not documented. Messages a little larger were refused, and messages of this size accepted.
    let size = serde_json::to_string(blocks).unwrap().chars().count();
    if size > 15_500 {
        return Err(format!("msg_blocks_too_long: {size}"));
    }
    Ok(())
}

/// Plain text that is not markup.
pub(super) fn plain(text: &Value, most: usize) -> Result<(), String> {
    let content = text["text"].as_str().unwrap_or_default();
    let right =
        text["type"] == "plain_text" && !content.is_empty() && content.chars().count() <= most;
    right
        .then_some(())
        .ok_or_else(|| format!("plain text {text}"))
}

fn rich(elements: &Value) -> Result<(), String> {
    let elements = elements.as_array().filter(|all| !all.is_empty());
    for element in elements.ok_or("an empty rich text")? {
        let kind = element["type"].as_str().unwrap_or_default();
        if !matches!(
            kind,
            "rich_text_section" | "rich_text_preformatted" | "rich_text_quote"
        ) {
            return Err(format!("an unknown rich text element {kind}"));
        }
        let parts = element["elements"].as_array().filter(|all| !all.is_empty());
        for part in parts.ok_or("an empty rich text element")? {
            match part["type"].as_str() {
                Some("text") if part["text"].as_str().is_some_and(|t| !t.is_empty()) => {}
                Some("user") if part["user_id"].is_string() => {}
                Some("usergroup") if part["usergroup_id"].is_string() => {}
                _ => return Err(format!("an unknown part {part}")),
            }
        }
    }
    Ok(())
}

fn actions(elements: &Value) -> Result<(), String> {
    let elements = elements
        .as_array()
        .filter(|all| (1..=25).contains(&all.len()));
    let mut ids = BTreeSet::new();
    for button in elements.ok_or("no buttons, or too many")? {
        plain(&button["text"], 75)?;
        let id = button["action_id"].as_str().unwrap_or_default();
        let short = |name: &str, most| {
            button[name]
                .as_str()
                .is_none_or(|text| text.chars().count() <= most)
        };
        let style = button["style"].as_str();
        let right = button["type"] == "button"
            && !id.is_empty()
            && ids.insert(id)
            && short("value", 2_000)
            && short("url", 3_000)
            && matches!(style, None | Some("primary" | "danger"));
        if !right {
            return Err(format!("button {button}"));
        }
    }
    Ok(())
}
