//! "Did you mean": the closest of a few words.

/// A hint to append to an error: the close match if there is one, and always the choices.
pub(crate) fn choices<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let close = closest(written, known.iter().copied());
    let list = known
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match close {
        Some(word) => format!("did you mean `{word}`? the choices are {list}"),
        None if list.is_empty() => "there are none to choose from".to_owned(),
        None => format!("the choices are {list}"),
    }
}

/// The word that was probably meant.
pub(crate) fn closest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (distance(written, word), word))
        .min()
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .map(|(_, word)| word)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        if let Some(first) = row.first_mut() {
            *first = previous;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let substituted = diagonal + usize::from(left != right);
            diagonal = *cell;
            previous = substituted.min(*cell + 1).min(previous + 1);
            *cell = previous;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{choices, distance};

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("policy", "policy"), 0);
        assert_eq!(distance("polcy", "policy"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_far_word_is_not_suggested() {
        assert_eq!(
            choices("xyz", ["low", "high"]),
            "the choices are `low`, `high`"
        );
        assert_eq!(
            choices("hig", ["low", "high"]),
            "did you mean `high`? the choices are `low`, `high`"
        );
    }
}
