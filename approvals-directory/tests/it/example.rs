//! The example file.

use std::fs;
use std::path::Path;

use approvals_core::{Directory as _, Members};
use approvals_directory::FileDirectory;

use crate::support::{Folder, group, person};

fn example() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("people.example.toml");
    fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn the_example_file_loads_and_means_what_it_says() {
    let folder = Folder::of(&example());
    let directory = FileDirectory::open(folder.people()).unwrap();
    let members = directory.members(&group("senior-engineers")).await.unwrap();
    let expected = [person("alice"), person("bob")].into_iter().collect();
    assert_eq!(members, Members::Listed(expected));
}

#[test]
fn the_readme_shows_the_example_file() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    assert!(readme.contains(&format!("```toml\n{}```", example())));
}
